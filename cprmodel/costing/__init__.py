"""Cost models: what a strategy costs and loses, which interval suits it, and the formulas that said so."""

from cprmodel.costing.choosing import MODELS, check_plain, model_for, strategy_of
from cprmodel.costing.models import (
    Choice,
    Cost,
    CostModel,
    Exact,
    FirstOrder,
    Step,
    interval_with_recoveries,
    loses_samples,
    pls_with_recoveries,
    use,
)
from cprmodel.costing.saving import saving_of
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
    "check_plain",
    "interval_with_recoveries",
    "loses_samples",
    "model_for",
    "pls_with_recoveries",
    "saving_of",
    "strategy_of",
    "use",
]
