"""The keys of a job file that can vary, and the values that they take."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, get_args, get_origin

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import KINDS, LONGEST_S, QuantityError, parse_quantity
from cprmodel.jobs import Job
from cprmodel.jobs.parsing import problems_of
from cprmodel.jobs.quantities import LARGEST, SMALLEST, quantity_key

__all__ = ["Key", "key_of", "keys_of", "number_of", "values_of"]


@dataclass(frozen=True)
class Key:
    """A number of a job file: where it stands, and what it may be."""

    name: str  #: as the user wrote it, such as "checkpoint.bandwidth"
    path: tuple[str, ...]  #: in a job's SI dump, such as ("checkpoint", "bandwidth_bytes_per_s")
    kind: str | None  #: time, size or bandwidth; None for a plain number
    integer: bool
    may_be_zero: bool  #: of a quantity
    field: Any  #: pydantic's; None for a number in a list

    @property
    def field_name(self) -> str:
        """The path as one word, by which it is called in SI units."""
        return ".".join(self.path)

    def shown(self, value: Any) -> str:
        """A value as a message shows it."""
        return f'"{value}"' if isinstance(value, str) else f"{float(value):.10g}"

    def wrong(self, value: float) -> str | None:
        """What is expected in the place of a value that this key cannot have; None for one that it can."""
        if not math.isfinite(value):
            return "a finite number"
        if self.kind is not None:
            return self._wrong_quantity(value)
        if self.integer and value != round(value):
            return "a whole number"
        if self.field is None:
            return None
        try:
            annotated: Any = self.field.annotation
            if self.field.metadata:
                annotated = Annotated[(annotated, *self.field.metadata)]
            adapter: TypeAdapter[Any] = TypeAdapter(annotated)
            adapter.validate_python(int(value) if self.integer else value)
        except ValidationError as error:
            return problems_of(error, Job)[0].expected
        return None

    def _wrong_quantity(self, value: float) -> str | None:
        assert self.kind is not None
        expected = KINDS[self.kind][1]
        longest = LONGEST_S if self.kind == "time" else LARGEST
        if value < 0 or (value == 0 and not self.may_be_zero):
            return f"{expected}, {'not negative' if self.may_be_zero else 'greater than 0'}"
        if value > longest or 0 < value < SMALLEST:
            return f"{expected}, from {SMALLEST:.0e} to {longest:.0e} in SI units"
        return None


def _numeric(annotation: Any) -> type | None:
    """int or float, for a field that holds such a number."""
    if annotation in (int, float):
        return annotation  # type: ignore[no-any-return]
    if get_origin(annotation) is tuple:
        return None
    found = [_numeric(one) for one in get_args(annotation)]
    return next((one for one in found if one is not None), None)


def _models(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [_models(one) for one in get_args(annotation)]
    return next((one for one in found if one is not None), None)


def _keys_under(model: type[BaseModel], value: Any, names: tuple[str, ...], path: tuple[str, ...]) -> Iterator[Key]:
    """Every number below a table; of lists, those that the job has."""
    for field, facts in model.model_fields.items():
        if not path and field == "preset":
            continue
        known = quantity_key(field)
        here = getattr(value, field, None)
        inner = _models(facts.annotation)
        name = (*names, known[0] if known else field)
        if isinstance(here, tuple):
            for index, item in enumerate(here):
                yield from _items(item, inner, (*name, str(index)), (*path, field, str(index)))
        elif inner is not None:
            if not isinstance(here, Mapping):
                yield from _keys_under(inner, here, name, (*path, field))
        else:
            number = _numeric(facts.annotation)
            if number is not None:
                zero = field in getattr(model, "may_be_zero", ())
                yield Key(".".join(name), (*path, field), known[1] if known else None, number is int, zero, facts)


def _items(
    item: Any, model: type[BaseModel] | None, names: tuple[str, ...], path: tuple[str, ...]
) -> Iterator[Key]:
    if isinstance(item, BaseModel):
        yield from _keys_under(model or type(item), item, names, path)
    elif isinstance(item, tuple):
        for index, one in enumerate(item):
            yield from _items(one, None, (*names, str(index)), (*path, str(index)))
    elif isinstance(item, (int, float)) and not isinstance(item, bool):
        yield Key(".".join(names), path, None, False, False, None)


def keys_of(job: Job) -> dict[str, Key]:
    """Every number of a job file, by its file key and by its field."""
    known = {}
    for key in _keys_under(Job, job, (), ()):
        known[key.name] = known[key.field_name] = key
    return known


def key_of(job: Job, name: str, source: str = "vary", known: Mapping[str, Key] | None = None) -> Key:
    """The key of that name: a file key ("failures.mtbf") or a field in SI units ("failures.mtbf_s").

    >>> from cprmodel import load_preset
    >>> key_of(load_preset("cpr-dlrm"), "checkpoint.save").field_name
    'checkpoint.save_s'
    >>> key_of(load_preset("cpr-dlrm"), "job.wrk")
    Traceback (most recent call last):
        ...
    cprmodel.facts.errors.JobError: vary: job.wrk: expected a number of the job file, perhaps "job.work"
    """
    known = keys_of(job) if known is None else known
    if isinstance(name, str) and name in known:
        key = known[name]
        return Key(name, key.path, key.kind, key.integer, key.may_be_zero, key.field)
    if _other_value(job, str(name)):
        raise JobError(source, [Problem(str(name), "", "the key of a number: this one holds something else")])
    names = [one for one in known if one == known[one].name]
    close = difflib.get_close_matches(str(name), names, n=1) or [
        one for one in names if one.rpartition(".")[2] == str(name)
    ]
    hint = f', perhaps "{close[0]}"' if close else ', such as "failures.mtbf"'
    raise JobError(source, [Problem(str(name), "", f"a number of the job file{hint}")])


def _other_value(job: Job, name: str) -> bool:
    """Whether the name is a key of the job file all the same (text, a table)."""
    value: Any = job
    for part in name.split("."):
        if not isinstance(value, BaseModel) or part not in type(value).model_fields:
            return False
        value = getattr(value, part)
    return True


def number_of(key: Key, value: Any, source: str) -> float:
    """A number in SI units from a number or from text with a unit."""
    if isinstance(value, str):
        if key.kind is not None:
            try:
                return parse_quantity(value, key.kind)
            except QuantityError as error:
                raise JobError(source, [Problem(key.name, f'"{value}"', str(error))]) from None
        try:
            return float(value)
        except ValueError:
            raise JobError(source, [Problem(key.name, f'"{value}"', "a number")]) from None
    if isinstance(value, (bool, np.bool_)):
        raise JobError(source, [Problem(key.name, str(value).lower(), "a number")])
    try:
        return float(value)
    except (TypeError, ValueError):
        raise JobError(source, [Problem(key.name, repr(value)[:60], "a number")]) from None


def values_of(key: Key, given: Any, source: str = "vary") -> np.ndarray:
    """The values of a key as a one-dimensional array in SI units, each of them one that it can have."""
    one = isinstance(given, (str, int, float)) or np.ndim(given) == 0
    listed: Sequence[Any] | np.ndarray = [given] if one else given
    array = np.asarray(listed)
    if array.ndim != 1 or array.size == 0:
        shape = "no values" if array.size == 0 else f"an array of {array.ndim} dimensions"
        raise JobError(source, [Problem(key.name, shape, "a list of values")])
    numbers = (
        array.astype(float)
        if array.dtype.kind in "iuf"
        else np.array([number_of(key, item, source) for item in listed], dtype=float)
    )
    bad = partial(_first_wrong, key, numbers)
    # what a key may be is an interval: where the ends are well, and whole numbers whole, all are
    ends = (float(np.min(numbers)), float(np.max(numbers)))
    whole = not key.integer or bool(np.all(numbers == np.round(numbers)))
    if not np.all(np.isfinite(numbers)) or not whole or any(key.wrong(end) for end in ends):
        at, expected = bad()
        raise JobError(source, [Problem(key.name, key.shown(_as_given(listed, at)), expected)])
    return numbers.astype(np.int64) if key.integer else numbers


def _as_given(listed: Sequence[Any] | np.ndarray, at: int) -> Any:
    return listed[at]


def _first_wrong(key: Key, numbers: np.ndarray) -> tuple[int, str]:
    for at, value in enumerate(numbers.tolist()):
        expected = key.wrong(value)
        if expected is not None:
            return at, expected
    raise AssertionError("every value is well")  # pragma: no cover
