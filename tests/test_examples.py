"""The examples run and say what they should."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import mpmath
import pytest

from tests.conftest import load_script

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_simulate_on_dask() -> None:
    """A real local Dask cluster gives the same numbers, run by run."""
    command = [sys.executable, str(EXAMPLES / "simulate_on_dask.py"), "40000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert "the same, run by run" in done.stdout


def test_sweep_on_dask() -> None:
    """The same sweep on a real local Dask cluster: equal columns."""
    command = [sys.executable, str(EXAMPLES / "sweep_on_dask.py"), "900"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert "the same, column by column" in done.stdout


def test_the_validity_map_in_the_docs_is_what_its_script_makes() -> None:
    """A few cells of the map are simulated again, and the cells of the first-order ranges are within 10%."""
    made = load_script(EXAMPLES / "validity_map.py")
    with (EXAMPLES.parent / "docs" / "_static" / "validity.csv").open(encoding="utf-8") as file:
        stored = list(csv.DictReader(file))
    rows = [
        *made.partial_rows(float(made.SAVES[4]), float(made.REACHES[7])),
        made.full_row("Young 1974", float(made.SAVES[6])),
        made.full_row("Daly 2006", float(made.SAVES[2])),
    ]
    for row in rows:
        keys = {name: f"{row[name]:.4g}" for name in ("save_over_mtbf", "reach")}
        (match,) = [one for one in stored if one["what"] == row["what"] and keys.items() <= one.items()]
        assert float(match["error"]) == pytest.approx(row["error"], abs=2e-4)
    for one in stored:
        small = float(one["save_over_mtbf"]) <= 1e-3
        if one["what"] == "PLS, partial" and small and 0.05 <= float(one["reach"]) <= 0.29:
            assert abs(float(one["error"])) <= 0.1


def test_a_saving_policy_of_one_s_own_is_priced_as_it_is_simulated() -> None:
    command = [sys.executable, str(EXAMPLES / "own_saving_policy.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    *lines, recommended, remark = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["full", "current", "full-compressed"]
    assert recommended == "recommended: full-compressed"
    assert remark == "full-compressed: writes 30% of a checkpoint"
    found = [[float(share) / 100 for share in re.findall(r"(\d+\.\d+)%", line)] for line in lines]
    for overhead, simulated, error in found:
        assert abs(simulated - overhead) <= 4 * error + 1e-5  # as printed
    assert found[2][0] < found[0][0] < found[1][0]  # it pays


def output_of(script: str) -> list[str]:
    """What an example prints."""
    command = [sys.executable, str(EXAMPLES / script)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout.splitlines()


def test_a_formula_of_one_s_own_is_green() -> None:
    """Its rules, and its figures by mpmath."""
    rules, number, array, equation, derivative, outside = output_of("own_formula.py")
    assert rules == "rules broken: []"
    struck = [float(1 - mpmath.exp(-mpmath.mpf(save) / 100_800)) for save in (60, 240)]
    assert number == f"number: {struck[1]:.6f}"
    assert [float(one) for one in re.findall(r"0\.\d+", array)] == pytest.approx(struck, abs=1e-6)
    assert equation == "equation: 1 - exp(-C/μ)"
    assert derivative == "its derivative by C: exp(-C/μ)/μ"
    assert "C/μ = 0.2 is above 0.1" in outside


def test_a_log_of_one_s_own_becomes_a_plan() -> None:
    """Seven days of watching with five interruptions: T/n."""
    fitted, planned, wrong = output_of("own_reader.py")
    assert fitted.startswith("MTBF 33 h 36 min (90% interval ")  # 168 h / 5
    assert planned.startswith("full every ")
    assert wrong.startswith("launcher.log: line 8 = ")


def test_the_page_on_extending_shows_what_runs() -> None:
    """Every program on it is a file that a test runs; none is typed there."""
    page = (EXAMPLES.parent / "docs" / "extending.md").read_text(encoding="utf-8")
    assert "```python" not in page
    shown = set(re.findall(r"literalinclude\} \.\./examples/(\w+\.py)", page))
    assert shown == set(re.findall(r"\{runs\} examples/(\w+\.py)", page))
    assert shown == {"own_formula.py", "own_saving_policy.py", "own_reader.py"}


def test_the_planner_s_notebook_runs() -> None:
    notebook = json.loads((EXAMPLES / "planner.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    program = "import os\nos.chdir('..')\n" + "\n".join(cells)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=EXAMPLES, capture_output=True, text=True, timeout=180, check=True
    )
    sentence, cheapest = done.stdout.strip().splitlines()
    assert "overhead" in sentence
    assert re.fullmatch(r"\d+ nodes: [\d.]+ days, [\d,]+ USD", cheapest)


def test_broken_links_are_found(tmp_path: Path) -> None:
    """The checker of the documentation's links can fail."""
    checker = load_script(EXAMPLES.parent / "docs" / "check_links.py")
    (tmp_path / "a.html").write_text(
        '<a id="here" href="b.html#there"></a><a href="b.html"></a><a href="#here"></a>'
    )
    (tmp_path / "b.html").write_text('<a href="a.html#nowhere"></a><img src="c.png"><a href="https://x.org"></a>')
    broken, elsewhere, checked = checker.broken_links(tmp_path)
    assert broken == [
        "a.html: b.html#there: no such place in it",
        "b.html: a.html#nowhere: no such place in it",
        "b.html: c.png: no such file",
    ]
    assert elsewhere == {"https://x.org"}
    assert checked == 5
