"""Which rows to save first: small classes that a training loop feeds with the rows it updates.

>>> tracker = UpdateAge(rows=1000)
>>> tracker.record([3, 3, 7])  # rows that a batch has updated
>>> tracker.tick()  # once per choice of rows
>>> chosen = tracker.select(1)
>>> chosen
array([3])
>>> tracker.saved(chosen)

Rows may be torch tensors on any device, which are fetched from it; what runs in each step is compiled (by Numba,
which is loaded at the first call). None of them is thread-safe: calls on one tracker must not overlap (give each
shard its own, or hold a lock around each call); different trackers share nothing.
"""

from cprmodel.trackers.counts import MostFrequentlyUpdated, UpdateAge
from cprmodel.trackers.distance import LargestChange
from cprmodel.trackers.harm import LeastHarm
from cprmodel.trackers.named import TRACKERS
from cprmodel.trackers.sampled import SubSampledUpdated
from cprmodel.trackers.sums import GrownSums
from cprmodel.trackers.tracker import Ranked, Tracker, choose, rows_due

__all__ = [
    "TRACKERS",
    "GrownSums",
    "LargestChange",
    "LeastHarm",
    "MostFrequentlyUpdated",
    "Ranked",
    "SubSampledUpdated",
    "Tracker",
    "UpdateAge",
    "choose",
    "rows_due",
]
