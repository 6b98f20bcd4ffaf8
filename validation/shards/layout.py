"""Which shard holds which row: the rows of all tables, one behind the other, are dealt out in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["Layout", "Segments"]


@dataclass(frozen=True)
class Segments:
    """Distinct rows of a batch, sorted by shard: ``local[bounds[i]:bounds[i+1]]`` are shard i's."""

    local: Any
    bounds: Any
    inverse: Any  # for each id asked for, its place among the distinct ones

    def of(self, shard: int) -> slice:
        """Where this shard's rows are."""
        return slice(int(self.bounds[shard]), int(self.bounds[shard + 1]))


@dataclass(frozen=True)
class Layout:
    """Row-wise sharding: row ``id`` of table ``t`` is flat row ``first[t] + id``, held by shard ``flat % shards``.

    >>> layout = Layout((3, 5), shards=2)
    >>> layout.rows_of(0), layout.rows_of(1), layout.flat_of(1).tolist()
    (4, 4, [1, 3, 5, 7])
    """

    num_embeddings: Sequence[int]
    shards: int

    @cached_property
    def first(self) -> Any:
        """First flat row of each table, and the number of all rows."""
        return np.concatenate([[0], np.cumsum(np.asarray(self.num_embeddings, dtype=np.int64))])

    @property
    def total(self) -> int:
        return int(self.first[-1])

    def rows_of(self, shard: int) -> int:
        """How many rows a shard holds."""
        return (self.total - shard + self.shards - 1) // self.shards

    def flat_of(self, shard: int) -> Any:
        """The flat rows that a shard holds, in its order."""
        return np.arange(shard, self.total, self.shards, dtype=np.int64)

    def split(self, flat: Any) -> Segments:
        """Distinct rows among the flat ids, by shard."""
        span = self.total // self.shards + 1
        keys = (flat % self.shards) * span + flat // self.shards
        distinct, inverse = np.unique(keys, return_inverse=True)
        bounds = np.searchsorted(distinct, np.arange(self.shards + 1, dtype=np.int64) * span)
        return Segments(distinct % span, bounds, inverse)
