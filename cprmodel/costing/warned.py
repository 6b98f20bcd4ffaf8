r"""The long run of saves to levels where failures are announced (see :mod:`cprmodel.costing.storage`).

A save on a warning goes to one level, m. What lies between two saves of that level or a higher one is a block of
level m; a warned save that completes ends the attempt at it, and the block begins anew with all that was done: no
planned save is spared by it, and none comes sooner. A true announcement's failure follows at once; where it needs a
level above m, it takes what a failure there takes.

So a block has a third way to end: it is *done* with its planned save, it *fails* towards a level that everybody
must return to, or it is *warned*, with some work done. Below m a warned block ends that of the next level, too; at
m it begins again, at the price of no work. With a the probability that a block of the level below is done, b that
it is done and nothing takes what the given shard has saved before it, the blocks of a level are

.. math:: \sum_{k<n} a^k, \qquad \sum_{k<n} \sum_{i<k} a^i b^{k-1-i}

times what each of them comes to, which are added up by doubling (:mod:`cprmodel.costing.folded`). [derived
here; simulated in tests/costing/test_storage.py]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.announced import announcement
from cprmodel.costing.course import Course, LongRun
from cprmodel.costing.folded import folded
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY

__all__ = ["Block", "Stretch", "Stretches", "WarnedRun", "ahead_of", "stretches", "warned"]


def warned(course: Course, run: WarnedRun | None = None) -> LongRun:
    """From a complete save of the last level until the next planned one; failures and warnings lie between.

    ``run``: one that loses more than these saves would if they were of everything.
    """
    run = WarnedRun(course) if run is None else run
    pattern = run.pattern()
    work = course.tau * course.periods[-1] * pattern.done + pattern.more
    saves = course.saving_s(course.top) * pattern.done + pattern.saving
    activity, load, reschedule = pattern.sums[-3:]
    spent = Breakdown(saves, load, activity - work - saves, reschedule)
    on_warning = pattern.saves * run.writes if run.level == course.top else 0.0
    return course.found(work, spent, pattern.kept, *course.written_to_last(pattern.done, on_warning, run.save_s))


class Stretch(NamedTuple):
    """What lies between two complete saves to the last level, planned or on a warning; probabilities, and [s]."""

    done: float  #: it ends with a planned save, and nothing took what the last save there left out
    warned: float  #: the same with a save on a warning
    planned: float  #: it ends with a planned save, whatever was taken
    kept_s: float  #: work that a shard keeps in it, were it ended so
    kept_then_s: float  #: the same, were it ended by a save on a warning
    ahead_s: float  #: work in it, were it so ended and nothing taken


class Stretches(NamedTuple):
    """Those after a planned save, which may have drained, and those after others; and what is at risk in them."""

    after_planned: Stretch
    after_other: Stretch
    slot_s: float  #: work between two planned saves without one on a warning, that in void drains included
    work_s: float  #: work of one, on average
    carry_s: float  #: work done while a planned save drains
    then_lost: float  #: probability that the failure after a warned save takes what that left out
    then_hit: float  #: … and hits the given shard
    hit_per_s: float  #: in a second of work, failures that need the last level and hit the given shard
    lost_per_s: float  #: the same, and those after which everybody returns there
    leaves_per_s: float  #: the same, and complete saves on a warning there


def stretches(course: Course) -> Stretches:
    """Of one interval; of saves on a warning to a lower level, all end with a planned save to the last one."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        return WarnedRun(course).stretches()


class Block(NamedTuple):
    """What a block comes to until it is done, warned or fails; expectations."""

    done: Any  # probability
    warned: Any  # probability that a warned save completes, after which nobody must return further than to it
    #: How often the shard is hit, and everybody returns to each level; then activity, loads and rescheduling [s].
    sums: tuple[Any, ...]
    ahead: Any = 0.0  # work done when it is warned, were it
    spent: Any = 0.0  # time of complete saves by then
    kept: Any = 0.0  # work that nothing takes from the shard, were it done
    kept_then: Any = 0.0  # … were it warned
    more: Any = 0.0  # work beyond what is planned, were it done
    saves: Any = 0.0  # complete warned saves to which nobody had to return further, were it done
    saving: Any = 0.0  # time of these, and of planned ones that they came after


