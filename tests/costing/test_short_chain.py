"""Chains of few jobs under a time limit: by hand, against the simulation, and long ones."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cprmodel import Exact, Job, formulas, plan, simulate
from cprmodel.costing import limited_chains
from cprmodel.costing.limited import TimeLimited
from cprmodel.facts.strategies import Strategy

HOUR = 3600.0


def job_of(
    work: str,
    mtbf: str,
    requeue: str = "6 h",
    before: bool = True,
    sharded: bool = False,
    whole: float = 0.1,
    step: str | None = None,
) -> Job:
    data: dict[str, Any] = {
        "job": {"work": work, "time_limit": "20 h", "requeue": requeue, "limit_lead": "10 min"},
        "failures": {"mtbf": mtbf},
        "checkpoint": {"save": "5 min", "load": "5 min", "reschedule": "10 min", "save_before_limit": before},
    }
    if sharded:
        data["cluster"] = {"embedding_shards": 8}
        data["failures"] |= {"trainer_share": 0.05, "whole_job_share": whole}
        data["checkpoint"] |= {"partial_load": "30 s", "partial_reschedule": "3 min"}
        data["accuracy"] = {"pls_budget": 0.1}
    if step is not None:
        data["job"]["step"] = step
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
    chains = limited_chains.Chains(job, job.full_recovery)
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
        chains = limited_chains.Chains(job, job.full_recovery if recovery == "full" else job.partial_recovery)
        every = 3 * HOUR
        assert chains.parts(every) == chains.step(every).value.in_floats()  # the long chain's
        with monkeypatch.context() as short:
            short.setattr(limited_chains, "SHORT", math.inf)
            apart = chains.step(every).value.total - chains.parts(every).total
        assert abs(apart) < each / job.job.work_s
        assert abs(apart) < 1e-3 or not before or work > 2000


def strategy_of(job: Job, hours: float) -> Strategy:
    return Strategy("partial", job.partial_recovery, job.saving, hours * HOUR)


@pytest.mark.parametrize(
    ("work", "mtbf", "before", "whole", "hours", "step"),
    [
        ("39 h", "2 d", True, 0.1, 13.0, None),
        ("39 h", "10 h", True, 0.1, 6.0, None),
        ("98 h", "10 h", True, 0.0, 8.0, None),
        ("98 h", "10 h", True, 0.5, 13.0, None),
        ("60 h", "6 h", True, 0.8, 15.0, None),
        ("98 h", "2 d", False, 0.1, 6.0, None),
        ("50 h", "1 d", True, 0.1, 12.5, "50 min"),
        ("21 h", "10 h", True, 0.1, 19.0, None),
    ],
)
def test_what_shards_lose_is_as_it_is_played(
    work: str, mtbf: str, before: bool, whole: float, hours: float, step: str | None
) -> None:
    """The simulation keeps what each shard has lost, event by event, and shares no algebra: within 3 errors."""
    job = job_of(work, mtbf, before=before, sharded=True, whole=whole, step=step)
    found = simulate(job, strategy_of(job, hours), 4000, seed=3)
    planned = TimeLimited().cost(job, strategy_of(job, hours)).pls
    assert abs(planned - found.pls.mean) < 3 * found.pls.standard_error


@pytest.mark.parametrize(("mtbf", "whole", "hours"), [("10 h", 0.5, 13.0), ("6 h", 0.3, 8.0)])
def test_what_shards_lose_in_a_long_chain_whose_jobs_seldom_reach_their_limit(
    mtbf: str, whole: float, hours: float
) -> None:
    """More pieces are saved by regular saves than by the last: within 3 errors of the simulation."""
    job = job_of("1200 h", mtbf, before=True, sharded=True, whole=whole, step=None)
    found = simulate(job, strategy_of(job, hours), 600, seed=3)
    planned = TimeLimited().cost(job, strategy_of(job, hours)).pls
    assert abs(planned - found.pls.mean) < 3 * found.pls.standard_error


def test_what_is_lost_without_roll_backs_by_hand() -> None:
    """39 h in a job of 20 h and one of 19: pieces of 13 and 7 h less what a save and a load take, 13 h, and a rest.

    Of each piece a shard loses what it learned before the last failure that took it, if one did.
    """
    job = job_of("39 h", "100 h", sharded=True, whole=0.0)
    quick = {"save_s": 1e-6, "load_s": 1e-6, "reschedule_s": 1e-6, "partial_load_s": 1e-6}
    point = job.checkpoint.model_copy(update={**quick, "partial_reschedule_s": 1e-6})
    job = job.model_copy(update={"checkpoint": point})
    lost = sum(piece * formulas.lost_fraction(piece, 100, 8, shard_share=0.95) for piece in (13, 7, 13, 6)) / 39
    assert TimeLimited().cost(job, strategy_of(job, 13.0)).pls == pytest.approx(lost, rel=1e-6)


@pytest.mark.parametrize(
    ("work", "mtbf", "budget", "step"), [("39 h", "10 h", 0.02, None), ("98 h", "1 d", 0.005, "10 min")]
)
def test_a_budget_is_kept_by_its_own_loss(work: str, mtbf: str, budget: float, step: str | None) -> None:
    """No interval that keeps it costs much less; and what is lost is as it is played."""
    job = job_of(work, mtbf, sharded=True, step=step)
    assert job.accuracy is not None
    job = job.model_copy(update={"accuracy": job.accuracy.model_copy(update={"pls_budget": budget})})
    one = plan(job)["partial"]
    assert one.set_by == "the accuracy budget"
    assert one.expected_pls <= budget * (1 + 1e-9)
    costs = [TimeLimited().cost(job, strategy_of(job, tried / 6)) for tried in range(1, 60, 2)]
    kept = [cost.breakdown.total for cost in costs if cost.pls <= budget]
    assert 0 < len(kept) < len(costs)
    assert one.overhead_fraction < 1.01 * min(kept)
    found = simulate(job, one.strategy, 4000, seed=5)
    assert abs(found.pls.mean - one.expected_pls) < 3 * found.pls.standard_error


def test_a_save_of_a_quarter_of_the_limit_is_planned() -> None:
    """Without notice, and no room for many saves: intervals below 0 had been tried, which ended in a traceback."""
    job = job_of("98 h", "2 d", before=False)
    job = job.model_copy(update={"checkpoint": job.checkpoint.model_copy(update={"save_s": 4.9 * HOUR})})
    one = plan(job)["full"]
    found = simulate(job, one.strategy, 2000, seed=2).overhead_fraction
    assert abs(one.overhead_fraction - found.mean) < 3 * found.standard_error + 0.05 * 6 / 98
