r"""Least squares whose errors are correlated within clusters, of which there may be few.

The interval is θ ± t·√V with the bias-reduced sandwich CR2 of Bell & McCaffrey (2002), which is unbiased where the
errors are alike and independent, and Student's t with the degrees of freedom ν that they derive by Satterthwaite's
way for the very contrast (Imbens & Kolesár 2016; Pustejovsky & Tipton 2018). Of the methods for few clusters it is
the one that is exact for a balanced record (where it is the t interval of one slope per cluster, ν = clusters − 1),
takes unequal clusters into account through ν, serves slopes, bends and differences alike, and needs no random
numbers; with four clusters a wild bootstrap has only 16 signs to draw, so hardly a 90% interval.

With M = (XᵀX)⁻¹, Hᵢᵢ = XᵢMXᵢᵀ, a contrast c, and zᵢ = (I − Hᵢᵢ)^(−1/2)XᵢMc:

.. math:: V = \sum_i (z_i^T e_i)^2, \quad \nu = (\operatorname{tr} B)^2 / \operatorname{tr} B^2, \quad
          B_{ij} = \delta_{ij} z_i^T z_i - z_i^T X_i M X_j^T z_j
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["COVERAGE", "ClusteredFit", "Estimate", "fit_clustered"]

#: Of all intervals of an accuracy model.
COVERAGE = 0.9
#: A share of a sum of squares below this is rounding.
_NOTHING = 1e-10


@dataclass(frozen=True)
class Estimate:
    """A number with how sure it is; without an interval where the clusters cannot tell."""

    value: float
    standard_error: float | None = None
    degrees_of_freedom: float | None = None

    @property
    def interval_90(self) -> tuple[float, float] | None:
        if self.standard_error is None or self.degrees_of_freedom is None:
            return None
        half = student(self.degrees_of_freedom) * self.standard_error
        return self.value - half, self.value + half

    @property
    def p_value(self) -> float | None:
        """Of the value being 0, two-sided; None without an interval."""
        if self.standard_error is None or self.degrees_of_freedom is None:
            return None
        if self.standard_error == 0:
            return 1.0 if self.value == 0 else 0.0
        from scipy import special

        return 2 * float(special.stdtr(self.degrees_of_freedom, -abs(self.value) / self.standard_error))

    def times(self, factor: float) -> Estimate:
        """The same in another unit."""
        error = None if self.standard_error is None else self.standard_error * factor
        return Estimate(self.value * factor, error, self.degrees_of_freedom)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        interval = self.interval_90
        return {
            "value": self.value,
            "interval_90": list(interval) if interval else None,
            "standard_error": self.standard_error,
            "degrees_of_freedom": self.degrees_of_freedom,
        }


def student(degrees_of_freedom: float) -> float:
    """How many standard errors a 90% interval reaches to each side."""
    from scipy import special

    return float(special.stdtrit(degrees_of_freedom, (1 + COVERAGE) / 2))


@dataclass(frozen=True)
class ClusteredFit:
    """A fit, ready to be asked for any linear combination of its coefficients."""

    coefficients: Any
    residuals: Any
    _inverse: Any  #: M
    #: of each cluster: XᵢᵀQᵢ, (I − Hᵢᵢ)^(−1/2) within Qᵢ, Qᵢᵀeᵢ, and the part of Qᵢ that it alone decides
    _blocks: tuple[tuple[Any, Any, Any, Any], ...]

    def covariance(self, one: Any, other: Any) -> float:
        """CR2 covariance of two contrasts."""
        return float(sum(self._scores(one) * self._scores(other)))

    def estimate(self, contrast: Any) -> Estimate:
        """A contrast with its standard error and degrees of freedom.

        >>> fit = fit_clustered([[1.0]] * 6, [1.0, 3.0, 2.0, 4.0, 6.0, 8.0], [1, 1, 2, 2, 3, 3])
        >>> found = fit.estimate([1.0])  # the means by cluster are 2, 3 and 7: standard error √7/√3
        >>> round(found.value, 9), round(found.standard_error, 4), round(found.degrees_of_freedom, 9)
        (4.0, 1.5275, 2.0)
        """
        value = float(self.coefficients @ np.asarray(contrast))
        weights = self._inverse @ np.asarray(contrast)
        size = float(np.asarray(contrast) @ weights)
        for cross, _, _, alone in self._blocks:
            decided = alone.T @ (cross.T @ weights)
            if float(decided @ decided) > _NOTHING * size:  # no other cluster tells how this part scatters
                return Estimate(value)
        leads = [half @ (cross.T @ weights) for cross, half, _, _ in self._blocks]  # Qᵀz
        pulls = np.array([block[0] @ lead for block, lead in zip(self._blocks, leads, strict=True)])  # Xᵀz
        spread = np.diag([float(lead @ lead) for lead in leads]) - pulls @ self._inverse @ pulls.T
        freedom = float(np.trace(spread)) ** 2 / float(np.sum(spread**2))
        return Estimate(value, math.sqrt(self.covariance(contrast, contrast)), freedom)

    def _scores(self, contrast: Any) -> Any:
        """zᵢᵀeᵢ of each cluster."""
        lead = self._inverse @ np.asarray(contrast)
        return np.array([(cross.T @ lead) @ half @ errors for cross, half, errors, _ in self._blocks])


def fit_clustered(columns: Any, values: Any, clusters: Any) -> ClusteredFit | None:
    """Least squares of ``values`` on the columns; None where they do not determine the coefficients."""
    x, y, labels = np.asarray(columns, dtype=float), np.asarray(values, dtype=float), np.asarray(clusters)
    sizes = np.sqrt((x**2).sum(axis=0))
    if np.any(sizes == 0) or np.linalg.matrix_rank(x / sizes, tol=1e-7) < x.shape[1]:
        return None
    inverse = np.linalg.inv(x.T @ x)
    coefficients = np.linalg.lstsq(x, y, rcond=None)[0]
    residuals = y - x @ coefficients
    blocks = []
    for label in np.unique(labels):
        rows = labels == label
        if not np.any(x[rows]):
            continue  # says nothing of the coefficients
        q, r = np.linalg.qr(x[rows])
        shares, axes = np.linalg.eigh(r @ inverse @ r.T)  # Hᵢᵢ within the span of Qᵢ
        left = 1 - shares
        alone = left <= _NOTHING
        half = np.where(alone, 0.0, 1 / np.sqrt(np.maximum(left, _NOTHING)))
        blocks.append((r.T, (axes * half) @ axes.T, q.T @ residuals[rows], axes[:, alone]))
    return ClusteredFit(coefficients, residuals, inverse, tuple(blocks))