class WarnedRun:
    """The recursion: one segment, blocks of them, and a pattern between two planned saves of the last level."""

    def __init__(self, course: Course) -> None:
        announced = course.saving.warned
        assert announced is not None
        self.course, self.top = course, course.top
        self.level = course.saving.warned_level
        self.writes = announced.writes
        rate, stops = course.rate, course.stops
        other, told = stops.unannounced or stops, stops.announced or stops
        first, warnings = (1 - announced.recall) * rate, announced.recall * rate / announced.precision
        each = announcement(announced, rate)
        # in a second of work: failures that find it unsaved, by what they come to, and complete warned saves
        pairs = (other, first), (stops, warnings * each.void), (told, warnings * each.missed)
        self.back = [sum(often * one.back[at] for one, often in pairs) for at in range(self.top + 1)]
        self.hit = [sum(often * one.hit[at] for one, often in pairs) for at in range(self.top + 1)]
        self.saved, self.save_s = warnings * each.saved, each.saving_s / each.saved
        # after a complete save the announced failure, unless it was none: what needs a higher level
        then = (told, each.then_told / each.saved), (stops, each.then_other / each.saved)
        self.then, above = then, range(self.level + 1, self.top + 1)
        self.then_back = [
            sum(p * one.back[at] for one, p in then) if at in above else 0.0 for at in range(self.top + 1)
        ]
        self.then_hit = [
            sum(p * one.hit[at] for one, p in then) if at in above else 0.0 for at in range(self.top + 1)
        ]
        after = [(one, self.saved * p) for one, p in then]
        self.spent = (
            1 + warnings * each.activity_s,
            sum(often * one.load_s for one, often in (*pairs, *after)),
            sum(often * one.reschedule_s for one, often in (*pairs, *after)),
        )
        self.known: dict[tuple[Any, ...], Any] = {}

    def _once(self, key: tuple[Any, ...], find: Callable[[], Any]) -> Any:
        if key not in self.known:
            self.known[key] = find()
        return self.known[key]

    def pattern(self) -> Block:
        """What lies between two planned saves of the last level; ``done`` is how many of them that is.

        Where warned saves go to the last level there may hardly be a planned one: then it is what lies between them
        times the probability that an attempt at one succeeds.
        """
        top = self.top
        if self.level < top:
            return self.block(top, top, True, None)
        first, other = self.attempt(top, top, self.course.carries, None), self.attempt(top, top, False, None)
        begins = first.sums[1 + top] + first.warned
        first, other = self._with_warned(first), self._with_warned(other)
        if not self.course.carries:
            return other
        sums = tuple(a * other.done + begins * b for a, b in zip(first.sums, other.sums, strict=True))
        pairs = zip(first, other, strict=True)
        found = Block(*(sums if a is first.sums else a * other.done + begins * b for a, b in pairs))
        return found._replace(done=other.done)

    def stretches(self) -> Stretches:
        """Attempts at a block of the last level, begun again where everybody returned to its beginning."""
        top, course = self.top, self.course
        first, other = self.attempt(top, top, course.carries, None), self.attempt(top, top, False, None)
        ends = other.done + other.warned
        again = first.sums[1 + top] / ends if course.carries else 1 / ends - 1
        alike = first if course.carries else other
        unhit = [self.attempt(top, top, carried, top) for carried in (course.carries, False)]
        whole = [
            (
                alike.done + again * other.done,
                alike.kept + again * other.kept,
                alike.kept_then + again * other.kept_then,
            ),
            (other.done / ends, other.kept / ends, other.kept_then / ends),
        ]
        after_planned, after_other = (
            Stretch(*(_number(part) for part in (one.done, one.warned, *parts, one.ahead)))
            for one, parts in zip(unhit, whole, strict=True)
        )
        run, work = self.pattern(), course.tau * course.periods[-1]
        each = work * run.done + run.more
        more = 0.0
        if self.level == top:  # the pattern is then one of many attempts
            each = each / ends / (1 - after_planned.planned + after_other.planned)
            more = _number(alike.more) / _number(alike.done) if course.carries and _number(alike.done) else 0.0
        else:
            more = _number(each - work)
        hits = self.hit[top] + self.saved * self.then_hit[top]
        backs = self.back[top] + self.saved * self.then_back[top]
        then_hit = sum(p * one.hit[top] for one, p in self.then)
        lost = then_hit + sum(p * one.back[top] for one, p in self.then)
        return Stretches(
            after_planned,
            after_other,
            slot_s=_number(work) + more,
            work_s=_number(each),
            carry_s=_number(course.carry) if course.carries else 0.0,
            then_lost=_number(lost) if self.level == top else 0.0,
            then_hit=_number(then_hit) if self.level == top else 0.0,
            hit_per_s=_number(hits),
            lost_per_s=_number(hits + backs),
            leaves_per_s=_number(hits + backs + (self.saved if self.level == top else 0.0)),
        )

    def _with_warned(self, once: Block) -> Block:
        """An attempt at a block of the last level, with what it keeps where it is warned."""
        return once._replace(
            kept=once.kept + once.kept_then,
            more=once.more + once.ahead,
            saves=once.saves + once.warned,
            saving=once.saving + once.spent + once.warned * self.save_s,
        )

    def attempt(self, level: int, end: int, first: bool, unhit: int | None) -> Block:
        """One attempt at a block, which everybody's return to its beginning ends, too; as :meth:`block` else."""
        return self.blocks(level, end, first, unhit) if level else self._segment(end, first, unhit)

    def block(self, level: int, end: int, first: bool, unhit: int | None) -> Block:
        """A block that ends in a save of level ``end``, or the first one after a drain.

        With ``unhit`` a hit that takes what the shard has saved below that level ends it, too.
        """
        first = first and self.course.carries

        def find() -> Block:
            return self._again(self.attempt(level, end, first, unhit), level, end, first, unhit)

        return self._once((level, end, first, unhit), find)  # type: ignore[no-any-return]

    def _again(self, once: Block, level: int, end: int, first: bool, unhit: int | None) -> Block:
        """A block that begins again where everybody must return to its beginning, and after a warned save."""
        here = level == self.level
        begins = once.sums[1 + level]
        if first:
            whole = self.block(level, end, False, unhit)
            begins = begins + once.warned if here else begins
            found = Block(*_added(once, whole, begins))
            done = whole.done
        else:
            failed = once.sums[0] + sum(once.sums[2 + level : self.top + 2])
            ends = once.done + failed + (0.0 if here else once.warned)
            found = Block(*_divided(once, ends))
            done = found.done
        if not here or unhit is not None:
            return found._replace(warned=0.0 * once.warned) if here else found
        over = 1.0 if first else ends
        kept: Any = found.kept
        if self.course.loses:
            kept = kept + once.kept_then * self._kept_on(level, end) / over
        return found._replace(
            warned=0.0 * once.warned,
            ahead=0.0,
            spent=0.0,
            kept=kept,
            kept_then=0.0,
            more=found.more + once.ahead * done / over,
            saves=found.saves + once.warned * done / over,
            saving=found.saving + (once.spent + once.warned * self.save_s) * done / over,
        )

    def _kept_on(self, level: int, end: int) -> Any:
        """Probability that a block is done, and what a warned save has put below it is kept."""
        return self.block(level, end, False, level + 1).done

    # one segment: work, and a save of level ``end``

    def _segment(self, end: int, first: bool, unhit: int | None) -> Block:
        course, stops, rate = self.course, self.course.stops, self.course.rate
        carry = course.carry if first else 0.0
        work = course.tau - carry
        taken = 0.0 if unhit is None else sum(self.hit[unhit:])
        hit = 0.0 if unhit is None else sum(stops.hit[unhit:])
        then = sum(self.then_hit[self.level + 1 if unhit is None else max(unhit, self.level + 1) :])
        then = 0.0 if unhit is None else then
        back = sum(stops.back)
        leaves = sum(self.back) + taken + self.saved
        reached, busy = np.exp(-leaves * work), work * NUMPY.exprel(-leaves * work)
        struck = course.struck(end)
        goes = reached / (1 - struck + (back + hit) * struck)
        done, stay = goes * (1 - struck), 1 - sum(self.then_back) - then
        saved = busy * self.saved
        fails = [
            busy * one + goes * struck * other + saved * beyond
            for one, other, beyond in zip(self.back, stops.back, self.then_back, strict=True)
        ]
        sums = (
            busy * taken + goes * struck * hit + saved * then,
            *fails,
            busy * self.spent[0] + goes * struck / rate,
            busy * self.spent[1] + goes * struck * stops.load_s,
            busy * self.spent[2] + goes * struck * stops.reschedule_s,
        )
        ahead = ahead_of(leaves, work, reached)
        found = Block(done, saved * stay, sums, ahead=self.saved * stay * (carry * busy + ahead))
        if unhit is not None:
            return found
        again, drains = 1 - back, course.carries and end == self.top
        tries = 1 / (1 - struck + back * struck)
        found = found._replace(more=done * again * course.void * tries if drains else 0.0 * done)
        if not course.loses:
            return found
        hits, hitting = course.hits, sum(self.hit)
        unhit_save = 1 / (1 - struck + (back + hits) * struck)
        held = carry * np.exp(-hitting * work) + work * NUMPY.exprel(-hitting * work)
        kept = reached * (1 - struck) * unhit_save * held
        if drains:
            kept = kept + done * unhit_save * (again - hits) * course.void
        unhit_busy = work * NUMPY.exprel(-(leaves + hitting) * work)
        few = ahead - hitting * work**3 * reached * NUMPY.phi3(leaves * work)
        many = (busy - unhit_busy) / np.where(hitting == 0, 1.0, hitting)
        since = np.where(hitting * work < 1e-4, few, many)  # the integral of (1 − e^(−hu))/h
        spared = stay - sum(self.then_hit)
        return found._replace(kept=kept, kept_then=self.saved * spared * (carry * unhit_busy + since))

    # blocks of the level below, one after the other

    def blocks(self, level: int, end: int, first: bool, unhit: int | None) -> Block:
        """One attempt at a block of a level but the first."""
        course, below = self.course, level - 1
        alone = course.counts[level - 1] == 1
        only = self.block(below, end, first, unhit)
        if alone.all():
            return only
        head, last = self.block(below, below, first, unhit), self.block(below, end, False, unhit)
        one = self.block(below, below, False, unhit)
        kept_on = self.block(below, below, False, level if unhit is None else unhit)
        between = course.counts[level - 1] - 2
        mid = self._once(("mid", level, unhit), lambda: folded(one.done, kept_on.done, between))
        same = self._once(("same", level, unhit), lambda: folded(one.done, one.done, between))
        begun, reached = head.done * mid.sum_a, head.done * mid.power_a

        def through(name: Callable[[Block], Any]) -> Any:
            return name(head) + begun * name(one) + reached * name(last)

        parts = zip(head.sums, one.sums, last.sums, strict=True)
        found = Block(
            reached * last.done,
            through(lambda of: of.warned),
            tuple(a + begun * b + reached * c for a, b, c in parts),
        )
        if unhit is None:
            before = head.done * (mid.sum_a + one.done * same.both) * one.warned  # blocks before one that is warned
            before = before + (between + 1) * reached * last.warned
            found = found._replace(
                ahead=through(lambda of: of.ahead) + course.tau * course.periods[below] * before,
                spent=through(lambda of: of.spent) + course.saving_s(below) * before,
            )
            for name in ("more", "saves", "saving"):
                a, b, c = (getattr(of, name) for of in (head, one, last))
                value = (a * mid.power_a + head.done * b * same.difference) * last.done + reached * c
                found = found._replace(**{name: value})
        if unhit is None and course.loses:
            last_on = self.block(below, end, False, level)
            held = head.kept * mid.power_b + head.done * one.kept * mid.difference  # when the last one begins
            middle = head.kept * mid.sum_b + head.done * one.kept * mid.both
            found = found._replace(
                kept=held * last_on.done + reached * last.kept,
                kept_then=through(lambda of: of.kept_then) + middle * kept_on.warned + held * last_on.warned,
            )
        return found if not alone.any() else Block(*_either(alone, only, found))


