"""A case of the lab: what is trained, which rows are put back, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from cprmodel.jobs.parsing import model_from_mapping, toml_from_file
from cprmodel.jobs.quantities import Count, Positive, Section, wrong
from validation.data.tables import CRITEO_KAGGLE, reduced
from validation.sections import DataSection, ModelSection, Whole

__all__ = ["GROUPS", "HarmCase", "LossesSection", "Repeated", "Trained"]

#: Which rows are put back: of shards by chance, of tables by their rows and by their curvature, of rows by how
#: often they are used, all.
GROUPS = (
    "shard",
    "three shards",
    "large tables",
    "small tables",
    "sharp tables",
    "flat tables",
    "hot rows",
    "warm rows",
    "cold rows",
    "all rows",
)
_Group = Annotated[str, Field(pattern=f"^({'|'.join(GROUPS)})$")]


class LabTraining(Section):
    """How it is trained (``[training]``)."""

    embedding_optimizer: str = Field(
        "rowwise_adagrad", pattern="^(rowwise_adagrad|sgd|adam)$", description="of rows"
    )
    embedding_lr: Positive = Field(0.02, description="learning rate of the rows")
    dense_lr: Positive = Field(0.01, description="learning rate of the MLPs (Adagrad)")


class Trained(Section):
    """What is trained, on what, and how."""

    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    training: LabTraining = LabTraining()

    @model_validator(mode="after")
    def _known_data(self) -> Self:
        if self.data.source == "criteo":
            raise wrong("data.source", "criteo", '"synthetic" or "movielens"')
        return self

    @property
    def steps(self) -> int:
        """Steps of training."""
        return self.data.samples // self.data.batch_size

    @property
    def num_embeddings(self) -> tuple[int, ...]:
        """Rows of each table of synthetic clicks."""
        return self.model.num_embeddings or reduced(self.model.largest_table, CRITEO_KAGGLE)


class Repeated(Section):
    """Several losses in one run (``[[losses.repeated]]``)."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    group: _Group = "shard"
    at: Annotated[tuple[Count, ...], Field(min_length=2)] = Field(description="steps after which rows are put back")
    lost: Count = Field(description="to what they were so many steps before")


class LossesSection(Section):
    """Rows put back once, or several times (``[losses]``)."""

    moments: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(description="steps after which it happens")
    lost: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(description="to what rows were so long before")
    groups: Annotated[tuple[_Group, ...], Field(min_length=1)] = Field(GROUPS, description="which rows")
    repeated: tuple[Repeated, ...] = ()
    tolerance: Positive = Field(0.25, description="how far a group's rise may be from its prediction")
    interval: Positive = Field(0.40, description="and the ends of its 90% interval")
    rms: Positive | None = Field(None, description="most RMS error of a run's AUC fall")


class HarmCase(Trained):
    """A case file."""

    shards: Count = Field(8, description="shards, rows dealt out in turn")
    seeds: Annotated[tuple[Whole, ...], Field(min_length=2)] = Field(
        description="of the runs; what is predicted of one is what the others' probes saw"
    )
    probe_samples: Count = Field(8192, description="held-out samples that the probe looks at")
    losses: LossesSection

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise wrong("seeds", list(self.seeds), "distinct seeds")
        if self.shards < 3:
            raise wrong("shards", self.shards, "at least 3")
        for moment in self.losses.moments:
            if not max(self.losses.lost) <= moment < self.steps:
                expected = f"from losses.lost ({max(self.losses.lost)}) to less than the run's {self.steps} steps"
                raise wrong("losses.moments", moment, expected)
        for one in self.losses.repeated:
            if not (list(one.at) == sorted(set(one.at)) and one.lost <= one.at[0] and one.at[-1] < self.steps):
                raise wrong(
                    "losses.repeated.at", list(one.at), "ascending steps of the run, the first at least lost"
                )
            if one.lost not in self.losses.lost:
                raise wrong("losses.repeated.lost", one.lost, f"one of losses.lost {list(self.losses.lost)}")
        return self

    @classmethod
    def from_file(
        cls, path: str | Path, data_path: Path | None = None, seeds: tuple[int, ...] | None = None
    ) -> Self:
        """Read a case file; ``data_path`` and ``seeds`` instead of its own. One line for the first mistake."""
        read = toml_from_file(path, "a case file")
        if data_path is not None and isinstance(read.get("data", {}), dict):
            read["data"] = {**read.get("data", {}), "path": [str(data_path)]}
        if seeds is not None:
            read["seeds"] = list(seeds)
        return model_from_mapping(cls, read, str(path))

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Self:
        """Read nested mappings."""
        return model_from_mapping(cls, data, "case")

    def others(self, seed: int) -> tuple[int, ...]:
        """The seeds whose probes tell of this one's runs: all but itself."""
        return tuple(one for one in self.seeds if one != seed)
