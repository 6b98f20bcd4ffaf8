"""A training job as its owner describes it: the pydantic models behind a job file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import BlockingSave, FailureMix, FailureSort, FullRecovery, PartialRecovery
from cprmodel.facts.units import format_time
from cprmodel.formulas.accuracy import pls_for_metric_drop
from cprmodel.jobs.access import Access
from cprmodel.jobs.accuracy import Accuracy
from cprmodel.jobs.assumptions import assumptions
from cprmodel.jobs.checkpoint import Checkpoint
from cprmodel.jobs.domains import check_placement, sorts_of
from cprmodel.jobs.failures import RATES, READ_BY_LOAD_JOB, Failures
from cprmodel.jobs.money import Money, check_money
from cprmodel.jobs.pace import check_elastic
from cprmodel.jobs.parsing import model_from_mapping, toml_from_file
from cprmodel.jobs.quantities import Section, seconds_above_zero, wrong
from cprmodel.jobs.scaling import Scaling, check_nodes
from cprmodel.jobs.storage import Storage
from cprmodel.jobs.warned import check_leaves, leaves
from cprmodel.jobs.work import (
    Cluster,
    Work,
    check_kept,
    check_limit,
    check_rotating,
    check_silent,
    check_stops,
    check_unreadable,
)

__all__ = ["Checkpoint", "Cluster", "Failures", "Job", "Preset", "Work"]


class Preset(Section):
    """Where a preset's figures come from (``[preset]``); free text, no number is read from it."""

    title: str
    summary: str = ""
    sources: dict[str, str] = Field(default_factory=dict)


