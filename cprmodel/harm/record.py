"""``harm.json``: what a probe saw in one training run of what rows put back would cost.

All harms are rises of the log loss (in nats) per sample, summed over all rows of a band: what it would cost, were
every row of the band put back to what it held so many samples ago, and nothing else. A shard that holds a share of
the rows by chance costs that share of it. Cross terms between rows are in ``whole`` alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import open_plain, read_text, write_whole
from cprmodel.jobs.parsing import model_from_mapping
from cprmodel.jobs.quantities import Count, Number, Plain, Positive, Section, Share, wrong

__all__ = [
    "BAND_FACTOR",
    "KIND",
    "LARGEST_CURVATURE_DIM",
    "Band",
    "HarmRecord",
    "OptimizerUsed",
    "Point",
    "TableHarm",
    "WholeState",
    "is_harm",
    "read_harm",
    "write_harm",
]

KIND: Final = "harm record"

#: Bands of rows by their accesses per sample are this factor wide.
BAND_FACTOR = 4.0

#: Up to this dimension the whole curvature matrix is kept, above it the eigenvalues alone.
LARGEST_CURVATURE_DIM = 64

NotNegative = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False), Plain]
Whole = Annotated[int, Field(ge=0, le=10**15), Plain]
Error = NotNegative  # a standard error
Numbers = tuple[Number, ...]
NotNegatives = tuple[NotNegative, ...]
Matrix = tuple[Numbers, ...]


class _Part(Section):
    """Keys of a later minor format are let pass."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _lengths(one: Any, names: tuple[str, ...], expected: int, what: str) -> None:
    for name in names:
        if len(getattr(one, name)) != expected:
            raise wrong(name, len(getattr(one, name)), f"as many numbers as {what} ({expected})")


class OptimizerUsed(_Part):
    """What moved the rows (``optimizer``)."""

    name: Literal["sgd", "rowwise_adagrad", "adagrad", "adam"] = Field(description="the rows' optimizer")
    learning_rate: Positive = Field(description="its learning rate, η")
    eps: NotNegative = Field(0.0, description="what is added to the root of its sums")
    beta_1: Share = Field(0.0, description="decay of Adam's mean of gradients")
    beta_2: Share = Field(0.0, description="decay of Adam's mean of their squares")
    lazy: bool | None = Field(
        None, description="of Adam: whether a row's means move only when it is accessed (SparseAdam)"
    )

    @property
    def unknown(self) -> bool:
        """Whether it is not known how its means go on: a record of Adam that was written by an earlier version."""
        return self.name == "adam" and self.lazy is None


class Band(_Part):
    """Rows of one table that are used about equally often. Arrays by age run over the point's ``ages_samples``."""

    accesses_from: NotNegative = Field(description="its rows have so many accesses per sample or more")
    accesses_to: Positive = Field(description="and less than so many")
    rows: Whole = Field(description="rows in it")
    accesses: NotNegative = Field(description="accesses per sample of all of them, counted in training")
    probed: Whole = Field(description="accesses to them in the probe samples")
    quadratic: NotNegatives = Field(description="½ E[Σ σ'(J·Δ)²], by age")
    quadratic_error: NotNegatives = Field(description="its standard errors")
    gradient: Numbers = Field(description="E[Σ (σ − y) J·(−Δ)]: progress that putting back undoes, by age")
    gradient_error: NotNegatives = Field(description="its standard errors")
    quadratic_left: tuple[NotNegatives, ...] = Field(
        description="share of quadratic that is left, by age and by the point's left_samples"
    )
    gradient_left: tuple[NotNegatives, ...] = Field(
        description="share of gradient that is left where steps are the twin's, by age and by left_samples"
    )
    progress_fixed: tuple[Numbers, ...] = Field(
        (),
        description="what is left of gradient but jitter's, did best values stand still; by age and left_samples",
    )
    progress_moving: tuple[Numbers, ...] = Field(
        (), description="the same, do best values go on moving and rows follow them"
    )
    jitter: tuple[Numbers, ...] = Field((), description="rise at the end by jitter alone, by age and left_samples")
    jitter_quadratic: Numbers = Field((), description="what jitter alone gives of quadratic, by age")
    jitter_gradient: Numbers = Field((), description="what jitter alone gives of gradient, by age")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.accesses_from < self.accesses_to:
            raise wrong("accesses_to", self.accesses_to, f"more than accesses_from ({self.accesses_from:g})")
        for name in ("quadratic_left", "gradient_left"):
            if max((share for shares in getattr(self, name) for share in shares), default=0.0) > 1 + 1e-6:
                raise wrong(name, "", "shares of at most 1")
        return self

    def check(self, ages: int, left: int) -> None:
        """Against the point's ages and samples left."""
        by_age = ("quadratic", "quadratic_error", "gradient", "gradient_error", "quadratic_left", "gradient_left")
        some = ("progress_fixed", "progress_moving", "jitter", "jitter_quadratic", "jitter_gradient")
        given = tuple(name for name in some if getattr(self, name))
        _lengths(self, (*by_age, *given), ages, "ages_samples")
        for name in ("quadratic_left", "gradient_left", *(one for one in given if one in some[:3])):
            for numbers in getattr(self, name):
                if len(numbers) != left:
                    raise wrong(name, len(numbers), f"as many numbers as left_samples ({left})")


