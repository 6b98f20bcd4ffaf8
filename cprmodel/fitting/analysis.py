r"""From a trace to a failure model: fits, intervals that hold their promise, and whether the rate drifts.

Intervals at 90%, two-sided, in closed form. n_F events in an exposure T_F:

MTBF (T_F/n_F)
    Up to one event Garwood's exact Poisson limits (Garwood 1936). From ten events on the failures are taken for a
    renewal process: log(T_F/n_F) scatters by CV/√n_F, CV the coefficient of variation of a Weibull law whose shape
    is the fitted one less its bias (1 − 1.3/n_F); gamma quantiles with n_F/CV² events, widened from normal to
    Student's t with 2n_F degrees of freedom. Where durations are of units or runs of their own, some of them cut
    short, T_F/n_F is a ratio of two sums whose scatter is seen directly, Σ(xᵢn_F/T_F − yᵢ)²/n_F for CV² (from 50
    events on; below, the larger of both): of units that are young, failures are rare and scatter like Poisson's,
    whatever the law. Between two and nine events the wider of both, with n_F − 1 degrees of freedom and 1 − 1/n_F.
    [derived here; coverage measured in benchmarks/fitting.py]
Shape (Weibull)
    β_W(1 − 1/n_F)·e^(±x/√I), I the observed information of log β_W, x Student's with 2n_F degrees of freedom,
    n_F − 1 below ten events. [derived here; coverage measured in the same place]

Whether the rate drifts: the Lewis-Robinson test (Lewis & Robinson 1974), which is Laplace's trend test divided by
the CV of the times, so that bursts are not taken for a trend. Whether it changes in any way: a likelihood ratio of
Weibull laws with one shape and a scale for each window against one scale for all. Where it changes, the shape
within windows is the one that tells of bursts: pooled windows look like a falling hazard.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cprmodel.facts.journal import note
from cprmodel.facts.shown import Shown, columns_of
from cprmodel.facts.units import LONGEST_S, count_of, format_time
from cprmodel.fitting.ages import Ages, ages_of
from cprmodel.fitting.calendar import PowerLaw, power_law_of
from cprmodel.fitting.likelihood import Fit, fit_all, weibull_batch, weibull_information, weibull_profile
from cprmodel.fitting.mixture import Mixture, fit_mixture
from cprmodel.fitting.trace import Trace
from cprmodel.logs import Downtimes

if TYPE_CHECKING:
    import altair as alt

__all__ = [
    "Analysis",
    "DowntimeFit",
    "Drift",
    "analyse",
    "effective_failures",
    "mtbf_interval",
    "scatter_of",
    "shape_interval",
]

#: Windows of equal length in which the MTBF is told apart.
WINDOWS = 10
#: Events below which bursts cannot be told: limits that are wider, and a posterior without memory.
FEW = 10
#: Events from which on the scatter that was seen is taken as it is.
MANY = 50
#: Differences of AIC below which the better law is hardly told from the other, and from which on clearly.
HARDLY, CLEARLY = 2.0, 6.0
#: Fewest events for which a trend is tested.
FEWEST_FOR_TREND = 6
#: Fewest times down to which a law is fitted.
FEWEST_FOR_LAW = 5


@dataclass(frozen=True)
class Drift:
    """Whether failures became rarer or more frequent over the observation."""

    statistic: float  #: standard normal without a trend; positive: more frequent towards the end
    p_value: float
    window_s: float  #: length of the windows below
    events: tuple[int, ...]  #: in each window
    change_p_value: float | None  #: of one rate in all windows (likelihood ratio)
    shape_within: float | None  #: Weibull shape where each window has a scale of its own

    @property
    def drifts(self) -> bool:
        """At 5%: steadily."""
        return self.p_value < 0.05

    @property
    def changes(self) -> bool:
        """At 5%: in any way."""
        return self.change_p_value is not None and self.change_p_value < 0.05

    def to_dict(self) -> dict[str, Any]:
        mtbf = [self.window_s / n if n else None for n in self.events]
        return {
            "statistic": self.statistic,
            "p_value": self.p_value,
            "window_s": self.window_s,
            "events": list(self.events),
            "mtbf_s": mtbf,
            "change_p_value": self.change_p_value,
            "shape_within_windows": self.shape_within,
        }


@dataclass(frozen=True)
class DowntimeFit:
    """How long a repair, a restart or a wait took, and the law that fits it best."""

    times: Downtimes
    law: Fit | None  #: None with fewer than FEWEST_FOR_LAW times, or where all are alike

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.times.to_dict(), "law": self.law.to_dict() if self.law else None}


@dataclass(frozen=True)
class Analysis(Shown):
    """What a trace says of how often a job fails."""

    kind: ClassVar[str] = "analysis"

    trace: Trace
    models: tuple[Fit, ...]  #: the best (least AIC) first
    mtbf_s: float | None  #: exposure over events; None without an event
    mtbf_ci90_s: tuple[float, float | None]  #: None: no upper bound
    shape_ci90: tuple[float, float] | None  #: of the Weibull fit
    drift: Drift | None = field(default=None)
    downtimes: tuple[DowntimeFit, ...] = ()
    ages: Ages | None = None  #: failures by the time since the last one, or by the age of a unit
    power_law: PowerLaw | None = None  #: of one job over calendar time
    mixture: Mixture | None = None  #: two rates, where the hazard falls
    scatter: float | None = None  #: of durations of their own, some cut short (module's head)

    @property
    def two_rates_explain(self) -> bool:
        """Whether a mixture of two rates explains a falling hazard as well as bursts do."""
        weibull = next((one for one in self.models if one.name == "weibull"), None)
        return self.mixture is not None and weibull is not None and self.mixture.aic < weibull.aic + HARDLY

    @property
    def mean_apart(self) -> float | None:
        """The best law's mean over exposure over failures, where it is twice or half that, or more."""
        if self.best is None or self.mtbf_s is None:
            return None
        ratio = self.best.mean_s / self.mtbf_s
        return None if 0.5 < ratio < 2 else ratio

    @property
    def best(self) -> Fit | None:
        """The model with the least AIC."""
        return self.models[0] if self.models else None

    @property
    def mtbf_bounds_s(self) -> tuple[float, float | None]:
        """``mtbf_ci90_s``; an upper bound that is beyond any time in training is none."""
        low, high = self.mtbf_ci90_s
        return low, None if high is None or high > LONGEST_S else high

    def __str__(self) -> str:
        """One line: the MTBF with its interval, and the law that fits best."""
        low, high = (None if one is None else format_time(one) for one in self.mtbf_bounds_s)
        if self.mtbf_s is None or self.best is None:
            return f"no failure in {format_time(self.trace.exposure_s)}: MTBF at least {low} (95% bound)"
        reach = f"{low} to {high}" if high is not None else f"at least {low}"
        return (
            f"MTBF {format_time(self.mtbf_s)} (90% interval {reach}) from {count_of(self.trace.events)}; "
            f"{self.best.name} fits best"
        )

    def frame_columns(self) -> dict[str, list[Any]]:
        """One row a law, the best first."""
        return columns_of([{**one.to_dict(), "weight": self.weight(one)} for one in self.models])

    def survival_chart(self) -> alt.LayerChart:
        """Kaplan-Meier with its 90% band, and the fitted laws; to restyle."""
        drawn: alt.LayerChart = self._chart("survival")
        return drawn

    def hazard_chart(self) -> alt.Chart:
        """Failures per unit of time, given the time since the last one; to restyle."""
        drawn: alt.Chart = self._chart("hazard")
        return drawn

    def drift_chart(self) -> alt.LayerChart:
        """MTBF in windows of calendar time; to restyle. KeyError where the log has no calendar."""
        drawn: alt.LayerChart = self._chart("drift")
        return drawn

    def weight(self, model: Fit) -> float:
        """Akaike weight: how the models share the evidence."""
        assert self.best
        relative = [math.exp((self.best.aic - one.aic) / 2) for one in self.models]
        return math.exp((self.best.aic - model.aic) / 2) / sum(relative)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as ``fit --json`` prints it."""
        return {
            "schema_version": 1,
            "source": self.trace.source,
            "n": self.trace.n,
            "events": self.trace.events,
            "censored": self.trace.n - self.trace.events,
            "merged": self.trace.merged,
            "servers": self.trace.servers,
            "exposure_s": self.trace.exposure_s,
            "reading": self.trace.reading.to_dict() if self.trace.reading else None,
            "mtbf_s": self.mtbf_s,
            "mtbf_ci90_s": list(self.mtbf_ci90_s),
            "scatter": self.scatter,
            "best": self.best.name if self.best else None,
            "models": [{**one.to_dict(), "weight": self.weight(one)} for one in self.models],
            "weibull_shape_ci90": list(self.shape_ci90) if self.shape_ci90 else None,
            "trend": self.drift.to_dict() if self.drift else None,
            "downtimes": [one.to_dict() for one in self.downtimes],
            "ages": self.ages.to_dict() if self.ages else None,
            "power_law": self.power_law.to_dict() if self.power_law else None,
            "mixture": self.mixture.to_dict() if self.mixture else None,
        }


def analyse(trace: Trace) -> Analysis:
    """Fit every law, and say how sure one can be."""
    fits = fit_all(trace.durations_s, trace.observed) if trace.events else []
    models = tuple(one for one in fits if math.isfinite(one.log_likelihood))
    weibull = next((one for one in models if one.name == "weibull"), None)
    shape = weibull.shape if weibull else None
    own = trace.ends_s is None and trace.events < trace.n
    scatter = scatter_of(trace.durations_s, trace.observed) if own else None
    falls = shape_interval(trace.durations_s, trace.observed) if shape else None
    found = Analysis(
        trace,
        models,
        trace.exposure_s / trace.events if trace.events else None,
        mtbf_interval(trace.exposure_s, trace.events, shape, scatter=scatter),
        falls,
        _drift(trace),
        tuple(_downtime(one) for one in trace.reading.downtimes) if trace.reading else (),
        ages_of(trace.durations_s, trace.observed),
        power_law_of(trace.times_s, trace.window_s) if trace.ends_s is not None and trace.window_s else None,
        fit_mixture(trace.durations_s, trace.observed) if falls and falls[1] < 1 else None,
        scatter,
    )
    best = models[0].name if models else "none"
    note("fitting", "%s: %d times, %d failures, MTBF %s s; best law: %s", *_said(found), best)
    return found


def _said(found: Analysis) -> tuple[object, ...]:
    return found.trace.source, found.trace.n, found.trace.events, found.mtbf_s


def _downtime(times: Downtimes) -> DowntimeFit:
    """Laws are fitted to what took any time at all."""
    values = times.values_s[times.values_s > 0]
    if len(values) < FEWEST_FOR_LAW or np.ptp(values) == 0:
        return DowntimeFit(times, None)
    return DowntimeFit(times, fit_all(values, np.ones(len(values), dtype=bool))[0])


def mtbf_interval(
    exposure_s: float, events: int, shape: float | None, coverage: float = 0.9, scatter: float | None = None
) -> tuple[float, float | None]:
    """Limits of the MTBF from the exposure, the events in it, and the Weibull shape fitted to them (module's head).

    >>> low, high = mtbf_interval(1000.0, 0, None)
    >>> round(low), high  # nothing happened: T/−log(0.05)
    (334, None)
    """
    from scipy import special

    tail = (1 - coverage) / 2
    low = exposure_s / float(special.gammaincinv(events + 1, 1 - tail))
    high = exposure_s / float(special.gammaincinv(events, tail)) if events else None
    if shape is None or events < 2:
        return low, high
    effective = effective_failures(events, shape, coverage, scatter)
    less, more = (0.5, 0.5) if effective >= 2 else (0.0, 1.0)  # so few: as wide as Garwood's
    low_quantile = float(special.gammaincinv(effective + less, tail))
    high_quantile = float(special.gammaincinv(effective + more, 1 - tail))
    renewal_low = exposure_s / events * effective / high_quantile
    renewal_high = exposure_s / events * effective / low_quantile if low_quantile > 1e-300 else None
    if events >= FEW:
        return renewal_low, renewal_high
    assert high is not None
    return min(low, renewal_low), None if renewal_high is None else max(high, renewal_high)


def effective_failures(
    events: int, shape: float | None, coverage: float = 0.9, scatter: float | None = None
) -> float:
    """Failures without memory that would tell as much of the MTBF as these do: n/CV², less what CV leaves open.

    ``scatter`` is what was seen of CV² (:func:`scatter_of`): taken from 50 events on, below if it is the larger.

    >>> effective_failures(100, None)
    100.0
    >>> round(effective_failures(100, 0.7))  # in bursts
    45
    """
    if shape is None or events < 2:
        return float(events)
    from scipy import special

    few = events < FEW
    corrected = shape * max(1 - (1.0 if few else 1.3) / events, 0.1)
    gamma = math.lgamma
    log_ratio = gamma(1 + 2 / corrected) - 2 * gamma(1 + 1 / corrected)
    variation = math.expm1(min(log_ratio, 50.0))  # CV²
    if scatter is not None and not few:
        variation = scatter if events >= MANY else max(variation, scatter)
    tail = (1 - coverage) / 2
    student = float(special.stdtrit(events - 1 if few else 2 * events, 1 - tail))
    return float(events / variation * (float(special.ndtri(1 - tail)) / student) ** 2)


def scatter_of(durations_s: Any, observed: Any) -> float | None:
    """Σ(xᵢn_F/T_F − yᵢ)²/n_F of durations of their own, n_F times T_F/n_F's squared CV. None: no event.

    >>> scatter_of(np.array([1.0, 1.0, 1.0, 1.0]), np.array([True, False, False, False]))
    0.75
    """
    events = int(np.count_nonzero(observed))
    if events == 0:
        return None
    mean = float(np.sum(durations_s)) / events
    return float(np.sum((durations_s / mean - observed) ** 2)) / events


def shape_interval(durations_s: Any, observed: Any, coverage: float = 0.9) -> tuple[float, float] | None:
    """Limits of the Weibull shape (module's head); None with fewer than two events."""
    from scipy import special

    events = int(np.count_nonzero(observed))
    y = np.log(durations_s)[None, :]
    shape = float(weibull_batch(y, observed[None, :])[0][0])
    if events < 2 or not math.isfinite(shape):
        return None
    information = weibull_information(y, observed[None, :], np.array([shape]))[0]
    student = float(special.stdtrit(events - 1 if events < FEW else 2 * events, (1 + coverage) / 2))
    factor = math.exp(min(student / math.sqrt(information), 50.0))
    corrected = shape * (1 - 1 / events)
    return corrected / factor, corrected * factor


def _drift(trace: Trace) -> Drift | None:
    if trace.ends_s is None or trace.window_s is None or trace.events < FEWEST_FOR_TREND:
        return None
    from scipy import special

    times, window = trace.times_s, trace.window_s
    inside = times[times < window]  # one that ended the observation tells nothing of when it came
    n = len(inside)
    if n < FEWEST_FOR_TREND:
        return None
    laplace = (float(np.sum(inside)) - n * window / 2) / (window * math.sqrt(n / 12))
    gaps = np.diff(times)
    variation = float(np.std(gaps, ddof=1) / np.mean(gaps))
    statistic = laplace / variation if variation > 0 else laplace
    p_value = 2 * float(special.ndtr(-abs(statistic)))
    edges = np.linspace(0.0, window, WINDOWS + 1)
    where = np.clip(np.searchsorted(edges, trace.ends_s, side="left") - 1, 0, WINDOWS - 1)
    counts = np.bincount(where[trace.observed], minlength=WINDOWS)
    change, within = _within_windows(trace, where)
    events = tuple(int(count) for count in counts)
    return Drift(statistic, p_value, window / WINDOWS, events, change, within)


def _within_windows(trace: Trace, where: Any) -> tuple[float | None, float | None]:
    """A Weibull law with one shape and a scale for each window: how improbable one scale is, and the shape.

    A duration counts for the window in which it ends.
    """
    from scipy import special

    y = np.log(trace.durations_s)
    groups = [(y[where == w], trace.observed[where == w]) for w in range(WINDOWS)]
    if min(int(np.count_nonzero(observed)) for _, observed in groups) < 2:
        return None, None
    one = weibull_profile([(y, trace.observed)])
    many = weibull_profile(groups)
    if one is None or many is None:
        return None, None
    ratio = max(2 * (many[1] - one[1]), 0.0)
    return float(special.chdtrc(WINDOWS - 1, ratio)), many[0]
