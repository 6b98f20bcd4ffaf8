"""The best fixed interval of every row: fewest lost updates, least age, or most freshness, within a bandwidth.

Best of all intervals that are kept whatever happens. Where updates scatter, an order that looks at what was counted
can do better: ``cprmodel order`` says when."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cprmodel.formulas.priority import freshness_interval, marginal_age, square_root_interval
from cprmodel.rows import Rows

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
        roots = np.sqrt(rates) * np.sqrt(sizes) if sizes.ndim else np.sqrt(rates)
        total += float(roots.sum() * counts if counts.ndim == 0 else roots @ counts)
    return total if rows.size_bytes.ndim else total * math.sqrt(rows.size_bytes)


def _blocks(rows: Rows) -> list[tuple[Floats, Floats, Floats]]:
    def cut(numbers: Floats, start: int) -> Floats:
        return numbers if numbers.ndim == 0 else numbers[start : start + _BLOCK]

    starts = range(0, rows.updates_per_s.size, _BLOCK)
    return [(cut(rows.updates_per_s, at), cut(rows.size_bytes, at), cut(rows.count, at)) for at in starts]


def optimal_intervals(
    rows: Rows, bandwidth_bytes_per_s: float, objective: Objective = Objective.LOST_UPDATES
) -> Floats:
    """The best fixed interval of every row [s]: Σ sᵢ/Pᵢ is the bandwidth, and no other intervals do better.

    Infinite for rows that need no save, or (for freshness) are not worth one. Works block by block: beside the
    rates it needs the memory of the answer.

    >>> from cprmodel.ordering import rows_of
    >>> optimal_intervals(rows_of([4.0, 1.0, 0.0], 1.0), 3.0)
    array([0.5, 1. , inf])
    """
    if objective is Objective.LOST_UPDATES:
        interval = _square_root(rows, bandwidth_bytes_per_s)
    else:
        interval = _priced(rows, bandwidth_bytes_per_s, objective)
    answer = np.empty(rows.updates_per_s.shape)
    start = 0
    for rates, sizes, _ in _blocks(rows):
        answer[start : start + rates.size] = interval(sizes, rates)
        start += rates.size
    return answer


def _square_root(rows: Rows, bandwidth: float) -> Callable[[Floats, Floats], Floats]:
    """Intervals of sizes and rates by the square-root law."""
    root = root_sum(rows) or 1.0  # nothing to save: any number will do

    def interval(sizes: Floats, rates: Floats) -> Floats:
        found: Floats = square_root_interval.raw(sizes, rates, root, bandwidth)
        return found

    return interval


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


def _priced(rows: Rows, bandwidth: float, objective: Objective) -> Callable[[Floats, Floats], Floats]:
    """Intervals of sizes and rates, at the price of bandwidth at which all rows together use it."""
    of_price = freshness_interval.raw if objective is Objective.FRESHNESS else age_interval
    if rows.size_bytes.ndim == 0:
        classes = rows.classes()
        sizes: Floats = np.full(classes.updates.size, float(rows.size_bytes))
        rates, counts = classes.updates, classes.count
    else:
        sizes, rates = rows.size_bytes, rows.updates_per_s
        counts = np.broadcast_to(rows.count, sizes.shape)
    some = (rates > 0) & (sizes > 0)
    sizes, rates, counts = sizes[some], rates[some], counts[some]

    def used(price: float) -> float:
        return float((sizes / of_price(sizes, rates, price)) @ counts)

    low = high = 1.0
    if sizes.size:
        while used(low) < bandwidth:
            low /= 16
        while used(high) > bandwidth:
            high *= 16
        for _ in range(200):
            middle = math.sqrt(low) * math.sqrt(high)
            if not low < middle < high:
                break
            low, high = (middle, high) if used(middle) >= bandwidth else (low, middle)
    most, least = (used(low), used(high)) if sizes.size else (1.0, 1.0)
    # no float lies between the two prices: rows that one saves and the other does not get what is left
    share = (bandwidth - least) / (most - least) if most > least else 1.0

    def interval(sizes: Floats, rates: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            often = share / of_price(sizes, rates, low) + (1 - share) / of_price(sizes, rates, high)
            found: Floats = 1 / often
        return found

    return interval
