"""Columns of plain numbers without a library of data frames: what ``pip install cprmodel`` alone can read.

:class:`Cells` is as much of a polars column as reading numbers, flags and words needs. All else of one is missing
here, and is told as such: :func:`cprmodel.facts.extras.for_extra` says which extra brings it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Cells", "Frame", "has_polars"]


def has_polars() -> bool:
    """Whether polars is installed (it is not loaded for that)."""
    try:
        return importlib.util.find_spec("polars") is not None
    except ModuleNotFoundError:
        return False


class Cells:
    """A column of text; null where a row has no such cell.

    >>> Cells([" 1.5", None, "x "]).fill_null("").str.strip_chars().to_list()
    ['1.5', '', 'x']
    >>> Cells(["2", "two", None]).numbers()
    array([ 2., nan, nan])
    """

    def __init__(self, cells: Sequence[str | None]) -> None:
        self._cells = list(cells)

    def __getattr__(self, name: str) -> Any:
        raise ModuleNotFoundError(f"a column of plain cells has no {name}", name="polars")

    def __len__(self) -> int:
        return len(self._cells)

    def __getitem__(self, at: int) -> str | None:
        return self._cells[at]

    @property
    def str(self) -> Cells:
        """Itself: its methods on text."""
        return self

    def _each(self, change: Any) -> Cells:
        return Cells([None if cell is None else change(cell) for cell in self._cells])

    def fill_null(self, text: Any) -> Cells:
        """With text where there is none."""
        return Cells([text if cell is None else cell for cell in self._cells])

    def strip_chars(self) -> Cells:
        """Without blanks around."""
        return self._each(lambda cell: cell.strip())

    def to_lowercase(self) -> Cells:
        """In small letters."""
        return self._each(lambda cell: cell.lower())

    def is_in(self, known: Sequence[Any]) -> Cells:
        """Whether each is one of these."""
        words = set(known)
        return Cells([cell in words for cell in self._cells])  # type: ignore[misc]

    def filter(self, mask: Any) -> Cells:
        """Some of the rows."""
        return Cells([cell for cell, kept in zip(self._cells, mask, strict=True) if kept])

    def head(self, number: int) -> Cells:
        """The first so many."""
        return Cells(self._cells[:number])

    def unique(self) -> Cells:
        """Each once."""
        return Cells(list(dict.fromkeys(self._cells)))

    def to_list(self) -> list[Any]:
        """As a list."""
        return list(self._cells)

    def to_numpy(self) -> Any:
        """As an array."""
        return np.array(self._cells)

    def numbers(self) -> Any:
        """As plain numbers; NaN where they are none."""
        return np.array([_number(cell) for cell in self._cells], dtype=float)


def _number(cell: str | None) -> float:
    if cell is None or "_" in cell:  # Python's own digits in groups
        return np.nan
    try:
        found = float(cell)
    except ValueError:
        return np.nan
    return found if np.isfinite(found) else np.nan


class Frame:
    """Columns by their names, as much as a table needs."""

    def __init__(self, columns: dict[str, list[str | None]]) -> None:
        self._columns = columns

    def __getattr__(self, name: str) -> Any:
        raise ModuleNotFoundError(f"a frame of plain cells has no {name}", name="polars")

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return list(self._columns)

    @property
    def height(self) -> int:
        """How many rows."""
        return len(next(iter(self._columns.values())))

    def __getitem__(self, name: str) -> Cells:
        return Cells(self._columns[name])
