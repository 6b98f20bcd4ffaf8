"""The answer: strategies side by side, a recommendation and the reasons; frozen, plain, drawable."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from cprmodel.costing.models import BUDGET, CostModel, Step
from cprmodel.facts.drawing import drawer_of
from cprmodel.facts.results import Breakdown, parts_of
from cprmodel.facts.shown import Shown, columns_of
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import format_share, format_time
from cprmodel.facts.version import __version__
from cprmodel.jobs import Job

if TYPE_CHECKING:
    import altair as alt

    from cprmodel.planning.uncertainty import Uncertainty

__all__ = ["SCHEMA_VERSION", "Plan", "StrategyPlan", "Verdict"]

#: Version of the JSON that ``plan --json`` prints: raised when a key changes meaning or goes.
SCHEMA_VERSION = 1


class Verdict(Enum):
    """Whether a strategy may be recommended."""

    FEASIBLE = "feasible"
    NO_BUDGET = "it loses samples, and no accuracy budget is given"
    OVER_BUDGET = "its expected PLS is above the budget"
    REFUSED = "it may not be done, whatever it costs"


@dataclass(frozen=True)
class StrategyPlan:
    """One strategy, priced. Overhead and breakdown are fractions of the useful time."""

    strategy: Strategy
    model: str
    verdict: Verdict
    set_by: str  #: what set its interval; "" where it was given
    interval_steps: int | None  #: of the interval; of saves that take a part, see ``saves_every_steps``
    breakdown: Breakdown
    expected_pls: float
    pls_standard_error: float | None  #: where it comes from a simulation (of an order of saving)
    pls_standard_deviation: float  #: scatter of one run; CPR's recursion where the model says none
    expected_metric_drop: float | None
    expected_metric_drop_interval_90: tuple[float, float] | None  #: from that of a fitted slope; else None
    effective_time_ratio: float
    work_s: float  #: useful training time of the job
    pls_budget: float | None = None
    #: share of each sort of shard failures, and the shards that one takes
    shards_taken: tuple[tuple[float, float], ...] = field(default=((1.0, 1.0),), repr=False, compare=False)
    refused: str = ""  #: why it may not be done, whatever it costs
    planned_fraction: float = 0.0  #: planned stops, a part of the rescheduling
    waiting_fraction: float = 0.0  #: waiting for a repair, another part of it
    fewer_nodes_fraction: float = 0.0  #: training on fewer nodes, and reshapes, another; see ``parts``
    stragglers_fraction: float = 0.0  #: training slower in spells, another; see ``parts``
    saves_every_steps: int | None = None  #: steps between two saves, of whatever each of them takes
    steps: tuple[Step, ...] = field(repr=False, compare=False, default=())
    #: 90% interval of the best interval [s], for a job whose MTBF comes from a trace; None where none is chosen
    interval_ci90_s: tuple[float, float | None] | None = None
    overhead_ci90: tuple[float, float | None] | None = None  #: the same of the overhead as planned
    expected_overhead_fraction: float | None = None  #: its mean over what the MTBF may be
    space_kept_bytes: float | None = None  #: checkpoints retained, where their size is known
    write_bytes_per_month: float | None = None  #: written in a month of training, void saves not counted
    dollars_per_month: float | None = None  #: overhead, storage and writes of a month, in the currency of [cost]
    dollars_to_train: float | None = None  #: the whole job, useful work included

    @property
    def name(self) -> str:
        """The strategy's name."""
        return self.strategy.name

    @property
    def feasible(self) -> bool:
        """Whether it may be recommended."""
        return self.verdict is Verdict.FEASIBLE

    @property
    def reason(self) -> str:
        """Why it is not feasible, or what set its interval."""
        if self.verdict is Verdict.OVER_BUDGET:
            return f"expected PLS {self.expected_pls:.3g} is above the budget {self.pls_budget:.3g}"
        if not self.feasible:
            return self.refused or self.verdict.value
        if self.set_by == BUDGET:
            return f"interval set by the accuracy budget (PLS {self.pls_budget:.3g})"
        return f"interval set by {self.set_by}" if self.set_by else ""

    @property
    def interval_s(self) -> float:
        """Useful work between two saves [s]."""
        return self.strategy.interval_s

    @property
    def probability_over_budget(self) -> float | None:
        """That one run's PLS is above the budget (``cprmodel.planning.scatter``); None without one."""
        if self.pls_budget is None or not self.expected_pls > 0:
            return None
        from cprmodel.planning.scatter import chance_over

        return chance_over(self.pls_budget, self.expected_pls, self.pls_standard_deviation, self.shards_taken)

    @property
    def order(self) -> str | None:
        """Which rows are saved first; None where each save takes everything."""
        return self.strategy.order

    @property
    def pattern(self) -> tuple[int, int] | None:
        """Saves to a check, and checks to a save; None where nothing is checked."""
        return self.strategy.pattern

    @property
    def experts_saved(self) -> tuple[int, int] | None:
        """How many of how many experts a save holds; None where saves do not rotate."""
        return self.strategy.experts_saved

    @property
    def experts_by_level(self) -> dict[str, int] | None:
        """How many experts are written at each of several levels, by its name; else None."""
        return self.strategy.experts_by_level

    @property
    def last_level_s(self) -> float | None:
        """Useful work between two saves of the last of several levels [s]; None where there is one."""
        every = self.level_intervals_s
        return None if every is None else max(every.values())

    @property
    def level_intervals_s(self) -> dict[str, float] | None:
        """Useful work between two saves of each of several levels or a higher one [s], by its name."""
        return self.strategy.level_intervals_s

    @property
    def overhead_fraction(self) -> float:
        """Extra time over useful time."""
        return float(self.breakdown.total)

    @property
    def parts(self) -> dict[str, float]:
        """The parts of the breakdown and, apart from them, what slower training takes; they sum to the overhead."""
        return parts_of(self.breakdown, self.fewer_nodes_fraction, self.stragglers_fraction)

    @property
    def time_to_train_s(self) -> float:
        """Expected time from start to end [s]."""
        return self.work_s * (1 + self.overhead_fraction)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as ``plan --json`` prints it."""
        interval = self.expected_metric_drop_interval_90
        return {
            "name": self.name,
            "recovery": self.strategy.recovery.name,
            "feasible": self.feasible,
            "reason": self.reason,
            "model": self.model,
            "interval_s": self.interval_s,
            "interval_steps": self.interval_steps,
            "order": self.order,
            "level_intervals_s": self.level_intervals_s,
            "saves_per_check": self.pattern[0] if self.pattern else None,
            "checks_per_save": self.pattern[1] if self.pattern else None,
            "experts_saved": list(self.experts_saved) if self.experts_saved else None,
            "experts_by_level": self.experts_by_level,
            "save_fraction": self.strategy.saving.fraction,
            "saves_every_s": self.strategy.saves_every_s,
            "saves_every_steps": self.saves_every_steps,
            "overhead_fraction": self.overhead_fraction,
            "breakdown": self.parts,
            "planned_fraction": self.planned_fraction,
            "waiting_fraction": self.waiting_fraction,
            "fewer_nodes_fraction": self.fewer_nodes_fraction,
            "stragglers_fraction": self.stragglers_fraction,
            "effective_time_ratio": self.effective_time_ratio,
            "expected_pls": self.expected_pls,
            "pls_standard_error": self.pls_standard_error,
            "pls_standard_deviation": self.pls_standard_deviation,
            "probability_over_budget": self.probability_over_budget,
            "expected_metric_drop": self.expected_metric_drop,
            "expected_metric_drop_interval_90": list(interval) if interval else None,
            "interval_ci90_s": list(self.interval_ci90_s) if self.interval_ci90_s else None,
            "overhead_ci90": list(self.overhead_ci90) if self.overhead_ci90 else None,
            "expected_overhead_fraction": self.expected_overhead_fraction,
            "time_to_train_s": self.time_to_train_s,
            "space_kept_bytes": self.space_kept_bytes,
            "write_bytes_per_month": self.write_bytes_per_month,
            "dollars_per_month": self.dollars_per_month,
            "dollars_to_train": self.dollars_to_train,
        }


#: What is nested, or nothing.
_NESTED = ("level_intervals_s", "experts_saved", "experts_by_level")


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    """Plain columns: a breakdown's parts and both ends of an interval each in one; the rest that is nested goes."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        if name == "breakdown":
            found |= {f"overhead_{part}": fraction for part, fraction in value.items()}
        elif name in ("expected_metric_drop_interval_90", "interval_ci90_s", "overhead_ci90"):
            low, high = value or (None, None)
            found |= {f"{name}_low": low, f"{name}_high": high}
        elif not isinstance(value, (dict, list)) and name not in _NESTED:
            found[name] = value
    return found


