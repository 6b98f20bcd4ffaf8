"""What blocking saves cost and lose, and which interval suits: over numbers or arrays that broadcast.

:class:`~cprmodel.FirstOrder` and :class:`~cprmodel.Exact` decide by these for one job,
:func:`~cprmodel.plan_many` for a million: one body each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from cprmodel.facts.formula import Formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY
from cprmodel.formulas import exact_loss, interval, makespan, overhead

__all__ = [
    "EXACT",
    "FIRST_ORDER",
    "SHORT",
    "WITHIN",
    "Recoveries",
    "Terms",
    "Way",
    "in_steps",
    "pieces_within",
    "steps_within",
]

#: A budget is kept up to rounding.
WITHIN = 1 + 1e-9

#: A job with fewer intervals (of the last level) than this is not long.
SHORT = 10

_FULL = ("load_s", "reschedule_s")
_PARTIAL = (
    "partial_load_s",
    "partial_reschedule_s",
    "shard_share",
    "trainer_share",
    "whole_job_share",
    "trainer_reschedule_s",
    *_FULL,
)
_LOSS = (
    "shards",
    "shard_share",
    "failed_shards",
    "partial_load_s",
    "partial_reschedule_s",
    "trainer_share",
    "whole_job_share",
    "trainer_reschedule_s",
)


@dataclass(frozen=True)
class Terms:
    """A job whose saves block while everything is written, in the formulas' arguments."""

    work_s: Any
    step_s: Any  #: None where no step is given
    save_s: Any
    mtbf_s: Any
    load_s: Any
    reschedule_s: Any
    partial_load_s: Any
    partial_reschedule_s: Any
    trainer_reschedule_s: Any
    shard_share: Any
    trainer_share: Any
    whole_job_share: Any
    shards: Any
    failed_shards: Any
    #: what a save costs besides its time, in seconds of the job: counts where an interval is chosen, nowhere else
    extra_s: Any = 0.0

    def take(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Some of them, by name."""
        return {name: getattr(self, name) for name in names}

    def rows(self, *tried: Any) -> Any:
        """Several intervals, side by side in a first axis of their own."""
        depth = max(np.ndim(getattr(self, one.name)) for one in fields(self))
        return np.stack([one[(None,) * max(depth - one.ndim, 0)] for one in np.broadcast_arrays(*tried)])

    @property
    def full(self) -> dict[str, Any]:
        """What the formulas say of a recovery in which everybody rolls back."""
        return self.take(_FULL)

    @property
    def partial(self) -> dict[str, Any]:
        """What they say of one in which the failed shards alone do."""
        return self.take(_PARTIAL)

    @property
    def losses(self) -> dict[str, Any]:
        """What the formulas about lost samples take, beside work and interval."""
        return {"mtbf_s": self.mtbf_s, "save_s": self.save_s, **self.take(_LOSS)}

    @cached_property
    def hits(self) -> exact_loss.Hits:
        """What takes work from a shard, whatever the interval."""
        with np.errstate(all="ignore"):
            return exact_loss.hits_of(**self.losses)

    def pls(self, interval_s: Any) -> Any:
        """Expected PLS of partial recovery."""
        with np.errstate(all="ignore"):
            return exact_loss.lost_of(self.hits, self.work_s, interval_s)

    def keeps(self, interval_s: Any, budget: Any) -> Any:
        """Whether an interval keeps a budget of lost samples."""
        return self.pls(interval_s) <= budget * WITHIN


@dataclass(frozen=True)
class Way:
    """A recovery under a model: its overhead as a formula, and its best interval in a job without an end."""

    formula: Formula[Any, Breakdown]
    best: Formula[Any, Any]
    exact: bool
    partial: bool

    def overhead(self, of: Terms, interval_s: Any) -> Breakdown:
        """Parts of the overhead at an interval, as fractions of the useful time."""
        recovery: Mapping[str, Any] = of.partial if self.partial else of.full
        given = {"interval_s": interval_s, "save_s": of.save_s, "mtbf_s": of.mtbf_s, **recovery}
        with np.errstate(all="ignore"):
            if self.exact:
                return self.formula.raw(work_s=of.work_s, **given).scaled(1 / of.work_s)
            return self.formula.raw(**given)

    def total(self, of: Terms, interval_s: Any) -> Any:
        """What an interval is chosen by: the overhead, and what saves cost besides; infinite for no number."""
        total = self.overhead(of, interval_s).total
        if np.ndim(of.extra_s) or of.extra_s:
            saves = NUMPY.intervals(of.work_s, interval_s) - 1 if self.exact else of.work_s / interval_s
            total = total + of.extra_s * saves / of.work_s
        return np.where(np.isnan(total), np.inf, total)

    def optimum(self, of: Terms) -> Any:
        """The best interval of a job without an end (with what saves cost besides, to first order)."""
        with np.errstate(all="ignore"):
            return self.best.raw(**self.arguments(of))

    def arguments(self, of: Terms) -> dict[str, Any]:
        """What ``best`` takes."""
        given = {"save_s": of.save_s + of.extra_s, "mtbf_s": of.mtbf_s}
        if not self.partial:
            return given
        return {**given, **(of.partial if self.exact else {"whole_job_share": of.whole_job_share})}


class Recoveries(Protocol):
    """What decides the interval of both recoveries, and prices it."""

    full: Way
    partial: Way

    def full_interval(self, of: Terms) -> Any:
        """Of least overhead."""

    def partial_interval(self, of: Terms, budget: Any) -> tuple[Any, Any]:
        """Of least overhead within the budget, NaN where there is none; and where the budget set it."""


def _steps_of_job(of: Terms) -> Any:
    """Steps that reach the end of the job."""
    return np.maximum(np.ceil(of.work_s / of.step_s * (1 - 1e-12)), 1)


def steps_within(time_s: Any, step_s: Any) -> Any:
    """The most whole steps in some time [s].

    >>> float(steps_within(10.0, 3.0)), float(steps_within(0.3, 0.1))
    (9.0, 0.30000000000000004)
    """
    return np.floor(time_s / step_s * (1 + 1e-12)) * step_s


def in_steps(of: Terms, interval_s: Any, way: Way, budget: Any = None) -> Any:
    """The better of the neighbours in whole steps, within a budget if any; as it is where there are no steps.

    An interval below one step becomes one step, whatever it keeps.
    """
    if of.step_s is None:
        return interval_s
    most = _steps_of_job(of)
    low = np.clip(np.floor(interval_s / of.step_s * (1 + 1e-12)), 1, most)
    fewer, more = (np.minimum(steps * of.step_s, of.work_s) for steps in (low, np.minimum(low + 1, most)))
    costs = way.total(of, of.rows(fewer, more))
    longer = costs[1] < costs[0]
    if budget is not None:
        longer = longer & of.keeps(more, budget)
    return np.where(longer, more, fewer)


def _budget_bound(of: Terms, budget: Any) -> Any:
    """The longest interval that keeps the budget in a long job; 0: none, infinite: any."""
    with np.errstate(all="ignore"):
        return exact_loss.longest_within(of.hits, np.minimum(budget, 1 - 1e-15))


class _FirstOrder:
    full = Way(overhead.full_recovery_overhead, interval.young_1974, exact=False, partial=False)
    partial = Way(overhead.partial_recovery_overhead, interval.partial_recovery_interval, exact=False, partial=True)

    def full_interval(self, of: Terms) -> Any:
        """Young's interval, no longer than the job."""
        return in_steps(of, np.minimum(self.full.optimum(of), of.work_s), self.full)

    def partial_interval(self, of: Terms, budget: Any) -> tuple[Any, Any]:
        """The optimum that whole-job failures set, or the end of the job, and no longer than the budget allows."""
        free = np.minimum(self.partial.optimum(of), of.work_s)
        bound = _budget_bound(of, budget)
        bounded = (bound < free) & ~of.keeps(free, budget)
        chosen = in_steps(of, np.where(bounded, bound, free), self.partial, budget)
        kept = (chosen > 0) & of.keeps(np.where(chosen > 0, chosen, 1.0), budget)
        return np.where(kept, chosen, np.nan), bounded


class _Exact:
    full = Way(makespan.full_recovery_makespan, interval.exact_interval, exact=True, partial=False)
    partial = Way(
        makespan.partial_recovery_makespan, makespan.partial_recovery_exact_interval, exact=True, partial=True
    )

    def full_interval(self, of: Terms) -> Any:
        """The best of T/K over the number of pieces K."""
        return _best_pieces(of, self.full)

    def partial_interval(self, of: Terms, budget: Any) -> tuple[Any, Any]:
        """The fewest pieces that keep the budget, or more where whole-job failures make more better."""
        fewest = pieces_within(of, budget)
        none = ~np.isfinite(fewest)
        some = np.where(none, 1.0, fewest)
        chosen = _best_pieces(of, self.partial, some, budget)
        bounded = (some > 1) & (NUMPY.intervals(of.work_s, chosen) <= some)
        return np.where(none, np.nan, chosen), bounded


def _pieces(of: Terms, count: Any) -> Any:
    """The interval that cuts the job into so many pieces, as equal as steps allow."""
    even = of.work_s / count
    if of.step_s is None:
        return even
    return np.minimum(np.maximum(np.ceil(even / of.step_s * (1 - 1e-12)), 1) * of.step_s, of.work_s)


def pieces_within(of: Terms, budget: Any) -> Any:
    """Into how many pieces a job must be cut, at least, to lose no more than the budget; infinite: none will do.

    The PLS of equal pieces falls with their number (or rises, where saves are longer than half of the job, and then
    one piece is best).
    """
    bound = _budget_bound(of, budget)
    positive = bound > 0
    least = np.where(positive, bound, of.work_s)
    if of.step_s is not None:
        least = np.maximum(np.floor(least / of.step_s * (1 + 1e-12)), 1) * of.step_s
    high = np.where(positive, NUMPY.intervals(of.work_s, least), 1.0)
    alone = of.keeps(of.work_s, budget)
    none = ~(alone | of.keeps(_pieces(of, high), budget))  # even one step may lose too much
    high, low = np.where(alone, 1.0, high), np.ones_like(high)
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        keeps = of.keeps(_pieces(of, middle), budget)
        high, low = np.where(keeps, middle, high), np.where(keeps, low, middle)
    return np.where(none, np.inf, high)


def _best_pieces(of: Terms, way: Way, fewest: Any = 1.0, budget: Any = None) -> Any:
    """The cheapest of equal pieces: the cost is convex in their number, so neighbours of T/τ suffice.

    At least ``fewest`` of them (a finite number), and within the budget.
    """
    best_s = way.optimum(of)
    with np.errstate(all="ignore"):
        ideal = np.floor(of.work_s / best_s)
    if np.any(of.extra_s > 0):
        ideal = _cheapest_count(of, way, np.maximum(ideal, fewest), fewest)
    near = range(-2, 4) if of.step_s is None else range(-6, 8)  # whole steps make pieces uneven: look further
    tried = [_pieces(of, np.maximum(ideal + more, fewest)) for more in near]
    tried.append(_pieces(of, fewest))
    if of.step_s is not None:
        steps = np.floor(np.minimum(best_s, of.work_s) / of.step_s)
        tried += [np.clip((steps + more) * of.step_s, of.step_s, tried[-1]) for more in range(-2, 4)]
    rows = of.rows(*tried)
    costs = way.total(of, rows)
    if budget is not None:
        costs = np.where(of.keeps(rows, budget), costs, np.inf)
    # of equals the longest, which saves least often
    return np.where(costs <= costs.min(axis=0) * (1 + 1e-14), rows, 0.0).max(axis=0)


def _cheapest_count(of: Terms, way: Way, near: Any, fewest: Any) -> Any:
    """The number of pieces at which one more stops being cheaper, with what saves cost besides."""

    def more_is_better(count: Any) -> Any:
        return way.total(of, of.work_s / (count + 1)) < way.total(of, of.work_s / count)

    low, high = np.broadcast_arrays(np.asarray(fewest, dtype=float), np.maximum(2 * near, 2.0))
    while np.any(rising := more_is_better(high)):
        high = np.where(rising, 2 * high, high)
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        rising = more_is_better(middle)
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return low


FIRST_ORDER: Recoveries = _FirstOrder()
EXACT: Recoveries = _Exact()