class TableHarm(_Part):
    """One embedding table at a point."""

    name: str = Field(min_length=1, description="name of the table")
    rows: Count = Field(description="its rows")
    embedding_dim: Count = Field(description="numbers in a row, d")
    curvature_trace: NotNegative = Field(description="trace of ℋ = E[σ' J Jᵀ] of an access")
    curvature_eigenvalues: NotNegatives = Field(description="its eigenvalues, the largest first")
    curvature: Matrix | None = Field(None, description="ℋ itself, d × d (up to 64 × 64)")
    bands: tuple[Band, ...] = Field(description="its rows by how often they are used, the rarest first")
    rise: Number | None = Field(None, description="true rise were the whole table put back, at the largest age")
    rise_error: Error | None = Field(None, description="its standard error")

    @model_validator(mode="after")
    def _check(self) -> Self:
        dim = self.embedding_dim
        _lengths(self, ("curvature_eigenvalues",), dim, "embedding_dim")
        if self.curvature is not None:
            matrix = self.curvature
            if len(matrix) != dim or any(len(row) != dim for row in matrix):
                raise wrong("curvature", f"{len(matrix)} rows", f"a matrix of {dim} × {dim}")
            whole = np.array(matrix)
            if np.abs(whole - whole.T).max() > 1e-6 * max(np.abs(whole).max(), 1e-300):
                raise wrong("curvature", "", "a symmetric matrix")
        return self


class WholeState(_Part):
    """Every row put back at once, at one age: Taylor's terms with all cross terms, and the truth."""

    age_samples: Positive = Field(description="to what the rows held so many samples ago")
    quadratic: NotNegative = Field(description="½ E[σ'(Σ J·Δ)²]")
    quadratic_error: Error = Field(description="its standard error")
    gradient: Number = Field(description="E[(σ − y) Σ J·(−Δ)]")
    gradient_error: Error = Field(description="its standard error")
    rise: Number = Field(description="true rise of the log loss, by a forward pass over the same samples")
    rise_error: Error = Field(description="its standard error, of paired differences")
    auc_fall: Number | None = Field(None, description="true fall of the AUC; none: samples of one class alone")
    auc_per_nat: Number | None = Field(
        None, description="AUC lost per nat of log loss, by the model's own probabilities; none: no logit changed"
    )


class Point(_Part):
    """What was seen after so many samples."""

    position_samples: Positive = Field(description="samples trained so far")
    log_loss: NotNegative = Field(description="of the probe samples")
    auc: Share | None = Field(None, description="of the probe samples; none: samples of one class alone")
    ages_samples: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(description="ages, ascending")
    left_samples: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        description="samples that are trained after rows were put back, ascending"
    )
    tables: Annotated[tuple[TableHarm, ...], Field(min_length=1)]
    whole: tuple[WholeState, ...] = Field(description="one for each age")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("ages_samples", "left_samples"):
            given = getattr(self, name)
            if list(given) != sorted(set(given)):
                raise wrong(name, list(given), "ascending numbers")
        if self.ages_samples[-1] > self.position_samples:
            raise wrong(
                "ages_samples", self.ages_samples[-1], f"at most position_samples ({self.position_samples:g})"
            )
        _lengths(self, ("whole",), len(self.ages_samples), "ages_samples")
        for age, whole in zip(self.ages_samples, self.whole, strict=True):
            if whole.age_samples != age:
                raise wrong("whole", whole.age_samples, f"an entry for each of ages_samples, here for {age:g}")
        for table in self.tables:
            for band in table.bands:
                band.check(len(self.ages_samples), len(self.left_samples))
        names = [table.name for table in self.tables]
        if len(set(names)) < len(names):
            raise wrong("tables", "", "a name for one table only")
        return self


class HarmRecord(_Part):
    """A run that was probed."""

    schema_version: Literal[1] = 1
    kind: Literal["harm record"] = KIND
    samples: Count = Field(description="samples of the whole run, as planned")
    batch_size: Count = Field(description="samples per step, B")
    probe_samples: Count = Field(description="held-out samples that the probe looked at")
    optimizer: OptimizerUsed
    points: Annotated[tuple[Point, ...], Field(min_length=1)] = Field(description="ascending by position")

    @model_validator(mode="after")
    def _check(self) -> Self:
        positions = [point.position_samples for point in self.points]
        if positions != sorted(set(positions)):
            raise wrong("points", positions, "points of ascending position_samples")
        if positions[-1] > self.samples:
            raise wrong("points", positions[-1], f"positions of at most samples ({self.samples})")
        first = [(table.name, table.rows, table.embedding_dim) for table in self.points[0].tables]
        for point in self.points[1:]:
            if [(table.name, table.rows, table.embedding_dim) for table in point.tables] != first:
                raise wrong("points", point.position_samples, "the same tables at every point")
        return self

    def to_json(self) -> str:
        """The text of the file; :func:`read_harm` reads it back to an equal record."""
        return json.dumps(self.model_dump(mode="json"), allow_nan=False) + "\n"


def read_harm(path: str | Path) -> HarmRecord:
    """Read ``harm.json``; JobError says in one line what is wrong.

    >>> read_harm("nope.json")
    Traceback (most recent call last):
        ...
    cprmodel.facts.errors.JobError: nope.json: expected a harm record, but there is no such file
    """
    source = str(path)
    text = read_text(path, "a harm record", "a text file in UTF-8")
    expected = "a JSON file that a harm probe wrote"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise JobError(source, [Problem("", "", expected)]) from None
    if not isinstance(data, Mapping) or data.get("kind") != KIND:
        raise JobError(source, [Problem("", "", expected)])
    return model_from_mapping(HarmRecord, data, source)


def is_harm(path: str | Path) -> bool:
    """Whether a file says that it is a harm record, whatever else is wrong with it."""
    try:
        with open_plain(path, "a harm record") as file:
            head = file.read(4096)
    except (OSError, JobError):
        return False
    return re.search(rb'"kind"\s*:\s*"' + KIND.encode() + b'"', head) is not None


def write_harm(record: HarmRecord, path: str | Path) -> None:
    """Write the file so that it is there whole or not at all; OSError where that fails."""
    write_whole(Path(path), record.to_json().encode())
