"""How long nothing fails, as it was seen and as laws have it: what a page draws.

``scipy.stats`` says the same (the tests hold both to it) and takes longer to load than all of a fit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cprmodel.fitting.likelihood import Fit

__all__ = ["Survival", "kaplan_meier", "survival_and_hazard"]


class Survival(NamedTuple):
    """The share still without an interruption after each time, with a band; NaN where there is none."""

    times_s: Any
    share: Any
    low: Any
    high: Any


def kaplan_meier(durations_s: Any, observed: Any, confidence: float = 0.9) -> Survival:
    r"""Kaplan and Meier's estimate, with its band on the log-log scale.

    .. math:: \bar F(x) = \prod_{x_i \le x} \left(1 - \frac{y_i}{z_i}\right), \qquad
              \bar F^{\exp\left(\pm u \sqrt{\sum y_i / (z_i (z_i - y_i))} / \log \bar F\right)}

    with yᵢ the interruptions at xᵢ, zᵢ the times that are as long or longer, u the normal quantile, and Greenwood's
    variance.

    Examples
    --------
    >>> kaplan_meier(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, True])).share
    array([0.75, 0.5 , 0.  ])
    """
    from scipy.special import ndtri

    times, where = np.unique(durations_s, return_inverse=True)
    seen = np.bincount(where, observed)
    left = len(durations_s) - np.concatenate([[0], np.cumsum(np.bincount(where))[:-1]])
    share = np.cumprod((left - seen) / left)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(seen / (left * (left - seen)))) * ndtri((1 + confidence) / 2) / np.log(share)
        low, high = share ** np.exp(-spread), share ** np.exp(spread)
    known = (share > 0) & (share < 1)
    return Survival(times, share, np.where(known, low, np.nan), np.where(known, high, np.nan))


def survival_and_hazard(law: Fit, times_s: Any) -> tuple[Any, Any]:
    """The probability that nothing fails before each time, and how often it fails then [1/s].

    >>> survival_and_hazard(Fit("exponential", None, 100.0, 0.0), np.array([0.0, 100.0]))
    (array([1.        , 0.36787944]), array([0.01, 0.01]))
    """
    from scipy import special

    x = np.asarray(times_s, dtype=float) / law.scale_s
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if law.shape is None:
            return np.exp(-x), np.full(x.shape, 1 / law.scale_s)
        if law.name == "weibull":
            return np.exp(-(x**law.shape)), law.shape * x ** (law.shape - 1) / law.scale_s
        if law.name == "gamma":
            survival = special.gammaincc(law.shape, x)
            density = np.exp((law.shape - 1) * np.log(x) - x - special.gammaln(law.shape))
        else:
            z = np.log(x) / law.shape
            survival, density = special.ndtr(-z), np.exp(-(z**2) / 2) / (x * law.shape * np.sqrt(2 * np.pi))
        return survival, density / law.scale_s / survival
