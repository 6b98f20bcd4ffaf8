"""What a simulation found: distributions, and the closed forms beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cprmodel.facts.results import Breakdown, parts_of
from cprmodel.facts.shown import Shown
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import format_share, format_time
from cprmodel.facts.version import __version__
from cprmodel.jobs import Job
from cprmodel.simulation.laws import FailureLaw, FailuresStrike

if TYPE_CHECKING:
    import altair as alt

    from cprmodel.simulation.drifting import Drifting

__all__ = ["SCHEMA_VERSION", "Estimate", "Prediction", "Simulated"]

#: Version of the JSON that ``simulate --json`` prints.
SCHEMA_VERSION = 1

QUANTILES = {"p5": 0.05, "p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error, and quantiles over the runs."""

    mean: float
    standard_error: float
    p5: float
    p50: float
    p90: float
    p99: float
    fewer_runs: float = 1.0  #: how many times more runs the plain mean would need for this standard error

    @classmethod
    def of(cls, values: Any, controlled: Any = None, rare_variance: float = 0.0) -> Estimate:
        """From the runs' values; the mean from values with the same expectation and less scatter, if given.

        ``rare_variance`` is added to what the latter show: the part of events too rare to be sure to be seen.
        """
        plain = float(np.var(values, ddof=1)) if values.size > 1 else 0.0
        used = values if controlled is None else controlled
        variance = float(np.var(used, ddof=1)) if used.size > 1 else 0.0
        if variance <= (1e-12 * float(np.mean(used))) ** 2:
            variance = 0.0  # rounding
        if controlled is not None:
            variance = min(variance + rare_variance, plain)
        quantiles = np.quantile(values, list(QUANTILES.values()))
        return cls(
            mean=float(np.mean(used)),
            standard_error=(variance / values.size) ** 0.5,
            **dict(zip(QUANTILES, map(float, quantiles), strict=True)),
            fewer_runs=plain / variance if variance > 0 else 1.0,
        )

    def scaled(self, factor: float, shift: float = 0.0) -> Estimate:
        """The estimate of factor·x + shift."""
        moved = {name: factor * getattr(self, name) + shift for name in ("mean", *QUANTILES)}
        return Estimate(**moved, standard_error=abs(factor) * self.standard_error, fewer_runs=self.fewer_runs)

    def to_dict(self) -> dict[str, float]:
        """Plain data."""
        return {name: getattr(self, name) for name in ("mean", "standard_error", *QUANTILES)}


@dataclass(frozen=True)
class Prediction:
    """What the closed forms say, and which."""

    overhead_fraction: float
    pls: float
    model: str
    pls_is_approximate: bool = False  #: more than the simulation scatters: compare shares, not standard errors
    overhead_is_approximate: bool = False


