"""A cost model for storage as it is: the exact long-run cost, minimised numerically over intervals and levels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from cprmodel.costing.announced import begun_later
from cprmodel.costing.given import chosen
from cprmodel.costing.many import Jobs, Priced
from cprmodel.costing.models import BUDGET, OPTIMUM, UNHEEDED, WHOLE_JOB, Choice, Cost
from cprmodel.costing.saving import as_stored, free_levels, saving_of
from cprmodel.costing.searching import Found, search
from cprmodel.costing.setting import Limits, Setting, drains_in, tried
from cprmodel.costing.shared import Shared
from cprmodel.costing.spread import of_either, pls_variance
from cprmodel.costing.storage import LongRun
from cprmodel.costing.terms import SHORT
from cprmodel.costing.warned_scatter import warned_deviation
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.results import Breakdown
from cprmodel.facts.storage import StoredSave, WarnedSave
from cprmodel.facts.strategies import Recovery, Strategy, loses_samples
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.jobs import Job

__all__ = ["DRAIN", "SHARED", "SHORTEST", "SteadyState", "at_once", "long_run_of"]

DRAIN = "the time that a save drains"
SHARED = "the bandwidth that jobs share"
SHORTEST = "the length of a training step"


#: The field, its value and what is expected where the best interval is none.
_UNBOUNDED = (
    "checkpoint.incremental",
    "true",
    "what a save takes however few rows it writes (stall, or always_written; beside overlap, save), without which "
    "the shortest interval is the best; or job.step, than which none is shorter",
)


@lru_cache(maxsize=1024)
def _at(setting: Setting, saving: StoredSave, interval_s: float) -> Priced:
    """What an interval costs, as numbers."""
    found = Jobs.of([(setting, saving, Limits())]).priced(np.array([[interval_s]]))
    parts = Breakdown(*(float(part[0, 0]) for part in found.breakdown))
    return Priced(parts, *(np.broadcast_to(one, (1, 1))[0, 0] for one in found[1:]))


@lru_cache(maxsize=1024)
def _spread(setting: Setting, saving: StoredSave, interval_s: float) -> float:
    """Standard deviation of one run's PLS."""
    if saving.warned is not None:
        found = _at(setting, saving, interval_s)
        of_run = (setting.work_s, setting.mix, float(found.pls), found.breakdown)
        return warned_deviation(saving, interval_s, *of_run)
    either = replace(setting, mix=of_either(setting.mix, setting.shards)).stops(saving)
    of = (setting.work_s, setting.mix, setting.shards, setting.stops(saving), either)
    return math.sqrt(pls_variance(saving, interval_s, *of))


def long_run_of(job: Job, recovery: Recovery, saving: StoredSave, interval_s: Any) -> LongRun:
    """What a job comes to, saved so, in the long run."""
    return Setting.of(job, recovery).run(saving, interval_s)


def _stored(job: Job) -> StoredSave:
    """How the job saves, with the loads of either recovery."""
    return as_stored(saving_of(job), job.partial_recovery)


def at_once(job: Job) -> bool:
    """Whether jobs like this can be searched side by side: levels given, no warnings, no scatter, own storage.

    >>> from cprmodel import load_preset
    >>> at_once(load_preset("cpr-dlrm"))
    True
    """
    saving = _stored(job)
    alike = job.checkpoint.warning is None and all(one.scatter is None for one in saving.levels)
    return job.storage is None and alike and not free_levels(saving)


@lru_cache(maxsize=256)
def _choice(setting: Setting, saving: StoredSave, limits: Limits) -> Choice:
    """The best way to save; JobError where nothing bounds it, or where the others leave no room."""
    found, ignored = search(setting, saving, limits), False
    if saving.warned is not None and saving.warned.scatter is not None and math.isfinite(found.value):
        begins = replace(saving, warned=_begun(setting, saving, limits, found))
        better = search(setting, begins, limits)
        if better.value < found.value:
            found, saving = better, begins
    if saving.warned is not None:
        unwarned = replace(saving, warned=None)
        ignoring = search(setting, unwarned, limits)
        if min(ignoring.value, _unsaved(setting, unwarned, limits)) < found.value:
            found, saving, ignored = ignoring, unwarned, True
    choice = _chosen(setting, saving, limits, found)
    if not ignored:
        return choice
    return replace(choice, notes=(*choice.notes, UNHEEDED))


def _begun(setting: Setting, saving: StoredSave, limits: Limits, found: Found) -> WarnedSave:
    """The save on a warning, begun so long before the failure as costs least at an interval."""
    warned = saving.warned
    assert warned is not None
    counts, every = np.array([found.counts], dtype=float), np.array([[found.interval_s]])
    tries = begun_later(warned)
    values = [limits.values(tried(setting, replace(saving, warned=one), counts, every))[0, 0] for one in tries]
    return tries[int(np.argmin(values))]


