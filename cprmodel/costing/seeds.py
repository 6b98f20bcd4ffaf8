r"""Where the best intervals and numbers of saves may lie, to first order: places to start an exact search from.

To first order the cost is a sum over levels, each a function of the useful work :math:`t_i` between two saves
of that level or a higher one,

.. math:: \frac{O}{T} \approx \sum_i b_i(t_i) \left(\frac{1}{t_i} - \frac{1}{t_{i+1}}\right) + \ell_i(t_i),
          \qquad t_i \le t_{i+1}

with b what a save takes and ℓ what the failures that need this level lose. Neighbours alone are coupled, so
that dynamic programming over a grid finds the least of it for any number of levels; and, for each level and
each point of the grid, the least cost of all that goes through there. The local minima of *that* are one for
each valley. A budget of lost samples enters by a multiplier, of which many are tried. [derived here; the exact
search from there is held to brute force in tests/costing/test_search.py]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from cprmodel.costing.saving import free_levels
from cprmodel.costing.stops import severities
from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import FailureMix

__all__ = ["MOST_SAVES", "seeds"]

#: The most saves of a level to one of the next.
MOST_SAVES = 10_000
#: Points of the grid, multipliers of lost samples, and shortest intervals where what drains depends on how often.
_POINTS, _MULTIPLIERS, _FLOORS = 100, 14, 8
#: Valleys so much higher than the lowest are left alone.
_HIGHER = 1.5
#: Numbers of saves up to this are rounded both ways.
_FEW = 12


@dataclass(frozen=True)
class _Group:
    """Levels whose numbers of saves are given among each other, by how many saves of the first there are to one."""

    levels: tuple[int, ...]
    times: tuple[int, ...]


def _groups(saving: StoredSave) -> list[_Group]:
    free = set(free_levels(saving))
    found = [([0], [1])]
    for at, count in enumerate(saving.counts):
        if at in free:
            found.append(([at + 1], [1]))
        else:
            levels, times = found[-1]
            levels.append(at + 1)
            times.append(times[-1] * count)
    return [_Group(tuple(levels), tuple(times)) for levels, times in found]


class _FirstOrder:
    """The parts of the first-order cost on a grid."""

    def __init__(
        self, saving: StoredSave, mix: FailureMix, full: bool, shards: int, low: float, high: float
    ) -> None:
        self.saving, self.groups = saving, _groups(saving)
        self.grid = np.geomspace(low, high, _POINTS)
        self.rate = 1 / mix.mtbf_s
        everybody = 1.0 if full else mix.whole_job_share
        hit = 0.0 if full else mix.shard_share * mix.shards_per_failure / shards
        needs = severities(saving.levels)
        self.back, self.hit = [everybody * one for one in needs], [hit * one for one in needs]
        self.hits = hit > 0

    def save_s(self, level: int, work: Any) -> Any:
        """What a save takes from training, begun again where it is struck [s]."""
        one, saving = self.saving.levels[level], self.saving
        written = saving.written(work)
        takes = one.stall_s + one.save_s * written
        if level == len(saving.levels) - 1:
            takes = takes + (1 - saving.overlap) * saving.drain_s * written
        return np.expm1(np.minimum(self.rate * takes, 50.0)) / self.rate

    def own(self, group: _Group) -> tuple[Any, Any]:
        """Cost and lost samples of a group, where its first level is saved to every so much work."""
        cost, lost = np.zeros(_POINTS), np.zeros(_POINTS)
        works = [self.grid * times for times in group.times]
        for at, (level, work) in enumerate(zip(group.levels, works, strict=True)):
            after = 1 / works[at + 1] if at + 1 < len(works) else 0.0
            cost += self.save_s(level, work) * (1 / work - after)
            x = np.clip(self.rate * self.back[level] * work, 1e-9, 50.0)
            cost += (np.expm1(x) - x) / x
            x = np.maximum(self.rate * self.hit[level] * work, 1e-9)
            lost += 1 + np.expm1(-x) / x
        return cost, lost

    def spared(self, group: _Group) -> Any:
        """What the next group's saves spare this one's, whose place they take: at each of its points and theirs."""
        work = self.grid * group.times[-1]
        found = -self.save_s(group.levels[-1], work)[:, None] / self.grid
        return np.where(self.grid >= work[:, None] * (1 - 1e-9), found, np.inf)

    def written_to(self, work: Any) -> Any:
        """Share of the time in which the last level is written to, where it is saved to every so much work."""
        saving = self.saving
        takes = saving.drain_s if saving.drain_s > 0 else saving.levels[-1].save_s
        return takes * saving.written(work) / work

    def chains(self, most: float) -> list[tuple[float, ...]]:
        """Points of the grid for each group, one chain for each valley, for each multiplier."""
        owns = [self.own(group) for group in self.groups]
        spared = [self.spared(group) for group in self.groups[:-1]]
        within = self.grid * self.groups[-1].times[-1] <= self.grid[-1] * (1 + 1e-9)
        last = self.grid * self.groups[-1].times[-1]
        room = within & (self.written_to(last) <= most)
        within = room if room.any() else within
        weights = np.append(0.0, np.geomspace(1e-3, 1e6, _MULTIPLIERS)) if self.hits else np.zeros(1)
        # the first level's interval must let a save to the last one drain: a few floors, each with what drains in
        drain_s = self.saving.overlap * self.saving.drain_s * self.saving.written(last)
        floors = np.unique(np.geomspace(drain_s[0], drain_s.max(), _FLOORS)) if drain_s[0] > 0 else np.zeros(1)
        weights, floors = np.repeat(weights, len(floors))[:, None], np.tile(floors, len(weights))[:, None]
        costs = [cost + weights * lost for cost, lost in owns]
        costs[-1] = np.where(within & (drain_s <= floors * (1 + 1e-9)), costs[-1], np.inf)
        costs[0] = np.where(self.grid >= np.minimum(floors, self.grid[-1]), costs[0], np.inf)
        up = [costs[0]]  # the least cost of the groups so far, this one at a point
        from_below = []
        for cost, pair in zip(costs[1:], spared, strict=True):
            through = up[-1][:, :, None] + pair
            from_below.append(through.argmin(axis=1))
            up.append(cost + through.min(axis=1))
        down = [np.zeros_like(costs[-1])]  # … of the groups above
        to_above: list[Any] = []
        for cost, pair in zip(reversed(costs[1:]), reversed(spared), strict=True):
            through = (cost + down[0])[:, None, :] + pair
            to_above.insert(0, through.argmin(axis=2))
            down.insert(0, through.min(axis=2))
        found: dict[tuple[int, ...], None] = {}
        for at in range(len(costs)):
            least = up[at] + down[at]
            walled = np.pad(least, ((0, 0), (1, 1)), constant_values=np.inf)
            lowest = (least < walled[:, :-2]) & (least <= walled[:, 2:])
            lowest &= least <= _HIGHER * least.min(axis=1, keepdims=True)
            for weight, point in zip(*np.nonzero(lowest), strict=True):
                chain = [int(point)]
                for below in reversed(range(at)):
                    chain.insert(0, int(from_below[below][weight, chain[0]]))
                for above in range(at, len(costs) - 1):
                    chain.append(int(to_above[above][weight, chain[-1]]))
                found[tuple(chain)] = None
        return [tuple(float(self.grid[point]) for point in chain) for chain in found]


@lru_cache(maxsize=64)
def seeds(
    saving: StoredSave, mix: FailureMix, full: bool, shards: int, low: float, high: float, most: float
) -> tuple[tuple[tuple[int, ...], float, float], ...]:
    """Numbers of saves to each level, and between which intervals to start with each.

    All levels are saved to within ``high`` of work, the first not more often than every ``low``; the last one is
    written to for no more than ``most`` of the time.
    """
    order = _FirstOrder(saving, mix, full, shards, low, high)
    free = free_levels(saving)
    found: dict[tuple[int, ...], list[float]] = {}
    for chain in order.chains(most):
        pairs = zip(chain, chain[1:], order.groups, strict=False)
        ratios = [after / (work * group.times[-1]) for work, after, group in pairs]
        rounded = [
            sorted({max(1, int(ratio)), int(ratio) + 1}) if ratio < _FEW else [min(round(ratio), MOST_SAVES)]
            for ratio in ratios
        ]
        for chosen in product(*rounded):
            counts = list(saving.counts)
            for at, count in zip(free, chosen, strict=True):
                counts[at] = count
            ratio = float(np.prod(ratios)) / float(np.prod(chosen))
            found.setdefault(tuple(counts), []).append(chain[0] * ratio**0.5)
    return tuple((counts, min(every), max(every)) for counts, every in found.items())
