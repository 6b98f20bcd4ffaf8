"""From wanted intervals to what is written when: slots of equal length, each within the budget.

Every shard is a ring of bytes, and a cursor goes round it once per interval. In each slot the cursor moves on by
the shard's share of the slot, so a large shard is saved in pieces, one a slot. Shards stand in the same order in
every slot. So each byte is written again after the wanted interval, give or take less than a slot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cprmodel.facts.errors import DomainError
from cprmodel.rows import Floats

__all__ = ["Piece", "Schedule", "schedule"]

Cursors = NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """Bytes of a shard that are written together."""

    slot: int
    start_s: float
    shard: int
    first_byte: int
    bytes: int


@dataclass(frozen=True)
class Schedule:
    """Slots of ``slot_s`` seconds at ``bandwidth_bytes_per_s``; shards without an interval are not in it."""

    slot_s: float
    bandwidth_bytes_per_s: float
    shards: NDArray[np.intp]  #: those that are written, by number
    size_bytes: Cursors
    bytes_per_slot: Floats  #: of each

    @property
    def capacity_bytes(self) -> float:
        """What a slot can take."""
        return self.slot_s * self.bandwidth_bytes_per_s

    def cursors(self, slot: int) -> Cursors:
        """Bytes of each shard written before this slot."""
        return np.floor(self.bytes_per_slot * slot).astype(np.int64)

    def pieces(self, slots: int) -> Iterator[Piece]:
        """What is written in the first so many slots, in order; a piece ends where its shard ends."""
        before = self.cursors(0)
        for slot in range(slots):
            after = self.cursors(slot + 1)
            offset = 0
            for at in np.flatnonzero(after > before):
                place, left, size = (
                    int(before[at] % self.size_bytes[at]),
                    int(after[at] - before[at]),
                    int(self.size_bytes[at]),
                )
                while left:
                    length = min(left, size - place)
                    start = slot * self.slot_s + offset / self.bandwidth_bytes_per_s
                    yield Piece(slot, start, int(self.shards[at]), place, length)
                    offset, left, place = offset + length, left - length, 0
            before = after


def schedule(
    size_bytes: Floats, interval_s: Floats, bandwidth_bytes_per_s: float, slot_s: float | None = None
) -> Schedule:
    """A schedule for shards with these sizes and wanted intervals, which together use the budget or less.

    ``slot_s``: at most the shortest interval, which it is by default. The intervals grow by one byte a slot and
    shard over the slot's capacity, for bytes are whole.

    >>> plan = schedule(np.array([4e6, 2e6]), np.array([4.0, 1.0]), 3e6)
    >>> [(one.slot, one.shard, one.first_byte, one.bytes) for one in plan.pieces(1)]
    [(0, 0, 0, 999999), (0, 1, 0, 1999998)]
    """
    sizes, wanted = np.floor(np.asarray(size_bytes, dtype=float)), np.asarray(interval_s, dtype=float)
    written = np.flatnonzero((sizes > 0) & np.isfinite(wanted))
    if not written.size:
        raise DomainError("schedule: expected at least one shard with bytes and updates")
    shares = sizes[written] / wanted[written]
    if not shares.sum() <= bandwidth_bytes_per_s * (1 + 1e-9):
        raise DomainError("schedule: expected intervals that the bandwidth can keep")
    shortest = float(wanted[written].min())
    length = shortest if slot_s is None else slot_s
    if not 0 < length <= shortest * (1 + 1e-12):
        raise DomainError(
            f"schedule: slot_s = {length:.6g}: expected a time greater than 0 and at most the shortest interval, "
            f"{shortest:.6g} s"
        )
    capacity = length * bandwidth_bytes_per_s
    room = math.floor(capacity) - written.size
    if room < 1000 * written.size:
        raise DomainError(f"schedule: slot_s = {length:.6g}: expected room for 1,000 bytes of each shard in a slot")
    return Schedule(
        length, bandwidth_bytes_per_s, written, sizes[written].astype(np.int64), shares * length * (room / capacity)
    )
