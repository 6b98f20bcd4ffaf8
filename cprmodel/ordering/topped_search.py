"""The best interval and numbers of saves where ordered saves go to a level above which everything is saved."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from cprmodel.costing.models import WHOLE_JOB, Choice, CostModel
from cprmodel.costing.steady import SteadyState
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import Access, Job
from cprmodel.ordering.topped import Left, ToppedSave, near_slot

__all__ = ["best_topped"]


@lru_cache(maxsize=64)
def _left(at: int, work_s: float, order: str, access: Access) -> Left:
    """One for all plans of a job: searches know each other's ways by it."""
    return Left(at, work_s, near_slot(order, access))


def best_topped(job: Job, model: CostModel, strategy: Strategy, budget: float) -> Choice | None:
    """What costs least within a budget of expected PLS; None where nothing keeps it.

    How often everything is saved sets how much is left out, so that the interval and the numbers of saves to each
    level are looked for at once, as those of saves of everything are. What was left out is interpolated between
    slots that were played.
    """
    saving = strategy.saving
    assert isinstance(saving, StoredPrioritySave)
    assert job.access is not None
    left = _left(saving.at, job.job.work_s, saving.plays, job.access)
    priced = SteadyState(extra_s=getattr(model, "extra_s", 0.0))
    choice = priced.best(job, job.partial_recovery, ToppedSave.of(saving.timed, left), budget)
    given = choice.saving
    assert given is not None
    chosen = replace(saving, whole=replace(saving.whole, counts=given.counts, warned=given.warned))  # type: ignore[attr-defined]
    every_s = choice.interval_s if choice.set_by == WHOLE_JOB else choice.interval_s * chosen.segments
    return Choice(every_s / saving.fraction, choice.set_by, choice.steps, choice.notes, saving=chosen)
