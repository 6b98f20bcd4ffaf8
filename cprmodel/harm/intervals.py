"""The best fixed intervals of rows for the metric: least harm of a failure within a bandwidth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.formulas.harm import least_harm_interval, mean_harm
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.statistics import Floats, fit_drift_and_noise

__all__ = ["RowIntervals", "best_intervals", "intervals_of"]


def best_intervals(drift: Any, noise: Any, row_bytes: Any, count: Any, bytes_per_sample: float) -> Floats:
    """Intervals that make Σ count·(Dₕτₛ²/3 + Nₕτₛ/2) least, with Σ count·sᵢ/τₛ the bandwidth.

    Parameters
    ----------
    drift, noise : growth of one row's harm, Dₕ [nat/sample²] and Nₕ [nat/sample], by class of rows
    row_bytes, count : bytes of a row, sᵢ, and rows of each class
    bytes_per_sample : what saves may use, per sample trained

    Returns
    -------
    Samples trained between two saves of a row, by class; infinite for rows that cost nothing.

    Examples
    --------
    >>> best_intervals([0.0, 0.0], [1.0, 4.0], 1.0, [1, 1], 3.0)  # noise: by the root
    array([1. , 0.5])
    >>> best_intervals([1.0, 8.0], [0.0, 0.0], 1.0, [1, 1], 3.0)  # drift: by the cube root
    array([1. , 0.5])
    """
    d, n, s, c = np.broadcast_arrays(*(np.asarray(one, dtype=float) for one in (drift, noise, row_bytes, count)))
    if not (bytes_per_sample > 0 and min(np.min(d), np.min(n), np.min(c)) >= 0 and np.min(s) > 0):
        raise DomainError("intervals of rows: expected harms and counts of at least 0, bytes greater than 0")
    some = ((d > 0) | (n > 0)) & (c > 0)
    if not some.any():
        return np.full(d.shape, np.inf)
    d, n, s, c = d[some], n[some], s[some], c[some]

    def used(price: float) -> float:
        return float((c * s / least_harm_interval.raw(s, d, n, price)).sum())

    low = high = 1.0
    while used(low) < bytes_per_sample:
        low /= 16
    while used(high) > bytes_per_sample:
        high *= 16
    for _ in range(200):
        middle = math.sqrt(low) * math.sqrt(high)
        if not low < middle < high:
            break
        low, high = (middle, high) if used(middle) >= bytes_per_sample else (low, middle)
    found = np.full(some.shape, np.inf)
    found[some] = least_harm_interval.raw(s, d, n, low)
    return found


@dataclass(frozen=True)
class RowIntervals:
    """Intervals of a record's classes of rows, and what a failure of all shards costs by how rows are saved."""

    interval_samples: Floats  #: of the least harm, by class
    drift: Floats  #: D of a row, of what is left at the end
    noise: Floats  #: N of a row, gradient term included
    least: float  #: harm with these intervals [nat]
    by_accesses: float  #: with those of the square-root law: fewest lost accesses
    uniform: float  #: with one interval for all rows


def intervals_of(model: HarmModel, row_bytes: Any, bytes_per_sample: float) -> RowIntervals:
    """Best intervals of a record's classes of rows, and what they gain.

    Parameters
    ----------
    model : predictions from a record
    row_bytes : bytes of a row with its optimizer state, one for all or one for each class
    bytes_per_sample : what saves may use, per sample trained

    Notes
    -----
    Harms are those that are left at the end, on average over when failures strike, as Da² + Na at the record's
    ages. The gradient term is spread as the quadratic is: of a single class it is mostly the probe's noise, and
    intervals chosen for that would only look good.
    """
    ages = np.unique(np.concatenate([one.ages for one in model.terms]))
    rows = np.mean([one.rows for one in model.terms], axis=0)
    accesses = np.mean([one.accesses for one in model.terms], axis=0)
    quadratic, gradient = model.left_by_age(ages)
    more = np.maximum(gradient.sum(0) / np.maximum(quadratic.sum(0), 1e-300), 0.0)
    harm = quadratic * (1 + more) / np.maximum(rows, 1.0)[:, None]
    drift, noise = fit_drift_and_noise(ages, harm)
    sizes = np.broadcast_to(np.asarray(row_bytes, dtype=float), rows.shape)
    best = best_intervals(drift, noise, sizes, rows, bytes_per_sample)
    squares = best_intervals(0.0, accesses / np.maximum(rows, 1.0), sizes, rows, bytes_per_sample)
    same = np.full(rows.shape, float((rows * sizes).sum()) / bytes_per_sample)

    def cost(intervals: Floats) -> float:
        kept = np.where(np.isfinite(intervals), intervals, float(model.record.samples))
        return float((rows * mean_harm.raw(drift, noise, kept)).sum())

    return RowIntervals(best, drift, noise, cost(best), cost(squares), cost(same))
