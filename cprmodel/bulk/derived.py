"""What the formulas take, from the fields of a job: for numbers, for arrays that broadcast, and for symbols.

:class:`~cprmodel.Job` derives the same, one job at a time; tests hold the two to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cprmodel.costing import kinds
from cprmodel.formulas.accuracy import pls_for_metric_drop
from cprmodel.formulas.cost import transfer_time
from cprmodel.formulas.failures import (
    mtbf_from_groups,
    mtbf_from_node_days,
    mtbf_from_nodes,
    node_mtbf_from_probability,
    nodes_per_failure,
)
from cprmodel.jobs import Job

__all__ = ["Derived", "derived", "fields_of", "is_plain"]

#: Fields that are understood here, by table; a job with another one goes through the planner row by row.
KNOWN: Mapping[str, frozenset[str]] = {
    "job": frozenset({"work_s", "step_s", "current_interval_s", "current_recovery"}),
    "cluster": frozenset({"embedding_shards", "trainers"}),
    "failures": frozenset(
        {
            "mtbf_s",
            "node_mtbf_s",
            "nodes",
            "per_1000_node_days",
            "node_failure_probability",
            "node_period_s",
            "group_mtbf_s",
            "group_nodes",
            "fit",
            "shard_share",
            "trainer_share",
            "whole_job_share",
            "shards_per_failure",
        }
    ),
    "checkpoint": frozenset(
        {
            "save_s",
            "size_bytes",
            "bandwidth_bytes_per_s",
            "load_s",
            "detect_s",
            "reschedule_s",
            "partial_load_s",
            "partial_reschedule_s",
            "trainer_reschedule_s",
            "retained",
        }
    ),
    "accuracy": frozenset({"pls_budget", "max_metric_drop", "metric_drop_per_pls", "model"}),
    "scaling": frozenset({"reference_nodes", "exponent", "points", "repair_s", "waiting"}),
    "cost": frozenset({"node_hour", "storage_gb_month", "write_gb", "currency"}),
    "preset": frozenset({"title", "summary", "sources"}),
}

#: Tables whose numbers may stand in an array; of the others only what the job file says.
_VARIED = ("job", "cluster", "failures", "checkpoint", "accuracy", "cost")


def is_plain(job: Job, paths: Mapping[tuple[str, ...], Any] | tuple[tuple[str, ...], ...] = ()) -> bool:
    """Whether the first-order formulas know everything that a job says, and what varies.

    >>> from cprmodel import load_preset
    >>> is_plain(load_preset("cpr-dlrm")), is_plain(load_preset("cpr-dlrm"), (("access", "priority_fraction"),))
    (True, False)
    """
    said = job.model_dump(exclude_none=True, exclude_defaults=True)
    for table, keys in said.items():
        if table not in KNOWN or not set(keys) <= KNOWN[table]:
            return False
    if any(kind.candidates(job)[0] for kind in kinds.registered()):
        return False
    return all(len(path) == 2 and path[0] in _VARIED and path[1] in KNOWN[path[0]] for path in paths)


def fields_of(job: Job) -> dict[str, Any]:
    """Every field that a job has a value for, by its path in one word."""
    found = {}
    for table in _VARIED:
        section = getattr(job, table)
        if section is not None:
            for name in KNOWN[table]:
                value = getattr(section, name)
                if value is not None:
                    found[f"{table}.{name}"] = value
    return found


@dataclass(frozen=True)
class Derived:
    """A job's quantities; None where it says nothing of them."""

    work_s: Any
    step_s: Any
    save_s: Any
    load_s: Any
    reschedule_s: Any
    partial_load_s: Any
    partial_reschedule_s: Any
    trainer_reschedule_s: Any
    mtbf_s: Any
    shard_share: Any
    trainer_share: Any
    whole_job_share: Any
    failed_shards: Any
    shards: Any
    pls_budget: Any
    slope: Any
    nodes: Any
    size_bytes: Any


