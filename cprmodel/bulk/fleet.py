"""Answers for a job with ``[scaling]``: how many nodes, and how many spares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.bulk.many import PlannedMany, plan_many
from cprmodel.costing import CostModel, model_for
from cprmodel.costing.waiting import in_repair_of, waits_until
from cprmodel.facts.errors import JobError, Problem
from cprmodel.formulas.scaling import fastest_nodes
from cprmodel.jobs import HOURS_PER_MONTH, Job

__all__ = ["NodesAnswer", "SparesAnswer", "nodes_answer", "spares_answer"]

_POINTS = 160


@dataclass(frozen=True)
class NodesAnswer:
    """Time to train against nodes, with the recommended strategy on each number of them."""

    planned: PlannedMany  #: columns over ``failures.nodes``, those that cannot be planned left out of what follows
    fastest: int  #: nodes beyond which more slow training down
    time_to_train_s: float  #: there
    overhead_fraction: float  #: there
    #: why no turning point was found: the points end ("measured"), no job can be planned on more nodes
    #: ("unplannable"), or more nodes are faster for ever ("never"); "" where one was
    at_the_end: str
    within_validity: bool  #: whether every formula was used within its range there
    full_recovery: float | None  #: the closed form for full recovery, first order; None for measured points
    cheapest: int | None  #: nodes on which the job costs least; None without prices
    dollars_to_train: float | None  #: there


def _scaled(job: Job) -> Any:
    if job.scaling is None or not job.scaling.grows:
        expected = "a table that says what more nodes buy (reference_nodes with exponent or points)"
        raise JobError("job", [Problem("scaling", "", expected)])
    return job.scaling


def nodes_answer(job: Job, model: CostModel | None = None) -> NodesAnswer:
    """The node count beyond which adding nodes slows training, whichever strategy is best on each.

    Found numerically, to the node (to the replica of an elastic job): where full recovery is best the first order
    has a closed form (:func:`~cprmodel.formulas.fastest_nodes`), which is given beside it. Nothing is said beyond
    measured points.

    >>> from cprmodel.jobs import job_from_mapping
    >>> job = job_from_mapping({
    ...     "job": {"work": "30 d"}, "failures": {"node_mtbf": "150 d", "nodes": 64},
    ...     "checkpoint": {"save": "4 min", "reschedule": "10 min"}, "scaling": {"exponent": 0.5},
    ... })
    >>> answer = nodes_answer(job)
    >>> answer.fastest, round(answer.full_recovery)
    (15429, 15429)
    """
    scaling = _scaled(job)
    model = model_for(job, model)
    here = job.nodes or 1
    low, high = scaling.range
    closed = None
    if scaling.exponent is not None:
        recovery = job.full_recovery
        closed = float(
            fastest_nodes.raw(
                job.failure_mix.mtbf_s * here, job.save_s, recovery.load_s + recovery.reschedule_s, scaling.exponent
            )
        )
        # where the MTBF is as short as a save, the nodes end
        low, high = max(low, here / 64), min(high, max(2 * here, 2 * job.failure_mix.mtbf_s * here / job.save_s))
    low, high = math.ceil(low), math.floor(high)
    elastic = job.job.elastic
    if elastic is not None:
        low = max(low, elastic.min_nodes)
    planned = _plans(job, model, _counts(job, np.geomspace(low, max(low, high), _POINTS)))
    fastest, at = _least(job, model, planned, "time_to_train_s")
    cheapest = dollars = None
    if job.cost is not None:
        cheapest, there = _least(job, model, planned, "dollars_to_train")
        dollars = there["dollars_to_train"]
    known = planned["failures.nodes"][planned["feasible"]]
    end = ""
    if fastest >= int(known[-1]):
        end = "unplannable" if fastest < high else "never" if scaling.points is None else "measured"
    return NodesAnswer(
        planned,
        fastest,
        at["time_to_train_s"],
        at["overhead_fraction"],
        end,
        bool(at["within_validity"]),
        closed,
        cheapest,
        dollars,
    )


def _replica(job: Job) -> int:
    """Nodes that come and go together."""
    return 1 if job.job.elastic is None else job.job.elastic.replica_nodes


def _counts(job: Job, nodes: Any) -> np.ndarray:
    """Numbers of nodes near these on which the job can run: whole replicas."""
    each = _replica(job)
    return np.unique(np.maximum(np.round(np.asarray(nodes) / each), 1).astype(np.int64)) * each


def _plans(job: Job, model: CostModel, nodes: np.ndarray) -> PlannedMany:
    return plan_many(job, {"failures.nodes": nodes}, model, workers=1)


def _least(job: Job, model: CostModel, planned: PlannedMany, column: str) -> tuple[int, dict[str, float]]:
    """The number of nodes with the least of a column, by ever finer grids around it."""
    while True:
        values = planned[column]
        if np.all(np.isnan(values)):
            expected = f"a number of nodes on which some strategy can finish ({planned['reason'][0]})"
            raise JobError("job", [Problem("scaling", "", expected)])
        at = int(np.nanargmin(values))
        nodes = planned["failures.nodes"]
        low, high = int(nodes[max(at - 1, 0)]), int(nodes[min(at + 1, len(nodes) - 1)])
        if np.all(np.diff(nodes[max(at - 1, 0) : at + 2]) <= _replica(job)):
            return int(nodes[at]), {name: float(planned[name][at]) for name in _READ if name in planned.columns}
        planned = _plans(job, model, _counts(job, np.linspace(low, high, 100)))


_READ = ("time_to_train_s", "overhead_fraction", "dollars_to_train", "within_validity")


@dataclass(frozen=True)
class SparesAnswer:
    """Spare nodes against waiting for a repair, by Erlang's formula."""

    in_repair: float  #: nodes in repair, on average
    spares: np.ndarray
    failures_waiting: np.ndarray  #: share of the failures that find no spare
    time_waiting: np.ndarray  #: share of the time in which the job waits
    node_hours_per_month: np.ndarray  #: idle: of the spares, and of the job while it waits
    needed: int  #: spares with which failures that wait are as rare as wanted
    wanted: float  #: that share of the failures
    cheapest: int  #: spares with the fewest idle node-hours

    def dollars_per_month(self, job: Job) -> np.ndarray | None:
        """What the idle node-hours cost; None without prices."""
        return None if job.cost is None else self.node_hours_per_month * job.cost.node_hour


