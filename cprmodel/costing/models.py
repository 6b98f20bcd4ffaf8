"""Cost models: what a strategy costs and loses, and which interval suits it.

:class:`FirstOrder` uses the published first-order formulas, :class:`Exact` the exact ones for exponential
failures and a job of finite length. Both answer the same three questions; so does a third,
:class:`cprmodel.costing.steady.SteadyState`, for storage that is more than one blocking copy of everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from cprmodel.facts.formula import Formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import (
    FailureKind,
    FailureMix,
    FullRecovery,
    PartialRecovery,
    Recovery,
    RollBack,
    SavingPolicy,
    Strategy,
)
from cprmodel.facts.units import format_time
from cprmodel.formulas import interval, loss, makespan, overhead
from cprmodel.jobs import Job

__all__ = ["Choice", "Cost", "CostModel", "Exact", "FirstOrder", "Step", "interval_with_recoveries"]


@dataclass(frozen=True)
class Step:
    """One formula as it was used: with these arguments it gave this value."""

    formula: Formula[Any, Any]
    arguments: dict[str, Any]
    value: Any

    @property
    def warnings(self) -> list[str]:
        """Sentences for the validity ranges that the arguments leave."""
        return [f"{self.formula.__name__}: {sentence}" for sentence in self.formula.outside(**self.arguments)]


def use(formula: Formula[Any, Any], **arguments: Any) -> Step:
    """Apply a formula and keep what went in; overflow gives infinity, for the caller to see."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return Step(formula, arguments, formula.raw(**arguments))


@dataclass(frozen=True)
class Cost:
    """What a strategy costs (fractions of the useful time) and loses (PLS), and how that was found."""

    breakdown: Breakdown
    pls: float
    steps: tuple[Step, ...] = field(repr=False, default=())
    notes: tuple[str, ...] = ()  #: what a reader of the figures should know
    #: whole checkpoints' worth that is written in a second of work, where it is not one in an interval
    written_per_s: float | None = None
    refused: str = ""  #: why it may not be done, whatever it costs
    pls_standard_deviation: float | None = None  #: of one run's PLS; None where this model does not say


@dataclass(frozen=True)
class Choice:
    """An interval, what set it, and how it was found."""

    interval_s: float
    set_by: str
    steps: tuple[Step, ...] = field(repr=False, default=())
    notes: tuple[str, ...] = ()
    saving: SavingPolicy | None = None  #: where how to save was chosen too


class CostModel(Protocol):
    """What planning asks of a cost model."""

    @property
    def name(self) -> str: ...

    def full_interval(self, job: Job) -> Choice: ...

    def partial_interval(self, job: Job, pls_budget: float) -> Choice: ...

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """Its PLS is that of saves that take everything."""


WHOLE_JOB = "the length of the job"
OPTIMUM = "the least overhead"
BUDGET = "the accuracy budget"


def loses_samples(recovery: Recovery) -> bool:
    """Whether a shard failure costs samples for good (the shard alone rolls back)."""
    return recovery.response(FailureKind.SHARD).rolls_back is RollBack.FAILED_SHARDS


def recovery_arguments(mix: FailureMix, recovery: Recovery) -> dict[str, float]:
    """The arguments of the overhead formulas that describe a recovery."""
    if isinstance(recovery, FullRecovery):
        return {"load_s": recovery.load_s, "reschedule_s": recovery.reschedule_s}
    if isinstance(recovery, PartialRecovery):
        return {
            "partial_load_s": recovery.partial_load_s,
            "partial_reschedule_s": recovery.partial_reschedule_s,
            "shard_share": mix.shard_share,
            "trainer_share": mix.trainer_share,
            "whole_job_share": mix.whole_job_share,
            "trainer_reschedule_s": recovery.trainer_reschedule_s,
            "load_s": recovery.load_s,
            "reschedule_s": recovery.reschedule_s,
        }
    raise TypeError(f"no cost model for recovery {recovery.name!r}")


def loss_arguments(job: Job) -> dict[str, float]:
    """The arguments of the formulas about what shard failures take."""
    mix = job.failure_mix
    return {
        "mtbf_s": mix.mtbf_s,
        "shards": job.cluster.embedding_shards or 1,
        "shard_share": mix.shard_share,
        "failed_shards": mix.shards_per_failure,
    }


def pls_with_recoveries(job: Job, strategy: Strategy) -> float:
    """Expected PLS with failures during saves and recoveries counted too; 0 where no shard rolls back alone."""
    shards = job.cluster.embedding_shards or 1
    every = (job.job.work_s, strategy.saves_every_s, strategy.saving.save_s)
    return exact_pls_of(*every, job.failure_mix, shards, strategy.recovery)


def exact_pls_of(
    work_s: float, interval_s: float, save_s: float, mix: FailureMix, shards: int, recovery: Recovery
) -> float:
    """The same of a job in numbers."""
    if not isinstance(recovery, PartialRecovery):
        return 0.0
    arguments = recovery_arguments(mix, recovery)
    step = use(
        makespan.partial_recovery_pls,
        work_s=work_s,
        interval_s=interval_s,
        save_s=save_s,
        mtbf_s=mix.mtbf_s,
        shards=shards,
        failed_shards=mix.shards_per_failure,
        **{name: value for name, value in arguments.items() if name not in ("load_s", "reschedule_s")},
    )
    return float(step.value)


