r"""How one run's PLS scatters: the second moments of what a shard, and two shards, keep of a pattern of saves.

A pattern is what lies between two complete saves of the last level; what it loses is independent of the others.
With K the work that a shard keeps of a pattern of W,

.. math:: \mathrm{Var}[\mathrm{PLS}] = \frac{T}{W} \cdot
          \frac{N\,E[K^2] + N(N-1)\,E[KK'] - N^2 E[K]^2}{(NT)^2}

for N shards, K' being that of another shard. A block of level m is a number of blocks of the level below, one
after the other. Of each are needed: the probability a that it is done; that it is done and nothing takes what
is saved below m from one shard (b) or from either of two (c); the expected work k that a shard keeps in it; the
same d where nothing takes what the other shard (or this one) has from before; and the second moment s. Then
with P the probability that all are done so far, Q the expected work kept and R its second moment,

.. math:: R \leftarrow cR + 2dQ + sP, \qquad Q \leftarrow bQ + kP, \qquad P \leftarrow aP

which is a power of a matrix. All of it comes from the recursion of :mod:`cprmodel.costing.storage` with other
rates of what ends a block. [derived here; simulated in tests/costing/test_spread.py]

What is done while a drain goes on that becomes void is added to first order: the failure that strikes takes it
together with what the drain held.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.course import save_times_s, spared_in, struck_in
from cprmodel.costing.stops import Stops
from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import FailureMix, mean_square

__all__ = ["of_either", "pls_variance"]


def of_either(mix: FailureMix, shards: int) -> FailureMix:
    """Failures that take one of two given shards as often as these take either: whose stops hit either of them."""

    def either(k: float) -> float:
        return 2 * k - (mean_square(k) - k) / max(shards - 1, 1)  # of k as it is drawn: k(k − 1)

    sorts = tuple(replace(one, shards=either(one.shards)) for one in mix.sorts)
    lost = sum(one.share * one.shards for one in sorts) if sorts else either(mix.shards_per_failure)
    return replace(mix, shards_per_failure=lost, sorts=sorts)


def pls_variance(
    saving: StoredSave,
    interval_s: float,
    work_s: float,
    mix: FailureMix,
    shards: int,
    stops: Stops,
    either: Stops,
) -> float:
    """Variance of the PLS of one run of a job much longer than its patterns, without warnings.

    ``stops`` of one given shard, ``either`` of two (:func:`of_either`).

    >>> from cprmodel.costing.stops import stops_of
    >>> from cprmodel.facts.storage import SaveLevel
    >>> from cprmodel.facts.strategies import PartialRecovery
    >>> mix, one = FailureMix(mtbf_s=1e5), SaveLevel("remote", 1e-6, 0.0, 0.0)
    >>> no_time = PartialRecovery(0.0, 0.0, 0.0, 0.0, 0.0)
    >>> stops, either = (stops_of(one_mix, no_time, [one], shards=8) for one_mix in (mix, of_either(mix, 8)))
    >>> found = pls_variance(StoredSave((one,)), 100.0, 1e7, mix, 8, stops, either)
    >>> round(found / (1e7 / 1e5 * (100.0**2 / 3) / (8 * 1e7) ** 2), 3)  # so many failures, each takes U(0, 100 s)
    1.0
    """
    if not sum(stops.hit):
        return 0.0
    with np.errstate(all="ignore"):
        found = _Moments(saving, interval_s, mix, stops, either)
        one, same, other = found.kept, found.second(same=True), found.second(same=False)
        more, more_same, more_other = found.in_void_drains()
    pattern = interval_s * saving.segments + more
    of_pattern = shards * (same - one**2 + more_same) + shards * (shards - 1) * (other - one**2 + more_other)
    return max(0.0, float(of_pattern)) * work_s / pattern / (shards * work_s) ** 2


class _Ends(NamedTuple):
    """What ends a block besides roll-backs, and what takes work from the shard that is looked at; probabilities.

    Of a failure: that it ends what is asked about; and of the hits of the shard those that have done so already.
    """

    killed: float = 0.0
    counted: float = 0.0


_NOTHING = _Ends()


class _Moments:
    def __init__(self, saving: StoredSave, interval_s: float, mix: FailureMix, stops: Stops, either: Stops) -> None:
        self.counts, self.tau, self.rate = saving.counts, interval_s, 1 / mix.mtbf_s
        self.back: tuple[float, ...] = stops.back
        blocking, drain = save_times_s(saving, interval_s)
        self.top = len(blocking) - 1
        self.overlap, self.drain, self.blocks = saving.overlap, float(drain), float(blocking[-1])
        self.carry = min(self.overlap * self.drain, interval_s)
        drains = [float(drain) if at == self.top else 0.0 for at in range(len(blocking))]
        parts = zip(saving.levels, map(float, blocking), drains, strict=True)
        self.struck = [float(struck_in(*one, self.rate)) for one in parts]
        self.spared = float(spared_in(saving.levels[-1], self.blocks, self.rate))
        depths = range(len(blocking))
        self.hits: list[float] = [
            sum(stops.hit[depth:]) for depth in depths
        ]  # one given shard, from so high or higher
        self.both: list[float] = [
            2 * self.hits[depth] - sum(either.hit[depth:]) for depth in depths
        ]  # two given ones
        self.known: dict[tuple[object, ...], tuple[float, float]] = {}

    @cached_property
    def kept(self) -> float:
        """Expected work of a pattern that a shard keeps [s]."""
        return self._block(self.top, self.top, _NOTHING, True)[1]

    # done, and kept

    def _segment(self, end: int, ends: _Ends, first: bool) -> tuple[float, float]:
        """Probability that a segment is done, and the expected work that a shard keeps in it, were it done."""
        done, kept, again, over = self._attempt(end, ends, 0.0)
        if not first:
            return done / over, kept / over
        whole = self._block(0, end, ends, False)
        done, kept, again, _ = self._attempt(end, ends, self.carry)
        return done + again * whole[0], kept + again * whole[1]

    def _attempt(self, end: int, ends: _Ends, carry: float) -> tuple[float, float, float, float]:
        work, struck, hit = self.tau - carry, self.struck[end], self.hits[0] - ends.counted
        fails = sum(self.back) + ends.killed
        reached = math.exp(-self.rate * fails * work)
        tries = 1 / (1 - struck + fails * struck)
        done = reached * (1 - struck) * tries
        failed = self.rate * work * _exprel(-self.rate * fails * work) + reached * struck * tries
        x = -self.rate * hit * work
        unhit = 1 / (1 - struck + (fails + hit) * struck)
        kept = reached * (1 - struck) * unhit * (carry * math.exp(x) + work * _exprel(x))
        return done, kept, self.back[0] * failed, done + (fails - self.back[0]) * failed

    def _block(self, level: int, end: int, ends: _Ends, first: bool) -> tuple[float, float]:
        first = first and self.carry > 0
        key = (level, end, ends, first)
        if key not in self.known:
            found = self._blocks(level, end, ends, first) if level else self._segment(end, ends, first)
            self.known[key] = found
        return self.known[key]

    def _share(self, level: int, killed: float) -> float:
        beyond = sum(self.back[level:]) + killed
        return self.back[level] / beyond if beyond > 0 else 0.0

    def _blocks(self, level: int, end: int, ends: _Ends, first: bool) -> tuple[float, float]:
        below = level - 1
        taken = _Ends(ends.killed + self.hits[level] - ends.counted, 0.0)  # … of what is saved below

        def part(last: int, head: bool) -> Any:
            done, kept = self._block(below, last, ends, head)
            unhit, _ = self._block(below, last, taken, head)
            return np.array([[done, 0.0], [kept, unhit]])

        done, kept = self._chain(level, end, first, part)
        return self._again(level, end, ends, first, done, kept)

    def _chain(self, level: int, end: int, first: bool, part: Callable[[int, bool], Any]) -> tuple[float, ...]:
        """All blocks of the level below, one after the other."""
        count, below = self.counts[level - 1], level - 1
        if count == 1:
            return tuple(map(float, part(end, first)[:, 0]))
        middle = np.linalg.matrix_power(part(below, False), count - 2)
        return tuple(map(float, (part(end, False) @ middle @ part(below, first))[:, 0]))

    def _again(
        self, level: int, end: int, ends: _Ends, first: bool, done: float, value: float
    ) -> tuple[float, float]:
        """A block that begins again where everybody returns to its beginning."""
        share = self._share(level, ends.killed)
        if not first:
            over = 1 - share + share * done
            return done / over, value / over
        whole = self._block(level, end, ends, False)
        return done + (1 - done) * share * whole[0], value + (1 - done) * share * whole[1]

    def in_void_drains(self) -> tuple[float, float, float]:
        """Work done in the void drains of a pattern [s], and what its loss adds to the two covariances [s²]."""
        if not self.carry:
            return 0.0, 0.0, 0.0
        fails, struck = sum(self.back), self.struck[self.top]
        tries = 1 / (1 - struck + fails * struck)
        t = self.drain * _POINTS
        density = tries * self.rate * self.spared * np.exp(-self.rate * t) * self.drain * _WEIGHTS
        done, square = float(density @ (self.overlap * t)), float(density @ ((self.overlap * t) ** 2))
        periods = np.cumprod([1, *self.counts]) * self.tau
        held = self.kept / float(periods[-1]) * periods  # of what a failure of each depth takes, less what was lost
        alone, both = (-np.diff([*depths, 0.0]) for depths in (self.hits, self.both))
        same, other = (float(hit @ (2 * held * done + square)) for hit in (alone, both))
        return (1 - fails) * done, same, other

    # second moments

    def second(self, same: bool) -> float:
        """E[K²] of a shard's work in a pattern, or E[KK'] with another one's [s²]."""
        return self._second(self.top, self.top, same, True)

    def _either(self, depth: int, same: bool) -> float:
        """Probability that a failure hits the one or the other, from so high or higher."""
        return self.hits[depth] if same else 2 * self.hits[depth] - self.both[depth]

    def _second(self, level: int, end: int, same: bool, first: bool) -> float:
        first = first and self.carry > 0
        key = (level, end, same, first, "second")
        if key not in self.known:
            found = self._second_of_segment(end, same, first) if level == 0 else None
            self.known[key] = (self._second_of_blocks(level, end, same, first) if found is None else found, 0.0)
        return self.known[key][0]

    def _second_of_blocks(self, level: int, end: int, same: bool, first: bool) -> float:
        below, hit = level - 1, self.hits[level]
        unhit, neither = _Ends(hit), _Ends(self._either(level, same))
        beside = _Ends(hit, hit if same else self.both[level])

        def part(last: int, head: bool) -> Any:
            done, kept = self._block(below, last, _NOTHING, head)
            spared, _ = self._block(below, last, unhit, head)
            both, _ = self._block(below, last, neither, head)
            _, mixed = self._block(below, last, beside, head)
            second = self._second(below, last, same, head)
            return np.array([[done, 0.0, 0.0], [kept, spared, 0.0], [second, 2 * mixed, both]])

        done, _, second = self._chain(level, end, first, part)
        share = self._share(level, 0.0)
        if not first:
            return second / (1 - share + share * done)
        return second + (1 - done) * share * self._second(level, end, same, False)

    def _second_of_segment(self, end: int, same: bool, first: bool) -> float:
        carry = self.carry if first else 0.0
        work, struck, fails = self.tau - carry, self.struck[end], sum(self.back)
        reached = math.exp(-self.rate * fails * work)
        either = self._either(0, same)
        unhit = 1 / (1 - struck + (fails + either) * struck)
        moment = _since_hit(self.rate * self.hits[0], self.rate * either, work, carry)
        _, _, again, over = self._attempt(end, _NOTHING, carry)
        second = reached * (1 - struck) * unhit * moment
        return second + again * self._second(0, end, same, False) if first else second / over


def _exprel(x: float) -> float:
    return math.expm1(x) / x if x else 1.0


#: Points and weights on (0, 1).
_POINTS, _WEIGHTS = (np.polynomial.legendre.leggauss(24)[0] + 1) / 2, np.polynomial.legendre.leggauss(24)[1] / 2


def _since_hit(hit: float, either: float, work: float, carry: float) -> float:
    """E[AA'] of the work since one and another were last hit, at the end of work that begins with what was carried.

    2 ∫∫ over y < z of the probability that none is hit in the last y, and the one not in the last z.
    """
    z = work * _POINTS
    # ∫₀^z e^(−either·y − hit·(z − y)) dy
    inner = (
        np.exp(-hit * z) * z * np.where(np.abs((hit - either) * z) > 1e-12, _expm1_over((hit - either) * z), 1.0)
    )
    until = 2 * float(work * (_WEIGHTS @ inner))
    if not carry:
        return until
    at_work = math.exp(-hit * work) * work * float(_expm1_over(np.array((hit - either) * work)))
    beyond = 2 * carry * at_work + carry**2 * math.exp(-either * work)
    return until + beyond


def _expm1_over(x: Any) -> Any:
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, np.expm1(safe) / safe)
