"""Trackers that count updates."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cprmodel.trackers.tracker import Ranked

__all__ = ["MostFrequentlyUpdated", "UpdateAge"]


class MostFrequentlyUpdated(Ranked):
    """The rows with the most updates since they were last saved first (CPR-MFU).

    Memory: 4 bytes a row.
    """

    state: ClassVar[tuple[str, ...]] = ("updates",)

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.updates = np.zeros(self.rows, dtype=np.uint32)

    def record(self, rows: ArrayLike, values: NDArray[Any] | None = None) -> None:
        """Count; below 2³² updates of a row between two of its saves."""
        from cprmodel.trackers.kernels import count

        self.known(count(self.updates, self.indices(rows)))

    def priorities(self) -> NDArray[Any]:
        """Updates since the save."""
        return self.updates

    def worth(self) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """Only what has been updated since its save is looked at."""
        rows = np.flatnonzero(self.updates)
        return rows, self.updates[rows]

    def saved(self, rows: ArrayLike) -> None:
        """Their count starts again."""
        self.updates[self.ids(rows)] = 0

    def held(self, rows: ArrayLike) -> Any:
        """Their counts."""
        return self.updates[self.ids(rows)]

    def unsaved(self, rows: ArrayLike, held: Any) -> None:
        """Their counts go on where they were."""
        self.updates[self.ids(rows)] += held


class UpdateAge(MostFrequentlyUpdated):
    """The rows with the largest (updates since the last save × ticks since then) first.

    This approaches the square-root law without knowing any rate. Memory: 6 bytes a row; ages stop at 65,535 ticks.
    """

    state: ClassVar[tuple[str, ...]] = ("updates", "age")

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.age = np.zeros(self.rows, dtype=np.uint16)

    def tick(self) -> None:
        """All rows grow older."""
        np.add(self.age, np.uint16(1), out=self.age, where=self.age < np.iinfo(np.uint16).max)

    def priorities(self) -> NDArray[Any]:
        """The products (before the first tick, the updates)."""
        return np.multiply(self.updates, np.maximum(self.age, 1), dtype=np.float32)

    def worth(self) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """Only what has been updated since its save is looked at."""
        rows, updates = super().worth()
        return rows, np.multiply(updates, np.maximum(self.age[rows], 1), dtype=np.float32)

    def saved(self, rows: ArrayLike) -> None:
        """Count and age start again."""
        at = self.ids(rows)
        self.updates[at] = 0
        self.age[at] = 0

    def held(self, rows: ArrayLike) -> Any:
        """Their counts and ages."""
        at = self.ids(rows)
        return self.updates[at], self.age[at]

    def unsaved(self, rows: ArrayLike, held: Any) -> None:
        """Both go on where they were."""
        at, (updates, age) = self.ids(rows), held
        self.updates[at] += updates
        self.age[at] = np.minimum(self.age[at].astype(np.uint32) + age, np.iinfo(np.uint16).max)
