"""Decisions: which interval, which recovery, and what would change the answer."""

from typing import TYPE_CHECKING

from cprmodel.costing import CostModel, Exact, FirstOrder
from cprmodel.facts.lazy import loaded_when_used
from cprmodel.planning.planner import plan
from cprmodel.planning.result import Plan, StrategyPlan

if TYPE_CHECKING:
    from cprmodel.planning.renewal import Renewal
    from cprmodel.planning.uncertainty import Robust, Uncertainty

__all__ = [
    "CostModel",
    "Exact",
    "FirstOrder",
    "Plan",
    "Renewal",
    "Robust",
    "StrategyPlan",
    "Uncertainty",
    "plan",
]

#: A plan of a job whose MTBF is simply given needs none of these.
__getattr__ = loaded_when_used(
    __name__,
    {
        "Renewal": "cprmodel.planning.renewal",
        "Robust": "cprmodel.planning.uncertainty",
        "Uncertainty": "cprmodel.planning.uncertainty",
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
