"""Jobs whose failures are a trace: the same as those with its fit, and one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cprmodel import Job, JobError, load_job, load_preset, plan
from cprmodel.fitting import analyse, read_trace
from cprmodel.logs import LogOptions
from tests.cli.test_commands import run
from tests.conftest import EXAMPLE

TEXT = EXAMPLE.read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    times = np.cumsum(np.random.default_rng(4).weibull(0.7, 14) * 22)
    (tmp_path / "trace.csv").write_text("at\n" + "".join(f"{time:.4f}\n" for time in times))
    return tmp_path


def write(folder: Path, failures: str) -> Path:
    path = folder / "job.toml"
    path.write_text(TEXT.replace('mtbf = "28 h"', failures))
    return path


def test_a_trace_is_its_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(folder, 'trace = "trace.csv"\nunit = "h"\nwindow = "600 h"')
    job = load_job(path)
    fit = analyse(read_trace(folder / "trace.csv", LogOptions(unit="h", window="600 h")))
    assert job.failure_mix.mtbf_s == fit.mtbf_s == pytest.approx(600 * 3600 / 14)
    out, _ = run("fit", folder / "trace.csv", "--unit", "h", "--window", "600 h", "--json", capsys=capsys)
    (folder / "fit.json").write_text(out)
    assert Job.from_file(write(folder, 'fit = "fit.json"')) == job
    sure = plan(job).uncertainty
    assert sure is not None
    assert list(sure.mtbf_ci90_s) == json.loads(out)["mtbf_ci90_s"]


def test_one_node_s_trace_stands_for_a_job_of_many(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rates add: the MTBF and its limits are the node's over 64, with as many failures; its law has no memory."""
    options = 'trace = "trace.csv"\nunit = "h"\nwindow = "600 h"'
    node, many = load_job(write(folder, options)), load_job(write(folder, options + "\nnodes = 64"))
    assert many.failure_mix.mtbf_s == pytest.approx(node.failure_mix.mtbf_s / 64)
    one, all_of_them = plan(node).uncertainty, plan(many).uncertainty
    assert one is not None
    assert all_of_them is not None
    assert [64 * limit for limit in all_of_them.mtbf_ci90_s if limit] == pytest.approx(list(one.mtbf_ci90_s))
    assert all_of_them.events == one.events == 14
    assert all_of_them.renewal is None
    answer = plan(many, robust=True)
    assert Job.from_mapping(json.loads(json.dumps(answer.to_dict()))["inputs"]) == many
    assert "one node's, with an MTBF of 42 h 51 min; the job's 64 nodes" in answer.warnings[0]
    assert "and are taken to have none" in answer.warnings[1]
    out, _ = run("fit", folder / "trace.csv", "--unit", "h", "--window", "600 h", "--json", capsys=capsys)
    (folder / "fit.json").write_text(out)
    assert Job.from_file(write(folder, 'fit = "fit.json"\nnodes = 64')) == many
    out, _ = run("plan", folder / "job.toml", capsys=capsys)
    assert "MTBF 40 min 11 s of 64 nodes from 14 failures" in " ".join(out.split())


def test_a_log_of_servers_is_scaled_by_their_number(folder: Path) -> None:
    rows = [(at, f"n{at % 5}") for at in range(7, 590, 13)]
    (folder / "log.csv").write_text("at,node\n" + "".join(f"{at},{node}\n" for at, node in rows))
    options = 'trace = "log.csv"\ntime_column = "at"\nunit = "h"\nwindow = "600 h"\n'
    mtbf = {
        more: load_job(write(folder, options + more)).failure_mix.mtbf_s
        for more in ("", "nodes = 5", "nodes = 20", "servers = 2", "servers = 2\nnodes = 20")
    }
    assert mtbf[""] == mtbf["nodes = 5"] == pytest.approx(600 * 3600 / len(rows))
    assert mtbf["nodes = 20"] == pytest.approx(mtbf[""] / 4)
    of_two = sum(node in ("n0", "n1") for _, node in rows)
    assert mtbf["servers = 2"] == pytest.approx(600 * 3600 / of_two)
    assert mtbf["servers = 2\nnodes = 20"] == pytest.approx(mtbf["servers = 2"] / 10)
    same = load_job(write(folder, options + "nodes = 5"))
    assert not any("failures.nodes" in line for line in plan(same).warnings)


def test_presets_and_plain_files_load_too() -> None:
    assert load_job("preset:rsc-1") == load_preset("rsc-1")
    assert load_job(EXAMPLE) == load_job(str(EXAMPLE)) == Job.from_file(EXAMPLE)


def test_every_command_that_takes_a_job_takes_a_trace(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(folder, 'trace = "trace.csv"\nunit = "h"\nwindow = "600 h"')
    out, _ = run("plan", path, "--robust", capsys=capsys)
    text = " ".join(out.split())
    assert "from 14 failures (trace.csv), 90% interval" in text
    assert "full, allowing for that (robust): every" in text
    assert "full recovery would be better with probability" in text
    assert "rather than" not in " ".join(run("plan", path, capsys=capsys)[0].split())
    page = folder / "r.html"
    run("plan", path, "--robust", "--report", page, "--explain", capsys=capsys)
    assert "How sure the MTBF is" in page.read_text()
    assert "failures.fit.events" in page.read_text()
    assert "+" in run("regret", path, capsys=capsys)[0]
    assert run("simulate", path, "--runs", "50", "--workers", "1", capsys=capsys)[0]


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ('trace = "nope.csv"', "nope.csv: expected a log, but there is no such file"),
        ('trace = "trace.csv"\nunit = "GB"', "job.toml: failures.unit: expected a unit of time"),
        ('trace = "trace.csv"\nwindow = "3"', "job.toml: failures.window: expected a time with its unit"),
        ('trace = "trace.csv"\nformat = "x"', 'format = "x": expected one of csv, infinitehbd, lanl, fta'),
        ('trace = "trace.csv"\nservers = 0', "failures.servers = 0: expected a number of at least 1"),
        ('trace = "trace.csv"\nfit = "f.json"', "failures.fit = "),
        ("trace = 3", "failures.trace = 3: expected text in quotes"),
        ('trace = "trace.csv"\nservers = 2', "failures.servers = 2: expected event times (with --window)"),
        ('trace = "none.csv"', 'failures.trace = "none.csv": expected a trace with at least one failure'),
    ],
)
def test_a_mistake_is_one_line(
    failures: str, expected: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "none.csv").write_text("time,event\n5,0\n7,0\n")
    path = write(folder, failures)
    with pytest.raises(JobError):
        load_job(path)
    _, err = run("plan", path, capsys=capsys, status=2)
    assert len(err.splitlines()) == 1
    assert expected in err


def test_robust_without_a_trace_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = run("plan", EXAMPLE, "--robust", capsys=capsys, status=2)
    assert "failures: expected a trace or a fit of one" in err
