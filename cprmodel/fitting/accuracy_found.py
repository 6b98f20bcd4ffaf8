"""What a record says of how much accuracy lost samples cost: the line, its noise, its bend, the patterns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cprmodel.facts.shown import Shown
from cprmodel.facts.units import count_of
from cprmodel.fitting.clusters import Estimate, student
from cprmodel.fitting.paired import Record

if TYPE_CHECKING:
    import altair as alt

__all__ = ["AccuracyFit", "Bend", "HeldOut", "Line", "Noise", "PatternDifference", "PatternSlope", "Patterns"]


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
    """c of drop = β·PLS·(1 + c·PLS): the share by which the drop leaves the line, per unit of PLS."""

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
class AccuracyFit(Shown):
    """What a record says of how much accuracy lost samples cost."""

    kind: ClassVar[str] = "accuracy"

    record: Record
    line: Line
    bend: Bend
    held_out: HeldOut | None  #: None for one seed
    patterns: Patterns | None  #: None where fewer than two are named
    warnings: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        """One line: the slope with its interval."""
        interval = self.slope.interval_90
        sure = "" if interval is None else f" (90% interval {interval[0]:.3g} to {interval[1]:.3g})"
        runs, seeds = count_of(len(self.record.runs), "run"), count_of(len(self.record.seeds), "seed")
        return f"drop of {self.record.metric} = {self.slope.value:.3g} x PLS{sure}, from {runs} of {seeds}"

    def frame_columns(self) -> dict[str, list[Any]]:
        """One row a run: seed, PLS, drop, pattern, and whether it tested the line."""
        tested = self.held_out.test_seeds if self.held_out else ()
        runs = self.record.runs
        return {
            "seed": [run.seed for run in runs],
            "pls": [run.pls for run in runs],
            "drop": [run.drop for run in runs],
            "pattern": [run.pattern for run in runs],
            "tested": [run.seed in tested for run in runs],
        }

    def drop_chart(self) -> alt.LayerChart:
        """Drop against PLS: runs, the line, and where nine of ten other runs fall; to restyle."""
        drawn: alt.LayerChart = self._chart("drop-against-pls")
        return drawn

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
