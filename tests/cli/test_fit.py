"""``cprmodel fit`` and ``cprmodel regret``, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cprmodel import load_job
from tests.cli.test_commands import run
from tests.conftest import EXAMPLE


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    times = np.cumsum(rng.weibull(0.6, 80) * 10)
    path = tmp_path / "trace.csv"
    path.write_text("at\n" + "".join(f"{time:.6f}\n" for time in times))
    return path


def test_one_time_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("hours\n4\n")
    out, _ = run("fit", path, capsys=capsys)
    assert "1 duration: 1 ended by an interruption" in out


def test_fit_says_what_the_trace_says(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("fit", trace, "--window", "3000 h", "--unit", "h", capsys=capsys)
    text = " ".join(out.split())
    assert "81 durations: 80 ended by an interruption, 1 cut short by the end of the observation" in text
    assert "failures come in bursts: after one, another soon is more likely" in text
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
    assert "NaN" not in text.split("const FIGURES = [")[-1]


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
    assert ("if they do (Weibull shape 0.6 to 0.8), in 84 to 89" in " ".join(out.split())) == said


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


SACCT = """JobID|State|Start|End|Elapsed
1|NODE_FAIL|2026-03-01T00:00:00|2026-03-02T00:00:00|1-00:00:00
2|NODE_FAIL|2026-03-02T00:10:00|2026-03-02T12:10:00|12:00:00
3|COMPLETED|2026-03-02T12:30:00|2026-03-04T00:30:00|1-12:00:00
"""


def test_log_in_plan_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """72 h with two failures, restarts of 10 and 20 min; what is missing is one line; then it plans."""
    log, job = tmp_path / "logs" / "sacct.txt", tmp_path / "job.toml"
    log.parent.mkdir()
    log.write_text(SACCT)
    out, _ = run("fit", log, "--where", "state=NODE_FAIL", "--out", job, capsys=capsys)
    assert f"Wrote {job}. It needs your figures: work, save." in out
    text = job.read_text()
    assert 'trace = "logs/sacct.txt"' in text
    assert 'where = ["state=NODE_FAIL"]' in text
    assert 'reschedule = "900 s"' in text
    _, err = run("plan", job, capsys=capsys, status=2)
    assert [line.split()[2].rstrip(":") for line in err.splitlines()] == ["checkpoint.save", "job.work"]
    assert "job.toml: " in err
    filled = text.replace('#> work = "30 d"', 'work = "10 d"').replace('#> save = "5 min"', 'save = "2 min"')
    job.write_text(filled)
    out, _ = run("plan", job, "--json", capsys=capsys)
    inputs = json.loads(out)["inputs"]
    assert inputs["failures"]["fit"]["exposure_s"] == 72 * 3600
    assert inputs["failures"]["fit"]["events"] == 2
    assert inputs["checkpoint"]["reschedule_s"] == 900
    said = [
        line
        for line in json.loads(out)["warnings"]
        if line.startswith("failures: sacct.txt is read as runs of jobs")
    ]
    assert "3 of 3 rows used" in said[0]
    out, _ = run("simulate", job, "--times", log, "--runs", "20", "--workers", "1", capsys=capsys)
    assert "sacct.txt: read as runs of jobs" in out
    assert "replayed: 2 times between interruptions, on average 18 h" in out


def test_the_answer_begins_with_how_the_log_was_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "sacct.txt"
    log.write_text(SACCT)
    out, _ = run("fit", log, capsys=capsys)
    assert out.startswith("read as runs of jobs (job: JobID, state: State")
    text = " ".join(out.split())
    assert "3 of 3 rows used" in text
    assert "restart (from an interruption to the next start of the job" in text
    assert "mean 15 min of 2" in text
    data = json.loads(run("fit", log, "--json", capsys=capsys)[0])
    assert data["reading"]["columns"]["state"] == "State"
    assert data["downtimes"][0]["mean_s"] == 900


def test_a_job_on_other_nodes_than_the_log_s(tmp_path: Path) -> None:
    """The log is of jobs of 4 nodes with an MTBF of 36 h; one of 8 nodes fails twice as often."""
    log, job = tmp_path / "sacct.txt", tmp_path / "job.toml"
    lines = SACCT.splitlines()
    log.write_text("\n".join([f"{lines[0]}|NodeList", *(f"{line}|gpu[1-4]" for line in lines[1:])]) + "\n")
    job.write_text(EXAMPLE.read_text().replace('mtbf = "28 h"', 'trace = "sacct.txt"\nnodes = 8'))
    assert load_job(job).failure_mix.mtbf_s == pytest.approx(18 * 3600)


def test_two_gaps_bound_the_mtbf_from_below_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their interval has an end that no person would take for one."""
    log = tmp_path / "t.txt"
    log.write_text("2026-03-01 00:00\n2026-03-03 04:00\n2026-03-09 10:00\n")
    out, _ = run("fit", log, capsys=capsys)
    assert "MTBF 4 d 5 h, 90% interval at least 5 h 16 min\n" in out
    assert "so far it has no upper bound" in " ".join(out.split())
    assert "over 30,000 years" not in out


@pytest.mark.parametrize("content", ["5,0\n7,0\n"])
def test_a_job_file_needs_an_interruption(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "t.csv"
    log.write_text(content)
    _, err = run("fit", log, "--job-file", tmp_path / "j.toml", capsys=capsys, status=2)
    assert "a log with at least one interruption" in err
    _, err = run("fit", log, "--job-file", log, capsys=capsys, status=2)
    assert "--out" in err


def test_more_time_than_any_one_job_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 30,000 units together: an exposure beyond 1e12 s is a fit's, and no job's time."""
    log = tmp_path / "t.csv"
    log.write_text("time,event\n" + "1e9,0\n" * 1500 + "4e8,1\n2e8,1\n")
    job = tmp_path / "job.toml"
    job.write_text(
        EXAMPLE.read_text().replace('mtbf = "28 h"', 'trace = "t.csv"\nclock = "durations"\nnodes = 1000')
    )
    out, _ = run("plan", job, "--json", capsys=capsys)
    assert json.loads(out)["inputs"]["failures"]["fit"]["exposure_s"] == pytest.approx(1500e9 + 6e8)
