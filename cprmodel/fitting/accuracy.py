r"""From a record of paired training runs to an accuracy model: drop = β·PLS, how sure, how far, for which losses.

All runs of a seed are compared with one failure-free run, so their drops go up and down together. Every interval
here takes the seed as the unit (:mod:`cprmodel.fitting.clusters`); all are two-sided at 90%, and their coverage is
measured in benchmarks/accuracy.py.

Slope
    Least squares through zero, for a run that lost nothing is its own failure-free run.
Noise
    Within a seed: residuals of one slope with a level for each seed. Of a run of another seed: that and the scatter
    of the levels, by analysis of variance, with Satterthwaite's degrees of freedom.
Bend
    drop = βp(1 + γp) by least squares in p and p²; the interval of the ratio γ is Fieller's (1954), which has no
    bounds where β itself may be 0. The line holds within 10% while γp is within ±0.1 at the interval's worse end.
Patterns
    A slope for each, and the differences of all pairs. One slope for all is rejected when the least of their
    p-values, times the number of pairs (Bonferroni), is below 5%: a joint test needs more seeds than patterns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.fitting.clusters import ClusteredFit, Estimate, fit_clustered, student
from cprmodel.fitting.paired import SMALLEST_PLS, Record

__all__ = [
    "AccuracyFit",
    "Bend",
    "HeldOut",
    "Line",
    "Noise",
    "PatternDifference",
    "PatternSlope",
    "Patterns",
    "fit_accuracy",
]

#: The line holds where the bend takes it off by no more than this share.
LINEAR_WITHIN = 0.1
#: More patterns than this are not compared.
MOST_PATTERNS = 20


@dataclass(frozen=True)
class Noise:
    """Scatter of the drops about the line: standard deviations with their degrees of freedom."""

    within_seed: float | None  #: of a drop about its seed's own level (None where seeds have too few runs)
    of_another_seed: float | None  #: of a drop of a seed not in the record (None for one seed alone)
    degrees_of_freedom: float | None  #: of the latter


@dataclass(frozen=True)
class Line:
    """drop = slope·PLS with what scatters around it."""

    slope: Estimate
    noise: Noise

    def prediction_interval(self, pls: float) -> tuple[float, float] | None:
        """Where nine of ten drops of runs of other seeds fall; None where the record cannot tell."""
        sd, freedom = self.noise.of_another_seed, self.noise.degrees_of_freedom
        error, error_freedom = self.slope.standard_error, self.slope.degrees_of_freedom
        if sd is None or freedom is None or error is None or error_freedom is None:
            return None
        middle, of_line = self.slope.value * pls, error * pls
        unit = max(sd, of_line)
        if unit == 0:
            return middle, middle
        parts = ((sd / unit) ** 2, freedom), ((of_line / unit) ** 2, error_freedom)
        variance = sum(part for part, _ in parts)
        half = unit * math.sqrt(variance) * student(variance**2 / sum(part**2 / df for part, df in parts))
        return middle - half, middle + half


@dataclass(frozen=True)
class HeldOut:
    """A line fitted to some seeds, against the drops of the others."""

    fit_seeds: tuple[int, ...]
    test_seeds: tuple[int, ...]
    line: Line
    runs: int  #: of the test seeds
    rmse: float  #: of the line
    rmse_no_drop: float  #: of saying that nothing is lost
    inside_90: float | None  #: share of the test drops within their 90% prediction intervals

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "fit_seeds": list(self.fit_seeds),
            "test_seeds": list(self.test_seeds),
            "slope": self.line.slope.to_dict(),
            "test_runs": self.runs,
            "expected_sd": self.line.noise.of_another_seed,
            "rmse": self.rmse,
            "rmse_no_drop": self.rmse_no_drop,
            "inside_90": self.inside_90,
        }


@dataclass(frozen=True)
class Bend:
    """γ of drop = βp(1 + γp): the share by which the drop leaves the line, per unit of PLS."""

    per_pls: float | None
    interval_90: tuple[float, float] | None  #: None where any bend is possible
    linear_to_pls: float | None  #: the line holds within 10% up to here (None where the record cannot tell)

    @property
    def bends(self) -> bool:
        """Whether a straight line is ruled out, at 10%."""
        return self.interval_90 is not None and not self.interval_90[0] <= 0 <= self.interval_90[1]


@dataclass(frozen=True)
class PatternSlope:
    """The slope of the runs that lost samples in one way."""

    name: str
    slope: Estimate
    runs: int
    seeds: int
    largest_pls: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        counts = {"runs": self.runs, "seeds": self.seeds, "largest_pls": self.largest_pls}
        return {"pattern": self.name, "slope": self.slope.to_dict(), **counts}


@dataclass(frozen=True)
class PatternDifference:
    """Slope of one pattern less that of another."""

    one: str
    other: str
    difference: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        found = self.difference
        return {"patterns": [self.one, self.other], **found.to_dict(), "p_value": found.p_value}


@dataclass(frozen=True)
class Patterns:
    """Whether the way in which samples are lost matters, at the same PLS."""

    slopes: tuple[PatternSlope, ...]
    differences: tuple[PatternDifference, ...]

    @property
    def p_value(self) -> float | None:
        """How improbable one slope for all is (Bonferroni); None where the seeds cannot tell."""
        known = [one.difference.p_value for one in self.differences]
        found = [p for p in known if p is not None]
        return min(1.0, min(found) * len(found)) if found else None

    @property
    def differ(self) -> bool:
        """Whether one slope for all is rejected, at 5%."""
        return self.p_value is not None and self.p_value < 0.05


@dataclass(frozen=True)
class AccuracyFit:
    """What a record says of how much accuracy lost samples cost."""

    record: Record
    line: Line
    bend: Bend
    held_out: HeldOut | None  #: None for one seed
    patterns: Patterns | None  #: None where fewer than two are named
    warnings: tuple[str, ...] = field(default=())

    @property
    def slope(self) -> Estimate:
        """Metric lost per unit of PLS, β."""
        return self.line.slope

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as ``accuracy --json`` prints it."""
        noise, patterns, bend = self.line.noise, self.patterns, self.bend
        return {
            "schema_version": 1,
            "record": Path(self.record.source).name,
            "metric": self.record.metric,
            "runs": len(self.record.runs),
            "seeds": list(self.record.seeds),
            "largest_pls": self.record.largest_pls,
            "metric_drop_per_pls": self.slope.to_dict(),
            "noise": {"within_seed_sd": noise.within_seed, "of_another_seed_sd": noise.of_another_seed},
            "bend_per_pls": bend.per_pls,
            "bend_interval_90": list(bend.interval_90) if bend.interval_90 else None,
            "linear_to_pls": bend.linear_to_pls,
            "held_out": self.held_out.to_dict() if self.held_out else None,
            "patterns": [one.to_dict() for one in patterns.slopes] if patterns else [],
            "pattern_differences": [one.to_dict() for one in patterns.differences] if patterns else [],
            "one_slope_p_value": patterns.p_value if patterns else None,
            "warnings": list(self.warnings),
        }

    def model_dict(self) -> dict[str, Any]:
        """The model as a job file names it (``[accuracy] model = ...``)."""
        interval = self.slope.interval_90
        return {
            "schema_version": 1,
            "kind": "accuracy model",
            "metric": self.record.metric,
            "metric_drop_per_pls": self.slope.value,
            "interval_90": list(interval) if interval else None,
            "linear_to_pls": self.bend.linear_to_pls,
            "runs": len(self.record.runs),
            "seeds": len(self.record.seeds),
            "record": Path(self.record.source).name,
        }


