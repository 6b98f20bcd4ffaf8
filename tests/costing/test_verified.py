"""Silent errors and their checks: against a play of them, the model without them, worked figures, brute force."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cprmodel import Exact, FirstOrder, Job, JobError, SteadyState, formulas, plan, plan_many, simulate
from cprmodel.advising import Advisor
from cprmodel.costing.verified import Verified
from cprmodel.facts.strategies import CheckedSave, Strategy
from cprmodel.report.explain import explain_lines
from cprmodel.report.whatif import has_formulas
from tests import slow_verified_loop as loop

DATA: dict[str, Any] = {
    "job": {"work": "120 d"},
    "cluster": {"embedding_shards": 8},
    "failures": {"mtbf": "28 h", "trainer_share": 0.05, "whole_job_share": 0.1, "silent": {"mtbf": "5 d"}},
    "checkpoint": {"save": "1 min", "verify": "2 min", "load": "2 min", "reschedule": "8 min"},
    "accuracy": {"pls_budget": 0.01},
}


def job_of(**tables: dict[str, Any]) -> Job:
    data = {name: {**DATA.get(name, {}), **tables.get(name, {})} for name in {**DATA, **tables}}
    return Job.from_mapping({name: {k: v for k, v in one.items() if v is not None} for name, one in data.items()})


def played(job: Job, strategy: Strategy, runs: int, seed: int) -> tuple[float, float, float]:
    """Mean overhead, its standard error, mean PLS."""
    setting = setting_of(job, strategy)
    rng = random.Random(seed)
    found = [loop.play(setting, rng) for _ in range(runs)]
    overheads = [time / setting.work - 1 for time, _ in found]
    error = statistics.stdev(overheads) / math.sqrt(runs)
    return statistics.mean(overheads), error, statistics.mean(pls for _, pls in found)


def setting_of(job: Job, strategy: Strategy) -> loop.Setting:
    """What the play needs to know."""
    mix, partial, silent = job.failure_mix, job.partial_recovery, job.failures.silent
    pattern = strategy.saving if isinstance(strategy.saving, CheckedSave) else CheckedSave(job.save_s)
    shares = (mix.shard_share, mix.trainer_share, mix.whole_job_share)
    return loop.Setting(
        work=job.job.work_s,
        interval=strategy.interval_s,
        verify=job.checkpoint.verify_s or 0.0,
        save=job.save_s,
        load=job.load_s,
        reschedule=partial.reschedule_s,
        mtbf=mix.mtbf_s,
        silent_mtbf=silent.mtbf_s if silent is not None else 1e300,
        shares=(0.0, 0.0, 1.0) if strategy.recovery.name == "full" else shares,
        partial_load=partial.partial_load_s,
        partial_reschedule=partial.partial_reschedule_s,
        trainer_reschedule=partial.trainer_reschedule_s,
        shards=job.cluster.embedding_shards or 1,
        saves=pattern.saves,
        checks=pattern.checks,
        unreadable=job.checkpoint.unreadable or 0.0,
        latency=0.0 if silent is None else silent.latency_s or 0.0,
    )


def test_the_worked_case() -> None:
    """V = 120 s, C = 60 s, an error in 5 days: √((V + C)μ) = 2 h 27 min and 4.15%; 4.41% at √2 times that."""
    failures = {"mtbf": "3000 yr", "trainer_share": None, "whole_job_share": None}
    job = job_of(failures=failures, checkpoint={"load": "60 s", "reschedule": None})
    one = plan(job)["full"]
    assert one.interval_s == pytest.approx(2.45 * 3600, rel=0.012)
    assert one.overhead_fraction == pytest.approx(0.0415, abs=1e-4)
    longer = replace(one.strategy, interval_s=math.sqrt(2 * 180 * 5 * 86400))
    assert Verified().cost(job, longer).breakdown.total == pytest.approx(0.0441, abs=4e-4)


def test_against_a_play_of_it() -> None:
    job = job_of()
    for one in plan(job).strategies:
        mean, error, pls = played(job, one.strategy, 150, seed=2)
        last = 60 / job.job.work_s  # no save at the end
        assert abs(mean - one.overhead_fraction) < 3.5 * error + last, one.name
        assert pls == pytest.approx(one.expected_pls, rel=0.05)


def test_at_random_against_a_play_of_it() -> None:
    """20 jobs, both recoveries, any interval; of 40 comparisons at most two beyond three errors."""
    rng, beyond = random.Random(5), 0
    for seed in range(20):
        mtbf = 10 ** rng.uniform(4, 5.5)
        save, stop = mtbf * 10 ** rng.uniform(-3.5, -1.7), mtbf * 10 ** rng.uniform(-3.5, -1.5)
        shares = {"trainer_share": rng.uniform(0, 0.3), "whole_job_share": rng.uniform(0.02, 0.5)}
        silent = {"mtbf_s": mtbf * 10 ** rng.uniform(-0.3, 1.5)}
        checkpoint = {"save": f"{save} s", "verify": f"{save * rng.uniform(0.2, 4)} s", "load": f"{stop} s"}
        job = job_of(
            job={"work": f"{60 * mtbf} s"},
            failures={"mtbf": f"{mtbf} s", "silent": silent, **shares},
            checkpoint={**checkpoint, "reschedule": f"{2 * stop} s", "partial_reschedule": f"{stop} s"},
            accuracy={"pls_budget": 0.9},
        )
        every = mtbf * 10 ** rng.uniform(-2, -0.5)
        for recovery in (job.full_recovery, job.partial_recovery):
            strategy = Strategy(recovery.name, recovery, job.saving, every)
            expected = Verified().cost(job, strategy).breakdown.total
            mean, error, _ = played(job, strategy, 25, seed)
            ends = (every * expected + save) / job.job.work_s  # the last piece may be shorter, and is not saved
            beyond += abs(mean - expected) > 3 * error + ends
    assert beyond <= 1


def test_the_simulation_agrees() -> None:
    job = job_of()
    for one in plan(job).strategies:
        found = simulate(job, one.strategy, 1500, seed=8)
        off = abs(found.overhead_fraction.mean - one.overhead_fraction)
        assert off < 4 * found.overhead_fraction.standard_error + 60 / job.job.work_s
        assert found.pls.mean == pytest.approx(one.expected_pls, rel=0.03)
        assert found.breakdown.total == pytest.approx(found.overhead_fraction.mean)
        for part, same in zip(found.breakdown, one.breakdown, strict=True):
            assert part == pytest.approx(same, rel=0.04)


def test_without_errors_it_is_the_model_of_long_jobs_whose_saves_take_the_check_too() -> None:
    """Where everybody always goes back; where parts are repaired a check and a save begin anew each by itself."""
    rare = job_of(failures={"silent": {"mtbf": "20000 yr"}})
    free = job_of(failures={"silent": None}, checkpoint={"save": "3 min", "verify": None})
    for recovery, within in ((rare.full_recovery, 1e-6), (rare.partial_recovery, 1e-3)):
        strategy = Strategy(recovery.name, recovery, rare.saving, 7200.0)
        mine = Verified().cost(rare, strategy)
        other = SteadyState().cost(free, replace(strategy, saving=free.saving))
        assert mine.breakdown.total == pytest.approx(other.breakdown.total, rel=within)
        assert mine.pls == pytest.approx(other.pls, rel=1e-3, abs=1e-12)


@pytest.mark.parametrize("step", [None, "11 s", "47 min"])
@pytest.mark.parametrize("budget", [0.01, 0.003])
def test_no_other_interval_costs_less(step: str | None, budget: float) -> None:
    job = job_of(job={"step": step}, accuracy={"pls_budget": budget})
    model = Verified()
    for one in plan(job).strategies:
        if one.name == "partial-at-full-interval":
            continue
        every = np.geomspace(60, 3e5, 4000)
        if step is not None:
            step_s = job.job.step_s or 1.0
            assert one.interval_s == pytest.approx(step_s * round(one.interval_s / step_s))
            every = step_s * np.unique(np.maximum(np.round(every / step_s), 1))
        totals, pls = model.curve(job, one.strategy, every)
        kept = totals[pls <= budget] if one.name == "partial" else totals
        assert one.overhead_fraction <= kept.min() * (1 + 1e-9)
        assert one.expected_pls <= budget * (1 + 1e-9)


def test_the_first_order_interval_is_near_and_it_is_explained() -> None:
    """All of an interval is lost to a silent error, half of it to a failure."""
    answer = plan(job_of(checkpoint={"verify_every": 1}))
    ideal = math.sqrt(180 / (1 / (5 * 86400) + 1 / (2 * 28 * 3600)))
    assert formulas.verified_interval(60.0, 120.0, 28 * 3600.0, 5 * 86400.0) == pytest.approx(ideal)
    assert answer["full"].interval_s == pytest.approx(ideal, rel=0.05)
    text = "\n".join(explain_lines(answer))
    assert "[verified_interval]" in text
    assert "[verified_overhead]" in text
    assert any("silent errors and their checks cost" in line for line in answer.warnings)
    assert any("goes unseen for" in line for line in answer.warnings)


def test_it_composes_with_spares_money_and_sweeps() -> None:
    waits = formulas.erlang_1917_loss(1, 0.5 / 28)
    one, other = (plan(job_of(failures={"repair": each}))["full"] for each in ("30 min", None))
    assert 1 + one.overhead_fraction == pytest.approx((1 + other.overhead_fraction) / (1 - waits), rel=1e-12)
    vary = {"failures.silent.mtbf": ["1 d", "9 d"], "checkpoint.verify": ["10 s", "5 min"]}
    found = plan_many(job_of(), vary, workers=1)
    for at in range(4):
        silent = {"mtbf_s": float(found["failures.silent.mtbf"][at])}
        verify = f"{found['checkpoint.verify'][at]} s"
        best = plan(job_of(failures={"silent": silent}, checkpoint={"verify": verify})).best
        assert found["overhead_fraction"][at] == pytest.approx(best.overhead_fraction, rel=1e-12)
    paid = job_of(
        cluster={"trainers": 8},
        checkpoint={"save": None, "size": "1 TB", "bandwidth": "8 GB/s"},
        cost={"node_hour": 2.0, "write_gb": 0.02},
    )
    assert plan(paid, minimise="dollars")["full"].interval_s > plan(paid)["full"].interval_s


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"checkpoint": {"verify": None}}, "checkpoint.verify: expected the time of a check before each save"),
        ({"failures": {"silent": None}}, 'checkpoint.verify = "2 min": expected failures.silent beside it'),
        ({"failures": {"silent": {"mtbf": "1 min"}}}, "expected more than a check and a save take (3 min)"),
        ({"failures": {"silent": {"mtbf": "five days"}}}, 'failures.silent.mtbf = "five days": expected a time'),
        ({"job": {"time_limit": "20 h"}}, "expected no silent errors beside job.time_limit"),
        ({"checkpoint": {"overlap": 0.5, "drain": "1 min"}}, "expected no silent errors beside checkpoint.overlap"),
    ],
)
def test_bad_input_is_one_line(tables: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(JobError) as error:
        job_of(**tables)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_does_not_know_them_says_so() -> None:
    for model in (FirstOrder(), Exact(), SteadyState()):
        with pytest.raises(JobError, match="jobs with silent errors have a model of their own"):
            plan(job_of(), model)
    with pytest.raises(JobError, match=r"failures\.silent: expected no such key"):
        Advisor(job_of())
    assert not has_formulas(job_of())  # the page is of plans instead
