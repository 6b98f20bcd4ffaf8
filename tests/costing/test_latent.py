"""Silent errors that show late: against a play, brute force, SymPy, simpler models; what is kept, and its price."""

from __future__ import annotations

import math
import random
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cprmodel import Job, JobError, formulas, plan, plan_many, simulate
from cprmodel.costing import SteadyState
from cprmodel.costing.verified import Verified, _wanted
from cprmodel.report.explain import explain_lines
from tests import slow_verified_loop as loop
from tests.costing.test_patterns import strategy_of
from tests.costing.test_verified import job_of, played, setting_of

LATE: dict[str, Any] = {
    "failures": {"silent": {"mtbf": "5 d", "latency": "6 h"}},
    "checkpoint": {"verify": None},
}


def late_job(**tables: dict[str, Any]) -> Job:
    return job_of(**{name: {**LATE.get(name, {}), **tables.get(name, {})} for name in {**LATE, **tables}})


@pytest.mark.parametrize("name", ["full", "partial"])
@pytest.mark.parametrize("latency", ["6 h", "20 min"])
def test_against_a_play_of_it(name: str, latency: str) -> None:
    job = late_job(failures={"silent": {"mtbf": "5 d", "latency": latency}})
    strategy = strategy_of(job, name, 4000.0)
    cost = Verified().cost(job, strategy)
    ends = 4100 / job.job.work_s
    mean, error, pls = played(job, strategy, 30, seed=6)
    assert abs(mean - cost.breakdown.total) < 3 * error + ends
    assert pls == pytest.approx(cost.pls, rel=0.08)
    found = simulate(job, strategy, 1500, seed=3)
    off = abs(found.overhead_fraction.mean - cost.breakdown.total)
    assert off < 3.5 * found.overhead_fraction.standard_error + ends
    assert found.pls.mean == pytest.approx(cost.pls, rel=0.02)


@pytest.mark.parametrize("bad", [False, True])
def test_at_random_against_a_simulation(bad: bool) -> None:
    """20 jobs, with saves that cannot be read, too; of 20 comparisons at most one beyond three errors."""
    rng, beyond = random.Random(4), 0
    for seed in range(20):
        unreadable = random.Random(seed).uniform(0.02, 0.5) if bad else None
        mtbf = 10 ** rng.uniform(4, 5.5)
        save, silent = mtbf * 10 ** rng.uniform(-3.5, -1.7), mtbf * 10 ** rng.uniform(-0.3, 1)
        late = {"mtbf_s": silent, "latency_s": silent * 10 ** rng.uniform(-2, -0.31)}
        job = late_job(
            job={"work": f"{200 * mtbf} s"},
            failures={"mtbf": f"{mtbf} s", "silent": late, "whole_job_share": rng.uniform(0.02, 0.5)},
            checkpoint={
                "save": f"{save} s",
                "load": f"{2 * save} s",
                "reschedule": f"{save} s",
                "unreadable": unreadable,
            },
        )
        every = mtbf * 10 ** rng.uniform(-2, -0.7)
        strategy = strategy_of(job, rng.choice(["full", "partial"]), every)
        expected = Verified().cost(job, strategy).breakdown.total
        found = simulate(job, strategy, 100, seed=seed).overhead_fraction
        ends = (every + late["latency_s"]) / silent / 200  # an error that the end of the job leaves unseen
        beyond += abs(found.mean - expected) > 3 * found.standard_error + ends
    assert beyond <= 1


@pytest.mark.parametrize("name", ["full", "partial"])
def test_late_errors_and_unreadable_saves_against_a_play_of_them(name: str) -> None:
    """Errors that stay for some saves, 40% of which are bad: some errors are gone before they show."""
    silent = {"mtbf": "1 d", "latency": "10 h"}
    job = late_job(failures={"silent": silent}, checkpoint={"unreadable": 0.4, "load": "5 min"})
    strategy = strategy_of(job, name, 4000.0)
    cost = Verified().cost(job, strategy)
    mean, error, _ = played(job, strategy, 40, seed=8)
    assert abs(mean - cost.breakdown.total) < 3.5 * error + (4000 + 36000) * 4000 / 86400 / job.job.work_s
    alone = late_job(failures={"silent": silent}, checkpoint={"load": "5 min"})
    assert cost.breakdown.total > Verified().cost(alone, strategy).breakdown.total
    few = late_job(failures={"silent": silent}, checkpoint={"unreadable": 1e-12, "load": "5 min"})
    assert Verified().cost(few, strategy).breakdown == pytest.approx(
        Verified().cost(alone, strategy).breakdown, rel=1e-9
    )


