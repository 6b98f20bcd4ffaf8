"""``cprmodel accuracy``, and plans that name what it wrote, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_commands import run
from tests.conftest import EXAMPLE


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Six seeds, two patterns of which one loses less; simulated."""
    rng = np.random.default_rng(4)
    lines = ["seed,pls,drop,pattern"]
    for seed in range(1, 7):
        shared = 2e-4 * rng.normal()
        for pattern, slope in (("many small", 0.005), ("few <large>", 0.003)):
            for pls in (0.02, 0.05, 0.1, 0.2, 0.4):
                lines.append(f"{seed},{pls},{slope * pls + shared + 1e-4 * rng.normal():.7f},{pattern}")
    path = tmp_path / "record.csv"
    path.write_text("\n".join(lines))
    return path


def test_it_says_what_the_record_says(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("accuracy", record, capsys=capsys)
    text = " ".join(out.split())
    assert "60 paired runs of 6 seeds, PLS up to 0.4" in text
    assert "test: a line fitted to seeds 1, 3, 5 misses the 30 drops of seeds 2, 4, 6" in text
    assert "patterns: do not share one slope" in text
    assert "warning: PLS alone does not decide" in text
    for row in ("all seeds", "fit seeds alone", "few <large>", "many small"):
        assert any(line.startswith(row) for line in out.splitlines())
    out, _ = run("accuracy", record, "--pattern", "many small", "--test-seeds", "6", capsys=capsys)
    assert "30 paired runs of 6 seeds" in out
    assert "misses the 5 drops of seed 6" in " ".join(out.split())


def test_json(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("accuracy", record, "--json", capsys=capsys)
    data = json.loads(out)
    low, high = data["metric_drop_per_pls"]["interval_90"]
    assert low < data["metric_drop_per_pls"]["value"] < high
    assert (data["record"], data["runs"], data["seeds"]) == ("record.csv", 60, [1, 2, 3, 4, 5, 6])
    assert data["held_out"]["test_seeds"] == [2, 4, 6]
    assert [one["pattern"] for one in data["patterns"]] == ["few <large>", "many small"]
    assert data["one_slope_p_value"] < 0.05
    assert len(data["warnings"]) == 1


def test_a_job_names_the_model(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, job = tmp_path / "model.json", tmp_path / "job.toml"
    out, _ = run("accuracy", record, "--pattern", "many small", "--out", model, capsys=capsys)
    assert f"Model: {model}" in " ".join(out.split())
    written = json.loads(model.read_text())
    assert set(written) == {
        "schema_version",
        "kind",
        "metric",
        "metric_drop_per_pls",
        "interval_90",
        "linear_to_pls",
        "runs",
        "seeds",
        "record",
    }
    text = EXAMPLE.read_text().replace("pls_budget = 0.1", "max_metric_drop = 0.0003")
    job.write_text(text.replace("metric_drop_per_pls = 0.005", 'model = "model.json"'))
    out, _ = run("plan", job, capsys=capsys)
    assert "90%: from" in out
    assert "90% interval" in out
    assert max(len(line) for line in out.splitlines()) <= 80
    out, _ = run("plan", job, "--json", capsys=capsys)
    partial = next(one for one in json.loads(out)["strategies"] if one["name"] == "partial")
    low, high = (limit * partial["expected_pls"] for limit in written["interval_90"])
    assert partial["expected_metric_drop_interval_90"] == pytest.approx([low, high])
    page = tmp_path / "plan.html"
    run("plan", job, "--report", page, capsys=capsys)
    assert "accuracy.model.metric_drop_per_pls" in page.read_text()
    assert "{&#39;" not in page.read_text()  # no Python in the inputs


def test_a_slope_that_is_negative_is_refused_by_a_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, model, job = tmp_path / "r.csv", tmp_path / "model.json", tmp_path / "job.toml"
    record.write_text("seed,pls,drop\n1,0.1,-0.001\n2,0.1,-0.002\n3,0.1,-0.001\n")
    out, _ = run("accuracy", record, "--out", model, capsys=capsys)
    assert "warning: the slope is negative" in out
    job.write_text(EXAMPLE.read_text().replace("metric_drop_per_pls = 0.005", 'model = "model.json"'))
    _, err = run("plan", job, capsys=capsys, status=2)
    assert len(err.splitlines()) == 1
    assert "accuracy.model.metric_drop_per_pls = -0.013333" in err
    assert "expected a slope greater than 0" in err


@pytest.mark.parametrize("lines", [100, 6, 1])
def test_report(lines: int, record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a whole record, of one seed, and of one run: a page that is whole and fetches nothing."""
    few, page = tmp_path / "few.csv", tmp_path / "r.html"
    few.write_text("\n".join(record.read_text().splitlines()[: lines + 1]))
    run("accuracy", few, "--report", page, "--json", capsys=capsys)
    text = page.read_text()
    assert text.count('<a download="') == 1
    assert "What lost samples cost" in text
    assert "few <large>" not in text.split("<script>")[0]  # a name in a record is text
    drawn = text.split("const FIGURES = [")[-1]
    assert "NaN" not in drawn
    assert '"fillOpacity"' in drawn


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nope.csv"], "nope.csv: expected a record of paired runs, but there is no such file"),
        (["RECORD", "--test-seeds", "a"], '--test-seeds: expected seeds such as 2,4, not "a"'),
        (["RECORD", "--test-seeds", "9"], "--test-seeds: expected seeds of the record (1, 2, 3, 4, 5, 6), not 9"),
        (["RECORD", "--pattern", "x"], 'pattern = "x": expected one of the record: few <large>, many small'),
        (["RECORD", "--out", "RECORD"], "expected another file than the one that is read"),
        (["RECORD", "--out", "/nowhere/m.json"], "--out /nowhere/m.json: expected a file in a folder that can be"),
        (["RECORD", "--out", "m.json", "--report", "m.json"], "expected another file than that of --out"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    expected: str,
    record: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(record) if one == "RECORD" else one for one in arguments]
    _, err = run("accuracy", *given, capsys=capsys, status=2)
    assert len(err.splitlines()) == 1
    assert expected in err
    assert not (tmp_path / "m.json").exists()
