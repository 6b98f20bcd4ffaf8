"""What a function gave for plain numbers, so that a plan that asks the same thing ten times computes it once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["remembered"]

P = ParamSpec("P")
R = TypeVar("R")


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which remembers its last results for arguments that are floats or integers.

    Arrays, symbols and numbers of many digits (equal ones may differ in precision) are computed each time.

    >>> @remembered
    ... def slow(x: float) -> float:
    ...     print("computed")
    ...     return 2 * x
    >>> slow(1.0) + slow(1.0)
    computed
    4.0
    """
    kept = functools.lru_cache(maxsize=256)(function)

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        given = (*args, *kwargs.values())
        if all(value is None or isinstance(value, (float, int)) for value in given):
            return kept(*args, **kwargs)  # type: ignore[arg-type]  # floats are hashable
        return function(*args, **kwargs)

    return wrapper
