"""What an order leaves out where some saves follow warnings, and take as many of the first rows as fit.

A shard is followed from when everything of it was saved, through stretches in which no failure takes what it has at
stake. Such a stretch ends with a planned save, after a slot of work, or with one on a warning, sooner; then the
failure that was announced may take what that left out. What that comes to is found beside, whichever way the play
goes on. Ages count saves of both kinds.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cprmodel.jobs.access import Access
from cprmodel.ordering.played import WORTH
from cprmodel.ordering.sampled import listed
from cprmodel.ordering.stale import BY_COUNTS, played_rows, poisson_numbers, rows_wanted
from cprmodel.rows import Classes, Floats, classes_of
from cprmodel.trackers.tracker import rows_due

__all__ = ["Chances", "Followed", "followed"]

Ints = NDArray[np.intp]

_INTERVALS = 16  #: as much as everything is saved so often; after half of it nothing changes any more
#: Groups of plays, spread evenly over how stretches may end: of so many rows in all, within bounds.
_GROUPS, _TOLD, _EACH = 4, 2400, (2, 8)
_ROWS, _UPDATES = 300, 1e4  #: rows that stand for all, at the least; more where each gets few updates
_CLASSES = 256
_MOST = 4000  #: stretches
_NODES = 8  #: of the work before a save on a warning, where classes are followed


class Chances(NamedTuple):
    """How a stretch ends in which nothing takes what was left out."""

    done: float  #: with a planned save
    warned: float  #: with one on a warning
    then_lost: float  #: and then the announced failure takes what that left out
    leaves: float  #: rate of what ends its work, over a slot
    carry: float  #: work in it that was done in a drain, of a slot

    @property
    def goes_on(self) -> float:
        """Probability that it ends, and nothing is lost then either."""
        return self.done + self.warned * (1 - self.then_lost)

    def before(self, share: Floats) -> Floats:
        """Work before a save on a warning, of a slot: quantiles of an exponential law that is cut off."""
        most = 1 - self.carry
        if self.leaves * most < 1e-9:
            return self.carry + most * share
        found: Floats = self.carry - np.log1p(share * np.expm1(-self.leaves * most)) / self.leaves
        return found


class Followed(NamedTuple):
    """By the stretches since a shard began (means of groups of plays × stretches); updates over those of a slot."""

    weight: Floats  #: probability that it came so far
    stale: Floats  #: what was left out when the stretch begins, weighted
    lost: Floats  #: what is lost of it, or of what a save on a warning left out, before the next one begins
    told: Floats  #: probability that it begins again with the next stretch,
    struck: Floats  #: … and in this one


@lru_cache(maxsize=256)
def followed(
    order: str,
    access: Access,
    slot_s: float,
    warned_rows: float,
    chances: tuple[Chances, Chances],
    many: int,
    seed: int = 1,
) -> Followed:
    """A shard's stretches: ``chances`` after a planned save, and after another; ``many``: stretches of the job."""
    fraction, other = access.priority_fraction, chances[1]
    at_a_time = (other.done * fraction + other.warned * warned_rows) / max(other.done + other.warned, 1e-300)
    length = int(min(many, math.ceil(_INTERVALS / max(at_a_time, 1e-6)), _MOST))
    if order == "ssu":
        return _listed(access, slot_s, chances, length)
    return _played(order, access, slot_s, warned_rows, chances, length, seed)


class _Plays:
    """Rows that stand for all, in plays side by side: what they have learned that is not saved, and since when."""

    def __init__(self, order: str, access: Access, slot_s: float, seed: int) -> None:
        # lots that say how stretches end are apart: alike for intervals that are nearly so
        self.random, self.lot = (
            np.random.default_rng(one) for one in np.random.SeedSequence([seed, 0x3A53]).spawn(2)
        )
        wanted = rows_wanted(access, slot_s, access.priority_fraction, _ROWS, _UPDATES)
        self.updates = -np.sort(-played_rows(access, slot_s, access.priority_fraction, wanted))
        self.rows = self.updates.size
        each = 2 * round(np.clip(_TOLD / self.rows, *_EACH) / 2)
        self.size = _GROUPS * each
        self.probes = np.arange(0, self.size, 2)
        self.worth, self.counted = WORTH[order], order in BY_COUNTS  # others look at no count
        self.counts, self.age = (np.zeros((self.size, self.rows)) for _ in range(2))
        self.lots = self.random.random((self.size, 2 * self.rows)) if self.counted else None

    def saved(self, plays: Ints, slots: Floats, due: int) -> tuple[Floats, Floats]:
        """What the first rows leave out of these plays after so much more work, and how old it is."""
        more = slots[:, None] * self.updates
        counts, age = self.counts[plays], self.age[plays] + 1
        counts += poisson_numbers(more, self.random) if self.counted else more
        if not due:
            return counts, age
        worth = self.worth(counts, age, self.updates)
        by_lot, least = worth, 0.0
        if self.lots is not None:  # counts are whole numbers: a lot decides between rows that are worth the same
            at = int(self.random.integers(self.rows))
            by_lot, least = worth + self.lots[plays, at : at + self.rows], 1.0
        first = np.argpartition(by_lot, self.rows - due, axis=1)[:, self.rows - due :]
        first += np.arange(0, counts.size, self.rows)[:, None]
        taken = first.ravel()[by_lot.ravel()[first.ravel()] > least]
        counts.ravel()[taken] = 0
        age.ravel()[taken] = 0  # a row without updates is not saved: it grows older
        return counts, age

    def even(self) -> Floats:
        """A number from 0 to 1 for each play, spread evenly over those of a group."""
        each = self.size // _GROUPS
        order = self.lot.permuted(np.tile(np.arange(each), (_GROUPS, 1)), axis=1).ravel()
        numbers: Floats = (order + self.lot.random(self.size)) / each
        return numbers


