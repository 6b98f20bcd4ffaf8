"""Compiled functions, kept between runs where there is a place to keep them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from cprmodel.facts.extras import for_extra

with for_extra("what is played, run by run or row by row,"):
    import numba

__all__ = ["compiled"]


def compiled(function: Callable[..., Any]) -> Any:
    """A function compiled by Numba, that does not hold Python's lock.

    What was compiled is kept beside the code or in the user's cache; on a full disk, or where neither can be
    written to, it is compiled each time.
    """
    try:
        made: Any = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that can be written to
        return numba.njit(nogil=True)(function)
    save = made._cache.save_overload

    def save_where_possible(*arguments: Any) -> None:
        with contextlib.suppress(OSError):
            save(*arguments)

    made._cache.save_overload = save_where_possible
    return made