def _node_mtbf(get: Callable[[str], Any]) -> Any:
    if get("failures.node_mtbf_s") is not None:
        return get("failures.node_mtbf_s")
    if get("failures.node_failure_probability") is not None:
        return node_mtbf_from_probability.raw(
            get("failures.node_failure_probability"), get("failures.node_period_s")
        )
    if get("failures.per_1000_node_days") is not None:
        return mtbf_from_node_days.raw(1, get("failures.per_1000_node_days"))
    return None


def _nodes(job: Job, get: Callable[[str], Any]) -> Any:
    if get("failures.nodes") is not None:
        return get("failures.nodes")
    if job.scaling is not None:
        return job.scaling.reference_nodes
    shards, trainers = get("cluster.embedding_shards"), get("cluster.trainers")
    return None if shards is None or trainers is None else shards + trainers


def derived(job: Job, fields: Mapping[str, Any]) -> Derived:
    """Quantities from fields (:func:`fields_of`), some of them replaced by arrays or symbols."""
    get = fields.get
    here, nodes = job.nodes, _nodes(job, get)
    work, step = fields["job.work_s"], get("job.step_s")
    moved = job.scaling is not None and job.scaling.grows and get("failures.nodes") is not job.failures.nodes
    if moved and job.scaling is not None:
        work = job.scaling.work_s(work, nodes, here)
        step = None if step is None else job.scaling.work_s(step, nodes, here)

    node_mtbf, alone = _node_mtbf(get), get("failures.shards_per_failure")
    if node_mtbf is None:
        mtbf = get("failures.mtbf_s")
        mtbf = fields["failures.fit"].mtbf_s if mtbf is None else mtbf
        mtbf, lost = (mtbf * here / nodes if moved else mtbf), alone
    elif get("failures.group_mtbf_s") is None:
        mtbf, lost = mtbf_from_nodes.raw(node_mtbf, nodes), alone
    else:
        size = get("failures.group_nodes")
        groups = {"group_mtbf_s": get("failures.group_mtbf_s"), "groups": nodes / size}
        mtbf = mtbf_from_groups.raw(node_mtbf, nodes, **groups)
        lost = nodes_per_failure.raw(node_mtbf, nodes, **groups, group_nodes=size, alone=alone)

    save = get("checkpoint.save_s")
    if save is None:
        save = transfer_time.raw(get("checkpoint.size_bytes"), get("checkpoint.bandwidth_bytes_per_s"))
    load = get("checkpoint.load_s", save)
    shards, detect = get("cluster.embedding_shards"), fields["checkpoint.detect_s"]
    reschedule = fields["checkpoint.reschedule_s"]
    shard = get("checkpoint.partial_reschedule_s", reschedule)
    trainer = get("checkpoint.trainer_reschedule_s", shard)
    t, w = fields["failures.trainer_share"], fields["failures.whole_job_share"]
    fitted = get("accuracy.model")
    slope = get("accuracy.metric_drop_per_pls") if fitted is None else fitted.metric_drop_per_pls
    budget = get("accuracy.pls_budget")
    if budget is None and get("accuracy.max_metric_drop") is not None:
        budget = pls_for_metric_drop.raw(get("accuracy.max_metric_drop"), slope)
    return Derived(
        work_s=work,
        step_s=step,
        save_s=save,
        load_s=load,
        reschedule_s=detect + reschedule,
        partial_load_s=get("checkpoint.partial_load_s", load / (1 if shards is None else shards)),
        partial_reschedule_s=detect + shard,
        trainer_reschedule_s=detect + trainer,
        mtbf_s=mtbf,
        shard_share=get("failures.shard_share", 1 - t - w),
        trainer_share=t,
        whole_job_share=w,
        failed_shards=lost,
        shards=shards,
        pls_budget=budget,
        slope=slope,
        nodes=nodes,
        size_bytes=get("checkpoint.size_bytes"),
    )
