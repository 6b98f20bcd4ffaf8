"""The probe on a lab's bench: it sees the rows of each table as live views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from cprmodel.adaptors.harm_probe import HarmProbe, Lookup
from validation.data.batch import Batch
from validation.harm.bench import Bench
from validation.harm.rows import AdamRows, used

__all__ = ["by_table", "counted", "probe_of", "table_name"]


def table_name(number: int) -> str:
    """Of a table by its number."""
    return f"table-{number}"


def by_table(ids: Any, first: Any) -> list[Any]:
    """Ids within each table, from flat ones."""
    table = np.searchsorted(first, ids, side="right") - 1
    order = np.argsort(table, kind="stable")
    bounds = np.searchsorted(table[order], np.arange(len(first)))
    local = ids[order]
    return [local[a:b] - begin for a, b, begin in zip(bounds[:-1], bounds[1:], first[:-1], strict=True)]


def counted(batch: Batch, first: Any) -> dict[str, Any]:
    """What a batch looks up, by table."""
    return {table_name(number): ids for number, ids in enumerate(by_table(batch.ids, first))}


def _lookups(batch: Batch, first: Any) -> dict[str, Lookup]:
    tables = len(first) - 1
    bounds = np.append(batch.offsets, len(batch.ids))
    lengths = np.diff(bounds).reshape(len(batch), tables)
    found = {}
    for number in range(tables):
        own = lengths[:, number]
        begins = batch.offsets.reshape(len(batch), tables)[:, number]
        offsets = np.concatenate([[0], np.cumsum(own)])
        at = np.repeat(begins - offsets[:-1], own) + np.arange(offsets[-1])
        found[table_name(number)] = Lookup(batch.ids[at] - first[number], offsets[:-1])
    return found


def probe_of(
    bench: Bench,
    batch: Batch,
    training: Any,
    batch_size: int,
    steps: int,
    points: Sequence[int],
    ages: Sequence[int],
    left: Sequence[int],
    each_table: bool = False,
) -> HarmProbe:
    """A probe on a bench; points, ages and left in steps."""
    rows, first = bench.rows, bench.first
    dense = torch.from_numpy(batch.dense)
    tables = {
        table_name(number): torch.from_numpy(rows.rows[first[number] : first[number + 1]])
        for number in range(len(first) - 1)
    }

    def logits(pooled: Mapping[str, torch.Tensor], some: slice) -> torch.Tensor:
        return bench.head(dense[some], torch.stack(list(pooled.values()), dim=1))

    def sums(name: str) -> torch.Tensor | None:
        held = rows.divided_by if isinstance(rows, AdamRows) else rows.sums
        if held is None:
            return None
        number = int(name.removeprefix("table-"))
        return torch.from_numpy(held[first[number] : first[number + 1]])

    return HarmProbe(
        tables,
        _lookups(batch, first),
        batch.labels,
        logits,
        used(training.embedding_optimizer, training.embedding_lr),
        sums,
        batch_size=batch_size,
        samples=steps * batch_size,
        points=[point * batch_size for point in points],
        ages=[age * batch_size for age in ages],
        left=[one * batch_size for one in left],
        each_table=each_table,
    )
