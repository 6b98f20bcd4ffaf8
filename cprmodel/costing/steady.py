"""A cost model for storage as it is: the exact long-run cost, minimised numerically over intervals and levels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from cprmodel.costing.models import BUDGET, OPTIMUM, WHOLE_JOB, Choice, Cost, exact_makespan, lost_samples
from cprmodel.costing.saving import as_stored, free_levels, saving_of
from cprmodel.costing.shared import Shared
from cprmodel.costing.stops import Stops, severities, stops_of
from cprmodel.costing.storage import LongRun, long_run, save_times_s
from cprmodel.facts.errors import JobError
from cprmodel.facts.results import Breakdown
from cprmodel.facts.storage import SaveLevel, StoredSave
from cprmodel.facts.strategies import FailureMix, Recovery, Strategy
from cprmodel.facts.units import format_share, format_time
from cprmodel.jobs import Job

__all__ = ["DRAIN", "SHARED", "SHORTEST", "SteadyState", "long_run_of"]

DRAIN = "the time that a save drains"
SHARED = "the bandwidth that jobs share"
SHORTEST = "the shortest interval that is tried"

#: Intervals tried at once, and how often they close in on the best.
_TRIED, _CLOSER = 160, 5
#: Range of intervals, times Young's.
_RANGE = 1e4
_MOST_SAVES = 10_000
#: Numbers of saves that are tried first where rows are dirty.
_SPREAD = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 233, 610)
#: A job with fewer intervals (of the last level) than this is not long.
_SHORT = 10


@dataclass(frozen=True)
class _Setting:
    """What the long run depends on, besides how to save."""

    work_s: float
    step_s: float
    mix: FailureMix
    shards: int
    recovery: Recovery
    shared: Shared | None

    @classmethod
    def of(cls, job: Job, recovery: Recovery) -> _Setting:
        shared = Shared.of(job) if job.storage is not None else None
        return cls(
            job.job.work_s,
            job.job.step_s or 0.0,
            job.failure_mix,
            job.cluster.embedding_shards or 1,
            recovery,
            shared,
        )

    def run(self, saving: StoredSave, interval_s: Any) -> LongRun:
        stops = _stops(self.mix, self.recovery, saving.levels, self.shards)  # type: ignore[arg-type]
        return long_run(saving, interval_s, self.mix.mtbf_s, stops)

    def overhead(self, choice: Choice) -> float:
        """Of a choice made here."""
        assert isinstance(choice.saving, StoredSave)
        if choice.set_by == WHOLE_JOB and choice.saving.warned is None:
            return float(self.unsaved()[0].total)
        return float(self.run(choice.saving, choice.interval_s).breakdown.total)

    def unsaved(self) -> tuple[Breakdown, float]:
        """The exact overhead and PLS of the job as it is, without any save."""
        spent = exact_makespan(self.work_s, self.work_s, 0.0, self.mix, self.recovery).value
        lost = lost_samples(self.work_s, self.work_s, 0.0, self.mix, self.shards, self.recovery)
        return Breakdown(*(float(part) / self.work_s for part in spent)), float(lost[0].value) if lost else 0.0

    def shortest_s(self, saving: StoredSave) -> float:
        """The shortest interval that is tried, whatever drains [s]."""
        young = math.sqrt(2 * max(saving.save_s, 1e-9) * self.mix.mtbf_s)
        return max(self.step_s, young / _RANGE / saving.segments)


@lru_cache(maxsize=256)
def _stops(mix: FailureMix, recovery: Recovery, levels: tuple[SaveLevel, ...], shards: int) -> Stops:
    return stops_of(mix, recovery, levels, shards)


def long_run_of(job: Job, recovery: Recovery, saving: StoredSave, interval_s: Any) -> LongRun:
    """What a job comes to, saved so, in the long run."""
    return _Setting.of(job, recovery).run(saving, interval_s)


def _stored(job: Job) -> StoredSave:
    """How the job saves, with the loads of either recovery."""
    return as_stored(saving_of(job), job.partial_recovery)


@lru_cache(maxsize=256)
def _choice(setting: _Setting, saving: StoredSave, budget: float | None, extra_s: float) -> Choice:
    heeding = _Search(setting, saving, budget, extra_s).choice()
    if saving.warned is None:
        return heeding
    ignoring = _Search(setting, replace(saving, warned=None), budget, extra_s).choice()
    if setting.overhead(ignoring) >= setting.overhead(heeding):
        return heeding
    said = "warnings are better not heeded: saves on false ones would cost more than true ones spare"
    return replace(ignoring, notes=(*ignoring.notes, said))


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
        return _choice(_Setting.of(job, job.full_recovery), _stored(job), None, self.extra_s)

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """The same with no more than so much expected PLS."""
        return _choice(_Setting.of(job, job.partial_recovery), _stored(job), pls_budget, self.extra_s)

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """Overhead and PLS at the strategy's interval."""
        if strategy.saving.fraction != 1:
            strategy = strategy.in_time
        saving = as_stored(strategy.saving, strategy.recovery)
        least = shortest_s(saving, strategy.interval_s)
        if strategy.interval_s < least * (1 - 1e-9):
            never = Breakdown(math.inf, 0.0, 0.0, 0.0)
            said = f"in an interval of {format_time(strategy.interval_s)} a save cannot drain"
            return Cost(never, 0.0, notes=(said,))
        setting = _Setting.of(job, strategy.recovery)
        if strategy.interval_s >= job.job.work_s * (1 - 1e-9) and saving.warned is None and not saving.counts:
            spent, lost = setting.unsaved()
            return Cost(spent, lost, written_per_s=0.0)
        found = setting.run(saving, strategy.interval_s)
        parts = Breakdown(*(float(part) for part in found.breakdown))
        notes = tuple(self._notes(job, strategy, saving, found))
        refused = self._refused(job, setting, float(found.io_s))
        return Cost(parts, float(found.pls), notes=notes, written_per_s=float(found.writes), refused=refused)

    def _refused(self, job: Job, setting: _Setting, io_s: float) -> str:
        """Why others than this job suffer from it, if they do."""
        if setting.shared is None:
            return ""
        part = setting.shared.storage.share
        if part is None:
            try:
                best = _choice(setting, _stored(job), job.pls_budget, self.extra_s)
            except JobError:
                return ""
            assert isinstance(best.saving, StoredSave)
            part = float(setting.run(best.saving, best.interval_s).io_s)
            if setting.shared.fits(max(part, io_s)):
                return ""
        if io_s <= part * (1 + 1e-6):
            return ""
        mine = format_share(part)
        return f"it writes {format_share(io_s)} of the time, more than its part of the shared storage ({mine})"

    @staticmethod
    def _notes(job: Job, strategy: Strategy, saving: StoredSave, found: LongRun) -> list[str]:
        notes = []
        if len(saving.levels) > 1:
            notes.append(_about_levels(saving, strategy.interval_s))
        if saving.dirty is not None:
            share = float(saving.written(strategy.interval_s * saving.segments))
            notes.append(f"a save to {saving.levels[-1].name} writes {format_share(share)} of the checkpoint")
        if job.storage is not None:
            notes.append(f"it writes {format_share(float(found.io_s))} of the time")
        every = strategy.interval_s * saving.segments
        if job.job.work_s < _SHORT * every and strategy.interval_s < job.job.work_s:
            notes.append(
                f"the job is only {job.job.work_s / every:.3g} intervals long, and this overhead that of a long "
                "one: cprmodel simulate plays it as it is"
            )
        return notes


