"""Cost models: what a strategy costs and loses, which interval suits it, and the formulas that said so."""

from typing import TYPE_CHECKING

from cprmodel.costing.blocking import Exact, FirstOrder
from cprmodel.costing.models import Choice, Cost, CostModel, Step, use
from cprmodel.costing.saving import saving_of
from cprmodel.costing.which import MODELS, check_no_stops, check_plain, check_whole, model_for
from cprmodel.facts.lazy import loaded_when_used

if TYPE_CHECKING:
    from cprmodel.costing.steady import SteadyState

__all__ = [
    "MODELS",
    "Choice",
    "Cost",
    "CostModel",
    "Exact",
    "FirstOrder",
    "SteadyState",
    "Step",
    "check_no_stops",
    "check_plain",
    "check_whole",
    "model_for",
    "saving_of",
    "use",
]

#: Saves that block while everything is written need none of it.
__getattr__ = loaded_when_used(__name__, {"SteadyState": "cprmodel.costing.steady"})
