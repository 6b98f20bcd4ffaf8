"""Orders of rows beside saves that drain, write dirty rows alone, or share storage: what each writes, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from cprmodel.costing.announced import begun_later
from cprmodel.costing.models import OPTIMUM, WHOLE_JOB, Choice, CostModel
from cprmodel.costing.saving import as_stored, saving_of
from cprmodel.costing.steady import SteadyState
from cprmodel.facts.ordered import FirstRows, StoredPrioritySave
from cprmodel.facts.storage import Dirty, StoredSave, WarnedSave
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import Access, Job
from cprmodel.jobs.warned import first_rows_save, rows_in_time
from cprmodel.ordering.sampled import listed
from cprmodel.rows import classes_of

__all__ = ["ListedRows", "best_stored", "on_warnings", "stored_saves"]

_CLASSES = 256  #: of rows, that the sampled list is followed with
_DOUBLED = 12  #: so often at the most are the rows of a planned save doubled, on a warning
_POINTS = 40  #: at which it is followed; between them it is interpolated


@dataclass(frozen=True)
class ListedRows:
    """Share of the rows that are on the sampled list when a save takes it: all of these are dirty.

    >>> from cprmodel.jobs import Table
    >>> alike = Access(tables=(Table(rows=1000, zipf=0, updates_per_second=100.0),), priority_fraction=0.5)
    >>> round(float(ListedRows(alike).share(1.0)), 3)  # every second update of 0.1 a row puts its row there
    0.049
    """

    access: Access

    def share(self, work_s: Any) -> Any:
        """Share of the rows, after so much work since the last save [s]."""
        times, shares = self._curve
        return np.interp(np.log(np.maximum(work_s, 1e-300)), np.log(times), shares)

    @cached_property
    def _curve(self) -> tuple[Any, Any]:
        classes = classes_of(self.access)
        mean = classes.total_updates / classes.rows
        times = np.geomspace(1e-4, 1e4, _POINTS) * self.access.priority_fraction / mean
        return times, np.array([self._listed(float(one)) for one in times])

    def _listed(self, work_s: float) -> float:
        classes = classes_of(self.access).binned(work_s, _CLASSES)
        return float(classes.count @ listed(classes, self.access.priority_fraction).saved) / classes.rows


def stored_saves(job: Job, orders: Sequence[str]) -> list[StoredPrioritySave]:
    """A save of the first rows by each order, of a job whose saves are more than one blocking copy."""
    assert job.access is not None
    whole, fraction = as_stored(saving_of(job), job.partial_recovery), job.access.priority_fraction
    at, last = job.checkpoint.ordered_level, len(whole.levels) - 1
    if at is not None and at < last:
        return [_topped(whole, fraction, order, at) for order in orders]
    level, found = whole.levels[-1], []
    for order in orders:
        rows: Dirty = FirstRows(fraction, whole.dirty)
        if whole.dirty is not None and order == "ssu" and fraction < 1:
            rows = ListedRows(job.access)
        most = whole.always + (1 - whole.always) * fraction
        save_s = level.stall_s + most * (level.save_s + (1 - whole.overlap) * whole.drain_s)
        found.append(StoredPrioritySave(save_s, fraction, order, whole, rows))
    return found


def _topped(whole: StoredSave, fraction: float, order: str, at: int) -> StoredPrioritySave:
    one = whole.levels[at]
    save_s = one.stall_s + fraction * one.save_s
    return StoredPrioritySave(save_s, fraction, order, whole, FirstRows(fraction, None), level=at)


def on_warnings(job: Job, saving: StoredPrioritySave) -> list[StoredPrioritySave]:
    """What a save of this order may do on a warning: take everything, or first rows that fit; or there is none.

    First rows are all that fit, and, to only one level, fewer: a quarter of those of a planned save, and each time
    twice as many. A sampled list is taken whole or not at all: where fewer rows fit than it has, there is none.
    """
    found = [saving] if saving.whole.warned is not None else []
    fits = rows_in_time(job.checkpoint)
    shares = [] if saving.levelled else [saving.fraction * 2.0**power for power in range(-2, _DOUBLED)]
    for rows in sorted({fits, *shares}, reverse=True):
        if 0 < rows < 1 and rows <= fits and not (saving.order == "ssu" and rows < saving.fraction):
            warned = first_rows_save(job.checkpoint, rows)
            found.append(replace(saving, whole=replace(saving.whole, warned=warned), warned_rows=rows))
    return [*found, replace(saving, whole=replace(saving.whole, warned=None))]


def best_stored(job: Job, model: CostModel, saving: StoredPrioritySave) -> Choice:
    """Where the overhead is least, whatever is lost."""
    inner = getattr(model, "inner", model)
    assert isinstance(inner, SteadyState)
    extra = getattr(model, "extra_s", 0.0)
    choice = SteadyState(extra_s=extra).best(job, job.partial_recovery, saving.timed)
    counts = getattr(choice.saving, "counts", ())
    chosen = None
    every = choice.interval_s * saving.segments
    if saving.levelled or saving.whole.warned is not None:
        chosen = replace(saving, whole=replace(saving.whole, counts=counts))
        every = choice.interval_s * chosen.segments
        at = Strategy("any", job.partial_recovery, chosen, every / saving.fraction)
        chosen = replace(chosen, whole=replace(chosen.whole, warned=_heeded(job, inner, at, choice)))
    within = every < job.job.work_s
    set_by = (choice.set_by if choice.set_by != WHOLE_JOB else OPTIMUM) if within else WHOLE_JOB
    return Choice(every / saving.fraction, set_by, choice.steps, choice.notes, saving=chosen)


def _heeded(job: Job, model: CostModel, at: Strategy, choice: Choice) -> WarnedSave | None:
    """The save on a warning, begun so long before the failure as was chosen.

    It is kept where saves without one cost less, for these are looked at, too, and within a budget may cost more;
    then it begins when it costs least at their interval.
    """
    saving = at.saving
    assert isinstance(saving, StoredPrioritySave)
    warned, chosen = saving.whole.warned, getattr(choice.saving, "warned", None)
    if warned is None or warned.ahead_s is None:
        return warned
    if chosen is not None:
        return replace(warned, ahead_s=chosen.ahead_s)

    def spent(one: WarnedSave) -> float:
        begun = replace(saving, whole=replace(saving.whole, warned=one))
        return float(model.cost(job, replace(at, saving=begun)).breakdown.total)

    return min(begun_later(warned), key=spent)
