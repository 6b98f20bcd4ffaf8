"""What the library logs: nothing without a handler, answers at INFO, steps at DEBUG, in a logger for each room."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cprmodel import load_preset, plan, plan_many, simulate
from cprmodel.facts.files import write_whole
from cprmodel.fitting import analyse
from tests.conftest import EXAMPLE


def test_answers_are_logged_with_their_figures(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    from cprmodel.fitting.trace import trace_of_durations

    job = load_preset("cpr-dlrm")
    with caplog.at_level(logging.DEBUG, logger="cprmodel"):
        answer = plan(job)
        found = simulate(job, answer["full"].strategy, runs=50, seed=1)
        analyse(trace_of_durations("a log", np.array([10.0, 20.0, 30.0]), np.ones(3)))
        plan_many(job, {"failures.mtbf": [1e5, 2e5]})
        write_whole(tmp_path / "a.txt", "x")
    said = {(one.name, one.levelname): one.getMessage() for one in caplog.records}
    assert said["cprmodel.planning", "INFO"] == (
        f"{len(answer.strategies)} strategies by the first-order model: partial, "
        f"overhead {answer.best.overhead_fraction:.6g}"
    )
    assert said["cprmodel.simulation", "INFO"].startswith(f"50 runs of full: {found.time_to_train_s.mean:.6g} s")
    assert said["cprmodel.fitting", "INFO"].startswith("a log: 3 times, 3 failures, MTBF 20.0 s")
    assert said["cprmodel.bulk", "INFO"] == "2 plans by the first-order model"
    assert said["cprmodel.files", "DEBUG"] == f"wrote {tmp_path / 'a.txt'}"
    steps = [one for one in caplog.records if (one.name, one.levelname) == ("cprmodel.planning", "DEBUG")]
    assert len(steps) == len(answer.strategies)


def test_nothing_is_printed_unless_asked_for() -> None:
    command = [sys.executable, "-m", "cprmodel"]
    quiet = subprocess.run([*command, "plan", str(EXAMPLE)], capture_output=True, text=True, check=True)
    assert not quiet.stderr
    told = subprocess.run([*command, "--verbose", "plan", str(EXAMPLE)], capture_output=True, text=True, check=True)
    assert told.stdout == quiet.stdout
    assert "cprmodel.planning: 4 strategies by the first-order model: partial" in told.stderr
    assert all("cprmodel." in line for line in told.stderr.splitlines())
