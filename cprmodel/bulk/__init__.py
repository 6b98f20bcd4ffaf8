"""What-if questions by the million, and answers about a fleet: nodes, spares, elasticities, fronts."""

from cprmodel.bulk.front import Front, not_beaten, pareto_front
from cprmodel.bulk.grid import Grid, grid_of
from cprmodel.bulk.many import PlannedMany, Sweep, plan_many

__all__ = [
    "Front",
    "Grid",
    "PlannedMany",
    "Sweep",
    "grid_of",
    "not_beaten",
    "pareto_front",
    "plan_many",
]
