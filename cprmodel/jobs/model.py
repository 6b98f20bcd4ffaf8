"""A training job as its owner describes it: the pydantic models behind a job file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import BlockingSave, FailureMix, FullRecovery, PartialRecovery
from cprmodel.facts.units import format_time
from cprmodel.formulas.accuracy import pls_for_metric_drop
from cprmodel.formulas.failures import (
    mtbf_from_groups,
    mtbf_from_node_days,
    mtbf_from_nodes,
    node_mtbf_from_probability,
    nodes_per_failure,
)
from cprmodel.jobs.access import Access
from cprmodel.jobs.accuracy_model import AccuracyModel, read_accuracy_model
from cprmodel.jobs.checkpoint import Checkpoint
from cprmodel.jobs.failure_model import FailureModel, read_failure_model
from cprmodel.jobs.money import Money, check_money
from cprmodel.jobs.quantities import AtLeastOne, Budget, Count, OpenShare, Positive, Section, Share, wrong
from cprmodel.jobs.scaling import Scaling, check_nodes
from cprmodel.jobs.storage import Storage

__all__ = ["TRACE_OPTIONS", "Accuracy", "Checkpoint", "Cluster", "Failures", "Job", "Preset", "Work"]


class Work(Section):
    """What is trained (``[job]``)."""

    work_s: float = Field(description="useful training time the job needs, without failures or saves")
    step_s: float | None = Field(
        None, description="time of one training step; intervals are then given in steps too"
    )
    current_interval_s: float | None = Field(None, description="useful work between two saves today")
    current_recovery: str = Field("full", pattern="^(full|partial)$", description="recovery used today")

    @model_validator(mode="after")
    def _fits(self) -> Work:
        if self.step_s is not None and self.step_s > self.work_s:
            raise wrong("step", format_time(self.step_s), "a step that is not longer than the job's work")
        return self


class Cluster(Section):
    """What it runs on (``[cluster]``)."""

    embedding_shards: Count | None = Field(None, description="embedding shards (Emb PS nodes); none: dense model")
    trainers: Count | None = Field(None, description="trainer nodes")


_FailureModelFile = Annotated[
    FailureModel | None, BeforeValidator(read_failure_model), WithJsonSchema({"type": "string"})
]

#: The keys that say how often one node fails.
OF_NODES = ("node_mtbf_s", "per_1000_node_days", "node_failure_probability")
#: The keys of which exactly one says how often it fails.
RATES = ("mtbf_s", *OF_NODES, "trace", "fit")
#: How to read a trace: the options of ``cprmodel fit``.
TRACE_OPTIONS = (
    "format",
    "time_column",
    "event_column",
    "unit",
    "window",
    "servers",
    "system",
    "since",
    "node_column",
)
READ_BY_LOAD_JOB = "a job read by cprmodel.load_job, which fits the trace (or fit = a file of cprmodel fit --json)"


class Failures(Section):
    """How it fails (``[failures]``)."""

    mtbf_s: float | None = Field(None, description="mean time between failures that interrupt the job")
    node_mtbf_s: float | None = Field(None, description="mean time between failures of one node (with nodes)")
    nodes: Count | None = Field(
        None, description="nodes of the job; with a trace or a fit: it is of one node (or of its servers)"
    )
    per_1000_node_days: Positive | None = Field(None, description="failures per 1,000 node-days (with nodes)")
    node_failure_probability: OpenShare | None = Field(
        None, description="probability that one node fails within node_period (with nodes)"
    )
    node_period_s: float | None = Field(None, description="period of node_failure_probability")
    group_mtbf_s: float | None = Field(
        None, description="besides nodes alone, groups of them fail: mean time between failures of one group"
    )
    group_nodes: Count | None = Field(None, description="nodes (shards) of a group, which fail at once")
    fit: _FailureModelFile = Field(
        None, description="or: file that cprmodel fit --json printed (path relative to the job file)"
    )
    trace: str | None = Field(None, description="or: trace to fit (path relative to the job file)")
    format: str | None = Field(None, description="of the trace: csv, infinitehbd or lanl; default: by its name")
    time_column: str | None = Field(None, description="of the trace: column of the times (csv)")
    event_column: str | None = Field(None, description="of the trace: column that is 0 where a time was cut short")
    unit: str | None = Field(None, description="of the trace: unit of its times (csv); default: s")
    window: str | None = Field(None, description="of the trace: its times are moments in so long an observation")
    servers: Count | None = Field(None, description="of the trace: the job spans so many of the servers")
    system: Count | None = Field(None, description="of the trace: number of the LANL system")
    since: str | None = Field(None, description="of the trace: leave out what is before this date (lanl)")
    node_column: str | None = Field(None, description="of the trace: column of the nodes, for servers (csv)")
    shard_share: Share | None = Field(None, description="share of failures that take a shard; default: the rest")
    trainer_share: Share = Field(0.0, description="share that take a trainer (loses no embedding)")
    whole_job_share: Share = Field(0.0, description="share that take everything (partial recovery can't help)")
    shards_per_failure: AtLeastOne = Field(1.0, description="shards lost per shard failure (its mean)")

    @model_validator(mode="after")
    def _one_rate(self) -> Failures:
        given = [key for key in RATES if getattr(self, key) is not None]
        names = [key.removesuffix("_s") for key in given]
        if len(given) != 1:
            raise wrong(
                " and ".join(names) or "mtbf",
                tuple("..." if key == "fit" else getattr(self, key) for key in given) or "",
                "exactly one of mtbf, node_mtbf (with nodes), per_1000_node_days (with nodes), "
                "node_failure_probability (with nodes and node_period), trace and fit",
            )
        if given[0] in OF_NODES and self.nodes is None:
            raise wrong("nodes", "", f"the number of nodes, since {names[0]} is given")
        self._check_nodes(given[0])
        if self.trace is None:
            for key in TRACE_OPTIONS:
                if getattr(self, key) is not None:
                    raise wrong(key, getattr(self, key), "a trace beside it, which it would tell how to read")
        rest = 1 - self.trainer_share - self.whole_job_share
        total = 1.0 if self.shard_share is None else self.shard_share + 1 - rest
        if rest < -1e-9 or abs(total - 1) > 1e-9:
            shown = 1 - rest + (self.shard_share or 0)
            raise wrong("shard_share + trainer_share + whole_job_share", shown, "shares that sum to 1")
        return self

    def _check_nodes(self, given: str) -> None:
        """What belongs together about single nodes and groups of them."""
        if (self.node_failure_probability is None) != (self.node_period_s is None):
            missing = "node_period" if self.node_period_s is None else "node_failure_probability"
            raise wrong(missing, "", "both node_failure_probability and node_period")
        if (self.group_mtbf_s is None) != (self.group_nodes is None):
            missing = "group_nodes" if self.group_nodes is None else "group_mtbf"
            raise wrong(missing, "", "both group_mtbf and group_nodes")
        if self.group_nodes is None:
            return
        if given not in OF_NODES:
            expected = "node_mtbf, per_1000_node_days or node_failure_probability beside it"
            raise wrong("group_nodes", self.group_nodes, expected)
        if self.group_nodes > (self.nodes or 0):
            raise wrong("group_nodes", self.group_nodes, f"at most nodes ({self.nodes})")

    @property
    def _groups(self) -> dict[str, float]:
        """The arguments of the formulas about groups of nodes; none where no groups fail."""
        if self.group_mtbf_s is None or self.group_nodes is None or self.nodes is None:
            return {}
        return {
            "node_mtbf_s": self.mtbf_of_node_s,
            "nodes": self.nodes,
            "group_mtbf_s": self.group_mtbf_s,
            "groups": self.nodes / self.group_nodes,
        }

    @property
    def mtbf_of_node_s(self) -> float:
        """MTBF of one node alone [s], from whichever of its rates is given."""
        if self.node_mtbf_s is not None:
            return self.node_mtbf_s
        if self.node_failure_probability is not None:
            return float(node_mtbf_from_probability.raw(self.node_failure_probability, self.node_period_s))
        return float(mtbf_from_node_days.raw(1, self.per_1000_node_days))

    @property
    def shards_lost(self) -> float:
        """Shards lost per shard failure (its mean), failures of whole groups included."""
        if not self._groups:
            return self.shards_per_failure
        return float(
            nodes_per_failure.raw(**self._groups, group_nodes=self.group_nodes, alone=self.shards_per_failure)
        )

    @property
    def fit_of_job(self) -> FailureModel | None:
        """The fit; where the job's nodes are given, of so many of those that the log is of."""
        return self.fit if self.fit is None or self.nodes is None else self.fit.of_nodes(self.nodes)

    def about_nodes(self) -> list[str]:
        """What is assumed where the log of some nodes stands for a job of others."""
        if self.fit is None or self.nodes is None or self.nodes == (self.fit.servers or 1):
            return []
        watched = "one node's" if self.fit.servers is None else f"that of {self.fit.servers:,} servers"
        return [
            f"failures.nodes: the trace is taken for {watched}, with an MTBF of {format_time(self.fit.mtbf_s)}; "
            f"the job's {self.nodes:,} nodes are taken to fail alike and independently, so that their rates add",
            "failures.nodes: independent failures of many nodes together tend to have no memory, whatever the law "
            "of each, and are taken to have none",
        ]

    @property
    def mtbf_of_job_s(self) -> float:
        """MTBF of the whole job [s], from whichever rate is given."""
        if self.mtbf_s is not None:
            return self.mtbf_s
        if self.fit_of_job is not None:
            return self.fit_of_job.mtbf_s
        if self.trace is not None:
            raise JobError("job", [Problem("failures.trace", f'"{self.trace}"', READ_BY_LOAD_JOB)])
        if self._groups:
            return float(mtbf_from_groups.raw(**self._groups))
        return float(mtbf_from_nodes.raw(self.mtbf_of_node_s, self.nodes))


