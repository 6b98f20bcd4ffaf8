"""How much of what rows moved is jitter: what steps and curvature say, beside what rows did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cprmodel.harm.record import HarmRecord, read_harm
from validation.harm.case import HarmCase
from validation.harm.lab import record_of

__all__ = ["JitterOfUse", "jitter_by_use", "jitter_of"]


@dataclass(frozen=True)
class JitterOfUse:
    """Rows of all tables that are used about equally often, mean over the seeds."""

    accesses_from: float  #: of a row per sample
    accesses_to: float
    quadratic: float  #: of the put-back of all of them at once [nat]
    jitter: float  #: the part of it that jitter alone gives [nat]


def jitter_by_use(case: HarmCase, folder: Path) -> tuple[int, int, list[JitterOfUse]]:
    """At the last moment at which rows are put back, for the most steps lost: both, and the rows by use."""
    moment, lost = max(case.losses.moments), max(case.losses.lost)
    size = case.data.batch_size
    records = [read_harm(record_of(folder, seed)) for seed in case.seeds]
    return moment, lost, jitter_of(records, moment * size, lost * size)


def jitter_of(records: Sequence[HarmRecord], position: float, age: float) -> list[JitterOfUse]:
    """Of records that have a point there, and that age."""
    found: dict[tuple[float, float], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for record in records:
        point = next(one for one in record.points if one.position_samples == position)
        at = point.ages_samples.index(age)
        for band in (band for table in point.tables for band in table.bands if band.jitter_quadratic):
            both = found[band.accesses_from, band.accesses_to]
            both[0] += band.quadratic[at] / len(records)
            both[1] += band.jitter_quadratic[at] / len(records)
    return [JitterOfUse(*use, *both) for use, both in sorted(found.items()) if min(both) > 0]