@pytest.mark.parametrize("kept", [1, 2, 5, 40])
@pytest.mark.parametrize("unreadable", [1e-3, 0.2, math.exp(-3660 / 21600)])
def test_a_clean_save_that_can_be_read(kept: int, unreadable: float) -> None:
    """The sum over how many saves hold the error, written down; also where both ratios are the same."""
    x = 3660 / 21600
    held, ratio = (1 - math.exp(-x)) / x, math.exp(-x)
    none = (1 - held) * unreadable**kept + held * ratio ** (kept - 1)
    none += sum(held * (1 - ratio) * ratio ** (j - 1) * unreadable ** (kept - j) for j in range(1, kept))
    assert formulas.no_clean_save(kept, 3600.0, 60.0, 21600.0, unreadable) == pytest.approx(none, rel=1e-9)
    job = late_job(checkpoint={"unreadable": unreadable, "surely": 0.99})
    full = plan(job)["full"]
    (said,) = [one for one in plan(job).warnings if one.startswith("full: keep") and "error shows" in one]
    wanted = int(said.split("keep ")[1].split(" ")[0])
    below, there = (
        formulas.no_clean_save(n, full.interval_s, 60.0, 21600.0, unreadable) for n in (wanted - 1, wanted)
    )
    assert there <= 0.01 < below
    assert "one from before it that can be read" in said


def exactly(kept: float, x: float, unreadable: float) -> Any:
    """The probability as it is written in the docs, in 200 digits and more."""
    with mp.workdps(200 + 2 * int(math.log10(kept) + abs(math.log10(x)) + abs(math.log10(unreadable)))):
        m, y, bad = mp.mpf(kept), mp.exp(-mp.mpf(x)), mp.mpf(unreadable)
        held = (1 - y) / mp.mpf(x)
        others = (m - 1) * y ** (m - 2) if bad == y else (bad ** (m - 1) - y ** (m - 1)) / (bad - y)
        return held * y ** (m - 1) + (1 - held) * bad**m + held * (1 - y) * bad * others


#: How far saves lie apart, in delays; the share that is bad, near 0, near 1 and between.
APART = st.floats(-12, 12).map(lambda power: 10**power)
BAD = st.one_of(
    st.floats(-300, -1e-3).map(lambda power: 10**power), st.floats(-16, -1).map(lambda power: 1 - 10**power)
).filter(lambda share: 0 < share < 1)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(kept=st.one_of(st.integers(1, 60), st.integers(1, 10**15)), x=APART, unreadable=BAD)
@example(kept=2000, x=1e4, unreadable=0.9999)
@example(kept=10**9, x=1e-9, unreadable=math.exp(-1e-9))
@example(kept=1, x=800.0, unreadable=5e-324)
def test_no_clean_save_over_all_that_may_be_given(kept: int, x: float, unreadable: float) -> None:
    """To eleven digits, and no overflow on the way."""
    found = float(formulas.no_clean_save.raw(float(kept), x, 0.0, 1.0, unreadable))
    assert found == pytest.approx(float(exactly(kept, x, unreadable)), rel=1e-11, abs=1e-300)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(x=APART, unreadable=st.none() | BAD, surely=st.floats(-15, -1e-6).map(lambda power: 1 - 10**power))
