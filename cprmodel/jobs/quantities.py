"""Model fields that carry a unit: ``save = "4 min"`` in a file, ``save_s=240`` in Python.

A field named ``save_s`` has the file key ``save``. The key takes text with a unit, the field a number in SI
units; both at once are refused. This is what makes a job's SI dump readable again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import KINDS, LONGEST_S, QuantityError, parse_quantity

__all__ = [
    "AnyCount",
    "AtLeastOne",
    "Budget",
    "Count",
    "Flag",
    "Number",
    "OpenShare",
    "Plain",
    "Positive",
    "Section",
    "Share",
    "Slip",
    "quantity_key",
    "wrong",
]

_SUFFIXES = {"_bytes_per_s": "bandwidth", "_bytes": "size", "_s": "time"}

#: Nothing in a training job is shorter than a picosecond, longer than LONGEST_S, or larger than this.
SMALLEST, LARGEST = 1e-12, 1e21


@lru_cache(maxsize=1024)
def quantity_key(field: str) -> tuple[str, str] | None:
    """The file key and the kind of quantity of a field, or None for plain numbers.

    >>> quantity_key("bandwidth_bytes_per_s"), quantity_key("nodes")
    (('bandwidth', 'bandwidth'), None)
    """
    for suffix, kind in _SUFFIXES.items():
        if field.endswith(suffix):
            return field.removesuffix(suffix), kind
    return None


def wrong(field: str, value: Any, expected: str) -> PydanticCustomError:
    """An error that :mod:`cprmodel.jobs.parsing` turns into a problem's one line."""
    return PydanticCustomError(
        "cprmodel", "expected {expected}", {"field": field, "value": value, "expected": expected}
    )


def seconds_above_zero(method: str, name: str, value: Any) -> float:
    """A number of seconds that Python code gave; JobError says in one line that it is none.

    >>> seconds_above_zero("with_mtbf", "mtbf_s", 3600)
    3600.0
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not float(value) > 0:
        raise JobError(method, [Problem(name, repr(value), "a number of seconds greater than 0")])
    return float(value)


@dataclass(frozen=True)
class Slip:
    """Stands in a quantity's place that cannot be read, so that what else is wrong with its table is found, too."""

    field: str  #: as it was written
    value: Any
    expected: str

    def __repr__(self) -> str:
        return f"{self.field} = {self.value!r}: expected {self.expected}"


def _plain_number(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        raise wrong("", value, "a plain number" + (", without quotes" if isinstance(value, str) else ""))
    return value


Plain = BeforeValidator(_plain_number)
Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False), Plain]
Positive = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False), Plain]
AtLeastOne = Annotated[float, Field(ge=1, le=1e9, allow_inf_nan=False), Plain]
Count = Annotated[int, Field(ge=1, le=10**9), Plain]
AnyCount = Annotated[int, Field(ge=0, le=10**9), Plain]
OpenShare = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False), Plain]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), Plain]
Budget = Annotated[float, Field(ge=1e-12, le=1, allow_inf_nan=False), Plain]
Flag = Annotated[bool, Field(strict=True)]


def _checked(
    key: str, value: float, kind: str, shown: Any, may_be_zero: bool, may_be_long: bool = False
) -> float | Slip:
    expected = KINDS[kind][1]
    longest = LONGEST_S if kind == "time" and not may_be_long else LARGEST
    if not math.isfinite(value):
        return Slip(key, shown, f"{expected}, and finite")
    if value < 0 or (value == 0 and not may_be_zero):
        return Slip(key, shown, f"{expected}, {'not negative' if may_be_zero else 'greater than 0'}")
    if value > longest:
        return Slip(key, shown, f"{expected}, at most {longest:.0e} {'s' if kind == 'time' else 'in SI units'}")
    if 0 < value < SMALLEST:
        return Slip(key, shown, f"{expected}, at least {SMALLEST:.0e} in SI units")
    return value


class Section(BaseModel):
    """A table of a job file: no unknown keys, nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    may_be_zero: ClassVar[frozenset[str]] = frozenset()
    #: times of many units together, which may be longer than any one training job
    may_be_long: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _read_quantities(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        read = dict(data)
        for field in cls.model_fields:
            known = quantity_key(field)
            if known is None:
                continue
            key, kind = known
            zero, long = field in cls.may_be_zero, field in cls.may_be_long
            if key in read:
                text, both = read.pop(key), read.get(field) is not None
                read[field] = _read(key, text, kind, zero, long)
                if both:
                    read[field] = Slip(key, text, f"only one of {key} and {field}")
            elif read.get(field) is not None:
                read[field] = _given(field, read[field], key, kind, zero, long)
        return read


def _read(key: str, text: Any, kind: str, may_be_zero: bool, may_be_long: bool) -> float | Slip:
    """A quantity as it stands in a file."""
    if not isinstance(text, str):
        return Slip(key, text, KINDS[kind][1])
    try:
        number = parse_quantity(text, kind)
    except QuantityError as error:
        return Slip(key, text, str(error))
    return _checked(key, number, kind, text, may_be_zero, may_be_long)


def _given(field: str, number: Any, key: str, kind: str, may_be_zero: bool, may_be_long: bool) -> Any:
    """A quantity as a number in SI units."""
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return Slip(field, number, f"a number in SI units (or {key} = {KINDS[kind][1]})")
    found = _checked(field, float(number), kind, number, may_be_zero, may_be_long)
    return found if isinstance(found, Slip) else number