def _number(value: Any) -> float:
    """The one number of an array."""
    return float(np.ravel(value)[0])


def ahead_of(leaves: Any, work: Any, reached: Any) -> Any:
    """The integral of u e^(−leaves u) up to the end of the work."""
    x = leaves * work
    far = (1 - reached * (1 + x)) / np.where(leaves == 0, 1.0, leaves) ** 2
    return np.where(x < 1, work**2 * reached * NUMPY.phi2(x), far)


def _added(once: Block, whole: Block, begins: Any) -> Sequence[Any]:
    """An attempt, and the whole block where it begins again."""
    sums = tuple(a + begins * b for a, b in zip(once.sums, whole.sums, strict=True))
    return [sums if one is once.sums else one + begins * other for one, other in zip(once, whole, strict=True)]


def _divided(once: Block, ends: Any) -> Sequence[Any]:
    """Attempts until one of them ends the block."""
    return [tuple(part / ends for part in one) if one is once.sums else one / ends for one in once]


def _either(alone: Any, only: Block, found: Block) -> Sequence[Any]:
    """Where a block is one of the level below, that one."""
    sums = tuple(np.where(alone, a, b) for a, b in zip(only.sums, found.sums, strict=True))
    pairs = zip(only, found, strict=True)
    return [sums if one is only.sums else np.where(alone, one, other) for one, other in pairs]
