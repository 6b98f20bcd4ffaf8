"""Model fields that carry a unit: ``save = "4 min"`` in a file, ``save_s=240`` in Python.

A field named ``save_s`` has the file key ``save``. The key takes text with a unit, the field a number in SI
units; both at once are refused. This is what makes a job's SI dump readable again.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from cprmodel.facts.units import KINDS, LONGEST_S, QuantityError, parse_quantity

__all__ = [
    "AnyCount",
    "AtLeastOne",
    "Budget",
    "Count",
    "Number",
    "OpenShare",
    "Plain",
    "Positive",
    "Section",
    "Share",
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


def _check(key: str, value: float, kind: str, shown: Any, may_be_zero: bool, may_be_long: bool = False) -> None:
    expected = KINDS[kind][1]
    longest = LONGEST_S if kind == "time" and not may_be_long else LARGEST
    if not math.isfinite(value):
        raise wrong(key, shown, f"{expected}, and finite")
    if value < 0 or (value == 0 and not may_be_zero):
        raise wrong(key, shown, f"{expected}, {'not negative' if may_be_zero else 'greater than 0'}")
    if value > longest:
        raise wrong(key, shown, f"{expected}, at most {longest:.0e} {'s' if kind == 'time' else 'in SI units'}")
    if 0 < value < SMALLEST:
        raise wrong(key, shown, f"{expected}, at least {SMALLEST:.0e} in SI units")


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
            if key in read and read.get(field) is not None:
                raise wrong(key, read[key], f"only one of {key} and {field}")
            if key in read:
                text = read.pop(key)
                if not isinstance(text, str):
                    raise wrong(key, text, KINDS[kind][1])
                try:
                    read[field] = parse_quantity(text, kind)
                except QuantityError as error:
                    raise wrong(key, text, str(error)) from None
                _check(key, read[field], kind, text, zero, long)
            elif read.get(field) is not None:
                number = read[field]
                if isinstance(number, bool) or not isinstance(number, (int, float)):
                    raise wrong(field, number, f"a number in SI units (or {key} = {KINDS[kind][1]})")
                _check(field, float(number), kind, number, zero, long)
        return read