@example(x=1e4, unreadable=0.9999, surely=0.9999)
@example(x=1e-9, unreadable=1 - 1e-15, surely=1 - 1e-15)
def test_enough_are_kept_and_no_more(x: float, unreadable: float | None, surely: float) -> None:
    """So many keep the probability, and one fewer doesn't, by what it is in many digits."""
    point, delay = {"surely": surely, "unreadable": unreadable, "save": "1 s"}, 1e15
    every = x * delay - 1
    wanted, x = _wanted(late_job(checkpoint=point), every, delay), (every + 1) / delay
    bad = 5e-324 if unreadable is None else unreadable
    none = 1 - mp.mpf(surely)
    assert exactly(wanted, x, bad) <= none * (1 + mp.mpf(10) ** -9)
    assert wanted == 1 or exactly(wanted - 1, x, bad) > none * (1 - mp.mpf(10) ** -9)


def test_the_first_order_is_that_of_half_an_interval_and_the_delay() -> None:
    """C/τ + (1/μ + 1/μₛ)τ/2 + ℓ/μₛ, as ε → 0 for failures and errors at rates of ε², by SymPy; its best is τ."""
    c, t, a, b, late, e = sp.symbols("C tau a b ell epsilon", positive=True)
    given = {"mtbf_s": 1 / (b * e**2), "silent_mtbf_s": 1 / (a * e**2), "latency_s": late}
    total = formulas.latent_overhead.raw(interval_s=t / e, save_s=c, **given).total
    numbers = {c: 3.0, t: 40.0, a: 0.02, b: 0.05, late: 11.0}
    first = (c * e / t + (a + b) * e * t / 2).subs(numbers)
    for small in (1e-2, 1e-3):
        value = float(total.subs(numbers).subs(e, small))
        assert value == pytest.approx(float(first.subs(e, small)), rel=60 * small)
    best = sp.sqrt(2 * c / (a + b))
    assert sp.simplify(formulas.latent_interval.raw(c, 1 / b, 1 / a) - best) == 0


def test_errors_that_show_at_once_are_failures_without_rescheduling() -> None:
    job = late_job(failures={"silent": {"mtbf": "10 h", "latency": "1 ms"}, "mtbf": "500 yr"})
    plain = job_of(failures={"silent": None, "mtbf": "10 h"}, checkpoint={"verify": None, "reschedule": None})
    mine = Verified().cost(job, strategy_of(job, "full", 3000.0)).breakdown.total
    struck = math.expm1(60 / 36000)  # a failure in a save, where no error strikes
    other = SteadyState().cost(plain, strategy_of(plain, "full", 3000.0)).breakdown.total
    assert mine == pytest.approx(other, abs=struck * 1.2)


@pytest.mark.parametrize("step", [None, "11 s"])
def test_no_other_interval_costs_less(step: str | None) -> None:
    job = late_job(job={"step": step}, accuracy={"pls_budget": 0.002})
    for one in plan(job).strategies:
        if one.name == "partial-at-full-interval":
            continue
        every = np.geomspace(60, 1e5, 3000)
        if step is not None:
            every = 11.0 * np.unique(np.maximum(np.round(every / 11.0), 1))
        totals, pls = Verified().curve(job, one.strategy, every)
        kept = totals[pls <= 0.002] if one.name == "partial" else totals
        assert one.overhead_fraction <= kept.min() * (1 + 1e-9)


def test_so_many_saves_hold_a_clean_one() -> None:
    """As often as the formula says within three errors; failures meanwhile only make it better."""
    job = late_job(failures={"mtbf": "1000 d"})
    setting = setting_of(job, strategy_of(job, "full", 3600.0))
    rng = random.Random(9)
    for _ in range(40):
        loop.play(setting, rng)
    errors, x = np.array(setting.with_error), 3660 / (6 * 3600)
    assert len(errors) > 600
    for kept in (1, 3, 8, 20):
        none = -math.expm1(-x) / x * math.exp(-(kept - 1) * x)
        seen = float((errors >= kept).mean())
        assert abs(seen - none) < 3 * math.sqrt(none * (1 - none) / len(errors))
        surely = formulas.kept_for_clean(3600.0, 60.0, latency_s=6 * 3600.0, surely=1 - none)
        assert surely == pytest.approx(kept)


