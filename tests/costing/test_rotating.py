"""Saves that rotate: losses against every pattern of failures played out, time and losses against the simulator."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import Exact, FirstOrder, Job, SteadyState, plan, simulate
from cprmodel.costing import kinds
from cprmodel.costing.rotated import spread, updates_lost
from cprmodel.costing.rotating import rotating_of
from cprmodel.costing.rotating_search import best_rotating
from cprmodel.facts.errors import JobError
from cprmodel.facts.rotation import RotatingSave
from cprmodel.facts.strategies import BlockingSave, Strategy
from cprmodel.formulas import rotating_loss
from cprmodel.simulation import FailuresStrike, Gamma, LogNormal, Replay, Weibull
from tests.combinations.search import job_of, worse_than_by_force


def rotating(job: Job, rotated: int, interval_s: float) -> Strategy:
    return Strategy("full-rotating", job.full_recovery, rotating_of(job, rotated), interval_s)


def played_out(experts: int, rotated: int, struck: list[bool]) -> float:
    """Updates of the experts that are lost, in intervals, where failures strike after these of the saves."""
    learned, stored, saved = [0.0] * experts, [0.0] * experts, 0.0
    turn, done = 0, 0.0
    for failure in struck:
        done += 1  # an interval of work, and its save
        learned = [one + 1 for one in learned]
        for _ in range(rotated):
            stored[turn % experts] = learned[turn % experts]
            turn += 1
        saved = done
        if failure:
            done, learned = saved, list(stored)
    return (done - sum(learned) / experts) if struck else 0.0


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(1, 7),
    st.integers(0, 8),
    st.floats(1e-6, 5.0),
    st.floats(0.01, 1.0),
    st.floats(0.0, 0.5),
)
def test_losses_and_their_scatter_are_those_of_every_pattern(
    experts: int, rotated: int, saves: int, per_interval: float, rest: float, save: float
) -> None:
    """2^m patterns of failures after m saves, each played out, weighed by its probability."""
    rotated = min(rotated, experts)
    mtbf = (1 + save) / per_interval
    saving = RotatingSave(BlockingSave(save), experts, rotated, always=1.0)  # so that a save takes what is given
    work = saves + rest
    mean = square = 0.0
    chances = [-math.expm1(-per_interval)] * max(saves - 1, 0) + [-math.expm1(-rest / mtbf)] * min(saves, 1)
    for struck in itertools.product((False, True), repeat=saves):
        weight = math.prod(p if one else 1 - p for p, one in zip(chances, struck, strict=True))
        lost = played_out(experts, rotated, list(struck)) / work
        mean, square = mean + weight * lost, square + weight * lost**2
    found = updates_lost(saving, work, mtbf, 1.0)
    assert found.pls == pytest.approx(mean, rel=1e-9, abs=1e-15)
    assert spread(saving, work, mtbf, 1.0) ** 2 == pytest.approx(square - mean**2, rel=1e-7, abs=1e-14)


def test_to_first_order_it_is_the_published_budget_s_form() -> None:
    """(N/K − 1) τ/(2μ): the derivative at τ = 0, by SymPy, of the sum that the formula is."""
    x, c = sp.symbols("x c", positive=True)
    for turns in (2, 3, 8):
        whole = sum(1 - sp.exp(-a * x) for a in range(turns)) / turns
        assert sp.limit(whole / x, x, 0) == sp.Rational(turns - 1, 2)
    for experts, kept in ((16, 1), (8, 2), (8, 4), (12, 3)):
        exact = rotating_loss(experts, kept, experts // kept, interval_s=1e-4, save_s=0.0, mtbf_s=1.0)
        assert exact == pytest.approx((experts / kept - 1) * 1e-4 / 2, rel=1e-3)
    assert c


def test_the_formula_is_the_sum() -> None:
    for experts, kept in ((16, 1), (16, 3), (7, 2), (5, 5)):
        q, turns = math.exp(-0.013), experts // kept
        waits = [
            min(kept, experts - kept * a) for a in range(turns + 1)
        ]  # experts whose next turn is a saves later
        assert sum(waits) == experts
        sums = sum(n * (1 - q**a) for a, n in enumerate(waits)) / experts
        assert rotating_loss(experts, kept, turns, 12.0, 1.0, 1000.0) == pytest.approx(sums, rel=1e-12)


@pytest.mark.parametrize("model", [FirstOrder(), Exact(), SteadyState()], ids=lambda one: one.name)
def test_all_experts_in_each_save_are_full_recovery(model: Any) -> None:
    job = job_of(experts=8, checkpoint={"rotating": 8})
    for every in (50.0, 333.0, 2500.0):
        rotated = kinds.cost(job, model, rotating(job, 8, every))
        whole = kinds.cost(job, model, Strategy("full", job.full_recovery, job.saving, every))
        assert float(rotated.breakdown.total) == pytest.approx(float(whole.breakdown.total), rel=1e-12)
        assert rotated.pls == 0
        assert rotated.pls_standard_deviation == 0
    answer = plan(job, model)
    assert answer["full-rotating"].overhead_fraction == pytest.approx(answer["full"].overhead_fraction, rel=1e-4)


CASES: dict[str, tuple[dict[str, Any], int, float]] = {
    "one of sixteen": ({}, 1, 32.0),
    "not a divisor": ({"experts": 7}, 3, 300.0),
    "few saves": ({"experts": 8, "work": "3000 s"}, 2, 700.0),
    "a dense part and a stall": ({"checkpoint": {"save": "80 s", "always_written": 0.4, "stall": "9 s"}}, 3, 200.0),
    "kinds of failure": ({"failures": {"trainer_share": 0.3, "whole_job_share": 0.2}}, 4, 100.0),
}


@pytest.mark.parametrize("case", CASES)
def test_simulation_finds_what_is_planned(case: str) -> None:
    more, rotated, every = CASES[case]
    job = job_of(**more)
    strategy = rotating(job, rotated, every)
    cost = kinds.cost(job, Exact(), strategy)
    found = simulate(job, strategy, runs=4000, seed=12, workers=1)
    apart = found.standard_errors_from_prediction()
    assert all(one is not None and abs(one) < 3.5 for one in apart.values()), apart
    # the error of a standard deviation from n runs is about 1/√(2n), for tails like these
    assert cost.pls_standard_deviation == pytest.approx(float(found.pls_of_runs.std()), rel=0.06)


def test_drains_are_played_too() -> None:
    point = {"save": "20 s", "save_shrinks": True, "overlap": 0.7, "drain": "200 s", "always_written": 0.1}
    job = job_of(work="100000 s", checkpoint=point)
    strategy = rotating(job, 3, 300.0)
    found = simulate(job, strategy, runs=1500, seed=2, workers=1)
    cost = kinds.cost(job, SteadyState(), strategy)
    assert abs(found.pls.mean - cost.pls) < 3.5 * found.pls.standard_error
    over = found.overhead_fraction
    assert abs(over.mean - float(cost.breakdown.total)) < 3.5 * over.standard_error + 1e-3  # of a long job
    undrained = job_of(work="100000 s", checkpoint={**point, "drain": "1e-9 s"})
    blocking = job_of(work="100000 s", checkpoint={"save": "20 s", "always_written": 0.1})
    loss = [kinds.cost(one, SteadyState(), rotating(one, 3, 300.0)).pls for one in (undrained, blocking)]
    assert loss[0] == pytest.approx(loss[1], rel=1e-9)


@pytest.mark.parametrize("law", [Weibull(0.7), Gamma(2.0), LogNormal(1.0), Replay((500.0, 900.0, 7000.0))])
def test_any_law_is_played(law: Any) -> None:
    """With one expert nothing rotates: the times are those of full recovery under the law, from another kernel."""
    job = job_of(experts=1, checkpoint={"rotating": 1})
    strategy = rotating(job, 1, 250.0)
    found = simulate(job, strategy, runs=6000, seed=3, law=law, workers=1)
    other = simulate(
        job, Strategy("full", job.full_recovery, job.saving, 250.0), runs=6000, seed=4, law=law, workers=1
    )
    gap = found.overhead_fraction.mean - other.overhead_fraction.mean
    error = math.hypot(found.overhead_fraction.standard_error, other.overhead_fraction.standard_error)
    assert abs(gap) < 3.5 * error
    assert found.pls.mean == pytest.approx(0, abs=1e-12)


def test_failures_that_spare_recoveries() -> None:
    job = job_of(experts=1, checkpoint={"rotating": 1, "reschedule": "500 s"})
    for strikes in (FailuresStrike.NOT_WHILE_RESCHEDULING, FailuresStrike.ONLY_AT_WORK):
        found = simulate(job, rotating(job, 1, 250.0), 6000, 3, strikes=strikes, workers=1)
        full = Strategy("full", job.full_recovery, job.saving, 250.0)
        other = simulate(job, full, 6000, 4, strikes=strikes, workers=1)
        gap = found.overhead_fraction.mean - other.overhead_fraction.mean
        assert abs(gap) < 3.5 * math.hypot(
            found.overhead_fraction.standard_error, other.overhead_fraction.standard_error
        )


@pytest.mark.parametrize("seed", range(6))
def test_no_number_and_no_interval_is_better(seed: int) -> None:
    """``python -m tests.combinations --search 100`` looks at more jobs."""
    assert worse_than_by_force(seed) < 0.001


def test_of_many_turns_the_loss_is_their_sum() -> None:
    """Turn by turn, for jobs that end before all had one and for others, of gaps that are short and long."""
    random = np.random.default_rng(7)
    for _ in range(60):
        experts = int(random.integers(1, 3000))
        rotated = int(min(10 ** random.uniform(0, 4), experts))
        x, saves = float(10 ** random.uniform(-9, 1.5)), int(random.integers(0, 4000))
        saving, rest = RotatingSave(BlockingSave(0.5), experts, rotated, always=1.0), float(random.uniform(0.1, 1))
        mtbf, turns = 1.5 / x, experts // rotated
        after = np.arange(turns + 1)
        lost = -np.expm1(-x * after)  # of those whose turn comes so many saves later
        shares = np.append(np.full(turns, rotated), experts - turns * rotated) / experts
        before, held = (np.append(0.0, np.cumsum(one)[:-1]) for one in (shares * lost, shares))
        known = before + (1 - held) * lost
        each = [known[min(a, turns)] for a in range(1, saves)]
        at_end = known[min(saves, turns)] * math.expm1(-rest / mtbf) / math.expm1(-x) if saves else 0.0
        expected = (math.fsum(each) + at_end) / (saves + rest)
        found = updates_lost(saving, saves + rest, mtbf, 1.0).pls
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-16), (experts, rotated, x, saves)


@pytest.mark.parametrize("seed", range(4))
def test_of_many_experts_no_other_number_is_better(seed: int) -> None:
    """Each number's own best interval, of every number; not all numbers are looked into."""
    random = np.random.default_rng([seed, 11])
    more: dict[str, Any] = {"checkpoint": {"always_written": float(random.choice([0.0, 0.1, 0.5]))}}
    more["accuracy"] = {"pls_budget": float(10 ** random.uniform(-3, -1))}
    if seed % 2:
        more["job"] = {"step": f"{random.uniform(1, 30):.3g} s"}
    job = job_of(experts=int(random.integers(50, 130)), work="100000 s", **more)
    found = plan(job, Exact())["full-rotating"]
    least = math.inf
    for rotated in range(1, (job.experts or 1) + 1):
        choice = best_rotating(job, Exact(), rotating(job, rotated, 1.0), job.pls_budget or 0.0, numbered=True)
        cost = kinds.cost(job, Exact(), rotating(job, rotated, choice.interval_s))
        if cost.pls <= (job.pls_budget or 0.0) * (1 + 1e-9):
            least = min(least, float(cost.breakdown.total))
    assert found.overhead_fraction <= least * (1 + 1e-5)


