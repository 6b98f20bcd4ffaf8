"""Chains of jobs under a time limit: against a play of them, simpler models, and brute force."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cprmodel import Exact, FirstOrder, Job, JobError, SteadyState, plan, plan_many, simulate
from cprmodel.advising import Advisor
from cprmodel.costing import model_for
from cprmodel.costing.limited import TimeLimited, fits_into_one
from cprmodel.facts.strategies import Strategy
from cprmodel.planning.result import StrategyPlan
from cprmodel.report.whatif import has_formulas
from tests import slow_limited_loop as loop

#: The worked case: every job of 20 h is queued again for 25 min; a failure a week, saves of 40 s.
CASE: dict[str, Any] = {
    "job": {"work": "117 d", "time_limit": "20 h", "requeue": "25 min", "limit_lead": "10 min"},
    "failures": {"mtbf": "168 h"},
    "checkpoint": {"save": "40 s", "load": "5 min", "reschedule": "25 min"},
}
PARTIAL: dict[str, Any] = {
    "cluster": {"embedding_shards": 8},
    "failures": {"mtbf": "28 h", "trainer_share": 0.05, "whole_job_share": 0.1},
    "checkpoint": {"save": "4 min", "partial_load": "30 s", "partial_reschedule": "3 min"},
    "accuracy": {"pls_budget": 0.01},
}


def job_of(*more: dict[str, Any], **tables: dict[str, Any]) -> Job:
    data = {name: dict(keys) for name, keys in CASE.items()}
    for one in (*more, tables):
        for name, keys in one.items():
            data[name] = {**data.get(name, {}), **keys}
    return Job.from_mapping({name: {k: v for k, v in one.items() if v is not None} for name, one in data.items()})


def setting_of(job: Job, strategy: Strategy) -> loop.Setting:
    mix, partial = job.failure_mix, job.partial_recovery
    shares = (mix.shard_share, mix.trainer_share, mix.whole_job_share)
    assert job.job.time_limit_s is not None
    (planned,) = job.failures.planned or (None,)
    return loop.Setting(
        limit=job.job.time_limit_s,
        requeue=job.job.requeue_s or 0.0,
        interval=strategy.interval_s,
        save=job.save_s,
        load=job.load_s,
        reschedule=partial.reschedule_s,
        mtbf=mix.mtbf_s,
        save_before=job.saves_before_limit,
        step=job.job.step_s or 0.0,
        shares=(0.0, 0.0, 1.0) if strategy.recovery.name == "full" else shares,
        partial_load=partial.partial_load_s,
        partial_reschedule=partial.partial_reschedule_s,
        trainer_reschedule=partial.trainer_reschedule_s,
        shards=job.cluster.embedding_shards or 1,
        failed_shards=int(mix.shards_per_failure),
        every=math.inf if planned is None else (planned.every_s or math.inf) - planned.lasts_s,
        lasts=planned.lasts_s if planned is not None else 0.0,
    )


def long_chain(job: Job, one: StrategyPlan, jobs: int, seed: int) -> tuple[float, float]:
    """How many standard errors the played overhead is from the priced one, and the PLS over the priced one."""
    played, error, pls = loop.overhead(setting_of(job, one.strategy), 50, jobs, seed)
    return (played - one.overhead_fraction) / error, pls / one.expected_pls if one.expected_pls else 1.0


def test_the_worked_case_is_as_it_was_played_out() -> None:
    """3.88% ± .01 with the 66 steps of 105 s that are best without a limit (1.45%)."""
    job = job_of(job={"step": "105 s", "current_interval": "6930 s"})
    answer = plan(job)
    assert answer["current"].overhead_fraction == pytest.approx(0.0388, abs=2e-4)
    free = job_of(job={"time_limit": None, "requeue": None, "limit_lead": None, "step": "105 s"})
    assert plan(free)["full"].interval_steps == 66
    assert answer.best.overhead_fraction < answer["current"].overhead_fraction
    assert any("the time limit costs 2.4" in line and "the overhead is 1.46%" in line for line in answer.warnings)
    assert any("makes 9 saves, and a last one" in line for line in answer.warnings)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("step", [None, "105 s"])
def test_against_a_long_chain_played_out(before: bool, step: str | None) -> None:
    job = job_of(PARTIAL, job={"step": step}, checkpoint={"save_before_limit": before})
    for one in plan(job).strategies:
        off, pls = long_chain(job, one, 400, seed=3)
        assert abs(off) < 3.5, one.name
        assert pls == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("every", "requeue", "mtbf"), [("12 d", "8 h", "50 h"), ("5 d", "1 h", "200 h")])
def test_planned_stops_against_a_chain_played_out(before: bool, every: str, requeue: str, mtbf: str) -> None:
    """Each begins a clock anew, and so spares a part of a limit, which in the queue is much here."""
    planned = {"every": every, "lasts": "10 h"}
    job = job_of(
        PARTIAL,
        job={"work": "30000 d", "requeue": requeue},
        failures={"mtbf": mtbf, "planned": [planned]},
        checkpoint={"save_before_limit": before},
    )
    for name in ("full", "partial"):
        one = plan(job)[name]
        (step,) = [step for step in one.steps if step.formula.__name__ == "chain_planned_overhead"]
        outages = step.arguments["planned"] * 36000.0 / job.job.work_s
        played, error = loop.with_stops(setting_of(job, one.strategy), 40, 60, seed=5)
        spared = float(step.value.total) - outages
        assert spared < 0
        within = 3.5 * error + 0.08 * -spared  # where the job is down when a stop comes, it is not exact
        assert abs(played - (one.overhead_fraction - outages)) < within, name


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ("10 h", "exact, exponential failures"),
        ("10 d", "of a chain of its length"),
        ("117 d", "of a long chain of jobs"),
    ],
)
def test_a_simulation_says_of_which_chain_its_formula_is(work: str, expected: str) -> None:
    """As the plan does: its note says what a long chain's overhead would be where it is another."""
    job = job_of(job={"work": work})
    one = plan(job)["full"]
    found = simulate(job, one.strategy, 20, seed=1)
    assert found.predicted is not None
    assert found.predicted.model == expected
    assert found.predicted.overhead_fraction == pytest.approx(one.overhead_fraction, rel=1e-9)
    assert any("a long chain's overhead" in note for note in plan(job).warnings) == (work == "10 d")


