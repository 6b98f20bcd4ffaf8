r"""Storage as it is: what levels, drains, dirty rows and warnings cost and lose together, exactly.

What exactly happens (the simulator plays the same)
    Training works for τ after a save, then saves. A save first blocks training; the last level's may then drain
    while training goes on at speed ω. What is saved is the state at its beginning; it counts from its end. A
    failure meanwhile makes it void: once repaired, it is taken anew, of the state then, and writes as much as
    before.

    Levels: the saves of a level are counted; in the place of every n-th one comes one of the next level. A failure
    needs one level or a higher one: the share ``survives`` of a level says how often it does. Everybody, or the
    failed shards, return to the last save that is of such a level.

    Dirty rows: a save writes what was touched since the last save of its level or a higher one. The store keeps the
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

from dataclasses import dataclass
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


class _Block(NamedTuple):
    """A block, or the first one after a drain: until it is done or fails."""

    success: Any
    activity: Any
    kept: Any = 0.0  # expected work in it that nothing takes, were it done
    more: Any = 0.0  # expected work, in drains that were void, that it does beyond its own, were it done


def save_times_s(saving: StoredSave, interval_s: Any) -> tuple[list[Any], Any]:
    """How long the save of each level blocks training, and how long the last one drains [s]."""
    shares = [saving.written(np.multiply(interval_s, segments)) for segments in saving.periods]
    blocking = [level.save_s * share for level, share in zip(saving.levels, shares, strict=True)]
    return blocking, saving.drain_s * shares[-1]


def long_run(saving: StoredSave, interval_s: Any, mtbf_s: float, stops: Stops) -> LongRun:
    """Overhead and PLS of saving every ``interval_s`` of useful work, in a job much longer than that."""
    interval = np.asarray(interval_s, dtype=float)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        course = _Course(saving, interval, mtbf_s, stops)
        return course.warned() if saving.warned is not None else course.nested()


class _Course:
    def __init__(self, saving: StoredSave, interval: Any, mtbf_s: float, stops: Stops) -> None:
        self.saving, self.tau, self.stops = saving, interval, stops
        self.rate = 1 / mtbf_s
        self.blocking, self.drain = save_times_s(saving, interval)
        self.carry = saving.overlap * self.drain  # work done while a save drains
        self.hits = sum(stops.hit)
        self.blocks: dict[tuple[int, int, float, bool], _Block] = {}

    # one segment: work, and a save of level ``end``

    def _struck(self, end: int) -> Any:
        """Probability that a save, its drain included, is struck."""
        last = end == len(self.blocking) - 1
        return -np.expm1(-self.rate * (self.blocking[end] + (self.drain if last else 0.0)))

    def _attempt(self, end: int, work: Any, carry: Any, killed: float) -> tuple[_Block, Any, Any]:
        """One attempt at a segment, and the probabilities that it must begin again and that it need not."""
        back, rate = self.stops.back, self.rate
        fails = sum(back) + killed
        struck, again = self._struck(end), 1 - fails  # … that a failure lets the save begin again
        reached = np.exp(-rate * fails * work)
        busy = work * NUMPY.exprel(-rate * fails * work)
        tries = 1 / (1 - struck + fails * struck)
        success = reached * (1 - struck) * tries
        failed = rate * busy + reached * struck * tries
        begins_again, ends = back[0] * failed, success + (fails - back[0]) * failed
        activity = busy + reached * struck / rate * tries
        # what is kept: nothing hits the shard until the save is complete
        hits = self.hits
        unhit = 1 / (1 - struck + (fails + hits) * struck)
        held = carry * np.exp(-rate * hits * work) + work * NUMPY.exprel(-rate * hits * work)
        kept = reached * (1 - struck) * unhit * held
        more: Any = 0.0
        if end == len(self.blocking) - 1:
            void = self.saving.overlap * self._in_void_drains()
            more = success * again * void * tries
            kept = kept + reached * (1 - struck) * tries * unhit * (again - hits) * void
        return _Block(success, activity, kept, more), begins_again, ends

    def _in_void_drains(self) -> Any:
        """Expected time of drain before a failure strikes it, those that none strikes apart [s]."""
        blocking, drain, rate = self.blocking[-1], self.drain, self.rate
        return np.exp(-rate * (blocking + drain)) * rate * drain**2 * NUMPY.phi2(rate * drain)

    def _segment(self, end: int, killed: float, first: bool) -> _Block:
        whole, _, ends = self._attempt(end, self.tau, 0.0, killed)
        found = _Block(*(value / ends for value in whole))
        if not first:
            return found
        short, again, _ = self._attempt(end, self.tau - self.carry, self.carry, killed)
        return _Block(*(one + again * value for one, value in zip(short, found, strict=True)))

    # blocks of segments

    def _block(self, level: int, end: int, killed: float, first: bool) -> _Block:
        """``killed``: probability, beyond roll-backs, that a failure ends what is asked about."""
        key = (level, end, killed, first)
        if key not in self.blocks:
            self.blocks[key] = self._new_block(*key)
        return self.blocks[key]

    def _new_block(self, level: int, end: int, killed: float, first: bool) -> _Block:
        if level == 0:
            return self._segment(end, killed, first)
        count = self.saving.counts[level - 1]
        found = self._blocks(level, end, killed, count, first=False)
        return self._blocks(level, end, killed, count, first=True, whole=found) if first else found

    def _blocks(
        self, level: int, end: int, killed: float, count: int, first: bool, whole: _Block | None = None
    ) -> _Block:
        below, back = level - 1, self.stops.back
        last = self._block(below, end, killed, first and count == 1)
        one = self._block(below, below, killed, first=False)
        hits = sum(self.stops.hit[level:])  # what takes work that is saved in the level below
        unhit_one = self._block(below, below, killed + hits, first=False).success
        unhit_last = self._block(below, end, killed + hits, first=False).success
        head = self._block(below, below, killed, first=True) if first else one
        if count == 1:
            attempt = last
        else:
            middle = count - 2  # between the first and the last
            a, b = one.success, unhit_one
            before = head.success * a**middle
            activity = head.activity + head.success * one.activity * _powers(a, middle) + before * last.activity
            kept = head.kept * b**middle + head.success * one.kept * _differences(a, b, middle)
            attempt = _Block(
                before * last.success, activity, kept * unhit_last + before * last.kept, before * last.more
            )
        beyond = sum(back[level:]) + killed
        share = back[level] / beyond if beyond > 0 else 0.0
        again = (1 - attempt.success) * share
        if whole is None:
            ends = 1 - share + share * attempt.success
            return _Block(*(value / ends for value in attempt))
        return _Block(*(value + again * rest for value, rest in zip(attempt, whole, strict=True)))

    def nested(self) -> LongRun:
        """Blocks within blocks, each pattern after a complete drain."""
        top = len(self.blocking) - 1
        pattern = self._block(top, top, 0.0, first=True)
        work = self.tau * self.saving.segments + pattern.more
        saves = self._saving()
        stopped = self.rate * pattern.activity
        lost = pattern.activity - self.tau * self.saving.segments - saves - pattern.more
        writes, io_s = self._written(1.0)
        return self._found(work, saves, lost, stopped, pattern.kept, writes, io_s)

    def _saving(self) -> Any:
        """Time that the complete saves of a pattern take from training."""
        blocks = [int(np.prod(self.saving.counts[level:], dtype=np.int64)) for level in range(len(self.blocking))]
        numbers = [n - m for n, m in zip(blocks, [*blocks[1:], 0], strict=True)]
        return sum(n * c for n, c in zip(numbers, self.blocking, strict=True)) + self.drain - self.carry

    def _written(self, planned: Any, on_warning: Any = 0.0) -> tuple[Any, Any]:
        """What so many complete saves to the last level write [whole checkpoints], and for how long [s]."""
        warned_s = self.saving.warned.save_s if self.saving.warned is not None else 0.0
        share = self.saving.written(self.tau * self.saving.segments)
        return planned * share + on_warning, planned * (self.blocking[-1] + self.drain) + on_warning * warned_s

    def _found(self, work: Any, saves: Any, lost: Any, failures: Any, kept: Any, writes: Any, io_s: Any) -> LongRun:
        stops = self.stops
        parts = Breakdown(
            saves / work, failures * stops.load_s / work, lost / work, failures * stops.reschedule_s / work
        )
        return LongRun(
            breakdown=parts,
            pls=np.maximum(1 - kept / work, 0.0) if self.hits else np.zeros_like(work),
            writes=writes / work,
            io_s=io_s / work,
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
        void = self.saving.overlap * self._in_void_drains()
        more = drained * again * void * tries
        x = leaves * work  # the integral of u e^(−leaves u), next
        ahead = np.where(x < 1, work**2 * reached * NUMPY.phi2(x), (1 - reached * (1 + x)) / (leaves or 1.0) ** 2)
        hitting = hits * failing
        held = carry * np.exp(-hitting * work) + work * NUMPY.exprel(-hitting * work)
        unhit_busy = work * NUMPY.exprel(-(leaves + hitting) * work)
        few = ahead - hitting * work**3 * reached * NUMPY.phi3(leaves * work)
        gone = np.where(hitting * work < 1e-4, few, (busy - unhit_busy) / (hitting or 1.0))  # … of (1 − e^(−hu))/h
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


def _powers(ratio: Any, count: int) -> Any:
    """1 + r + … of so many terms."""
    return _differences(np.ones_like(ratio), ratio, count)


def _differences(a: Any, b: Any, count: int) -> Any:
    """(a^n − b^n)/(a − b), where they are nearly equal too."""
    if count <= 0:
        return np.zeros_like(a * b)
    near = np.abs(a - b) <= 1e-9 * np.abs(a)
    gap = np.where(near, 1.0, a - b)
    middle = (a + b) / 2
    return np.where(near, count * middle ** (count - 1), (a**count - b**count) / gap)