_AccuracyModelFile = Annotated[
    AccuracyModel | None, BeforeValidator(read_accuracy_model), WithJsonSchema({"type": "string"})
]


class Accuracy(Section):
    """What may be lost (``[accuracy]``)."""

    pls_budget: Budget | None = Field(None, description="largest expected portion of lost samples")
    max_metric_drop: Positive | None = Field(None, description="or: largest expected drop of the metric")
    metric_drop_per_pls: Positive | None = Field(None, description="metric lost per unit of PLS")
    model: _AccuracyModelFile = Field(
        None, description="or: file that cprmodel accuracy wrote (path relative to the job file)"
    )

    @property
    def slope(self) -> float | None:
        """Metric lost per unit of PLS, given or fitted."""
        return self.metric_drop_per_pls if self.model is None else self.model.metric_drop_per_pls

    @model_validator(mode="after")
    def _one_budget(self) -> Accuracy:
        if self.metric_drop_per_pls is not None and self.model is not None:
            slopes = (self.metric_drop_per_pls, self.model.metric_drop_per_pls)
            raise wrong("metric_drop_per_pls and model", slopes, "only one of the two")
        drop, slope = self.max_metric_drop, self.slope
        if drop is not None and slope is not None and drop / slope < 1e-12:
            raise wrong("max_metric_drop", drop, f"at least 1e-12 of metric_drop_per_pls ({slope:g})")
        if self.pls_budget is not None and self.max_metric_drop is not None:
            both = (self.pls_budget, self.max_metric_drop)
            raise wrong("pls_budget and max_metric_drop", both, "only one of the two")
        if self.pls_budget is None and self.max_metric_drop is None:
            raise wrong(
                "pls_budget",
                "",
                "either pls_budget, or max_metric_drop with metric_drop_per_pls or model (or no [accuracy])",
            )
        if drop is not None and slope is None:
            expected = "the metric lost per unit of PLS (or a model of it), since max_metric_drop is given"
            raise wrong("metric_drop_per_pls", "", expected)
        return self


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
            raise wrong("failures", f"MTBF of {mtbf:.3g} s", "an MTBF of the job between 1e-9 s and 1e12 s")
        if self.save_s > mtbf:
            expected = f"a save that is not longer than the job's MTBF ({format_time(mtbf)})"
            raise wrong("checkpoint.save", format_time(self.save_s), expected)
        if self.checkpoint.plain and not 1e-12 <= self.save_s <= 1e12:
            raise wrong("checkpoint.size / bandwidth", f"{self.save_s:g} s", "a save between 1e-12 s and 1e12 s")
        quantised = self.checkpoint.quantised_metric_drop or 0.0
        most = self.accuracy.max_metric_drop if self.accuracy else None
        if most is not None and quantised >= most:
            expected = f"less than accuracy.max_metric_drop ({most:g}), of which it is a part"
            raise wrong("checkpoint.quantised_metric_drop", quantised, expected)
        if self.checkpoint.incremental and self.access is None and self.checkpoint.dirty_curve is None:
            expected = "[access], or checkpoint.dirty_curve beside it: which rows an interval touches"
            raise wrong("checkpoint.incremental", True, expected)
        shards = self.cluster.embedding_shards
        lost, together = self.failures.shards_per_failure, self.failures.group_nodes
        if together is not None and shards is not None and together > shards:
            raise wrong("failures.group_nodes", together, f"at most cluster.embedding_shards ({shards})")
        if lost > (shards or 1):
            raise wrong("failures.shards_per_failure", lost, f"at most cluster.embedding_shards ({shards or 1})")
        check_nodes(self.scaling, self.failures.nodes)
        check_money(self.cost, self.nodes, self.checkpoint.size_bytes)
        return self

    @classmethod
    def from_file(cls, path: str | Path) -> Job:
        """Read a job file (TOML); raises :class:`~cprmodel.facts.errors.JobError` with one clear line."""
        from cprmodel.jobs.reading import job_from_file

        return job_from_file(path)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Job:
        """Read a job from nested mappings, such as parsed TOML or JSON; raises JobError."""
        from cprmodel.jobs.reading import job_from_mapping

        return job_from_mapping(data)

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
        """Whether a save is one blocking copy of everything, to storage that nobody else writes to."""
        return self.checkpoint.plain and self.storage is None

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

    def scaled_to(self, nodes: int) -> Job:
        """The same job on another number of nodes, for a job with [scaling].

        Its useful time and step follow the throughput; failures come in proportion to the nodes. What a save costs,
        the shards and the trainers stay as they are.
        """
        here = self.nodes
        if self.scaling is None or here is None:
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
        from cprmodel.jobs.reading import job_from_mapping

        return job_from_mapping(data)

    def with_mtbf(self, mtbf_s: float) -> Job:
        """The same job with another MTBF, however its own was given."""
        failures = self.failures
        gone = dict.fromkeys((*RATES, "node_period_s", "group_mtbf_s", "group_nodes"))
        kept = {"mtbf_s": mtbf_s, "shards_per_failure": failures.shards_lost}
        return self.model_copy(update={"failures": failures.model_copy(update={**gone, **kept})})

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
        return FailureMix(
            mtbf_s=failures.mtbf_of_job_s,
            shard_share=rest if failures.shard_share is None else failures.shard_share,
            trainer_share=failures.trainer_share,
            whole_job_share=failures.whole_job_share,
            shards_per_failure=min(failures.shards_lost, float(self.cluster.embedding_shards or 1)),
        )

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
        slope = self.accuracy.slope
        drop = (self.accuracy.max_metric_drop or 0.0) - (self.checkpoint.quantised_metric_drop or 0.0)
        return min(1.0, float(pls_for_metric_drop.raw(drop, slope)))

    def assumptions(self) -> Sequence[str]:
        """What the file leaves out and is taken as its default: worth a line in every answer."""
        said = self.failures.about_nodes()
        if self.checkpoint.load_s is None and not self.checkpoint.level:
            said.append("checkpoint.load isn't given: taken to be as long as a save")
        words = self.checkpoint.warning_words()
        if words is not None:
            said.append(words)
        if self.failures.group_nodes is not None and self.cluster.embedding_shards is not None:
            said.append("failures.group_nodes: every node of a group that fails is taken to hold a shard")
        if self.checkpoint.reschedule_s == 0:
            said.append("checkpoint.reschedule isn't given or is 0: a restart is taken to cost no time")
        return said
