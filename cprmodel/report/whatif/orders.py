"""Orders of saving on the page: what is unsaved was found beforehand, at so many intervals.

The page takes the best of these intervals that keeps the budget. It does not interpolate: at each of them its
figures are those of ``plan``. One of them is what ``plan`` chooses for the job as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np

from cprmodel.costing import FirstOrder
from cprmodel.jobs import Access, Job
from cprmodel.ordering import ORDERS
from cprmodel.ordering.pls import mean_and_error
from cprmodel.ordering.stale import unsaved_of
from cprmodel.planning.candidates import candidates
from cprmodel.planning.choosing import choose

__all__ = ["OrderTable", "order_tables"]

#: Intervals of the table: the longest saves nothing, the shortest is this part of the job's work.
INTERVALS = 60
SHORTEST = 1 / 300
FEW, MANY = 12, 16  #: of them, for more intervals in a job than this


@dataclass(frozen=True)
class OrderTable:
    """For each interval, what :func:`cprmodel.formulas.priority_pls` and its deviation ask of an order."""

    order: str
    interval_s: list[float]
    stale_s: list[float]
    last_stale_s: list[float]
    standard_error_s: list[float]  #: of ``stale_s``
    last_standard_error_s: list[float]
    work_square_s2: list[float]
    save_square_s2: list[float]
    stale_square_s2: list[float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the page."""
        return dict(self.__dict__)


def order_tables(job: Job) -> list[OrderTable]:
    """A table for each order that a plan tries; none for a job without ``[access]`` or without shards."""
    if job.access is None or job.cluster.embedding_shards is None:
        return []
    work, step_s, fraction = job.job.work_s, job.job.step_s, job.access.priority_fraction
    longest = work / fraction
    many = np.geomspace(work / MANY, longest, INTERVALS - FEW).tolist()
    grid = np.geomspace(SHORTEST * work, work / MANY, FEW, endpoint=False).tolist() + many
    if step_s is not None:  # a save follows a whole number of steps
        grid = [max(math.floor(one * fraction / step_s), 1) * step_s / fraction for one in grid[:-1]] + grid[-1:]
    own = [
        choose(job, FirstOrder(), one).interval_s
        for one in candidates(job)[0]
        if one.name.startswith("partial-") and not one.like
    ]
    every = sorted({one for one in (*grid, *own) if one <= longest})
    rows = joblib.Parallel(n_jobs=-1, prefer="threads")(
        joblib.delayed(_rows)(job.access, work, one) for one in every
    )
    found = zip(ORDERS, zip(*rows, strict=True), strict=True)
    return [OrderTable(order, *map(list, zip(*of, strict=True))) for order, of in found]


def _rows(access: Access, work_s: float, interval_s: float) -> list[tuple[float, ...]]:
    """Of each order."""
    found: list[tuple[float, ...]] = []
    for one in unsaved_of(ORDERS, access, work_s, interval_s):
        (mean, error), (last, last_error) = mean_and_error(one.mean_s), mean_and_error(one.last_s)
        found.append((interval_s, mean, last, error, last_error, *one.squares_s2()))
    return found