def _unsaved(setting: Setting, saving: StoredSave, limits: Limits) -> float:
    """What no save at all costs; infinite where the budget, or a warned save, forbids it."""
    spent, lost, _ = setting.unsaved()
    forbidden = saving.warned is not None or (limits.budget is not None and lost > limits.budget)
    return math.inf if forbidden else float(spent.total)


def _chosen(setting: Setting, saving: StoredSave, limits: Limits, found: Found) -> Choice:
    best = replace(saving, counts=found.counts)
    none = _unsaved(setting, saving, limits)
    if none <= found.value and math.isfinite(none):
        once = replace(saving, counts=(1,) * len(saving.counts))
        return Choice(setting.work_s, WHOLE_JOB, saving=once)
    if limits.shared is not None and not math.isfinite(found.value):
        _check_room(setting, saving, limits)
    if found.unbounded and not setting.step_s:
        raise JobError("job", [Problem(*_UNBOUNDED)])
    set_by, notes = _set_by(setting, best, limits, found), []
    if set_by == SHORTEST:
        notes.append(f"the shorter the interval the better, since the file lacks {_UNBOUNDED[2]}")
    io_s = float(_at(setting, best, found.interval_s).io_s) if limits.shared is not None else 0.0
    if limits.shared is not None and not limits.shared.fits(io_s * (1 + 1e-6)):
        set_by = SHARED if set_by == OPTIMUM else set_by
        worth = float(limits.shared.price(io_s))
        said = "the shared storage is written to all the time that it may be"
        notes.append(f"{said}: a second of it is worth {worth:.2g} s of this job" if worth > 0 else said)
    return Choice(found.interval_s, set_by, saving=best, notes=tuple(notes))


def _set_by(setting: Setting, best: StoredSave, limits: Limits, found: Found) -> str:
    """What keeps the interval from being longer or shorter."""
    every, step = found.interval_s, setting.step_s or found.interval_s * 1e-4
    if every >= setting.work_s * (1 - 1e-6):
        return WHOLE_JOB
    near = setting.run(best, np.array([every - step if every > step else every, every, every + step]))
    cheaper = np.broadcast_to(near.breakdown.total, 3)
    cheaper = cheaper < cheaper[1]
    pls = np.broadcast_to(near.pls, 3)
    if limits.budget is not None and (
        pls[1] > limits.budget * (1 - 1e-4) or (cheaper[2] and pls[2] > limits.budget * (1 + 1e-12))
    ):
        return BUDGET
    if found.unbounded:
        return SHORTEST
    return DRAIN if cheaper[0] and not bool(drains_in(best, every - step)) else OPTIMUM


def _check_room(setting: Setting, saving: StoredSave, limits: Limits) -> None:
    """JobError where it is the others that leave no room."""
    if math.isfinite(search(setting, saving, replace(limits, shared=None)).value):
        expected = "storage on which all jobs can save at all (what this job must write leaves no room)"
        raise JobError("job", [Problem("storage", "", expected)])