def test_it_is_said_and_explained() -> None:
    answer = plan(late_job(checkpoint={"surely": 0.99, "retained": 6}))
    full = answer["full"]
    wanted = math.ceil(formulas.kept_for_clean(full.interval_s, 60.0, 6 * 3600.0, 0.99))
    (said,) = [one for one in answer.warnings if one.startswith("full: keep")]
    assert f"keep {wanted} complete saves: when an error shows, one from before it is among them" in said
    assert "of 5 (checkpoint.retained, less the one being written) none is with" in said
    assert any("full: silent errors cost" in one for one in answer.warnings)
    text = "\n".join(explain_lines(answer))
    assert "[latent_interval]" in text
    assert "[latent_overhead]" in text
    kept = plan(late_job(checkpoint={"keep_every": 24}))
    assert any("of work further back (keep_every)" in one for one in kept.warnings)


def test_it_composes_with_spares_money_and_sweeps() -> None:
    waits = formulas.erlang_1917_loss(1, 0.5 / 28)
    one, other = (plan(late_job(failures={"repair": each}))["full"] for each in ("30 min", None))
    assert 1 + one.overhead_fraction == pytest.approx((1 + other.overhead_fraction) / (1 - waits), rel=1e-12)
    found = plan_many(late_job(), {"failures.silent.latency": ["1 h", "12 h"]}, workers=1)
    for at, latency in enumerate(["1 h", "12 h"]):
        best = plan(late_job(failures={"silent": {"mtbf": "5 d", "latency": latency}})).best
        assert found["overhead_fraction"][at] == pytest.approx(best.overhead_fraction, rel=1e-12)


def test_what_is_kept_besides_takes_space_and_money() -> None:
    """Every tenth save of 1 TB kept to the end: so many at the end, and each for half of the time on average."""
    paid = {
        "cluster": {"trainers": 8},
        "checkpoint": {"verify": None, "save": None, "size": "1 TB", "bandwidth": "8 GB/s", "retained": 3},
        "failures": {"silent": None},
        "cost": {"node_hour": 2.0, "storage_gb_month": 0.02},
    }
    plain = plan(job_of(**paid))["full"]
    kept = plan(job_of(**{**paid, "checkpoint": {**paid["checkpoint"], "keep_every": 10}}))["full"]
    saves = plain.work_s / plain.interval_s  # as the first order counts them
    assert plain.space_kept_bytes == 3e12
    assert kept.space_kept_bytes == pytest.approx(3e12 + saves / 10 * 1e12)
    months = plain.time_to_train_s / (730.485 * 3600)
    assert kept.dollars_to_train - plain.dollars_to_train == pytest.approx(saves / 10 * 1000 * 0.02 * months / 2)  # type: ignore[operator]
    stored = {**paid, "checkpoint": {**paid["checkpoint"], "keep_every": 10}}
    rare = plan(job_of(**stored), minimise="dollars")["full"]
    assert rare.interval_s > plan(job_of(**paid), minimise="dollars")["full"].interval_s
    vary = {"checkpoint.keep_every": [5, 10]}
    swept = plan_many(job_of(**stored), vary, workers=1)
    best = plan(job_of(**stored)).best
    assert swept["space_kept_bytes"][1] == pytest.approx(best.space_kept_bytes)
    assert swept["dollars_to_train"][1] == pytest.approx(best.dollars_to_train)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"checkpoint": {"verify": "2 min"}},
            'checkpoint.verify = "2 min": expected no such key beside failures.silent',
        ),
        (
            {"failures": {"silent": {"mtbf": "5 d", "latency": "3 d"}}},
            "expected at most half of failures.silent.mtbf",
        ),
        ({"job": {"time_limit": "20 h"}}, "expected no silent errors beside job.time_limit"),
        (
            {"failures": {"silent": None}, "checkpoint": {"keep_every": 3}},
            "checkpoint.keep_every = 3: expected checkpoint.size beside it",
        ),
    ],
)
def test_bad_input_is_one_line(tables: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(JobError) as error:
        late_job(**tables)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
