"""The line, what scatters about it, and how far it holds (:mod:`cprmodel.fitting.accuracy` says by which rules)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.fitting.accuracy_found import Bend, Line, Noise
from cprmodel.fitting.clusters import ClusteredFit, Estimate, fit_clustered, student
from cprmodel.fitting.paired import SMALLEST_PLS, Record

__all__ = ["LINEAR_WITHIN", "Scaled", "fit_bend", "fit_line", "scaled"]

#: The line holds where the bend takes it off by no more than this share.
LINEAR_WITHIN = 0.1


@dataclass(frozen=True)
class Scaled:
    """A record in units of its largest figures, so that squares neither vanish nor overflow."""

    x: Any
    y: Any
    seeds: Any
    pls: float  #: what x = 1 is
    drop: float

    @property
    def slope(self) -> float:
        return self.drop / self.pls


def scaled(record: Record) -> Scaled:
    """A record with its largest PLS and drop as units."""
    pls = record.largest_pls
    drop = float(np.max(np.abs(record.drops))) or 1.0
    number = {seed: number for number, seed in enumerate(record.seeds)}  # a seed may be too large for an array
    seeds = np.array([number[run.seed] for run in record.runs])
    return Scaled(record.pls / pls, record.drops / drop, seeds, pls, drop)


def _slope(one: Scaled) -> Estimate:
    fit = fit_clustered(one.x[:, None], one.y, one.seeds)
    assert fit is not None  # the largest x is 1
    return fit.estimate(np.array([1.0]))


def fit_line(record: Record) -> Line:
    """The slope with its noise."""
    one = scaled(record)
    slope = _slope(one)
    return Line(slope.times(one.slope), _noise(one, slope.value))


def _noise(one: Scaled, slope: float) -> Noise:
    _, seed, counts = np.unique(one.seeds, return_inverse=True, return_counts=True)
    n, seeds = len(one.y), len(counts)

    def less_mean(values: Any) -> Any:
        return values - (np.bincount(seed, values) / counts)[seed]

    x, y = less_mean(one.x), less_mean(one.y)
    moves = float(x @ x) > 1e-12
    own_slope = float(x @ y) / float(x @ x) if moves else 0.0
    within_freedom = n - seeds - moves
    within = float(np.sum((y - own_slope * x) ** 2)) / within_freedom if within_freedom > 0 else None
    of_seed = None if within is None else one.drop * math.sqrt(within)
    if seeds < 2 or (within is None and n > seeds):
        return Noise(of_seed, None, None)
    means = np.bincount(seed, one.y - slope * one.x) / counts
    between = float(counts @ means**2) / (seeds - 1)
    size = (n - float(counts @ counts) / n) / (seeds - 1)  # runs of a seed, averaged for unequal seeds
    parts = [(between / size, seeds - 1)]
    if within is not None:
        parts.append(((1 - 1 / size) * within, within_freedom))
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / df for part, df in parts) if variance > 0 else float(seeds - 1)
    return Noise(of_seed, one.drop * math.sqrt(variance), freedom)


def fit_bend(record: Record) -> Bend:
    """How far the drops leave a line."""
    one = scaled(record)
    fit = fit_clustered(np.column_stack([one.x, one.x**2]), one.y, one.seeds)
    if fit is None or fit.coefficients[0] == 0:
        return Bend(None, None, None)  # a single PLS, or no drop
    ratio = float(fit.coefficients[1] / fit.coefficients[0])
    limits = _fieller(fit, ratio)
    bend = ratio / one.pls
    if limits is None or not math.isfinite(bend):
        return Bend(bend if math.isfinite(bend) else None, None, None)
    worst = max(abs(limits[0]), abs(limits[1]))
    to_pls = one.pls * min(1.0, LINEAR_WITHIN / worst) if worst > 0 else one.pls
    return Bend(bend, (limits[0] / one.pls, limits[1] / one.pls), to_pls if to_pls >= SMALLEST_PLS else None)


def _fieller(fit: ClusteredFit, ratio: float) -> tuple[float, float] | None:
    """Limits g of second over first coefficient: where (second − g·first)² is within t² times its variance."""
    axes = np.eye(2)
    freedom = fit.estimate(axes[1] - ratio * axes[0]).degrees_of_freedom
    if freedom is None or any(fit.estimate(axis).standard_error is None for axis in axes):
        return None
    first, second = (float(value) for value in fit.coefficients)
    square = student(freedom) ** 2
    a = first**2 - square * fit.covariance(axes[0], axes[0])
    b = first * second - square * fit.covariance(axes[0], axes[1])
    c = second**2 - square * fit.covariance(axes[1], axes[1])
    if not a > 1e-12 * first**2:
        return None
    root = math.sqrt(max(b**2 - a * c, 0.0))
    return (b - root) / a, (b + root) / a
