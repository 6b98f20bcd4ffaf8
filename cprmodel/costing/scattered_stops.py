r"""What is done between two planned stops where the times of saves scatter.

Times are known when saves are planned for: the one before a stop ends just as the stop begins, and no regular one
is begun that would end after that one must begin. So of a time t there are k regular saves where k + 1 of them,
whose times sum to S, take no more than :math:`a_k = t - L - k \tau`. Until the first failure that sends everybody
back is kept

.. math:: w(t) = \tau \sum_{k \ge 1} P_k\, e^{-\rho (L + k \tau + k s_k)}
          + e^{-\rho t} \Big( P_0 (a_0 - s_0) - \sum_{k \ge 1} P_k (\tau + s_k) \Big), \qquad
          P_k = P(S_{k+1} \le a_k), \quad s_k = \frac{E[S_{k+1} | S_{k+1} \le a_k]}{k + 1}

One save has its own law, as have a few measured ones together; several are lognormal with their mean and variance.
Where so many are made that the k-th surely is, the sum is in closed form. Half a step is lost before a stop, on
average; steps that are longer than saves scatter are counted. The rest is as in
:mod:`cprmodel.costing.stored_stops`. [derived here; held to cprmodel simulate, and both to a clock that is played]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.until_stops import half_a_step_less
from cprmodel.facts.scatter import Scatter
from cprmodel.facts.special import NUMPY

__all__ = ["Scattered", "scattered"]

#: So many standard deviations apart it is sure whether a save is made.
_SURE = 5.0
#: Up to so many measured times together are added up as they are, at so many points; more are lognormal.
_FEW, _POINTS = 6, 200
#: Steps so much longer than saves scatter are counted one by one, where an interval has no more of them than this.
_COARSE, _MOST = 1.0, 200
#: No save takes longer, over the mean.
_LONG = 4.0


class Scattered(NamedTuple):
    """A job whose saves to one level scatter; times in seconds."""

    scatter: Scatter
    interval_s: float
    save_s: float  # what one blocks on average
    drain_s: float
    carry_s: float  # work that is done while it drains
    slower: float  # so many seconds of the clock has one of work or of a save
    back: float  # rate of failures that send everybody back
    others: float  # and of others
    waits: float  # what these stop, in seconds of the clock a second
    step_s: float


def scattered(of: Scattered) -> Callable[[Any, Any], Any]:
    """What is kept, and what saves take of it, until a stop or a failure that sends everybody back; of times."""
    tau, mean, rate = of.interval_s, of.save_s, of.back
    deviation = of.scatter.deviation
    cycle = tau + mean + of.drain_s - of.carry_s
    between = cycle - mean  # without what scatters

    def alone(time_s: Any, load_s: Any) -> Any:
        room = np.maximum((time_s - load_s - of.drain_s) / of.slower, 0.0)
        reach = np.floor(room / cycle)
        spread = _SURE * mean * deviation / cycle * np.sqrt(reach + 2) + 2
        sure = np.maximum(np.floor(reach - spread), 0.0)  # of so many it is sure that they are made
        more = int(np.max(np.minimum(np.ceil(reach + spread), np.floor(room / between)) - sure, initial=0.0))
        k = sure + np.arange(more + 1).reshape(-1, *(1 for _ in np.shape(room)))
        before = room - k * between
        x = rate * of.slower * cycle
        first = np.exp(-rate * (load_s + of.carry_s))
        complete = first * np.exp(-x) * sure * NUMPY.exprel(-x * sure) / NUMPY.exprel(-x)
        made, took = _within(of.scatter, k + 1, before / mean)
        took = took / (k + 1) * mean  # each of these saves, where it is made
        each = between + took[1:] / np.maximum(made[1:], 1e-300)
        complete = complete + np.sum(made[1:] * first * np.exp(-rate * of.slower * k[1:] * each), axis=0)
        if of.step_s > _COARSE * mean * deviation and tau < _MOST * of.step_s:
            rest = of.step_s * sum(_so_long(of, k, before, made, work) for work in _multiples(of))
        else:
            rest = made[0] * (room - sure * cycle) - took[0] - np.sum(made[1:] * between + took[1:], axis=0)
            rest = half_a_step_less(rest, of.step_s) if of.step_s else rest
        rest = np.maximum(rest, 0.0)
        saved = np.exp(-rate * time_s - of.others * (mean + of.drain_s)) / of.waits
        taken = mean + of.drain_s - of.carry_s
        return np.array([tau * complete + rest * saved, taken * (complete + made[0] * saved)])

    return alone


def _multiples(of: Scattered) -> Any:
    """So many whole steps of work as may come before a stop after the last regular save."""
    return of.step_s * np.arange(1, math.floor((of.interval_s + _LONG * of.save_s) / of.step_s) + 1)


def _so_long(of: Scattered, k: Any, before: Any, made: Any, work_s: float) -> Any:
    """Probability that at least so much work is done after the last regular save.

    More than an interval only where the next save would take longer than that much more.
    """
    there = _within(of.scatter, k + 1, (before - work_s) / of.save_s)[0]
    more = np.array([(work_s - of.interval_s) / of.save_s])
    if more[0] > 0:
        short, takes = (float(one[0]) for one in _within(of.scatter, np.ones(1), more))
        least = before - of.interval_s - (takes / short * of.save_s if short > 0 else 0.0)
        there = (1 - short) * there + short * _within(of.scatter, k + 1, least / of.save_s)[0]
    after = np.concatenate([made[1:], np.zeros_like(made[:1])])
    return np.sum(np.maximum(there - after, 0.0), axis=0)


@lru_cache(maxsize=256)
def _law(scatter: Scatter, number: int) -> tuple[Any, Any, Any]:
    """Times that so many measured ones together may take, over their mean, rising; and of the sums up to each."""
    if number == 1 and len(scatter.factors) <= _POINTS:
        values, weights = np.array(scatter.factors), np.full(len(scatter.factors), 1 / len(scatter.factors))
    else:
        each = scatter.factors[-1] / _POINTS
        at, part = np.divmod(np.array(scatter.factors) / each, 1.0)
        one: Any = np.bincount(at.astype(int), 1 - part, _POINTS + 2) + np.bincount(
            at.astype(int) + 1, part, _POINTS + 2
        )
        one = one / len(scatter.factors)
        weights = one
        for _ in range(number - 1):
            weights = np.convolve(weights, one)
        values = each * np.arange(len(weights))
    return values, np.concatenate([[0.0], np.cumsum(weights)]), np.concatenate([[0.0], np.cumsum(values * weights)])


def _within(scatter: Scatter, number: Any, share: Any) -> tuple[Any, Any]:
    """Probability that so many together are at most a share of one's mean, and what they then are, over it."""
    from scipy.special import ndtr

    sigma = np.sqrt(np.log1p(scatter.deviation**2 / number))
    with np.errstate(divide="ignore"):
        far = np.log(np.maximum(share, 0.0) / number) / sigma
    probability, mean = ndtr(far + sigma / 2), number * ndtr(far - sigma / 2)
    for few in range(1, _FEW + 1) if scatter.factors else ():
        here = number == few
        if np.any(here):
            values, sums, means = _law(scatter, few)
            upto = np.searchsorted(values, share[here] * (1 + 1e-12), side="right")
            probability[here], mean[here] = sums[upto], means[upto]
    return probability, mean
