r"""Storage as it is: what levels, drains, dirty rows and warnings cost and lose together, exactly.

What exactly happens (the simulator plays the same)
    Training works for τ after a save, then saves. A save first blocks training; the last level's may then drain
    while training goes on at speed ω. What is saved is the state at its beginning; it counts from its end. A
    failure meanwhile makes it void: once repaired, it is taken anew, of the state then, and writes as much as
    before.

    Levels: the saves of a level are counted; in the place of every n-th one comes one of the next level. A failure
    needs one level or a higher one: the share ``survives`` of a level says how often it does. Everybody, or the
    failed shards, return to the last save that is of such a level.

    Dirty rows: a save writes what was touched since the last save of its level or a higher one. What is written is
    copied while training is blocked, or drained; a level's stall blocks whatever is written. The store keeps the
    last version of every row, so a load reads everything.

    Warnings: at work, a share r of the failures is announced, a share 1 − p of the announcements is false. On an
    announcement everything is saved just in time; then, if it is true, the failure strikes. A failure in such a
    save makes it void and comes in the place of the announced one. Announcements during other saves and during
    stops are not heeded.

    Recovery, and which failure counts where several are pending: as in the exact makespan.

How it is computed
    Failures, each with all that it brings (:mod:`cprmodel.costing.stops`), are a Poisson process in the time of
    *activity*, which is all time but the stops. A block of level m is a number of blocks below it, one after the
    other; it begins again where everybody must return to its beginning, and fails where they must return further.
    So its probability of success φ and its expected activity α follow from those of the block below,

    .. math:: \varphi_m = \frac{P}{1 - Q}, \qquad P = \varphi_{m-1}^{n-1} \varphi'_{m-1}, \qquad
              Q = (1 - P) \frac{B_m}{\sum_{j \ge m} B_j}

    up from a segment of work and a save. A unit of work is kept where nothing hits its shard until it is saved in a
    level that survives; that probability has the same recursion with those hits among what ends a block. The
    overhead is that of a job much longer than the interval between saves of the last level.
"""

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
from cprmodel.facts.storage import StoredSave

__all__ = ["LongRun", "long_run", "save_times_s"]


@dataclass(frozen=True)
class LongRun:
    """What training comes to in the long run; fractions of the useful time. Arrays where the interval is one."""

    breakdown: Breakdown
    pls: Any
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


def long_run(
    saving: StoredSave, interval_s: Any, mtbf_s: Any, stops: Stops, counts: Sequence[Any] | None = None
) -> LongRun:
    """Overhead and PLS of saving every ``interval_s`` of useful work, in a job much longer than that.

    ``counts``, arrays beside that of the intervals, stand in the place of the saving's own. Of many jobs at once
    where numbers are columns, a row for each (``cprmodel.costing.columns``); a job's come out the same to the
    last bit, alone or among others: all is done with arrays, element by element.
    """
    interval = np.asarray(interval_s, dtype=float)
    if interval.ndim == 0:
        found = long_run(saving, interval[None], mtbf_s, stops, counts)
        parts = Breakdown(*(_only(part) for part in found.breakdown))
        return LongRun(parts, *map(_only, (found.pls, found.writes, found.io_s, found.drains)))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        course = _Course(saving, interval, mtbf_s, stops, saving.counts if counts is None else counts)
        return course.warned() if saving.warned is not None else course.nested()


def _only(value: Any) -> Any:
    """The one number of an array."""
    return np.reshape(value, ())[()]


