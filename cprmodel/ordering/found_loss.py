"""What an order was found to lose."""

from __future__ import annotations

from dataclasses import dataclass

from cprmodel.costing.models import Step
from cprmodel.rows import Floats

__all__ = ["OrderLoss", "mean_and_error"]


@dataclass(frozen=True)
class OrderLoss:
    """Expected PLS, weighted by updates, whenever failures strike; the scatter of the simulation behind it.

    ``standard_deviation``: of one run's PLS, None where it is not known; ``step``: the formula as it was used.
    """

    pls: float
    standard_error: float
    standard_deviation: float | None
    step: Step

    def times(self, factor: float) -> OrderLoss:
        """So many times as many updates."""
        deviation = None if self.standard_deviation is None else factor * self.standard_deviation
        return OrderLoss(factor * self.pls, factor * self.standard_error, deviation, self.step)


def mean_and_error(plays: Floats) -> tuple[float, float]:
    """Mean of independent plays, and its standard error; what was not simulated has none."""
    error = float(plays.std(ddof=1) / plays.size**0.5) if plays.size > 1 else 0.0
    return float(plays.mean()), error
