"""Predictions made wrong on purpose: a verdict that lets them pass is worth nothing."""

from __future__ import annotations

from typing import Any

from cprmodel.harm.record import Band, HarmRecord, Point, TableHarm

__all__ = ["SPOILED", "spoiled"]

#: How they are spoiled: the curvature of another table, the accesses of other rows, nothing relearned.
SPOILED = ("other-tables", "shuffled-accesses", "no-relearning")

_TERMS = ("quadratic", "gradient", "jitter_quadratic", "jitter_gradient")
_LATER = ("progress_fixed", "progress_moving", "jitter")


def spoiled(record: HarmRecord, how: str) -> HarmRecord:
    """The record as a wrong theory would have it."""
    spoil = {"other-tables": _other_tables, "shuffled-accesses": _shuffled, "no-relearning": _kept}[how]
    return record.model_copy(update={"points": tuple(spoil(point) for point in record.points)})


def _other_tables(point: Point) -> Point:
    """Each table's harm by the curvature of another: the one with the most takes that of the one with the least."""
    tables = point.tables
    traces = [table.curvature_trace for table in tables]
    order = sorted(range(len(tables)), key=traces.__getitem__)
    other = dict(zip(order, reversed(order), strict=True))
    return _with(
        point,
        [_scaled(table, [traces[other[i]] / (table.curvature_trace or 1.0)]) for i, table in enumerate(tables)],
    )


def _shuffled(point: Point) -> Point:
    """The rows that are used most are taken for those that are used least."""
    found = []
    for table in point.tables:
        used = [band.accesses for band in table.bands]
        found.append(_scaled(table, [b / a if a > 0 else 0.0 for a, b in zip(used, used[::-1], strict=True)]))
    return _with(point, found)


def _kept(point: Point) -> Point:
    """What is lost stays lost."""

    def all_left(band: Band) -> Band:
        ones = tuple((1.0,) * len(shares) for shares in band.quadratic_left)
        nothing: dict[str, Any] = dict.fromkeys((*_LATER, "jitter_quadratic", "jitter_gradient"), ())
        return band.model_copy(update={"quadratic_left": ones, "gradient_left": ones, **nothing})

    tables = point.tables
    return _with(point, [t.model_copy(update={"bands": tuple(map(all_left, t.bands))}) for t in tables])


def _with(point: Point, tables: list[TableHarm]) -> Point:
    return point.model_copy(update={"tables": tuple(tables)})


def _scaled(table: TableHarm, factors: list[float]) -> TableHarm:
    """Both terms of each band times its factor, or the only one."""
    every = factors * len(table.bands) if len(factors) == 1 else factors

    def scaled(band: Band, factor: float) -> Band:
        update: dict[str, Any] = {name: tuple(factor * x for x in getattr(band, name)) for name in _TERMS}
        update |= {
            name: tuple(tuple(factor * x for x in numbers) for numbers in getattr(band, name)) for name in _LATER
        }
        return band.model_copy(update=update)

    return table.model_copy(update={"bands": tuple(map(scaled, table.bands, every))})
