r"""What is done until a planned stop, failure by failure, where saves block or a way of saving says what it does.

The work is counted that a time t between two stops is expected to keep. After a failure that sends everybody back
it begins anew in what is left of the time,

.. math:: W(t) = w(t) + \int_0^{t - D} \frac{\rho}{g} e^{-\rho (t - D - u) / g}\, W(u)\, du

with w what is kept until the first such failure; so for saves. It is followed on a grid, failure by failure, once
for all w: it is a convolution with w. Other failures stop a job, too, and slow it down by g; how many come in t is
counted where t ends at a stop: one more may be a save less. Where saves block, the job is a chain's whose limit is
announced (:mod:`cprmodel.formulas.limits`). [derived here; held to cprmodel simulate]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.limited_chains import chain_under
from cprmodel.costing.terms import steps_within
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.limits import Chain, saves_of
from cprmodel.jobs import Job

__all__ = [
    "NORMAL",
    "Stopped",
    "Until",
    "after_failures",
    "blocking_between",
    "differing",
    "fitting",
    "half_a_step_less",
    "longest_of",
]

#: Points of the grid of times, and failures in one of them.
_POINTS, _FAILURES = 1001, 400
#: Normal quantiles at the middle of eight equal shares.
NORMAL = np.array([-1.5341, -0.8871, -0.4888, -0.1573, 0.1573, 0.4888, 0.8871, 1.5341])
#: Stops that take less of the time are none; up to so many in a time are counted, more are normal together.
_NO_TIME, _SOME = 1e-9, 8.0


class Stopped(NamedTuple):
    """Failures after which a job goes on where it was, or nearly."""

    rate: float  # per second of the clock
    each_s: float  # what one costs on average
    #: shares of them that lose as likely any part of so much besides [s]
    loses: tuple[tuple[float, float], ...] = ()

    def in_times(self, times: Any) -> tuple[Any, Any]:
        """Probabilities of what they cost in some times, and by how much that is more than the mean [s]."""
        mean = self.rate * times
        most = float(np.max(mean))
        if most * self.each_s < _NO_TIME * float(np.max(times)):
            return np.ones((1, 1)), np.zeros((1, 1))
        if most > _SOME:
            more = math.hypot(self.each_s, _moments(self.loses)[1]) * np.sqrt(mean) * NORMAL[:, np.newaxis]
            return np.full((len(NORMAL), 1), 1 / len(NORMAL)), more
        lose = sum(share for share, _ in self.loses)
        chances, costs = np.ones((1, 1)), np.zeros((1, 1))
        for share, of in ((1 - lose, ()), (lose, self.loses)):
            weights, adds = _counted(share * mean, self._least_s, of)
            chances = (chances[:, np.newaxis] * weights).reshape(-1, weights.shape[1])
            costs = (costs + adds.T).reshape(-1, 1)
        return chances / chances.sum(axis=0), costs - self.each_s * mean

    @property
    def _least_s(self) -> float:
        """What one costs that loses nothing [s]."""
        return max(self.each_s - _moments(self.loses)[0], 0.0)


def _moments(loses: tuple[tuple[float, float], ...], of: float = 1.0) -> tuple[float, float]:
    """Mean and standard deviation of what one of so many loses [s]."""
    mean = sum(share * most / 2 for share, most in loses) / of
    square = sum(share * most**2 / 3 for share, most in loses) / of
    return mean, math.sqrt(max(square - mean**2, 0.0))


def _counted(mean: Any, least_s: float, loses: tuple[tuple[float, float], ...]) -> tuple[Any, Any]:
    """Probabilities of such failures, so many on average, and what they cost: so much and what they lose [s]."""
    most, all_of_them = float(np.max(mean)), sum(share for share, _ in loses)
    rows = [(0, 1.0, 0.0)]
    for number in range(1, int(most + 4 * math.sqrt(most)) + 3 if most > 0 else 1):
        if not loses:
            rows.append((number, 1.0, number * least_s))
        elif number == 1:
            parts = [
                (share / all_of_them / 3, most, part) for share, most in loses for part in (1 / 6, 1 / 2, 5 / 6)
            ]
            rows += [(1, weight, least_s + part * most) for weight, most, part in parts]
        else:
            middle, deviation = _moments(loses, all_of_them)
            apart = math.sqrt(number) * deviation
            rows += [(number, 0.5, max(number * (least_s + middle) + way * apart, 0.0)) for way in (-1, 1)]
    numbers, weights, costs = np.array(rows).T[:, :, np.newaxis]
    factorials = np.array([math.factorial(number) for number, _, _ in rows], dtype=float)[:, np.newaxis]
    return weights * np.exp(-mean) * mean**numbers / factorials, costs


class Until(NamedTuple):
    """What is kept until a stop or a failure that sends everybody back, and what comes after that.

    ``alone``: useful work and what saves take of times and loads; and of what failures cost more than on average,
    where such are ``stopped`` by.
    """

    alone: Callable[..., Any]
    rate: float
    restart_s: float
    load_s: float
    stopped: Stopped | None = None

    def kept_in(self, times: Any, first: Any) -> tuple[Any, Any]:
        """Useful work that is kept in each of some times, and what saves take; the first of all has no load [s]."""
        times, loads, of = differing(times, first, self.load_s)
        after = after_failures(self.alone, self.rate, self.restart_s, self.load_s, times)
        if self.stopped is None:
            found = self.alone(times, loads)
        else:
            chances, more = self.stopped.in_times(times)
            found = np.sum(chances * self.alone(times, loads, more), axis=1)
        work, saves = (found + after)[:, of]
        return work, saves


def differing(times: Any, first: Any, load_s: float) -> tuple[Any, Any, Any]:
    """Times that differ, what each begins with to load, and which of them each is."""
    # the first is told apart by a time that none of them has
    _, which, of = np.unique(np.round(times, 3) + (1 << 40) * first, return_index=True, return_inverse=True)
    return times[which], np.where(first[which], 0.0, load_s), of


def longest_of(times: Any) -> float:
    """The longest; the same for times that differ by their rounding."""
    return float(f"{times.max():.5e}") * (1 + 1e-5)


def fitting(room_s: Any, cycle_s: Any) -> tuple[Any, Any]:
    """Regular saves in so much time for work and saves before the one that ends at a stop, and the rest [s]."""
    saves = np.maximum(NUMPY.intervals(np.maximum(room_s, 1e-9), cycle_s) - 1, 0.0)
    return saves, np.maximum(room_s - saves * cycle_s, 0.0)


def half_a_step_less(last_s: Any, step_s: Any) -> Any:
    """Work before a stop that comes as likely anywhere in a step, which is lost [s]."""
    return np.where(last_s > step_s, last_s - step_s / 2, last_s / 2)


@lru_cache(maxsize=256)
def _blocking(of: Chain, interval_s: float, save_s: float, load_s: float, step_s: float) -> Until:
    def alone(time_s: Any, load: Any, more_s: Any = 0.0) -> Any:
        saves, last = fitting(time_s / of.stretch - more_s - load - save_s, interval_s + of.save)
        last = steps_within(last, step_s) if step_s else last
        complete, saved = saves_of(of, interval_s, last, saves, save_s, load)
        saved = np.where(last > 0, saved, 0.0)
        return np.array([interval_s * complete + last * saved, save_s * (complete + saved)])

    others = max(of.rate - of.back, 0.0)
    stopped = Stopped(others / of.stretch, (of.stretch - 1) / others) if others > 0 else None
    return Until(alone, of.back / of.stretch, of.restart, load_s, stopped)


def blocking_between(job: Job, strategy: Strategy, usual: float, times: Any, first: Any) -> tuple[Any, Any]:
    """Useful work that is kept in each time between stops, and what saves take of it, where saves block [s].

    ``usual``: the overhead without stops, which does not matter here; ``first``: which time is the first of all,
    that has nothing to load.
    """
    of = chain_under(job, strategy.recovery)
    until = _blocking(of, strategy.interval_s, job.save_s, job.load_s, job.job.step_s or 0.0)
    return until.kept_in(times, first)


def after_failures(
    alone: Callable[[Any, Any], Any], rate: float, restart_s: float, load_s: float, times: Any
) -> Any:
    """What is still done in times between stops after a first failure that sends everybody back.

    ``alone``: of times and loads, what is done until the stop or such a failure, two numbers that add up; they come
    at the ``rate``, and after ``restart_s`` what is left begins with a load.
    """
    longest = longest_of(times)
    grid = np.linspace(0.0, longest, _POINTS)
    undisturbed = np.fft.rfft(alone(grid, load_s), 2 * _POINTS)
    left, again = np.maximum(times - restart_s, 0.0), _failing(rate, restart_s, longest)
    rest = np.fft.irfft(undisturbed * again, 2 * _POINTS)[:, :_POINTS]
    return np.array([np.interp(left, grid, one) for one in rest])


@lru_cache(maxsize=4096)
def _failing(rate: float, restart_s: float, longest_s: float) -> Any:
    """What is done after failures where without any a unit is done in one time of the grid alone, transformed.

    In all times it is linear in what is done without failures, and hangs on the time between alone: a convolution.
    So this is found once, whatever the interval.
    """
    grid = longest_s / (_POINTS - 1) * np.arange(_POINTS + 1)
    each = max(rate * grid[1], 1e-12)
    grown, falls = np.exp(rate * grid), -math.expm1(-each) / each
    weights = falls - math.exp(-each), 1 - falls  # of the beginning and the end of a piece where it is a line
    first, later, left = np.zeros(len(grid)), np.zeros(len(grid)), np.maximum(grid - restart_s, 0.0)
    first[1], sums = 1.0, np.zeros(len(grid))
    for _ in range(_FAILURES):
        found = first + later
        np.cumsum((weights[0] * found[:-1] + weights[1] * found[1:]) * grown[1:], out=sums[1:])
        more = np.interp(left, grid, sums / grown)
        done = np.all(np.abs(more - later) <= 1e-10)
        later = more
        if done:
            break
    return np.fft.rfft((sums / grown)[1:], 2 * _POINTS)
