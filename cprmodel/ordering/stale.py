"""What is not saved yet while a job of finite length trains, when some rows are saved before others.

The job begins with everything saved. Every slot (a fraction of the interval) each row gets a Poisson number of
updates, then the rows to save are chosen. What is *stale* when a slot begins is what the saves before it left out.

Failures are not played: a shard that fails begins again with everything saved, as the job did. So what a struck job
has at stake follows from what one without failures has, as a renewal sum (:meth:`Unsaved.struck`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import ORDERS
from cprmodel.jobs.access import Access
from cprmodel.ordering.played import PLAYED, WORTH, pieces, save
from cprmodel.ordering.sampled import listed
from cprmodel.rows import Floats, classes_of
from cprmodel.trackers.tracker import rows_due

__all__ = ["ORDERS", "Unsaved", "played_rows", "poisson_numbers", "rows_wanted", "unsaved", "unsaved_of"]

BY_COUNTS = ("mfu", "update-age", "best-fixed-dirty")  #: of them, those that go by what was counted

_ROWS = 1000  #: rows that stand for all
_UPDATES = 1e5  #: most updates of a row and interval, on average; more do not scatter
_INTERVALS = 16  #: played from the beginning; after half of them nothing changes any more
_SAMPLED_INTERVALS = 256  #: the same of a sampled list, which is counted, not played
_PLAYS = 4
_TOLD, _MOST_ROWS, _MOST_TIMES = 3e4, 5000, 16  #: updates in an interval; rows; times as many plays of few rows
_CLASSES = 256  #: of rows, where classes are followed one by one
_LARGE = 10.0  #: mean of updates in a slot

_NODES, _WEIGHTS = (0.5 - 0.15**0.5, 0.5, 0.5 + 0.15**0.5), np.array([5, 8, 5]) / 18  # Gauss's on [0, 1]


@dataclass(frozen=True)
class Unsaved:
    """Updates that are not saved when each slot begins, over the rate of updates, of each play [s]."""

    slot_s: float
    slots: int  #: of the job
    rest_s: float  #: length of the last one
    stale_s: Floats  #: plays × the first slots
    steady_s: Floats  #: in slots beyond those, of each play

    @property
    def mean_s(self) -> Floats:
        """When a slot begins that ends in a save, on average, of each play [s]."""
        saves = self.slots - 1
        known = self.stale_s[:, :saves]
        if not saves:
            return np.zeros(self.steady_s.shape)
        mean: Floats = (known.sum(1) + (saves - known.shape[1]) * self.steady_s) / saves
        return mean

    @property
    def last_s(self) -> Floats:
        """When the last slot begins, of each play [s]."""
        return self.stale_s[:, -1] if self.slots <= self.stale_s.shape[1] else self.steady_s

    def struck(self, lost: float, kept: float) -> Unsaved:
        """The same of a job in which a shard begins again in this share of the slots.

        ``lost``: :func:`~cprmodel.formulas.stale_loss` of a slot; ``kept``: of the updates of a slot in which that
        happens the share that is made afterwards, and so is not lost.

        z_j = q^j x_j + g Σ_{c<j} q^c (y x_{c+1} + (1 − y) x_c), with g = lost, q = 1 − g and y = kept.
        """
        stale, steady = self._renewed(self.stale_s, lost, kept)
        return replace(self, stale_s=stale, steady_s=steady)

    def _renewed(self, of_age: Floats, lost: float, kept: float) -> tuple[Floats, Floats]:
        """The mean of what depends on the slots since a shard began again, when each slot of the job begins."""
        steady = of_age[:, of_age.shape[1] // 2 :].mean(1)
        weight = (1 - lost) ** np.arange(of_age.shape[1] + 1)
        later = np.concatenate([of_age[:, 1:], steady[:, None]], axis=1)
        began = np.cumsum(lost * weight[:-1] * (kept * later + (1 - kept) * of_age), axis=1)
        before = np.concatenate([np.zeros((len(began), 1)), began[:, :-1]], axis=1)
        return weight[:-1] * of_age + before, began[:, -1] + weight[-1] * steady

    def squares_s2(self, lost: float = 0.0, kept: float = 0.0) -> tuple[float, float, float]:
        """Mean squares of what a shard's failure takes, at work and in a save, and of what a roll-back takes [s²].

        Less what later failures would have taken of it all the same, where a shard may fail again (``lost``,
        ``kept``: as in :meth:`struck`).
        """
        stale, steady = self.stale_s.mean(0) / self.slot_s, float(self.steady_s.mean()) / self.slot_s
        again = _again(stale, steady, self.slots, lost)

        def at_work(length: float) -> Floats:
            taken = [np.maximum((stale + at * length) * (1 - lost * (1 - at)) - again, 0.0) for at in _NODES]
            found: Floats = np.tensordot(_WEIGHTS, np.square(taken), 1)
            return found

        def over_job(of_age: Floats, of_last: Floats) -> tuple[float, float]:
            """Sum over the slots before the last one, and in that."""
            each, later = self._renewed(of_age[None, :], lost, kept)
            known = min(self.slots - 1, of_age.size)
            total = float(each[0, :known].sum() + (self.slots - 1 - known) * later[0])
            each, later = self._renewed(of_last[None, :], lost, kept)
            return total, float(each[0, -1] if self.slots <= of_age.size else later[0])

        rest, saves = self.rest_s / self.slot_s, self.slots - 1
        work, last = over_job(at_work(1.0), at_work(rest))
        in_saves, _ = over_job(*2 * (np.maximum(stale + 1 - again, 0.0) ** 2,))
        back, last_back = over_job(*2 * (np.maximum(stale - again, 0.0) ** 2,))
        squares = (
            (work + rest * last) / (saves + rest),
            in_saves / max(saves, 1),
            (back + rest * last_back) / (saves + rest),
        )
        work, in_saves, back = (square * self.slot_s**2 for square in squares)
        return work, in_saves, back


def _again(stale: Floats, steady: float, slots: int, lost: float) -> Floats:
    """What later failures take of what a shard has at stake, by the slots since it began, if it does not fail now.

    The difference between what is at stake in the slots to come and what would be if it began again.
    """
    ages, stays = stale.size, 1 - lost

    def geometric(number: Floats) -> Floats:
        found: Floats = -np.expm1(number * math.log1p(-lost)) / lost if 0 < lost < 1 else number.astype(float)
        return found

    coming = np.arange(slots - 1, slots - 1 - ages, -1)  # slots after this one
    ahead = np.empty(ages)
    later = steady * float(geometric(np.array([max(slots - ages, 0)]))[0])
    for age in range(ages - 1, -1, -1):
        later = (stale[age + 1] + stays * later) if age + 1 < ages else later
        ahead[age] = later
    begun = np.concatenate([[0.0], np.cumsum(stays ** np.arange(ages) * stale)])
    beyond = steady * stays**ages * geometric(np.maximum(coming - ages, 0))
    more: Floats = np.maximum(ahead - begun[np.minimum(coming, ages)] - beyond, 0.0)
    return lost * more


def played_rows(access: Access, slot_s: float, fraction: float, rows: int = _ROWS) -> Floats:
    """The updates in a slot of rows that stand for all."""
    updates: Floats = pieces(classes_of(access), rows) * slot_s
    most = _UPDATES * fraction
    mean = float(updates.mean())
    return updates * (most / mean) if mean > most else updates


def rows_wanted(access: Access, slot_s: float, fraction: float, least: int = _ROWS, updates: float = _TOLD) -> int:
    """How many rows are to stand for all: the more the fewer updates each of them gets."""
    mean = classes_of(access).total_updates / classes_of(access).rows * slot_s / fraction
    return int(np.clip(updates / mean if mean > 0 else 0.0, least, _MOST_ROWS))


@lru_cache(maxsize=1024)
def unsaved(order: str, access: Access, work_s: float, interval_s: float, seed: int = 1) -> Unsaved:
    """What an order leaves unsaved, from the beginning of a job.

    Parameters
    ----------
    order : a policy, such as "update-age"
    access : how rows are updated, and which fraction of them a save takes
    work_s : useful training time, T [s]
    interval_s : useful work in which as much as everything is saved once, τ [s]

    Examples
    --------
    A tenth of the rows gets nine tenths of the updates:

    >>> from cprmodel.jobs import Table
    >>> hot, cold = Table(rows=100, zipf=0, updates_per_second=9.0), Table(rows=900, zipf=0, updates_per_second=1.0)
    >>> found = unsaved("update-age", Access(tables=(hot, cold)), work_s=1e6, interval_s=1e4)
    >>> float(found.mean_s.mean()) < 0.3e4  # in turn it would be 7/16 of 1e4 s
    True
    """
    return unsaved_of((order,), access, work_s, interval_s, seed)[0]


def unsaved_of(
    orders: Sequence[str], access: Access, work_s: float, interval_s: float, seed: int = 1
) -> list[Unsaved]:
    """:func:`unsaved` of each order: those by counts are told of the same updates, which are drawn once."""
    for order in orders:
        if order not in PLAYED and order not in WORTH:
            raise DomainError(f"unsaved: order = {order!r}: expected one of {', '.join(PLAYED)}")
        if order == "scar":
            raise DomainError("unsaved: order = 'scar': expected an order that goes by updates")
    fraction = access.priority_fraction
    slot_s = min(fraction * interval_s, work_s)
    slots = int(NUMPY.intervals(work_s, slot_s))
    rest_s = work_s - (slots - 1) * slot_s
    played, sampled = (min(slots, math.ceil(many / fraction)) for many in (_INTERVALS, _SAMPLED_INTERVALS))
    found = []
    for stale in _stale(orders, access, slot_s, fraction, played, sampled, seed):
        steady = stale[:, stale.shape[1] // 2 :].mean(1)
        found.append(Unsaved(slot_s, slots, rest_s, stale * slot_s, steady * slot_s))
    return found


def _stale(
    orders: Sequence[str], access: Access, slot_s: float, fraction: float, slots: int, sampled: int, seed: int
) -> list[Floats]:
    """Plays × slots: what is unsaved when each slot begins, over the updates in a whole slot.

    ``sampled``: so many slots of a sampled list, which rows that are hardly ever updated are long kept off.
    """
    if slots == 1 or fraction == 1:
        return [np.zeros((1, slots)) for _ in orders]
    wanted = rows_wanted(access, slot_s, fraction)
    updates = played_rows(access, slot_s, fraction, wanted)
    plays = _PLAYS * min(max(1, round(wanted / updates.size)), _MOST_TIMES)
    by_counts = [order for order in orders if order in BY_COUNTS]
    counted = dict(zip(by_counts, _counted(by_counts, updates, fraction, slots, plays, seed), strict=True))
    found = []
    for order in orders:
        if order == "ssu":
            classes = classes_of(access).binned(slot_s, _CLASSES)
            share: Floats = classes.count @ listed(classes, fraction).stale(sampled) / classes.total_updates
            found.append(share[None, :])
        else:
            found.append(counted[order] if order in counted else _known(order, updates, fraction, slots)[None, :])
    return found


def _known(order: str, updates: Floats, fraction: float, slots: int) -> Floats:
    """Orders that do not look at the counts: what is unsaved is expected to be rate × age."""
    tracker = PLAYED[order](updates, 0, 0)
    age, found = np.zeros(updates.size), np.empty(slots)
    for slot in range(slots):
        found[slot] = updates @ age
        age += 1
        age[save(tracker, slot, fraction)] = 0
    share: Floats = found / updates.sum()
    return share


def _counted(
    orders: Sequence[str], updates: Floats, fraction: float, slots: int, plays: int, seed: int
) -> list[Floats]:
    """Orders by counts, all plays at once."""
    if not orders:
        return []
    rows = updates.size
    random = np.random.default_rng(np.random.SeedSequence([seed, 0x0DE5]))
    updates = -np.sort(-updates)
    lots = random.random((plays, 2 * rows))  # who goes first of rows that are worth the same: each time another
    places = np.arange(plays)[:, None] * rows
    draw = _poisson(updates, random)
    found = [np.empty((plays, slots)) for _ in orders]
    counts, age = ([np.zeros((plays, rows)) for _ in orders] for _ in range(2))
    for slot in range(slots):
        more, due = draw(plays), rows_due(slot, fraction, rows)
        at = int(random.integers(rows))
        for order, stale, unsaved, old in zip(orders, found, counts, age, strict=True):
            stale[:, slot] = unsaved.sum(1)
            unsaved += more
            old += 1
            if not due:
                continue
            worth = WORTH[order](unsaved, old, updates) + lots[:, at : at + rows]
            first = (np.argpartition(worth, rows - due)[:, rows - due :] + places).ravel()
            old.ravel()[first[unsaved.ravel()[first] > 0]] = 0  # a row without updates is not saved: it grows older
            unsaved.ravel()[first] = 0
    total = updates.sum()
    return [stale / total for stale in found]


def _poisson(means: Floats, random: np.random.Generator) -> Callable[[int], Floats]:
    """Draws so many rows of Poisson numbers of these means, in descending order."""

    def draw(plays: int) -> Floats:
        return poisson_numbers(np.broadcast_to(means, (plays, means.size)), random)

    return draw


def poisson_numbers(means: Floats, random: np.random.Generator) -> Floats:
    """Poisson numbers of means (plays × rows) that do not rise in a play.

    Large ones are rounded normal numbers with the skewness of Poisson's: mean, variance and third moment agree.
    """
    large = int((means.min(axis=0) >= _LARGE).sum()) if means.size else 0
    mean, small = means[:, :large], means[:, large:]
    spread = np.sqrt(mean - 1 / 12 - 1 / 18)  # rounding and the square add these
    z = random.standard_normal(mean.shape)
    many = np.maximum(np.rint(mean + spread * z + (z * z - 1) / 6), 0.0)
    return np.concatenate([many, random.poisson(small)], axis=1)
