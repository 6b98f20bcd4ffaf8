"""``cprmodel fit`` and ``cprmodel regret``, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_commands import run
from tests.conftest import EXAMPLE


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    times = np.cumsum(rng.weibull(0.6, 80) * 10)
    path = tmp_path / "trace.csv"
    path.write_text("at\n" + "".join(f"{time:.6f}\n" for time in times))
    return path


def test_fit_says_what_the_trace_says(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("fit", trace, "--window", "3000 h", "--unit", "h", capsys=capsys)
    text = " ".join(out.split())
    assert "81 durations: 80 ended by an interruption, 1 cut short by the end of the observation" in text
    assert "failures come in bursts (the hazard falls after one)" in text
    assert "Lewis-Robinson" in text
    for name in ("exponential", "weibull", "gamma", "lognormal"):
        assert name in out


def test_fit_json(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("fit", trace, "--window", "3000 h", "--unit", "h", "--json", capsys=capsys)
    data = json.loads(out)
    assert (data["n"], data["events"], data["censored"]) == (81, 80, 1)
    assert data["mtbf_s"] == pytest.approx(3000 * 3600 / 80)
    assert data["mtbf_ci90_s"][0] < data["mtbf_s"] < data["mtbf_ci90_s"][1]
    assert data["best"] == data["models"][0]["name"]
    assert set(data["models"][0]) == {"name", "shape", "scale_s", "log_likelihood", "aic", "weight"}
    assert next(one for one in data["models"] if one["name"] == "exponential")["shape"] is None


def test_fit_report(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "r.html"
    run("fit", trace, "--window", "3000 h", "--unit", "h", "--report", page, capsys=capsys)
    text = page.read_text()
    assert text.count('<a download="') == 3  # survival, hazard, drift
    assert "Kaplan-Meier" in text
    assert "NaN" not in text.split("vegaEmbed(")[-1]


@pytest.mark.parametrize(
    ("content", "expected"), [("5,0\n7,0\n", "no interruption was seen"), ("5,1\n", "MTBF 5 s")]
)
def test_a_few_failures(content: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, page = tmp_path / "t.csv", tmp_path / "r.html"
    path.write_text(content)
    out, _ = run("fit", path, "--report", page, capsys=capsys)
    assert expected in " ".join(out.split())
    assert "How often it fails" in page.read_text()


@pytest.mark.parametrize(("events", "said"), [(0, True), (1, True), (9, True), (10, False)])
def test_what_few_events_leave_open(
    events: int, said: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time,event\n" + "".join(f"{3 + at % 4},1\n" for at in range(events)) + "7,0\n")
    out, _ = run("fit", path, capsys=capsys)
    assert ("but 84 to 89% in bursts (Weibull shape 0.6 to 0.8)" in " ".join(out.split())) == said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["fit", "nope.csv"], "nope.csv: expected a log, but there is no such file"),
        (["fit", EXAMPLE, "--report", "/nowhere/r.html"], "expected a file in a folder that can be written to"),
        (["regret", EXAMPLE, "--mtbf-error", "0"], "--mtbf-error: expected a number greater than 0"),
        (["regret", EXAMPLE, "--observed-failures", "0"], "--observed-failures"),
        (["regret", "nope.toml"], "nope.toml"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[object], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = run(*arguments, capsys=capsys, status=2)
    assert len(err.splitlines()) == 1
    assert expected in err


def test_regret(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("regret", EXAMPLE, "--mtbf-error", "4", "--observed-failures", "10", capsys=capsys)
    assert out.count("+25%") == 2  # first order, both ways
    assert "first-order: 10% after 2, 5% after 4, 1% after 14" in out
    assert "exact: 10% after " in out
    out, _ = run("regret", EXAMPLE, "--json", capsys=capsys)
    rows = json.loads(out)["regrets"]
    assert json.loads(out)["failures_to_see"]["first-order"] == {"0.1": 2, "0.05": 4, "0.01": 14}
    assert [row["mtbf_error"] for row in rows] == [0.5, 2.0, 0.5, 2.0]
    assert {row["model"] for row in rows} == {"first-order", "exact"}
