"""The tables of a validation case: what each key means, and what it may be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from cprmodel.advising import Advisor
from cprmodel.checkpoints.folders import folder_at
from cprmodel.facts.errors import JobError
from cprmodel.jobs import Job
from cprmodel.jobs.quantities import Count, Positive, Section, Share, wrong
from cprmodel.loading import load_job
from validation.failures import PHASES

__all__ = [
    "ORDERS",
    "Charged",
    "CheckpointSection",
    "ClockSection",
    "DataSection",
    "EngineSection",
    "FailuresSection",
    "ModelSection",
    "SavingSection",
    "ShardsSection",
    "TimeoutsSection",
    "TrainingSection",
    "Whole",
    "check_whole_steps",
]

Whole = Annotated[int, Field(ge=0, le=10**12)]
Tables = Annotated[tuple[Annotated[int, Field(ge=2, le=10**9)], ...], Field(min_length=1)]
Layers = Annotated[tuple[Count, ...], Field(min_length=1, max_length=10)]
Resources = Annotated[dict[str, Annotated[float, Field(gt=0, le=1e18)]], Field(max_length=20)]
OneOf = Field(pattern="^(cpu|cuda|auto)$")


class DataSection(Section):
    """Where samples come from (``[data]``)."""

    source: str = Field("synthetic", pattern="^(synthetic|criteo|movielens)$", description="kind of data")
    path: tuple[Path, ...] = Field((), description="its files (criteo, movielens)")
    test_path: tuple[Path, ...] = Field((), description="files of test samples; default: the end of the last file")
    samples: Count = Field(400_000, description="samples to train on")
    test_samples: Count = Field(50_000, description="samples to test on (synthetic)")
    test_share: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="share of the file for testing")
    batch_size: Count = Field(512, description="samples per step")
    seed: Whole = Field(1, description="seed of synthetic data")
    zipf_exponent: Annotated[float, Field(ge=0, le=5)] = Field(1.05, description="skew of synthetic accesses")
    max_bad_share: Share = Field(0.01, description="most lines that may be unusable (criteo)")

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {k: [v] if k in ("path", "test_path") and isinstance(v, str) else v for k, v in data.items()}

    @model_validator(mode="after")
    def _check(self) -> DataSection:
        if self.source != "synthetic" and not self.path:
            raise wrong("path", "", f"the files of the {self.source} data")
        for path in (*self.path, *self.test_path):
            if not path.is_file():
                raise wrong("path", str(path), "a file that is there")
        if self.source == "movielens" and (len(self.path) > 1 or self.test_path):
            raise wrong("path", [str(path) for path in (*self.path, *self.test_path)], "one file (movielens)")
        if self.batch_size > self.samples:
            raise wrong("batch_size", self.batch_size, f"at most data.samples ({self.samples})")
        return self


class ModelSection(Section):
    """The DLRM (``[model]``)."""

    embedding_dim: Count = Field(16, description="numbers per embedding row")
    largest_table: Annotated[int, Field(ge=2, le=10**9)] = Field(
        100_000, description="cap on the rows of each of the 26 Criteo-Kaggle tables"
    )
    num_embeddings: Tables | None = Field(None, description="rows of each table, instead of the 26")
    dense_arch: Layers = Field((64,), description="layers before the interaction, without the last (embedding_dim)")
    over_arch: Layers = Field((128, 64), description="layers after it, without the last (1)")


class ShardsSection(Section):
    """The shard servers (``[shards]``)."""

    count: Annotated[int, Field(ge=1, le=1000)] = Field(8, description="shard processes")
    device: str = Field("cpu", pattern="^(cpu|cuda)$", description="where shards hold their rows")
    placement: str = Field(
        "rows", pattern="^(rows|tables)$", description="rows of all tables in turn, or whole tables"
    )


class TrainingSection(Section):
    """How it is trained (``[training]``)."""

    device: Annotated[str, OneOf] = Field("auto", description="where the MLPs live: auto, cpu or cuda")
    threads: Annotated[int, Field(ge=1, le=1024)] = Field(1, description="threads; 1: bit-identical runs")
    seed: Whole = Field(1, description="seed of the first weights and rows")
    embedding_optimizer: str = Field(
        "rowwise_adagrad", pattern="^(rowwise_adagrad|sgd)$", description="rowwise_adagrad or sgd"
    )
    embedding_lr: Positive = Field(0.02, description="learning rate of the rows")
    dense_lr: Positive = Field(0.01, description="learning rate of the MLPs (Adagrad)")
    evaluate: bool = Field(True, description="test when trained")
    tests: Count = Field(1, description="how often to test, the last time when trained")


#: Orders in which shards can save their rows.
ORDERS = ("mfu", "ssu", "scar", "update-age")


def check_whole_steps(field: str, interval_steps: int, fraction: float) -> None:
    """Saves of a fraction must come after whole steps."""
    every = interval_steps * fraction
    if round(every) < 1 or abs(every - round(every)) > 1e-9 * every:
        raise wrong(field, fraction, f"a part of interval_steps ({interval_steps}) in whole steps")


class SavingSection(Section):
    """When to save, and who rolls back (``[strategy]``)."""

    recovery: str = Field("partial", pattern="^(full|partial)$", description="full or partial")
    interval_steps: Count = Field(100, description="steps in which as much as everything is saved once")
    save_steps: tuple[Count, ...] | None = Field(
        None, description="the steps to save after, instead of an interval"
    )
    order: str | None = Field(
        None,
        pattern=f"^({'|'.join(ORDERS)})$",
        description="which rows to save before others: mfu, ssu, scar or update-age; default: all of them together",
    )
    fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="share of the rows that a save takes, so many saves an interval (with order)"
    )
    rotate: Count | None = Field(
        None, description="full recovery: shards in each save, in turn, beside the trainer's part; default: all"
    )
    advice: str | None = Field(
        None,
        description="a job file, or preset:NAME: a cprmodel.Advisor that begins with this plan says when to save, "
        "instead of an interval",
    )
    advised: Job | None = Field(None, description="what was read from it")

    @model_validator(mode="after")
    def _check(self) -> SavingSection:
        if self.advice is not None:
            self._read_advice(self.advice)
        if self.rotate is not None and (
            self.recovery != "full" or self.order is not None or self.advice is not None
        ):
            raise wrong("rotate", self.rotate, "full recovery, and neither order nor advice beside it")
        if self.order is None and self.fraction != 1:
            raise wrong("fraction", self.fraction, "an order of saving beside it")
        if self.order is not None:
            check_whole_steps("fraction", self.interval_steps, self.fraction)
        if self.order is not None and (self.recovery != "partial" or self.save_steps is not None):
            raise wrong("order", self.order, "partial recovery, and interval_steps")
        return self

    def _read_advice(self, advice: str) -> None:
        if self.advised is None:  # not read yet
            if self.order is not None or self.save_steps is not None or "interval_steps" in self.model_fields_set:
                raise wrong("advice", advice, "no interval_steps, save_steps or order beside it")
            try:
                object.__setattr__(self, "advised", load_job(advice))
                assert self.advised
                Advisor(self.advised, self.recovery, state=None)
            except JobError as error:
                raise wrong("advice", advice, f"a job to begin with ({error})") from None

    @property
    def saves_every_steps(self) -> int:
        """Steps between two saves, of whatever each of them takes."""
        return round(self.interval_steps * self.fraction)


class CheckpointSection(Section):
    """How checkpoints are written (``[checkpoint]``)."""

    backend: str = Field("files", pattern="^(files|dcp)$", description="files, or torch.distributed.checkpoint")
    folder: str | None = Field(
        None,
        description="a URL that fsspec opens (s3://BUCKET/FOLDER), each run in a folder of its name; "
        "default: the run's own folder",
    )
    compact_after: Whole = Field(8, description="deltas after which a base is written anew")
    background: bool = Field(
        False, description="copy what is saved, and write it while training goes on; it counts once all is written"
    )
    bandwidth_bytes_per_s: float | None = Field(
        None, description="most that storage takes of each process that writes (files); default: what it can"
    )

    @model_validator(mode="after")
    def _check(self) -> CheckpointSection:
        if self.backend != "files" and (self.background or self.bandwidth_bytes_per_s is not None):
            raise wrong("backend", self.backend, '"files", where background or bandwidth is said')
        if self.folder is None:
            return self
        if "://" not in self.folder or self.folder.startswith("memory:"):
            raise wrong("folder", self.folder, "a URL such as s3://bucket/folder, which all processes reach alike")
        if self.backend != "files":
            raise wrong("backend", self.backend, '"files", where folder is a URL')
        try:
            folder_at(self.folder)
        except JobError as error:
            raise wrong("folder", self.folder, f"a URL to write checkpoints to ({error})") from None
        return self


class EngineSection(Section):
    """What starts the processes (``[engine]``); without this table this machine does."""

    name: str = Field("local", pattern="^(local|ray)$", description="local processes, or actors of ray")
    address: str | None = Field(
        None, description="of Ray's cluster: HOST:PORT, auto, or ray://HOST:PORT; default: one that is begun here"
    )
    shard_resources: Resources | None = Field(
        None, description="what Ray keeps for a shard: CPU, GPU, memory, or what your nodes name; default: a CPU"
    )
    trainer_resources: Resources | None = Field(None, description="what it keeps for the trainer")

    @model_validator(mode="after")
    def _check(self) -> EngineSection:
        given = [
            key for key in ("address", "shard_resources", "trainer_resources") if getattr(self, key) is not None
        ]
        if self.name == "local" and given:
            raise wrong("name", self.name, f'"ray", where {given[0]} is said')
        return self


class PlannedFailure(Section):
    """One failure by hand (``[[failures.plan]]``)."""

    kind: str = Field("shard", pattern="^(shard|trainer|whole_job)$", description="what it takes")
    shards: tuple[Whole, ...] = Field((), description="which shards")
    step: Count | None = Field(None, description="when: the executed step, replayed ones counted too")
    time_s: float | None = Field(None, description="when: the time since training began")
    phase: str = Field("lookup", pattern=f"^({'|'.join(PHASES)})$", description="where in the step")
    node: bool = Field(False, description="kill the machine of the shard (one) and all that stands on it (ray)")
    hang: bool = Field(False, description="stop the shard (SIGSTOP) instead of killing it")

    @model_validator(mode="after")
    def _check(self) -> PlannedFailure:
        if (self.step is None) == (self.time_s is None):
            raise wrong("step and time", "", "exactly one of step and time")
        if (self.kind == "shard") != bool(self.shards):
            raise wrong("shards", list(self.shards), "the shards of a shard failure, and of no other")
        if len(set(self.shards)) != len(self.shards):
            raise wrong("shards", list(self.shards), "distinct shards")
        if self.node and (self.kind != "shard" or len(self.shards) != 1 or self.hang):
            raise wrong("node", True, "a shard failure of one shard, and no hang beside it")
        if self.hang and self.kind != "shard":
            raise wrong("hang", True, "a shard failure")
        return self


class FailuresSection(Section):
    """How it fails (``[failures]``); none without this table."""

    mtbf_steps: Positive | None = Field(None, description="mean executed steps between failures")
    mtbf_s: float | None = Field(None, description="mean time between failures")
    trainer_share: Share = Field(0.0, description="share of failures that take the trainer")
    whole_job_share: Share = Field(0.0, description="share that take everything")
    shards_per_failure: Annotated[float, Field(ge=1, le=1000)] = Field(1.0, description="shards per shard failure")
    phases: tuple[Annotated[str, Field(pattern=f"^({'|'.join(PHASES)})$")], ...] = Field(
        ("lookup", "update"), description="where in a step failures strike"
    )
    most: Count = Field(100_000, description="no more failures than these")
    seed: Whole = Field(1, description="seed of the plan")
    plan: tuple[PlannedFailure, ...] = Field((), description="failures by hand, instead of a rate")

    @model_validator(mode="after")
    def _check(self) -> FailuresSection:
        given = [name for name in ("mtbf_steps", "mtbf_s") if getattr(self, name) is not None]
        if len(given) + bool(self.plan) > 1:
            raise wrong("mtbf_steps, mtbf and plan", "", "at most one of the three")
        if self.trainer_share + self.whole_job_share > 1 + 1e-9:
            raise wrong("trainer_share + whole_job_share", self.trainer_share + self.whole_job_share, "at most 1")
        if not self.phases:
            raise wrong("phases", [], f"at least one of {', '.join(PHASES)}")
        return self


class ClockSection(Section):
    """An emulated clock (``[clock]``): times are charged from a job; without this table they are measured."""

    job: str = Field(description="a job file, or preset:NAME, whose save, load, reschedule and work are charged")
    charged: Job | None = Field(None, description="what was read from it")

    @model_validator(mode="after")
    def _read(self) -> ClockSection:
        if self.charged is None:
            try:
                object.__setattr__(self, "charged", load_job(self.job))
            except JobError as error:
                raise wrong("job", self.job, f"a job to charge times from ({error})") from None
        return self


@dataclass(frozen=True)
class Charged:
    """What emulated time is charged."""

    job: Job
    step_s: float
    source: str

    @property
    def save_s(self) -> float:
        return self.job.save_s


class TimeoutsSection(Section):
    """How long to wait for whom (``[timeouts]``)."""

    may_be_zero: ClassVar[frozenset[str]] = frozenset()
    start_s: float = Field(60.0, description="for a process to start listening")
    shard_s: float = Field(10.0, description="for a shard's answer; then it hangs, and is killed")
    trainer_s: float = Field(300.0, description="for a sign of life of the trainer")
    killed_s: float = Field(600.0, description="for a step, while somebody else kills processes again and again")
