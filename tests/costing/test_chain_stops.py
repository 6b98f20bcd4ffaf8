"""Planned stops in chains of jobs: limits between two, counted, played and in the long run; and no limit at all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cprmodel import Exact, Job, plan, simulate
from cprmodel.costing.chain_stops import _spared, spared_by

HOUR, DAY = 3600.0, 86400.0


def job_of(limit: str, requeue: str, every: str, lasts: str, mtbf: str, work: str = "117 d") -> Job:
    return Job.from_mapping(
        {
            "job": {"work": work, "time_limit": limit, "requeue": requeue, "limit_lead": "10 min"},
            "failures": {"mtbf": mtbf, "planned": [{"every": every, "lasts": lasts}]},
            "checkpoint": {"save": "40 s", "load": "5 min", "reschedule": "25 min"},
        }
    )


def played(x: float, queue: float, time: float, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts, limits and queues fewer than usual, of many chains one by one, in limits; and their errors."""
    random, counts = np.random.default_rng(7), np.zeros((runs, 3))
    for one in counts:
        now = 0.0
        while now < time:
            failure = random.exponential(1 / x)
            if failure < 1:
                now += failure
                continue
            limit, now = now + 1, now + 1 + queue
            one += (now <= time, limit <= time, min(max(time - limit, 0.0), queue) / queue)
    usual = time / (math.expm1(x) / x + queue)
    return usual - counts.mean(0), counts.std(0) / math.sqrt(runs)


@pytest.mark.parametrize(
    ("x", "queue", "time"), [(0.1, 0.05, 1.15), (0.5, 0.2, 2.3), (0.02, 0.3, 7.7), (2.0, 0.5, 5.0)]
)
def test_limits_between_two_stops_as_they_are_played(x: float, queue: float, time: float) -> None:
    mean, error = played(x, queue, time, 20_000)
    assert np.abs(np.array(_spared(x, queue, time)) - mean) == pytest.approx(0, abs=3.5 * error.max() + 0.01)


@pytest.mark.parametrize(("x", "queue"), [(0.3, 0.1), (1.0, 0.5), (0.05, 0.02)])
def test_after_a_long_time_as_renewals_have_it(x: float, queue: float) -> None:
    """Of a renewal process without an end: half of what the variance of its times leaves of 1."""
    mean = math.expm1(x) / x
    apart = mean + queue
    alone = math.exp(x) * (math.expm1(-x) + x) / x**2 / mean**2  # half of the second moment of a run, over mean²
    starts = 0.5 - (0.5 - alone) * (mean / apart) ** 2
    found = _spared(x, queue, 500.0)
    assert found == pytest.approx((starts, starts - queue / apart, starts - queue / apart / 2), abs=0.005)


def test_stops_that_come_before_a_limit_leave_none() -> None:
    """As without one; with failures, too."""
    job = job_of("20 d", "4 h", "2 d", "2 h", "60 d")
    free = job.model_copy(update={"job": job.job.model_copy(update={"time_limit_s": None, "requeue_s": None})})
    answer, alone = plan(job)["full"], plan(free, Exact())["full"]
    assert answer.overhead_fraction == pytest.approx(alone.overhead_fraction, rel=1e-12)
    assert any("before its time limit of 20 d is reached" in line for line in plan(job).warnings)
    assert not any("the time limit costs -" in line for line in plan(job).warnings)


def test_where_no_stop_falls_into_the_job_there_is_a_chain_alone() -> None:
    job = job_of("20 h", "25 min", "30 d", "6 h", "168 h", work="15 d")
    alone = job.model_copy(update={"failures": job.failures.model_copy(update={"planned": None})})
    assert plan(job)["full"].overhead_fraction == plan(alone)["full"].overhead_fraction


@pytest.mark.parametrize(
    ("limit", "requeue", "every", "lasts", "mtbf"),
    [
        ("20 h", "25 min", "24 h", "1 h", "168 h"),
        ("72 h", "4 h", "7 d", "4 h", "500 h"),
        ("20 h", "25 min", "3 d", "2 h", "60 d"),
    ],
)
def test_chains_with_stops_by_the_night_and_the_week(
    limit: str, requeue: str, every: str, lasts: str, mtbf: str
) -> None:
    """As simulated; a stop more or less at the end of the job is as may be."""
    job = job_of(limit, requeue, every, lasts, mtbf)
    one = plan(job)["full"]
    found = simulate(job, one.strategy, 100, seed=3).overhead_fraction
    edge = (job.failures.planned or ())[0].lasts_s / job.job.work_s
    assert abs(found.mean - one.overhead_fraction) < 3 * found.standard_error + edge


def test_dates_are_counted_one_by_one() -> None:
    """Two stops ten hours apart: no limit of 20 h between them, and before the first one as many as there are."""
    job = Job.from_mapping(
        {
            "job": {"work": "30 d", "time_limit": "20 h", "requeue": "1 h", "start": "2027-01-01"},
            "failures": {
                "mtbf": "1000000 d",
                "planned": [{"dates": ["2027-01-02 01:00", "2027-01-02 12:00"], "lasts": "1 h"}],
            },
            "checkpoint": {"save": "40 s", "load": "5 min"},
        }
    )
    found = spared_by(job, 2, 1.0)
    # 25 h: one limit, at 20 h; 10 h: none; a limit comes every 21 h
    assert found.spared_limits == pytest.approx((25 / 21 - 1 + 10 / 21) / 2, abs=0.005)
