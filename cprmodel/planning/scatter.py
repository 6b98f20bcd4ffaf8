"""How a run's PLS scatters: the probability that one run goes over a budget that the mean keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["chance_over"]

_CELLS = 128  #: of the largest loss, in the lattice, or more where few losses are as large
_MANY = 200.0  #: losses of the largest sort from which on three moments say it
_BEYOND = 12.0  #: standard deviations above the mean, where nothing is left
_LONGEST = 1 << 18  #: cells of a lattice


def chance_over(
    budget: float, mean: float, deviation: float, taken: Sequence[tuple[float, float]] = ((1.0, 1.0),)
) -> float:
    r"""The probability that one run's PLS is above the budget.

    .. math:: \Pr\Big(\sum_{i=1}^{c} z_i > \mathrm{PLS}\Big), \qquad
        c \sim \mathrm{Poisson}\Big(\frac{4 x^2}{3 y^2} \frac{\mathrm{E}[k^2]}{\mathrm{E}[k]^2}\Big),
        \quad z_i \sim \mathrm{uniform}\Big(0, \frac{3 y^2}{2 x} \frac{k_i\,\mathrm{E}[k]}{\mathrm{E}[k^2]}\Big)

    A run loses a Poisson number of times, each loss uniform between nothing and a whole interval's of the shards
    that are taken (a failure strikes at any moment of it with equal chance). Mean x and standard deviation y settle
    the number of losses and the loss of one shard: of saves of everything they are those of the failures
    themselves; of orders and of experts in turn, whose losses are not uniform, it is an approximation. Where the
    largest losses are 200 or more, the sum is taken to be Pearson III, of the same mean, variance and skewness.

    Parameters
    ----------
    budget : PLS, greater than 0
    mean : x, expected PLS, greater than 0
    deviation : y, standard deviation of one run's PLS; with 0, a run's PLS is the mean
    taken : share of each sort of shard failures (together 1), and the shards k that one takes

    Examples
    --------
    >>> round(chance_over(0.1, mean=0.05, deviation=0.03), 3)
    0.063
    >>> chance_over(0.1, mean=0.05, deviation=0.0)
    0.0

    The same mean and scatter, mostly of a rare failure of eight shards:

    >>> round(chance_over(0.1, mean=0.05, deviation=0.03, taken=[(0.95, 1.0), (0.05, 8.0)]), 3)
    0.075
    """
    if not deviation > 0 or not mean > 0:
        return float(mean > budget)
    if budget > mean + _BEYOND * deviation:
        return 0.0
    often, sizes = np.array([(share, size) for share, size in taken if share > 0], dtype=float).T
    first, second = (often * sizes).sum(), (often * sizes**2).sum()
    largest = 1.5 * deviation**2 / mean * first / second * sizes  # by sort
    losses = 2 * mean / (often * largest).sum()
    skewness = losses * (often * largest**3).sum() / 4 / deviation**3
    reaches = max(mean + _BEYOND * deviation, budget)
    step = min(largest.max() / _CELLS, largest.min() / 4)
    if losses * often[np.argmax(sizes)] > _MANY or reaches / step > _LONGEST:
        from scipy.special import gammaincc

        shape = 4 / skewness**2
        at = shape + 2 / skewness * (budget - mean) / deviation
        return float(gammaincc(shape, max(at, 0.0)))
    length = 1 << math.ceil(math.log2(reaches / step + 2 * largest.max() / step))
    one = sum(share * _uniform(size / step, length) for share, size in zip(often, largest, strict=True))
    # a Poisson number of losses has the transform exp(λ(φ - 1)), φ that of one loss
    masses = np.fft.irfft(np.exp(losses * (np.fft.rfft(one) - 1)), length)
    below = np.cumsum(masses) - masses / 2  # a lattice point stands for the half steps on either side
    return float(min(max(1 - np.interp(budget / step, np.arange(length), below), 0.0), 1.0))


def _uniform(cells: float, length: int) -> Any:
    """What is uniform from 0 to so many cells, on a lattice: each value is shared by the points on either side."""
    at = np.clip(np.arange(-1, length + 1), 0, None)
    area = np.where(at < cells, at**2 / (2 * cells), at - cells / 2)  # under the distribution function
    return np.diff(area, 2)