def fit_accuracy(record: Record, test_seeds: Sequence[int] | None = None) -> AccuracyFit:
    """Fit drop = β·PLS to a record, and test it on seeds it was not fitted to.

    The slope and its interval are those of all runs; the test is of a line fitted to the other seeds alone.

    Parameters
    ----------
    record : of paired runs, from :func:`~cprmodel.fitting.paired.read_record` or ``record_of_runs``
    test_seeds : for the test; default: every second one

    Examples
    --------
    >>> from cprmodel.fitting import PairedRun, record_of_runs
    >>> made = [PairedRun(seed=s, pls=p, drop=0.004 * p + 1e-5 * s) for s in (-1, 0, 1) for p in (0.1, 0.2)]
    >>> found = fit_accuracy(record_of_runs("made up", tuple(made)))
    >>> round(found.slope.value, 12), found.held_out.test_seeds
    (0.004, (0,))
    """
    line = _line(record)
    bend = _bend(record)
    held_out = _held_out(record, test_seeds)
    patterns = _patterns(record)
    return AccuracyFit(record, line, bend, held_out, patterns, tuple(_warnings(record, line, held_out, patterns)))


@dataclass(frozen=True)
class _Scaled:
    """A record in units of its largest figures, so that squares neither vanish nor overflow."""

    x: Any
    y: Any
    seeds: Any
    pls: float  #: what x = 1 is
    drop: float

    @property
    def slope(self) -> float:
        return self.drop / self.pls


