"""Which rows of a process's tables the next save takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.checkpoints.tables import Table
from cprmodel.trackers import Ranked, choose, rows_due

__all__ = ["Chosen", "chosen_rows"]


@dataclass(frozen=True)
class Chosen:
    """For each table its rows, sorted; None: all of them, as a base. And how many they are."""

    rows: tuple[Any, ...]
    number: int

    @property
    def base(self) -> bool:
        """Whether these are all rows."""
        return any(rows is None for rows in self.rows) or not self.rows


def chosen_rows(tables: Sequence[Table], number: int, fraction: float) -> Chosen:
    """The rows that are due in the save of this number (from 0).

    Tables whose worth can be compared, row by row, are chosen from together.
    """
    groups: dict[Any, list[int]] = {}
    for at, table in enumerate(tables):
        table.heard()
        tracker = table.tracker
        assert tracker is not None
        tracker.tick()
        together = isinstance(tracker, Ranked)
        groups.setdefault((type(tracker), table.row_bytes) if together else at, []).append(at)
    found: dict[int, Any] = {}
    for group in groups.values():
        trackers: list[Any] = [tables[at].tracker for at in group]
        due = rows_due(number, fraction, sum(tables[at].rows for at in group))
        chosen = choose(trackers, due) if isinstance(trackers[0], Ranked) else [trackers[0].select(due)]
        found |= {at: np.sort(rows).astype(np.int64) for at, rows in zip(group, chosen, strict=True)}
    rows = tuple(found[at] for at in range(len(tables)))
    return Chosen(rows, sum(len(one) for one in rows))