def _played(
    order: str,
    access: Access,
    slot_s: float,
    warned_rows: float,
    chances: tuple[Chances, Chances],
    length: int,
    seed: int,
) -> Followed:
    of_plays = _Plays(order, access, slot_s, seed)
    size, total = of_plays.size, of_plays.updates.sum()
    planned = np.zeros(size, dtype=bool)  # whether the last save was; the beginning is none
    weight = np.ones(size)
    found = Followed(*(np.zeros((size, length)) for _ in Followed._fields))
    for at in range(length):
        stale = of_plays.counts.sum(1) / total
        done, warned, then, goes_on = (
            np.where(planned, *(float(getattr(one, name)) for one in chances))
            for name in ("done", "warned", "then_lost", "goes_on")
        )
        as_planned = of_plays.even() < np.where(goes_on > 0, done / np.maximum(goes_on, 1e-300), 1.0)
        share = of_plays.even()
        before = np.where(planned, *(one.before(share) for one in chances))
        # who goes on from a save on a warning, and those that tell what such a save would leave out
        branch = ~as_planned
        branch[of_plays.probes] = True
        plays = np.flatnonzero(branch)
        then_counts, then_age = of_plays.saved(plays, before[plays], round(warned_rows * of_plays.rows))
        probed = then_counts[np.searchsorted(plays, of_plays.probes)].sum(1) / total
        struck, left_then = 1 - done - warned, np.repeat(probed.reshape(_GROUPS, -1).mean(1), size // _GROUPS)
        found.weight[:, at], found.stale[:, at] = weight, weight * stale
        found.lost[:, at] = weight * (struck * stale + warned * then * left_then)
        found.told[:, at], found.struck[:, at] = weight * warned * then, weight * struck
        on_plan, on_warning = np.flatnonzero(as_planned), ~as_planned[plays]
        due = rows_due(at, access.priority_fraction, of_plays.rows)
        counts, age = of_plays.saved(on_plan, np.ones(on_plan.size), due)
        of_plays.counts[on_plan], of_plays.age[on_plan] = counts, age
        of_plays.counts[plays[on_warning]] = then_counts[on_warning]
        of_plays.age[plays[on_warning]] = then_age[on_warning]
        planned, weight = as_planned, weight * goes_on
    return Followed(*(part.reshape(_GROUPS, -1, length).mean(1) for part in found))


def _listed(access: Access, slot_s: float, chances: tuple[Chances, Chances], length: int) -> Followed:
    """CPR-SSU's list, counted: each save takes all of it, and there is room for that on a warning, too."""
    classes, fraction = classes_of(access).binned(slot_s, _CLASSES), access.priority_fraction
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)

    @cache
    def of(slots: float) -> tuple[Floats, Floats]:
        one = listed(Classes(classes.updates * slots, classes.count), fraction)
        return one.saved, one.left

    def on_warning(one: Chances) -> tuple[Floats, Floats]:
        each = [of(float(slots)) for slots in one.before((nodes + 1) / 2)]
        saved, left = (np.tensordot(weights / 2, np.array(parts), 1) for parts in zip(*each, strict=True))
        return saved, left

    whole, warned = of(1.0), [on_warning(one) for one in chances]
    total = classes.total_updates
    # of shards whose last save was planned, and of others: how many there are, and what is left out of each class
    shares, left = [0.0, 1.0], [np.zeros(classes.updates.shape), np.zeros(classes.updates.shape)]
    found = Followed(*(np.zeros((1, length)) for _ in Followed._fields))
    for at in range(length):
        stale = [float(classes.count @ one) / total for one in left]
        lost, coming, more = 0.0, [0.0, 0.0], [np.zeros(classes.updates.shape), np.zeros(classes.updates.shape)]
        told, struck = 0.0, 0.0
        for one, share, had, old, (chance, rest) in zip(chances, shares, left, stale, warned, strict=True):
            then = had * (1 - chance) + share * rest
            planned = had * (1 - whole[0]) + share * whole[1]
            lost += (1 - one.done - one.warned) * old
            lost += one.warned * one.then_lost * float(classes.count @ then) / total
            told, struck = told + share * one.warned * one.then_lost, struck + share * (1 - one.done - one.warned)
            goes = one.done, one.warned * (1 - one.then_lost)
            for to, (chance_to, what) in enumerate(zip(goes, (planned, then), strict=True)):
                coming[to] += share * chance_to
                more[to] = more[to] + chance_to * what
        found.weight[0, at], found.stale[0, at], found.lost[0, at] = sum(shares), sum(stale), lost
        found.told[0, at], found.struck[0, at] = told, struck
        shares, left = coming, more
    return found
