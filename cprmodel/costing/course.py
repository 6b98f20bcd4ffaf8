"""The recursion of :mod:`cprmodel.costing.storage`: segments, blocks of them, and a pattern between two drains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from operator import mul
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.stops import Stops
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY
from cprmodel.facts.storage import SaveLevel, StoredSave

__all__ = ["Course", "LongRun", "save_times_s", "spared_in", "struck_in"]


@dataclass(frozen=True)
class LongRun:
    """What training comes to in the long run; fractions of the useful time. Arrays where the interval is one."""

    breakdown: Breakdown
    pls: Any
    work_s: Any  #: useful work of a pattern of saves, that in void drains included [s]
    writes: Any  #: whole checkpoints' worth of bytes in complete saves to the last level, per second of useful work
    io_s: Any  #: time that these saves write to the last level's storage, per second of useful work
    drains: Any  #: work done while a save drains, over the interval; above 1 none of this is so


class _Block(NamedTuple):
    """A block, or the first one after a drain: until it is done or fails."""

    success: Any
    activity: Any
    kept: Any = 0.0  # expected work in it that nothing takes, were it done
    more: Any = 0.0  # expected work, in drains that were void, that it does beyond its own, were it done


class _Attempt(NamedTuple):
    """One attempt at a segment: how it goes, and the probabilities that it begins again and that it need not."""

    block: _Block
    again: Any
    ends: Any


def save_times_s(saving: StoredSave, interval_s: Any, periods: Any = None) -> tuple[list[Any], Any]:
    """How long the save of each level blocks training, and how long the last one drains [s]."""
    within = saving.periods if periods is None else periods
    shares = [saving.written(np.multiply(interval_s, segments)) for segments in within]
    blocking = [one.stall_s + one.save_s * share for one, share in zip(saving.levels, shares, strict=True)]
    return blocking, saving.drain_s * shares[-1]


def struck_in(level: SaveLevel, blocking: Any, drain: Any, rate: Any) -> Any:
    """Probability that a failure strikes a save that blocks for so long (on average) and then drains."""
    if level.scatter is None:
        return -np.expm1(-rate * (blocking + drain))
    struck, other = level.scatter.struck(rate * blocking), -np.expm1(-rate * drain)
    return struck + other - struck * other


def spared_in(level: SaveLevel, blocking: Any, rate: Any) -> Any:
    """Probability that no failure strikes while a save blocks for so long (on average)."""
    return np.exp(-rate * blocking) if level.scatter is None else level.scatter.spared(rate * blocking)


class Course:
    """One way to save, at intervals and with numbers of saves that may be arrays."""

    def __init__(self, saving: StoredSave, interval: Any, mtbf_s: Any, stops: Stops, counts: Sequence[Any]) -> None:
        self.saving, self.tau, self.stops = saving, interval, stops
        self.rate = 1 / mtbf_s
        self.counts = [np.atleast_1d(np.asarray(one, dtype=float)) for one in counts]
        self.periods = list(accumulate(self.counts, mul, initial=1.0))
        self.blocking, self.drain = save_times_s(saving, interval, self.periods)
        self.carry = saving.overlap * self.drain  # work done while a save drains
        self.drains = bool(np.any(np.greater(saving.drain_s, 0)))  # these are alike for all jobs
        self.carries = self.drains and bool(np.any(np.greater(saving.overlap, 0)))
        self.hits = sum(stops.hit)
        self.loses = bool(np.any(np.greater(self.hits, 0)))
        self.top = len(self.blocking) - 1
        self.void = saving.overlap * self._in_void_drains() if self.carries else 0.0
        self.known: dict[tuple[Any, ...], Any] = {}

    def _once(self, key: tuple[Any, ...], find: Callable[[], Any]) -> Any:
        if key not in self.known:
            self.known[key] = find()
        return self.known[key]

    # one segment: work, and a save of level ``end``

    def struck(self, end: int) -> Any:
        """Probability that a save, its drain included, is struck."""
        drain = self.drain if end == self.top else 0.0
        level = self.saving.levels[end]
        return self._once(("struck", end), lambda: struck_in(level, self.blocking[end], drain, self.rate))

    def complete_s(self, level: int) -> Any:
        """Time that the complete ones of the saves to a level block training, on average [s]."""

        def find() -> Any:
            scatter, blocking = self.saving.levels[level].scatter, self.blocking[level]
            if scatter is None:
                return blocking
            x = self.rate * blocking
            return blocking * scatter.spent(x) / scatter.spared(x)

        return self._once(("complete", level), find)

    def _taken(self, level: int | None) -> Any:
        """Probability that a failure takes from the shard what was saved below a level; 0 for no level."""
        return 0.0 if level is None else self._once(("taken", level), lambda: sum(self.stops.hit[level:]))

    def _reached(self, work: str, kept_below: int | None) -> tuple[Any, Any]:
        """Probability that work is done before a failure ends it, and how long it goes on."""

        def find() -> tuple[Any, Any]:
            x = -self.rate * (sum(self.stops.back) + self._taken(kept_below)) * self._work(work)
            return np.exp(x), self._work(work) * NUMPY.exprel(x)

        return self._once(("reached", work, kept_below), find)  # type: ignore[no-any-return]

    def _work(self, work: str) -> Any:
        return self.tau if work == "whole" else self.tau - self.carry

    def _unhit(self, work: str) -> Any:
        """Expected work that nothing hits before the save, were its end reached."""

        def find() -> Any:
            length, carry = self._work(work), 0.0 if work == "whole" else self.carry
            x = -self.rate * self.hits * length
            return carry * np.exp(x) + length * NUMPY.exprel(x)

        return self._once(("unhit", work), find)

    def _attempt(self, end: int, work: str) -> _Attempt:
        back, rate = self.stops.back, self.rate
        fails = sum(back)
        struck, again = self.struck(end), 1 - fails  # … that a failure lets the save begin again
        reached, busy = self._reached(work, None)
        tries = 1 / (1 - struck + fails * struck)
        goes = reached * tries
        success = goes * (1 - struck)
        failed = rate * busy + goes * struck
        begins_again, ends = back[0] * failed, success + (fails - back[0]) * failed
        activity = busy + goes * struck / rate
        kept: Any = 0.0
        more: Any = 0.0
        drains = self.carries and end == self.top
        if drains:
            more = success * again * self.void * tries
        if self.loses:  # what is kept: nothing hits the shard until the save is complete
            unhit = 1 / (1 - struck + (fails + self.hits) * struck)
            kept = reached * (1 - struck) * unhit * self._unhit(work)
            if drains:
                kept = kept + success * unhit * (again - self.hits) * self.void
        return _Attempt(_Block(success, activity, kept, more), begins_again, ends)

    def _in_void_drains(self) -> Any:
        """Expected time of drain before a failure strikes it, those that none strikes apart [s]."""
        blocking, drain, rate = self.blocking[-1], self.drain, self.rate
        spared = np.exp(-rate * (blocking + drain))
        if self.saving.levels[-1].scatter is not None:
            spared = spared_in(self.saving.levels[-1], blocking, rate) * np.exp(-rate * drain)
        return spared * rate * drain**2 * NUMPY.phi2(rate * drain)

    def _segment(self, end: int, first: bool) -> _Block:
        if not first:
            whole, _, ends = self._attempt(end, "whole")
            return _Block(*(value / ends for value in whole))
        short, again, _ = self._attempt(end, "short")
        return _Block(*(one + again * value for one, value in zip(short, self._block(0, end, False), strict=True)))

    def _segment_success(self, end: int, kept_below: int) -> Any:
        """Probability that a segment is done, and what was saved below a level is kept."""
        back, rate = self.stops.back, self.rate
        fails = sum(back) + self._taken(kept_below)
        struck = self.struck(end)
        reached, busy = self._reached("whole", kept_below)
        goes = reached / (1 - struck + fails * struck)
        success = goes * (1 - struck)
        return success / (success + (fails - back[0]) * (rate * busy + goes * struck))

    # blocks of segments

    def _success(self, level: int, end: int, kept_below: int) -> Any:
        """Probability that a block is done, and what the shard has saved below a level is kept."""

        def find() -> Any:
            if level == 0:
                return self._segment_success(end, kept_below)
            one, last = self._success(level - 1, level - 1, kept_below), self._success(level - 1, end, kept_below)
            done = _power(one, self.counts[level - 1] - 1) * last
            share = self._share(level, kept_below)
            return done / (1 - share + share * done)

        return self._once(("success", level, end, kept_below), find)

    def _share(self, level: int, kept_below: int | None) -> Any:
        """Of the failures that end a block, those after which it begins again."""

        def find() -> Any:
            beyond = np.asarray(sum(self.stops.back[level:]) + self._taken(kept_below))
            return np.where(beyond > 0, self.stops.back[level] / np.where(beyond > 0, beyond, 1.0), 0.0)

        return self._once(("share", level, kept_below), find)

    def _block(self, level: int, end: int, first: bool) -> _Block:
        find = self._segment if level == 0 else partial(self._new_block, level)
        first = first and self.carries
        return self._once(("block", level, end, first), lambda: find(end, first))  # type: ignore[no-any-return]

    def _new_block(self, level: int, end: int, first: bool) -> _Block:
        attempt = self._blocks(level, end, first)
        share = self._share(level, None)
        if not first:
            ends = 1 - share + share * attempt.success
            return _Block(*(value / ends for value in attempt))
        again = (1 - attempt.success) * share
        whole = self._block(level, end, False)
        return _Block(*(value + again * rest for value, rest in zip(attempt, whole, strict=True)))

    def _middle(self, level: int) -> tuple[Any, Any, Any, Any]:
        """Of all blocks of the level below but the first and the last: a^n, 1 + a + …, b^n, (a^n − b^n)/(a − b)."""

        def find() -> tuple[Any, Any, Any, Any]:
            below, count = level - 1, self.counts[level - 1] - 2
            a = self._block(below, below, False).success
            powers = _power(a, count)
            sums = _differences(1.0, a, count, 1.0, powers)
            if not self.loses:
                return powers, sums, 0.0, 0.0
            b = self._success(below, below, level)
            unhit = _power(b, count)
            return powers, sums, unhit, _differences(a, b, count, powers, unhit)

        return self._once(("middle", level), find)  # type: ignore[no-any-return]

    def _alone(self, level: int) -> tuple[Any, bool, bool]:
        """Where a block is one of the level below: which, whether any, whether all."""

        def find() -> tuple[Any, bool, bool]:
            alone = self.counts[level - 1] == 1
            return alone, bool(alone.any()), bool(alone.all())

        return self._once(("alone", level), find)  # type: ignore[no-any-return]

    def _blocks(self, level: int, end: int, first: bool) -> _Block:
        """One attempt at a block: so many of the level below, the last of which ends in a save of another level."""
        below = level - 1
        alone, any_alone, all_alone = self._alone(level)
        if all_alone:
            return self._block(below, end, first)
        last, one = self._block(below, end, False), self._block(below, below, False)
        head = self._block(below, below, first)
        powers, sums, unhit_powers, unhit_sums = self._middle(level)
        before = head.success * powers
        kept: Any = 0.0
        if self.loses:
            kept = head.kept * unhit_powers + head.success * one.kept * unhit_sums
            kept = kept * self._success(below, end, level) + before * last.kept
        activity = head.activity + head.success * one.activity * sums + before * last.activity
        found = _Block(before * last.success, activity, kept, before * last.more)
        if not any_alone:
            return found
        only = self._block(below, end, first)
        return _Block(*(np.where(alone, a, b) for a, b in zip(only, found, strict=True)))

    # what saves in an order of the rows left out

    def stale_lost(self) -> Any:
        """Probability that what a save to the last level left out is lost before the next one is complete.

        A failure that needs that level takes it, of the given shard or where everybody rolls back.
        """
        return 1 - self.untaken(self.top, self.top, True, self.top)

    def untaken(self, level: int, end: int, first: bool, of: int) -> Any:
        """Probability that a block is done without a failure that takes what saves to a level ``of`` left out.

        Such a failure needs that level or a higher one; it takes it of the given shard, or sends everybody back.
        ``level``, of the block, is at most ``of``; ``end``: of the save at its end.
        """
        first = first and self.carries

        def find() -> Any:
            if level == 0:
                return self._segment_untaken(end, first, of)
            below, count = level - 1, self.counts[level - 1]
            head, one, last = (
                self.untaken(below, at, start, of) for at, start in ((below, first), (below, False), (end, False))
            )
            done = head * _power(one, np.maximum(count - 2, 0)) * last
            done = np.where(count == 1, self.untaken(below, end, first, of), done)
            if level == of:
                return done
            share = self._share(level, of)
            if first:
                return done + (1 - done) * share * self.untaken(level, end, False, of)
            return done / (1 - share + share * done)

        return self._once(("untaken", level, end, first, of), find)

    def _segment_untaken(self, end: int, first: bool, of: int) -> Any:
        back, fails = self.stops.back[0], sum(self.stops.back) + self._taken(of)
        struck = self.struck(end)
        reached, busy = self._reached("short" if first else "whole", of)
        goes = reached / (1 - struck + fails * struck)
        done, failed = goes * (1 - struck), self.rate * busy + goes * struck
        if of == 0:
            return done
        if first:
            return done + back * failed * self.untaken(0, end, False, of)
        return done / (done + (fails - back) * failed)

    def done(self, level: int, end: int, first: bool) -> Any:
        """Probability that a block is done before everybody must return beyond its beginning."""
        return self._block(level, end, first).success

    def unhit(self, level: int, end: int, above: int) -> Any:
        """Probability that it is, and no failure that needs a level ``above`` hits the given shard."""
        return self._success(level, end, above)

    def kept(self, level: int, end: int) -> Any:
        """Work of a block that the given shard keeps, were it done [s]."""
        block = self._block(level, end, False)
        return block.kept / block.success

    def nested(self) -> LongRun:
        """Blocks within blocks, each pattern after a complete drain."""
        pattern = self._block(self.top, self.top, first=True)
        planned = self.tau * self.periods[-1]
        work = planned + pattern.more
        saves = self.saving_s(self.top)
        stopped = self.rate * pattern.activity
        lost = pattern.activity - planned - saves - pattern.more
        spent = Breakdown(saves, stopped * self.stops.load_s, lost, stopped * self.stops.reschedule_s)
        return self.found(work, spent, pattern.kept, *self.written_to_last(1.0))

    def saving_s(self, level: int) -> Any:
        """Time that the complete saves of a block take from training."""
        blocks = [
            self.periods[level] / one for one in self.periods[: level + 1]
        ]  # saves to a level or a higher one
        numbers = [n - m for n, m in zip(blocks, [*blocks[1:], 0.0], strict=True)]
        drain = self.drain - self.carry if level == self.top else 0.0
        return sum(n * self.complete_s(at) for at, n in enumerate(numbers)) + drain

    def written_to_last(self, planned: Any, on_warning: Any = 0.0, warned_s: Any = 0.0) -> tuple[Any, Any]:
        """What so many complete saves to the last level write [whole checkpoints], and for how long [s].

        A save that drains writes while it does, one that does not while it copies; no stall writes. Those on a
        warning take ``warned_s`` each.
        """
        share = self.saving.written(self.tau * self.periods[-1])
        takes = self.drain if self.drains else self.saving.levels[-1].save_s * share
        if self.saving.levels[-1].scatter is not None and not self.drains:
            takes = takes * self.complete_s(self.top) / self.blocking[-1]
        return planned * share + on_warning, planned * takes + on_warning * warned_s

    def found(self, work: Any, spent: Breakdown, kept: Any, writes: Any, io_s: Any) -> LongRun:
        """From what a pattern of saves comes to, on average [s]."""
        return LongRun(
            breakdown=Breakdown(*(part / work for part in spent)),
            work_s=work,
            pls=np.maximum(1 - kept / work, 0.0) if self.loses else np.zeros_like(np.asarray(work)),
            writes=writes / work,
            io_s=io_s / work,
            drains=self.carry / self.tau,
        )


def _power(base: Any, count: Any) -> Any:
    """NumPy squares where n is 2 in some shapes of arrays and not in others, which is another last bit."""
    twice = count == 2
    return np.where(twice, base * base, base**count) if twice.any() else base**count


def _differences(a: Any, b: Any, count: Any, a_power: Any, b_power: Any) -> Any:
    """(a^n − b^n)/(a − b), where they are nearly equal too."""
    gap = a - b
    near = np.abs(gap) <= 1e-9 * np.abs(a)
    if not near.any():
        return (a_power - b_power) / gap
    apart = (a_power - b_power) / np.where(near, 1.0, gap)
    return np.where(near, count * _power((a + b) / 2, count - 1), apart)
