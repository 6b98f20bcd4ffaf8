"""What a strategy writes, keeps and costs in money, and the interval that costs the least money."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from cprmodel.costing import SteadyState
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


def cheapest_choice(
    job: Job,
    model: CostModel,
    recovery: Recovery,
    choose: Callable[[Job], Choice],
    dollars: Callable[[float], float],
) -> Choice:
    """The interval that costs the least money; ``choose`` finds the one of least overhead within the budget.

    Writing that costs c in money is worth c/p seconds of the job: to first order, a save that is so much longer.
    Where the model is another one, whole numbers of pieces around that interval are priced, one by one, by
    ``dollars(interval_s)``, which is infinite where the budget is not kept.
    """
    extra = save_price(job) / price_per_s(job)
    if extra == 0:
        return choose(job)
    if isinstance(model, SteadyState):
        priced = replace(model, extra_s=extra)
        full = recovery.name == "full"
        found = priced.full_interval(job) if full else priced.partial_interval(job, job.pls_budget or 1.0)
        return replace(found, set_by=CHEAPEST) if found.set_by == OPTIMUM else found
    point = job.checkpoint.model_copy(
        update={
            "save_s": job.save_s + extra,
            "size_bytes": None,
            "bandwidth_bytes_per_s": None,
            "load_s": job.load_s,
        }
    )
    found = choose(job.model_copy(update={"checkpoint": point, "cost": None}))
    if model.name == "first-order":
        return _in_words(job, recovery, found)
    work = job.job.work_s
    pieces = float(NUMPY.intervals(work, found.interval_s))
    best, price = found.interval_s, dollars(found.interval_s)
    step = max(1.0, math.floor(pieces / 4))
    while step >= 1:
        near = [(dollars(work / k), work / k, k) for k in (pieces - step, pieces + step) if k >= 1]
        cheaper = min(near, default=(math.inf, best, pieces))
        if cheaper[0] < price:
            price, best, pieces = cheaper
        else:
            step = math.floor(step / 2)
    return replace(found, interval_s=best, set_by=CHEAPEST if best != found.interval_s else found.set_by)


def _in_words(job: Job, recovery: Recovery, found: Choice) -> Choice:
    """The choice with the formula of the cheapest interval in the place of that of a longer save."""
    if found.set_by != OPTIMUM:
        return found
    share = 1.0 if recovery.name == "full" else job.failure_mix.whole_job_share
    step = use(
        cheapest_interval,
        save_s=job.save_s,
        mtbf_s=job.failure_mix.mtbf_s,
        save_price=save_price(job),
        price_per_s=price_per_s(job),
        whole_job_share=share,
    )
    return Choice(float(step.value), CHEAPEST, (step,), found.notes)
