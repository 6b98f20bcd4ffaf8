"""What a shard's checkpoints hold where some rows are saved before others: an account of its own, row by row.

Which rows a save may take follows from the updates alone, by what each order is said to be: the most updates
since the row's own save (mfu), updates times choices since then (update-age), the largest distance from what was
saved (scar), any that were updated (ssu, which draws them). What is read back after a kill must be each row as it
was when the last whole checkpoint copied it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["RowAccount"]

_ROUNDING = 1e-5  # of distances, which shards compare in single precision


@dataclass
class _Disk:
    """A shard's part of a checkpoint: its rows, their sums, and how many updates of each are in it."""

    rows: Any
    sums: Any
    holds: Any


@dataclass
class _Begun:
    """A save that may be none: which rows it took (None: all), and what was known of them before."""

    sequence: int
    ids: Any
    updates: Any = None
    since: Any = None
    copy: Any = None


class RowAccount:
    """Of one shard, from its first rows."""

    def __init__(self, order: str, fraction: float, rows: Any, sums: Any) -> None:
        self.order, self.fraction = order, fraction
        self.first = _Disk(rows.copy(), None if sums is None else sums.copy(), np.zeros(len(rows), dtype=int))
        self.disk: dict[int, _Disk] = {}
        self.holds = self.first.holds.copy()  # updates of each row, as it stands
        self.begun: _Begun | None = None
        self._safe(rows)

    def _safe(self, rows: Any) -> None:
        """Nothing is unsaved."""
        self.updates = np.zeros(len(rows), dtype=int)  # of each row since its save
        self.since = np.zeros(len(rows), dtype=int)  # choices before that
        self.copy = rows.copy()  # as it was saved
        self.saves = 0

    def updated(self, ids: Any) -> None:
        """A step was applied."""
        for row in ids:
            self.updates[row] += 1
            self.holds[row] += 1

    def saving(self, sequence: int, ids: Any, on: int | None, ticks: int, rows: Any, sums: Any) -> list[str]:
        """A save copies these rows (None: all), over checkpoint ``on``; what is wrong with that."""
        self.void()
        if ids is None:
            self.disk[sequence] = _Disk(rows.copy(), None if sums is None else sums.copy(), self.holds.copy())
            self.begun = _Begun(sequence, None)
            return []
        if on not in self.disk:
            return [f"its save {sequence} lies on {on}, of which the journal does not know"]
        wrong = [f"its save {sequence} {said}" for said in self._wrong_choice(ids, ticks, rows)]
        below = self.disk[on]
        new = _Disk(below.rows.copy(), None if sums is None else below.sums.copy(), below.holds.copy())
        for row in ids:
            new.rows[row], new.holds[row] = rows[row], self.holds[row]
            if sums is not None:
                new.sums[row] = sums[row]
        self.disk[sequence] = new
        self.begun = _Begun(sequence, ids, self.updates[ids], self.since[ids], self.copy[ids])
        self.updates[ids], self.since[ids], self.copy[ids] = 0, ticks, rows[ids]
        return wrong

    def complete(self) -> None:
        """It counts."""
        begun, self.begun = self.begun, None
        if begun and begun.ids is None:
            disk = self.disk[begun.sequence]
            self._safe(disk.rows)
        elif begun:
            self.saves += 1

    def void(self) -> None:
        """It does not, whatever of it is on disk."""
        begun, self.begun = self.begun, None
        if begun and begun.ids is not None:
            self.updates[begun.ids] += begun.updates
            self.since[begun.ids], self.copy[begun.ids] = begun.since, begun.copy

    def stands_on(self, checkpoint: int | None) -> None:
        """After a failure elsewhere the shard says which checkpoint it knows to be complete."""
        if self.begun and self.begun.sequence == checkpoint:
            self.complete()
        else:
            self.void()

    def loaded(self, sequence: int | None) -> tuple[_Disk, int]:
        """What is read back of that checkpoint (None: the first rows), and how many updates are gone with that."""
        disk = self.first if sequence is None else self.disk[sequence]
        lost = int(self.holds.sum() - disk.holds.sum())
        self.begun = None
        self.holds = disk.holds.copy()
        self._safe(disk.rows)
        return disk, lost

    def _wrong_choice(self, ids: Any, ticks: int, rows: Any) -> list[str]:
        """By the order's own meaning: as many as are due, and none left that is worth more."""
        most = math.floor((self.saves + 1) * self.fraction * len(rows) + 1e-9)
        most -= math.floor(self.saves * self.fraction * len(rows) + 1e-9)
        worth = self.updates.astype(float)
        if self.order == "update-age":
            worth *= np.maximum(ticks - self.since, 1)
        elif self.order == "scar":
            apart = rows.astype(float) - self.copy.astype(float)
            worth = np.array([float(row @ row) for row in apart])
        if len(set(ids.tolist())) != len(ids):
            return ["takes a row twice"]
        if not (worth[ids] > 0).all():
            return ["takes rows that have nothing new"]
        if self.order == "ssu":
            return [f"takes {len(ids)} rows of {most}"] if len(ids) > most else []
        least, greatest = min(most, int((worth > 1e-30).sum())), min(most, int((worth > 0).sum()))
        if not least <= len(ids) <= greatest:
            return [f"takes {len(ids)} rows, not {greatest}"]
        left = np.delete(worth, ids)
        if len(ids) and len(left) and worth[ids].min() < left.max() * (1 - _ROUNDING):
            return [f"leaves a row that is worth {left.max():g}, and takes one of {worth[ids].min():g}"]
        return []
