"""What a strategy writes, keeps and costs in money, and the interval that costs the least money."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cprmodel.costing import Exact, FirstOrder, SteadyState
from cprmodel.costing.models import OPTIMUM, Choice, CostModel, use
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Recovery, Strategy
from cprmodel.formulas.money import cheapest_interval, price_to_train
from cprmodel.jobs import HOURS_PER_MONTH, Job
from cprmodel.jobs.money import BYTES_PER_GB

__all__ = ["CHEAPEST", "Upkeep", "cheapest_choice", "price_per_s", "save_price", "upkeep"]

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


def cheapest_choice(job: Job, model: CostModel, recovery: Recovery, budget: float | None = None) -> Choice:
    """The interval that costs the least money, within a budget of lost samples.

    Writing that costs c in money is worth c/p seconds of the job, beside the time it takes.
    """
    extra = save_price(job) / price_per_s(job)
    if extra > 0 and isinstance(model, (FirstOrder, Exact, SteadyState)):
        model = replace(model, extra_s=extra)
    found = model.full_interval(job) if budget is None else model.partial_interval(job, budget)
    if extra == 0 or found.set_by != OPTIMUM:
        return found
    return _in_words(job, recovery, found) if model.name == "first-order" else replace(found, set_by=CHEAPEST)


def _in_words(job: Job, recovery: Recovery, found: Choice) -> Choice:
    """The choice with the formula of the cheapest interval in the place of that of a longer save."""
    share = 1.0 if recovery.name == "full" else job.failure_mix.whole_job_share
    step = use(
        cheapest_interval,
        save_s=job.save_s,
        mtbf_s=job.failure_mix.mtbf_s,
        save_price=save_price(job),
        price_per_s=price_per_s(job),
        whole_job_share=share,
    )
    return replace(found, set_by=CHEAPEST, steps=(step,))
