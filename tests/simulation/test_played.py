"""A job played through given failures, beside the event loop that shares no code with it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Job, simulate
from cprmodel.facts.errors import JobError
from cprmodel.facts.strategies import (
    BlockingSave,
    FailureKind,
    FullRecovery,
    PartialRecovery,
    Strategy,
)
from cprmodel.simulation import AtTimes, GivenFailure, play
from tests import slow_event_loop as slow


class Recorded(random.Random):
    """Whom the event loop picked."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.victims: list[tuple[int, ...]] = []

    def sample(self, population: Any, k: int, **_: Any) -> Any:  # type: ignore[override]
        found = super().sample(population, k)
        self.victims.append(tuple(found))
        return found


@settings(max_examples=300, deadline=None)
@given(
    full=st.booleans(),
    seed=st.integers(0, 10**6),
    work=st.floats(0.5, 20),
    interval=st.floats(0.3, 25),
    save=st.floats(0.01, 1),
    mtbf=st.floats(8, 50),
    stops=st.tuples(*[st.floats(0, 1.5)] * 5),
    shares=st.sampled_from([(1.0, 0.0, 0.0), (0.6, 0.2, 0.2), (0.0, 1.0, 0.0), (0.4, 0.0, 0.6)]),
    failed=st.integers(1, 4),
)
def test_it_is_what_the_event_loop_plays(
    full: bool,
    seed: int,
    work: float,
    interval: float,
    save: float,
    mtbf: float,
    stops: tuple[float, ...],
    shares: tuple[float, float, float],
    failed: int,
) -> None:
    reschedule, load, partial_reschedule, partial_load, trainer = stops
    setting = slow.Setting(
        work, interval, save, full, reschedule, load, partial_reschedule, partial_load, trainer, 5, failed
    )
    rng, pick = random.Random(seed), Recorded(seed + 1)
    gaps: list[float] = []
    kinds: list[str] = []

    def next_gap() -> float:
        gaps.append(rng.expovariate(1 / mtbf))
        return gaps[-1]

    def next_kind() -> str:
        kinds.append(rng.choices(["shard", "trainer", "whole_job"], shares)[0])
        return kinds[-1]

    told = slow.play(setting, next_gap, next_kind, pick)

    victims = iter(pick.victims)
    failures = []
    for number in range(told.failures):
        kind = FailureKind.WHOLE_JOB if full else FailureKind(kinds[number])
        shards = next(victims) if kind is FailureKind.SHARD else ()
        failures.append(GivenFailure(kind, shards, at_s=sum(gaps[: number + 1])))
    recovery: Any = FullRecovery(reschedule, load)
    if not full:
        recovery = PartialRecovery(reschedule, load, partial_reschedule, partial_load, trainer)
    strategy = Strategy("tried", recovery, BlockingSave(save), interval)
    found = play(strategy, work, AtTimes(failures), shards=5)
    assert found.failures == told.failures
    assert found.saves == told.saves
    assert found.time_to_train_s == pytest.approx(told.time, rel=1e-9)
    for part, value in told.parts.items():
        assert getattr(found.spent, part) == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert found.pls == pytest.approx(told.lost_samples / (work * 5), rel=1e-9, abs=1e-12)


def test_whole_steps_are_lost() -> None:
    """Ten steps, saved after the fourth; a shard dies in the middle of the eighth: it loses three."""
    strategy = Strategy("partial", PartialRecovery(0, 0, 0, 0, 0), BlockingSave(0.5), 4.0)
    failure = GivenFailure(FailureKind.SHARD, (1,), at_s=4 + 0.5 + 3.6)
    assert play(strategy, 10.0, AtTimes([failure]), shards=2, step_s=1.0).pls == pytest.approx(3 / 20)
    assert play(strategy, 10.0, AtTimes([failure]), shards=2).pls == pytest.approx(3.6 / 20)


def test_many_plans_average_to_the_simulators_mean() -> None:
    """Exponential failures played one plan at a time, beside the compiled simulator."""
    job = Job.from_mapping(
        {
            "job": {"work": "40 h"},
            "cluster": {"embedding_shards": 4},
            "failures": {"mtbf": "6 h", "whole_job_share": 0.2},
            "checkpoint": {"save": "10 min", "load": "12 min", "reschedule": "18 min"},
        }
    )
    strategy = Strategy("partial", job.partial_recovery, job.saving, 3 * 3600.0)
    rng = np.random.default_rng(7)
    times, pls = [], []
    for _ in range(1500):
        at = np.cumsum(rng.exponential(6 * 3600, size=60))
        failures = [
            GivenFailure(FailureKind.WHOLE_JOB, (), float(t))
            if rng.random() < 0.2
            else GivenFailure(FailureKind.SHARD, (int(rng.integers(4)),), float(t))
            for t in at
        ]
        found = play(strategy, job.job.work_s, AtTimes(failures), shards=4)
        times.append(found.spent.total / job.job.work_s)
        pls.append(found.pls)
    theirs = simulate(job, strategy, runs=20_000, seed=3)
    for mine, estimate in ((times, theirs.overhead_fraction), (pls, theirs.pls)):
        error = np.hypot(np.std(mine) / np.sqrt(len(mine)), estimate.standard_error)
        assert abs(np.mean(mine) - estimate.mean) < 4 * error


def test_a_job_that_cannot_end_is_given_up() -> None:
    strategy = Strategy("full", FullRecovery(1.0, 1.0), BlockingSave(1.0), 5.0)
    failures = [GivenFailure(FailureKind.SHARD, (0,), float(at)) for at in range(1, 2000, 2)]
    with pytest.raises(JobError, match="a job that ends within 500 s"):
        play(strategy, 10.0, AtTimes(failures), longest_s=500.0)
