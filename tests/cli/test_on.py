"""``--on``: on a cluster of Dask or Ray the same rows and the same runs, to the last bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cprmodel import Job, SteadyState, plan, plan_many, simulate
from cprmodel.bulk import many
from cprmodel.cli.cluster import cluster
from cprmodel.cli.ending import Ending
from tests.cli.test_commands import EXAMPLE

RAY = pytest.mark.framework("ray")
#: Rows that are planned one by one, in more than one task.
SWEEP = ["sweep", EXAMPLE, "--model", "steady-state", "--vary", "failures.mtbf=4 h:40 h:log9", "--vary"]
SWEEP += ["checkpoint.save=1 min:9 min:lin9", "--json"]
SIMULATE = ["simulate", EXAMPLE, "--strategy", "partial", "--runs", "40000", "--json"]


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cprmodel", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)


def test_the_same_as_on_this_machine(tmp_path: Path) -> None:
    """Of a sweep every row of every column, of a simulation every figure; and nothing else on standard output."""
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    alone = run([*SWEEP, "--out", str(here), "--workers", "1"])
    spread = run([*SWEEP, "--out", str(there), "--on", "dask://local"])
    assert spread.returncode == alone.returncode == 0, spread.stderr
    assert spread.stdout == alone.stdout
    assert there.read_bytes() == here.read_bytes()
    assert len(here.read_text().splitlines()) == 9 * 9 + 1
    alone, spread = run([*SIMULATE, "--workers", "1"]), run([*SIMULATE, "--on", "dask://local"])
    assert spread.returncode == 0, spread.stderr
    assert spread.stdout == alone.stdout


@RAY
@pytest.mark.filterwarnings("ignore")
def test_the_same_on_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in more than one task, of formulas over boxes and one by one, and runs."""
    monkeypatch.setattr(many, "TASK", 30)
    monkeypatch.setattr(many, "BOX", 5)
    job = Job.from_file(EXAMPLE)
    vary = {"failures.mtbf": np.geomspace(1e4, 2e5, 9), "checkpoint.save": np.geomspace(60, 600, 9)}
    strategy = plan(job)["partial"].strategy
    with cluster("ray://local"):
        spread = [plan_many(job, vary, model, workers=None) for model in (None, SteadyState())]
        played = simulate(job, strategy, 40_000, seed=1, workers=None)
    for found, model in zip(spread, (None, SteadyState()), strict=True):
        alone = plan_many(job, vary, model, workers=1)
        assert list(found.columns) == list(alone.columns)
        for name, column in alone.columns.items():
            np.testing.assert_array_equal(found[name], column, err_msg=name)
    np.testing.assert_array_equal(played.times_s, simulate(job, strategy, 40_000, seed=1, workers=1).times_s)


@RAY
@pytest.mark.filterwarnings("ignore")
def test_a_command_on_ray_is_ended_in_order() -> None:
    """Ray, once it is joined, would end the process by a status of its own: what was half written stayed."""
    ending = Ending()
    ending.begin()
    with cluster("ray://local"), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    ending.end()
    assert ending.status(0) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*SWEEP, "--on", "slurm://x"], "--on slurm://x: expected dask://HOST:PORT, ray://HOST:PORT, ray://auto"),
        ([*SWEEP, "--on", "dask://"], "--on dask://: expected dask://HOST:PORT"),
        (
            [*SWEEP, "--on", "dask://127.0.0.1:1"],
            "--on dask://127.0.0.1:1: expected a cluster that answers",
        ),
        ([*SIMULATE, "--on", "dask://local", "--workers", "2"], "--workers 2: expected none beside --on"),
        (["sweep", EXAMPLE, "--on", "dask://local"], "--on: expected a --vary beside it"),
        pytest.param(
            [*SWEEP, "--on", "ray://auto"], "--on ray://auto: expected a cluster that answers within", marks=RAY
        ),
    ],
)
def test_what_is_no_cluster_is_one_line(arguments: list[str], said: str) -> None:
    done = run(arguments)
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("on", "what"), [("dask://local", "dask distributed"), ("ray://local", "ray")])
def test_what_is_not_installed_is_one_line(on: str, what: str, tmp_path: Path) -> None:
    for name in ("distributed", "ray"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError(\"No module named '{name}'\")\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = run([*SIMULATE, "--on", on], PYTHONPATH=path)
    assert done.returncode == 2
    assert (
        f"--on {on}: expected {on[:4].strip(':').capitalize()}, which is not installed: pip install {what}"
        in done.stderr
    )
