"""Where the harm of a record sits: over ages, tables and how often rows are used; and how far Taylor reaches."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cprmodel.harm.record import BAND_FACTOR, Band, HarmRecord, Point

__all__ = ["WITHIN", "AtAge", "Part", "at_ages", "by_table", "by_use", "known_limit", "reach"]

#: Taylor's two terms are trusted while they are this near the true rise.
WITHIN = 0.25


@dataclass(frozen=True)
class AtAge:
    """Every row put back at once to what it held so many samples ago."""

    position_samples: float
    age_samples: float
    rise: float  #: of the log loss, true
    rise_error: float  #: standard error
    predicted: float  #: by Taylor's quadratic and gradient term
    quadratic: float
    gradient: float
    auc_fall: float | None

    @property
    def holds(self) -> bool:
        """Whether Taylor is within a quarter of the truth: both are of the same samples, and share their noise."""
        return abs(self.predicted - self.rise) <= WITHIN * max(self.rise, self.quadratic)


@dataclass(frozen=True)
class Part:
    """Rows that have something in common, put back to the point's largest age."""

    name: str
    rows: int
    accesses: float  #: per sample
    quadratic: float  #: rise of the log loss at once, by Taylor's quadratic term, without what rows share
    share: float  #: of all parts' quadratic terms
    rise: float  #: with the gradient term, which few probe samples leave noisy
    rise_error: float  #: its standard error
    probed: int


def known_limit(record: HarmRecord) -> str | None:
    """Where measured losses were found apart from what such a record predicts; None: nowhere that one could say."""
    if not record.optimizer.unknown:
        return None
    return (
        "its rows are trained with Adam, and it does not say whether updates are lazy (a probe of an earlier "
        "version): losses were measured 1.2 to 1.6 times as large as predicted from such records"
    )


def at_ages(record: HarmRecord) -> list[AtAge]:
    """The whole state, at each point and age."""
    found = []
    for point in record.points:
        for whole in point.whole:
            found.append(
                AtAge(
                    position_samples=point.position_samples,
                    age_samples=whole.age_samples,
                    rise=whole.rise,
                    rise_error=whole.rise_error,
                    predicted=whole.quadratic + whole.gradient,
                    quadratic=whole.quadratic,
                    gradient=whole.gradient,
                    auc_fall=whole.auc_fall,
                )
            )
    return found


def reach(record: HarmRecord) -> float | None:
    """The largest age [samples] up to which Taylor holds at every point; None where it holds at none.

    A record's ages are few: the truth is between this one and the next.
    """
    found = at_ages(record)
    wrong = min((one.age_samples for one in found if not one.holds), default=math.inf)
    return max((one.age_samples for one in found if one.age_samples < wrong), default=None)


def _parts(named: list[tuple[str, list[Band]]]) -> list[Part]:
    quadratics = [sum(band.quadratic[-1] for band in bands) for _, bands in named]
    whole = sum(quadratics)
    return [
        Part(
            name=name,
            rows=sum(band.rows for band in bands),
            accesses=sum(band.accesses for band in bands),
            quadratic=quadratic,
            share=quadratic / whole if whole > 0 else 0.0,
            rise=quadratic + sum(band.gradient[-1] for band in bands),
            rise_error=math.sqrt(
                sum(band.quadratic_error[-1] ** 2 + band.gradient_error[-1] ** 2 for band in bands)
            ),
            probed=sum(band.probed for band in bands),
        )
        for (name, bands), quadratic in zip(named, quadratics, strict=True)
    ]


def by_table(point: Point) -> list[Part]:
    """Of each table, the largest quadratic term first."""
    parts = _parts([(table.name, list(table.bands)) for table in point.tables])
    return sorted(parts, key=lambda one: -one.quadratic)


def by_use(point: Point) -> list[Part]:
    """Of rows of all tables that are used about equally often, the rarest first."""
    found: dict[float, list[Band]] = {}
    for table in point.tables:
        for band in table.bands:
            found.setdefault(band.accesses_to, []).append(band)
    return _parts([(_use(bands[0]), bands) for _, bands in sorted(found.items())])


def _use(band: Band) -> str:
    if band.accesses_from >= 1:
        return f"{band.accesses_from:,.0f} to {band.accesses_to:,.0f} times a sample"
    least = 1 / band.accesses_to
    if band.accesses_from == 0:
        return f"less than once in {least:,.0f} samples"
    return f"once in {least:,.0f} to {least * BAND_FACTOR:,.0f} samples"
