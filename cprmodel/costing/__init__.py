"""Cost models: what a strategy costs and loses, which interval suits it, and the formulas that said so."""

from cprmodel.costing.models import (
    MODELS,
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

__all__ = [
    "MODELS",
    "Choice",
    "Cost",
    "CostModel",
    "Exact",
    "FirstOrder",
    "Step",
    "interval_with_recoveries",
    "loses_samples",
    "pls_with_recoveries",
    "use",
]