def test_planned_stops_are_simulated_in_the_chain() -> None:
    dates = [f"2027-0{month}-01 06:00" for month in (1, 2, 3, 4, 5)]
    for planned in ([{"every": "7 d", "lasts": "6 h"}], [{"dates": dates, "lasts": "1 d"}]):
        job = job_of(job={"start": "2026-12-20"}, failures={"planned": planned})
        one = plan(job)["full"]
        assert one.planned_fraction > 0
        found = simulate(job, one.strategy, 600, seed=2)
        edge = (job.failures.planned or ())[0].lasts_s / job.job.work_s  # whether the last one comes
        assert abs(found.overhead_fraction.mean - one.overhead_fraction) < (
            3.5 * found.overhead_fraction.standard_error + 0.7 * edge
        )
        assert sum(found.parts.values()) == pytest.approx(found.overhead_fraction.mean, rel=1e-9)
        # with spares, nothing breaks while it stops
        waits = job_of(job={"start": "2026-12-20"}, failures={"planned": planned, "repair": "1 d"})
        other = simulate(waits, one.strategy, 600, seed=2)
        within = 3.5 * other.overhead_fraction.standard_error + edge + 0.02
        assert abs(other.overhead_fraction.mean - plan(waits)["full"].overhead_fraction) < within


