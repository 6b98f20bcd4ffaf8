"""How the rows of the embedding tables are accessed (``[access]``): what an order of saving goes by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from cprmodel.jobs.quantities import Plain, Positive, Section, wrong

__all__ = ["Access", "Table"]

_RowCount = Annotated[int, Field(ge=1, le=10**13), Plain]
_Exponent = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False), Plain]
_Fraction = Annotated[float, Field(ge=0.01, le=1, allow_inf_nan=False), Plain]


def _counts_path(value: Any, info: ValidationInfo) -> Any:
    """The path, relative to the job file, made whole: so it stands in what a plan prints."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong("", value, "the path of an array of counts (.npy), in quotes")
    path = (Path((info.context or {}).get("folder", ".")) / value).resolve()
    if not path.is_file():
        raise wrong("", value, "an array of counts (.npy), but there is no such file")
    return str(path)


class Table(Section):
    """An embedding table (``[[access.tables]]``): Zipf's law over its rows, or counts of accesses to each."""

    name: str = Field("", description="name, for people")
    rows: _RowCount | None = Field(None, description="rows of the table (with zipf)")
    zipf: _Exponent | None = Field(
        None, description="the k-th most updated row gets k^-zipf of the updates of the first"
    )
    counts: Annotated[str | None, BeforeValidator(_counts_path)] = Field(
        None, description="or: array (.npy) with the number of updates of each row (path relative to the job file)"
    )
    counted_over_s: float | None = Field(None, description="useful work in which they were counted")
    updates_per_second: Positive | None = Field(
        None, description="updates of all rows together in a second of useful work (samples x lookups)"
    )

    @model_validator(mode="after")
    def _one_law(self) -> Table:
        if self.counts is not None:
            if self.zipf is not None or self.rows is not None:
                raise wrong("counts", self.counts, "either counts, or zipf with rows")
            if (self.counted_over_s is None) == (self.updates_per_second is None):
                both = self.counted_over_s is not None
                shown = (self.counted_over_s, self.updates_per_second) if both else ""
                keys = "counted_over and updates_per_second" if both else "counted_over"
                raise wrong(keys, shown, "counts with one of counted_over and updates_per_second")
            return self
        if self.zipf is None or self.rows is None:
            missing = "zipf" if self.rows is not None else "rows" if self.zipf is not None else "zipf and rows"
            raise wrong(missing, "", "zipf with rows, or counts")
        if self.counted_over_s is not None:
            raise wrong("counted_over", self.counted_over_s, "counts beside it")
        if self.updates_per_second is None:
            raise wrong("updates_per_second", "", "how many updates the table gets (samples a second x lookups)")
        return self


class Access(Section):
    """How rows are accessed, and how much is saved at a time (``[access]``). Rows are taken to be of one size."""

    priority_fraction: _Fraction = Field(
        0.125, description="share of the rows that a priority save takes: so many saves to an interval"
    )
    tables: Annotated[tuple[Table, ...], Field(min_length=1)] = Field(description="the tables that are sharded")
