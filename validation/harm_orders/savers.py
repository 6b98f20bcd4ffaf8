"""An order of saving at work: the library's own trackers, one for each table, and what was saved last."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cprmodel.trackers import (
    GrownSums,
    LargestChange,
    LeastHarm,
    MostFrequentlyUpdated,
    Ranked,
    UpdateAge,
    choose,
    rows_due,
)
from validation.harm.bench import Bench
from validation.harm.watching import by_table
from validation.harm_orders.case import GROWN_SUMS

__all__ = ["Saver"]

_TRACKERS: dict[str, Callable[[Any, Any, int], Ranked]] = {
    "scar": lambda values, sums, number: LargestChange(values),
    "update-age": lambda values, sums, number: UpdateAge(len(values)),
    "mfu": lambda values, sums, number: MostFrequentlyUpdated(len(values)),
    "least-harm": lambda values, sums, number: LeastHarm(values),
    GROWN_SUMS: lambda values, sums, number: GrownSums(sums),
}


class Saver:
    """What one order has saved of a bench's rows, their optimizer's state with them."""

    def __init__(
        self, bench: Bench, order: str, fraction: float, curvatures: Callable[[int], Sequence[Any]]
    ) -> None:
        self.bench, self.order, self.fraction, self.curvatures = bench, order, fraction, curvatures
        self.saved = bench.snapshot()
        self.number = 0
        first = bench.first
        parts = [slice(a, b) for a, b in itertools.pairwise(first)]
        sums = getattr(bench.rows, "sums", None)
        make = _TRACKERS.get(order)
        self.trackers = [
            make(bench.rows.rows[part], None if sums is None else sums[part], number)
            for number, part in enumerate(parts)
            if make is not None
        ]

    def record(self, ids: Any) -> None:
        """Rows that a step has updated."""
        for tracker, rows in zip(self.trackers, by_table(ids, self.bench.first), strict=False):
            tracker.record(rows)

    def save(self) -> Any:
        """The rows that are due now; which they are."""
        rows = self._due()
        for name, array in self.bench.rows.export().items():
            self.saved.arrays[name][rows] = array[rows]
        self._known(rows, "saved")
        self.number += 1
        return rows

    def put_back(self, rows: Any) -> None:
        """After a failure."""
        self.bench.put_back(rows, self.saved)
        self._known(rows, "restored")

    def _due(self) -> Any:
        first = self.bench.first
        every = np.arange(first[-1])
        if self.order == "everything":
            return every
        if self.order == "uniform":
            return every if (self.number + 1) % max(1, round(1 / self.fraction)) == 0 else every[:0]
        if self.order == "least-harm":
            for tracker, curvature in zip(self.trackers, self.curvatures(self.bench.at), strict=True):
                tracker.renew(curvature)  # type: ignore[attr-defined]
        for tracker in self.trackers:
            tracker.tick()
        chosen = choose(self.trackers, rows_due(self.number, self.fraction, int(first[-1])))
        return np.concatenate([rows + begin for rows, begin in zip(chosen, first, strict=False)])

    def _known(self, rows: Any, what: str) -> None:
        for tracker, own in zip(self.trackers, by_table(np.sort(rows), self.bench.first), strict=False):
            getattr(tracker, what)(own)