def _scaled(record: Record) -> _Scaled:
    pls = record.largest_pls
    drop = float(np.max(np.abs(record.drops))) or 1.0
    number = {seed: number for number, seed in enumerate(record.seeds)}  # a seed may be too large for an array
    seeds = np.array([number[run.seed] for run in record.runs])
    return _Scaled(record.pls / pls, record.drops / drop, seeds, pls, drop)


def _slope(one: _Scaled) -> Estimate:
    fit = fit_clustered(one.x[:, None], one.y, one.seeds)
    assert fit is not None  # the largest x is 1
    return fit.estimate(np.array([1.0]))


def _line(record: Record) -> Line:
    one = _scaled(record)
    slope = _slope(one)
    return Line(slope.times(one.slope), _noise(one, slope.value))


def _noise(one: _Scaled, slope: float) -> Noise:
    _, seed, counts = np.unique(one.seeds, return_inverse=True, return_counts=True)
    n, seeds = len(one.y), len(counts)

    def less_mean(values: Any) -> Any:
        return values - (np.bincount(seed, values) / counts)[seed]

    x, y = less_mean(one.x), less_mean(one.y)
    moves = float(x @ x) > 1e-12
    own_slope = float(x @ y) / float(x @ x) if moves else 0.0
    within_freedom = n - seeds - moves
    within = float(np.sum((y - own_slope * x) ** 2)) / within_freedom if within_freedom > 0 else None
    of_seed = None if within is None else one.drop * math.sqrt(within)
    if seeds < 2 or (within is None and n > seeds):
        return Noise(of_seed, None, None)
    means = np.bincount(seed, one.y - slope * one.x) / counts
    between = float(counts @ means**2) / (seeds - 1)
    size = (n - float(counts @ counts) / n) / (seeds - 1)  # runs of a seed, averaged for unequal seeds
    parts = [(between / size, seeds - 1)]
    if within is not None:
        parts.append(((1 - 1 / size) * within, within_freedom))
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / df for part, df in parts) if variance > 0 else float(seeds - 1)
    return Noise(of_seed, one.drop * math.sqrt(variance), freedom)


def _bend(record: Record) -> Bend:
    one = _scaled(record)
    fit = fit_clustered(np.column_stack([one.x, one.x**2]), one.y, one.seeds)
    if fit is None or fit.coefficients[0] == 0:
        return Bend(None, None, None)  # a single PLS, or no drop
    ratio = float(fit.coefficients[1] / fit.coefficients[0])
    limits = _fieller(fit, ratio)
    bend = ratio / one.pls
    if limits is None or not math.isfinite(bend):
        return Bend(bend if math.isfinite(bend) else None, None, None)
    worst = max(abs(limits[0]), abs(limits[1]))
    to_pls = one.pls * min(1.0, LINEAR_WITHIN / worst) if worst > 0 else one.pls
    return Bend(bend, (limits[0] / one.pls, limits[1] / one.pls), to_pls if to_pls >= SMALLEST_PLS else None)


def _fieller(fit: ClusteredFit, ratio: float) -> tuple[float, float] | None:
    """Limits g of second over first coefficient: where (second − g·first)² is within t² times its variance."""
    axes = np.eye(2)
    freedom = fit.estimate(axes[1] - ratio * axes[0]).degrees_of_freedom
    if freedom is None or any(fit.estimate(axis).standard_error is None for axis in axes):
        return None
    first, second = (float(value) for value in fit.coefficients)
    square = student(freedom) ** 2
    a = first**2 - square * fit.covariance(axes[0], axes[0])
    b = first * second - square * fit.covariance(axes[0], axes[1])
    c = second**2 - square * fit.covariance(axes[1], axes[1])
    if not a > 1e-12 * first**2:
        return None
    root = math.sqrt(max(b**2 - a * c, 0.0))
    return (b - root) / a, (b + root) / a


