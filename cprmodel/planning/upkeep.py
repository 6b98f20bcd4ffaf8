"""What a strategy writes, keeps and costs in money, and the interval that costs the least money."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cprmodel.costing.models import OPTIMUM, Choice, CostModel, use, with_extra
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Strategy, loses_samples
from cprmodel.formulas.money import cheapest_interval, price_to_train
from cprmodel.jobs import HOURS_PER_MONTH, Job
from cprmodel.jobs.money import BYTES_PER_GB

__all__ = ["CHEAPEST", "Prices", "Upkeep", "cheapest", "price_per_s", "save_price", "upkeep", "with_prices"]

CHEAPEST = "the least money"

_MONTH_S = HOURS_PER_MONTH * 3600


@dataclass(frozen=True)
class Upkeep:
    """What is written and kept, and what it costs; None where it is not known."""

    space_kept_bytes: Any
    write_bytes_per_month: Any
    dollars_per_month: Any
    dollars_to_train: Any


@dataclass(frozen=True)
class Prices:
    """What a job keeps, and what its time and its writing cost: numbers, or columns of many jobs.

    >>> from cprmodel import load_preset
    >>> Prices.of(load_preset("cpr-dlrm")).per_s is None  # it has no [cost]
    True
    """

    size_bytes: Any  #: of a checkpoint as it is written; None where not known
    space_kept_bytes: Any
    per_s: Any  #: a second of the job; None where nothing is priced
    nodes_per_s: Any  #: of which its nodes, without spares
    save_price: Any
    archived: Any = 0.0  #: share of the saves that is kept until the job ends, beside the others
    archive_price: Any = 0.0  #: what that costs of each save, in a second of the job

    @classmethod
    def of(cls, job: Job) -> Prices:
        """Those of a job file."""
        size = job.checkpoint.stored_bytes
        if job.cost is None:
            return cls(size, _space_kept(job), None, None, None, _archived(job))
        nodes = job.cost.node_hour * (job.nodes or 0) / 3600
        return cls(
            size, _space_kept(job), price_per_s(job), nodes, _write_price(job), _archived(job), _archive_price(job)
        )

    def upkeep(self, work_s: Any, overhead: Any, saves: Any) -> Upkeep:
        """Of a strategy whose overhead is known and that writes so many whole checkpoints.

        A month is one of elapsed time, saves and recoveries included; its money is what the overhead takes of the
        nodes, and what spares, storage and writing cost, not what the useful work costs.
        """
        elapsed_months = work_s * (1 + overhead) / _MONTH_S
        space = written = a_month = in_all = None
        if self.size_bytes is not None:
            space = self.space_kept_bytes + self.archived * saves * self.size_bytes
            written = saves * self.size_bytes / elapsed_months
        if self.per_s is not None:
            each = self.save_price + self.archive_price * work_s * (1 + overhead)
            in_all = price_to_train.raw(work_s, overhead, self.per_s, saves, each)
            a_month = (in_all - self.nodes_per_s * work_s) / elapsed_months
        return Upkeep(space, written, a_month, in_all)


def price_per_s(job: Job) -> float:
    """What a second of the job costs: its nodes, its spares, and the checkpoints that are kept [currency/s]."""
    assert job.cost is not None
    kept = job.cost.storage_gb_month * _space_kept(job) / BYTES_PER_GB / _MONTH_S
    return job.cost.node_hour * job.paid_nodes / 3600 + kept


def save_price(job: Job) -> float:
    """What one whole checkpoint costs: to be written, and kept where some are until the job ends [currency]."""
    return _write_price(job) + _archive_price(job) * job.job.work_s


def _archived(job: Job) -> float:
    return 0.0 if job.checkpoint.keep_every is None else 1 / job.checkpoint.keep_every


def _archive_price(job: Job) -> float:
    """What keeping a share of the saves costs of each, in a second of the job: for half of it, on average."""
    assert job.cost is not None
    stored = (job.checkpoint.stored_bytes or 0.0) / BYTES_PER_GB
    return _archived(job) * job.cost.storage_gb_month * stored / _MONTH_S / 2


def _write_price(job: Job) -> float:
    assert job.cost is not None
    return job.cost.write_gb * (job.checkpoint.stored_bytes or 0.0) / BYTES_PER_GB


def _space_kept(job: Job) -> float:
    return job.checkpoint.retained * (job.checkpoint.stored_bytes or 0.0)


def upkeep(
    job: Job,
    model: str,
    strategy: Strategy,
    overhead: float,
    written_per_s: float | None = None,
    beside_per_s: float = 0.0,
) -> Upkeep:
    """Of a strategy whose overhead is known, and what it writes in a second of work [whole checkpoints].

    ``beside_per_s``: what saves beside the regular ones write.
    """
    work, every, beside = job.job.work_s, strategy.saves_every_s, beside_per_s * job.job.work_s
    if written_per_s is not None:
        return Prices.of(job).upkeep(work, overhead, written_per_s * work + beside)
    # as the models count them: the first order charges a save for each interval, the others none at the end
    saves = work / every if model == "first-order" else float(NUMPY.intervals(work, every)) - 1
    return Prices.of(job).upkeep(work, overhead, saves * strategy.saving.fraction + beside)


def with_prices(job: Job, model: CostModel) -> CostModel:
    """The model that minimises money: writing that costs c is worth c/p seconds of the job, beside its time."""
    return with_extra(model, save_price(job) / price_per_s(job))


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
