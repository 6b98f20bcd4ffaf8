"""What trackers do in each step of training, compiled: imported when the first rows are recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from cprmodel.facts.compiled import compiled

__all__ = ["count", "sample"]


@compiled
def count(counts: Any, rows: Any) -> bool:
    """Add one for each row; nothing, and False, where one of them is none."""
    for k in range(rows.size):
        if not 0 <= rows[k] < counts.size:
            return False
    for k in range(rows.size):
        counts[rows[k]] += np.uint32(1)
    return True


@compiled
def sample(rows: Any, every: int, on_list: Any, listed: Any, counters: Any, generator: Any) -> bool:
    """Put every so many-th row on the list, in the place of one at random where it is full; False as :func:`count`.

    Random numbers: SplitMix64 (Steele, Lea and Flood 2014), whose state is one number.
    """
    for k in range(rows.size):
        if not 0 <= rows[k] < listed.size:
            return False
    size, at, state = counters[0], counters[1], generator[0]
    capacity = np.uint64(on_list.size)
    while at < rows.size:
        row = rows[at]
        at += every
        if listed[row]:
            continue
        listed[row] = True
        if size < on_list.size:
            on_list[size] = row
            size += 1
            continue
        state += np.uint64(0x9E3779B97F4A7C15)
        mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        place = ((mixed >> np.uint64(32)) * capacity) >> np.uint64(32)  # both below 2³²
        listed[on_list[place]] = False
        on_list[place] = row
    counters[0], counters[1], generator[0] = size, at - rows.size, state
    return True
