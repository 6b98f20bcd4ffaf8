"""Partial recovery whose saves take some rows before others: a strategy for each order, at the same budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cprmodel.costing.models import BUDGET, OPTIMUM, WHOLE_JOB, Choice, Cost, CostModel
from cprmodel.facts.strategies import PrioritySave, Strategy
from cprmodel.jobs import Job
from cprmodel.ordering import ORDERS, expected_pls, interval_for_pls
from cprmodel.ordering.pls import OrderLoss

__all__ = ["cost_in_order", "in_order"]


def in_order(
    job: Job, model: CostModel, orders: Sequence[str] = ORDERS, extra_s: float = 0.0
) -> list[tuple[Strategy, Choice]]:
    """A strategy for each order, at the interval that keeps the budget; none without ``[access]`` and a budget.

    ``extra_s``: what writing everything once costs beside its time, in seconds of the job, where that counts.
    """
    if job.access is None or job.pls_budget is None or job.cluster.embedding_shards is None or not job.plain:
        return []
    fraction = job.access.priority_fraction
    saving = PrioritySave(job.save_s * fraction, fraction, "")
    start = model.partial_interval(job, job.pls_budget).interval_s
    best = _best(job, model, replace(saving, save_s=saving.save_s + extra_s * fraction))
    found = []
    for order in orders:
        strategy = Strategy(f"partial-{order}", job.partial_recovery, replace(saving, order=order), start)
        budget_s = interval_for_pls(job, strategy, job.pls_budget, _is_exact(model))
        choice = Choice(budget_s, BUDGET) if budget_s < best.interval_s else best
        found.append((replace(strategy, interval_s=choice.interval_s), choice))
    return found


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
    notes = [
        f"expected PLS, of updates, is from a simulation of the order (standard error {found.standard_error:.1g})"
    ]
    more = found.pls * _exposed(job, strategy, cost, found)
    if more > 1.05 * found.pls:
        notes.append(
            f"expected PLS {found.pls:.3g} leaves out failures during saves and recoveries; with them it is about "
            f"{more:.3g}"
        )
    cost = replace(cost, pls=found.pls, steps=(cost.steps[0], found.step), notes=tuple(notes))
    return cost, found.standard_error


def _exposed(job: Job, strategy: Strategy, cost: Cost, found: OrderLoss) -> float:
    """How much more failures take when they strike saves and stops, too, to first order.

    At a save all updates since the last one are at stake; in a stop what is on average, but for the shards that
    have just lost theirs.
    """
    unsaved_s = float(found.step.arguments["unsaved_s"])
    if not unsaved_s:
        return 1.0
    mix, shards = job.failure_mix, job.cluster.embedding_shards or 1
    at_save = 1 + strategy.saves_every_s / 2 / unsaved_s
    stops = float(cost.breakdown.load + cost.breakdown.reschedule)
    return (
        1 + float(cost.breakdown.save) * at_save + stops * (1 - mix.shard_share * mix.shards_per_failure / shards)
    )


def _is_exact(model: CostModel) -> bool:
    return model.name != "first-order"
