"""Names that somebody chose: what they are in a page's text, its charts and its tables."""

from __future__ import annotations

import copy
import csv
import functools
import io
import json
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cprmodel.cli import main
from cprmodel.facts.tables import cell
from cprmodel.report.literals import literal
from tests.conftest import EXAMPLE
from tests.harm.test_record import FILE, TABLE

HOSTILE = [
    "<!--<script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a\u2028b'\"`${1}\\",
    "=HYPERLINK(1)",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "[/bold]",
    "{{ 7 * 7 }}",
    "$label$ | x",
]


@given(st.text() | st.lists(st.sampled_from(HOSTILE)) | st.dictionaries(st.text(), st.text()))
def test_a_literal_is_its_value_and_ends_no_script(value: object) -> None:
    text = literal(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


@given(st.text() | st.floats(allow_nan=False) | st.integers())
def test_no_cell_is_a_formula(value: object) -> None:
    shown = cell(value)
    if isinstance(value, str):
        assert shown in (value, f"'{value}")
        assert shown[:1] not in tuple("=@\t\r\n＝＋－＠")
        assert shown[:1] not in ("+", "-") or float(shown) == float(value)
    else:
        assert shown is value


def run(*words: str) -> None:
    import sys

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["cprmodel", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0


def shards(folder: Path) -> Path:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["shard", "bytes", "updates_per_s"])
    writer.writerows([name, "1 GB", 1000 * (number + 1)] for number, name in enumerate(HOSTILE))
    path = folder / "shards.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def record(folder: Path) -> Path:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["seed", "pls", "drop", "pattern"])
    for seed in range(4):
        for number, name in enumerate(HOSTILE):
            writer.writerow([seed, 0.01 * (number + 1), 0.001 * (number + 1) + 1e-5 * seed, name])
    path = folder / "record.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def log(folder: Path) -> Path:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["job id", "node", "reason", "start", "end", "state"])
    for number in range(40):
        name = HOSTILE[number % len(HOSTILE)]
        writer.writerow(
            [number, name, name, 100_000 * number, 100_000 * number + 5_000 * (1 + number % 7), "FAILED"]
        )
    path = folder / "log.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def job(folder: Path, example: str = "ordered-saves.toml") -> Path:
    """In a file with such a name; tables of rows and a currency have one, too."""
    shown = [json.dumps(name) for name in HOSTILE]
    text = (EXAMPLE.parent / example).read_text(encoding="utf-8")
    one = "[[access.tables]]\nrows = 1_000\nzipf = 1.05\nupdates_per_second = 1e3\nname = "
    text += (
        "".join(f"\n{one}{name}\n" for name in shown if "[access]" in text)
        + f"\n[cost]\nnode_hour = 2\ncurrency = {shown[5]}\n"
    )
    path = folder / "<!--<script>=a|b\n.toml"
    path.write_text(text, encoding="utf-8")
    return path


def run_log(folder: Path) -> Path:
    path = folder / "<img src=x onerror=alert(1)>\n.jsonl"
    path.write_text((EXAMPLE.parent / "logs" / "run.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def harm(folder: Path) -> Path:
    data = copy.deepcopy(FILE)
    for point in data["points"]:
        point["tables"] = [{**TABLE, "name": name} for name in HOSTILE]
    path = folder / "harm.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


PAGES: dict[str, Callable[[Path], list[str]]] = {
    "order": lambda folder: ["order", str(shards(folder)), "--budget", "2 GB/s", "--report"],
    "accuracy": lambda folder: ["accuracy", str(record(folder)), "--report"],
    "fit": lambda folder: ["fit", str(log(folder)), "--report"],
    "harm": lambda folder: ["accuracy", str(harm(folder)), "--report"],
    "plan": lambda folder: ["plan", str(job(folder)), "--report"],
    "sweep": lambda folder: [
        "sweep",
        str(job(folder, EXAMPLE.name)),
        "--vary",
        "failures.mtbf=1h:9h:log4",
        "--report",
    ],
    "simulate": lambda folder: ["simulate", str(job(folder)), "--strategy", "full", "--runs", "9", "--report"],
    "goodput": lambda folder: ["goodput", str(run_log(folder)), "--report"],
    "whatif": lambda folder: ["whatif", str(job(folder)), "-o"],
}
DRAWN = ("order", "accuracy", "fit", "harm")  # names stand in their charts


def page_of(name: str, folder: Path) -> Path:
    path = folder / "a.html"
    run(*PAGES[name](folder), str(path))
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Each is written once."""
    return functools.cache(lambda name: page_of(name, tmp_path_factory.mktemp(name)))


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, pages: Callable[[str], Path]) -> Path:
    return pages(request.param)


def figures_of(text: str) -> dict[str, str]:
    """The charts of a page, by their names: one a line."""
    listed = re.search(r"\nconst FIGURES = \[\n(.*?)\n\];\n", text, flags=re.S)
    assert listed is not None
    lines = [re.fullmatch(r'\["([\w-]+)", (\{.*\})\],', line) for line in listed[1].splitlines()]
    return {line[1]: line[2] for line in lines if line is not None}


def test_scripts_end_where_they_end(page: Path) -> None:
    """Without the two that are ours, nothing in a script can open or close anything."""
    text = page.read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.S)
    assert len(scripts) == text.count("<script>") == text.count("</script>") == 2
    charts = scripts[1]
    outside = re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.S)
    assert not re.search("<!--|<img|</?script", outside)  # nor outside of them
    if page.parent.name.startswith("whatif"):  # its charts are drawn from what the sliders say
        assert not re.search("<!--|<img|</script", charts)
        return
    specs = figures_of(text)
    assert specs
    for spec in specs.values():
        assert not set("<>&") & set(spec)
        json.loads(spec)


def test_tables_hold_no_formulas(page: Path) -> None:
    if page.parent.name.startswith("whatif"):
        return  # it has none
    text = page.read_text(encoding="utf-8")
    links = re.findall(r'href="data:text/csv;charset=utf-8,([^"]*)"', text)
    assert links
    for link in links:
        for row in csv.reader(io.StringIO(urllib.parse.unquote(link))):
            for one in row:
                assert cell(one) == one


@pytest.mark.browser
@pytest.mark.parametrize("name", DRAWN)
def test_the_charts_are_drawn(name: str, pages: Callable[[str], Path], chromium: Any) -> None:
    page, said = pages(name), list[str]()
    context = chromium.new_context()
    window = context.new_page()
    window.on("console", lambda message: said.append(message.text))
    window.on("pageerror", lambda error: said.append(str(error)))
    window.on("dialog", lambda dialog: said.append(dialog.message))
    window.goto(page.as_uri())
    figures = len(figures_of(page.read_text(encoding="utf-8")))
    window.wait_for_function(f"document.querySelectorAll('svg.marks').length == {figures}")
    context.close()
    assert said == []


def test_a_schedule_is_a_table_without_formulas(tmp_path: Path) -> None:
    path = tmp_path / "schedule.csv"
    run("order", str(shards(tmp_path)), "--budget", "2 GB/s", "--schedule", str(path))
    names = {row["shard"] for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))}
    assert names <= {cell(name) for name in HOSTILE}
    assert "'=HYPERLINK(1)" in names
