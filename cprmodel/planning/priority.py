"""Partial recovery whose saves take some rows before others: a strategy for each order, at the same budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from cprmodel.costing.models import BUDGET, OPTIMUM, WHOLE_JOB, Choice, Cost, CostModel
from cprmodel.facts.errors import JobError
from cprmodel.facts.strategies import PrioritySave, Strategy
from cprmodel.jobs import Job
from cprmodel.ordering import ORDERS, expected_pls, interval_for_pls

__all__ = ["cost_in_order", "in_order"]


def in_order(
    job: Job, model: CostModel, orders: Sequence[str] = ORDERS, extra_s: float = 0.0
) -> list[tuple[Strategy, Choice]]:
    """A strategy for each order, at the interval that keeps the budget; none without ``[access]`` and a budget.

    Where the job has steps, the work between two saves is a whole number of them. Where no interval keeps the
    budget, the one of least overhead, which then is above it.

    ``extra_s``: what writing everything once costs beside its time, in seconds of the job, where that counts.
    """
    if job.access is None or job.pls_budget is None or job.cluster.embedding_shards is None or not job.plain:
        return []
    fraction = job.access.priority_fraction
    saving = PrioritySave(job.save_s * fraction, fraction, "")
    try:
        start = model.partial_interval(job, job.pls_budget).interval_s
    except JobError:  # where each save takes everything, no interval keeps it
        start = job.job.work_s / 2
    best = _best(job, model, replace(saving, save_s=saving.save_s + extra_s * fraction))
    found = []
    for order in orders:
        strategy = Strategy(f"partial-{order}", job.partial_recovery, replace(saving, order=order), start)
        choice = _within(job, model, strategy, job.pls_budget, best)
        choice = _in_steps(job, model, strategy, job.pls_budget, choice, extra_s)
        found.append((replace(strategy, interval_s=choice.interval_s), choice))
    return found


def _within(job: Job, model: CostModel, strategy: Strategy, budget: float, best: Choice) -> Choice:
    """The best interval where it keeps the budget, else the longest that does."""
    if expected_pls(job, replace(strategy, interval_s=best.interval_s), _is_exact(model)).pls <= budget:
        return best
    budget_s = interval_for_pls(job, strategy, budget, _is_exact(model))
    return best if budget_s is None or budget_s > best.interval_s else Choice(budget_s, BUDGET)


def _in_steps(
    job: Job, model: CostModel, strategy: Strategy, budget: float, choice: Choice, extra_s: float
) -> Choice:
    """The better of the neighbours that are whole numbers of steps; the end of the job is one."""
    step_s, work, fraction = job.job.step_s, job.job.work_s, strategy.saving.fraction
    every = choice.interval_s * fraction
    if every >= work:
        return replace(choice, interval_s=work / fraction, set_by=WHOLE_JOB)
    if step_s is None:
        return choice
    number = math.floor(every / step_s * (1 + 1e-12))
    tried = []
    for steps in {max(number, 1), max(number, 1) + 1}:
        one = replace(strategy, interval_s=min(steps * step_s, work) / fraction)
        cost = float(model.cost(job, one).breakdown.total)
        cost += extra_s * fraction / one.saves_every_s
        over = max(expected_pls(job, one, _is_exact(model)).pls - budget, 0.0)
        tried.append((over, cost, one.interval_s))
    _, _, interval_s = min(tried)
    return replace(
        choice, interval_s=interval_s, set_by=WHOLE_JOB if interval_s * fraction >= work else choice.set_by
    )


def _best(job: Job, model: CostModel, saving: PrioritySave) -> Choice:
    """Where the overhead is least: whole-job failures make saves worth while. No save at all without them."""
    point = job.checkpoint.model_copy(
        update={"save_s": saving.save_s, "size_bytes": None, "bandwidth_bytes_per_s": None, "load_s": job.load_s}
    )
    small = job.model_copy(update={"checkpoint": point})
    choice = model.partial_interval(small, 1.0)
    within = choice.interval_s < job.job.work_s
    return Choice(choice.interval_s / saving.fraction, OPTIMUM if within else WHOLE_JOB, choice.steps)


def cost_in_order(job: Job, model: CostModel, strategy: Strategy, cost: Cost) -> tuple[Cost, float]:
    """The cost with the order's PLS in the place of that of saves that take everything, and its standard error."""
    found = expected_pls(job, strategy, _is_exact(model))
    notes = []
    if found.standard_error > 0:
        notes.append(
            "expected PLS, of updates, is from a simulation of the order "
            f"(standard error {found.standard_error:.1g})"
        )
    cost = replace(
        cost,
        pls=found.pls,
        steps=(cost.steps[0], found.step),
        notes=tuple(notes),
        pls_standard_deviation=found.standard_deviation,
    )
    return cost, found.standard_error


def _is_exact(model: CostModel) -> bool:
    return model.name != "first-order"
