"""``cprmodel simulate`` as a person or a script meets it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cprmodel import Job, plan, simulate
from tests.cli.test_commands import run
from tests.conftest import EXAMPLE


def test_prints_distributions_beside_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(
        "simulate", EXAMPLE, "--strategy", "partial", "--deadline", "60 h", "--runs", 3000, capsys=capsys
    )
    assert not err
    for text in ("time to train", "overhead", "PLS", "P90", "P99", "standard errors", "finished within", "shard"):
        assert text in " ".join(out.split())


def test_json_is_what_the_library_finds(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(
        "simulate", EXAMPLE, "--strategy", "partial", "--interval", "4 h", "--runs", 2000, "--seed", 5, "--json",
        "--deadline", "57 h", capsys=capsys,
    )  # fmt: skip
    answer = json.loads(out)
    job = Job.from_file(EXAMPLE)
    from dataclasses import replace

    strategy = replace(plan(job)["partial"].strategy, interval_s=4 * 3600.0)
    expected = simulate(job, strategy, 2000, seed=5).to_dict(57 * 3600.0)
    assert answer == {**json.loads(json.dumps(expected)), "seed": 5}
    for name in ("overhead_fraction", "pls", "time_to_train_s"):
        assert set(answer[name]) == {"mean", "standard_error", "p5", "p50", "p90", "p99"}
    assert set(answer["predicted"]) == {"overhead_fraction", "pls", "model"}


@pytest.mark.parametrize("law", ["weibull", "gamma", "lognormal"])
def test_other_laws(law: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run("simulate", EXAMPLE, "--failures", law, "--shape", "0.7", "--runs", 500, "--json", capsys=capsys)
    assert json.loads(out)["failures"]["law"] == law


def test_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = tmp_path / "times.csv"
    times.write_text("hours between interruptions\n20\n35.5\n\n8\n")
    out, _ = run("simulate", EXAMPLE, "--times", times, "--unit", "h", "--runs", 500, "--json", capsys=capsys)
    answer = json.loads(out)
    assert answer["failures"]["law"] == "replay"
    assert sum(answer["failures"]["mean_per_run"].values()) == pytest.approx(56 / 21.2, rel=0.25)


def test_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "s.html"
    run("simulate", EXAMPLE, "--strategy", "partial", "--runs", 2000, "--report", page, capsys=capsys)
    text = page.read_text()
    assert text.count('<a download="') == 2
    assert "the formula gives" in text
    assert re.search(r"simulated [\d.]+ standard errors (above|below) that", text)
    run("simulate", "preset:bloom-176b", "--runs", 500, "--report", page, capsys=capsys)
    assert page.read_text().count('<a download="') == 1  # a dense model loses no samples


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--strategy", "magic"], "one that can be planned: full, partial-at-full-interval, partial, current"),
        (["--runs", 1], "--runs"),
        (["--seed", -1], "--seed"),
        (["--workers", 0], "workers = 0: expected a number of cores, or -1 for all"),
        (["--interval", "4"], "--interval: expected a time with its unit"),
        (["--deadline", "4 GB"], "--deadline: expected a time with its unit"),
        (["--failures", "cauchy"], "--failures"),
        (["--failures", "weibull"], "--shape: expected a number, for --failures weibull"),
        (["--failures", "weibull", "--shape", -1], "shape = -1.0: expected a number from 0.01 to 1e+06"),
        (["--shape", 2], "--shape: expected a law that has one"),
        (["--times", "nope.csv"], "nope.csv: expected a log, but there is no such file"),
        (["--times", EXAMPLE], "expected at most 1 cell, as the heading has"),
        (["--deadline", ""], "--deadline: expected a time"),
        (["--interval", ""], "--interval: expected a time"),
        (["--report", "/nowhere/r.html"], "--report /nowhere/r.html: expected a file in a folder that can be"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[object], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = run("simulate", EXAMPLE, *arguments, capsys=capsys, status=2)
    assert len(err.splitlines()) == 1
    assert expected in err


def test_a_job_that_cannot_finish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "JOB.toml"
    path.write_text(EXAMPLE.read_text().replace('reschedule = "9 min"', 'reschedule = "400 h"'))
    _, err = run("simulate", path, capsys=capsys, status=2)
    assert err.startswith(f"cprmodel: {path}: expected a job that ends within 1000 times its work")


def test_ctrl_c_prints_what_is_done_so_far(tmp_path: Path) -> None:
    path = tmp_path / "JOB.toml"
    path.write_text(EXAMPLE.read_text().replace('"56 h"', '"500000 h"'))
    command = [sys.executable, "-m", "cprmodel", "simulate", str(path), "--runs", "10000000", "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=os.environ
    )
    try:
        time.sleep(8)  # importing and, once, compiling; ten million of 18,000 failures each take an hour
        for _ in range(12):  # compiling, on a busy machine: nothing is done so far, and it may not be heard
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                out, err = process.communicate(timeout=10)
                break
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "Interrupted: " in err
    assert json.loads(out)["interrupted"] is True


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("10\n\n20\nx\n", 'line 4 = "x": expected a time, a number of at least 0'),
        ("a,b\n0,20\n1,27\n", "--time-column: expected one of a, b"),
        ("1O\n28\n", 'line 1 = "1O": expected a time, a number of at least 0'),
        ("28\n30\n20\n", "times between failures in which the job can go on (the longest is 30 s;"),
    ],
)
def test_a_trace_that_is_not_one(
    content: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "times.csv"
    path.write_text(content)
    _, err = run("simulate", EXAMPLE, "--times", path, capsys=capsys, status=2)
    assert len(err.splitlines()) == 1
    assert expected in err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_is_heard_in_a_run_without_end(workers: str, tmp_path: Path) -> None:
    """Before the first batch is done; a trace that is long enough once in 100,000 times."""
    path = tmp_path / "times.csv"
    path.write_text("1\n" * 100_000 + "100000\n")
    options = ["--times", str(path), "--runs", "5000", "--workers", workers]
    command = [sys.executable, "-m", "cprmodel", "simulate", str(EXAMPLE), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert process.returncode in (130, 2), err
    assert time.monotonic() - begin < 5  # a bound on hanging, not a measure of speed
    assert "Traceback" not in err
