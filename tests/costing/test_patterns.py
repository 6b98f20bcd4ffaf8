"""Saves to a check, checks to a save, unreadable saves: against a play, brute force, SymPy, simpler models."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import sympy as sp

from cprmodel import Job, JobError, formulas, plan, plan_many, simulate
from cprmodel.advising import Advisor
from cprmodel.costing import SteadyState
from cprmodel.costing.verified import Verified
from cprmodel.facts.strategies import CheckedSave, Strategy
from cprmodel.report.explain import explain_lines
from cprmodel.report.whatif import has_formulas
from tests.costing.test_verified import job_of, played

DEAR: dict[str, Any] = {"checkpoint": {"verify": "10 min"}}
BAD: dict[str, Any] = {"failures": {"silent": None}, "checkpoint": {"verify": None, "unreadable": 0.1}}


def strategy_of(job: Job, name: str, every: float, saves: int = 1, checks: int = 1) -> Strategy:
    recovery = job.full_recovery if name == "full" else job.partial_recovery
    return Strategy(name, recovery, CheckedSave(job.save_s, saves, checks), every)


@pytest.mark.parametrize("name", ["full", "partial"])
@pytest.mark.parametrize(("saves", "checks", "bad"), [(5, 1, None), (1, 4, None), (1, 2, 0.2), (1, 1, 0.4)])
def test_against_a_play_of_it(name: str, saves: int, checks: int, bad: float | None) -> None:
    job = job_of(job={"work": "60 d"}, checkpoint={"unreadable": bad})
    strategy = strategy_of(job, name, 5400.0, saves, checks)
    cost = Verified().cost(job, strategy)
    mean, error, pls = played(job, strategy, 60, seed=saves + 7 * checks)
    ends = (saves * 5400.0 * cost.breakdown.total + 300) / job.job.work_s  # the last pattern may be shorter
    assert abs(mean - cost.breakdown.total) < 3 * error + ends
    assert pls == pytest.approx(cost.pls, rel=0.08)
    found = simulate(job, strategy, 900, seed=3)
    assert (
        abs(found.overhead_fraction.mean - cost.breakdown.total) < 4 * found.overhead_fraction.standard_error + ends
    )
    assert found.pls.mean == pytest.approx(cost.pls, rel=0.03)
    for part, same in zip(found.breakdown, cost.breakdown, strict=True):
        assert part == pytest.approx(same, rel=0.06)


def test_at_random_against_a_play_of_it() -> None:
    """20 jobs of any pattern; of 20 comparisons at most one beyond three errors."""
    rng, beyond = random.Random(11), 0
    for seed in range(20):
        mtbf = 10 ** rng.uniform(4, 5.5)
        save, stop = mtbf * 10 ** rng.uniform(-3.5, -1.7), mtbf * 10 ** rng.uniform(-3.5, -1.5)
        bad = rng.choice([None, rng.uniform(0.01, 0.5)])
        doubted = bad is None or rng.random() < 0.5
        verify = f"{save * rng.uniform(0.2, 6)} s" if doubted else None
        silent = {"mtbf_s": mtbf * 10 ** rng.uniform(0, 1.5)} if doubted else None
        checkpoint = {"save": f"{save} s", "verify": verify, "load": f"{stop} s", "unreadable": bad}
        job = job_of(
            job={"work": f"{40 * mtbf} s"},
            failures={
                "mtbf": f"{mtbf} s",
                "silent": silent,
                "trainer_share": rng.uniform(0, 0.3),
                "whole_job_share": rng.uniform(0.02, 0.5),
            },
            checkpoint={**checkpoint, "reschedule": f"{2 * stop} s", "partial_reschedule": f"{stop} s"},
            accuracy={"pls_budget": 0.9},
        )
        every = mtbf * 10 ** rng.uniform(-2, -0.7)
        saves, checks = rng.choice([(1, 1), (1, 3), (rng.randint(2, 8), 1)]) if bad is None else (1, 2)
        saves, checks = (saves, checks) if doubted else (1, 1)
        strategy = strategy_of(job, rng.choice(["full", "partial"]), every, saves, checks)
        expected = Verified().cost(job, strategy).breakdown.total
        mean, error, _ = played(job, strategy, 16, seed)
        ends = (saves * every * (expected + 0.1) + save) / job.job.work_s
        beyond += abs(mean - expected) > 3 * error + ends
    assert beyond <= 1


@pytest.mark.parametrize("budget", [0.01, 0.0005])
@pytest.mark.parametrize(
    ("verify", "save"), [("10 min", "1 min"), ("40 min", "20 s"), ("5 s", "10 min"), ("2 min", "1 min")]
)
def test_no_other_pattern_costs_less(budget: float, verify: str, save: str) -> None:
    job = job_of(accuracy={"pls_budget": budget}, checkpoint={"verify": verify, "save": save})
    model, every = Verified(), np.geomspace(60, 1e5, 400)
    for one in plan(job).strategies:
        if one.name == "partial-at-full-interval":
            continue
        least = np.inf
        for pattern in [(n, 1) for n in range(1, 60)] + [(1, n) for n in range(2, 60)]:
            totals, pls = model.curve(job, strategy_of(job, one.name, 1.0, *pattern), every)
            kept = totals[pls <= budget] if one.name == "partial" else totals
            least = min(least, kept.min(initial=np.inf))
        assert one.overhead_fraction <= least * (1 + 1e-9), one.name
        assert one.expected_pls <= budget * (1 + 1e-9)


def test_the_first_order_patterns_by_sympy() -> None:
    """The published number of checks, and that of saves, make the first-order waste least: H² over the pattern."""
    c, v, k, m, a, b = sp.symbols("C V K m a b", positive=True)  # a = 1/μₛ, b = w/(2μ)
    given = {"save_s": c, "verify_s": v, "mtbf_s": 1 / (2 * b), "silent_mtbf_s": 1 / a, "whole_job_share": 1}
    waste_saves = (v / k + c) * (k * a + b)
    (best,) = sp.solve(sp.diff(waste_saves, k), k)
    assert sp.simplify(best - formulas.saves_per_check.raw(**given)) == 0
    waste_checks = (m * v + c) * ((1 + 1 / m) / 2 * a + b)
    (best,) = sp.solve(sp.diff(waste_checks, m), m)
    assert sp.simplify(best - formulas.benoit_2016_checks.raw(**given)) == 0
    interval = formulas.verified_interval.raw(**given, saves_per_check=k)
    spent, lost = v / k + c, k * a + b
    assert sp.simplify(interval**2 - spent / lost) == 0


def test_a_dear_check_has_several_saves_and_a_cheap_one_is_made_often() -> None:
    dear = plan(job_of(**DEAR))
    saving = dear["full"].strategy.saving
    assert isinstance(saving, CheckedSave)
    assert saving.saves == pytest.approx(formulas.saves_per_check(60.0, 600.0, 28 * 3600.0, 5 * 86400.0), abs=1)
    assert dear["full"].to_dict()["saves_per_check"] == saving.saves
    assert any("a check before one save in" in line for line in dear.warnings)
    always = plan(job_of(checkpoint={"verify": "10 min", "verify_every": 1}))
    assert dear["full"].overhead_fraction < 0.95 * always["full"].overhead_fraction
    cheap = plan(job_of(checkpoint={"verify": "2 s", "save": "10 min"}))
    assert cheap["full"].to_dict()["checks_per_save"] > 3
    assert "checks to a save" in "\n".join(cheap.warnings)
    text = "\n".join(explain_lines(dear))
    assert "[saves_per_check]" in text
    assert "of work, one save in 2 after a check, with partial recovery" in dear.sentence


def test_given_patterns_stand() -> None:
    for key, expected in (("verify_every", CheckedSave(60.0, 3, 1)), ("checks_per_save", CheckedSave(60.0, 1, 3))):
        answer = plan(job_of(checkpoint={"verify": "10 min", key: 3}))
        assert {one.strategy.saving for one in answer.strategies} == {expected}
        always = plan(job_of(checkpoint={"verify": "10 min", key: 1}))  # one of each is a pattern, too
        assert {one.strategy.saving for one in always.strategies} == {CheckedSave(60.0, 1, 1)}


def test_without_bad_saves_and_errors_it_is_the_model_of_long_jobs() -> None:
    rare = job_of(failures={"silent": None}, checkpoint={"verify": None, "unreadable": 1e-12})
    free = job_of(failures={"silent": None}, checkpoint={"verify": None})
    for recovery, within in ((rare.full_recovery, 1e-6), (rare.partial_recovery, 1e-3)):
        mine = Verified().cost(rare, Strategy(recovery.name, recovery, CheckedSave(60.0), 7200.0))
        other = SteadyState().cost(free, Strategy(recovery.name, recovery, free.saving, 7200.0))
        assert mine.breakdown.total == pytest.approx(other.breakdown.total, rel=within)
        assert mine.pls == pytest.approx(other.pls, rel=1e-3, abs=1e-12)


def test_how_many_saves_to_keep() -> None:
    """Of saves of which one in ten is bad, four are all bad once in 10,000."""
    job = job_of(**BAD)
    (said,) = [one for one in plan(job).warnings if one.startswith("full: keep")]
    assert "keep 4 complete saves: one of them can be read with probability 0.9999; of 1" in said
    surer = job_of(failures={"silent": None}, checkpoint={**BAD["checkpoint"], "surely": 0.99, "retained": 4})
    (said,) = [one for one in plan(surer).warnings if one.startswith("full: keep")]
    assert "keep 2 complete saves" in said
    assert "of 3 (checkpoint.retained, less the one being written) none can with 0.001" in said


def test_bad_saves_compose_and_cost() -> None:
    free = job_of(failures={"silent": None}, checkpoint={"verify": None})
    assert plan(job_of(**BAD))["full"].overhead_fraction > plan(free, SteadyState())["full"].overhead_fraction
    found = plan_many(job_of(**BAD), {"checkpoint.unreadable": [0.01, 0.3]}, workers=1)
    for at, share in enumerate([0.01, 0.3]):
        best = plan(job_of(failures={"silent": None}, checkpoint={"verify": None, "unreadable": share})).best
        assert found["overhead_fraction"][at] == pytest.approx(best.overhead_fraction, rel=1e-12)
    both = job_of(checkpoint={"unreadable": 0.05})
    assert (
        plan(both)["full"].overhead_fraction
        > plan(job_of(checkpoint={"verify_every": 1}))["full"].overhead_fraction
    )


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"checkpoint": {"verify_every": 2, "checks_per_save": 2}},
            "verify_every and checks_per_save = 2 and 2: expected",
        ),
        (
            {"failures": {"silent": None}, "checkpoint": {"verify": None, "verify_every": 2}},
            "checkpoint.verify_every = 2: expected failures.silent and checkpoint.verify beside it",
        ),
        ({"checkpoint": {"unreadable": 0.1, "verify_every": 2}}, "checkpoint.verify_every = 2: expected 1 beside"),
        ({"checkpoint": {"unreadable": 1.0}}, "checkpoint.unreadable = 1: expected a number less than 1"),
        (
            {"job": {"time_limit": "20 h"}, **BAD},
            "checkpoint.unreadable = 0.1: expected no such key beside job.time_limit",
        ),
        ({"checkpoint": {"surely": 1.0}}, "checkpoint.surely = 1: expected a number less than 1"),
    ],
)
def test_bad_input_is_one_line(tables: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(JobError) as error:
        job_of(**tables)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_does_not_know_them_says_so() -> None:
    with pytest.raises(JobError, match="jobs with unreadable saves have a model of their own"):
        plan(job_of(**BAD), SteadyState())
    with pytest.raises(JobError, match=r"checkpoint\.unreadable: expected no such key"):
        Advisor(job_of(**BAD))
    assert not has_formulas(job_of(**BAD))  # the page is of plans instead


def walked(tau: float, save: float, mtbf: float, whole: float, bad: float, silent: float, seed: int) -> Any:
    """What one shard of four loses, stretch by stretch of work, where stops take no time, in batches"""
    rng, many = random.Random(seed), 60_000
    saves, lost, at, now = (
        [True],
        [0.0],
        0.0,
        0.0,
    )  # readable, lost of the work before; since the last; of that lost
    while len(saves) <= many:
        fails, errs = rng.expovariate(1 / mtbf), rng.expovariate(1 / silent) if at < tau else np.inf
        if errs < min(fails, tau - at):
            whole_job, fails = True, errs  # found at the end of the interval, and all of it is done again
        elif fails >= tau - at + save:
            saves.append(rng.random() >= bad)
            lost.append(now)
            at = now = 0.0
            continue
        else:
            whole_job = rng.random() < whole
        behind = next(n for n, one in enumerate(reversed(saves)) if one)
        if whole_job:
            del saves[len(saves) - behind :], lost[len(lost) - behind :]
            at = now = 0.0
        elif rng.random() < 1 / 4:
            at = now = min(at + fails, tau)
            lost[len(lost) - behind :] = [tau] * behind
        else:
            at = min(at + fails, tau)
    return np.array(lost[1:]).reshape(200, -1).mean(axis=1) / tau


@pytest.mark.parametrize(
    ("tau", "whole", "bad", "silent"),
    [(10.0, 0.5, 0.5, 1e300), (2.0, 0.9, 0.6, 1e300), (20.0, 0.0, 0.3, 1e300), (5.0, 0.3, 0.7, 40.0)],
)
def test_what_shards_lose_of_saves_that_are_bad(tau: float, whole: float, bad: float, silent: float) -> None:
    """Against a walk from save to save that shares no formula, and without bad saves the exact PLS."""
    found = walked(tau, 0.5, 37.5, whole, bad, silent, seed=int(10 * tau))
    given: dict[str, Any] = {"shard_share": 1 - whole, "whole_job_share": whole, "save_s": 0.5}
    said = formulas.unreadable_pls(1e6 * tau, tau, 37.5, 4, bad, silent_mtbf_s=silent, **given)
    assert abs(found.mean() - said) < 3.5 * found.std(ddof=1) / len(found) ** 0.5
    alone = formulas.exact_pls(1e6 * tau, tau, 37.5, 4, **given)
    assert said > alone
    few = formulas.unreadable_pls(1e6 * tau, tau, 37.5, 4, 1e-9, silent_mtbf_s=silent, **given)
    assert few == pytest.approx(alone, rel=1e-8)


def test_bad_saves_and_whole_job_failures_are_simulated() -> None:
    """Half of the saves bad, half of the failures of everybody: 14% less is lost than if each hit stood alone."""
    job = Job.from_mapping({
        "job": {"work": "800 d"},
        "cluster": {"embedding_shards": 4},
        "failures": {"mtbf": "37.5 h", "whole_job_share": 0.5},
        "checkpoint": {"save": "200 s", "load": "1 s", "reschedule": "1 s", "unreadable": 0.5},
        "accuracy": {"pls_budget": 0.5},
    })  # fmt: skip
    strategy = strategy_of(job, "partial", 36000.0)
    found = simulate(job, strategy, 300, seed=5, workers=1)
    said = Verified().cost(job, strategy).pls
    assert said == pytest.approx(0.0412, abs=1e-4)  # 0.0411 ± 0.0001 by another play of 2,500 runs
    assert abs(found.pls.mean - said) < 3.5 * found.pls.standard_error
