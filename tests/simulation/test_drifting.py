"""A rate that changes while the job trains: against the memoryless simulator, Crow's expectation, and itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cprmodel import DomainError, Job, JobError, plan, simulate
from cprmodel.facts.strategies import FailureMix
from cprmodel.simulation import Activity, AtDriftingRate, Drifting, simulate_drifting
from tests.cli.test_commands import run


def job(**failures: Any) -> Job:
    return Job.from_mapping(
        {
            "job": {"work": "20 d"},
            "cluster": {"embedding_shards": 8},
            "failures": {"mtbf": "12 h", "whole_job_share": 0.2} | failures,
            "checkpoint": {"save": "5 min", "load": "5 min", "reschedule": "15 min"},
            "accuracy": {"pls_budget": 0.1},
        }
    )


@pytest.mark.parametrize("shape", [0.4, 1.0, 2.5])
def test_failures_come_as_crow_says(shape: float) -> None:
    """From a on, (a/(βμ)) ((t/a)^β − 1) are expected by t; their number is Poisson."""
    begins, mtbf, until = 1e6, 2e4, 3e6
    law, mix, runs = Drifting(shape, begins), FailureMix(mtbf), 400
    counts = []
    for stream in np.random.SeedSequence(5).spawn(runs):
        strikes, left, count = AtDriftingRate(mix, 8, np.random.default_rng(stream), law), until - begins, 0
        while (struck := strikes.next(Activity.WORK, left)) is not None:
            left, count = left - struck[0], count + 1
        counts.append(count)
    expected = begins / (shape * mtbf) * ((until / begins) ** shape - 1)
    assert abs(np.mean(counts) - expected) < 3.5 * (expected / runs) ** 0.5
    assert np.var(counts, ddof=1) / expected == pytest.approx(1, abs=3.5 * (2 / runs) ** 0.5)


@pytest.mark.parametrize("name", ["full", "partial"])
def test_a_rate_that_stays_is_the_memoryless_simulation(name: str) -> None:
    strategy = plan(job())[name].strategy
    drifting = simulate_drifting(job(), strategy, Drifting(1.0, 1e6), 1500, 1)
    plain = simulate(job(), strategy, 20_000, 2)
    for one, other in ((drifting.time_to_train_s, plain.time_to_train_s), (drifting.pls, plain.pls)):
        error = (one.standard_error**2 + other.standard_error**2) ** 0.5
        assert abs(one.mean - other.mean) < 3.5 * error + 1e-12
    spent = drifting.overhead_fraction.mean
    assert sum(drifting.breakdown) == pytest.approx(spent, rel=1e-9)


def test_a_falling_rate_costs_less_than_its_beginning() -> None:
    strategy = plan(job())["full"].strategy
    rises, falls = (
        simulate_drifting(job(), strategy, Drifting(shape, 10 * 86400.0), 800, 3) for shape in (1.5, 0.5)
    )
    assert falls.overhead_fraction.mean < falls.predicted.overhead_fraction < rises.overhead_fraction.mean
    assert falls.failures["shard"] < rises.failures["shard"]


def test_the_command_plays_the_rate_that_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(8)
    moments = 300 * 86400 * np.sort(random.random(120)) ** 2  # shape 1/2
    (tmp_path / "drift.csv").write_text("seconds\n" + "\n".join(f"{one:.0f}" for one in moments) + "\n")
    text = """
[job]
work = "30 d"
[failures]
trace = "drift.csv"
window = "300 d"
rate_at = "100 d"
[checkpoint]
save = "5 min"
load = "5 min"
reschedule = "15 min"
"""
    (tmp_path / "job.toml").write_text(text)
    command = ("simulate", tmp_path / "job.toml", "--strategy", "full")
    out, _ = run(*command, "--runs", "300", capsys=capsys)
    out = " ".join(out.split())
    assert "power-law process failures" in out
    assert "at the rate of the beginning" in out
    _, err = run(*command, "--strike", "only at work", capsys=capsys, status=2)
    assert "--strike" in err


def test_what_cannot_be() -> None:
    with pytest.raises(DomainError, match="shape = 0"):
        Drifting(0, 1.0)
    strategy = plan(job())["full"].strategy
    with pytest.raises(JobError, match="failures come more and more often"):
        simulate_drifting(job(), strategy, Drifting(9.0, 20 * 86400.0), 5, 0)
