"""Orders of saving on the page: what is unsaved was simulated beforehand, at so many intervals.

The page takes the longest of these intervals that keeps the budget. It does not interpolate: at each of them its
figures are those of ``plan``. One of them is what ``plan`` chooses for the job as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np

from cprmodel.costing import FirstOrder
from cprmodel.jobs import Access, Job
from cprmodel.ordering import ORDERS, unsaved
from cprmodel.planning.priority import in_order

__all__ = ["OrderTable", "order_tables"]

#: Intervals of the table: the longest saves nothing, the shortest is this part of the job's work.
INTERVALS = 80
SHORTEST = 1 / 300


@dataclass(frozen=True)
class OrderTable:
    """For each interval, the updates that are not saved (U, U₀: :func:`cprmodel.formulas.priority_pls`) [s]."""

    order: str
    interval_s: list[float]
    unsaved_s: list[float]
    stale_s: list[float]
    standard_error_s: list[float]
    stale_standard_error_s: list[float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the page."""
        return dict(self.__dict__)


def order_tables(job: Job) -> list[OrderTable]:
    """A table for each order that a plan tries; none for a job without ``[access]`` or without shards."""
    if job.access is None or job.cluster.embedding_shards is None:
        return []
    work = job.job.work_s
    longest = work / job.access.priority_fraction
    grid = set(np.geomspace(SHORTEST * work, longest, INTERVALS - 1).tolist())
    chosen = {strategy.name: choice.interval_s for strategy, choice in in_order(job, FirstOrder())}
    jobs = []
    for order in ORDERS:
        own = chosen.get(f"partial-{order}")
        every = sorted({one for one in grid | ({own} if own else set()) if one <= longest})
        jobs += [(order, one) for one in every]
    rows = joblib.Parallel(n_jobs=-1)(joblib.delayed(_row)(order, job.access, work, one) for order, one in jobs)
    found = []
    for order in ORDERS:
        columns = zip(*(row for (of, _), row in zip(jobs, rows, strict=True) if of == order), strict=True)
        found.append(OrderTable(order, *map(list, columns)))
    return found


def _row(order: str, access: Access, work_s: float, interval_s: float) -> tuple[float, ...]:
    found = unsaved(order, access, work_s, interval_s)
    return interval_s, found.all_s, found.stale_s, found.standard_error_s, found.stale_standard_error_s
