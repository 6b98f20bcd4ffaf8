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

    def updated(self, ids: Any) -> None:
        """One step has updated these rows, each once."""
        self.tracker.record(ids)
        self.unsaved[ids] += 1

    def choose(self) -> Any:
        """The rows of the next save, sorted."""
        self.tracker.tick()
        return np.sort(self.tracker.select(rows_due(self.saves, self.fraction, self.rows)))

    def left(self, ids: Any) -> int:
        """Updates that are not saved once these rows are."""
        return int(self.unsaved.sum() - self.unsaved[ids].sum())

    def merged(self, ids: Any, arrays: dict[str, Any]) -> dict[str, Any]:
        """All rows as the checkpoint has them once these are saved."""
        out = {name: array.copy() for name, array in self.shadow.items()}
        for name, array in arrays.items():
            out[name][ids] = array
        return out

    def safe(self, ids: Any, arrays: dict[str, Any]) -> None:
        """The save of these rows is complete."""
        self.saves += 1
        self.tracker.saved(ids)
        self.unsaved[ids] = 0
        for name, array in arrays.items():
            self.shadow[name][ids] = array
