"""Many jobs side by side: frozen objects of one shape become one, whose numbers are columns with a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

__all__ = ["rows_of", "side_by_side"]

T = TypeVar("T")

#: What is no number, or the same for all.
_SAME = frozenset({"name", "every", "dirty", "warned", "scatter", "shared", "left"})


def side_by_side(objects: Sequence[T]) -> T:
    """One object whose numbers are columns; what is no number is that of the first, and must be so for all.

    >>> from cprmodel.facts.strategies import FullRecovery
    >>> side_by_side([FullRecovery(0.0, 60.0), FullRecovery(0.0, 90.0)]).load_s
    array([[60.],
           [90.]])
    """
    first: Any = objects[0]
    make: Any = type(first)
    if isinstance(first, (float, int)):
        return np.array(objects, dtype=float)[:, None]  # type: ignore[return-value]
    if isinstance(first, tuple):
        return tuple(map(side_by_side, zip(*objects, strict=True)))  # type: ignore[return-value]
    if not is_dataclass(first):
        return first  # type: ignore[no-any-return]
    found = {
        one.name: getattr(first, one.name)
        if one.name in _SAME
        else side_by_side([getattr(each, one.name) for each in objects])
        for one in fields(first)
    }
    return make(**found)  # type: ignore[no-any-return]


def rows_of(of: T, rows: Any) -> T:
    """The object of some of the jobs, as often as they are named.

    >>> from cprmodel.facts.strategies import FullRecovery
    >>> rows_of(side_by_side([FullRecovery(0.0, 60.0), FullRecovery(0.0, 90.0)]), [1]).load_s
    array([[90.]])
    """
    given: Any = of
    make: Any = type(given)
    if isinstance(given, np.ndarray):
        return given[rows]  # type: ignore[no-any-return]
    if isinstance(given, tuple):
        return tuple(rows_of(one, rows) for one in given)  # type: ignore[return-value]
    if not is_dataclass(given):
        return of
    found = {
        one.name: getattr(given, one.name) if one.name in _SAME else rows_of(getattr(given, one.name), rows)
        for one in fields(given)
    }
    return make(**found)  # type: ignore[no-any-return]
