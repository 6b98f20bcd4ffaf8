"""Orders of rows beside failures that are announced: limits, plays by hand, and what a plan chooses and says."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cprmodel import Job, SteadyState
from cprmodel.costing import kinds
from cprmodel.costing.course import Course
from cprmodel.costing.stops import stops_of
from cprmodel.costing.warned import stretches
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.storage import SaveLevel, StoredSave, WarnedSave
from cprmodel.facts.strategies import ORDERS, FailureKind, FailureMix, PartialRecovery, Strategy
from cprmodel.jobs.warned import first_rows_save, rows_in_time
from cprmodel.ordering import simulate
from cprmodel.ordering.draining import Announced, DrainingLedger, play_drained
from cprmodel.ordering.kind import OrderedSaves
from cprmodel.ordering.levelled import LevelledLedger, play_levels
from cprmodel.ordering.pls import expected_pls, interval_for_pls
from cprmodel.ordering.stored import on_warnings, stored_saves
from cprmodel.planning.changes import _best_first
from cprmodel.planning.planner import answered
from cprmodel.planning.pricing import price
from cprmodel.report.stored import explain_stored
from cprmodel.simulation import AtTimes, Gamma, GivenFailure
from tests.combinations.search_warned import warned_worse_than_by_force
from tests.ordering.test_stored import job_of

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
WARNING = {"lead": "10 min", "recall": 0.6, "precision": 0.8}
LATE = {"lead": "40 s", "recall": 0.6, "precision": 0.9}


def warned_job(warning: dict[str, Any] = WARNING, **more: Any) -> Job:
    return job_of(checkpoint={"save": "120 s", "warning": warning}, **more)


def saves(job: Job, order: str = "best-fixed") -> list[StoredPrioritySave]:
    (one,) = stored_saves(job, [order])
    return on_warnings(job, one)


def strategy(job: Job, saving: StoredPrioritySave, every_s: float = 1800.0) -> Strategy:
    return Strategy("partial-any", job.partial_recovery, saving, every_s / saving.fraction)


def cost(job: Job, saving: StoredPrioritySave, every_s: float = 1800.0) -> Any:
    return kinds.cost(job, SteadyState(), strategy(job, saving, every_s))


def test_from_an_interval_above_the_budget_the_same_one_is_found() -> None:
    """Both ways end within a thousandth of the budget, what is lost being nearly in proportion to the interval."""
    job = warned_job(LATE)
    one = strategy(job, saves(job)[0])
    above_s = 3.0 * float(one.interval_s)
    budget = expected_pls(job, one, exact=True).pls
    known = expected_pls(job, replace(one, interval_s=above_s), exact=True).pls
    found = [interval_for_pls(job, one, budget, True, 0.0, above) for above in (None, (above_s, known))]
    for every_s in found:
        assert every_s is not None
        assert 1 - 2e-3 < expected_pls(job, replace(one, interval_s=every_s), exact=True).pls / budget <= 1
    assert found[0] == pytest.approx(found[1], rel=5e-3)
    assert interval_for_pls(job, one, budget * 1e-3, True, float(one.interval_s), (above_s, known)) is None


def test_what_cannot_be_the_best_at_another_mtbf_is_left_out_and_nothing_else() -> None:
    """The best of those that are looked for is the best of all candidates, each at its own best."""
    job = job_of()
    answer = answered(job)
    worse = job.with_mtbf(job.failure_mix.mtbf_s / 2)
    looked = _best_first(worse, answer.model, answer)
    every = [one for one in answered(worse).strategies if one.feasible]
    best, found = (min(some, key=lambda one: one.overhead_fraction) for some in (every, looked))
    assert (found.name, found.interval_s) == (best.name, best.interval_s)
    assert len(looked) < len(every)


@pytest.mark.parametrize("order", ORDERS)
def test_no_warning_and_all_rows_are_the_simpler_models(order: str) -> None:
    # hardly a failure is announced
    none = warned_job({**WARNING, "recall": 1e-13})
    first, *_, last = saves(none, order)
    assert first.whole.warned is not None
    assert last.whole.warned is None
    one, other = cost(none, first), cost(none, last)
    assert one.pls == pytest.approx(other.pls, rel=1e-9)
    assert float(one.breakdown.total) == pytest.approx(float(other.breakdown.total), rel=1e-9)
    # everything at once, in a job that is long
    access = {"priority_fraction": 1.0, "tables": [{"rows": 1000, "zipf": 0.8, "updates_per_second": 5.0}]}
    at_once = warned_job(job={"work": "1e12 s"}, access=access)
    whole = saves(at_once, order)[0]
    everything = SteadyState().cost(at_once, Strategy("x", at_once.partial_recovery, whole.whole, 1800.0))
    found = cost(at_once, whole)
    assert found.pls == pytest.approx(everything.pls, rel=1e-8)
    assert float(found.breakdown.total) == pytest.approx(float(everything.breakdown.total), rel=1e-12)
    assert found.written_per_s == pytest.approx(everything.written_per_s, rel=1e-12)


def test_a_stretch_without_saves_that_take_time_is_a_race_of_three() -> None:
    """Work against failures that take the shard and warnings: exponential, by hand."""
    mtbf, tau, recall, precision, shards = 5000.0, 900.0, 0.4, 0.5, 4
    mix, nothing = FailureMix(mtbf, 0.8, 0.0, 0.2), PartialRecovery(0.0, 0.0, 0.0, 0.0, 0.0)
    saving = StoredSave((SaveLevel("only", 0.0, 0.0, 0.0),), warned=WarnedSave(0.0, recall, precision))
    stops = stops_of(mix, nothing, saving.levels, shards, saving.warned)
    found = stretches(Course(saving, np.array([tau]), mtbf, stops, ()))
    taken = (0.8 / shards + 0.2) / mtbf
    lost, told = (1 - recall) * taken, recall / precision / mtbf
    leaves, after = lost + told, found.after_other
    assert after == pytest.approx(found.after_planned, rel=1e-9)
    assert after.done == pytest.approx(math.exp(-leaves * tau), rel=1e-12)
    assert after.warned == pytest.approx(told / leaves * -math.expm1(-leaves * tau), rel=1e-12)
    assert found.then_lost == pytest.approx(precision * taken * mtbf, rel=1e-12)
    # of the work of warned stretches, the integral of u g e^(-leaves u)
    x = leaves * tau
    assert after.ahead_s == pytest.approx(told * (1 - math.exp(-x) * (1 + x)) / leaves**2, rel=1e-9)
    # begun again where all return: a race of two
    both = (1 - recall) * 0.2 / mtbf + told
    begins = (1 - recall) * 0.2 / mtbf / both * -math.expm1(-both * tau)
    assert after.planned == pytest.approx(math.exp(-both * tau) / (1 - begins), rel=1e-9)


def test_failures_that_the_lower_level_survives_take_nothing_that_was_left_out() -> None:
    data = Job.from_file(EXAMPLES / "ordered-levels.toml").model_dump(exclude_none=True)
    data["checkpoint"]["warning"] = {"lead_s": 30.0, "recall": 0.5, "precision": 0.8, "level": "memory"}
    job = Job.from_mapping(data)
    first = saves(job)[0]
    low, last = first.whole.levels
    safe = replace(first, whole=replace(first.whole, levels=(replace(low, survives=1 - 1e-13), last), counts=(4,)))
    everything = SteadyState().cost(job, Strategy("partial", job.partial_recovery, safe.timed, 900.0))
    assert cost(job, safe, 3600.0).pls == pytest.approx(everything.pls, rel=1e-9)


def by_hand(share: float, failure: FailureKind) -> tuple[Any, DrainingLedger]:
    """Two shards of two rows, half of them in a save, every 100 s; a failure that is announced at 150 s."""
    recovery = PartialRecovery(0.0, 0.0, 10.0, 0.0, 10.0)
    warned = WarnedSave(20.0, 1.0, 1.0)
    whole = StoredSave((SaveLevel("storage", 0.0, 0.0, 0.0),), warned=warned)
    (one,) = stored_saves(warned_job(access={"priority_fraction": 0.5}), ["mfu"])
    saving = replace(one, whole=whole, warned_rows=share)
    given = ("mfu", np.ones(4), 0.5, 2, FailureMix(1e9), 300.0, np.random.default_rng(1))
    ledger = DrainingLedger(*given, step_s=1.0)
    strikes = AtTimes([GivenFailure(failure, (0,), at_s=150.0)])
    return play_drained(Strategy("x", recovery, saving, 200.0), 300.0, strikes, ledger), ledger


def test_everything_saved_on_a_warning_leaves_nothing_to_lose() -> None:
    played, ledger = by_hand(1.0, FailureKind.SHARD)
    assert ledger.pls == 0
    assert ledger.warned_saves == 1
    # the work ends at 150 + 100 (a save of no time) + 50; the warned save and the stop come besides
    assert played.time_to_train_s == pytest.approx(300 + 20 + 10)
    assert played.saves == 2  # at 100, and at 250: the interval began anew
    assert played.spent.save == pytest.approx(20)


@pytest.mark.parametrize("failure", [FailureKind.SHARD, FailureKind.WHOLE_JOB])
def test_the_first_rows_on_a_warning_leave_the_others_as_they_were(failure: FailureKind) -> None:
    """At 100 one row of each shard was saved. Half of the rows on the warning: those of 150 updates, not of 50."""
    _, ledger = by_hand(0.5, failure)
    shards = 1 if failure is FailureKind.SHARD else 2
    assert ledger.pls == pytest.approx(shards * 50 / (4 * 300))


def test_a_warned_save_to_the_lower_level_keeps_all_and_counts_anew() -> None:
    """Saves every 100 s, each second one to the last level; a warning at 150 s, saved to the first."""
    recovery = PartialRecovery(0.0, 0.0, 0.0, 0.0, 0.0)
    levels = (SaveLevel("memory", 0.0, 0.0, 0.0, 0.9), SaveLevel("remote", 0.0, 0.0, 0.0))
    whole = StoredSave(levels, (2,), warned=WarnedSave(20.0, 1.0, 1.0, level=0, leaves=0))
    (one,) = stored_saves(warned_job(access={"priority_fraction": 0.5}), ["mfu"])
    saving = replace(one, whole=whole)
    needs = {Announced.ANY: (0.9, 0.1), Announced.TOLD: (1.0, 0.0), Announced.UNTOLD: (0.0, 1.0)}
    given = ("mfu", np.ones(4), 0.5, 2, FailureMix(1e9, 0.9, 0.0, 0.1), 400.0, np.random.default_rng(1), 1.0)
    ledger = LevelledLedger(*given, needs=needs)
    strikes = AtTimes([GivenFailure(FailureKind.WHOLE_JOB, at_s=150.0)])
    played = play_levels(Strategy("x", recovery, saving, 400.0), 400.0, strikes, ledger)
    assert ledger.pls == 0  # memory had everything
    assert played.time_to_train_s == pytest.approx(420)  # nothing was replayed
    assert played.saves == 1  # to the last level, at 250: the one at 100 was the pattern's first


def test_how_many_rows_fit() -> None:
    late = warned_job(LATE).checkpoint
    assert rows_in_time(late) == pytest.approx(1 / 3)
    part = first_rows_save(late, 1 / 3)
    assert (part.save_s, part.writes) == (pytest.approx(40), pytest.approx(1 / 3))
    stalls = {"save": "100 s", "stall": "10 s", "incremental": True, "always_written": 0.2}
    some = job_of(checkpoint={**stalls, "warning": {**LATE, "lead": "60 s"}}).checkpoint
    assert rows_in_time(some) == pytest.approx((0.5 - 0.2) / 0.8)  # 50 s of copying, a fifth of it whatever comes
    assert first_rows_save(some, rows_in_time(some)).save_s == pytest.approx(60)
    scatters = warned_job({**LATE, "save": ["100 s", "200 s"]}).checkpoint
    part = first_rows_save(scatters, rows_in_time(scatters))
    assert part.in_time == pytest.approx(0.9)
    assert rows_in_time(warned_job({**LATE, "recall": 0}).checkpoint) == 0
    assert rows_in_time(warned_job().checkpoint) == 1


def chosen(job: Job, order: str = "best-fixed") -> tuple[Strategy, Any]:
    (one,) = stored_saves(job, [order])
    first = Strategy("x", job.partial_recovery, one, 1.0)
    choice = OrderedSaves().choose(job, SteadyState(), first, job.pls_budget)
    assert isinstance(choice.saving, StoredPrioritySave)
    return replace(first, saving=choice.saving, interval_s=choice.interval_s), choice


def test_nothing_else_costs_less_within_the_budget() -> None:
    """All that may be saved on a warning, at many intervals."""
    job = warned_job(LATE, failures={"mtbf": "5 h"})
    budget, (one, _) = job.pls_budget or 0.0, chosen(job)
    found, best = kinds.cost(job, SteadyState(), one), math.inf
    assert found.pls <= budget * (1 + 1e-9)
    assert 0 < one.saving.warned_rows < 1  # type: ignore[attr-defined]
    spent = float(found.breakdown.total)
    for saving in saves(job):
        for every in np.geomspace(0.3, 3, 24) * one.saves_every_s:
            spends = float(SteadyState().cost(job, strategy(job, saving, every)).breakdown.total)
            if spends < min(best, spent * (1 - 1e-3)) and cost(job, saving, every).pls <= budget:
                best = spends
    assert spent <= best * 1.001


@pytest.mark.parametrize("seed", [17, 59])  # planned .7 and 14% above the best by force once
def test_numbers_of_saves_beside_a_warning_and_a_budget(seed: int) -> None:
    assert warned_worse_than_by_force(seed) < 0.001


def test_what_is_saved_on_a_warning_is_said() -> None:
    # a list of a quarter of the rows does not fit into 10 s
    job = warned_job({**LATE, "lead": "10 s"})
    said = (
        "checkpoint.warning comes 10 s ahead, too late for a save of everything (2 min): an order of the rows may "
    )
    assert said + "save the first 8.33% of them then" in job.assumptions()
    for order, words in (
        ("best-fixed", "on a warning, 10 s ahead, the first 8.33% of the rows are saved (10 s)"),
        ("ssu", "nothing is saved on a warning: the sampled list, 25.0% of the rows, is taken whole, and 8.33% of"),
    ):
        one, _ = chosen(job, order)
        assert any(line.startswith(words) for line in kinds.remarks(job, SteadyState(), one)), order
    one, choice = chosen(job)
    priced = price(job, SteadyState(), one, choice)
    assert any(
        "a save then of the first 8.33% of the rows takes 10 s" in line for line in explain_stored(job, priced)
    )
    # hardly any announcement comes true
    one, choice = chosen(warned_job({**WARNING, "precision": 0.001}))
    assert one.saving.whole.warned is None  # type: ignore[attr-defined]
    assert any("warnings are better not heeded" in line for line in choice.notes)


def test_another_law_is_played() -> None:
    """A gamma law of shape 1 is exponential; time and losses then come from the play row by row."""
    job = warned_job(LATE, job={"work": "20 h"}, failures={"mtbf": "1 h"})
    one = strategy(job, saves(job)[0], 1500.0)
    first, second = (
        simulate(job, one, runs=16, seed=seed, workers=1, **law)  # type: ignore[arg-type]
        for seed, law in ((5, {}), (6, {"law": Gamma(1.0)}))
    )
    for name in ("overhead_fraction", "pls"):
        a, b = getattr(first, name), getattr(second, name)
        assert abs(a.mean - b.mean) < 3.5 * math.hypot(a.standard_error, b.standard_error)
