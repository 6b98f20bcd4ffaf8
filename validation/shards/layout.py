"""Which shard holds which row: rows of all tables dealt out in turn, or whole tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["PLACEMENTS", "Layout", "RowWise", "Segments", "TableWise", "layout_of"]


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
    """Row ``id`` of table ``t`` is flat row ``first[t] + id``; which shard holds it is for its kind to say."""

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
        raise NotImplementedError

    def flat_of(self, shard: int) -> Any:
        """The flat rows that a shard holds, in its order."""
        raise NotImplementedError

    def place(self, flat: Any) -> Any:
        """For each flat row its shard, and its place there."""
        raise NotImplementedError

    def split(self, flat: Any) -> Segments:
        """Distinct rows among the flat ids, by shard."""
        shard, local = self.place(flat)
        distinct, inverse = np.unique(shard * self._span + local, return_inverse=True)
        bounds = np.searchsorted(distinct, np.arange(self.shards + 1, dtype=np.int64) * self._span)
        return Segments(distinct % self._span, bounds, inverse)

    @cached_property
    def _span(self) -> int:
        return max(self.rows_of(shard) for shard in range(self.shards)) + 1


class RowWise(Layout):
    """Row-wise sharding: flat row ``flat`` is held by shard ``flat % shards``.

    >>> layout = RowWise((3, 5), shards=2)
    >>> layout.rows_of(0), layout.rows_of(1), layout.flat_of(1).tolist()
    (4, 4, [1, 3, 5, 7])
    """

    def rows_of(self, shard: int) -> int:
        return (self.total - shard + self.shards - 1) // self.shards

    def flat_of(self, shard: int) -> Any:
        return np.arange(shard, self.total, self.shards, dtype=np.int64)

    def place(self, flat: Any) -> Any:
        return flat % self.shards, flat // self.shards


class TableWise(Layout):
    """Table-wise sharding: whole tables, about as many on each shard, from the smallest to the largest.

    Each shard answers about as many lookups of a sample. The first one holds the rows that are looked up most
    often, the last one those that are looked up least.

    >>> layout = TableWise((7, 3, 5), shards=2)
    >>> layout.flat_of(0).tolist()  # the table of 3
    [7, 8, 9]
    >>> layout.flat_of(1).tolist()  # that of 5, and that of 7
    [10, 11, 12, 13, 14, 0, 1, 2, 3, 4, 5, 6]
    """

    @cached_property
    def tables(self) -> list[Any]:
        """The tables of each shard."""
        by_size = np.argsort(np.asarray(self.num_embeddings), kind="stable")
        bounds = np.arange(self.shards + 1) * len(by_size) // self.shards
        return [by_size[begin:end] for begin, end in pairwise(bounds)]

    @cached_property
    def _where(self) -> Any:
        """For each table its shard, and the place there of its first row."""
        found = np.zeros((2, len(self.num_embeddings)), dtype=np.int64)
        for shard, tables in enumerate(self.tables):
            at = 0
            for table in tables:
                found[:, table] = shard, at
                at += self.num_embeddings[table]
        return found

    def rows_of(self, shard: int) -> int:
        return int(sum(self.num_embeddings[table] for table in self.tables[shard]))

    def flat_of(self, shard: int) -> Any:
        first = self.first
        parts = [np.arange(first[table], first[table + 1], dtype=np.int64) for table in self.tables[shard]]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])

    def place(self, flat: Any) -> Any:
        table = np.searchsorted(self.first, flat, side="right") - 1
        shard, begin = self._where
        return shard[table], begin[table] + flat - self.first[table]


#: Name → kind of layout.
PLACEMENTS: dict[str, type[Layout]] = {"rows": RowWise, "tables": TableWise}


def layout_of(placement: str, num_embeddings: Sequence[int], shards: int) -> Layout:
    """The layout of that name.

    >>> layout_of("tables", (7, 3, 5), 2).rows_of(1)
    12
    """
    return PLACEMENTS[placement](num_embeddings, shards)
