"""Decisions: which interval, which recovery, and what would change the answer."""

from cprmodel.costing import CostModel, Exact, FirstOrder
from cprmodel.planning.planner import plan
from cprmodel.planning.renewal import Renewal
from cprmodel.planning.result import Plan, StrategyPlan
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
