"""A validation case as its author writes it: what is trained, on what, how it fails and how it is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from cprmodel.facts.rotation import RotatingSave
from cprmodel.facts.strategies import (
    BlockingSave,
    FailureKind,
    FailureMix,
    FullRecovery,
    PartialRecovery,
    PrioritySave,
    Recovery,
    SavingPolicy,
    Strategy,
)
from cprmodel.jobs.parsing import model_from_mapping, toml_from_file
from cprmodel.jobs.quantities import Section, wrong
from cprmodel.presets import PREFIX
from validation.failures import Failure, draw_failures
from validation.sections import (
    Charged,
    CheckpointSection,
    ClockSection,
    DataSection,
    EngineSection,
    FailuresSection,
    ModelSection,
    SavingSection,
    ShardsSection,
    TimeoutsSection,
    TrainingSection,
)

__all__ = ["Case"]


class Case(Section):
    """A validation case (a TOML file, see ``validation/cases``)."""

    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    shards: ShardsSection = ShardsSection()
    training: TrainingSection = TrainingSection()
    strategy: SavingSection = SavingSection()
    checkpoint: CheckpointSection = CheckpointSection()
    failures: FailuresSection = FailuresSection()
    timeouts: TimeoutsSection = TimeoutsSection()
    clock: ClockSection | None = None
    engine: EngineSection = EngineSection()
    journal: bool = Field(False, description="keep every update, to audit what shards hold (small cases)")

    @model_validator(mode="after")
    def _fits(self) -> Case:
        count = self.shards.count
        for planned in self.failures.plan:
            if any(shard >= count for shard in planned.shards):
                raise wrong("failures.plan.shards", list(planned.shards), f"shards from 0 to {count - 1}")
        if self.engine.name != "ray" and any(planned.node for planned in self.failures.plan):
            raise wrong("failures.plan.node", True, '[engine] name = "ray": this machine is not to be killed')
        if self.data.source == "movielens" and self.model.num_embeddings is not None:
            given = list(self.model.num_embeddings)
            raise wrong("model.num_embeddings", given, "none: MovieLens has its own tables")
        if self.clock and self.clock.charged and self.clock.charged.cluster.embedding_shards not in (None, count):
            theirs = self.clock.charged.cluster.embedding_shards
            raise wrong("shards.count", count, f"{theirs}, as in the job of the emulated clock")
        plan = self.strategy.advised
        if plan and plan.cluster.embedding_shards not in (None, count):
            theirs = plan.cluster.embedding_shards
            raise wrong("shards.count", count, f"{theirs}, as in the job of strategy.advice")
        if self.strategy.order is not None and self.checkpoint.backend != "files":
            raise wrong("checkpoint.backend", self.checkpoint.backend, '"files", where some rows are saved first')
        rotate = self.strategy.rotate
        if rotate is not None and rotate > count:
            raise wrong("strategy.rotate", rotate, f"at most {count}, the shards that there are")
        if rotate is not None and self.checkpoint.backend != "files":
            raise wrong("checkpoint.backend", self.checkpoint.backend, '"files", where saves rotate over shards')
        if self.checkpoint.background and (self.clock or plan):
            other = "[clock]: what it charges is not measured" if self.clock else "strategy.advice"
            raise wrong("checkpoint.background", True, f"no {other}")
        if self.strategy.order == "scar" and self.shards.device != "cpu":
            raise wrong("shards.device", self.shards.device, '"cpu", where the order is scar')
        if self.failures.shards_per_failure > count:
            raise wrong("failures.shards_per_failure", self.failures.shards_per_failure, f"at most {count}")
        return self

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a case file; paths in it are relative to it. One line for the first mistake (JobError)."""
        data = toml_from_file(path, "a case file")
        section = data.get("data")
        clock = data.get("clock")
        for table, key in ((clock, "job"), (data.get("strategy"), "advice")):
            if isinstance(table, dict) and isinstance(table.get(key), str) and not table[key].startswith(PREFIX):
                table[key] = str(Path(path).parent / table[key])
        if isinstance(section, dict):
            section |= {key: _beside(path, section[key]) for key in ("path", "test_path") if key in section}
        return model_from_mapping(cls, data, str(path))

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Self:
        """Read nested mappings."""
        return model_from_mapping(cls, data, "case")

    def on_device(self, device: str) -> Self:
        """The same case with its MLPs elsewhere."""
        training = self.training.model_copy(update={"device": device})
        return self.model_copy(update={"training": training})

    @property
    def steps(self) -> int:
        """Steps of training."""
        return self.data.samples // self.data.batch_size

    @property
    def charged(self) -> Charged | None:
        """What the emulated clock charges; None where time is measured."""
        if self.clock is None or self.clock.charged is None:
            return None
        job = self.clock.charged
        name = self.clock.job if self.clock.job.startswith(PREFIX) else Path(self.clock.job).name
        return Charged(job, job.job.work_s / self.steps, name)

    def checkpoints_of(self, run: str, folder: Path) -> str:
        """Where a run of this name, in this folder, keeps its checkpoints: a path, or a URL."""
        if self.checkpoint.folder is None:
            return str(folder / "checkpoints")
        return f"{self.checkpoint.folder.rstrip('/')}/{run}"

    def needs_of(self, what: str) -> dict[str, float]:
        """What an engine keeps for a "shard", or for the "trainer"."""
        engine = self.engine
        said = engine.trainer_resources if what == "trainer" else engine.shard_resources
        if said is not None:
            return dict(said)
        device = self.training.device if what == "trainer" else self.shards.device
        return {"CPU": 1.0, **({"GPU": 1.0} if device == "cuda" else {})}

    def recovery(self) -> Recovery:
        """The recovery that cprmodel plans with; where its times are measured, not given, they are 0 here."""
        if self.charged:
            job = self.charged.job
            return job.full_recovery if self.strategy.recovery == "full" else job.partial_recovery
        if self.strategy.recovery == "full":
            return FullRecovery(0.0, 0.0)
        return PartialRecovery(0.0, 0.0, 0.0, 0.0, 0.0)

    def planned_strategy(self) -> Strategy:
        """The strategy to carry out; its unit of work is one step, or emulated seconds."""
        section, charged = self.strategy, self.charged
        save_s, step = (charged.save_s, charged.step_s) if charged else (0.0, 1.0)
        saving: SavingPolicy = BlockingSave(save_s)
        if section.rotate is not None:
            always = charged.job.checkpoint.always_written if charged else None
            saving = RotatingSave(saving, self.shards.count, section.rotate, always or 0.0)
        if section.order is not None:
            saving = PrioritySave(save_s * section.fraction, section.fraction, section.order)
        return Strategy(section.recovery, self.recovery(), saving, section.interval_steps * step)

    @property
    def failure_mix(self) -> FailureMix | None:
        """How it fails, in seconds or (``mtbf_steps``) steps: as said, else as the emulated clock's job does."""
        section = self.failures
        mtbf = section.mtbf_steps or section.mtbf_s
        if mtbf is None:
            return self.charged.job.failure_mix if self.charged and not section.plan else None
        trainer, whole_job = section.trainer_share, section.whole_job_share
        return FailureMix(mtbf, 1 - trainer - whole_job, trainer, whole_job, section.shards_per_failure)

    def failure_plan(self) -> list[Failure]:
        """What will be killed, in order."""
        section = self.failures
        if section.plan:
            return [
                Failure(
                    FailureKind(item.kind),
                    item.shards,
                    item.step,
                    item.time_s,
                    item.phase,
                    item.hang,
                    node=item.node,
                )
                for item in section.plan
            ]
        mix = self.failure_mix
        if mix is None:
            return []
        in_steps = section.mtbf_steps is not None
        longest = 1000.0 * (self.steps if in_steps else self.charged.job.job.work_s if self.charged else 1000.0)
        horizon = min(mix.mtbf_s * section.most, longest)
        plan = draw_failures(
            mix, self.shards.count, horizon, section.seed, in_steps=in_steps, phases=section.phases
        )
        return plan[: section.most]


def _beside(file: str | Path, value: Any) -> Any:
    """Paths that are written in a file begin at its folder."""
    if isinstance(value, str):
        return [str(Path(file).parent / value)]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [str(Path(file).parent / item) for item in value]
    return value
