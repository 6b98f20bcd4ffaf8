"""Decisions: which interval, which recovery, and what would change the answer."""

from cprmodel.costing import CostModel, Exact, FirstOrder
from cprmodel.planning.planner import plan
from cprmodel.planning.result import Plan, StrategyPlan

__all__ = ["CostModel", "Exact", "FirstOrder", "Plan", "StrategyPlan", "plan"]
