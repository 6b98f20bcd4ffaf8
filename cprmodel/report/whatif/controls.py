"""What can be set on the page: a slider each, with its range around the job's own value."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from cprmodel.facts.units import LONGEST_S
from cprmodel.jobs import Job
from cprmodel.jobs.quantities import SMALLEST

__all__ = ["Control", "controls_of", "fixed_of"]

#: A slider reaches from the job's value over this factor to the value times it.
REACH = 100.0


@dataclass(frozen=True)
class Control:
    """A slider and its field. ``name`` is what the formulas call it, ``key`` what a link does.

    ``value`` is None where nothing is set: the control is then off, or it follows another one.
    """

    name: str
    key: str
    label: str
    kind: str  #: "time", "count", "portion" (on a scale of factors) or "share" (between 0 and 1)
    group: str  #: "main", "failures" or "more"
    least: float
    most: float
    value: float | None
    may_be_zero: bool = False
    optional: bool = False  #: it has a box to switch it off
    follows: str | None = None  #: the control whose value it takes where it has none
    over: str | None = None  #: ... divided by that of this one
    starts_at: float | None = None  #: value when it is switched on
    hint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the page."""
        return asdict(self)


def _time(name: str, key: str, label: str, group: str, value: float | None, about: float, **more: Any) -> Control:
    """A time from ``about`` over REACH to ``about`` times REACH; ``about`` is 0 for costs that are not there."""
    about = about or 60.0
    least, most = max(about / REACH, SMALLEST), min(about * REACH, LONGEST_S)
    return Control(name, key, label, "time", group, least, most, value, **more)


def controls_of(job: Job) -> list[Control]:
    """The controls, for this job: those of partial recovery only where it has embedding shards."""
    mix, point, shards = job.failure_mix, job.checkpoint, job.cluster.embedding_shards
    today = job.job.current_interval_s
    found = [
        _time("mtbf_s", "mtbf", "Mean time between failures (MTBF)", "main", mix.mtbf_s, mix.mtbf_s),
        _time("save_s", "save", "A save stops training for", "main", job.save_s, job.save_s),
    ]
    if shards is not None:
        found += _about_shards(job, shards)
    start = today or min((2 * job.save_s * mix.mtbf_s) ** 0.5, job.job.work_s)
    found.append(
        _time(
            "current_interval_s",
            "interval",
            "Your own interval",
            "main",
            today,
            start,
            optional=True,
            starts_at=start,
            hint='useful work between two saves: the strategy "current"',
        )
    )
    found += [
        _time("work_s", "work", "Useful work of the job", "more", job.job.work_s, job.job.work_s),
        _time(
            "load_s",
            "load",
            "Load a checkpoint",
            "more",
            point.load_s,
            job.load_s,
            may_be_zero=True,
            follows=None if point.load_s is not None else "save_s",
        ),
        _time(
            "reschedule_s",
            "reschedule",
            "Detect a failure and restart the job",
            "more",
            job.full_recovery.reschedule_s,
            job.full_recovery.reschedule_s,
            may_be_zero=True,
        ),
    ]
    return found if shards is None else [*found, *_about_partial_recovery(job)]


def _about_shards(job: Job, shards: int) -> list[Control]:
    mix, budget = job.failure_mix, job.pls_budget
    shares = [
        ("shard_share", "shard-share", "... one shard", mix.shard_share),
        ("trainer_share", "trainer-share", "... a trainer", mix.trainer_share),
        ("whole_job_share", "whole-job-share", "... the whole job", mix.whole_job_share),
    ]
    least = float(math.ceil(max(mix.shards_per_failure, job.failures.group_nodes or 1)))
    return [
        Control("shards", "shards", "Embedding shards", "count", "main", least, max(1024.0, 16.0 * shards), shards),
        Control(
            "pls",
            "budget",
            "Budget of lost samples (PLS)",
            "portion",
            "main",
            min(1e-4, (budget or 1) / 10),
            1.0,
            budget,
            optional=True,
            starts_at=budget or 0.1,
            hint="largest expected portion of lost samples; without one, no sample may be lost",
        ),
        *(Control(*one[:3], "share", "failures", 0.0, 1.0, one[3]) for one in shares),
    ]


def _about_partial_recovery(job: Job) -> list[Control]:
    point, partial = job.checkpoint, job.partial_recovery
    load = point.partial_load_s
    shard = None if point.partial_reschedule_s is None else partial.partial_reschedule_s
    trainer = None if point.trainer_reschedule_s is None else partial.trainer_reschedule_s
    return [
        _time(
            "partial_load_s",
            "partial-load",
            "Load the failed shards",
            "more",
            load,
            partial.partial_load_s,
            may_be_zero=True,
            follows="load_s" if load is None else None,
            over="shards" if load is None else None,
        ),
        _time(
            "partial_reschedule_s",
            "partial-reschedule",
            "Detect and replace a shard",
            "more",
            shard,
            partial.partial_reschedule_s,
            may_be_zero=True,
            follows="reschedule_s" if shard is None else None,
        ),
        _time(
            "trainer_reschedule_s",
            "trainer-reschedule",
            "Detect and replace a trainer",
            "more",
            trainer,
            partial.trainer_reschedule_s,
            may_be_zero=True,
            follows="partial_reschedule_s" if trainer is None else None,
        ),
    ]


def fixed_of(job: Job) -> dict[str, Any]:
    """What the page takes from the job as it is."""
    mix, sharded = job.failure_mix, job.cluster.embedding_shards is not None
    given: dict[str, Any] = {
        "failed_shards": mix.shards_per_failure,
        "failed_scatter": mix.failed_scatter,
        "step_s": job.job.step_s,
        "metric_drop_per_pls": job.accuracy.slope if job.accuracy else None,
        "current_recovery": job.job.current_recovery,
        "sharded": sharded,
    }
    if not sharded:
        partial = job.partial_recovery
        given |= {"shards": 1, "pls": job.pls_budget}
        given |= {f"{kind}_share": getattr(mix, f"{kind}_share") for kind in ("shard", "trainer", "whole_job")}
        names = ("partial_load_s", "partial_reschedule_s", "trainer_reschedule_s")
        given |= {name: getattr(partial, name) for name in names}
    return given
