"""Where a function of one number is zero, without loading SciPy's optimizers."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["root_between"]

_CLOSE = 1e-13


def root_between(function: Callable[[float], float], low: float, high: float, within: float = _CLOSE) -> float:
    """The root of a continuous function whose signs at the two ends differ, ``within`` so much of it.

    Bisection, and inverse quadratic interpolation where that is sure to help (T. Chandrupatla, Advances in
    Engineering Software 28, 1997).

    >>> round(root_between(lambda x: 2 - x**2, 0.0, 4.0), 12)
    1.414213562373
    """
    new, other = high, low  # the last number tried, and one at which the sign is another
    at_new, at_other = function(new), function(other)
    if at_new == 0 or at_other == 0:
        return new if at_new == 0 else other
    share = 0.5
    while True:
        x = new + share * (other - new)
        at_x = function(x)
        if (at_x > 0) == (at_new > 0):
            old, at_old = new, at_new
        else:
            old, at_old, other, at_other = other, at_other, new, at_new
        new, at_new = x, at_x
        best, least = (new, at_new) if abs(at_new) < abs(at_other) else (other, at_other)
        close = within * abs(best) / abs(other - old) if other != old else 1.0
        if least == 0 or close > 0.5 or abs(other - new) <= within * abs(best):
            return best
        place, height = (new - other) / (old - other), (at_new - at_other) / (at_old - at_other)
        share = 0.5
        if height**2 < place and (1 - height) ** 2 < 1 - place:
            share = at_new / (at_other - at_new) * at_old / (at_other - at_old) + (old - new) / (
                other - new
            ) * at_new / (at_old - at_new) * at_other / (at_old - at_other)
        share = min(max(share, close), 1 - close)
