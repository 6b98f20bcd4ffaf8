r"""What few failures leave open of the MTBF, carried into a plan.

90% intervals
    The limits of the MTBF are the fit's (:func:`cprmodel.fitting.mtbf_interval`). A best interval rises and the
    overhead of a given interval falls with the MTBF, so the limits of the MTBF are their limits, with the same
    coverage.
Expectations and probabilities
    The posterior of the rate. n_F failures in an exposure T_F, known to be worth y failures without memory
    (:func:`cprmodel.fitting.effective_failures`; y = n_F below ten failures, which cannot tell bursts), leave with
    Jeffreys' prior a gamma law,

    .. math:: \lambda \sim \mathrm{Gamma}\!\left(y + \tfrac12\right) \Big/ \left(y\,\frac{T_F}{n_F}\right)

    of failures without memory (y = n_F) the usual one, Gamma(n_F + ½)/T_F. From ten failures on its 5% and 95%
    quantiles are the limits above. [derived here; coverage measured in tests/planning/test_uncertainty.py]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cprmodel.costing import Choice, CostModel
from cprmodel.facts.errors import JobError
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import LONGEST_S
from cprmodel.jobs import FailureModel, Job
from cprmodel.planning.candidates import Candidate
from cprmodel.planning.choosing import choose, strategy_of
from cprmodel.planning.renewal import Renewal, renewal_of

if TYPE_CHECKING:
    from cprmodel.planning.result import StrategyPlan

__all__ = [
    "Posterior",
    "Robust",
    "Uncertainty",
    "about_fit",
    "expected",
    "limits_of",
    "mtbf_limits",
    "robust_choice",
    "uncertainty_of",
    "with_intervals",
]

#: Points of the quadrature over the posterior: quantiles at the middle of equal shares. The share of the shortest
#: MTBFs is cut into ever smaller ones, each a quarter of the rest: where they add no less, a mean has no bound.
POINTS = 60
CUTS, QUARTER = 12, 0.25
#: Intervals that are tried for the robust one.
TRIED = 200

#: What set the interval of a robust strategy.
ROBUST = "the least expected overhead over what the MTBF may be"
INNER = "the least expected overhead over the inner 90% of what the MTBF may be"


#: At MTBFs that no one has, costs are beyond all numbers.
_overflow_is_infinite = np.errstate(over="ignore")


@dataclass(frozen=True)
class Posterior:
    """Of the failure rate: Gamma(shape) over ``exposure_s``."""

    shape: float
    exposure_s: float

    @classmethod
    def of(cls, fit: FailureModel) -> Posterior:
        """With Jeffreys' prior (module's head).

        >>> Posterior.of(FailureModel(events=10, exposure_s=1000.0))
        Posterior(shape=10.5, exposure_s=1000.0)
        """
        from cprmodel.fitting.analysis import FEW, effective_failures

        worth = effective_failures(
            fit.events, fit.weibull_shape if fit.events >= FEW else None, scatter=fit.scatter
        )
        return cls(worth + 0.5, worth * fit.mtbf_s)

    def mtbf_s(self, share: Any) -> Any:
        """Quantile of the MTBF [s]."""
        from scipy.special import gammaincinv

        return self.exposure_s / gammaincinv(self.shape, 1 - np.asarray(share, dtype=float))

    def points(self) -> list[tuple[float, float]]:
        """MTBFs [s], the shortest first, and their weights."""
        cuts = np.append(0.0, QUARTER ** np.arange(CUTS, -1, -1.0)) / POINTS
        edges = np.append(cuts, np.arange(2, POINTS + 1) / POINTS)
        found = self.mtbf_s((edges[1:] + edges[:-1]) / 2)
        return list(zip(map(float, np.minimum(found, LONGEST_S)), map(float, np.diff(edges)), strict=True))


@dataclass(frozen=True)
class Robust:
    """An interval chosen over the posterior of the MTBF, beside the one chosen for its estimate.

    Both are priced over the posterior: means of the overhead (None: without bound) and of the PLS.
    """

    name: str
    interval_s: float
    plain_interval_s: float
    expected_overhead_fraction: float | None
    plain_expected_overhead_fraction: float | None
    expected_pls: float
    plain_expected_pls: float
    inner_90: bool = False  #: no interval's mean has a bound: chosen by the mean over the inner 90% of the MTBFs

    @property
    def gain_fraction(self) -> float | None:
        """Expected overhead that the robust interval saves; negative where it buys the accuracy budget."""
        if self.expected_overhead_fraction is None or self.plain_expected_overhead_fraction is None:
            return None
        return self.plain_expected_overhead_fraction - self.expected_overhead_fraction

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "gain_fraction": self.gain_fraction}


@dataclass(frozen=True)
class Uncertainty:
    """How sure the MTBF of a plan is, and what that leaves open."""

    source: str
    events: int
    mtbf_s: float
    mtbf_ci90_s: tuple[float, float | None]  #: None: no upper bound
    #: probability that the recovery that is not recommended costs less, each at its best for the true MTBF
    other_recovery_better: float | None
    robust: tuple[Robust, ...] | None = None  #: where asked for
    renewal: Renewal | None = None  #: full recovery under a fitted law with memory

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as ``plan --json`` prints it."""
        return {
            "source": self.source,
            "events": self.events,
            "mtbf_s": self.mtbf_s,
            "mtbf_ci90_s": list(self.mtbf_ci90_s),
            "other_recovery_better_probability": self.other_recovery_better,
            "renewal": None if self.renewal is None else self.renewal.to_dict(),
            "robust": None if self.robust is None else [one.to_dict() for one in self.robust],
        }


