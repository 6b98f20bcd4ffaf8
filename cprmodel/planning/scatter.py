"""How a run's PLS scatters: the probability that one run goes over a budget that the mean keeps."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["chance_over"]

_CELLS = 128  #: of the largest loss, in the lattice
_MANY = 200.0  #: losses from which on three moments say it
_BEYOND = 12.0  #: standard deviations above the mean, where nothing is left


def chance_over(budget: float, mean: float, deviation: float) -> float:
    r"""The probability that one run's PLS is above the budget.

    .. math:: \Pr\Big(\sum_{i=1}^{c} z_i > \mathrm{PLS}\Big), \qquad
        c \sim \mathrm{Poisson}\Big(\frac{4 x^2}{3 y^2}\Big),
        \quad z_i \sim \mathrm{uniform}\Big(0, \frac{3 y^2}{2 x}\Big)

    A run loses a Poisson number of times, each loss uniform between nothing and a whole interval's (a failure
    strikes at any moment of it with equal chance). Mean x and standard deviation y settle both numbers: of saves of
    everything they are those of the failures themselves; of orders and of experts in turn, whose losses are not
    uniform, it is an approximation. From 200 losses on, the sum is taken to be Pearson III, of the same mean,
    variance and skewness.

    Parameters
    ----------
    budget : PLS, greater than 0
    mean : x, expected PLS, greater than 0
    deviation : y, standard deviation of one run's PLS; with 0, a run's PLS is the mean

    Examples
    --------
    >>> round(chance_over(0.1, mean=0.05, deviation=0.03), 3)
    0.063
    >>> chance_over(0.1, mean=0.05, deviation=0.0)
    0.0
    """
    if not deviation > 0 or not mean > 0:
        return float(mean > budget)
    losses, largest = 4 * (mean / deviation) ** 2 / 3, 1.5 * deviation**2 / mean
    if losses > _MANY:
        from scipy.special import gammaincc

        skewness = 0.75 * math.sqrt(3 / losses)  # λh³/4 over (λh²/3)^(3/2)
        shape = 4 / skewness**2
        at = shape + 2 / skewness * (budget - mean) / deviation
        return float(gammaincc(shape, max(at, 0.0)))
    step = largest / _CELLS
    length = 1 << math.ceil(math.log2(max((mean + _BEYOND * deviation) / step, budget / step) + 2 * _CELLS))
    if budget > mean + _BEYOND * deviation:
        return 0.0
    one = np.zeros(length)
    one[: _CELLS + 1] = 1 / _CELLS
    one[0] = one[_CELLS] = 0.5 / _CELLS
    # a Poisson number of losses has the transform exp(λ(φ - 1)), φ that of one loss
    masses = np.fft.irfft(np.exp(losses * (np.fft.rfft(one) - 1)), length)
    below = np.cumsum(masses) - masses / 2  # a lattice point stands for the half steps on either side
    return float(min(max(1 - np.interp(budget / step, np.arange(length), below), 0.0), 1.0))
