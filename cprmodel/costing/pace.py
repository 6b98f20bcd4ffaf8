"""How fast a job trains, for which share of its time: what stragglers leave, and so many replicas."""

from __future__ import annotations

from typing import Any, NamedTuple

from cprmodel.costing.fewer import Fleet, fleet_of
from cprmodel.formulas.pace import straggling_pace
from cprmodel.formulas.spares import nodes_in_repair
from cprmodel.jobs import Job

__all__ = ["Course", "course_of", "fleet_at", "slower"]


class Course(NamedTuple):
    """The speeds of a job."""

    pace: float  #: that stragglers leave on average
    shares: tuple[float, ...]  #: of the time at each speed; with ``waits`` they sum to 1
    speeds: tuple[float, ...]  #: on so many replicas, without stragglers
    rates: tuple[float, ...]  #: of failures, those of all nodes being 1
    fleet: Fleet | None  #: of a job that goes on with fewer nodes

    @property
    def waits(self) -> float:
        return 0.0 if self.fleet is None else self.fleet.waits

    def mean(self, power: int) -> float:
        """Of a power of the speed, over the time in which it does not wait."""
        total = sum(
            share * (self.pace * speed) ** power for share, speed in zip(self.shares, self.speeds, strict=True)
        )
        return total / sum(self.shares)

    @property
    def failing(self) -> float:
        """Failures while it does not wait, those of all nodes being 1."""
        return sum(share * rate for share, rate in zip(self.shares, self.rates, strict=True)) / sum(self.shares)


def fleet_at(job: Job, least: int | None = None, spares: int | None = None, repair_s: float | None = None) -> Fleet:
    """The states of a job that goes on with fewer nodes, or would with other numbers."""
    elastic, nodes = job.job.elastic, job.nodes
    assert elastic is not None
    assert nodes is not None
    repair = (job.repair_s or 0.0) if repair_s is None else repair_s
    load = float(nodes_in_repair.raw(1, job.failure_mix.mtbf_s, repair)) * job.repair_share
    standing = (job.cluster.spares or 0) if spares is None else spares
    return fleet_of(nodes, elastic.replica_nodes, least or elastic.min_nodes, standing, load)


def course_of(job: Job, fleet: Fleet | None = None) -> Course:
    """A job's speeds; on another fleet, where one is given."""
    slow = job.cluster.stragglers
    pace = 1.0 if slow is None else float(straggling_pace.raw(slow.share, slow.rate))
    if job.job.elastic is None:
        return Course(pace, (1.0,), (1.0,), (1.0,), None)
    fleet, nodes, group = fleet or fleet_at(job), job.nodes, job.job.elastic.replica_nodes
    assert job.scaling is not None
    assert nodes is not None
    speeds = tuple(float(1 / job.scaling.work_s(1.0, count * group, nodes)) for count in fleet.replicas)
    return Course(pace, fleet.shares, speeds, tuple(count * group / nodes for count in fleet.replicas), fleet)


def slower(job: Job, speed: float, rate: float = 1.0) -> Job:
    """The same job that always trains at a share of its speed, and fails at a share of its rate."""
    stretched: dict[str, Any] = {
        key: value / speed
        for key in ("work_s", "step_s", "current_interval_s")
        if (value := getattr(job.job, key)) is not None
    }
    work = job.job.model_copy(update={**stretched, "elastic": None})
    cluster = job.cluster.model_copy(update={"stragglers": None})
    job = job.model_copy(update={"job": work, "cluster": cluster})
    return job if rate == 1 else job.with_mtbf(job.failure_mix.mtbf_s / rate)
