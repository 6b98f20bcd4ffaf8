"""What an order was found to lose."""

from __future__ import annotations

from dataclasses import dataclass

from cprmodel.costing.models import Step
from cprmodel.rows import Floats

__all__ = ["OrderLoss", "mean_and_error"]


@dataclass(frozen=True)
class OrderLoss:
    """Expected PLS, weighted by updates, whenever failures strike; the scatter of the simulation behind it.

    ``standard_deviation``: of one run's PLS; ``step``: the formula as it was used.
    """

    pls: float
    standard_error: float
    standard_deviation: float
    step: Step

    def times(self, factor: float) -> OrderLoss:
        """So many times as many updates."""
        pls, error, deviation = (factor * one for one in (self.pls, self.standard_error, self.standard_deviation))
        return OrderLoss(pls, error, deviation, self.step)


def mean_and_error(plays: Floats) -> tuple[float, float]:
    """Mean of independent plays, and its standard error; what was not simulated has none."""
    error = float(plays.std(ddof=1) / plays.size**0.5) if plays.size > 1 else 0.0
    return float(plays.mean()), error
