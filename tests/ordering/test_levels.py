"""Everything to some levels and the first rows to the last one: limits, and what a plan chooses and says."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cprmodel import Job, SteadyState, plan
from cprmodel.costing import kinds
from cprmodel.costing.course import Course
from cprmodel.costing.models import recovery_arguments
from cprmodel.costing.stops import stops_of
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.storage import SaveLevel, StoredSave
from cprmodel.facts.strategies import PartialRecovery, Strategy
from cprmodel.formulas.drained import drained_slot, drained_stale_loss
from cprmodel.ordering.pls import expected_pls, interval_for_pls
from cprmodel.ordering.stored import stored_saves
from cprmodel.planning.telling import advice
from tests.combinations.stored import drawn_stored

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "ordered-levels.toml"
JOB = Job.from_file(EXAMPLE)


def saving_of(job: Job, order: str = "best-fixed", counts: tuple[int, ...] = (4,)) -> StoredPrioritySave:
    (saving,) = stored_saves(job, [order])
    return replace(saving, whole=replace(saving.whole, counts=counts))


def strategy(
    saving: StoredPrioritySave, every_s: float, recovery: PartialRecovery = JOB.partial_recovery
) -> Strategy:
    return Strategy("partial-any", recovery, saving, every_s / saving.fraction)


def _one_level(seed: int) -> bool:
    saving, _, _, recovery, _ = drawn_stored(seed)
    return len(saving.levels) == 1 and recovery.name == "partial" and saving.levels[0].scatter is None


@pytest.mark.parametrize("seed", [seed for seed in range(80) if _one_level(seed)])
def test_of_one_level_the_recursion_is_the_closed_form(seed: int) -> None:
    """What one level loses of what is left out has a formula of its own (cprmodel.formulas.drained)."""
    saving, tau, mix, recovery, shards = drawn_stored(seed)
    assert isinstance(recovery, PartialRecovery)
    level, saving = saving.levels[0], replace(saving, warned=None, dirty=None)
    recovery = replace(recovery, load_s=level.load_s, partial_load_s=level.partial_load_s)
    course = Course(
        saving, np.array([tau]), mix.mtbf_s, stops_of(mix, recovery, saving.levels, shards), saving.counts
    )
    left_out = ("load_s", "reschedule_s", "whole_job_share")
    named = {name: value for name, value in recovery_arguments(mix, recovery).items() if name not in left_out}
    named |= {"interval_s": tau, "save_s": level.save_s, "drain_s": saving.drain_s, "overlap": saving.overlap}
    lost = drained_stale_loss.raw(mtbf_s=mix.mtbf_s, shards=shards, failed_shards=mix.shards_per_failure, **named)
    assert float(np.ravel(course.stale_lost())[0]) == pytest.approx(float(lost), rel=1e-9)
    slot = drained_slot.raw(mtbf_s=mix.mtbf_s, **named)
    assert float(course.nested().work_s[0]) == pytest.approx(float(slot), rel=1e-12)


@pytest.mark.parametrize("order", ["mfu", "best-fixed"])
def test_a_level_that_survives_nothing_and_is_skipped_is_none(order: str) -> None:
    two = saving_of(JOB, order, (1,))
    low, last = two.whole.levels
    low = replace(low, save_s=0.0)
    alone = replace(two, whole=StoredSave((last,)))
    skipped = replace(two, whole=StoredSave((replace(low, survives=1e-13), last), (1,)))
    every = 2 * 3600.0
    costs = [kinds.cost(JOB, SteadyState(), strategy(one, every)) for one in (alone, skipped)]
    assert costs[1].pls == pytest.approx(costs[0].pls, rel=1e-9)
    for part, expected in zip(costs[1].breakdown, costs[0].breakdown, strict=True):
        assert float(part) == pytest.approx(float(expected), rel=1e-9)


def test_all_rows_at_a_time_are_whole_saves() -> None:
    """In a job without an end, in which the last interval is no matter; of fewer rows more is lost."""
    assert JOB.access is not None
    endless = JOB.model_copy(update={"job": JOB.job.model_copy(update={"work_s": 1e12, "step_s": None})})
    all_rows = endless.model_copy(update={"access": JOB.access.model_copy(update={"priority_fraction": 1.0})})
    whole = saving_of(all_rows)
    every = 3600.0
    found = kinds.cost(all_rows, SteadyState(), strategy(whole, 4 * every))
    plain = SteadyState().cost(all_rows, Strategy("partial", JOB.partial_recovery, whole.whole, every))
    assert found.pls == pytest.approx(plain.pls, rel=1e-8)
    assert float(found.breakdown.total) == pytest.approx(float(plain.breakdown.total), rel=1e-9)
    eighth = kinds.cost(endless, SteadyState(), strategy(saving_of(endless), 4 * every))
    assert eighth.pls > plain.pls
    assert float(eighth.breakdown.save) < float(plain.breakdown.save)


def test_nothing_else_costs_less_within_the_budget() -> None:
    """Numbers of saves to memory, each at the longest interval that keeps the budget."""
    answer = plan(JOB)["partial-best-fixed"]
    budget, best = JOB.pls_budget or 0.0, math.inf
    for count in (1, 2, 3, 4, 5, 6, 8):
        one = strategy(saving_of(JOB, counts=(count,)), count * 3600.0)
        within = interval_for_pls(JOB, one, budget, exact=True)
        assert within is not None
        best = min(best, float(SteadyState().cost(JOB, replace(one, interval_s=within)).breakdown.total))
    assert answer.overhead_fraction < best * 1.001
    assert answer.expected_pls <= budget * (1 + 1e-9)


def test_failures_that_the_lower_level_survives_take_nothing_that_was_left_out() -> None:
    """All of them: what an order leaves out is lost to none, whatever it is."""
    low, last = saving_of(JOB).whole.levels
    safe = replace(saving_of(JOB), whole=StoredSave((replace(low, survives=1 - 1e-13), last), (4,)))
    found = expected_pls(JOB, strategy(safe, 4 * 3600.0), exact=True)
    everything = SteadyState().cost(JOB, Strategy("partial", JOB.partial_recovery, safe.timed, 3600.0))
    assert found.pls == pytest.approx(everything.pls, rel=1e-9)


def test_the_plan_says_what_goes_where() -> None:
    answer = plan(JOB)
    best = answer.best
    assert best.order is not None
    said = advice(best, JOB)
    assert said.startswith("save 12.5% of the rows every")
    assert "to remote, and everything to memory every" in said
    every = best.level_intervals_s
    assert every is not None
    assert every["remote"] == pytest.approx(best.strategy.saves_every_s)
    step_s = JOB.job.step_s or 0.0
    assert every["memory"] / step_s == pytest.approx(round(every["memory"] / step_s), abs=1e-6)  # whole steps
    assert every["memory"] <= every["remote"]


@pytest.mark.parametrize("more", ["incremental", "scatter"])
def test_what_is_not_modelled_beside_levels_is_said(more: str) -> None:
    data = JOB.model_dump(exclude_none=True)
    point = data["checkpoint"]
    if more == "incremental":
        point |= {"incremental": True, "always_written": 0.1}
    else:
        point["level"][1]["save_scatter"] = 0.5
    answer = plan(Job.from_mapping(data))
    assert not any(one.order for one in answer.strategies)
    said = [line for line in answer.warnings if "saves in an order of the rows are left out" in line]
    named = {
        "incremental": "beside checkpoint.incremental at several levels",
        "scatter": "beside copies or save times that scatter at several levels",
    }
    assert named[more] in said[0]


def test_a_level_s_words_name_all_others() -> None:
    levels = (SaveLevel("a", 1.0, 1.0, 1.0, 0.5), SaveLevel("b", 2.0, 1.0, 1.0, 0.8), SaveLevel("c", 3.0, 1.0, 1.0))
    saving = replace(saving_of(JOB), whole=StoredSave(levels, (2, 3)))
    assert strategy(saving, 3600.0).beside == " to c, and everything to a every 10 min, to b every 20 min"
