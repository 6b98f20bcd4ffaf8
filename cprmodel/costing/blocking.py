"""Cost models for saves that block while everything is written: first order, and exact for a finite job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cprmodel.costing.models import (
    BUDGET,
    OPTIMUM,
    WHOLE_JOB,
    Choice,
    Cost,
    CostModel,
    Step,
    everybody_returns,
    exact_makespan,
    lost_samples,
    recovery_arguments,
    use,
)
from cprmodel.costing.terms import EXACT, FIRST_ORDER, Recoveries, Terms, Way, in_steps
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import Recovery, Strategy, loses_samples
from cprmodel.facts.units import format_time
from cprmodel.formulas import exact_loss, overhead
from cprmodel.jobs import Job

__all__ = ["Exact", "FirstOrder", "recoveries_of", "terms_of"]


def terms_of(job: Job, extra_s: float = 0.0) -> Terms:
    """A job's numbers, as the formulas take them."""
    mix, partial = job.failure_mix, job.partial_recovery
    return Terms(
        work_s=job.job.work_s,
        step_s=job.job.step_s,
        save_s=job.save_s,
        mtbf_s=mix.mtbf_s,
        load_s=partial.load_s,
        reschedule_s=partial.reschedule_s,
        partial_load_s=partial.partial_load_s,
        partial_reschedule_s=partial.partial_reschedule_s,
        trainer_reschedule_s=partial.trainer_reschedule_s,
        shard_share=mix.shard_share,
        trainer_share=mix.trainer_share,
        whole_job_share=mix.whole_job_share,
        shards=job.cluster.embedding_shards or 1,
        failed_shards=mix.shards_per_failure,
        extra_s=extra_s,
    )


def _optimum(of: Terms, way: Way) -> Step:
    return use(way.best, **way.arguments(of))


def _budget_step(of: Terms, budget: float) -> Step:
    return use(exact_loss.exact_pls_interval, pls=min(budget, 1 - 1e-15), **of.losses)


def _no_interval(job: Job, of: Terms) -> JobError:
    """No interval keeps the budget: what is lost at the shortest one."""
    assert job.accuracy is not None
    shortest = of.step_s or 0.0
    least = float(of.pls(shortest or 1e-9 * of.work_s))
    each = f"every step of {format_time(shortest)}" if shortest else "however often it saves"
    key, given = "pls_budget", job.accuracy.pls_budget
    if given is None:
        key, given = "max_metric_drop", job.accuracy.max_metric_drop
    expected = (
        f"a budget of more than {least:.3g} of the samples (PLS), which failures during saves of "
        f"{format_time(of.save_s)} take alone, {each}"
    )
    return JobError("job", [Problem(f"accuracy.{key}", f"{given:.3g}", expected)])


def _interval(job: Job, interval_s: Any, set_by: str, steps: tuple[Step, ...]) -> Choice:
    """A choice; one that reaches the end of the job is that."""
    every = float(interval_s)
    return Choice(every, WHOLE_JOB if every >= job.job.work_s * (1 - 1e-12) else set_by, steps)


def _lost(job: Job, strategy: Strategy) -> tuple[Step, float] | None:
    shards = job.cluster.embedding_shards or 1
    every = (job.job.work_s, strategy.saves_every_s, strategy.saving.save_s)
    return lost_samples(*every, job.failure_mix, shards, strategy.recovery)


def _cost(job: Job, strategy: Strategy, parts: Breakdown, spent: Step) -> Cost:
    lost = _lost(job, strategy)
    if lost is None:
        return Cost(parts.in_floats(), 0.0, (spent,), pls_standard_deviation=0.0)
    step, spread = lost
    return Cost(parts.in_floats(), float(step.value), (spent, step), pls_standard_deviation=spread)


@dataclass(frozen=True)
class FirstOrder:
    """The published formulas of the overhead, to first order in 1/μ; lost samples are counted exactly.

    >>> FirstOrder().name
    'first-order'
    """

    name: str = "first-order"
    extra_s: float = 0.0  #: what writing everything once costs besides its time, in seconds of the job

    def full_interval(self, job: Job) -> Choice:
        """Young's interval, no longer than the job; the better of its neighbours in whole steps."""
        of = terms_of(job, self.extra_s)
        return _interval(job, FIRST_ORDER.full_interval(of), OPTIMUM, (_optimum(of, FIRST_ORDER.full),))

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """The budget's interval, or the optimum where whole-job failures make it shorter.

        JobError where no interval keeps the budget.
        """
        of = terms_of(job, self.extra_s)
        chosen, bounded = FIRST_ORDER.partial_interval(of, pls_budget)
        if np.isnan(chosen):
            raise _no_interval(job, of)
        if bounded:
            return _interval(job, chosen, BUDGET, (_budget_step(of, pls_budget),))
        steps = (_optimum(of, FIRST_ORDER.partial),) if job.failure_mix.whole_job_share > 0 else ()
        return _interval(job, chosen, OPTIMUM, steps)

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """First-order overhead and exact PLS at the strategy's interval."""
        full = everybody_returns(strategy.recovery)
        formula = overhead.full_recovery_overhead if full else overhead.partial_recovery_overhead
        spent = use(
            formula,
            interval_s=strategy.saves_every_s,
            save_s=strategy.saving.save_s,
            mtbf_s=job.failure_mix.mtbf_s,
            **recovery_arguments(job.failure_mix, strategy.recovery),
        )
        return _cost(job, strategy, spent.value, spent)


