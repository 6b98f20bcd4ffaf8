"""The tracker that keeps a short list."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cprmodel.facts.errors import DomainError
from cprmodel.trackers.tracker import Tracker

__all__ = ["SubSampledUpdated"]


class SubSampledUpdated(Tracker):
    """Rows met in a sample of the updates, in a list of bounded length (CPR-SSU).

    Every second update (``every``) puts its row on the list, if it is not there; a full list gives up a row at
    random. Rows that are updated often come back soon, and so are likely to be there.

    Memory: 4 bytes for each of ``capacity`` places, 1 byte a row to know who is on the list, and 24 bytes.
    """

    state: ClassVar[tuple[str, ...]] = ("list", "listed", "counters", "generator")

    def __init__(self, rows: int, capacity: int, every: int = 2, seed: int = 0) -> None:
        super().__init__(rows)
        if not 1 <= capacity <= self.rows < 2**32:
            raise DomainError(f"capacity = {capacity!r}: expected a number from 1 to the number of rows, {rows}")
        if not every >= 1:
            raise DomainError(f"every = {every!r}: expected a number of at least 1")
        self.capacity, self.every = int(capacity), int(every)
        self.list = np.zeros(self.capacity, dtype=np.uint32)
        self.listed = np.zeros(self.rows, dtype=np.bool_)
        self.counters = np.zeros(2, dtype=np.int64)  # rows on the list; updates to pass over before the next sample
        self.generator = np.random.SeedSequence(seed).generate_state(1, np.uint64)  # of random numbers

    def record(self, rows: ArrayLike, values: Any = None) -> None:
        """Sample, and put on the list."""
        from cprmodel.trackers.kernels import sample

        at = self.indices(rows)
        self.known(sample(at, self.every, self.list, self.listed, self.counters, self.generator))

    def select(self, n: int) -> NDArray[np.intp]:
        """The list, or n of it at random."""
        on_list = self.list[: self.counters[0]].astype(np.intp)
        if n >= on_list.size:
            return on_list
        lot = np.random.default_rng(int(self.generator[0]))
        self.generator[0] = lot.bit_generator.random_raw()
        return lot.choice(on_list, max(n, 0), replace=False, shuffle=False)

    def saved(self, rows: ArrayLike) -> None:
        """They leave the list."""
        self.listed[self.ids(rows)] = False
        on_list = self.list[: self.counters[0]]
        left = on_list[self.listed[on_list]]
        self.list[: left.size] = left
        self.counters[0] = left.size

    def unsaved(self, rows: ArrayLike, held: Any) -> None:
        """They are put on the list again, as if each had been met in the sample; a full one gives up others."""
        from cprmodel.trackers.kernels import sample

        pass_over, self.counters[1] = self.counters[1], 0
        try:
            self.known(sample(self.indices(rows), 1, self.list, self.listed, self.counters, self.generator))
        finally:
            self.counters[1] = pass_over