def _held_out(record: Record, test_seeds: Sequence[int] | None) -> HeldOut | None:
    seeds = record.seeds
    if test_seeds is None:
        test = seeds[1::2]
    else:
        test = tuple(sorted(set(test_seeds)))
        unknown = [seed for seed in test if seed not in seeds]
        known = _list(seeds)
        if unknown or not test:
            expected = f"seeds of the record ({known}), not {_list(unknown)}"
            raise JobError("--test-seeds", [Problem("", "", expected)])
    fitted = tuple(seed for seed in seeds if seed not in test)
    fit_record = record.of_seeds(fitted)
    if not any(run.pls >= SMALLEST_PLS for run in fit_record.runs):
        if test_seeds is not None:
            expected = f"to leave a seed that lost samples to fit, not all of {_list(test)}"
            raise JobError("--test-seeds", [Problem("", "", expected)])
        return None
    if not test:
        return None
    line, tested = _line(fit_record), record.of_seeds(test)
    pls, drops = tested.pls, tested.drops
    unit = float(np.max(np.abs([drops, line.slope.value * pls]))) or 1.0
    ranges = [line.prediction_interval(float(p)) for p in pls]
    inside = [
        limits[0] - 1e-9 * unit <= drop <= limits[1] + 1e-9 * unit
        for limits, drop in zip(ranges, drops, strict=True)
        if limits is not None
    ]
    return HeldOut(
        fitted,
        test,
        line,
        len(drops),
        unit * math.sqrt(float(np.mean(((drops - line.slope.value * pls) / unit) ** 2))),
        unit * math.sqrt(float(np.mean((drops / unit) ** 2))),
        sum(inside) / len(inside) if inside else None,
    )


def _list(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values) or "none"


def _patterns(record: Record) -> Patterns | None:
    names = record.patterns
    if len(names) < 2:
        return None
    if len(names) > MOST_PATTERNS:
        raise JobError(record.source, [Problem("pattern", f"{len(names)} names", f"at most {MOST_PATTERNS}")])
    named = Record(record.source, record.metric, tuple(run for run in record.runs if run.pattern in names))
    one = _scaled(named)
    of = np.array([names.index(run.pattern or "") for run in named.runs])
    is_of = of[:, None] == np.arange(len(names))
    fit = fit_clustered(is_of * one.x[:, None], one.y, one.seeds)
    if fit is None:
        return None  # PLS of one pattern are nothing beside those of another
    axes = np.eye(len(names))
    slopes = tuple(
        PatternSlope(
            name,
            fit.estimate(axes[k]).times(one.slope),
            int(np.count_nonzero(of == k)),
            len(np.unique(one.seeds[(of == k) & (one.x > 0)])),
            float(one.x[of == k].max()) * one.pls,
        )
        for k, name in enumerate(names)
    )
    differences = tuple(
        PatternDifference(names[k], names[j], fit.estimate(axes[k] - axes[j]).times(one.slope))
        for k, j in itertools.combinations(range(len(names)), 2)
    )
    return Patterns(slopes, differences)


def _warnings(record: Record, line: Line, held_out: HeldOut | None, patterns: Patterns | None) -> list[str]:
    said = []
    seeds = len(record.seeds)
    interval = line.slope.interval_90
    if seeds == 1:
        said.append("one seed alone: nothing tells what another would lose, so there is no interval and no test")
    elif seeds < 3:
        said.append(f"{seeds} seeds are few: intervals are wide and rest on one difference; train at least 3")
    if seeds > 1 and interval is None:
        said.append("one seed alone lost samples: there is no interval")
    if line.slope.value <= 0:
        what = "negative" if line.slope.value < 0 else "0"
        said.append(f"the slope is {what}: by this record lost samples cost no accuracy, and no job can use it")
    if interval is not None and interval[0] <= 0 <= interval[1]:
        said.append("the slope's 90% interval contains 0: the record does not show that lost samples cost accuracy")
    if held_out is not None and held_out.rmse >= held_out.rmse_no_drop:
        said.append("on the test seeds the line is no better than saying that nothing is lost")
    if patterns is not None:
        without = sum(not run.pattern for run in record.runs if run.pls > 0)
        if without:
            said.append(f"{without} runs without a pattern are left out where patterns are compared")
        if patterns.differ:
            said.append(
                "PLS alone does not decide: the slope depends on the pattern of the losses; fit the pattern "
                "that your job will see (--pattern)"
            )
            reach = [one.largest_pls for one in patterns.slopes]
            if max(reach) > 2 * min(reach):
                said.append(
                    "the patterns reach different PLS: a line that bends would look like patterns that differ"
                )
    return said