def _random_job(random: np.random.Generator) -> Job:
    limit = 3600 * float(random.uniform(2, 60))
    mtbf, save = limit * float(10 ** random.uniform(-0.3, 1.5)), limit * float(10 ** random.uniform(-3.5, -1.5))
    shares = random.dirichlet([6, 1, 2])
    stop = float(10 ** random.uniform(-3.5, -2)) * min(limit, mtbf)
    work = {"work_s": 200 * limit, "time_limit_s": limit, "requeue_s": limit * float(random.uniform(0, 0.05))}
    step = {} if random.random() < 0.5 else {"step_s": save * float(random.uniform(0.1, 3))}
    return Job.from_mapping(
        {
            "job": {**work, **step},
            "cluster": {"embedding_shards": int(random.integers(2, 17))},
            "failures": {"mtbf_s": mtbf, "trainer_share": shares[1], "whole_job_share": shares[2]},
            "checkpoint": {
                "save_s": save,
                "load_s": stop,
                "reschedule_s": 3 * stop,
                "partial_load_s": stop / 3,
                "partial_reschedule_s": stop,
                "save_before_limit": bool(random.random() < 0.6),
            },
            "accuracy": {"pls_budget": 0.5},
        }
    )


def test_random_chains_played_out() -> None:
    """50 of them, both recoveries, at a random interval; of 100 numbers one or so lies beyond three errors."""
    random, beyond, worst = np.random.default_rng(22), 0, 0.0
    for seed in range(50):
        job = _random_job(random)
        limit = job.job.time_limit_s or 0.0
        every = min(limit * float(10 ** random.uniform(-1.7, -0.1)), limit - job.load_s - 2 * job.save_s)
        if job.job.step_s is not None:
            every = max(round(every / job.job.step_s), 1) * job.job.step_s
        for recovery in (job.full_recovery, job.partial_recovery):
            strategy = Strategy(recovery.name, recovery, job.saving, every)
            cost = TimeLimited().cost(job, strategy)
            if cost.refused or cost.breakdown.total > 5:
                continue
            played, error, _ = loop.overhead(setting_of(job, strategy), 50, 120, seed)
            # stops that come at random end a last piece within a step that the mean stop does not
            cut = (job.job.step_s or 0.0) / limit if recovery.name == "partial" else 0.0
            off = max(abs(played - cost.breakdown.total) - cut, 0.0) / error
            beyond, worst = beyond + (off > 3), max(worst, off)
    assert beyond <= 3
    assert worst < 5


@pytest.mark.parametrize("before", [True, False])
def test_without_a_limit_to_speak_of_it_is_the_model_of_long_jobs(before: bool) -> None:
    job = job_of(PARTIAL, checkpoint={"save_before_limit": before}, job={"time_limit": "30 yr", "work": "20000 yr"})
    free = job_of(PARTIAL, job={"time_limit": None, "requeue": None, "limit_lead": None})
    for recovery in (job.full_recovery, job.partial_recovery):
        strategy = Strategy(recovery.name, recovery, job.saving, 7100.0)
        one, other = TimeLimited().cost(job, strategy).breakdown, SteadyState().cost(free, strategy).breakdown
        for part, same in zip(one, other, strict=True):
            assert part == pytest.approx(same, rel=2e-3)  # the limit itself: 25 min and a load in 30 years
        assert one.total == pytest.approx(other.total, rel=1e-4)


def test_work_that_fits_into_one_job_is_the_exact_model() -> None:
    job = job_of(PARTIAL, job={"work": "15 h"})
    free = job_of(PARTIAL, job={"work": "15 h", "time_limit": None, "requeue": None, "limit_lead": None})
    mine, other = plan(job), plan(free, Exact())
    for one, same in zip(mine.strategies, other.strategies, strict=True):
        assert one.interval_s == same.interval_s
        assert one.breakdown == same.breakdown
        assert one.expected_pls == same.expected_pls
    assert any("its time limit of 20 h is never reached" in line for line in mine.warnings)


def test_parts_add_up_and_saves_are_counted() -> None:
    for before in (True, False):
        job = job_of(
            PARTIAL, checkpoint={"save_before_limit": before, "save": None, "size": "1 TB", "bandwidth": "5 GB/s"}
        )
        one = plan(job)["full"]
        assert sum(one.breakdown) == pytest.approx(one.overhead_fraction, rel=1e-12)
        written = one.breakdown.save / job.save_s * job.job.work_s * 1e12
        months = one.time_to_train_s / (730.485 * 3600)
        assert one.write_bytes_per_month == pytest.approx(written / months)


