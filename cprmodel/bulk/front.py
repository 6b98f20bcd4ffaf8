"""What nothing beats: the Pareto front of overhead against accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cprmodel.costing import CostModel, model_for, saving_of
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import Job
from cprmodel.planning.planner import priced
from cprmodel.planning.pricing import price
from cprmodel.planning.result import StrategyPlan

__all__ = ["Front", "not_beaten", "pareto_front"]


def not_beaten(cost: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Numbers of the points that no other beats in both: none has less of one and no more of the other.

    NaN takes no part. By growing cost, so by falling loss; of equal points the first.

    >>> not_beaten(np.array([3.0, 1.0, 2.0, 2.0]), np.array([0.1, 0.5, 0.2, 0.3]))
    array([1, 2, 0])
    """
    known = np.flatnonzero(~(np.isnan(cost) | np.isnan(loss)))
    order = known[np.lexsort((loss[known], cost[known]))]
    lowest = np.minimum.accumulate(np.concatenate([[np.inf], loss[order][:-1]]))
    return order[loss[order] < lowest]


@dataclass(frozen=True)
class Front:
    """Strategies that nothing beats, from the least overhead to the least loss."""

    points: tuple[StrategyPlan, ...]


def pareto_front(job: Job, model: CostModel | None = None, intervals: int = 200) -> Front:
    """What accuracy costs: overhead against expected PLS, over intervals and both recoveries.

    Full recovery at its optimum loses nothing; partial recovery is priced at ``intervals`` intervals, from a
    thirtieth of that optimum to the length of the job, and where whole-job failures make its overhead least. No
    budget is kept here: the front shows what a budget costs.

    >>> from cprmodel import load_preset
    >>> front = pareto_front(load_preset("cpr-dlrm"))
    >>> front.points[-1].name, front.points[-1].expected_pls
    ('full', 0.0)
    """
    model = model_for(job, model)
    points = [one for one in priced(job, model, registered=False).strategies if one.name != "current"]
    if job.cluster.embedding_shards is not None:
        work = job.job.work_s
        best = model.partial_interval(job, 1.0)
        least, saving = best.interval_s, best.saving or saving_of(job)
        low = min(model.full_interval(job).interval_s, least) / 30
        for every in np.append(np.geomspace(low, work, intervals), least):
            strategy = Strategy("partial", job.partial_recovery, saving, float(min(every, work)))
            points.append(price(job, model, strategy))
    cost = np.array([one.overhead_fraction for one in points])
    loss = np.array([one.expected_pls for one in points])
    return Front(tuple(points[at] for at in not_beaten(cost, loss)))
