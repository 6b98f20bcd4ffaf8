"""The experts written at each of two levels, how often at the last one, and the interval, of least overhead.

Within a budget of lost updates the search is rugged: each pair of numbers has its own longest interval, and its own
number of saves to one of the last level. A table of all (or of many) is looked at, intervals in its columns; the
best places are closed in on, and numbers varied around them until nothing near is better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product
from typing import Any

import numpy as np

from cprmodel.costing.models import BUDGET, OPTIMUM, WHOLE_JOB, Choice, CostModel
from cprmodel.costing.rotated_levels import updates_lost
from cprmodel.costing.seeds import MOST_SAVES
from cprmodel.costing.setting import Setting
from cprmodel.costing.terms import WITHIN
from cprmodel.costing.valleys import beside, between, closed, lowest
from cprmodel.facts.rotation import RotatingLevelSave
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import Job

__all__ = ["best_rotating_levels"]

#: Intervals tried at once at first; then between the neighbours of the best, so many times.
_WIDE, _CLOSING, _ROUNDS = 36, 16, 4
#: Up to so many experts all numbers are looked at, of more so many; where there are more than the last, none is
#: fewer than that part of them at first.
_ALL, _SOME, _PARTS = 16, 18, 256
#: Of many experts, what is lost is looked at at every so many-th interval at first, and in powers between.
_APART = 5
#: Numbers of saves to one of the last level that are looked at at first.
_COUNTS = 14
#: Valleys of one way to save that are closed in on.
_VALLEYS = 3
#: Ways that are looked into at once, and the most that is worth it, over the best.
_LOOKED, _WORTH = 12, 1.06
#: The shortest interval tried, over the best one of a job that loses nothing.
_SHORTEST = 1e-3
#: And the longest.
_LONGEST = 30.0
#: A job whose failures cost so many times the useful work without any save is not saved by making none.
_NEVER = 1e9
#: Numbers times these are neighbours.
_FACTORS = (0.5, 0.8, 0.92, 1.09, 1.25, 2.0)
#: Losses that are taken for none, and what so much exceeds the budget at too short an interval is over it at all.
_NOTHING, _OVER = 1e-300, 1.05
#: So many intervals tell nearly which is the shortest, and what exceeds the budget by so much there is over it.
_FINER, _NEARLY = 32, 1.01
#: The best few whose neighbours are looked at, until that is better by less than this.
_VARIED, _BETTER = 3, 1e-6
#: Thousands of experts are varied by these factors, one after the other, while that is worth so much.
_NEARER, _WORTH_A_STEP = (1.1, 1.05, 1.025, 1.012, 1.006), 2e-5


@dataclass(frozen=True)
class _Way:
    """Experts at the first level, at the last one, and saves to one there."""

    snapshot: int
    persisted: int
    every: int

    def of(self, saving: RotatingLevelSave) -> RotatingLevelSave:
        rotated = (self.snapshot, self.persisted)
        return replace(saving, rotated=rotated, whole=replace(saving.whole, counts=(self.every,)))


def best_rotating_levels(job: Job, model: CostModel, strategy: Strategy, budget: float) -> Choice:
    """The best way and interval, of what the job file does not give; no save at all where that is cheaper.

    Where nothing keeps the budget, what loses least of what is best without it.
    """
    saving = strategy.saving
    assert isinstance(saving, RotatingLevelSave)
    return _Search(job, Setting.of(job, strategy.recovery), saving, getattr(model, "extra_s", 0.0), budget).best()


class _Search:
    def __init__(self, job: Job, of: Setting, saving: RotatingLevelSave, extra_s: float, budget: float) -> None:
        self.of, self.saving, self.extra_s, self.budget = of, saving, extra_s, budget
        self.given = [one.rotating is not True for one in job.checkpoint.level or ()]
        self.every = (job.checkpoint.level or ())[1].every
        self.stops = of.stops(saving.timed)  # loads are those of the levels, however much is written
        self.found: dict[_Way, tuple[float, float]] = {}
        self.known: dict[tuple[int, int], RotatingLevelSave] = {}

    def saving_of(self, way: _Way) -> RotatingLevelSave:
        """Saves of so many experts; how often to the last level is not looked at."""
        pair = (way.snapshot, way.persisted)
        if pair not in self.known:
            self.known[pair] = way.of(self.saving)
        return self.known[pair]

    def spent(self, way: _Way, intervals: Any, counts: Any = None) -> Any:
        """What is minimised at each interval; infinite where it cannot be."""
        saving, of = self.saving_of(way), self.of
        every = way.every if counts is None else counts
        with np.errstate(all="ignore"):
            run = of.run(saving.timed, intervals, [every], self.stops)
            total = run.breakdown.total + self.extra_s * saving.shares[1] * run.writes
        ends = (run.breakdown.total >= 0) & (run.drains <= 1 + 1e-9)
        fits = intervals * every <= of.work_s * (1 + 1e-9)
        return np.where(ends & fits & np.isfinite(total), total, np.inf)

    def keeps(self, way: _Way, intervals: Any, counts: Any = None) -> Any:
        """Whether an interval loses no more than the budget."""
        if not math.isfinite(self.budget):
            return True
        every = way.every if counts is None else counts
        of = (self.saving_of(way), self.of.work_s, self.of.mix.mtbf_s, self.stops)
        return updates_lost(*of, intervals, every) <= self.budget * WITHIN

    def nearly_keeps(self, way: _Way, intervals: Any, counts: Any) -> Any:
        """The same of rows of intervals: what is lost is found at some, and nearly a power of them between."""
        if not math.isfinite(self.budget):
            return True
        some = intervals[:, ::_APART]
        of = (self.saving_of(way), self.of.work_s, self.of.mix.mtbf_s, self.stops)
        lost = np.log(np.maximum(updates_lost(*of, some, counts[:, ::_APART]), _NOTHING))
        rows = zip(np.log(intervals), np.log(some), lost, strict=True)
        return np.exp([np.interp(*row) for row in rows]) <= self.budget * WITHIN

    def values(self, way: _Way, intervals: Any) -> Any:
        """What is minimised, infinite beyond the budget."""
        return np.where(self.keeps(way, intervals), self.spent(way, intervals), np.inf)

    def best(self) -> Choice:
        """Of all ways, and of none."""
        self.closed_in(self.likely())
        self.varied(self.farther, _VARIED, _BETTER)
        if self.saving.experts > _ALL:  # one more or less of thousands is hardly a step
            for factor in _NEARER:
                self.varied(partial(self.by, factor), _VARIED, _WORTH_A_STEP)
        self.varied(self.beside, _VARIED, _BETTER if self.saving.experts <= _ALL else _WORTH_A_STEP)
        way = min(self.found, key=lambda one: self.found[one][0]) if self.found else None
        value, every = (math.inf, 0.0) if way is None else self.found[way]
        none = float(self.of.unsaved()[0].total)
        if none <= value and none < _NEVER:
            return Choice(self.of.work_s, WHOLE_JOB, saving=self.saving)
        if way is None or math.isinf(value):
            return self.least_lost()
        return Choice(every, self.set_by(way, every), saving=way.of(self.saving))

    def varied(self, neighbours: Callable[[_Way], list[_Way]], most: int, least: float) -> None:
        """Neighbours of the best few, until none is better by so much."""
        better = bool(self.found)
        while better:
            order = sorted(self.found, key=lambda way: self.found[way][0])[:most]
            before = self.found[order[0]][0]
            self.closed_in(new for way in order for new in neighbours(way))
            better = min(value for value, _ in self.found.values()) < before * (1 - least)

    # which ways

    def numbers(self, level: int) -> list[int]:
        """Experts that may be written at a level."""
        experts, said = self.saving.experts, self.saving.rotated[level]
        if self.given[level]:
            return [said]
        if experts <= _ALL:
            return list(range(1, experts + 1))
        fewest = max(1, experts // _PARTS)
        return sorted({round(float(one)) for one in np.geomspace(fewest, experts, _SOME)})

    def intervals(self, way: _Way, counts: Any) -> Any:
        """Intervals that may be best, a row for each number of saves: around that where nothing is lost."""
        saving = self.saving_of(way)
        first, last = (one.blocks_s for one in saving.timed.levels)
        takes = first + (last - first + self.extra_s * saving.shares[1]) / counts
        weight = self.stops.back[0] + counts * self.stops.back[1]
        near = np.sqrt(2 * self.of.mix.mtbf_s * np.maximum(takes, 1e-9) / np.maximum(weight, 1e-9))
        most = self.of.work_s / counts
        carry_s = saving.timed.overlap * saving.timed.drain_s
        low = np.maximum(np.minimum(near, most) * _SHORTEST, max(self.of.step_s, carry_s))
        high = np.maximum(np.minimum(near * _LONGEST, most), low)
        return between(low, high, _WIDE)

    def likely(self) -> list[_Way]:
        """The best few of a table; pairs of numbers of experts that cost more whatever they lose are left out."""
        most = int(max(min(MOST_SAVES, self.of.work_s / max(self.of.step_s, self.of.work_s / 1e5)), 1))
        free = sorted({round(float(one)) for one in np.geomspace(1, min(most, 512), _COUNTS)})
        counts = np.array([self.every] if self.every else free, dtype=float)
        pairs = []
        for first, last in product(self.numbers(0), self.numbers(1)):
            way = _Way(first, last, 1)
            intervals = self.intervals(way, counts)
            spent = self.spent(way, intervals, np.broadcast_to(counts[:, None], intervals.shape))
            pairs.append((float(spent.min()), way, intervals, spent))
        pairs.sort(key=lambda one: one[0])
        rows: list[tuple[float, _Way]] = []
        best = math.inf
        for least, way, intervals, spent in pairs:
            if least > best * _WORTH or not math.isfinite(least):
                break
            look = self.nearly_keeps if self.saving.experts > _ALL else self.keeps
            keeps = look(way, intervals, np.broadcast_to(counts[:, None], intervals.shape))
            values = np.where(keeps, spent, np.inf).min(axis=1)
            rows += [
                (float(value), replace(way, every=int(one)))
                for value, one in zip(values, counts, strict=True)
                if math.isfinite(value)
            ]
            best = min(best, float(values.min()))
        rows.sort(key=lambda one: one[0])
        found = [way for value, way in rows if value <= best * _WORTH]
        return _spread_out(found)[:_LOOKED]

    def most(self) -> tuple[int, int, int]:
        """The most of each of the numbers; 0 where it is given."""
        experts = self.saving.experts
        first, last = (0 if given else experts for given in self.given)
        return first, last, 0 if self.every else MOST_SAVES

    def beside(self, way: _Way) -> list[_Way]:
        """Neighbours: each of the numbers one less, as it is, or one more."""
        return self.by(1.0, way)

    def by(self, factor: float, way: _Way) -> list[_Way]:
        """Neighbours: each of the numbers less by a factor (by one at the least), as it is, or so much more."""
        numbers = (way.snapshot, way.persisted, way.every)

        def moved(number: int) -> tuple[int, int]:
            return min(round(number / factor), number - 1), max(round(number * factor), number + 1)

        near = [
            {number, *(min(max(one, 1), top) for one in moved(number) if top)}
            for number, top in zip(numbers, self.most(), strict=True)
        ]
        return [_Way(*one) for one in sorted(product(*near))]

    def farther(self, way: _Way) -> list[_Way]:
        """Neighbours: one of the numbers by a factor, or two against each other."""
        numbers, most = (way.snapshot, way.persisted, way.every), self.most()
        free = [at for at, top in enumerate(most) if top]

        def moved(factors: dict[int, float]) -> _Way:
            of = enumerate(numbers)
            return _Way(*(min(max(round(n * factors[at]), 1), most[at]) if at in factors else n for at, n in of))

        found = {moved({at: factor}) for at in free for factor in _FACTORS}
        found |= {
            moved({at: factor, other: 1 / factor}) for at, other in combinations(free, 2) for factor in _FACTORS
        }
        if self.saving.experts > _ALL and {0, 1} <= set(free):
            found |= {moved({0: factor, 1: factor}) for factor in _FACTORS}
        return sorted(found, key=lambda one: (one.snapshot, one.persisted, one.every))

    # which interval

    def closed_in(self, ways: Iterable[_Way]) -> None:
        """The best interval of each, in whole steps."""
        for way in ways:
            if way in self.found or way.every * self.of.step_s > self.of.work_s:
                continue
            self.found[way] = self.closest(way)

    def closest(self, way: _Way) -> tuple[float, float]:
        """The least value of a way, and where."""
        intervals = self.intervals(way, np.array([float(way.every)]))[0]
        spent = self.spent(way, intervals)
        best = min((value for value, _ in self.found.values()), default=math.inf)
        if spent.min() > best * _WORTH:  # whatever it loses
            return math.inf, float(intervals[0])
        if self.hopeless(way, intervals, spent, best):
            return math.inf, float(intervals[0])
        found = np.where(self.keeps(way, intervals), spent, np.inf)
        if not np.isfinite(found).any():
            return math.inf, float(intervals[0])
        places = np.flatnonzero(lowest(found) & np.isfinite(found))
        places = places[np.argsort(found[places], kind="stable")[:_VALLEYS]]
        low, high = beside(intervals, places)

        def values(_: Any, tried: Any) -> Any:
            return self.values(way, tried.ravel()).reshape(tried.shape)

        bottoms, _ = closed(values, low, high, (_CLOSING,) * _ROUNDS)
        whole = np.unique(self.whole(np.append(bottoms, intervals[places])))
        costs = self.values(way, whole)
        at = int(np.argmin(costs))
        return float(costs[at]), float(whole[at])

    def hopeless(self, way: _Way, intervals: Any, spent: Any, best: float) -> bool:
        """Whether one of many experts loses too much at the shortest interval that costs no more than the best.

        What is lost grows with the interval, but for what the end of a job makes of it.
        """
        if self.saving.experts <= _ALL or not math.isfinite(best) or not math.isfinite(self.budget):
            return False
        first, over = np.flatnonzero(spent <= best), _OVER
        at = max((int(first[0]) if first.size else int(np.argmin(spent))) - 1, 0)
        shortest_s = intervals[at]
        if first.size and at < first[0]:
            near = np.geomspace(intervals[at], intervals[at + 1], _FINER)
            shortest_s, over = near[int(np.argmax(self.spent(way, near) <= best)) - 1], _NEARLY
        of = (self.saving_of(way), self.of.work_s, self.of.mix.mtbf_s, self.stops)
        return bool(updates_lost(*of, shortest_s, way.every) > self.budget * over)

    def whole(self, intervals: Any) -> Any:
        step = self.of.step_s
        if not step:
            return intervals
        below = np.maximum(np.floor(intervals / step * (1 + 1e-12)), 1)
        return np.concatenate([below, below + 1]) * step

    def set_by(self, way: _Way, every: float) -> str:
        step = self.of.step_s or 1e-4 * every
        more = np.array([every, every + step, max(every - step, every / 2)])
        costs = self.spent(way, more)
        return BUDGET if costs[1] < costs[0] or costs[2] < costs[0] else OPTIMUM

    def least_lost(self) -> Choice:
        """Where nothing keeps the budget: the way that loses least at its best interval without one."""
        free = copy(self)
        free.budget, free.found = math.inf, {}
        best, least = Choice(self.of.work_s, WHOLE_JOB, saving=self.saving), math.inf
        for way in free.likely():
            value, every = free.closest(way)
            if not math.isfinite(value):
                continue
            saving = way.of(self.saving)
            lost = float(updates_lost(saving, self.of.work_s, self.of.mix.mtbf_s, self.stops, every))
            if lost < least:
                best, least = Choice(every, OPTIMUM, saving=saving), lost
        return best


def _spread_out(ways: list[_Way]) -> list[_Way]:
    """Those of pairs of numbers that were not seen before first, the others after them."""
    seen: set[tuple[int, int]] = set()
    first: list[_Way] = []
    then: list[_Way] = []
    for way in ways:
        pair = (way.snapshot, way.persisted)
        (then if pair in seen else first).append(way)
        seen.add(pair)
    return first + then