@pytest.mark.parametrize("step", [None, "105 s", "0.2 s", "1 h"])
@pytest.mark.parametrize("before", [True, False])
def test_no_other_interval_costs_less(before: bool, step: str | None) -> None:
    """2,400 intervals, or whole steps, up to what the limit leaves; partial recovery within its budget."""
    for tables in ({}, PARTIAL, {**PARTIAL, "failures": {**PARTIAL["failures"], "whole_job_share": 0.0}}):
        job = job_of(tables, job={"step": step}, checkpoint={"save_before_limit": before})
        model, step_s = TimeLimited(), job.job.step_s
        for one in plan(job).strategies:
            if one.name == "partial-at-full-interval":
                continue
            every = np.geomspace(20, 20 * 3600 - 800, 2000)
            near = one.interval_s * np.linspace(0.98, 1.02, 400)
            if step_s is not None:
                assert one.interval_s == pytest.approx(round(one.interval_s / step_s) * step_s, rel=1e-12)
                near = one.interval_s + step_s * np.arange(-200, 201)
                every = step_s * np.unique(np.maximum(np.round(every / step_s), 1))
            tried = np.concatenate([every, near[near > 0]])
            tried = tried[tried < 20 * 3600 - 700]
            costs = [model.cost(job, replace(one.strategy, interval_s=float(each))) for each in tried]
            kept = [
                float(each.breakdown.total) if one.name == "full" or each.pls <= 0.01 else math.inf
                for each in costs
                if not each.refused
            ]
            assert one.overhead_fraction <= min(kept) * (1 + 2e-6), one.name
            assert one.expected_pls <= 0.01 * (1 + 1e-9)


def test_the_simulation_agrees() -> None:
    """Other code than the slow loop: whole jobs, the last of which nothing follows."""
    for before in (True, False):
        job = job_of(PARTIAL, checkpoint={"save_before_limit": before}, job={"work": "700 d"})
        for one in plan(job).strategies:
            found = simulate(job, one.strategy, 400, seed=5)
            within = 4 * found.overhead_fraction.standard_error + 0.05 / 800  # no wait and no save at the end
            assert abs(found.overhead_fraction.mean - one.overhead_fraction) < within, one.name
            assert found.pls.mean == pytest.approx(one.expected_pls, rel=0.03)
            assert found.breakdown.total == pytest.approx(found.overhead_fraction.mean)
            for part, same in zip(found.breakdown, one.breakdown, strict=True):
                assert part == pytest.approx(same, rel=0.05, abs=2e-4)


def test_simulating_is_reproducible_and_counts_failures() -> None:
    job = job_of(PARTIAL)
    one = plan(job)["partial"].strategy
    first, again = (simulate(job, one, 300, seed=9) for _ in range(2))
    assert first.times_s.tolist() == again.times_s.tolist()
    per_day = 24 / 28 * first.time_to_train_s.mean / 86400
    assert sum(first.failures.values()) == pytest.approx(per_day, rel=0.05)
    assert first.failures["shard"] / sum(first.failures.values()) == pytest.approx(0.85, abs=0.02)


def test_rows_of_a_sweep_are_the_plans() -> None:
    job = job_of(PARTIAL)
    found = plan_many(job, {"job.time_limit": ["6 h", "20 h", "3000 h"], "job.requeue": ["0 s", "1 h"]}, workers=1)
    for at in range(6):
        limit, wait = found["job.time_limit"][at], found["job.requeue"][at]
        one = plan(job_of(PARTIAL, job={"time_limit": f"{limit} s", "requeue": f"{wait} s"})).best
        assert found["overhead_fraction"][at] == pytest.approx(one.overhead_fraction, rel=1e-12)
        assert found["interval_s"][at] == pytest.approx(one.interval_s, rel=1e-12)
        assert found["recommended"][at] == one.name