class Job(Section):
    """A job: what is trained, on what, how it fails, what saving costs, what may be lost.

    >>> job = Job(
    ...     job=Work(work_s=56 * 3600),
    ...     cluster=Cluster(embedding_shards=8),
    ...     failures=Failures(mtbf_s=28 * 3600),
    ...     checkpoint=Checkpoint(save_s=240, load_s=240, reschedule_s=600),
    ...     accuracy=Accuracy(pls_budget=0.1),
    ... )
    >>> job.partial_recovery.partial_load_s  # load / shards
    30.0
    """

    job: Work
    cluster: Cluster = Field(default_factory=lambda: Cluster())
    failures: Failures
    checkpoint: Checkpoint
    accuracy: Accuracy | None = None
    access: Access | None = None
    storage: Storage | None = None
    scaling: Scaling | None = None
    cost: Money | None = None
    preset: Preset | None = None

    @model_validator(mode="after")
    def _hangs_together(self) -> Job:
        if self.failures.trace is not None:
            raise wrong("failures.trace", self.failures.trace, READ_BY_LOAD_JOB)
        mtbf = self.failures.mtbf_of_job_s
        if not 1e-9 <= mtbf <= 1e12:
            shown = f"MTBF of {mtbf:.3g} s"
            raise wrong(self.failures.rate_key, shown, "an MTBF of the job between 1e-9 s and 1e12 s")
        if self.save_s > mtbf:
            known, by = format_time(mtbf), self.failures.rate_key
            of = known if by == "failures.mtbf" else f"{known}, by {by}"
            expected = f"a save that is not longer than the job's MTBF ({of})"
            raise wrong(self.checkpoint.save_key, format_time(self.save_s), expected)
        if self.checkpoint.plain and not 1e-12 <= self.save_s <= 1e12:
            raise wrong(self.checkpoint.save_key, f"{self.save_s:g} s", "a save between 1e-12 s and 1e12 s")
        quantised = self.checkpoint.quantised_metric_drop or 0.0
        most = self.accuracy.max_metric_drop if self.accuracy else None
        if most is not None and quantised >= most:
            expected = f"less than accuracy.max_metric_drop ({most:g}), of which it is a part"
            raise wrong("checkpoint.quantised_metric_drop", quantised, expected)
        if self.checkpoint.incremental and self.access is None and self.checkpoint.dirty_curve is None:
            expected = "[access], or checkpoint.dirty_curve beside it: which rows an interval touches"
            raise wrong("checkpoint.incremental", True, expected)
        ordered = self.checkpoint.ordered_level
        if ordered is not None and self.access is None:
            expected = "[access] beside it: how rows are updated, which an order of them goes by"
            raise wrong(f"checkpoint.level.{ordered}.ordered", True, expected)
        shards = self.cluster.embedding_shards
        lost, together = self.failures.shards_per_failure, self.failures.group_nodes
        if together is not None and shards is not None and together > shards:
            raise wrong("failures.group_nodes", together, f"at most cluster.embedding_shards ({shards})")
        if lost > (shards or 1):
            raise wrong("failures.shards_per_failure", lost, f"at most cluster.embedding_shards ({shards or 1})")
        check_placement(
            self.checkpoint.level or (), self.failures.component, self.failures.domain_sizes, self.nodes
        )
        left = leaves(self.checkpoint)
        check_leaves(self.checkpoint, 1.0 if left is None else self.survives(left))
        words = self.checkpoint.storage_words() or ("[storage]" if self.storage is not None else "")
        check_limit(self.job, self.checkpoint, self.load_s, words)
        check_rotating(self.job, self.cluster, self.checkpoint)
        check_silent(self.job, self.checkpoint, self.failures, words)
        check_unreadable(self.job, self.checkpoint, words)
        check_kept(self.checkpoint, self.failures.silent)
        check_stops(self.job, self.cluster, self.failures, None if self.scaling is None else self.scaling.repair_s)
        check_nodes(self.scaling, self.failures.nodes)
        check_elastic(
            self.job.elastic, self.nodes, self.scaling, self.repair_s, "" if self.plain else self.plain_words
        )
        check_money(self.cost, self.nodes, self.checkpoint.size_bytes)
        return self

    @property
    def experts(self) -> int | None:
        """What saves may rotate over: experts, else embedding shards."""
        return self.cluster.experts or self.cluster.embedding_shards

    @property
    def rotating_words(self) -> tuple[str, str]:
        """The first key that says that saves rotate, and its value; "" where none does."""
        of = [("checkpoint.rotating", self.checkpoint.rotating)]
        of += [
            (f"checkpoint.level.{at}.rotating", one.rotating) for at, one in enumerate(self.checkpoint.level or ())
        ]
        return next(((key, str(value).lower()) for key, value in of if value), ("", ""))

    @property
    def repair_s(self) -> float | None:
        """Mean time until a failed node can be used again [s]; None where it is not known."""
        if self.failures.repair_s is not None:
            return self.failures.repair_s
        return None if self.scaling is None else self.scaling.repair_s

    @property
    def repair_share(self) -> float:
        """Share of the failures whose node must be repaired; all, where the job file does not say."""
        return 1.0 if self.failures.repair_share is None else self.failures.repair_share

    @property
    def waits_for_repairs(self) -> bool:
        """Whether waiting for a repair is part of its overhead: spares are given, or a repair without any."""
        known = self.cluster.spares is not None or self.failures.repair_s is not None
        return known and not self.elastic

    @property
    def elastic(self) -> bool:
        """Whether it trains on with fewer nodes while others are repaired."""
        return self.job.elastic is not None

    @property
    def paced(self) -> bool:
        """Whether it does not always train at full speed."""
        slow = self.cluster.stragglers
        return self.elastic or (slow is not None and slow.share > 0 and slow.rate < 1)

    @property
    def stops_beside(self) -> bool:
        """Whether it stops for something else than its failures and their recoveries."""
        return self.waits_for_repairs or bool(self.failures.planned)

    @property
    def saves_before_limit(self) -> bool:
        """Whether each job of a chain makes a last save just before its time limit."""
        before, lead = self.checkpoint.save_before_limit, self.job.limit_lead_s
        return (lead is not None and lead >= self.save_s) if before is None else before

    @classmethod
    def from_file(cls, path: str | Path) -> Job:
        """Read a job file (TOML); raises :class:`~cprmodel.facts.errors.JobError` with one clear line."""
        return model_from_mapping(Job, toml_from_file(path, "a job file"), str(path), Path(path).parent)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Job:
        """Read a job from nested mappings, such as parsed TOML or JSON; raises JobError."""
        return model_from_mapping(Job, data, "job")

    @property
    def save_s(self) -> float:
        """Time a save blocks training, C [s]."""
        return self.checkpoint.nominal_save_s

    @property
    def saving(self) -> BlockingSave:
        """The saving policy of a plain checkpoint (:func:`cprmodel.costing.saving_of` knows the others)."""
        return BlockingSave(self.save_s)

    @property
    def plain(self) -> bool:
        """Whether a save is one blocking copy of all, to storage of its own, in a job without a time limit."""
        alone = self.job.time_limit_s is None and not self.doubts_saves
        return self.checkpoint.plain and self.storage is None and alone

    @property
    def doubts_saves(self) -> bool:
        """Whether a save may hold a silent error, or turn out unreadable."""
        return self.failures.silent is not None or self.checkpoint.unreadable is not None

    def given(self, *keys: str) -> str:
        """Those of some keys, such as ``job.time_limit_s``, that its file has, without their units; "" for none."""
        found: list[tuple[str, Any]] = [(key, reduce(getattr, key.split("."), self)) for key in keys]
        none = {key for key, value in found if value is None or value is False or value == ()}
        said = {"checkpoint.scatter": "checkpoint.save (it scatters)"}
        return ", ".join(said.get(key, key.removesuffix("_s")) for key in keys if key not in none)

    @property
    def plain_words(self) -> str:
        """The keys that make it something else."""
        if self.job.time_limit_s is not None:
            return "job.time_limit"
        if self.failures.silent is not None:
            return "failures.silent"
        if self.checkpoint.unreadable is not None:
            return "checkpoint.unreadable"
        return self.checkpoint.storage_words() or "storage"

    @property
    def load_s(self) -> float:
        """Time to read a checkpoint back, L [s]; as long as a save where not given."""
        return self.checkpoint.nominal_load_s

    @property
    def nodes(self) -> int | None:
        """Nodes of the job, from its failures, else [scaling], else shards and trainers; None where unknown."""
        if self.failures.nodes is not None:
            return self.failures.nodes
        if self.scaling is not None and self.scaling.reference_nodes is not None:
            return self.scaling.reference_nodes
        shards, trainers = self.cluster.embedding_shards, self.cluster.trainers
        return None if shards is None or trainers is None else shards + trainers

    @property
    def paid_nodes(self) -> int:
        """Nodes that are paid for as long as the job is there: its own and its spares; 0 where unknown."""
        return 0 if self.nodes is None else self.nodes + (self.cluster.spares or 0)

    def scaled_to(self, nodes: int) -> Job:
        """The same job on another number of nodes, for a job with [scaling].

        Its useful time and step follow the throughput; failures come in proportion to the nodes. What a save costs,
        the shards and the trainers stay as they are.
        """
        here = self.nodes
        if self.scaling is None or not self.scaling.grows or here is None:
            expected = "a table that says what more nodes buy (reference_nodes with exponent or points)"
            raise JobError("job", [Problem("scaling", "", expected)])
        low, high = self.scaling.range
        if not low <= nodes <= high:
            expected = f"{low:g} to {high:g} nodes, between which scaling.points were measured"
            raise JobError("job", [Problem("failures.nodes", str(nodes), expected)])
        faster = float(self.scaling.work_s(1.0, nodes, here))
        data = self.model_dump(exclude_none=True)
        data["job"] |= {key: data["job"][key] * faster for key in ("work_s", "step_s") if key in data["job"]}
        data["scaling"]["reference_nodes"] = nodes
        failures = self.failures
        if failures.fit is None or failures.nodes is not None:  # a fit without nodes is of the job itself
            data["failures"]["nodes"] = nodes
        if failures.mtbf_s is not None:
            data["failures"]["mtbf_s"] = failures.mtbf_s * here / nodes
        elif failures.fit is not None and failures.nodes is None:
            fit = data["failures"]["fit"]
            fit |= {key: fit[key] * here / nodes for key in ("exposure_s", "scale_s") if key in fit}
        return Job.from_mapping(data)

    def with_mtbf(self, mtbf_s: float) -> Job:
        """The same job with another MTBF, however its own was given."""
        failures, mtbf_s = self.failures, seconds_above_zero("with_mtbf", "mtbf_s", mtbf_s)
        gone = dict.fromkeys((*RATES, "node_period_s", "group_mtbf_s", "group_nodes"))
        kept = {"mtbf_s": mtbf_s, "shards_per_failure": failures.shards_lost, "component": failures.with_shares()}
        changed = failures.model_copy(update={**gone, **kept})
        changed.take_together(failures.sorts_of_groups())
        return self.model_copy(update={"failures": changed})

    def with_costs(self, save_s: float, mix: FailureMix) -> Job:
        """The same job with another save, which leaves the time to load as it was, and other failures."""
        job = self.with_mtbf(mix.mtbf_s)
        shares = {"shard_share": mix.shard_share, "trainer_share": mix.trainer_share}
        failures = job.failures.model_copy(update={**shares, "whole_job_share": mix.whole_job_share})
        costs = {"save_s": save_s, "size_bytes": None, "bandwidth_bytes_per_s": None, "load_s": self.load_s}
        return job.model_copy(update={"failures": failures, "checkpoint": self.checkpoint.model_copy(update=costs)})

    @property
    def failure_mix(self) -> FailureMix:
        """How often it fails and what its failures take."""
        failures = self.failures
        rest = max(0.0, 1 - failures.trainer_share - failures.whole_job_share)
        sorts, lost = self._failure_sorts, failures.shards_lost
        if failures.component is not None:
            lost = sum(one.share * one.shards for one in sorts)
        return FailureMix(
            mtbf_s=failures.mtbf_of_job_s,
            shard_share=rest if failures.shard_share is None else failures.shard_share,
            trainer_share=failures.trainer_share,
            whole_job_share=failures.whole_job_share,
            shards_per_failure=min(lost, float(self.cluster.embedding_shards or 1)),
            sorts=sorts,
        )

    @property
    def _failure_sorts(self) -> tuple[FailureSort, ...]:
        """What each kind of component's failures take, or those of groups and of single nodes, where given."""
        of, levels = self.failures, self.checkpoint.level or ()
        if of.component is None:
            most = float(self.cluster.embedding_shards or 1)
            return tuple(replace(one, shards=min(one.shards, most)) for one in of.sorts_of_groups())
        if not any(one.copies for one in levels):  # what levels survive is given by hand, whatever strikes
            levels = ()
        return sorts_of(of.component, of.domain_sizes, levels, self.nodes, self.cluster.embedding_shards)

    def survives(self, level: int) -> float:
        """Share of the failures after which a level can be read: as given, or by where its copies are."""
        levels = self.checkpoint.level or ()
        if levels[level].copies is None:
            return levels[level].survives
        return sum(one.share * sum(one.needs[: level + 1]) for one in self._failure_sorts)

    @property
    def full_recovery(self) -> FullRecovery:
        """Full recovery at this job's costs; detection counts as rescheduling."""
        return FullRecovery(self.checkpoint.detect_s + self.checkpoint.reschedule_s, self.load_s)

    @property
    def partial_recovery(self) -> PartialRecovery:
        """Partial recovery at this job's costs; detection counts as rescheduling."""
        point = self.checkpoint
        shard = point.reschedule_s if point.partial_reschedule_s is None else point.partial_reschedule_s
        trainer = shard if point.trainer_reschedule_s is None else point.trainer_reschedule_s
        load = point.partial_load_s
        if load is None:
            load = self.load_s / (self.cluster.embedding_shards or 1)
        return PartialRecovery(
            reschedule_s=point.detect_s + point.reschedule_s,
            load_s=self.load_s,
            partial_reschedule_s=point.detect_s + shard,
            partial_load_s=load,
            trainer_reschedule_s=point.detect_s + trainer,
        )

    @property
    def pls_budget(self) -> float | None:
        """The PLS budget, given or from the largest metric drop; at most 1. None without [accuracy]."""
        if self.accuracy is None:
            return None
        if self.accuracy.pls_budget is not None:
            return self.accuracy.pls_budget
        return self._budget_at(self.accuracy.slope)

    def _budget_at(self, slope: float | None) -> float:
        most = self.accuracy.max_metric_drop if self.accuracy else None
        drop = (most or 0.0) - (self.checkpoint.quantised_metric_drop or 0.0)
        return min(1.0, float(pls_for_metric_drop.raw(drop, slope)))

    def slope_under(self, order: str | None, interval_s: float) -> float | None:
        """Metric lost per unit of PLS; under an order of saving its own, where that is known."""
        return None if self.accuracy is None else self.accuracy.slope_under(order, interval_s / self.job.work_s)

    def pls_budget_under(self, order: str | None, interval_s: float) -> float | None:
        """The PLS budget under an order of saving: the metric's, by the order's own slope where that is known."""
        if self.accuracy is None or self.accuracy.pls_budget is not None:
            return self.pls_budget
        return self._budget_at(self.slope_under(order, interval_s))

    def assumptions(self) -> Sequence[str]:
        """What the file leaves out and is taken as its default: worth a line in every answer."""
        return assumptions(self)
