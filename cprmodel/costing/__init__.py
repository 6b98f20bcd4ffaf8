"""Cost models: what a strategy costs and loses, which interval suits it, and the formulas that said so."""

from cprmodel.costing.blocking import Exact, FirstOrder
from cprmodel.costing.models import Choice, Cost, CostModel, Step, loses_samples, use
from cprmodel.costing.saving import saving_of
from cprmodel.costing.steady import SteadyState
from cprmodel.costing.which import MODELS, check_plain, model_for

__all__ = [
    "MODELS",
    "Choice",
    "Cost",
    "CostModel",
    "Exact",
    "FirstOrder",
    "SteadyState",
    "Step",
    "check_plain",
    "loses_samples",
    "model_for",
    "saving_of",
    "use",
]