def test_experts_in_groups_are_one_way_to_save_more_of_them() -> None:
    """14,848 experts (256 in each of 58 layers) in groups of 928 are 16: what is planned costs no more."""
    for always in (0.0, 0.2):
        few, many = (job_of(one, checkpoint={"always_written": always}) for one in (16, 14_848))
        grouped, found = (plan(one)["full-rotating"] for one in (few, many))
        assert found.overhead_fraction <= grouped.overhead_fraction * (1 + 1e-9)
        assert found.expected_pls <= 0.1 * (1 + 1e-9)
        rotated, _ = grouped.experts_saved or (1, 16)
        again = kinds.cost(many, FirstOrder(), rotating(many, 928 * rotated, grouped.interval_s))
        assert again.pls == pytest.approx(grouped.expected_pls, rel=1e-9)


def test_a_rotation_without_a_budget_is_refused_as_plan_says() -> None:
    unbound = job_of().model_copy(update={"accuracy": None})
    said = "saves that rotate are left out: an [accuracy] budget says how many updates of the experts may be lost"
    assert said in plan(unbound).warnings
    with pytest.raises(JobError) as error:
        simulate(unbound, "full-rotating", runs=10)
    assert f'strategy = "full-rotating": expected one that can be planned: full ({said})' in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_planned_is_said() -> None:
    answer = plan(job_of(job={"step": "1 s"}))
    best = answer.best
    assert best.name == "full-rotating"
    assert best.experts_saved is not None
    assert f"Save {best.experts_saved[0]} of 16 experts in turn" in answer.sentence
    assert best.to_dict()["experts_saved"] == list(best.experts_saved)
    given_one = plan(
        job_of(checkpoint={"rotating": 1}, job={"current_interval": "32 s", "current_recovery": "rotating"})
    )
    assert given_one["current"].experts_saved == (1, 16)
    assert given_one["full-rotating"].experts_saved == (1, 16)


