"""Laws of the time between failures: their means."""

from __future__ import annotations

import math

__all__ = ["law_mean_s", "power_law_mtbf_s"]


def law_mean_s(law: str, shape: float | None, scale_s: float) -> float:
    """Mean of a law by its shape and scale [s]; infinite where no number holds it.

    >>> law_mean_s("weibull", 0.5, 50.0), law_mean_s("gamma", 2.0, 50.0), law_mean_s("lognormal", 60.0, 1.0)
    (100.0, 100.0, inf)
    """
    if shape is None:
        return scale_s
    try:
        factor = {
            "weibull": lambda: math.gamma(1 + 1 / shape),
            "gamma": lambda: shape,
            "lognormal": lambda: math.exp(shape**2 / 2),
        }[law]()
    except OverflowError:
        return math.inf
    return scale_s * factor


def power_law_mtbf_s(window_s: float, events: int, shape: float, at_s: float) -> float:
    """Reciprocal of the rate n_F c x^(c − 1)/T_F^c at a time x since the beginning of the observation [s].

    >>> round(power_law_mtbf_s(1000.0, 100, 0.5, 1000.0), 9)
    20.0
    """
    return float(window_s / (events * shape) * (at_s / window_s) ** (1 - shape))
