"""A case: settings to train in, and how each is saved and fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from cprmodel.harm.orders import HARM_ORDERS
from cprmodel.jobs.parsing import model_from_mapping, toml_from_file
from cprmodel.jobs.quantities import Count, Positive, Section, Share, wrong
from validation.harm.case import Trained
from validation.sections import Whole

__all__ = ["GROWN_SUMS", "OrdersCase", "SettingSection"]

#: Measured, not predicted: by the optimizer's own sums (row-wise Adagrad).
GROWN_SUMS = "grown-sums"
_ORDERS = (*(one for one in HARM_ORDERS if one != "best-fixed"), GROWN_SUMS)  # that need no rates beforehand
_Order = Annotated[str, Field(pattern=f"^({'|'.join(_ORDERS)})$")]
_Seeds = Annotated[tuple[Whole, ...], Field(min_length=2)]


class SettingSection(Trained):
    """One thing that is trained, and how its rows are saved (``[[settings]]``)."""

    name: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[\w ,.:%/-]+$")]
    every: Count = Field(60, description="steps between two saves")
    fraction: Annotated[Share, Field(gt=0)] = Field(0.125, description="of the rows that a save takes")
    orders: Annotated[tuple[_Order, ...], Field(min_length=2)] = Field(_ORDERS, description="what is compared")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if GROWN_SUMS in self.orders and self.training.embedding_optimizer != "rowwise_adagrad":
            expected = (
                f"orders without {GROWN_SUMS} for {self.training.embedding_optimizer}, which keeps no such sums"
            )
            raise wrong("orders", list(self.orders), expected)
        if not self.every < self.steps:
            raise wrong("every", self.every, f"fewer than the run's {self.steps} steps")
        return self


class OrdersCase(Section):
    """A case file."""

    seeds: _Seeds = Field(description="of the runs with failures")
    probe_seeds: _Seeds = Field(description="of the runs without, which predict")
    probe_samples: Count = Field(16384, description="held-out samples that a probe looks at")
    failures: Count = Field(8, description="failures of a run, at random steps after the first save")
    lost_shards: Count = Field(3, description="shards that each puts back")
    shards: Count = Field(8, description="shards, rows dealt out in turn")
    against: _Order = Field("mfu", description="the order that the others are compared with")
    tolerance: Positive = Field(0.25, description="how far a rise may be from its prediction")
    interval: Positive = Field(0.40, description="and the ends of its 90% interval")
    settings: Annotated[tuple[SettingSection, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("seeds", "probe_seeds"):
            given = getattr(self, name)
            if len(set(given)) < len(given):
                raise wrong(name, list(given), "distinct seeds")
        if both := set(self.seeds) & set(self.probe_seeds):
            raise wrong("probe_seeds", sorted(both), "other seeds than those of the runs with failures")
        if not self.lost_shards <= self.shards:
            raise wrong("lost_shards", self.lost_shards, f"at most shards ({self.shards})")
        names = [one.name for one in self.settings]
        if len(set(names)) < len(names):
            raise wrong("settings", names, "a name for one setting only")
        for one in self.settings:
            if self.failures > one.steps - one.every:
                raise wrong("failures", self.failures, f"at most one a step after the first save of {one.name!r}")
            if self.against not in one.orders:
                raise wrong("against", self.against, f"one of the orders of {one.name!r}")
        return self

    @classmethod
    def from_file(
        cls, path: str | Path, data_path: Path | None = None, seeds: tuple[int, ...] | None = None
    ) -> Self:
        """Read a case file; ``data_path`` of real clicks and ``seeds`` instead of its own."""
        read = toml_from_file(path, "a case file")
        settings = read.get("settings", [])
        for one in settings if isinstance(settings, list) else []:
            data = one.get("data") if isinstance(one, dict) else None
            if data_path is not None and isinstance(data, dict) and data.get("source", "synthetic") != "synthetic":
                data["path"] = [str(data_path)]
        if seeds is not None:
            read["seeds"] = list(seeds)
        return model_from_mapping(cls, read, str(path))

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Self:
        """Read nested mappings."""
        return model_from_mapping(cls, data, "case")
