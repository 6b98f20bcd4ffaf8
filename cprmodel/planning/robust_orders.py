"""Intervals of saves in an order of the rows, over what the MTBF may be.

As :func:`cprmodel.planning.uncertainty.robust_choice`: the least expected overhead whose expected PLS keeps the
budget. An order's PLS comes from a play of its slot, which is the same at every MTBF: an interval is quickly priced
over the posterior, and a best one slowly found. So few are looked at: expected PLS is nearly a power of the
interval, and expected overhead has one valley. Numbers of saves to each of several levels stay those that are best
at the estimated MTBF, and where nothing keeps the budget there, so does the interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from cprmodel.costing import Choice, CostModel, kinds
from cprmodel.jobs import FailureModel, Job
from cprmodel.planning.candidates import Candidate
from cprmodel.planning.choosing import choose, strategy_of
from cprmodel.planning.uncertainty import INNER, ROBUST, Posterior, Robust, expected, finite

__all__ = ["beyond_robust", "robust_order"]

#: Of the plain interval: none longer or shorter by this ratio is tried.
_FAR = 4.0
#: A budget is met so nearly, in so many tries.
_CLOSE, _TRIES = 1e-3, 12
#: A play's loss is no further above the budget where its interval keeps it.
_KEPT = 1.01
#: Intervals looked at in the valley of expected overhead.
_GOLDEN = 16


def beyond_robust(job: Job) -> bool:
    """Whether intervals take too long to be priced over what the MTBF may be: warned saves are played for each."""
    return job.checkpoint.warning is not None


@np.errstate(over="ignore")
def robust_order(job: Job, model: CostModel, fit: FailureModel, candidate: Candidate) -> tuple[Choice, Robust]:
    """The interval with the least expected overhead whose expected PLS keeps the budget."""
    posterior, plain = Posterior.of(fit), choose(job, model, candidate)
    fraction = candidate.saving.fraction
    longest_s = min(plain.interval_s * _FAR, job.job.work_s / fraction)

    def at(interval_s: float) -> Choice:
        return replace(plain, interval_s=interval_s)

    @cache
    def spent(interval_s: float, inner_90: bool) -> float:
        return expected(job, model, strategy_of(candidate, at(interval_s)), posterior, inner_90)[0]

    @cache
    def lost(interval_s: float) -> float:
        one = strategy_of(candidate, at(interval_s))
        points = posterior.points()
        each = [weight * kinds.cost(job.with_mtbf(mtbf), model, one).pls for mtbf, weight in points]
        return sum(each) / sum(weight for _, weight in points)

    def over(interval_s: float) -> float:
        """log(expected PLS / budget)."""
        budget = job.pls_budget_under(candidate.at(interval_s).order, interval_s)
        pls = lost(interval_s)
        return math.log(pls / budget) if pls > 0 and budget else -math.inf

    before_s, inner_90 = plain.interval_s, not math.isfinite(spent(plain.interval_s, False))
    budget = job.pls_budget_under(candidate.at(before_s).order, before_s)
    best_s = before_s
    if budget is None or kinds.cost(job, model, strategy_of(candidate, plain)).pls <= budget * _KEPT:
        bound_s = _longest(over, before_s, longest_s)
        best_s = _lowest(lambda interval_s: spent(interval_s, inner_90), before_s / _FAR, bound_s)
        best_s = _in_steps(job, candidate, plain, best_s)
    said = Robust(
        candidate.name,
        best_s,
        before_s,
        finite(spent(best_s, False)),
        finite(spent(before_s, False)),
        lost(best_s),
        lost(before_s),
        inner_90=inner_90,
    )
    return replace(at(best_s), set_by=INNER if inner_90 else ROBUST), said


def _longest(over: Callable[[float], float], start_s: float, longest_s: float) -> float:
    """The longest interval that is not over, nearly; where none is found, the shortest that was tried."""
    if over(longest_s) <= 0:
        return longest_s
    low, high = 0.0, longest_s
    at_s = start_s
    for _ in range(_TRIES):
        value = over(at_s)
        if value <= 0:
            low = max(low, at_s)
            if value > -_CLOSE:
                break
        else:
            high = min(high, at_s)
        # nearly in proportion to the interval
        at_s = at_s * math.exp(-max(value, -2.0) - _CLOSE / 2)
        if low and not low < at_s < high:
            at_s = math.sqrt(low * high)
        if low and high / low < 1 + _CLOSE:
            break
    return low or at_s


def _lowest(value: Callable[[float], float], low_s: float, high_s: float) -> float:
    """Where a function with one valley is least, between two intervals; the longer where it falls until there."""
    if value(high_s) <= value(high_s * (1 - 2 * _CLOSE)):
        return high_s
    share, low, high = (math.sqrt(5) - 1) / 2, math.log(low_s), math.log(high_s)
    for _ in range(_GOLDEN):
        left, right = high - share * (high - low), low + share * (high - low)
        low, high = (low, right) if value(math.exp(left)) <= value(math.exp(right)) else (left, high)
    return math.exp((low + high) / 2)


def _in_steps(job: Job, candidate: Candidate, plain: Choice, interval_s: float) -> float:
    """The next whole number of steps below, between two saves."""
    fraction, step_s = candidate.saving.fraction, job.job.step_s
    if step_s is None or interval_s * fraction >= job.job.work_s:
        return interval_s
    segments = getattr(plain.saving or candidate.saving, "segments", 1)
    quantum_s = step_s * segments / fraction
    return max(math.floor(interval_s / quantum_s * (1 + 1e-12)), 1) * quantum_s