def about_fit(fit: FailureModel) -> list[str]:
    """What the trace itself casts doubt on."""
    drifts = [p for p in (fit.trend_p_value, fit.change_p_value) if p is not None and p < 0.05]
    if not drifts:
        return []
    return [
        f"the failure rate changed over the observation (p = {min(drifts):.2g}): its mean may not be the rate to "
        "come, and the 90% intervals know nothing of that"
    ]


def mtbf_limits(fit: FailureModel) -> tuple[float, float | None]:
    """The 90% interval of the MTBF, as ``cprmodel fit`` prints it [s]."""
    from cprmodel.fitting import mtbf_interval

    return mtbf_interval(fit.exposure_s, fit.events, fit.weibull_shape, scatter=fit.scatter)


@_overflow_is_infinite
def uncertainty_of(
    job: Job, fit: FailureModel, partial_wins: Callable[[Job], bool], recommended: str
) -> Uncertainty:
    """How sure the MTBF is, and how probably the recovery that is not recommended would win at the true one."""
    other = None
    if job.pls_budget is not None and job.cluster.embedding_shards is not None:
        share = sum(w for mtbf, w in Posterior.of(fit).points() if partial_wins(job.with_mtbf(mtbf)))
        other = 1 - share if recommended == "partial" else share
    return Uncertainty(fit.source, fit.events, fit.mtbf_s, mtbf_limits(fit), other, None, renewal_of(job, fit))


@_overflow_is_infinite
def with_intervals(
    one: StrategyPlan, job: Job, model: CostModel, fit: FailureModel, choose: Callable[[Job], Choice] | None
) -> StrategyPlan:
    """The strategy with the limits of its best interval, of its overhead as it is planned, and the latter's mean.

    ``choose`` gives the interval that would be planned for another MTBF; None where none is chosen.
    """
    interval, overhead = limits_of(one.strategy, job, model, fit, choose)
    mean = expected(job, model, one.strategy, Posterior.of(fit))[0]
    return replace(one, interval_ci90_s=interval, overhead_ci90=overhead, expected_overhead_fraction=finite(mean))


def limits_of(
    strategy: Strategy, job: Job, model: CostModel, fit: FailureModel, choose: Callable[[Job], Choice] | None
) -> tuple[tuple[float, float | None] | None, tuple[float, float | None]]:
    """90% limits of the best interval (None where none is chosen), and of the overhead; None: no upper bound.

    The lower one is 0 where at so short an MTBF no interval keeps the budget.
    """
    low, high = mtbf_limits(fit)

    def overhead(mtbf: float) -> float | None:
        return finite(float(model.cost(job.with_mtbf(mtbf), strategy).breakdown.total))

    interval = None
    if choose is not None:
        longest = None if high is None else choose(job.with_mtbf(high)).interval_s
        try:
            interval = (choose(job.with_mtbf(low)).interval_s, longest)
        except JobError:  # no interval keeps the budget then
            interval = (0.0, longest)
    least = overhead(LONGEST_S if high is None else high)
    assert least is not None
    return interval, (least, overhead(low))