@dataclass(frozen=True)
class Exact:
    """Exact expectations for exponential failures and a job of finite length.

    >>> Exact().name
    'exact'
    """

    name: str = "exact"
    extra_s: float = 0.0  #: what writing everything once costs besides its time, in seconds of the job

    def full_interval(self, job: Job) -> Choice:
        """The best of T/K over the number of pieces K, as equal as whole steps allow."""
        of = terms_of(job, self.extra_s)
        return _interval(job, EXACT.full_interval(of), OPTIMUM, (_optimum(of, EXACT.full),))

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """The fewest pieces that keep the budget, or more where whole-job failures make more better.

        JobError where no number of pieces keeps the budget.
        """
        of, mix = terms_of(job, self.extra_s), job.failure_mix
        chosen, bounded = EXACT.partial_interval(of, pls_budget)
        if np.isnan(chosen):
            raise _no_interval(job, of)
        steps: tuple[Step, ...] = ()
        if bounded:
            steps = (_budget_step(of, pls_budget),)
        if mix.whole_job_share > 0:
            steps = (*steps, _optimum(of, EXACT.partial))
        return _interval(job, chosen, BUDGET if bounded else OPTIMUM, steps)

    def next_interval(self, job: Job, recovery: Recovery, pls_budget: float | None = None) -> Choice:
        """The interval to the next save where the job is not cut into equal pieces: what is believed may change.

        The exact optimum of a long job, and under partial recovery no longer than the budget allows. Where no
        interval allows it, the budget's own were saves to take no time, with a note.

        >>> from cprmodel.presets import load_preset
        >>> job = load_preset("cpr-dlrm")
        >>> Exact().next_interval(job, job.partial_recovery, job.pls_budget).set_by
        'the accuracy budget'
        """
        of = terms_of(job)
        choices = [Choice(of.work_s, WHOLE_JOB)]
        if not loses_samples(recovery):
            ideal = _optimum(of, EXACT.full)
            choices.append(Choice(float(ideal.value), OPTIMUM, (ideal,)))
            return _in_whole_steps(of, EXACT.full, choices)
        budget = pls_budget or 1.0
        if job.failure_mix.shard_share > 0 and budget < 1:
            choices.append(_next_within(of, budget))
        if job.failure_mix.whole_job_share > 0:
            ideal = _optimum(of, EXACT.partial)
            choices.append(Choice(float(ideal.value), OPTIMUM, (ideal,)))
        return _in_whole_steps(of, EXACT.partial, choices, budget)

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """Exact expected overhead and PLS at the strategy's interval."""
        spent = exact_makespan(
            job.job.work_s, strategy.saves_every_s, strategy.saving.save_s, job.failure_mix, strategy.recovery
        )
        return _cost(job, strategy, spent.value.scaled(1 / job.job.work_s), spent)


def _in_whole_steps(of: Terms, way: Way, choices: list[Choice], budget: float | None = None) -> Choice:
    """The shortest of the choices, and the better of its neighbours in whole steps, in a job that goes on."""
    one = min(choices, key=lambda choice: choice.interval_s)
    if of.step_s is None or one.set_by == WHOLE_JOB:
        return one
    endless = replace(of, work_s=max(of.work_s, 1e4 * one.interval_s))
    return replace(one, interval_s=float(in_steps(endless, one.interval_s, way, budget)))


def _next_within(of: Terms, budget: float) -> Choice:
    step = _budget_step(of, budget)
    if float(step.value) > 0:
        return Choice(float(step.value), BUDGET, (step,))
    free = use(exact_loss.exact_pls_interval, **(step.arguments | {"save_s": 0.0}))
    said = (
        f"no interval keeps the budget: failures during saves of {format_time(of.save_s)} alone take more, "
        "whatever the interval"
    )
    return Choice(float(free.value), BUDGET, (free,), (said,))


def recoveries_of(model: CostModel) -> Recoveries | None:
    """What a model decides by, over arrays as well; None for one that takes a job at a time.

    >>> recoveries_of(Exact()) is EXACT
    True
    """
    return {FirstOrder: FIRST_ORDER, Exact: EXACT}.get(type(model))
