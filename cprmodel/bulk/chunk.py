"""Some rows of a sweep, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Chunk", "Coded", "coded"]


@dataclass(frozen=True)
class Coded:
    """A column of text: numbers that stand for few different names."""

    codes: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def text(self) -> np.ndarray:
        """The names, row by row.

        >>> Coded(np.array([0, 1, 1]), ("", "full")).text()
        array(['', 'full', 'full'], dtype=object)
        """
        names: np.ndarray = np.array(self.names, dtype=object)
        text: np.ndarray = names[self.codes]
        return text


def coded(texts: Sequence[str]) -> Coded:
    """A column of text from its cells."""
    names = tuple(dict.fromkeys(texts))
    where = {name: number for number, name in enumerate(names)}
    return Coded(np.array([where[text] for text in texts], dtype=np.int32), names)


@dataclass(frozen=True)
class Chunk:
    """Rows ``first`` onwards: a dictionary of equally long columns, arrays and :class:`Coded`."""

    first: int
    columns: dict[str, Any]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))