def test_of_least_money() -> None:
    money = {"node_hour": 2.0, "write_gb": 0.05}
    store = {"save": None, "size": "1 TB", "bandwidth": "20 GB/s"}
    cluster = {"embedding_shards": 8, "trainers": 8}
    job = job_of(PARTIAL, cost=money, checkpoint=store, cluster=cluster, job={"step": "105 s"})
    cheap, fast = (plan(job, minimise=what)["full"] for what in ("dollars", "overhead"))
    assert cheap.dollars_to_train is not None
    assert fast.dollars_to_train is not None
    assert cheap.dollars_to_train < fast.dollars_to_train
    assert cheap.interval_s > fast.interval_s


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"job": {"time_limit": "6 min"}},
            'job.time_limit = "6 min": expected more than a load, two saves and a step',
        ),
        ({"job": {"time_limit": None}}, "requeue"),
        ({"job": {"time_limit": None, "requeue": None}}, 'limit_lead = "10 min": expected time_limit beside it'),
        ({"job": {"limit_lead": "25 h"}}, 'limit_lead = "25 h": expected less than the time limit (20 h)'),
        ({"job": {"time_limit": "20"}}, 'job.time_limit = "20": expected a time with its unit'),
        (
            {"job": {"limit_lead": "30 s"}, "checkpoint": {"save_before_limit": True}},
            "expected no save before the limit, or a job.limit_lead of at least a save",
        ),
        (
            {
                "job": {"time_limit": None, "requeue": None, "limit_lead": None},
                "checkpoint": {"save_before_limit": True},
            },
            "checkpoint.save_before_limit = true: expected job.time_limit beside it",
        ),
        ({"checkpoint": {"overlap": 0.9, "drain": "1 min"}}, "expected no time limit beside checkpoint.overlap"),
        (
            {"checkpoint": {"warning": {"lead": "5 min", "recall": 0.5}}},
            "expected no time limit beside checkpoint.warn",
        ),
    ],
)
def test_bad_input_is_one_line(tables: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(JobError) as error:
        job_of(**tables)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_does_not_know_limits_says_so() -> None:
    job = job_of(PARTIAL)
    for model in (FirstOrder(), Exact(), SteadyState()):
        with pytest.raises(JobError, match="jobs that end at a time limit have a model of their own"):
            plan(job, model)
    with pytest.raises(
        JobError, match=r"job\.time_limit: expected no such key: the advisor only knows jobs without"
    ):
        Advisor(job)
    assert not has_formulas(job)  # the page is of plans instead
    assert model_for(job).name == "time-limited"


def test_a_lead_decides_whether_there_is_a_last_save() -> None:
    assert job_of().saves_before_limit
    short = job_of(job={"limit_lead": "30 s"})
    assert not short.saves_before_limit
    assert any("30 s, is too short for a save of 40 s" in line for line in plan(short).warnings)
    unknown = job_of(job={"limit_lead": None})
    assert not unknown.saves_before_limit
    assert any("nothing is saved before it" in line for line in plan(unknown).warnings)
    assert plan(unknown).best.overhead_fraction > plan(job_of()).best.overhead_fraction
    assert job_of(job={"limit_lead": None}, checkpoint={"save_before_limit": True}).saves_before_limit


def test_the_answer_is_plain_data_and_explained() -> None:
    from cprmodel.report.explain import explain_lines

    answer = plan(job_of(PARTIAL))
    again = Job.from_mapping(json.loads(json.dumps(answer.to_dict()))["inputs"])
    assert plan(again).to_dict()["strategies"] == answer.to_dict()["strategies"]
    text = "\n".join(explain_lines(answer))
    assert "[time_limited_overhead]" in text
    assert "H = " not in text


def test_an_interval_too_long_for_a_job_completes_no_save() -> None:
    """Without a last save a job longer than the limit keeps nothing, and is left out."""
    job = job_of(job={"limit_lead": None, "current_interval": "40 h"})
    answer = plan(job)
    assert [one.name for one in answer.strategies] == ["full"]
    assert any("current: left out" in line for line in answer.warnings)
    assert fits_into_one(job_of(job={"work": "19 h"}), 19 * 3600.0)
