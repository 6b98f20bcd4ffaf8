"""What it costs to know which rows to save, as ratios in one run: medians, forward and recording in turn.

* recording a step's ids over the embeddings' forward pass: 131,072 ids over eight tables of a million rows, one
  ``EmbeddingBag`` each, ids by Zipf's law and uniform (the hardest for caches); one thread;
* the same with the hooks of ``embedding_tables``, ids as tensors;
* choosing an eightieth of a million rows of which few are touched, and of all, over ``numpy.argpartition`` of all.

Run: python benchmarks/recording.py [--quick]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from cprmodel.adaptors.embeddings import embedding_tables
from cprmodel.trackers import MostFrequentlyUpdated, SubSampledUpdated, Tracker, UpdateAge

TABLES, IDS = 8, 131_072
MAKE: dict[str, Callable[[int], Tracker]] = {
    "MFU": MostFrequentlyUpdated,
    "updates x age": UpdateAge,
    "SSU, a list of 1/8": lambda rows: SubSampledUpdated(rows, rows // 8),
    "SSU, a list of 1/100": lambda rows: SubSampledUpdated(rows, rows // 100),
}


def seconds(action: Callable[..., Any], *arguments: Any) -> float:
    """Of this thread: others on the machine do not count."""
    begin = time.thread_time()
    action(*arguments)
    return time.thread_time() - begin


def look_up(bags: Any, batch: Any) -> None:
    offsets = torch.arange(IDS // TABLES)
    for bag, ids in zip(bags, batch, strict=True):
        bag(ids, offsets)


def record(trackers: Any, batch: Any) -> None:
    for tracker, ids in zip(trackers, batch, strict=True):
        tracker.record(ids)


def drawn(rows: int, steps: int, zipf: bool) -> list[list[torch.Tensor]]:
    random = np.random.default_rng(0)
    cumulated = np.cumsum(np.arange(1, rows + 1) ** -1.05)
    places = random.permutation(rows)

    def one() -> torch.Tensor:
        number = IDS // TABLES
        if not zipf:
            return torch.from_numpy(random.integers(0, rows, number))
        rank = np.searchsorted(cumulated, random.random(number) * cumulated[-1])
        return torch.from_numpy(places[np.minimum(rank, rows - 1)])

    return [[one() for _ in range(TABLES)] for _ in range(steps)]


def recording(rows: int, dim: int, steps: int, limit: float | None) -> list[bool]:
    met = []
    bags = torch.nn.ModuleList([torch.nn.EmbeddingBag(rows, dim, mode="sum") for _ in range(TABLES)])
    for name, zipf in (("Zipf 1.05", True), ("uniform", False)):
        batches = drawn(rows, steps, zipf)
        trackers = {of: [make(rows) for _ in range(TABLES)] for of, make in MAKE.items()}
        forward: list[float] = []
        took: dict[str, list[float]] = {of: [] for of in MAKE}
        for batch in batches:
            forward.append(seconds(look_up, bags, batch))
            for of, some in trackers.items():
                took[of].append(seconds(record, some, batch))
        half = steps // 2  # by then lists are full
        for of, times in took.items():
            ratios = [one / other for one, other in zip(times[half:], forward[half:], strict=True)]
            value, ms = statistics.median(ratios), 1e3 * statistics.median(times[half:])
            good = limit is None or value <= limit
            held = "" if limit is None else f"   at most {limit:g}: {'yes' if good else 'NO'}"
            print(f"record {of:22}{name:10} dim {dim:3} over forward {value:7.3f} ({ms:.1f} ms){held}", flush=True)
            met.append(good)
    return met


def hooks(rows: int, dim: int, steps: int) -> None:
    """A forward pass that is listened to over the recording alone."""
    batches = drawn(rows, steps, True)
    bags = torch.nn.ModuleList([torch.nn.EmbeddingBag(rows, dim, mode="sum") for _ in range(TABLES)])
    tables = embedding_tables(bags)  # without a tracker nothing is recorded yet
    bare, heard = [], []
    trackers = [MostFrequentlyUpdated(rows) for _ in tables]
    for batch in batches:
        for table in tables:
            table.tracker = None
        bare.append(seconds(look_up, bags, batch))
        for table, tracker in zip(tables, trackers, strict=True):
            table.tracker = tracker
        heard.append(seconds(look_up, bags, batch))
    ratios = [one / other for one, other in zip(heard, bare, strict=True)]
    print(f"forward with hooks and MFU, Zipf 1.05, dim {dim:3} over forward   {statistics.median(ratios[2:]):7.3f}")


def choosing(rows: int) -> list[bool]:
    met = []
    random = np.random.default_rng(1)
    for touched, limit in ((29_000, 10.0), (rows, None)):
        ids = random.choice(rows, touched, replace=False)
        for of, make in list(MAKE.items())[:2]:
            tracker: Any = make(rows)
            for _ in range(3):
                tracker.record(random.choice(ids, touched))
            tracker.tick()
            priority = tracker.priorities().astype(np.float32)
            chosen, all_of_them = [], []
            for _ in range(9):
                all_of_them.append(seconds(np.argpartition, priority, rows - rows // 8))
                chosen.append(seconds(tracker.select, rows // 80))
            value = statistics.median(one / other for one, other in zip(chosen, all_of_them, strict=True))
            ms = 1e3 * statistics.median(chosen)
            good = limit is None or ms <= limit
            held = "" if limit is None else f"   at most {limit:g} ms: {'yes' if good else 'NO'}"
            print(
                f"select {of:22}{touched:9,} touched over argpartition {value:7.3f} ({ms:.1f} ms){held}", flush=True
            )
            met.append(good)
    return met


def main() -> int:
    """Print; the exit status is the number of limits that are not met."""
    torch.set_num_threads(1)
    quick = "--quick" in sys.argv
    rows, steps = (10**5, 6) if quick else (10**6, 24)
    met = recording(rows, 64, steps, None if quick else 0.25)
    recording(rows, 16, steps, None)
    hooks(rows, 64, steps)
    return [*met, *choosing(10**6)].count(False)


if __name__ == "__main__":
    sys.exit(main())