@dataclass(frozen=True)
class SteadyState:
    """The exact expected cost per unit of work in a job much longer than its intervals; any storage.

    See :mod:`cprmodel.costing.storage` for what exactly happens and how it is computed. With one blocking save of
    everything it is :class:`~cprmodel.Exact` of a long job.

    >>> SteadyState().name
    'steady-state'
    """

    name: str = "steady-state"
    extra_s: float = 0.0  #: what writing everything once costs besides its time, in seconds of the job

    def full_interval(self, job: Job) -> Choice:
        """The interval, and the saves to each level, of least overhead."""
        return self._best(job, job.full_recovery, None)

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """The same with no more than so much expected PLS."""
        return self._best(job, job.partial_recovery, pls_budget)

    def next_interval(self, job: Job, recovery: Recovery, pls_budget: float | None = None) -> Choice:
        """As :meth:`cprmodel.Exact.next_interval`: the interval to the next save, by what is believed now.

        >>> from cprmodel.presets import load_preset
        >>> job = load_preset("cpr-dlrm")
        >>> SteadyState().next_interval(job, job.partial_recovery, job.pls_budget).set_by
        'the accuracy budget'
        """
        return self._best(job, recovery, pls_budget if loses_samples(recovery) else None)

    def best(self, job: Job, recovery: Recovery, saving: StoredSave, budget: float | None = None) -> Choice:
        """The interval of least overhead of another way to save, within a budget or whatever it loses."""
        return self._best(job, recovery, budget, saving)

    def _best(self, job: Job, recovery: Recovery, budget: float | None, saving: StoredSave | None = None) -> Choice:
        setting, saving = Setting.of(job, recovery), saving or _stored(job)
        shared = Shared.of(job) if job.storage is not None else None
        return _choice(setting, saving, Limits(self._budget(setting, saving, budget), self.extra_s, shared))

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """Overhead and PLS at the strategy's interval."""
        if not isinstance(strategy.saving, StoredSave):
            strategy = strategy.in_time
        saving = as_stored(strategy.saving, strategy.recovery)
        setting = Setting.of(job, strategy.recovery)
        found = _at(setting, saving, strategy.interval_s)
        parts, pls = found.breakdown, float(found.pls)
        if not found.drains:
            said = f"in an interval of {format_time(strategy.interval_s)} a save cannot drain"
            return Cost(parts, pls, refused=said)
        if found.unsaved:
            return Cost(parts, pls, written_per_s=0.0, pls_standard_deviation=setting.unsaved()[2])
        if math.isinf(parts.lost):  # it never ends
            return Cost(parts, pls)
        refused = self._refused(job, strategy.recovery, float(found.io_s))
        return Cost(
            parts,
            pls,
            written_per_s=float(found.writes),
            refused=refused,
            pls_standard_deviation=_spread(setting, saving, strategy.interval_s),
        )

    def curve(self, job: Job, strategy: Strategy, intervals_s: Any) -> tuple[Any, Any]:
        """Overhead and PLS of a strategy at each of many intervals."""
        saving = as_stored(strategy.saving, strategy.recovery)
        jobs = Jobs.of([(Setting.of(job, strategy.recovery), saving, Limits())])
        found = jobs.priced(np.asarray(intervals_s, dtype=float)[None, :])
        return found.breakdown.total[0], found.pls[0]

    def partial_at_best(self, jobs: Sequence[Job]) -> tuple[Breakdown, Any] | None:
        """Partial recovery of jobs that are alike, each within its budget: overheads, and where there are any.

        None where they must be looked at one by one.
        """
        if not all(at_once(job) for job in jobs):
            return None
        cases = []
        for job in jobs:
            setting, saving = Setting.of(job, job.partial_recovery), _stored(job)
            cases.append((setting, saving, Limits(self._budget(setting, saving, job.pls_budget), self.extra_s)))
        side_by_side = Jobs.of(cases)
        choice = chosen(side_by_side)
        parts = side_by_side.priced(choice.interval_s, choice.counts).breakdown
        return Breakdown(*(part[:, 0] for part in parts)), choice.bounded[:, 0]

    def _budget(self, setting: Setting, saving: StoredSave, budget: float | None) -> float | None:
        """None where no shard is ever hit."""
        return budget if sum(setting.stops(saving).hit) else None

    def _refused(self, job: Job, recovery: Recovery, io_s: float) -> str:
        """Why others than this job suffer from it, if they do."""
        if job.storage is None:
            return ""
        part, shared = job.storage.share, Shared.of(job)
        if part is None:
            try:
                best = self._best(job, recovery, job.pls_budget)
            except JobError:
                return ""
            assert isinstance(best.saving, StoredSave)
            part = float(Setting.of(job, recovery).run(best.saving, best.interval_s).io_s)
            if shared.fits(max(part, io_s)):
                return ""
        if io_s <= part * (1 + 1e-6):
            return ""
        mine = format_share(part)
        return f"it writes {format_share(io_s)} of the time, more than its part of the shared storage ({mine})"

    def remarks(self, job: Job, strategy: Strategy) -> list[str]:
        """What a reader of the figures should know."""
        saving = as_stored(strategy.saving, strategy.recovery)
        if strategy.interval_s >= job.job.work_s * (1 - 1e-9) and saving.warned is None:
            return []
        notes = []
        if len(saving.levels) > 1:
            notes.append(_about_levels(saving, strategy.interval_s))
            notes.extend(_never_alone(saving) if strategy.name != "current" else ())
        if saving.dirty is not None:
            share = float(saving.written(strategy.interval_s * saving.segments))
            last = saving.levels[-1]
            said = f"a save to {last.name} writes {format_share(share)} of the checkpoint"
            if last.stall_s or last.save_s:
                said += f"; it blocks training for {last.blocking_words(share)}"
            notes.append(said)
        if job.storage is not None:
            found = _at(Setting.of(job, strategy.recovery), saving, strategy.interval_s)
            notes.append(f"it writes {format_share(float(found.io_s))} of the time")
        every = strategy.interval_s * saving.segments
        if job.job.work_s < SHORT * every and strategy.interval_s < job.job.work_s:
            notes.append(
                f"the job is only {count_of(job.job.work_s / every, 'interval')} long, and this overhead that of a "
                "long one: cprmodel simulate plays it as it is"
            )
        return notes


def _about_levels(saving: StoredSave, interval_s: float) -> str:
    pairs = zip(saving.levels, saving.periods, strict=True)
    return "saves " + ", ".join(f"to {level.name} every {format_time(interval_s * n)}" for level, n in pairs)


def _never_alone(saving: StoredSave) -> Iterator[str]:
    """Levels to which no save goes alone, though what is read back from them is read faster."""
    periods = saving.periods
    for (low, often), (high, seldom) in pairwise(zip(saving.levels, periods, strict=True)):
        if often == seldom and low.load_s < high.load_s:
            yield (
                f"each save to {low.name} goes to {high.name}, which is taken to leave a copy there, too: it is "
                f"read back in {format_time(low.load_s)}, not {format_time(high.load_s)}. If it leaves none, leave "
                f"{low.name} out"
            )
