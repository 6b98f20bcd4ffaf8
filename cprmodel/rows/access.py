"""From a job's ``[access]`` to rows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cprmodel.jobs.access import Access, Table
from cprmodel.rows.counts import read_counts
from cprmodel.rows.rows import Classes, Floats, zipf_rows

__all__ = ["classes_of"]


@lru_cache(maxsize=16)
def classes_of(access: Access) -> Classes:
    """The rows of all tables, those alike together, with their updates in a second of useful work.

    JobError says what is wrong with an array of counts.

    >>> from cprmodel.jobs import Table
    >>> table = Table(rows=1000, zipf=1.05, updates_per_second=50.0)
    >>> round(classes_of(Access(tables=(table, table))).total_updates, 6)
    100.0
    """
    found = [_of_table(table) for table in access.tables]
    updates, count = (np.concatenate(each) for each in zip(*found, strict=True))
    return Classes(updates, count).binned()


def _of_table(table: Table) -> tuple[Floats, Floats]:
    if table.counts is not None:
        counts = read_counts(table.counts)
        total = float(counts.sum())
        per_s = table.updates_per_second or total / float(table.counted_over_s or 1.0)
        return counts * (per_s / total), np.ones(counts.shape)
    assert table.rows is not None
    assert table.zipf is not None
    assert table.updates_per_second is not None
    rows = zipf_rows(table.zipf, table.rows, 1.0, table.updates_per_second)
    return rows.updates_per_s, np.broadcast_to(rows.count, rows.updates_per_s.shape)
