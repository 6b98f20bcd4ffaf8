"""How many shards a failure takes: of each sort of failures as many as its domain holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from cprmodel.facts.compiled import compiled
from cprmodel.facts.strategies import FailureMix

__all__ = ["drawn_mean", "drawn_number", "taken_of"]


def taken_of(mix: FailureMix) -> Any:
    """The sorts of shard failures as kernels draw them, one a row: their share with those before, shards taken.

    >>> taken_of(FailureMix(mtbf_s=3600.0, shards_per_failure=2.5))
    array([[1. , 2.5]])
    """
    shares, shards = np.array(mix.taken, dtype=float).T
    return np.column_stack([np.cumsum(shares), shards])


@compiled
def drawn_mean(rng: Any, taken: Any) -> float:  # pragma: no cover (compiled)
    """The mean number of shards that a failure takes, of the sort that is drawn for it."""
    at, last = 0, taken.shape[0] - 1
    if last > 0:
        u = rng.random()
        while at < last and u >= taken[at, 0]:
            at += 1
    return float(taken[at, 1])


@compiled
def drawn_number(rng: Any, taken: Any) -> int:  # pragma: no cover (compiled)
    """The number of shards that a failure takes: the mean of its sort, rounded up or down by lot."""
    mean = drawn_mean(rng, taken)
    number = int(mean)
    if rng.random() < mean - number:
        number += 1
    return number