def finite(value: float) -> float | None:
    """A number; None where it is none."""
    return value if math.isfinite(value) else None


@_overflow_is_infinite
def expected(
    job: Job, model: CostModel, strategy: Strategy, posterior: Posterior, inner_90: bool = False
) -> tuple[float, float]:
    """Overhead and PLS of a strategy, their means over the posterior, or over its inner 90%; infinite: no bound."""
    points = posterior.points()
    if inner_90:
        below = np.cumsum([weight for _, weight in points])
        points = [one for one, share in zip(points, below, strict=True) if 0.05 < share <= 0.95 + 1e-9]
    weights = np.array([weight for _, weight in points])
    costs = [model.cost(job.with_mtbf(mtbf), strategy) for mtbf, _ in points]
    overheads = weights * np.array([float(cost.breakdown.total) for cost in costs])
    pls = float(weights @ np.array([cost.pls for cost in costs]) / weights.sum())
    # of the ever smaller shares, the first of which is all the rest
    diverges = not inner_90 and overheads[1] >= overheads[2] > 0
    if diverges or not np.all(np.isfinite(overheads)):
        return math.inf, pls
    return float(overheads.sum() / weights.sum()), pls


@_overflow_is_infinite
def robust_choice(job: Job, model: CostModel, fit: FailureModel, candidate: Candidate) -> tuple[Choice, Robust]:
    """The interval with the least expected overhead whose expected PLS keeps the budget.

    Looked for among the intervals that are best for one MTBF or another: between them lies every interval, and the
    expectation of the overhead has one minimum there. JobError where no interval keeps the budget at the estimate.
    """
    posterior = Posterior.of(fit)
    plain = choose(job, model, candidate)
    low, high = np.log(posterior.mtbf_s([1e-4, 1 - 1e-4]))
    choices: dict[float, Choice] = {plain.interval_s: plain}
    for mtbf in np.exp(np.linspace(low, high, TRIED)):
        try:
            one = choose(job.with_mtbf(float(min(mtbf, LONGEST_S))), model, candidate)
        except JobError:  # no interval keeps the budget at this MTBF
            continue
        choices.setdefault(one.interval_s, one)
    ordered = [choices[key] for key in sorted(choices)]

    @cache
    def of(strategy: Strategy, inner_90: bool) -> tuple[float, float]:
        return expected(job, model, strategy, posterior, inner_90)

    def priced(choice: Choice, inner_90: bool = False) -> tuple[float, float]:
        return of(strategy_of(candidate, choice), inner_90)

    if job.pls_budget is not None:
        budget = job.pls_budget * (1 + 1e-9)
        within = _first(len(ordered), lambda at: priced(ordered[at])[1] > budget)
        ordered = ordered[: max(within, 1)]
    best = ordered[_least(ordered, lambda choice: priced(choice)[0])]
    unbounded = not math.isfinite(priced(best)[0])
    if unbounded:
        best = ordered[_least(ordered, lambda choice: priced(choice, inner_90=True)[0])]
        if not math.isfinite(priced(best, inner_90=True)[0]):  # nothing to choose by
            best = plain
    found, before = priced(best), priced(plain)
    chosen = replace(best, set_by=INNER if unbounded else ROBUST)
    numbers = (best.interval_s, plain.interval_s, finite(found[0]), finite(before[0]), found[1], before[1])
    return chosen, Robust(candidate.name, *numbers, inner_90=unbounded)


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """The first index from which on something holds, by bisection; ``count`` where it never does."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _least(items: Sequence[Choice], value: Callable[[Choice], float]) -> int:
    """The index of the least value, of values with one minimum."""
    return _first(len(items) - 1, lambda at: value(items[at]) <= value(items[at + 1]))
