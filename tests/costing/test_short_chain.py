"""Chains of few jobs under a time limit: by hand, against the simulation, and long ones."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cprmodel import Exact, Job, plan, simulate
from cprmodel.costing import limited

HOUR = 3600.0


def job_of(work: str, mtbf: str, requeue: str = "6 h", before: bool = True, sharded: bool = False) -> Job:
    data: dict[str, Any] = {
        "job": {"work": work, "time_limit": "20 h", "requeue": requeue, "limit_lead": "10 min"},
        "failures": {"mtbf": mtbf},
        "checkpoint": {"save": "5 min", "load": "5 min", "reschedule": "10 min", "save_before_limit": before},
    }
    if sharded:
        data["cluster"] = {"embedding_shards": 8}
        data["failures"] |= {"trainer_share": 0.05, "whole_job_share": 0.1}
        data["checkpoint"] |= {"partial_load": "30 s", "partial_reschedule": "3 min"}
        data["accuracy"] = {"pls_budget": 0.1}
    return Job.from_mapping(data)


@pytest.mark.parametrize(
    ("work", "limits"),
    # the first job keeps 19 h 55 min, the others, which load, 19 h 50 min; the last one ends at 20 h without a save
    [("20 h 5 min", 1), ("39 h", 1), ("39 h 45 min", 1), ("40 h", 2), ("98 h", 4), ("99 h 30 min", 5)],
)
def test_without_failures_limits_are_counted_by_hand(work: str, limits: int) -> None:
    """Each costs a save, a wait of 6 h and a load, and nothing else does; an interval as long as a job."""
    job = job_of(work, "10000000 d")
    one = plan(job)["full"]
    assert one.overhead_fraction == pytest.approx(limits * (6 + 10 / 60) * HOUR / job.job.work_s, abs=1e-4)
    assert one.breakdown.reschedule == pytest.approx(limits * 6 * HOUR / job.job.work_s, abs=1e-4)


@pytest.mark.parametrize("mtbf", ["3 d", "10 d", "60 d"])
def test_the_interval_that_spares_a_job(mtbf: str) -> None:
    """With the saves that are best in a long chain 39 h 40 min are three jobs; no interval costs much less."""
    job = job_of("39 h 40 min", mtbf)
    one = plan(job)["full"]
    chains = limited._Chains(job, job.full_recovery)
    costs = [chains.parts(every * 600.0).total for every in range(1, 120)]
    assert one.overhead_fraction < min(costs) * 1.02
    assert one.overhead_fraction < 0.8 * chains.parts(3.2 * HOUR).total


@pytest.mark.parametrize(
    ("work", "mtbf", "before", "sharded"),
    [
        ("21 h", "100 d", True, False),
        ("39 h", "2 d", True, True),
        ("60 h", "20 h", True, False),
        ("98 h", "20 d", True, False),
        ("98 h", "2 d", True, True),
        ("39 h", "100 d", False, False),
        ("98 h", "2 d", False, True),
    ],
)
def test_one_to_five_jobs_are_as_they_are_played(work: str, mtbf: str, before: bool, sharded: bool) -> None:
    """The simulation shares no algebra with it: within 3 errors, and 5% of a limit."""
    job = job_of(work, mtbf, before=before, sharded=sharded)
    answer = plan(job)
    for name in ("full", "partial") if sharded else ("full",):
        one = answer[name]
        found = simulate(job, one.strategy, 4000, seed=3)
        within = 3 * found.overhead_fraction.standard_error + 0.05 * 6 * HOUR / job.job.work_s
        assert abs(one.overhead_fraction - found.overhead_fraction.mean) < within, name
        assert sum(one.breakdown) == pytest.approx(one.overhead_fraction, rel=1e-12)
        assert one.breakdown.reschedule == pytest.approx(found.breakdown.reschedule, abs=within)
    assert any(
        "requeues are counted to its end; a long chain's overhead would be" in line for line in answer.warnings
    )


@pytest.mark.parametrize(
    ("work", "limit", "mtbf"),
    [("132 h", "33 h", "3 h"), ("240 h", "168 h", "20 h"), ("54 d", "168 h", "2.7 h"), ("54 d", "620 h", "2.7 h")],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_limit_that_failures_come_long_before_costs_nothing(
    work: str, limit: str, mtbf: str, before: bool
) -> None:
    """Whatever of a job's hours one failure leaves: it had been taken for more than there was."""
    job = job_of(work, mtbf, "10 min", before)
    job = job.model_copy(update={"job": job.job.model_copy(update={"time_limit_s": float(limit[:-2]) * HOUR})})
    free = job.model_copy(update={"job": job.job.model_copy(update={"time_limit_s": None, "requeue_s": None})})
    one = plan(job)["full"]
    alone = Exact().cost(free, one.strategy)
    assert one.overhead_fraction == pytest.approx(alone.breakdown.total, rel=3e-3)
    assert min(one.breakdown) >= 0


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("recovery", ["full", "partial"])
def test_long_chains_are_as_they_were(before: bool, recovery: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it leaves out of a chain without end is at most a limit, and the first load: the less the longer."""
    each = (25 + 2 * 5 + 5) * 60.0 + (0.0 if before else 1.5 * HOUR)  # wait, load and save; work, too; and a load
    for work in (620, 2500):
        job = job_of(f"{work} h", "5 d", "25 min", before, sharded=True)
        chains = limited._Chains(job, job.full_recovery if recovery == "full" else job.partial_recovery)
        every = 3 * HOUR
        assert chains.parts(every) == chains.step(every).value.in_floats()  # the long chain's
        with monkeypatch.context() as short:
            short.setattr(limited, "_SHORT", math.inf)
            apart = chains.step(every).value.total - chains.parts(every).total
        assert abs(apart) < each / job.job.work_s
        assert abs(apart) < 1e-3 or not before or work > 2000