@dataclass(frozen=True)
class Simulated(Shown):
    """What :func:`cprmodel.simulate` returns. Arrays hold one value a run."""

    kind: ClassVar[str] = "simulated"

    job: Job
    strategy: Strategy
    law: FailureLaw | Drifting
    strikes: FailuresStrike
    runs: int
    wanted_runs: int
    time_to_train_s: Estimate
    pls: Estimate
    breakdown: Breakdown  #: means, as fractions of the useful time
    failures: dict[str, float]  #: mean number in a run, by kind
    predicted: Prediction
    times_s: Any = field(repr=False, compare=False)
    pls_of_runs: Any = field(repr=False, compare=False)
    fewer_nodes_fraction: float = (
        0.0  #: training on fewer nodes, and reshapes: a part of the rescheduling; see ``parts``
    )
    stragglers_fraction: float = 0.0  #: training slower in spells, another

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before all runs were made."""
        return self.runs < self.wanted_runs

    @property
    def overhead_fraction(self) -> Estimate:
        """Extra time over useful time."""
        return self.time_to_train_s.scaled(1 / self.job.job.work_s, -1.0)

    @property
    def parts(self) -> dict[str, float]:
        """The parts of the breakdown and, apart from them, what slower training takes, on average over runs."""
        return parts_of(self.breakdown, self.fewer_nodes_fraction, self.stragglers_fraction)

    def probability_by(self, deadline_s: float) -> tuple[float, float]:
        """Probability to have finished by a deadline, and its standard error (at least 1/(2n))."""
        share = float(np.mean(self.times_s <= deadline_s))
        return share, max((share * (1 - share) / self.runs) ** 0.5, 0.5 / self.runs)

    def __str__(self) -> str:
        """One line: how long it takes, and what it loses, with standard errors."""
        overhead = self.overhead_fraction
        lost = f", PLS {self.pls.mean:.3g} ± {self.pls.standard_error:.1g}" if self.pls.mean > 0 else ""
        return (
            f"{self.strategy.name} every {format_time(self.strategy.interval_s)}, {self.law.name} failures: "
            f"overhead {format_share(overhead.mean)} ± {100 * overhead.standard_error:.1g}%{lost} "
            f"({self.runs:,} runs)"
        )

    def frame_columns(self) -> dict[str, list[float]]:
        """One row a run: time to train [s], overhead; the PLS, where as many runs have one."""
        times = np.asarray(self.times_s)
        found = {"time_to_train_s": times.tolist(), "overhead_fraction": (times / self.job.job.work_s - 1).tolist()}
        if len(self.pls_of_runs) == len(times):
            found["pls"] = np.asarray(self.pls_of_runs).tolist()
        return found

    def time_chart(self, deadline_s: float | None = None) -> alt.LayerChart:
        """The share of the runs that have finished by then, with quantiles and a deadline; to restyle."""
        drawn: alt.LayerChart = self._chart("time-to-train", deadline_s=deadline_s)
        return drawn

    def pls_chart(self) -> alt.LayerChart:
        """How the PLS of the runs is distributed; to restyle. KeyError where nothing is lost."""
        drawn: alt.LayerChart = self._chart("pls")
        return drawn

    def standard_errors_from_prediction(self) -> dict[str, float | None]:
        """How far each mean lies from the closed form, in standard errors.

        None where neither scatters, or the prediction is an approximation.
        """
        pairs = {
            "overhead_fraction": (self.overhead_fraction, self.predicted.overhead_fraction),
            "pls": (self.pls, self.predicted.pls),
        }
        found = {
            name: (estimate.mean - expected) / estimate.standard_error if estimate.standard_error > 0 else None
            for name, (estimate, expected) in pairs.items()
        }
        if self.predicted.pls_is_approximate:
            found["pls"] = None
        if self.predicted.overhead_is_approximate:
            found["overhead_fraction"] = None
        return found

    def to_dict(self, deadline_s: float | None = None) -> dict[str, Any]:
        """Plain data, as ``simulate --json`` prints it."""
        data: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "cprmodel_version": __version__,
            "inputs": self.job.model_dump(exclude_none=True),
            "strategy": {
                "name": self.strategy.name,
                "recovery": self.strategy.recovery.name,
                "interval_s": self.strategy.interval_s,
                "saves_every_s": self.strategy.saves_every_s,
            },
            "failures": {"law": self.law.name, "strike": self.strikes.value, "mean_per_run": self.failures},
            "runs": self.runs,
            "interrupted": self.interrupted,
            "time_to_train_s": self.time_to_train_s.to_dict(),
            "overhead_fraction": self.overhead_fraction.to_dict(),
            "pls": self.pls.to_dict(),
            "pls_runs": len(self.pls_of_runs),
            "breakdown": self.parts,
            "predicted": {
                "overhead_fraction": self.predicted.overhead_fraction,
                "pls": self.predicted.pls,
                "model": self.predicted.model,
            },
            "standard_errors_from_prediction": self.standard_errors_from_prediction(),
        }
        if deadline_s is not None:
            share, error = self.probability_by(deadline_s)
            data["deadline"] = {"deadline_s": deadline_s, "probability": share, "standard_error": error}
        return data