def spares_answer(job: Job) -> SparesAnswer:
    """How many spare nodes make waiting for a repair rare, and how many cost least; for a job with ``repair``.

    >>> from cprmodel.jobs import job_from_mapping
    >>> job = job_from_mapping({
    ...     "job": {"work": "30 d"}, "failures": {"node_mtbf": "1000 d", "nodes": 1000},
    ...     "checkpoint": {"save": "4 min"}, "scaling": {"exponent": 0.9, "repair": "2 d", "waiting": 0.05},
    ... })
    >>> answer = spares_answer(job)
    >>> answer.needed, answer.failures_waiting[[4, 5]].round(4), answer.cheapest
    (5, array([0.0952, 0.0367]), 7)
    """
    if job.repair_s is None:
        expected = 'the time until a failed node can be used again, such as "2 d", for an answer about spares'
        raise JobError("job", [Problem("failures.repair", "", expected)])
    nodes = job.nodes or 1
    load, asked = in_repair_of(job), 0.01 if job.scaling is None else job.scaling.waiting
    wanted = max(asked, 1e-300)
    most = math.ceil(load + 40 * math.sqrt(load) + 40)
    while (waits := waits_until(job, most)).failures[most] > wanted:
        most *= 2
    spares, failures, time = np.arange(most + 1), waits.failures, waits.time
    idle = (spares + nodes * time) * HOURS_PER_MONTH
    return SparesAnswer(
        in_repair=load,
        spares=spares,
        failures_waiting=failures,
        time_waiting=time,
        node_hours_per_month=idle,
        needed=int(np.argmax(failures <= wanted)),
        wanted=asked,
        cheapest=int(np.argmin(idle)),
    )
