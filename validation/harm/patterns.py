"""Which rows are put back when: what a case asks of one seed's run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.harm.record import BAND_FACTOR
from validation.harm.case import HarmCase

__all__ = ["TABLES", "Pattern", "groups_of", "members", "parts_of", "patterns_of"]

#: Tables with more rows than this part of the largest one's are large.
LARGE = 0.5

#: Groups of whole tables that the probes tell: those of the most curvature of an access, and of the least.
TABLES = ("sharp tables", "flat tables")

#: Rows with more accesses per sample than this are hot, with fewer than that cold.
HOT, COLD = BAND_FACTOR**-3, BAND_FACTOR**-5


@dataclass(frozen=True)
class Pattern:
    """Losses of one run: after these steps these rows are put back to what they held ``lost`` steps before."""

    name: str
    group: str
    at: tuple[int, ...]
    lost: int


def patterns_of(case: HarmCase) -> Iterator[Pattern]:
    """All that is tried with each seed."""
    for moment in case.losses.moments:
        for lost in case.losses.lost:
            for group in case.losses.groups:
                yield Pattern(f"{group}, {lost} steps lost after {moment}", group, (moment,), lost)
    for one in case.losses.repeated:
        yield Pattern(one.name, one.group, one.at, one.lost)


def groups_of(case: HarmCase) -> tuple[str, ...]:
    """Every group that a probe must know the shares of: shards one by one, no whole tables."""
    named = {one.group for one in patterns_of(case)} - {"shard", "three shards", *TABLES}
    return (*(f"shard {number}" for number in range(case.shards)), *sorted(named))


def parts_of(group: str, seed: int, number: int, shards: int) -> tuple[str, ...]:
    """The groups that are put back together, in the loss of this number of a seed's run.

    >>> parts_of("three shards", 7, 1, 8), parts_of("hot rows", 7, 0, 8)
    (('shard 2', 'shard 3', 'shard 4'), ('hot rows',))
    """
    count = {"shard": 1, "three shards": 3}.get(group, 0)
    return tuple(f"shard {(seed + number * count + i) % shards}" for i in range(count)) or (group,)


def members(
    part: str, first: Any, per_sample: Any, shards: int, tables: Mapping[str, Sequence[int]] | None = None
) -> Any:
    """Which flat rows are of a group, true or false.

    ``per_sample``: accesses of each row per sample so far, as this run counted them; ``tables``: which tables are
    of a group that probes tell.
    """
    if tables is not None and part in tables:
        return np.isin(np.repeat(np.arange(len(first) - 1), np.diff(first)), tables[part])
    if part.startswith("shard "):
        return np.arange(first[-1]) % shards == int(part.removeprefix("shard "))
    if part in ("large tables", "small tables"):
        sizes = np.diff(first)
        large = np.repeat(sizes > LARGE * sizes.max(), sizes)
        return large if part == "large tables" else ~large
    chosen = {
        "all rows": np.ones(first[-1], dtype=bool),
        "hot rows": per_sample >= HOT,
        "warm rows": (per_sample >= COLD) & (per_sample < HOT),
        "cold rows": per_sample < COLD,
    }
    return chosen[part]
