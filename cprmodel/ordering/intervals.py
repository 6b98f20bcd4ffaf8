"""The optimal interval of every row: fewest lost updates, least age, or most freshness, within a bandwidth."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cprmodel.formulas.priority import freshness_interval, marginal_age, square_root_interval
from cprmodel.ordering.rows import Rows

__all__ = ["Objective", "age_interval", "optimal_intervals", "root_sum"]

Floats = NDArray[np.float64]

_BLOCK = 1 << 15  # numbers that stay in cache from one step to the next


class Objective(StrEnum):
    """What the intervals make best."""

    LOST_UPDATES = "lost-updates"  #: fewest updates lost to a failure
    AGE = "age"  #: least mean time for which a saved row has been out of date
    FRESHNESS = "freshness"  #: largest mean share of rows whose saved state is the present one


def root_sum(rows: Rows) -> float:
    """Q = Σ √(λᵢsᵢ), block by block."""
    total = 0.0
    for rates, sizes, counts in _blocks(rows):
        roots = np.sqrt(rates * sizes)
        total += float(roots.sum() * counts if counts.ndim == 0 else roots @ counts)
    return total


def _blocks(rows: Rows) -> list[tuple[Floats, Floats, Floats]]:
    def cut(numbers: Floats, start: int) -> Floats:
        return numbers if numbers.ndim == 0 else numbers[start : start + _BLOCK]

    starts = range(0, rows.updates_per_s.size, _BLOCK)
    return [(cut(rows.updates_per_s, at), cut(rows.size_bytes, at), cut(rows.count, at)) for at in starts]


def optimal_intervals(
    rows: Rows, bandwidth_bytes_per_s: float, objective: Objective = Objective.LOST_UPDATES
) -> Floats:
    """The interval of every row [s]: Σ sᵢ/Pᵢ is the bandwidth, and no other intervals do better.

    Infinite for rows that need no save, or (for freshness) are not worth one. Works block by block: beside the
    rates it needs the memory of the answer.

    >>> from cprmodel.ordering import rows_of
    >>> optimal_intervals(rows_of([4.0, 1.0, 0.0], 1.0), 3.0)
    array([0.5, 1. , inf])
    """
    if objective is Objective.LOST_UPDATES:
        root = root_sum(rows)

        def interval(sizes: Floats, rates: Floats) -> Floats:
            found: Floats = square_root_interval.raw(sizes, rates, root, bandwidth_bytes_per_s)
            return found

    else:
        of_price = freshness_interval.raw if objective is Objective.FRESHNESS else age_interval
        price = _price(rows, bandwidth_bytes_per_s, of_price)

        def interval(sizes: Floats, rates: Floats) -> Floats:
            found: Floats = of_price(sizes, rates, price)
            return found

    answer = np.empty(rows.updates_per_s.shape)
    start = 0
    for rates, sizes, _ in _blocks(rows):
        answer[start : start + rates.size] = interval(sizes, rates)
        start += rates.size
    return answer


def age_interval(size_bytes: Floats, updates_per_s: Floats, price_s2_per_byte: float) -> Floats:
    """Interval at which :func:`~cprmodel.formulas.marginal_age` is the price of the row's bytes [s]."""
    rates = np.asarray(updates_per_s, dtype=float)
    changes = rates > 0
    safe = np.where(changes, rates, 1.0)
    wanted = price_s2_per_byte * size_bytes * safe**2
    x = np.maximum(np.cbrt(3 * wanted), np.sqrt(2 * wanted))  # below the root; from there Newton overshoots once
    for _ in range(60):
        slope = -x * np.expm1(-x)
        step = np.where(slope > 0, (marginal_age.raw(1.0, x) - wanted) / np.where(slope > 0, slope, 1.0), 0.0)
        x = x - step
        if np.all(np.abs(step) <= 1e-15 * x):
            break
    return np.where(changes, x / safe, np.inf)


def _price(rows: Rows, bandwidth: float, interval: Callable[..., Floats]) -> float:
    """The price at which the intervals use the bandwidth; falling in the price."""
    if rows.size_bytes.ndim == 0:
        classes = rows.classes()
        sizes: Floats = np.full(classes.updates.size, float(rows.size_bytes))
        rates, counts = classes.updates, classes.count
    else:
        has = rows.size_bytes > 0
        sizes, rates = rows.size_bytes[has], rows.updates_per_s[has]
        counts = np.broadcast_to(rows.count, rows.size_bytes.shape)[has]
    changes = rates > 0
    sizes, rates, counts = sizes[changes], rates[changes], counts[changes]
    if sizes.size == 0:
        return 1.0

    def excess(log_price: float) -> float:
        with np.errstate(divide="ignore"):
            return float((sizes / interval(sizes, rates, math.exp(log_price))) @ counts) - bandwidth

    from scipy.optimize import brentq

    low, high = -1.0, 1.0
    while excess(low) < 0:
        low -= 10
    while excess(high) > 0:
        high += 10
    return math.exp(brentq(excess, low, high, xtol=1e-14, rtol=8.9e-16))
