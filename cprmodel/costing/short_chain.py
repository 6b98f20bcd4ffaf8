r"""What a chain of few jobs under a time limit costs, from its first job to its end.

The overhead of a long chain charges the work's share of a limit: 1.97 requeues where there is one. Here the
expected time is summed backwards, from the end of the work: from a fresh start with so much work left a job either
ends the work, or reaches its limit, or is ended by a failure; then less is left. The first job has nothing to load,
and the last one neither saves nor waits.

What is left is kept on a grid that paths without a failure hit exactly; what a failure leaves falls between two
points of it. What a shard loses for good of the work that a job keeps is summed in the same way: whole intervals,
the shorter piece before a limit, and the last one, which no save follows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY
from cprmodel.formulas.exact_loss import Hits, lost_rest, lost_whole
from cprmodel.formulas.limits import Chain

__all__ = ["Limits", "Summed", "short_chain"]

#: Points of the grid in what a job keeps.
_POINTS = 48
#: So few ends of a job are followed one by one.
_SINGLY = 16


class Summed(NamedTuple):
    """What all of the work comes to: its overhead, as fractions of it, and the expected PLS."""

    breakdown: Breakdown
    pls: float


_NEVER = Summed(Breakdown(0.0, 0.0, math.inf, 0.0), 0.0)


@dataclass(frozen=True)
class Limits:
    """How the jobs of a chain go."""

    chain: Chain
    limit_s: float  #: of activity: without the stops that a part repairs
    interval_s: float
    save_s: float
    load_s: float
    requeue_s: float
    announced: bool
    step_s: float = 0.0
    hits: Hits | None = None  #: what takes work from a shard alone; None where nothing does

    @cached_property
    def whole_lost_s(self) -> float:
        """Work lost for good of an interval [s]."""
        return 0.0 if self.hits is None else self.interval_s * float(lost_whole(self.hits, self.interval_s))

    def lost(self, saves: float, rest_s: float = 0.0) -> float:
        """Work lost for good of so many intervals, and a rest before a save that nothing strikes, or none [s]."""
        if self.hits is None:
            return 0.0
        return saves * self.whole_lost_s + (float(lost_rest(self.hits, rest_s)) if rest_s > 0 else 0.0)


class _Outcome(NamedTuple):
    """How a job of the chain ends; in all other cases the work does."""

    chances: Any
    kept: Any  #: work, with each
    parts: Any  #: saves, loads, waits, and all of the time, on average [s]
    lost: float  #: of what is kept, or done to its end, for good [s]


@dataclass(frozen=True)
class _Job:
    """A job of the chain that begins with a load; what it comes to where it does not end the work."""

    of: Limits
    load: float
    #: by how many saves are made until the work ends: chances of them, how many are, and of a failure after each
    known: dict[int, tuple[Any, float, Any]] = field(default_factory=dict, compare=False)

    @cached_property
    def cycle(self) -> float:
        return float(self.of.interval_s + self.of.chain.save)

    @cached_property
    def saves(self) -> int:
        """Regular saves before its last one; or complete at the earliest end without one."""
        room = self.of.limit_s - self.load
        if self.of.announced:
            return _between(room - self.of.save_s, self.cycle)
        return max(math.floor(room / self.cycle - 0.5), 0)

    @cached_property
    def keeps(self) -> float:
        """Work that is kept at the limit, at most."""
        if not self.of.announced:
            return (self.saves + 1) * self.of.interval_s
        last = max(self.of.limit_s - self.load - self.of.save_s - self.saves * self.cycle, 0.0)
        if self.of.step_s:
            last = math.floor(last / self.of.step_s * (1 + 1e-12)) * self.of.step_s
        return self.saves * self.of.interval_s + last

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """When an unannounced limit comes at the earliest, and at the latest."""
        return self.of.limit_s - self.cycle / 2, self.of.limit_s + self.cycle / 2

    def _whole(self, left: float, saves: int) -> float:
        """How long it takes to end so much work, without a last save."""
        return float(self.load + left + saves * self.of.chain.save)

    def never_ends(self, left: float) -> bool:
        """Whether the limit comes before so much work is done, in any case."""
        return self._whole(left, _between(left, self.of.interval_s)) > self._latest

    @cached_property
    def _latest(self) -> float:
        """When the limit comes at the latest."""
        return (self.of.limit_s if self.of.announced else self._ends[1]) * (1 + 1e-12)

    def outcome(self, left: float) -> _Outcome:
        """Where so much work is left."""
        saves = _between(left, self.of.interval_s)
        whole = self._whole(left, saves)
        if whole > self._latest:
            fails, limits, parts, lost = self._at_limit
        else:
            fails, parts, lost = self.to_end(left, saves)
            limits = []
            first, last = self._ends
            if not self.of.announced and whole > first:
                share = (last - whole) / self.cycle
                cut, limits, cut_parts, cut_lost = self.to_limit(whole)
                fails = _sum(share * fails, (1 - share) * cut)
                limits = [((1 - share) * chance, kept) for chance, kept in limits]
                parts = share * parts + (1 - share) * cut_parts
                lost = share * lost + (1 - share) * cut_lost
        fails = fails.copy()
        fails[0] += -math.expm1(-self.of.chain.back * self.load)  # nothing is kept where loading fails
        kept = self.of.interval_s * np.arange(len(fails))
        if not limits:
            return _Outcome(fails, kept, parts, lost)
        fails = np.append(fails, [chance for chance, _ in limits])
        return _Outcome(fails, np.append(kept, [one for _, one in limits]), parts, lost)

    def _left_alone(self, saves: Any) -> Any:
        """Probability that so many regular saves are complete."""
        return np.exp(-self.of.chain.back * (self.load + saves * self.cycle))

    @cached_property
    def _at_limit(self) -> tuple[Any, list[tuple[float, float]], Any, float]:
        return self.to_limit()

    def to_limit(self, until: float = math.inf) -> tuple[Any, list[tuple[float, float]], Any, float]:
        """Probability of a failure after 0, 1, … saves; of the limit, with what is kept; parts, and losses [s].

        ``until``: an unannounced limit is known to come before that.
        """
        rho, saves, tau = self.of.chain.back, self.saves, self.of.interval_s
        reached = self._left_alone(np.arange(saves + 1.0))
        if self.of.announced:
            before = self.load + self.keeps + saves * self.of.chain.save
            ends = math.exp(-rho * (before + self.of.save_s))
            saved = math.exp(-rho * before - self.of.chain.rate * self.of.save_s) / float(self.of.chain.stretch)
            fails = reached - np.append(reached[1:], ends)
            activity = _until_failure(rho, before + self.of.save_s)
            number = float(reached[1:].sum()) + saved
            kept = [(saved, self.keeps), (ends - saved, saves * tau)]
            lost = self._lost(fails, ends * saves) + saved * self.of.lost(0, self.keeps - saves * tau)
            return fails, kept, self._parts(activity, number, ends), lost
        first, last = self._ends
        last = min(last, until)
        width = max(last - first, 1e-12 * self.cycle)
        one_more = min(max(self.load + (saves + 1) * self.cycle, first), last)
        few, more = (
            (_until_failure(rho, there) - _until_failure(rho, here)) / width
            for here, there in ((first, one_more), (one_more, last))
        )
        comes = (last - one_more) / width * math.exp(-rho * one_more)
        fails = np.append(reached - np.append(reached[1:], few + comes), comes - more)
        activity = (1 - few - more) / rho if rho * self.of.limit_s > 1e-9 else (first + last) / 2
        number = float(reached[1:].sum()) + comes
        kept = [(few, saves * tau), (more, (saves + 1) * tau)]
        lost = self._lost(fails, few * saves + more * (saves + 1))
        return fails, kept, self._parts(activity, number, few + more), lost

    def to_end(self, left: float, saves: int) -> tuple[Any, Any, float]:
        """The same where the work ends first: probability of a failure after 0, 1, … saves; parts, and losses."""
        rho, whole = self.of.chain.back, self._whole(left, saves)
        ends = math.exp(-rho * whole)
        if saves not in self.known:
            reached = self._left_alone(np.arange(saves + 1.0))
            self.known[saves] = reached, float(reached[1:].sum()), reached - np.append(reached[1:], 0.0)
        reached, number, failing = self.known[saves]
        fails = failing.copy()
        fails[-1] = reached[-1] - ends
        lost = self._lost(fails, ends * saves) + ends * self.of.lost(0, left - saves * self.of.interval_s)
        return fails, self._parts(_until_failure(rho, whole), number, ends, 0.0), lost

    def _lost(self, fails: Any, others: float) -> float:
        """Of the intervals that are kept where a failure ends the job, and of so many others, on average [s]."""
        return 0.0 if self.of.hits is None else self.of.lost(float(np.arange(len(fails)) @ fails) + others)

    def _parts(self, activity: float, number: float, ends: float, requeue: float | None = None) -> Any:
        """Saves, loads, waits, and all of the time [s]."""
        chain = self.of.chain
        waits = (1 - ends) * chain.restart + ends * (self.of.requeue_s if requeue is None else requeue)
        loads = _until_failure(chain.back, self.load) + chain.stop_load * activity
        waits_too = chain.stop_reschedule * activity + waits
        return np.array([number * self.of.save_s, loads, waits_too, activity * chain.stretch + waits])


def _between(work: float, interval: float) -> int:
    """Saves between pieces of work."""
    return int(NUMPY.intervals(work, interval)) - 1


def _until_failure(rate: float, length: float) -> float:
    """Mean time of something so long that a failure ends."""
    return -math.expm1(-rate * length) / rate if rate * length > 1e-12 else length


def _sum(one: Any, other: Any) -> Any:
    """Of two arrays that may differ in length."""
    found = np.zeros(max(len(one), len(other)))
    found[: len(one)] += one
    found[: len(other)] += other
    return found


@lru_cache(maxsize=4096)
def short_chain(of: Limits, work_s: float, points: int = _POINTS) -> Summed:
    """All of the work; an infinite overhead where a job keeps nothing.

    ``points``: of the grid in what a job keeps.
    """
    first, later = _Job(of, 0.0), _Job(of, of.load_s)
    if later.keeps <= 0 or first.keeps <= 0:
        return _NEVER
    grid = later.keeps / points
    # work left, from hardly any on: on the grid of what the first limit leaves, and above it all of the work
    anchor = max(work_s - first.keeps, 0.0)
    least = anchor - math.floor(anchor / grid) * grid
    least = least if least > 1e-6 * grid else grid
    left = np.append(1e-6 * min(least, of.interval_s), np.arange(least, work_s + 2 * grid, grid))
    values = np.zeros((len(left), 4))  # parts, from a start with a load
    losses = np.zeros(len(left))

    chances, kept, parts, lost = later.outcome(4 * (of.limit_s + later.cycle))  # too much for a job
    back = np.zeros(points * 2 + 3)
    for chance, at in zip(chances, kept / grid, strict=True):
        low = math.floor(at + 1e-9)
        share = max(at - low, 0.0)
        back[low] += chance * (1 - share)
        back[low + 1] += chance * share
    back = np.trim_zeros(back, "b")
    usual = max(bisect_left(left, True, key=later.never_ends), len(back))  # from here on all are alike
    for index, one in enumerate(left[:usual].tolist()):
        chances, kept, own, own_lost = later.outcome(one)
        weights = _weights(left[: index + 1], one - kept, chances)
        stays = weights[-1]
        if stays >= 1:
            return _NEVER
        values[index] = (own + weights[:-1] @ values[:index]) / (1 - stays)
        if of.hits is not None:
            losses[index] = (own_lost + weights[:-1] @ losses[:index]) / (1 - stays)
    if usual < len(left) and back[0] >= 1:
        return _NEVER
    tail, back_again, moves = back[1:], back[:0:-1], 1 - back[0]
    for index in range(usual, len(left)):
        before = slice(index - len(tail), index)
        values[index] = (parts + tail @ values[before][::-1]) / moves
        if of.hits is not None:
            losses[index] = (lost + back_again @ losses[before]) / moves
    chances, kept, parts, lost = first.outcome(work_s)
    weights = _weights(left, work_s - kept, chances)
    total, pls = parts + weights @ values, (lost + float(weights @ losses)) / work_s
    save, load, wait, time = (total / work_s).tolist()
    return Summed(Breakdown(save=save, load=load, lost=time - 1 - save - load - wait, reschedule=wait), pls)


def _weights(left: Any, where: Any, chances: Any) -> Any:
    """Of each point of the grid, where so much work is left with such chances; of none where nothing is left."""
    if len(where) <= _SINGLY:
        return _weights_of_few(left, where.tolist(), chances.tolist())
    some = where > 1e-9 * left[-1]
    where, chances, last = where[some], chances[some], len(left) - 1
    low = np.clip(np.searchsorted(left, where * (1 + 1e-12), side="right") - 1, 0, last)
    high = np.minimum(low + 1, last)
    share = (where - left[low]) / np.where(high > low, left[high] - left[low], 1.0)
    share = np.where(high > low, np.clip(share, 0.0, 1.0), 0.0)
    found = np.zeros(len(left))
    np.add.at(found, low, chances * (1 - share))
    np.add.at(found, high, chances * share)
    return found


def _weights_of_few(left: Any, where: list[float], chances: list[float]) -> Any:
    """The same, one by one: less work where there are few, and to the bit what it is for many."""
    found, last = np.zeros(len(left)), len(left) - 1
    beyond, upper = 1e-9 * float(left[-1]), []
    for at, chance in zip(where, chances, strict=True):
        if at <= beyond:
            continue
        low = min(max(int(left.searchsorted(at * (1 + 1e-12), side="right")) - 1, 0), last)
        high, share = min(low + 1, last), 0.0
        if high > low:
            below = float(left[low])
            share = min(max((at - below) / (float(left[high]) - below), 0.0), 1.0)
        found[low] += chance * (1 - share)
        upper.append((high, chance * share))
    for high, chance in upper:
        found[high] += chance
    return found
