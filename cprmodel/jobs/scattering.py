"""A save whose time scatters: ``save = ["40 s", "90 s"]`` (P50 and P90), or ``save_times``, measured ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from cprmodel.facts.errors import JobError
from cprmodel.facts.files import read_text
from cprmodel.facts.scatter import Scatter
from cprmodel.facts.units import QuantityError, format_time, parse_quantity
from cprmodel.formulas.scattering import lognormal_mean, lognormal_scatter
from cprmodel.jobs.quantities import Plain, Section, wrong

__all__ = ["Scattering"]

_MOST_TIMES = 10_000
_LARGEST_BYTES = 1_000_000
_ROUNDED = 0.01  #: a save that is so near the mean of measured times is taken for their mean, rounded
_TWO = 'a time with its unit, such as "30 min", or two: P50 and P90, such as ["40 s", "90 s"]'
_TIMES = "at least two measured times, each with its unit, or the path of a file with one a line"


def _seconds(text: Any, expected: str, numbers: bool = False) -> float:
    """A time with its unit; ``numbers``: or as a number [s], as a job's dump has it."""
    if not isinstance(text, str):
        if numbers and isinstance(text, (int, float)) and not isinstance(text, bool) and 1e-12 <= text <= 1e12:
            return float(text)
        raise wrong("", text, expected)
    try:
        found = parse_quantity(text, "time")
    except QuantityError as error:
        raise wrong("", text, str(error)) from None
    if not 1e-12 <= found <= 1e12:
        raise wrong("", text, "a time between 1e-12 s and 1e12 s")
    return found


def _of_file(value: str, info: ValidationInfo) -> Sequence[str]:
    """The lines of a file, the first of which may be a heading, and empty ones left out."""
    path = Path((info.context or {}).get("folder", ".")) / value
    try:
        text = read_text(path, "measured times", "a text file in UTF-8", _LARGEST_BYTES)
    except JobError as error:
        raise wrong("", value, error.problems[0].expected) from None
    lines = [line.strip().strip('",;') for line in text.splitlines()]
    lines = [line for line in lines if line]
    if lines and not any(letter.isdigit() for letter in lines[0]):
        return lines[1:]
    return lines


def _times(value: Any, info: ValidationInfo, numbers: bool = False) -> Any:
    """Measured times [s], rising; from a list, or from a file that the job file names. A tuple has been read."""
    if value is None:
        return None
    given = _of_file(value, info) if isinstance(value, str) else value
    if not isinstance(given, (list, tuple)) or not 2 <= len(given) <= _MOST_TIMES:
        shown = value if isinstance(value, str) else "..." if isinstance(value, (list, tuple)) else value
        raise wrong("", shown, f"{_TIMES} (and at most {_MOST_TIMES:,} of them)")
    numbers = numbers or isinstance(given, tuple)
    return tuple(sorted(_seconds(one, _TIMES, numbers) for one in given))


_Times = Annotated[
    tuple[float, ...] | None,
    BeforeValidator(_times),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Scattering(Section):
    """A table with a save in it, whose time may scatter."""

    save_s: float | None = Field(None, description="time a save blocks training; or P50 and P90 of it")
    save_scatter: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False), Plain] | None = Field(
        None, description="its scatter around save, the mean: standard deviation of its logarithm (lognormal)"
    )
    save_times: _Times = Field(
        None,
        description="or: measured times of saves, a list or a file with one a line; save is their mean where it is "
        "not given, and else what they scatter around",
    )

    @model_validator(mode="before")
    @classmethod
    def _spread_out(cls, data: Any, info: ValidationInfo) -> Any:
        """P50 and P90 become a mean and a scatter, measured times bring their mean."""
        if not isinstance(data, dict):
            return data
        read = dict(data)
        if isinstance(read.get("save"), (list, tuple)):
            if read.get("save_scatter") is not None or read.get("save_times") is not None:
                raise wrong("save", list(read["save"]), "one time beside save_scatter or save_times")
            mean, scatter = _mean_and_scatter(read["save"])
            del read["save"]
            read |= {"save_s": mean, "save_scatter": scatter}
        if read.get("save_times") is not None:
            try:
                read["save_times"] = _times(read["save_times"], info, numbers="save_s" in read)
            except PydanticCustomError as error:
                context = error.context or {}
                raise wrong("save_times", context.get("value", ""), str(context.get("expected"))) from None
            if read.get("save_scatter") is not None:
                raise wrong("save_scatter and save_times", (read["save_scatter"], "..."), "only one of the two")
            if read.get("save") is None and read.get("save_s") is None:
                read["save_s"] = math.fsum(read["save_times"]) / len(read["save_times"])
        return read

    @model_validator(mode="after")
    def _scatters_around_something(self) -> Scattering:
        if self.save_scatter and self.save_s is None:
            raise wrong("save_scatter", self.save_scatter, "save beside it, the mean")
        return self

    @property
    def scatters(self) -> bool:
        """Whether the table says how the time of a save scatters, be it by nothing."""
        return self.save_scatter is not None or self.save_times is not None

    @property
    def scatter(self) -> Scatter | None:
        """How the time of a save scatters; None where it does not.

        >>> round(Scattering(save=["40 s", "90 s"]).save_s, 2)
        48.87
        >>> Scattering(save_times=["40 s", "60 s"]).scatter
        Scatter(sigma=0.0, factors=(0.8, 1.2))
        """
        if self.save_scatter:
            return Scatter(sigma=self.save_scatter)
        if self.save_times is None or self.save_times[0] == self.save_times[-1]:
            return None
        mean = math.fsum(self.save_times) / len(self.save_times)
        return Scatter(factors=tuple(one / mean for one in self.save_times))

    def scatter_words(self, table: str) -> str | None:
        """That measured times scatter around a save that is not their mean; None where it is not so.

        >>> beside = Scattering(save="1 min", save_times=["40 s", "50 s"])
        >>> print((beside.scatter_words("checkpoint") or "").split(":")[0])
        checkpoint.save (1 min) beside save_times, whose mean is 45 s
        """
        if self.save_times is None or self.save_s is None:
            return None
        mean = math.fsum(self.save_times) / len(self.save_times)
        if abs(self.save_s - mean) <= _ROUNDED * mean:
            return None
        takes = format_time(self.save_s)
        return (
            f"{table}.save ({takes}) beside save_times, whose mean is {format_time(mean)}: saves take {takes} on "
            "average, and scatter as these times do (without save they take these)"
        )


def _mean_and_scatter(given: Sequence[Any]) -> tuple[float, float | None]:
    if len(given) != 2:
        raise wrong("save", list(given), _TWO)
    try:
        half, most = (_seconds(one, _TWO) for one in given)
    except PydanticCustomError as error:
        raise wrong("save", list(given), str((error.context or {}).get("expected", _TWO))) from None
    if not half <= most:
        raise wrong("save", list(given), "P50 and P90: the second no shorter than the first")
    scatter = float(lognormal_scatter.raw(half, most))
    if scatter > 2:
        raise wrong("save", list(given), "a P90 of at most 12.9 times P50 (save_times takes any law)")
    return float(lognormal_mean.raw(half, scatter)), scatter or None