def exact_makespan(work_s: float, interval_s: Any, save_s: float, mix: FailureMix, recovery: Recovery) -> Step:
    """Expected time beyond the useful work, of a job of finite length."""
    formula: Formula[Any, Breakdown] = (
        makespan.partial_recovery_makespan
        if isinstance(recovery, PartialRecovery)
        else makespan.full_recovery_makespan
    )
    return use(
        formula,
        work_s=work_s,
        interval_s=interval_s,
        save_s=save_s,
        mtbf_s=mix.mtbf_s,
        **recovery_arguments(mix, recovery),
    )


def interval_with_recoveries(job: Job, strategy: Strategy, budget: float) -> float | None:
    """The longest interval, up to the strategy's, whose PLS keeps a budget with failures in saves and stops [s].

    None where no interval does: what fails during the saves alone loses more.
    """

    def keeps(interval_s: float) -> bool:
        return pls_with_recoveries(job, replace(strategy, interval_s=interval_s)) <= budget

    high = strategy.interval_s
    if keeps(high):
        return high
    low = high / 2
    while not keeps(low):
        low /= 2
        if low < 1e-4 * high:
            return None
    low = _longest(keeps, low, high)
    # equal pieces save once less than pieces a little shorter: where they are few, a longer interval may keep it
    work = job.job.work_s
    fewest, most = math.ceil(work / strategy.interval_s), math.floor(work / low)
    for pieces in range(fewest, min(most, fewest + _PIECES) + 1):
        even = work / pieces
        if even > low and keeps(even):
            limit = min(strategy.interval_s, work / max(pieces - 1, 1) * (1 - 1e-9))
            return _longest(keeps, even, limit)
    return low


def _longest(keeps: Callable[[float], bool], low: float, high: float) -> float:
    """The last number that keeps, from one that does to one that may not."""
    if keeps(high):
        return high
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


#: Numbers of equal pieces that are tried: of more, one save less is no matter.
_PIECES = 200


def _capped(job: Job, choices: Iterable[Choice]) -> Choice:
    """The shortest of the intervals, and no longer than the job."""
    return min((*choices, Choice(job.job.work_s, WHOLE_JOB)), key=lambda choice: choice.interval_s)


def _chosen(step: Step, set_by: str) -> Choice:
    return Choice(float(step.value), set_by, (step,))


def _floats(parts: Breakdown) -> Breakdown:
    return Breakdown(*(float(part) for part in parts))


@dataclass(frozen=True)
class FirstOrder:
    """The published formulas, to first order in 1/μ.

    >>> FirstOrder().name
    'first-order'
    """

    name: str = "first-order"

    def full_interval(self, job: Job) -> Choice:
        """Young's interval, no longer than the job."""
        step = use(interval.young_1974, save_s=job.save_s, mtbf_s=job.failure_mix.mtbf_s)
        return _capped(job, [_chosen(step, OPTIMUM)])

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """The budget's interval, or the optimum where whole-job failures make it shorter."""
        choices = []
        mix = job.failure_mix
        if mix.shard_share > 0:
            budget = use(loss.cpr_2021_interval, pls=pls_budget, **loss_arguments(job))
            choices.append(_chosen(budget, BUDGET))
        if mix.whole_job_share > 0:
            best = use(
                interval.partial_recovery_interval,
                save_s=job.save_s,
                mtbf_s=mix.mtbf_s,
                whole_job_share=mix.whole_job_share,
            )
            choices.append(_chosen(best, OPTIMUM))
        return _capped(job, choices)

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """First-order overhead and PLS at the strategy's interval."""
        formula = (
            overhead.partial_recovery_overhead
            if isinstance(strategy.recovery, PartialRecovery)
            else overhead.full_recovery_overhead
        )
        spent = use(
            formula,
            interval_s=strategy.saves_every_s,
            save_s=strategy.saving.save_s,
            mtbf_s=job.failure_mix.mtbf_s,
            **recovery_arguments(job.failure_mix, strategy.recovery),
        )
        if not loses_samples(strategy.recovery):
            return Cost(_floats(spent.value), 0.0, (spent,))
        lost = use(loss.cpr_2021_pls, interval_s=strategy.saves_every_s, **loss_arguments(job))
        return Cost(_floats(spent.value), float(lost.value), (spent, lost))


