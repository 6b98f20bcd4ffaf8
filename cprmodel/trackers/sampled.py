"""The tracker that keeps a short list."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cprmodel.facts.errors import DomainError
from cprmodel.trackers.tracker import Tracker

__all__ = ["SubSampledUpdated"]

_WORD = 2**64


class SubSampledUpdated(Tracker):
    """Rows met in a sample of the updates, in a list of bounded length (CPR-SSU).

    Every second update (``every``) puts its row on the list, if it is not there; a full list gives up a row at
    random. Rows that are updated often come back soon, and so are likely to be there.

    Memory: 4 bytes for each of ``capacity`` places, 1 byte a row to know who is on the list, and 64 bytes. Updates
    are taken in pieces of an eighth of the list, at least 64: within a piece new rows do not push out one another.
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
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._piece = max(64, self.capacity // 8)

    @property
    def generator(self) -> NDArray[np.uint64]:
        """The state of the random numbers."""
        inner: Any = self._random.bit_generator.state
        words = [inner["state"][key] for key in ("state", "inc")]
        halves = [half for word in words for half in divmod(word, _WORD)]
        return np.array([*halves, inner["has_uint32"], inner["uinteger"]], dtype=np.uint64)

    def record(self, rows: ArrayLike, values: NDArray[Any] | None = None) -> None:
        """Sample, and put on the list."""
        at = self.ids(rows)
        sampled = at[self.counters[1] :: self.every]
        self.counters[1] = (self.counters[1] - at.size) % self.every
        for start in range(0, sampled.size, self._piece):
            piece = sampled[start : start + self._piece]
            new = piece[~self.listed[piece]]
            if new.size:
                new.sort()
                self._put(new[np.append(True, new[1:] != new[:-1])])  # each once

    def _put(self, new: NDArray[np.intp]) -> None:
        size = int(self.counters[0])
        if new.size > self.capacity:
            new = self._random.choice(new, self.capacity, replace=False, shuffle=False)
        over = max(0, new.size - (self.capacity - size))
        if over:
            places = self._random.choice(size, over, replace=False, shuffle=False)
            self.listed[self.list[places]] = False
            self.list[places] = new[:over]
        self.list[size : size + new.size - over] = new[over:]
        self.listed[new] = True
        self.counters[0] = size + new.size - over

    def select(self, n: int) -> NDArray[np.intp]:
        """The list, or n of it at random."""
        on_list = self.list[: self.counters[0]].astype(np.intp)
        if n >= on_list.size:
            return on_list
        return self._random.choice(on_list, max(n, 0), replace=False, shuffle=False)

    def saved(self, rows: ArrayLike) -> None:
        """They leave the list."""
        self.listed[self.ids(rows)] = False
        on_list = self.list[: self.counters[0]]
        left = on_list[self.listed[on_list]]
        self.list[: left.size] = left
        self.counters[0] = left.size

    def load_state_dict(self, state: Any) -> None:
        """Go on, with the same random numbers too."""
        super().load_state_dict(state)
        high, low, high_inc, low_inc, has, last = (int(word) for word in np.asarray(state["generator"]))
        self._random.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": high * _WORD + low, "inc": high_inc * _WORD + low_inc},
            "has_uint32": has,
            "uinteger": last,
        }
