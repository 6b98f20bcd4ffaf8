r"""What an order loses at a level above which everything is saved, now and then.

The first rows go to a level, everything to the others. Whoever reads that level takes the newer of two copies of a
row: the one there, and that of the last save of everything to a higher level. So each of those begins anew: nothing
is left out any more. Between two of them lie n *slots* of work, all but the last of which end with a save of the
first rows. What these left out is lost where a failure needs just their level: of the shard that it hits, or of all
shards where it sends everybody back there. One that needs a higher level takes from a shard all that it learned
since the save of everything, left out or not; where everybody returns there, all is made again.

A slot is done before everybody must return further than to its beginning. Of one that is, let u be the probability
that no failure takes from the given shard what the level holds, and q that none takes what was left out either.
Then a shard has left out after j saves, on average

.. math:: z_j = q^j x_j + (1 - q) \sum_{c < j} q^c \left(y x_{c+1} + (1 - y) x_c\right)

with x of a shard that no failure took anything from, and y as in :class:`~cprmodel.ordering.Unsaved`. Of what n
slots make is lost, beyond what saves of everything would lose,

.. math:: \sum_{j=1}^{n-1} z_j (u - q) u^{n-1-j}

(of the last slot with its own u and q, and of the first one after a drain with its own q). It is taken from what
the shard keeps of that block, and the recursion of ``cprmodel.costing.course`` goes on with that; beside failures
that are announced that of ``cprmodel.costing.warned`` (:mod:`cprmodel.ordering.topped_warned`).
[derived here; played row by row in tests/combinations]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from cprmodel.costing.course import Course, LongRun
from cprmodel.costing.warned import WarnedRun, warned
from cprmodel.facts.special import NUMPY
from cprmodel.facts.storage import StoredSave
from cprmodel.jobs import Access
from cprmodel.ordering.levels import of_lower
from cprmodel.ordering.stale import unsaved
from cprmodel.ordering.topped_slots import Chances, Slots
from cprmodel.ordering.topped_warned import ToppedRun, chances_beside

__all__ = ["Left", "ToppedCourse", "ToppedSave", "at_slot", "left_of", "near_slot"]

#: Intervals of a job that is long enough for what orders leave out to settle.
_INTERVALS = 1000
#: Slots that are played for a search lie in this ratio; between them what they left out is interpolated.
_RATIO = 2.0


@lru_cache(maxsize=512)
def left_of(order: str, access: Access, slot_s: float) -> Any:
    """What saves left out since everything was saved, by their number, over the updates of a slot: of each play.

    Plays × numbers from 0 on; after the last but one nothing changes any more.

    >>> from cprmodel.jobs import Table
    >>> alike = Access(tables=(Table(rows=1000, zipf=0, updates_per_second=100.0),), priority_fraction=0.25)
    >>> left_of("best-fixed", alike, 600.0)[0, :5].round(2).tolist()  # 3/4 of one slot, 1/2 of another, ...
    [0.0, 0.75, 1.25, 1.5, 1.5]
    """
    interval_s = slot_s / access.priority_fraction
    found = unsaved(order, access, _INTERVALS * interval_s, interval_s)
    steady = np.repeat(found.steady_s[:, None], 2, axis=1)
    return np.concatenate([found.stale_s, steady], axis=1) / slot_s


def at_slot(order: str, access: Access) -> Callable[[Any], Any]:
    """Of slots of one length, play by play."""

    def left(slots_s: Any) -> Any:
        return left_of(order, access, float(np.ravel(slots_s)[0]))

    return left


def near_slot(order: str, access: Access) -> Callable[[Any], Any]:
    """Of slots of many lengths: the mean of the plays, straight between those that were played."""

    def mean(step: int) -> Any:
        return left_of(order, access, float(_RATIO**step)).mean(axis=0)

    def left(slots_s: Any) -> Any:
        at = np.log(np.asarray(slots_s, dtype=float)) / np.log(_RATIO)
        low = np.floor(at).astype(int)
        steps, place = np.unique(low, return_inverse=True)
        before, after = (np.array([mean(int(one) + more) for one in steps]) for more in (0, 1))
        place, share = place.reshape(low.shape), (at - low)[..., None]
        return (1 - share) * before[place] + share * after[place]

    return left


@dataclass(frozen=True, eq=False)
class Left:
    """What saves of the first rows leave out."""

    at: int  #: their level
    work_s: float  #: useful work of the job [s]
    of: Callable[[Any], Any]  #: by lengths of slots [s], as :func:`left_of`; a first axis may be plays


class ToppedCourse(Course):
    """The course of saves of the first rows to a level, and of everything to the others."""

    def __init__(self, saving: ToppedSave, interval: Any, mtbf_s: Any, stops: Any, counts: Any) -> None:
        super().__init__(saving, interval, mtbf_s, stops, counts)
        assert saving.left is not None
        self.of, self.at, self.mtbf_s = saving.left, saving.left.at, mtbf_s
        self.whole = Course(saving, interval, mtbf_s, stops, counts)  # were everything in each save
        self.slot_s = self.tau * self.periods[self.at]
        self.run: WarnedRun | None = None
        if saving.warned is not None:
            self.run = WarnedRun(self.whole)
            self.slot_s = self.slot_s + self._more(self.run)

    def _more(self, run: WarnedRun) -> Any:
        """Work that saves on warnings to a lower level put into a slot [s]."""
        if run.level >= self.at:
            return 0.0
        once = run.attempt(self.at, self.at, False, None)
        return once.more / once.done

    @property
    def fresh_pls(self) -> Any:
        """What saves of everything would lose."""
        return self._of_everything().pls

    def _of_everything(self) -> LongRun:
        return self.whole.nested() if self.run is None else warned(self.whole, self.run)

    def nested(self) -> LongRun:
        """Of saves of everything, and what those of the first rows lose besides."""
        whole = self._of_everything()
        mine = super().nested() if self.run is None else warned(self, ToppedRun(self))
        return replace(whole, pls=whole.pls + (mine.pls - whole.pls) * self.share_of_job(whole.work_s))

    def _blocks(self, level: int, end: int, first: bool) -> Any:
        found = super()._blocks(level, end, first)
        if level != self.at + 1 or not self.loses:
            return found
        lost = self.slots(end, first).lost() * self.slot_s * (1 - self.lost_below)
        return found._replace(kept=found.kept - found.success * lost)

    @property
    def lost_below(self) -> Any:
        """Share of a slot's updates that failures take before it ends that need a lower level only."""

        def find() -> Any:
            below = of_lower(self.stops, self.at)
            return self._lost(Course(self.saving, self.tau, self.mtbf_s, below, self.counts))

        return self._once(("lost below",), find)

    def _lost(self, course: Course) -> Any:
        """Share of a slot's updates that is lost before it ends."""
        if not course.loses:
            return np.zeros(np.shape(self.tau))
        if self.run is not None:
            run = self.run if course is self.whole else WarnedRun(course)
            once = run.attempt(self.at, self.at, False, None)
            return 1 - once.kept / once.done / self.slot_s
        return 1 - course.kept(self.at, self.at) / self.slot_s

    def slots(self, end: int, first: bool) -> Slots:
        """A block that ends with a save of everything to a level."""

        def chances(of_end: int, head: bool) -> Chances:
            if self.run is not None:
                return chances_beside(self.run, self.at, of_end, head)
            done = self.done(self.at, of_end, head)
            unhit = done if head else self.unhit(self.at, of_end, self.at + 1)  # nothing is held before the first
            return Chances(self.untaken(self.at, of_end, head, self.at) / done, unhit / done)

        def find() -> Slots:
            each, head, last = chances(self.at, False), chances(self.at, first), chances(end, False)
            x = self.of.of(self.slot_s)
            return Slots.of(x, each, head, last, self.made(each), self.counts[self.at])

        return self._once(("slots", end, first and self.carries), find)  # type: ignore[no-any-return]

    def made(self, each: Chances) -> Any:
        """Of a slot's updates, where a failure takes what was left out, the share that is made after it."""
        taken = 1 - each.untaken
        own = self._lost(self.whole) - self.lost_below  # of a slot's updates that such failures take themselves
        return np.where(taken > 0, np.maximum(taken - own, 0.0) / np.where(taken > 0, taken, 1.0), 1.0)

    def share_of_job(self, work_s: Any) -> Any:
        """What is lost in the job's slots because it was left out, over that in as many of a job without an end.

        ``work_s``: of a pattern. The job begins with everything saved, and its last slot ends with no save.
        """
        slots = self.typical
        number, blocks, rest, ends = self.slots_of_job(work_s)
        lost = slots.lost()
        some = lost > 0
        found = (blocks * lost + slots.lost(ends, rest)) * slots.count / np.where(some, lost * number, 1.0)
        return np.where(some, found, 1.0)

    @property
    def typical(self) -> Slots:
        """Most blocks: after each drain, where the next level is the last one."""
        return self.slots(self.at + 1, self.at + 1 == self.top)

    def each_s(self, work_s: Any) -> Any:
        """Work of a slot on average [s]; where a save on a warning may end one, as long as without any."""
        if self.run is not None and self.run.level > self.at:
            work_s = self.whole.nested().work_s
        return work_s * self.periods[self.at] / self.periods[-1]

    def slots_of_job(self, work_s: Any) -> tuple[Any, Any, Any, Chances]:
        """Slots of the job, complete blocks of them, slots after these, and how the last one ends."""
        slot_s = self.each_s(work_s)
        number, n = self.of.work_s / slot_s, self.counts[self.at]
        saves = NUMPY.intervals(self.of.work_s, slot_s) - 1
        blocks = np.floor(saves / n)
        rest_s = self.of.work_s - saves * slot_s
        higher = self.rate * self._taken(self.at + 1)
        takes = self.rate * (self.stops.hit[self.at] + self.stops.back[self.at])
        if self.run is not None:  # of failures that are announced, only those that void the save
            higher, takes = sum(self.run.hit[self.at + 1 :]), self.run.hit[self.at] + self.run.back[self.at]
        above = np.exp(-rest_s * higher)
        return number, blocks, saves - blocks * n + 1, Chances(above * np.exp(-rest_s * takes), above)


@dataclass(frozen=True)
class ToppedSave(StoredSave):
    """Saves of the first rows to a level, as long as these of everything, and of everything to the others."""

    left: Left | None = None
    course_of: ClassVar[type[Course]] = ToppedCourse

    @classmethod
    def of(cls, timed: StoredSave, left: Left) -> ToppedSave:
        """From saves that take as long."""
        given: dict[str, Any] = {one.name: getattr(timed, one.name) for one in fields(timed)}
        return cls(**given, left=left)
