"""What-if questions by the million, and answers about a fleet: nodes, spares, elasticities, fronts."""

from cprmodel.bulk.elasticity import Elasticity, elasticities
from cprmodel.bulk.fleet import NodesAnswer, SparesAnswer, nodes_answer, spares_answer
from cprmodel.bulk.front import Front, not_beaten, pareto_front
from cprmodel.bulk.grammar import grid_from_options
from cprmodel.bulk.grid import Grid, grid_of
from cprmodel.bulk.many import PlannedMany, Sweep, plan_many
from cprmodel.bulk.parts import merged, part_file, part_writer
from cprmodel.bulk.ranges import Range, Value
from cprmodel.bulk.solving import Solved, solve
from cprmodel.bulk.targets import Target, target_of
from cprmodel.bulk.writing import writer_to

__all__ = [
    "Elasticity",
    "Front",
    "Grid",
    "NodesAnswer",
    "PlannedMany",
    "Range",
    "Solved",
    "SparesAnswer",
    "Sweep",
    "Target",
    "Value",
    "elasticities",
    "grid_from_options",
    "grid_of",
    "merged",
    "nodes_answer",
    "not_beaten",
    "pareto_front",
    "part_file",
    "part_writer",
    "plan_many",
    "solve",
    "spares_answer",
    "target_of",
    "writer_to",
]
