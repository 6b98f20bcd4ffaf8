"""The formulas: plain numbers, arrays or symbols in; the same out. One formula, one body, no state.

Every function here takes SI units, broadcasts over NumPy arrays, accepts SymPy symbols and mpmath numbers,
and carries its source and validity in ``.about`` (see :mod:`cprmodel.facts.formula`).
"""

from cprmodel.formulas.accuracy import metric_drop, pls_for_metric_drop
from cprmodel.formulas.cost import transfer_time
from cprmodel.formulas.failures import (
    mtbf_from_groups,
    mtbf_from_node_days,
    mtbf_from_nodes,
    mtbf_with_prior,
    node_failure_probability,
    node_mtbf_from_probability,
    nodes_per_failure,
)
from cprmodel.formulas.interval import (
    daly_2006,
    exact_interval,
    optimal_chunks,
    partial_recovery_interval,
    priced_loss_interval,
    young_1974,
)
from cprmodel.formulas.loss import (
    cpr_2021_interval,
    cpr_2021_pls,
    cpr_2021_pls_finite,
    cpr_2021_pls_spread,
    exact_pls,
    exact_pls_interval,
    lost_fraction,
    lost_fraction_with_saves,
)
from cprmodel.formulas.makespan import (
    bougeret_2011_chunk,
    full_recovery_chunk,
    full_recovery_makespan,
    full_recovery_variance,
    partial_recovery_exact_interval,
    partial_recovery_makespan,
    partial_recovery_pls,
)
from cprmodel.formulas.overhead import effective_time_ratio, full_recovery_overhead, partial_recovery_overhead
from cprmodel.formulas.priority import (
    cho_2000_age,
    cho_2000_freshness,
    fluid_mfu_interval,
    fluid_update_age_interval,
    freshness_interval,
    lost_updates,
    marginal_age,
    priority_pls,
    proportional_interval,
    square_root_interval,
    square_root_lost_updates,
    uniform_lost_updates,
)
from cprmodel.formulas.regret import expected_regret, mtbf_regret
from cprmodel.formulas.renewal import renewal_efficiency, schedule_efficiency, weibull_save_time

__all__ = [
    "bougeret_2011_chunk",
    "cho_2000_age",
    "cho_2000_freshness",
    "cpr_2021_interval",
    "cpr_2021_pls",
    "cpr_2021_pls_finite",
    "cpr_2021_pls_spread",
    "daly_2006",
    "effective_time_ratio",
    "exact_interval",
    "exact_pls",
    "exact_pls_interval",
    "expected_regret",
    "fluid_mfu_interval",
    "fluid_update_age_interval",
    "freshness_interval",
    "full_recovery_chunk",
    "full_recovery_makespan",
    "full_recovery_overhead",
    "full_recovery_variance",
    "lost_fraction",
    "lost_fraction_with_saves",
    "lost_updates",
    "marginal_age",
    "metric_drop",
    "mtbf_from_groups",
    "mtbf_from_node_days",
    "mtbf_from_nodes",
    "mtbf_regret",
    "mtbf_with_prior",
    "node_failure_probability",
    "node_mtbf_from_probability",
    "nodes_per_failure",
    "optimal_chunks",
    "partial_recovery_exact_interval",
    "partial_recovery_interval",
    "partial_recovery_makespan",
    "partial_recovery_overhead",
    "partial_recovery_pls",
    "pls_for_metric_drop",
    "priced_loss_interval",
    "priority_pls",
    "proportional_interval",
    "renewal_efficiency",
    "schedule_efficiency",
    "square_root_interval",
    "square_root_lost_updates",
    "transfer_time",
    "uniform_lost_updates",
    "weibull_save_time",
    "young_1974",
]
