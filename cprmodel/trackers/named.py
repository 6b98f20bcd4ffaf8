"""Trackers by the names that job files have for their orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cprmodel.trackers.counts import MostFrequentlyUpdated, UpdateAge
from cprmodel.trackers.distance import LargestChange
from cprmodel.trackers.sampled import SubSampledUpdated
from cprmodel.trackers.tracker import Tracker

__all__ = ["TRACKERS"]

#: Order → its tracker, from the live rows, how many a save takes, and a seed.
TRACKERS: dict[str, Callable[[Any, int, int], Tracker]] = {
    "mfu": lambda rows, most, seed: MostFrequentlyUpdated(len(rows)),
    "ssu": lambda rows, most, seed: SubSampledUpdated(len(rows), most, seed=seed),
    "scar": lambda rows, most, seed: LargestChange(rows),
    "update-age": lambda rows, most, seed: UpdateAge(len(rows)),
}