def _about_levels(saving: StoredSave, interval_s: float) -> str:
    pairs = zip(saving.levels, saving.periods, strict=True)
    return "saves " + ", ".join(f"to {level.name} every {format_time(interval_s * n)}" for level, n in pairs)


def shortest_s(saving: StoredSave, hint_s: float) -> float:
    """The shortest interval in which a save can drain before the next one begins [s]."""
    if saving.drain_s == 0 or saving.overlap == 0:
        return 0.0

    def drains(interval_s: float) -> bool:
        return bool(saving.overlap * save_times_s(saving, interval_s)[1] <= interval_s)

    if saving.dirty is None:
        return saving.overlap * saving.drain_s
    low = high = max(hint_s, 1e-12)
    while not drains(high):
        high *= 2
    while drains(low) and low > 1e-12:
        low /= 2
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if drains(middle) else (middle, high)
    return high


class _Search:
    """The least overhead over the interval, and over how many saves of a level go to one of the next."""

    def __init__(self, setting: _Setting, saving: StoredSave, budget: float | None, extra_s: float) -> None:
        self.setting, self.saving, self.budget, self.extra_s = setting, saving, budget, extra_s
        self.price = 0.0  # of a second of writing, per second of useful work
        self.found: dict[tuple[float, tuple[int, ...]], tuple[float, float]] = {}

    def choice(self) -> Choice:
        """The best, at the price of writing that lets all jobs write."""
        saving, interval = self.best()
        shared = self.setting.shared
        if shared is None or shared.fits(self._io_s(saving, interval)):
            return self._chosen(saving, interval, False)

        def used(price: float) -> float:
            self.price = price
            return shared.used(self._io_s(*self.best()), price)

        self.price = shared.settle(used)
        saving, interval = self.best()
        said = (
            "the shared storage is written to all the time that it may be: a second of it is worth "
            f"{self.price:.2g} s of this job"
        )
        chosen = self._chosen(saving, interval, True)
        return replace(chosen, notes=(said, *chosen.notes))

    def _io_s(self, saving: StoredSave, interval: float) -> float:
        return float(self.setting.run(saving, interval).io_s)

    def _chosen(self, saving: StoredSave, interval: float, shared: bool) -> Choice:
        if not saving.counts and saving.warned is None:
            unsaved, lost = self.setting.unsaved()
            within = self.budget is None or lost <= self.budget
            if within and unsaved.total <= self._values(saving, np.array([interval]))[0]:
                return Choice(self.setting.work_s, WHOLE_JOB, saving=saving)
        found = self.setting.run(saving, interval)
        least = shortest_s(saving, interval)
        if interval * saving.segments >= self.setting.work_s * (1 - 1e-6):
            set_by = WHOLE_JOB
        elif self.budget is not None and float(found.pls) > self.budget * (1 - 1e-4):
            set_by = BUDGET
        elif least and interval < least * (1 + 1e-4):
            set_by = DRAIN
        else:
            set_by = SHARED if shared else OPTIMUM
        shortest = self.setting.shortest_s(saving)
        notes: tuple[str, ...] = ()
        if saving.dirty is not None and set_by == OPTIMUM and interval <= shortest * (1 + 1e-6):
            set_by = SHORTEST
            notes = (
                "the shorter the interval the better, by what the file says: nothing says what a save of hardly "
                "any rows costs all the same (checkpoint.always_written, or save beside overlap)",
            )
        return Choice(interval, set_by, saving=saving, notes=notes)

    def best(self) -> tuple[StoredSave, float]:
        """The best saves to each level, and their interval."""
        counts = list(self._start())
        free = free_levels(self.saving)
        if self.saving.dirty is not None:  # dirty rows make several valleys: look over them first
            counts = self._scanned(counts, free)
        value = self._at(tuple(counts))[0]
        step = max([1, *(counts[at] // 4 for at in free)]) if free else 0
        while step >= 1:
            moved = False
            for at in free:
                for other in (counts[at] - step, counts[at] + step):
                    if not 1 <= other <= _MOST_SAVES:
                        continue
                    tried = [*counts[:at], other, *counts[at + 1 :]]
                    found = self._at(tuple(tried))[0]
                    if found < value * (1 - 1e-13):
                        counts, value, moved = tried, found, True
                        break
            if not moved:
                step //= 2
        best = replace(self.saving, counts=tuple(counts))
        return best, self._interval(best, _CLOSER)[1] if free else self._at(tuple(counts))[1]

    def _scanned(self, counts: list[int], free: list[int]) -> list[int]:
        """The best of widely spread counts, one level after the other."""
        for _ in range(2 if len(free) > 1 else 1):
            for at in reversed(free):
                tried = [[*counts[:at], n, *counts[at + 1 :]] for n in sorted({*_SPREAD, counts[at]})]
                counts = min(tried, key=lambda one: self._at(tuple(one))[0])
        return counts

    def _start(self) -> tuple[int, ...]:
        """First order: a level's saves cost √(its failures × its cost), so n is the ratio of √(failures/cost)."""
        levels, needs = self.saving.levels, severities(self.saving.levels)
        counts = []
        for at, given in enumerate(self.saving.counts):
            if levels[at + 1].every is not None:
                counts.append(given)
                continue
            here = needs[at] / max(levels[at].save_s, 1e-12)
            drained = self.saving.drain_s * (1 - self.saving.overlap) if at + 2 == len(levels) else 0.0
            above = needs[at + 1] / max(levels[at + 1].save_s + drained, 1e-12)
            counts.append(int(np.clip(round((here / above) ** 0.5), 1, _MOST_SAVES // 4)))
        return tuple(counts)

    def _at(self, counts: tuple[int, ...]) -> tuple[float, float]:
        """The least value of the objective with these counts, and its interval."""
        key = (self.price, counts)
        if key not in self.found:
            near = _CLOSER if not free_levels(self.saving) else _CLOSER - 2
            self.found[key] = self._interval(replace(self.saving, counts=counts), near)
        return self.found[key]

    def _interval(self, saving: StoredSave, closer: int) -> tuple[float, float]:
        longest = self.setting.work_s / saving.segments
        least = shortest_s(saving, longest)
        low = min(max(least, self.setting.shortest_s(saving)), longest)
        if least > longest:
            return math.inf, longest
        high = longest
        best: tuple[float, float] = (math.inf, low)
        for _ in range(closer):
            tried = np.geomspace(low, high, _TRIED)
            tried[0], tried[-1] = low, high
            values = self._values(saving, tried)
            at = int(np.argmin(values))
            if values[at] <= best[0]:
                best = (float(values[at]), float(tried[at]))
            if not math.isfinite(values[at]):  # no interval keeps the budget
                return math.inf, low
            low, high = tried[max(at - 1, 0)], tried[min(at + 1, _TRIED - 1)]
        return best

    def _values(self, saving: StoredSave, intervals: Any) -> Any:
        run = self.setting.run(saving, intervals)
        total = run.breakdown.total + self.price * run.io_s + self.extra_s * run.writes
        total = np.nan_to_num(total, nan=np.inf)
        if self.budget is None:
            return total
        return np.where(run.pls <= self.budget * (1 + 1e-12), total, np.inf)