def test_what_is_not_modelled_is_a_sentence() -> None:
    job = job_of(checkpoint={"warning": {"lead": "1 h", "recall": 0.5}})
    assert any("left out: beside checkpoint.warning" in one for one in plan(job).warnings)
    silent = {"failures": {"silent": {"mtbf": "1 d"}}, "checkpoint": {"verify": "1 s"}}
    assert any("left out: beside failures.silent" in one for one in plan(job_of(**silent)).warnings)
    unbound = job_of()
    unbound = unbound.model_copy(update={"accuracy": None})
    assert any("budget says how many updates" in one for one in plan(unbound).warnings)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"checkpoint": {"rotating": 17}}, "checkpoint.rotating = 17: expected at most cluster.experts (16)"),
        ({"checkpoint": {"rotating": 0}}, "checkpoint.rotating = 0: expected true, or a whole number of experts"),
        ({"checkpoint": {"rotating": -1}}, "checkpoint.rotating = -1: expected true, or a whole number of experts"),
        (
            {"checkpoint": {"rotating": 1e20}},
            "checkpoint.rotating = 1e+20: expected true, or a whole number of experts",
        ),
        ({"checkpoint": {"rotating": 10**20}}, f"checkpoint.rotating = {10**20}: expected true, or a whole number"),
        (
            {"checkpoint": {"rotating": 2.5}},
            "checkpoint.rotating = 2.5: expected true, or a whole number of experts",
        ),
        (
            {"experts": 10**9},
            "cluster.experts = 1000000000: expected at most 1,000,000 of them, since saves rotate",
        ),
        ({"experts": 0}, "cluster.experts = 0: expected a number of at least 1"),
        ({"cluster": {"experts": True}}, "cluster.experts = true: expected a plain number"),
        (
            {"cluster": {"experts": None, "embedding_shards": 2 * 10**6}},
            "cluster.embedding_shards = 2000000: expected at most 1,000,000 of them",
        ),
        ({"checkpoint": {"rotating": "all"}}, 'checkpoint.rotating = "all": expected true, or a whole number'),
        ({"job": {"current_recovery": "rotating"}}, "checkpoint.rotating = true: expected how many experts"),
        ({"cluster": {"experts": None}}, "cluster.experts: expected experts (or embedding_shards)"),
        (
            {"checkpoint": {"rotating": None}, "job": {"current_recovery": "rotating"}},
            'job.current_recovery = "rotating": expected checkpoint.rotating beside it',
        ),
    ],
)
def test_bad_jobs_are_one_line(more: dict[str, Any], said: str) -> None:
    with pytest.raises(JobError) as error:
        job_of(**more)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
