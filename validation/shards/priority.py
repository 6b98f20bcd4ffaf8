"""A shard that saves some of its rows before others, chosen by one of :mod:`cprmodel.trackers`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cprmodel.trackers import TRACKERS, rows_due

__all__ = ["TRACKERS", "Priority"]


class Priority:
    """What to save next, what is not saved yet, and the rows as the checkpoint has them.

    ``arrays``: rows (live, for the order that compares them) and their optimizer state, all of it safe.
    """

    def __init__(self, order: str, fraction: float, arrays: dict[str, Any], seed: int) -> None:
        self.fraction = fraction
        self.rows = len(arrays["rows"])
        self.tracker = TRACKERS[order](arrays["rows"], math.ceil(fraction * self.rows), seed)
        self.shadow = {name: array.copy() for name, array in arrays.items()}
        self.unsaved = np.zeros(self.rows, dtype=np.int64)  # updates of each row
        self.saves = 0
        self.ticks = 0  # choices of rows, void ones too
        self._begun: tuple[Any, dict[str, Any], Any, Any] | None = None  # ids, arrays; known of them before

    def updated(self, ids: Any) -> None:
        """One step has updated these rows, each once."""
        self.tracker.record(ids)
        self.unsaved[ids] += 1

    def choose(self) -> Any:
        """The rows of the next save, sorted."""
        self.tracker.tick()
        self.ticks += 1
        return np.sort(self.tracker.select(rows_due(self.saves, self.fraction, self.rows)))

    def merged(self, ids: Any, arrays: dict[str, Any]) -> dict[str, Any]:
        """All rows as the checkpoint has them once these are saved."""
        out = {name: array.copy() for name, array in self.shadow.items()}
        for name, array in arrays.items():
            out[name][ids] = array
        return out

    def begun(self, ids: Any, arrays: dict[str, Any]) -> int:
        """A save of these rows, as they are now, has begun: what comes from now on is of the next one.

        The updates that it leaves unsaved.
        """
        self._begun = ids, arrays, self.tracker.held(ids), self.unsaved[ids]
        self.tracker.saved(ids)
        self.unsaved[ids] = 0
        return int(self.unsaved.sum())

    def complete(self) -> None:
        """The save that was begun is."""
        assert self._begun
        ids, arrays, _, _ = self._begun
        self._begun = None
        self.saves += 1
        for name, array in arrays.items():
            self.shadow[name][ids] = array

    def void(self) -> None:
        """The save that was begun, if one was, will not be: its rows have to lose what they had, and what came."""
        if self._begun:
            ids, _, held, unsaved = self._begun
            self._begun = None
            self.tracker.unsaved(ids, held)
            self.unsaved[ids] += unsaved
