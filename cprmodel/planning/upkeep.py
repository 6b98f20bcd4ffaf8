"""What a strategy writes, keeps and costs in money, and the interval that costs the least money."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cprmodel.costing import loses_samples
from cprmodel.costing.models import OPTIMUM, Choice, CostModel, use
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.money import cheapest_interval, price_to_train
from cprmodel.jobs import HOURS_PER_MONTH, Job
from cprmodel.jobs.money import BYTES_PER_GB

__all__ = ["CHEAPEST", "Upkeep", "cheapest", "price_per_s", "save_price", "upkeep", "with_prices"]

CHEAPEST = "the least money"

_MONTH_S = HOURS_PER_MONTH * 3600


@dataclass(frozen=True)
class Upkeep:
    """What is written and kept, and what it costs; None where it is not known."""

    saves: float
    space_kept_bytes: float | None
    write_bytes_per_month: float | None
    dollars_per_month: float | None
    dollars_to_train: float | None


def price_per_s(job: Job) -> float:
    """What a second of the job costs: its nodes, and the checkpoints that are kept [currency/s]."""
    assert job.cost is not None
    kept = job.cost.storage_gb_month * _space_kept(job) / BYTES_PER_GB / _MONTH_S
    return job.cost.node_hour * (job.nodes or 0) / 3600 + kept


def save_price(job: Job) -> float:
    """What writing one whole checkpoint costs [currency]."""
    assert job.cost is not None
    return job.cost.write_gb * (job.checkpoint.stored_bytes or 0.0) / BYTES_PER_GB


def _space_kept(job: Job) -> float:
    return job.checkpoint.retained * (job.checkpoint.stored_bytes or 0.0)


def upkeep(job: Job, model: str, strategy: Strategy, overhead: float, written_per_s: float | None = None) -> Upkeep:
    """Of a strategy whose overhead is known, and what it writes in a second of work [whole checkpoints].

    A month is one of elapsed time, saves and recoveries included; its money is what the overhead takes of the
    nodes, and what storage and writing cost, not what the useful work costs.
    """
    work, every = job.job.work_s, strategy.saves_every_s
    # as the models count them: the first order charges a save for each interval, the others none at the end
    saves = work / every if model == "first-order" else float(NUMPY.intervals(work, every)) - 1
    whole = saves * strategy.saving.fraction if written_per_s is None else written_per_s * work
    size = job.checkpoint.stored_bytes
    elapsed_months = work * (1 + overhead) / _MONTH_S
    space = written = a_month = in_all = None
    if size is not None:
        space = _space_kept(job)
        written = whole * size / elapsed_months
    if job.cost is not None:
        per_s = price_per_s(job)
        in_all = float(price_to_train.raw(work, overhead, per_s, whole, save_price(job)))
        useful = job.cost.node_hour * (job.nodes or 0) / 3600 * work
        a_month = (in_all - useful) / elapsed_months
    return Upkeep(saves, space, written, a_month, in_all)


def with_prices(job: Job, model: CostModel) -> CostModel:
    """The model that minimises money: writing that costs c is worth c/p seconds of the job, beside its time."""
    extra = save_price(job) / price_per_s(job)
    return replace(model, extra_s=extra) if extra > 0 and hasattr(model, "extra_s") else model  # type: ignore[type-var]


def cheapest(job: Job, model: CostModel, strategy: Strategy, found: Choice) -> Choice:
    """A choice of the model with prices, and what set it."""
    if save_price(job) == 0 or found.set_by != OPTIMUM:
        return found
    if model.name != "first-order" or strategy.saving.fraction != 1:
        return replace(found, set_by=CHEAPEST)
    step = use(
        cheapest_interval,
        save_s=job.save_s,
        mtbf_s=job.failure_mix.mtbf_s,
        save_price=save_price(job),
        price_per_s=price_per_s(job),
        whole_job_share=job.failure_mix.whole_job_share if loses_samples(strategy.recovery) else 1.0,
    )
    return replace(found, set_by=CHEAPEST, steps=(step,))
