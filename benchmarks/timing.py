"""What the benchmarks measure with: ratios of pairs in one run, for machines are noisy."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

REPEATS = 7


def seconds(action: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def ratio(one: Callable[[], Any], other: Callable[[], Any]) -> float:
    """Median of the ratios of pairs, taken in turn."""
    one(), other()
    return statistics.median(seconds(one) / seconds(other) for _ in range(REPEATS))
