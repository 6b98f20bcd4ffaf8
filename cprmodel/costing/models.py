"""What every cost model answers: what a strategy costs and loses, and which interval suits it.

:class:`~cprmodel.FirstOrder` and :class:`~cprmodel.Exact` (:mod:`cprmodel.costing.blocking`) know saves that block
while everything is written, :class:`~cprmodel.SteadyState` storage as it is. However the overhead is reckoned, lost
samples are counted exactly, whenever failures strike: a budget is kept or it is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from cprmodel.facts.formula import Formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import (
    FailureKind,
    FailureMix,
    Recovery,
    RollBack,
    SavingPolicy,
    Strategy,
    loses_samples,
)
from cprmodel.formulas import exact_loss, makespan
from cprmodel.jobs import Job

__all__ = [
    "BUDGET",
    "OPTIMUM",
    "STOPS",
    "UNHEEDED",
    "WHOLE_JOB",
    "Choice",
    "Cost",
    "CostModel",
    "Step",
    "everybody_returns",
    "exact_makespan",
    "loss_arguments",
    "lost_samples",
    "one_by_one",
    "recovery_arguments",
    "share_sent_back",
    "use",
    "with_extra",
]


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
    #: whole checkpoints' worth that is written in a second of work, where it is not one in an interval
    written_per_s: float | None = None
    #: and what is written by saves beside those, before a job grows or a planned stop
    written_beside_per_s: float = 0.0
    refused: str = ""  #: why it may not be done, whatever it costs
    pls_standard_deviation: float | None = None  #: of one run's PLS; None where this model does not say
    pls_standard_error: float | None = None  #: where the PLS comes from a simulation
    planned: float = 0.0  #: planned stops, a part of the rescheduling
    waiting: float = 0.0  #: waiting for a repair, another part of it
    fewer: float = 0.0  #: training on fewer nodes, and the reshapes to it and back, another
    slow: float = 0.0  #: stragglers, another


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


def one_by_one(model: CostModel, job: Job, strategy: Strategy, intervals_s: Any) -> tuple[Any, Any]:
    """Overhead and PLS of a strategy at each of many intervals, by a model that knows one at a time."""
    found = [model.cost(job, replace(strategy, interval_s=float(one))) for one in np.ravel(intervals_s)]
    return np.array([one.breakdown.total for one in found]), np.array([one.pls for one in found])


WHOLE_JOB = "the length of the job"
OPTIMUM = "the least overhead"
BUDGET = "the accuracy budget"
STOPS = "the time between planned stops"
#: A note of plans that could have heeded warnings.
UNHEEDED = "warnings are better not heeded: saves on false ones would cost more than true ones spare"


def with_extra(model: CostModel, extra_s: float) -> CostModel:
    """The model with what writing everything once costs besides its time, where it knows of that.

    >>> from cprmodel.costing import Exact
    >>> with_extra(Exact(), 5.0)
    Exact(name='exact', extra_s=5.0)
    """
    if not extra_s or not hasattr(model, "extra_s"):
        return model
    return replace(model, extra_s=extra_s)  # type: ignore[type-var]


def everybody_returns(recovery: Recovery) -> bool:
    """Whether every failure, whatever it takes, sends everybody back, in the same time."""
    responses = [recovery.response(kind) for kind in FailureKind]
    return responses[0].rolls_back is RollBack.EVERYBODY and all(one == responses[0] for one in responses)


def share_sent_back(mix: FailureMix, recovery: Recovery) -> float:
    """Share of the failures that send everybody back."""
    return 1.0 if everybody_returns(recovery) else mix.whole_job_share


def recovery_arguments(mix: FailureMix, recovery: Recovery) -> dict[str, Any]:
    """The arguments of the overhead formulas that describe a recovery."""
    shard, trainer, whole = (recovery.response(kind) for kind in FailureKind)
    back = {"load_s": whole.load_s, "reschedule_s": whole.reschedule_s}
    if everybody_returns(recovery):
        return back
    rolls = (shard.rolls_back, trainer.rolls_back, whole.rolls_back)
    if rolls != (RollBack.FAILED_SHARDS, RollBack.NOBODY, RollBack.EVERYBODY):
        raise TypeError(f"no cost model for recovery {recovery.name!r}")
    return {
        "partial_load_s": shard.load_s,
        "partial_reschedule_s": shard.reschedule_s,
        "shard_share": mix.shard_share,
        "trainer_share": mix.trainer_share,
        "whole_job_share": mix.whole_job_share,
        "trainer_reschedule_s": trainer.total_s,
        **back,
    }


def loss_arguments(
    work_s: Any, interval_s: Any, save_s: Any, mix: FailureMix, shards: Any, recovery: Recovery
) -> dict[str, Any] | None:
    """What the formulas about lost samples take; None where no shard rolls back alone."""
    if not loses_samples(recovery):
        return None
    arguments = {
        "work_s": work_s,
        "interval_s": interval_s,
        "save_s": save_s,
        "mtbf_s": mix.mtbf_s,
        "shards": shards,
        "failed_shards": mix.shards_per_failure,
        **recovery_arguments(mix, recovery),
    }
    for name in ("load_s", "reschedule_s"):  # of a whole-job failure, after which everything is replayed
        del arguments[name]
    return arguments


def lost_samples(
    work_s: float, interval_s: float, save_s: float, mix: FailureMix, shards: int, recovery: Recovery
) -> tuple[Step, float] | None:
    """Expected PLS and how a run's scatters, wherever failures strike; None where no shard rolls back alone."""
    arguments = loss_arguments(work_s, interval_s, save_s, mix, shards, recovery)
    if arguments is None:
        return None
    spread = use(exact_loss.exact_pls_deviation, **arguments, failed_scatter=mix.failed_scatter)
    return use(exact_loss.exact_pls, **arguments), float(spread.value)


def exact_makespan(work_s: Any, interval_s: Any, save_s: Any, mix: FailureMix, recovery: Recovery) -> Step:
    """Expected time beyond the useful work, of a job of finite length."""
    full = everybody_returns(recovery)
    formula: Formula[Any, Breakdown] = (
        makespan.full_recovery_makespan if full else makespan.partial_recovery_makespan
    )
    return use(
        formula,
        work_s=work_s,
        interval_s=interval_s,
        save_s=save_s,
        mtbf_s=mix.mtbf_s,
        **recovery_arguments(mix, recovery),
    )