@dataclass(frozen=True)
class Plan(Shown):
    """What :func:`cprmodel.plan` returns."""

    kind: ClassVar[str] = "plan"

    job: Job
    model: CostModel
    strategies: tuple[StrategyPlan, ...]
    recommended: str
    sentence: str  #: the recommendation, for a person
    what_would_change_it: tuple[str, ...]
    warnings: tuple[str, ...]
    hours_saved_per_month: float | None
    uncertainty: Uncertainty | None = None  #: of the MTBF, where it comes from a trace
    minimised: str = "overhead"  #: "overhead" or "dollars", whichever the recommendation makes least
    dollars_saved_per_month: float | None = None  #: against what is done today, for the same useful work

    def __getitem__(self, name: str) -> StrategyPlan:
        """The strategy of that name.

        >>> from cprmodel import Job, plan
        >>> from cprmodel.presets import load_preset
        >>> plan(load_preset("cpr-dlrm"))["partial"].feasible
        True
        """
        for one in self.strategies:
            if one.name == name:
                return one
        raise KeyError(f"{name} (have: {', '.join(one.name for one in self.strategies)})")

    @property
    def best(self) -> StrategyPlan:
        """The recommended strategy."""
        return self[self.recommended]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as ``plan --json`` prints it; ``inputs`` can be read again by ``Job.from_mapping``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "cprmodel_version": __version__,
            "inputs": self.job.model_dump(exclude_none=True),
            "recommended": self.recommended,
            "recommendation": self.sentence,
            "what_would_change_it": list(self.what_would_change_it),
            "hours_saved_per_month": self.hours_saved_per_month,
            "minimised": self.minimised,
            "dollars_saved_per_month": self.dollars_saved_per_month,
            "currency": self.job.cost.currency if self.job.cost else None,
            "warnings": list(self.warnings),
            "components": self.job.failures.components_data(),
            "failures": self.uncertainty.to_dict() if self.uncertainty else None,
            "strategies": [one.to_dict() for one in self.strategies],
        }

    def __str__(self) -> str:
        """One line: what is recommended, and what it costs.

        >>> from cprmodel import load_preset, plan
        >>> print(plan(load_preset("cpr-dlrm")))
        partial every 47 h 23 min: overhead 1.42%, PLS 0.0876 of 0.1 (best of 3, first-order)
        """
        best, budget = self.best, self.best.pls_budget
        lost = f", PLS {best.expected_pls:.3g}" if best.expected_pls > 0 else ""
        lost += f" of {budget:.3g}" if lost and budget is not None else ""
        return (
            f"{best.name} every {format_time(best.interval_s)}: overhead {format_share(best.overhead_fraction)}"
            f"{lost} (best of {len(self.strategies)}, {self.model.name})"
        )

    def frame_columns(self) -> dict[str, list[Any]]:
        """One row a strategy: what ``to_dict`` says of each, the parts of its overhead in columns of their own."""
        named = ((one, {"recommended": one.name == self.recommended}) for one in self.strategies)
        return columns_of([_flat(one.to_dict()) | more for one, more in named])

    def chart(self) -> Any:
        """Overhead against interval, each strategy marked: an Altair chart, as on the page."""
        return drawer_of(self.kind).chart(self)

    def overhead_chart(self) -> alt.LayerChart:
        """Overhead against the interval, a curve a recovery, each strategy marked; to restyle."""
        drawn: alt.LayerChart = self._chart("overhead-against-interval")
        return drawn

    def breakdown_chart(self) -> alt.Chart:
        """What each strategy's overhead is made of; to restyle."""
        drawn: alt.Chart = self._chart("breakdown")
        return drawn

    def pls_chart(self) -> alt.LayerChart:
        """Overhead against expected PLS, the budget ruled in; to restyle. KeyError for a dense model."""
        drawn: alt.LayerChart = self._chart("overhead-against-pls")
        return drawn
