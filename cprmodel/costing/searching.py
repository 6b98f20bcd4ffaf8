"""The least exact overhead over the interval, and over how many saves of a level go to one of the next."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.given import best_intervals
from cprmodel.costing.many import Jobs
from cprmodel.costing.saving import free_levels
from cprmodel.costing.seeds import MOST_SAVES, seeds
from cprmodel.costing.setting import BROKEN, Known, Limits, Setting, fixed_s, shortest_s, tried
from cprmodel.costing.valleys import beside, closed, lowest
from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import loses_samples

__all__ = ["Found", "search"]


@dataclass(frozen=True)
class _Closing:
    """How to close in on the best interval between two: so many are tried at once, so often."""

    points: int
    rounds: int


_COARSE, _QUICK, _EXACT = _Closing(16, 1), _Closing(12, 3), _Closing(40, 4)
#: Intervals tried at once beside a start.
_NEAR = 10
#: Starts are looked at in intervals so much shorter and longer, too.
_WIDER = 1.6
#: Starts that are looked into; of these, how many at once are varied, and of the best of all, how many at least.
_LOOKED, _POOL, _BEST = 16, 4, 12
#: A place that is so much dearer is left alone, and one that is so much dearer at a coarse look.
_WORTH, _LIKELY = 1.03, 1.06
#: Where nearly all failures are announced, starts are for as many as this that are not.
_RAREST = 1e-3
#: Ratio of budgets that share a way to their best.
_BUDGETS = 1.5
#: Numbers of saves times these are neighbours.
_FACTORS = (0.5, 0.75, 0.9, 1.1, 1.35, 2.0)
#: Up to so many steps, levels are chosen anew for each interval; so many beyond the neighbours are tried then.
_MANY_STEPS, _BESIDE = 100, 2


@dataclass(frozen=True)
class Found:
    """The best that a search found."""

    counts: tuple[int, ...]
    interval_s: float
    value: float  #: infinite where nothing keeps the limits
    unbounded: bool  #: it is the shortest interval tried, and nothing says why no shorter one were better


@lru_cache(maxsize=512)
def search(setting: Setting, saving: StoredSave, limits: Limits) -> Found:
    """The best numbers of saves and their interval, in whole steps where the job has steps."""
    if free_levels(saving):
        return _Search(setting, saving, limits).best()
    every, value, unbounded = best_intervals(Jobs.of([(setting, saving, limits)]))
    return Found(saving.counts, float(every[0]), float(value[0]), bool(unbounded[0]))


@lru_cache(maxsize=64)
def _starts(setting: Setting, saving: StoredSave, low: float, most: float) -> Known:
    """Where to start from, looked at once for all limits."""
    high = setting.work_s
    full = not loses_samples(setting.recovery)
    mixes = [setting.mix]
    if saving.warned is not None:  # to first order announced failures lose nothing
        mixes.append(replace(setting.mix, mtbf_s=setting.mix.mtbf_s / max(1 - saving.warned.recall, _RAREST)))
    found = [
        one for mix in mixes for one in seeds(saving, mix, full, setting.shards, min(low, high / 2), high, most)
    ]
    counts = np.array([one for one, _, _ in found], dtype=float)
    first, last = np.array([between for _, *between in found]).T[:, :, None]
    share = np.linspace(0, 1, _NEAR)
    return tried(setting, saving, counts, (first / _WIDER) ** (1 - share) * (last * _WIDER) ** share)


@lru_cache(maxsize=512)
def _explored(setting: Setting, saving: StoredSave, limits: Limits) -> _Rows:
    """The best few places of a job with levels to choose."""
    look = _Search(setting, saving, limits)
    known = _starts(setting, saving, look.shortest_s, limits.most)
    return look.around(look.closed(*look.valleys(known), _QUICK), _BEST)


class _Search:
    def __init__(self, setting: Setting, saving: StoredSave, limits: Limits) -> None:
        self.setting, self.saving, self.limits = setting, saving, limits
        self.free = free_levels(saving)

    @cached_property
    def shortest_s(self) -> float:
        """No shorter interval is tried [s]."""
        return float(shortest_s(self.setting, self.saving, self.limits, self.setting.stops(self.saving)))

    def best(self) -> Found:
        """Close in on the best of all starts and of what lies around them."""
        rows = self.closed(*self.around(self._likely(), _POOL).brackets(1.05), _EXACT)
        if self.setting.step_s:
            return self._whole_steps(rows)
        at = int(np.argmin(rows.values))
        return self._found(_ints(rows.counts[at]), float(rows.intervals[at]), float(rows.values[at]))

    def _likely(self) -> _Rows:
        """Where the best lies for jobs nearly like this one: without time for recoveries, and at rounded budgets.

        Jobs that differ in these alone share the long way there.
        """
        budgets: list[float | None] = [None]
        if self.limits.budget is not None:
            exponent = math.floor(math.log(self.limits.budget, _BUDGETS))
            budgets = [_BUDGETS**exponent, _BUDGETS ** (exponent + 1)]
        recovery: Any = self.setting.recovery
        alike = replace(self.setting, recovery=recovery.timeless)
        rows = _explored(alike, self.saving, replace(self.limits, budget=budgets[0]))
        for budget in budgets[1:]:
            rows = rows.joined(_explored(alike, self.saving, replace(self.limits, budget=budget)))
        counts, place = np.unique(rows.counts, axis=0, return_inverse=True)
        low, high = np.full(len(counts), np.inf), np.zeros(len(counts))
        np.minimum.at(low, place.ravel(), rows.intervals / 1.3)
        np.maximum.at(high, place.ravel(), rows.intervals * 1.3)
        return self.closed(counts, low, high, _QUICK)

    def _found(self, counts: tuple[int, ...], interval_s: float, value: float) -> Found:
        nothing = self.saving.dirty is not None and fixed_s(self.saving) == 0
        shortest = nothing and interval_s <= self.shortest_s * (1 + 1e-6)
        return Found(counts, interval_s, value if value < BROKEN else math.inf, shortest)

    def valleys(self, known: Known) -> tuple[Any, Any, Any]:
        """Numbers of saves, and brackets around the lowest of the intervals tried with each."""
        values = self.limits.values(known)
        row, column = np.nonzero(lowest(values))
        order = np.argsort(values[row, column], kind="stable")[:_LOOKED]
        row, column = row[order], column[order]
        low, high = beside(known.intervals[row], column)
        return known.counts[row], low / 1.2, high * 1.2  # the best may lie beyond those tried

    def closed(self, counts: Any, low: Any, high: Any, how: _Closing) -> _Rows:
        """The best interval of each row between two, closing in on it."""
        low = np.maximum(low, self.shortest_s)
        high = np.maximum(np.minimum(high, self.setting.work_s / np.prod(counts, axis=1)), low)

        def values(rows: Any, intervals: Any) -> Any:
            return self.limits.values(tried(self.setting, self.saving, counts[rows], intervals))

        where, best = closed(values, low, high, (how.points,) * how.rounds, (self.setting.step_s or 0.0) / 2)
        return _Rows(counts, where, best)

    def around(self, rows: _Rows, most: int) -> _Rows:
        """Numbers of saves varied one and two at a time, from the best places on, until the best few are varied."""
        rows = rows.cheapest(
            len(rows.counts), _WORTH
        )  # others may be better at other intervals than they came with
        seen = {_ints(one) for one in rows.counts}
        pool, fresh = rows, rows.cheapest(_POOL, _WORTH)
        varied = {_ints(one) for one in fresh.counts}
        while len(fresh.counts):
            counts, low, high = self._neighbours(fresh, seen)
            if len(counts):
                coarse = self.closed(counts, low, high, _COARSE)
                likely = coarse.values <= pool.values.min() * _LIKELY
                if likely.any():
                    pool = pool.joined(self.closed(counts[likely], low[likely], high[likely], _QUICK))
            best = pool.cheapest(most, _WORTH)
            new = np.array([_ints(one) not in varied for one in best.counts], dtype=bool)
            fresh = best.where(new).cheapest(_POOL, np.inf)
            varied |= {_ints(one) for one in fresh.counts}
        return pool.cheapest(most, _WORTH)

    def _neighbours(self, rows: _Rows, seen: set[tuple[int, ...]]) -> tuple[Any, Any, Any]:
        """Those of rows that were not seen, and intervals that keep the last level's period or the first's."""
        found, low, high = [], [], []
        for counts, every in zip(rows.counts, rows.intervals, strict=True):
            for moved in _moves(_ints(counts), self.free):
                if moved in seen:
                    continue
                seen.add(moved)
                other = every * float(np.prod(counts) / np.prod(moved))
                found.append(moved)
                low.append(min(every, other) / 1.15)
                high.append(max(every, other) * 1.15)
        return np.array(found, dtype=float).reshape(-1, len(self.saving.counts)), np.array(low), np.array(high)

    # whole steps

    def _whole_steps(self, rows: _Rows) -> Found:
        """The best of the whole numbers of steps beside the best interval; of few, each with its own best saves."""
        step = self.setting.step_s
        few = rows.cheapest(_POOL, _WORTH)
        if not np.isfinite(few.values).any():
            return self._found(_ints(rows.counts[0]), step, math.inf)
        below = np.maximum(np.floor(few.intervals / step * (1 + 1e-12)), 1)
        if below.min() > _MANY_STEPS:
            steps = np.column_stack([below, below + 1])
            known = tried(self.setting, self.saving, few.counts, steps * step)
            values = self.limits.values(known)
            row, column = np.unravel_index(int(np.argmin(values)), values.shape)
            return self._found(
                _ints(few.counts[row]), float(known.intervals[row, column]), float(values[row, column])
            )
        best, least = self._found(_ints(few.counts[0]), step, math.inf), math.inf
        near = {int(n) + more for n in below for more in range(-_BESIDE, _BESIDE + 2)}
        for n in sorted(n for n in near if n >= 1):
            one, value = self._at_interval(few, n * step)
            if value < least:
                best, least = self._found(one, n * step, value), value
        return best

    def _at_interval(self, few: _Rows, interval_s: float) -> tuple[tuple[int, ...], float]:
        """The best numbers of saves at a given interval, from those of other intervals on, and their value."""
        values: dict[tuple[int, ...], float] = {}

        def look(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
            new = [one for one in rows if one not in values]
            if new:
                table = np.array(new, dtype=float).reshape(len(new), -1)
                known = tried(self.setting, self.saving, table, np.full((len(new), 1), interval_s))
                values.update(zip(new, map(float, self.limits.values(known)[:, 0]), strict=True))
            return min(values, key=lambda one: values[one])

        start = set()
        for counts, every in zip(few.counts, few.intervals, strict=True):
            start |= {_ints(counts), *_scaled(_ints(counts), self.free, every / interval_s)}
        best = look(sorted(start))
        while True:
            before = values[best]
            best = look(_moves(best, self.free))
            if values[best] >= before:
                return best, values[best]


class _Rows(NamedTuple):
    """Numbers of saves, the best interval of each, and what it comes to."""

    counts: Any
    intervals: Any
    values: Any

    def where(self, chosen: Any) -> _Rows:
        return _Rows(self.counts[chosen], self.intervals[chosen], self.values[chosen])

    def cheapest(self, most: int, within: float) -> _Rows:
        """The cheapest few, within a factor of the best."""
        order = np.argsort(self.values, kind="stable")[:most]
        return self.where(order).where(self.values[order] <= within * self.values.min(initial=np.inf))

    def below(self, value: float) -> _Rows:
        return self.where(self.values < value)

    def joined(self, other: _Rows) -> _Rows:
        return _Rows(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))

    def brackets(self, factor: float) -> tuple[Any, Any, Any]:
        return self.counts, self.intervals / factor, self.intervals * factor


def _ints(counts: Any) -> tuple[int, ...]:
    return tuple(int(one) for one in counts)


def _moves(counts: tuple[int, ...], free: list[int]) -> list[tuple[int, ...]]:
    """Neighbours: one number changed, or two against each other."""

    def others(count: int) -> set[int]:
        found = {1, count - 1, count + 1, *(round(count * factor) for factor in _FACTORS)}
        return {min(max(one, 1), MOST_SAVES) for one in found} - {count}

    found = {(*counts[:at], other, *counts[at + 1 :]) for at in free for other in others(counts[at])}
    for one, two in combinations(free, 2):
        for other in others(counts[one]):
            against = counts[two] * counts[one] / other
            for rounded in {math.floor(against), math.ceil(against)}:
                moved = list(counts)
                moved[one], moved[two] = other, min(max(rounded, 1), MOST_SAVES)
                found.add(tuple(moved))
    return sorted(found - {counts})


def _scaled(counts: tuple[int, ...], free: list[int], ratio: float) -> set[tuple[int, ...]]:
    """Numbers of saves of the lowest free level so that what lies above keeps its periods at another interval."""
    if not free:
        return set()
    found = set()
    for at in free:
        for rounded in (math.floor(counts[at] * ratio), math.ceil(counts[at] * ratio)):
            found.add((*counts[:at], min(max(rounded, 1), MOST_SAVES), *counts[at + 1 :]))
    return found