@dataclass(frozen=True)
class Exact:
    """Exact expectations for exponential failures and a job of finite length.

    >>> Exact().name
    'exact'
    """

    name: str = "exact"

    def full_interval(self, job: Job) -> Choice:
        """The best of T/K over the number of pieces K."""
        return self._best_pieces(job, job.full_recovery, self._full_ideal(job), fewest=1)

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """The inverse of the exact PLS, or the best T/K where whole-job failures make that shorter."""
        mix = job.failure_mix
        work = job.job.work_s
        bound = _capped(job, self._keeps(job, pls_budget))
        if mix.whole_job_share == 0:
            return replace(bound, notes=self._even_pieces(job, bound.interval_s))
        ideal = self._partial_ideal(job)
        fewest = float(NUMPY.intervals(work, bound.interval_s))
        best = self._best_pieces(job, job.partial_recovery, ideal, fewest)
        if round(work / best.interval_s) == fewest and fewest > 1:
            return Choice(best.interval_s, bound.set_by, (*bound.steps, *best.steps))
        return best

    def next_interval(self, job: Job, recovery: Recovery, pls_budget: float | None = None) -> Choice:
        """The interval to the next save where the job is not cut into equal pieces: what is believed may change.

        The exact optimum of a long job, and under partial recovery no longer than the budget allows.

        >>> from cprmodel.presets import load_preset
        >>> job = load_preset("cpr-dlrm")
        >>> Exact().next_interval(job, job.partial_recovery, job.pls_budget).set_by
        'the accuracy budget'
        """
        if not loses_samples(recovery):
            return _capped(job, [_chosen(self._full_ideal(job), OPTIMUM)])
        choices = self._keeps(job, pls_budget or 1.0)
        if job.failure_mix.whole_job_share > 0:
            choices.append(_chosen(self._partial_ideal(job), OPTIMUM))
        return _capped(job, choices)

    @staticmethod
    def _full_ideal(job: Job) -> Step:
        return use(interval.exact_interval, save_s=job.save_s, mtbf_s=job.failure_mix.mtbf_s)

    @staticmethod
    def _partial_ideal(job: Job) -> Step:
        return use(
            makespan.partial_recovery_exact_interval,
            save_s=job.save_s,
            mtbf_s=job.failure_mix.mtbf_s,
            **recovery_arguments(job.failure_mix, job.partial_recovery),
        )

    @staticmethod
    def _keeps(job: Job, pls_budget: float) -> list[Choice]:
        """The interval that keeps the budget, if any does more than the end of the job."""
        if job.failure_mix.shard_share == 0 or pls_budget >= 1:
            return []
        return [_chosen(use(loss.exact_pls_interval, pls=pls_budget, **loss_arguments(job)), BUDGET)]

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """Exact expected overhead and PLS at the strategy's interval."""
        spent = exact_makespan(
            job.job.work_s, strategy.saves_every_s, strategy.saving.save_s, job.failure_mix, strategy.recovery
        )
        parts = _floats(spent.value.scaled(1 / job.job.work_s))
        if not loses_samples(strategy.recovery):
            return Cost(parts, 0.0, (spent,))
        every_s = strategy.saves_every_s
        lost = use(loss.exact_pls, work_s=job.job.work_s, interval_s=every_s, **loss_arguments(job))
        return Cost(parts, float(lost.value), (spent, lost), self._during_saves(job, strategy, float(lost.value)))

    @staticmethod
    def _even_pieces(job: Job, interval_s: float) -> tuple[str, ...]:
        """The budget's interval rarely divides the job: equal pieces cost the same and lose less."""
        work = job.job.work_s
        even = work / float(NUMPY.intervals(work, interval_s))
        if even > interval_s * (1 - 1e-3):
            return ()
        pls = float(loss.exact_pls.raw(work, even, **loss_arguments(job)))
        return (
            f"saving every {format_time(even)} instead makes as many saves, in equal pieces, "
            f"and lowers the expected PLS to {pls:.3g}",
        )

    @staticmethod
    def _during_saves(job: Job, strategy: Strategy, pls: float) -> tuple[str, ...]:
        """The exact PLS leaves out failures during saves and recoveries: say so where they matter."""
        more = pls_with_recoveries(job, strategy)
        if not more > 1.05 * pls:
            return ()
        said = f"expected PLS {pls:.3g} leaves out failures during saves and recoveries; with them it is {more:.3g}"
        budget = job.pls_budget
        if budget is None or more <= budget:
            return (said,)
        every = interval_with_recoveries(job, strategy, budget)
        if every is None:
            return (f"{said}, above the budget at any interval",)
        return (f"{said}: save every {format_time(every)} to keep the budget of {budget:.3g} all the same",)

    def _best_pieces(self, job: Job, recovery: Recovery, ideal: Step, fewest: float) -> Choice:
        """The cheapest of equal pieces: the cost is convex in their number, so neighbours of T/τ suffice."""
        work = job.job.work_s
        nearest = np.floor(work / float(ideal.value)) + np.arange(-2, 4)
        pieces = np.unique(np.maximum(np.append(nearest, fewest), fewest))
        spent = exact_makespan(work, work / pieces, job.save_s, job.failure_mix, recovery).value.total
        best = float(pieces[int(np.argmin(np.where(np.isnan(spent), np.inf, spent)))])
        if best == 1:
            return Choice(work, WHOLE_JOB, (ideal,))
        return Choice(work / best, OPTIMUM, (ideal,))