class _Course:
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

    def _struck(self, end: int) -> Any:
        """Probability that a save, its drain included, is struck."""
        takes = self.blocking[end] + (self.drain if end == self.top else 0.0)
        return self._once(("struck", end), lambda: -np.expm1(-self.rate * takes))

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
        struck, again = self._struck(end), 1 - fails  # … that a failure lets the save begin again
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
        return np.exp(-rate * (blocking + drain)) * rate * drain**2 * NUMPY.phi2(rate * drain)

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
        struck = self._struck(end)
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

    def nested(self) -> LongRun:
        """Blocks within blocks, each pattern after a complete drain."""
        pattern = self._block(self.top, self.top, first=True)
        planned = self.tau * self.periods[-1]
        work = planned + pattern.more
        saves = self._saving()
        stopped = self.rate * pattern.activity
        lost = pattern.activity - planned - saves - pattern.more
        writes, io_s = self._written(1.0)
        return self._found(work, saves, lost, stopped, pattern.kept, writes, io_s)

    def _saving(self) -> Any:
        """Time that the complete saves of a pattern take from training."""
        blocks = [self.periods[-1] / period for period in self.periods]  # saves to a level or a higher one
        numbers = [n - m for n, m in zip(blocks, [*blocks[1:], 0.0], strict=True)]
        return sum(n * c for n, c in zip(numbers, self.blocking, strict=True)) + self.drain - self.carry

    def _written(self, planned: Any, on_warning: Any = 0.0) -> tuple[Any, Any]:
        """What so many complete saves to the last level write [whole checkpoints], and for how long [s].

        A save that drains writes while it does, one that does not while it copies; no stall writes.
        """
        warned_s = self.saving.warned.save_s if self.saving.warned is not None else 0.0
        share = self.saving.written(self.tau * self.periods[-1])
        takes = self.drain if self.drains else self.saving.levels[-1].save_s * share
        return planned * share + on_warning, planned * takes + on_warning * warned_s

    def _found(self, work: Any, saves: Any, lost: Any, failures: Any, kept: Any, writes: Any, io_s: Any) -> LongRun:
        stops = self.stops
        parts = Breakdown(
            saves / work, failures * stops.load_s / work, lost / work, failures * stops.reschedule_s / work
        )
        return LongRun(
            breakdown=parts,
            pls=np.maximum(1 - kept / work, 0.0) if self.loses else np.zeros_like(np.asarray(work)),
            writes=writes / work,
            io_s=io_s / work,
            drains=self.carry / self.tau,
        )

    # warnings: one level

    def warned(self) -> LongRun:
        """From a complete save (or after a drain) until the next one, by plan or on a warning, or a roll-back."""
        fresh = self._stretch(self.tau, 0.0)
        after = self._stretch(self.tau - self.carry, self.carry)
        # the share of stretches that begin after a drain
        share = fresh.drained / (1 - after.drained + fresh.drained)
        mean = _Stretch(*(one + share * (other - one) for one, other in zip(fresh, after, strict=True)))
        lost = mean.activity - mean.work - mean.saves
        writes, io_s = self._written(mean.drained, mean.on_warning)
        return self._found(mean.work, mean.saves, lost, mean.failures, mean.kept, writes, io_s)

    def _stretch(self, work: Any, carry: Any) -> _Stretch:
        warned, rate, hits = self.saving.warned, self.rate, self.hits
        assert warned is not None
        back = sum(self.stops.back)
        unwarned = (1 - warned.recall) * rate
        warnings = warned.recall * rate / warned.precision
        struck_warned = -np.expm1(-rate * warned.save_s)
        failing = unwarned + warnings * struck_warned  # failures in a second of work, but those after a warned save
        saved = warnings * (1 - struck_warned)
        leaves = back * failing + saved
        reached = np.exp(-leaves * work)
        busy = work * NUMPY.exprel(-leaves * work)
        struck, again = self._struck(0), 1 - back
        tries = 1 / (1 - struck + back * struck)
        unhit = 1 / (1 - struck + (back + hits) * struck)
        drained = reached * (1 - struck) * tries
        saving = reached * struck / rate * tries
        void = self.void
        more = drained * again * void * tries
        x = leaves * work  # the integral of u e^(−leaves u), next
        ahead = np.where(
            x < 1,
            work**2 * reached * NUMPY.phi2(x),
            (1 - reached * (1 + x)) / np.where(leaves == 0, 1.0, leaves) ** 2,
        )
        hitting = hits * failing
        held = carry * np.exp(-hitting * work) + work * NUMPY.exprel(-hitting * work)
        unhit_busy = work * NUMPY.exprel(-(leaves + hitting) * work)
        few = ahead - hitting * work**3 * reached * NUMPY.phi3(leaves * work)
        gone = np.where(
            hitting * work < 1e-4, few, (busy - unhit_busy) / np.where(hitting == 0, 1.0, hitting)
        )  # … of (1 − e^(−hu))/h
        kept = reached * (1 - struck) * unhit * held + saved * (carry * unhit_busy + gone)
        kept = kept + reached * (1 - struck) * tries * unhit * (again - hits) * void
        done = drained * (work + carry) + more + saved * (carry * busy + ahead)
        return _Stretch(
            activity=busy * (1 + warnings * struck_warned / rate) + saving,
            failures=busy * (failing + saved * warned.precision) + rate * saving,
            work=done,
            kept=kept,
            saves=drained * (self.blocking[0] + self.drain - self.carry) + saved * busy * warned.save_s,
            on_warning=saved * busy,
            drained=drained,
        )


class _Stretch(NamedTuple):
    activity: Any
    failures: Any
    work: Any  # progress that is saved
    kept: Any
    saves: Any  # time of complete saves
    on_warning: Any  # complete saves on a warning
    drained: Any  # probability that it ends with a planned save


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
