r"""How the time of a save scatters around its mean: by a lognormal law, or as it was measured.

What a failure without memory does to a save of random length X is told by E[e^{−xX}] alone: a save that is taken
anew whenever it is struck, with a new length each time, costs as much as saves of

.. math:: C' = -\mu \ln \mathrm{E}[e^{-X/\mu}] \approx \mathrm{E}[X] - \frac{\mathrm{Var}[X]}{2\mu}

each, which is less than the mean: of the saves that are not struck, more are short. [derived here; simulated in
tests/costing/test_scatter.py]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["P90", "Scatter"]

#: Of a standard normal law, the quantile at 90%.
P90 = 1.2815515655446004
#: A normal law is followed so far, at so many points; more measured times than that are taken in groups.
_FAR, _POINTS = 8.5, 200


@dataclass(frozen=True)
class Scatter:
    """A time over its mean, F: lognormal with ``sigma``, or one of the ``factors``, each as likely.

    >>> wide = Scatter(sigma=0.6)
    >>> round(wide.quantile(0.9) / wide.quantile(0.5), 3), round(float(wide.within(1.0)), 3)
    (2.157, 0.618)
    """

    sigma: float = 0.0  #: of the time's logarithm
    factors: tuple[float, ...] = ()  #: measured times over their mean, rising

    def within(self, share: Any) -> Any:
        """Probability that F is at most so much."""
        if self.factors:
            return np.searchsorted(self.factors, np.asarray(share) * (1 + 1e-12), side="right") / len(self.factors)
        from scipy.special import ndtr

        with np.errstate(divide="ignore"):
            return ndtr(np.log(np.maximum(share, 0.0)) / self.sigma + self.sigma / 2)

    def quantile(self, probability: float) -> float:
        """F is at most so much with a probability."""
        if self.factors:
            return self.factors[max(math.ceil(probability * len(self.factors) - 1e-9), 1) - 1]
        from scipy.special import ndtri

        return math.exp(self.sigma * float(ndtri(probability)) - self.sigma**2 / 2)

    @property
    def deviation(self) -> float:
        """Standard deviation of F."""
        return float(np.std(self.factors)) if self.factors else math.sqrt(math.expm1(self.sigma**2))

    def struck(self, x: Any, share: float = math.inf) -> Any:
        """E[1 − e^(−xF)] where F is at most a share: a failure strikes, were there x in the mean time."""
        factors, weights = _nodes(self, share)
        return -np.expm1(-np.multiply.outer(x, factors)) @ weights

    def spared(self, x: Any, share: float = math.inf) -> Any:
        """E[e^(−xF)] where F is at most a share: none strikes."""
        factors, weights = _nodes(self, share)
        return np.exp(-np.multiply.outer(x, factors)) @ weights

    def spent(self, x: Any, share: float = math.inf) -> Any:
        """E[F e^(−xF)] where F is at most a share: what those take that none strikes."""
        factors, weights = _nodes(self, share)
        return np.exp(-np.multiply.outer(x, factors)) @ (factors * weights)


@lru_cache(maxsize=64)
def _nodes(of: Scatter, share: float) -> tuple[Any, Any]:
    """Values of F up to a share, and their weights."""
    if of.factors:
        found = np.array([one for one in of.factors if one <= share * (1 + 1e-12)])
        if found.size <= _POINTS:
            return found, np.full(found.size, 1 / len(of.factors))
        groups = np.array_split(found, _POINTS)
        return np.array([one.mean() for one in groups]), np.array([one.size for one in groups]) / len(of.factors)
    with np.errstate(divide="ignore"):
        end = np.log(share) / of.sigma + of.sigma / 2 if share > 0 else -_FAR
    end = min(max(float(end), -_FAR), _FAR)
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    z = -_FAR + (points + 1) / 2 * (end + _FAR)
    weights = weights / 2 * (end + _FAR) * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return np.exp(of.sigma * z - of.sigma**2 / 2), weights
