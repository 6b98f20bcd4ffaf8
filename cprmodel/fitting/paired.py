"""A record of paired training runs: with failures, and without, of the same seed and data order."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import read_text
from cprmodel.jobs.parsing import model_from_mapping
from cprmodel.jobs.quantities import Number, Plain

__all__ = ["SMALLEST_PLS", "PairedRun", "Record", "read_record", "record_of_runs"]

#: The record's largest PLS is at least this.
SMALLEST_PLS = 1e-12

_PLS = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False), Plain]
_SEED = Annotated[int, Field(ge=-(2**63), lt=2**64), Plain]


class PairedRun(BaseModel):
    """One run with failures against its seed's run without."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    seed: _SEED = Field(description="seed of the run and of the one without failures")
    pls: _PLS = Field(description="portion of lost samples")
    drop: Number = Field(description="metric of the run without failures less that of the run with them")
    pattern: str | None = Field(None, description="how the losses came about, such as many small ones")


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal[1] = 1
    metric: str = Field("metric", min_length=1)
    runs: tuple[PairedRun, ...]


@dataclass(frozen=True)
class Record:
    """What was measured, a row a run."""

    source: str
    metric: str
    runs: tuple[PairedRun, ...] = field(repr=False)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(sorted({run.seed for run in self.runs}))

    @property
    def patterns(self) -> tuple[str, ...]:
        """Names of the patterns under which samples were lost, in order."""
        return tuple(sorted({run.pattern for run in self.runs if run.pattern and run.pls > 0}))

    @property
    def pls(self) -> Any:
        """PLS of each run."""
        return np.array([run.pls for run in self.runs])

    @property
    def drops(self) -> Any:
        """Metric drop of each run."""
        return np.array([run.drop for run in self.runs])

    @property
    def largest_pls(self) -> float:
        return max(run.pls for run in self.runs)

    def of_seeds(self, seeds: tuple[int, ...]) -> Record:
        """The runs of some seeds."""
        return Record(self.source, self.metric, tuple(run for run in self.runs if run.seed in seeds))

    def of_pattern(self, pattern: str) -> Record:
        """The runs that lost samples in one way."""
        if pattern not in self.patterns:
            known = ", ".join(self.patterns) or "none is named"
            raise JobError(self.source, [Problem("pattern", f'"{pattern}"', f"one of the record: {known}")])
        return Record(self.source, self.metric, tuple(run for run in self.runs if run.pattern == pattern))


def record_of_runs(source: str, runs: tuple[PairedRun, ...], metric: str = "metric") -> Record:
    """A record from its runs; JobError where none lost samples."""
    if not runs:
        raise JobError(source, [Problem("runs", "", "at least one run")])
    if not max(run.pls for run in runs) >= SMALLEST_PLS:
        raise JobError(
            source,
            [Problem("pls", "", f"a run that lost samples: a PLS of at least {SMALLEST_PLS:g}, but all are 0")],
        )
    return Record(source, metric, runs)


def read_record(path: str | Path) -> Record:
    """Read a record: JSON where the name ends in ``.json``, else CSV; JobError says in one line what is wrong."""
    source = str(path)
    text = read_text(path, "a record of paired runs", "a text file in UTF-8")
    if Path(path).suffix.lower() == ".json":
        return _from_json(source, text)
    return record_of_runs(source, _from_csv(source, text))


def _from_json(source: str, text: str) -> Record:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise JobError(source, [Problem("", "", "JSON with a list of runs")]) from None
    if not isinstance(data, Mapping):
        raise JobError(source, [Problem("", "", "a JSON object with a list of runs")])
    file = model_from_mapping(_File, data, source)
    return record_of_runs(source, file.runs, file.metric)


def _from_csv(source: str, text: str) -> tuple[PairedRun, ...]:
    rows = csv.reader(io.StringIO(text, newline=""))
    runs: list[PairedRun] = []
    heading: list[str] | None = None
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if heading is None:
                heading = cells
                _check_heading(source, heading)
                continue
            given = {name: cell for name, cell in zip(heading, cells, strict=False) if cell}
            runs.append(_run(source, f"line {rows.line_num}", given))
    except csv.Error as error:
        raise JobError(source, [Problem(f"line {rows.line_num}", "", f"CSV ({error})")]) from None
    if heading is None:
        raise JobError(source, [Problem("", "", "a heading: seed,pls,drop[,pattern]")])
    return tuple(runs)


def _check_heading(source: str, heading: list[str]) -> None:
    shown = ",".join(heading)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    for name in ("seed", "pls", "drop"):
        if heading.count(name) != 1:
            raise JobError(source, [Problem("heading", f'"{shown}"', f"seed,pls,drop[,pattern], {name} once")])


def _run(source: str, line: str, given: Mapping[str, str]) -> PairedRun:
    read: dict[str, Any] = {"pattern": given.get("pattern")}
    for name, what in (("seed", "a whole number"), ("pls", "a number of at least 0"), ("drop", "a number")):
        cell = given.get(name, "")
        value: float | None = None
        with suppress(ValueError, OverflowError):  # an integer of hundreds of digits is not finite either
            value = int(cell) if name == "seed" else float(cell)
            value = value if math.isfinite(value) else None
        if value is None:
            shown = cell if len(cell) <= 60 else f"{cell[:57]}..."
            raise JobError(source, [Problem(f"{line}: {name}", f'"{shown}"', what)])
        read[name] = value
    try:
        return model_from_mapping(PairedRun, read, source)
    except JobError as error:
        first = error.problems[0]
        raise JobError(source, [Problem(f"{line}: {first.field}", first.value, first.expected)]) from None
