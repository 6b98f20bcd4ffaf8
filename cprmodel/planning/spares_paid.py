"""What one spare more or less does to what a job costs: a spare is a node that is paid for all the time."""

from __future__ import annotations

import math

from cprmodel.costing import CostModel
from cprmodel.facts.units import count_of, format_money
from cprmodel.jobs import Job
from cprmodel.planning.pricing import price
from cprmodel.planning.result import StrategyPlan

__all__ = ["about_spares"]


def about_spares(job: Job, model: CostModel, one: StrategyPlan) -> list[str]:
    """For a strategy, at its interval, of a job with prices that waits for repairs or shrinks for them."""
    if job.cost is None or not _told(one.dollars_to_train):
        return []
    currency, spares = job.cost.currency, job.cluster.spares or 0

    def costs(number: int) -> str:
        of = job.model_copy(update={"cluster": job.cluster.model_copy(update={"spares": number})})
        paid = price(of, model, one.strategy).dollars_to_train
        return format_money(paid, currency) if paid is not None and _told(paid) else "more than can be said"

    here = format_money(one.dollars_to_train or 0.0, currency)
    said = f"with {count_of(spares, 'spare')}, paid for all the time, it costs {here} to train"
    said += f"; with one more {costs(spares + 1)}"
    return [said if spares == 0 else f"{said}, with one less {costs(spares - 1)}"]


def _told(paid: float | None) -> bool:
    return paid is not None and math.isfinite(paid)
