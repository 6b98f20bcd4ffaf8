"""What it costs to plan with a wrong MTBF, or with one that few failures have told."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from cprmodel.costing import CostModel, model_for
from cprmodel.costing.blocking import recoveries_of, terms_of
from cprmodel.facts.results import Breakdown
from cprmodel.jobs import Job
from cprmodel.planning.candidates import full_and_partial
from cprmodel.planning.choosing import strategy_of

__all__ = ["Regret", "exact_failures_to_see", "expected_regret", "failures_to_see", "regret"]

#: Points of the quadrature over what n failures may tell: quantiles at the middle of equal shares.
POINTS = 400
#: Where each is planned for by itself: at most so far apart, in standard deviations of the MTBF's logarithm.
FINE = 0.1


@dataclass(frozen=True)
class Regret:
    """Full recovery at the interval of a believed MTBF, against the best interval for the true one."""

    model: str
    mtbf_error: float  #: MTBF believed over MTBF
    interval_s: float
    best_interval_s: float
    overhead_fraction: float
    best_overhead_fraction: float
    best_depending_fraction: float  #: the part of the best overhead that depends on the interval

    @property
    def extra_fraction(self) -> float:
        """Extra overhead, a share of the useful time."""
        return self.overhead_fraction - self.best_overhead_fraction

    @property
    def relative(self) -> float:
        """Extra overhead over the part of the best one that depends on the interval."""
        return self.extra_fraction / self.best_depending_fraction


def regret(job: Job, mtbf_error: float, model: CostModel | None = None) -> Regret:
    """Plan full recovery for ``mtbf_error`` times the job's MTBF, and pay at the job's.

    >>> from cprmodel import load_preset
    >>> round(regret(load_preset("cpr-dlrm"), 4.0).relative, 2)
    0.25
    """
    return _Beliefs(job, model).regret(mtbf_error)


class _Beliefs:
    """What the intervals cost that are best for believed MTBFs, each of which is planned for once."""

    def __init__(self, job: Job, model: CostModel | None) -> None:
        self._job, self._model = job, model_for(job, model)
        self._full, _, _ = full_and_partial(job)
        self._planned: dict[float, float] = {}

    @cached_property
    def _best(self) -> tuple[float, Breakdown]:
        return self._paid(self._job)

    def _paid(self, believed: Job) -> tuple[float, Breakdown]:
        """The best interval of a job that is believed, and what it costs the true one."""
        choice = self._model.full_interval(believed)
        return choice.interval_s, self._model.cost(self._job, strategy_of(self._full, choice)).breakdown

    def _believed(self, mtbf_error: float) -> tuple[float, Breakdown]:
        return self._paid(self._job.with_mtbf(self._job.failure_mix.mtbf_s * mtbf_error))

    def regret(self, mtbf_error: float) -> Regret:
        """Of one of them."""
        (best_s, best), (every_s, parts) = self._best, self._believed(mtbf_error)
        total, depending = float(best.total), float(best.save + best.lost)
        return Regret(self._model.name, mtbf_error, every_s, best_s, float(parts.total), total, depending)

    def expected(self, observed_failures: int) -> Regret:
        """The mean over the MTBF that n failures would have told; the interval is that of the median estimate."""
        from scipy.special import gammaincinv

        shares = (np.arange(POINTS) + 0.5) / POINTS
        errors = gammaincinv(observed_failures, shares) / observed_failures
        middle = self.regret(float(errors[POINTS // 2]))
        return replace(middle, overhead_fraction=float(np.mean(self._overheads(errors, observed_failures))))

    def _overheads(self, mtbf_errors: Any, observed_failures: int) -> Any:
        """All at once where the model's formulas take arrays, else on a grid that is fine beside their scatter."""
        which = recoveries_of(self._model)
        if which is not None:
            of = terms_of(self._job)
            believed = which.full_interval(replace(of, mtbf_s=of.mtbf_s * mtbf_errors))
            return which.full.overhead(of, believed).total
        apart = 2.0 ** math.floor(math.log2(FINE / math.sqrt(observed_failures)))  # grids share their points
        logs = np.log(mtbf_errors) / apart
        below = np.floor(logs)
        grid = np.unique(np.concatenate([below, below + 1]))
        return np.interp(logs, grid, [self._overhead(float(one) * apart) for one in grid])

    def _overhead(self, log_error: float) -> float:
        if log_error not in self._planned:
            _, parts = self._believed(math.exp(log_error))
            self._planned[log_error] = float(parts.total)
        return self._planned[log_error]


def expected_regret(job: Job, observed_failures: int, model: CostModel | None = None) -> Regret:
    """The mean of :func:`regret` over the MTBF that n failures would have told (exponential failures).

    The estimate is the time until the last of n_τ failures over n_τ: the truth times Gamma(n_τ)/n_τ. The interval
    of the result is that of the median estimate.
    """
    return _Beliefs(job, model).expected(observed_failures)


def exact_failures_to_see(job: Job, relative: Iterable[float], model: CostModel) -> list[int | None]:
    """The same under a cost model, for several: from the first-order answer on; None: not with 50 times as many."""
    beliefs = _Beliefs(job, model)
    return [_to_see(beliefs, one) for one in relative]


def _to_see(beliefs: _Beliefs, relative: float) -> int | None:
    def enough(failures: int) -> bool:
        return beliefs.expected(failures).relative <= relative

    found = first_order = failures_to_see(relative)
    while not enough(found):
        found += 1 + found // 50
        if found > 50 * first_order:
            return None
    while found > 1 and enough(found - 1):
        found -= 1
    return found


def failures_to_see(relative: float) -> int:
    """How many failures must be seen before the expected regret, to first order, is at most this.

    >>> failures_to_see(0.01)
    14
    """
    from cprmodel.formulas.regret import expected_regret as first_order

    low, high = 1, 2
    while float(first_order.raw(float(high))) > relative:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if float(first_order.raw(float(middle))) > relative:
            low = middle
        else:
            high = middle
    return low if float(first_order.raw(float(low))) <= relative else high
