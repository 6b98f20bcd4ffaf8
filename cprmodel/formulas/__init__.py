"""The formulas: plain numbers, arrays or symbols in; the same out. One formula, one body, no state.

Every function here takes SI units, broadcasts over NumPy arrays, accepts SymPy symbols and mpmath numbers,
and carries its source and validity in ``.about`` (see :mod:`cprmodel.facts.formula`).
"""

from cprmodel.formulas.accuracy import metric_drop, pls_for_metric_drop
from cprmodel.formulas.cost import transfer_time
from cprmodel.formulas.exact_loss import exact_pls, exact_pls_deviation, exact_pls_interval
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
    lost_fraction,
)
from cprmodel.formulas.makespan import (
    bougeret_2011_chunk,
    full_recovery_chunk,
    full_recovery_makespan,
    full_recovery_variance,
    partial_recovery_exact_interval,
    partial_recovery_makespan,
)
from cprmodel.formulas.money import cheapest_interval, price_to_train
from cprmodel.formulas.ordered import fresh_loss, priority_pls, priority_pls_deviation, stale_loss
from cprmodel.formulas.overhead import effective_time_ratio, full_recovery_overhead, partial_recovery_overhead
from cprmodel.formulas.priority import (
    cho_2000_age,
    cho_2000_freshness,
    fluid_mfu_interval,
    fluid_update_age_interval,
    freshness_interval,
    lost_updates,
    marginal_age,
    proportional_interval,
    square_root_interval,
    square_root_lost_updates,
    uniform_lost_updates,
)
from cprmodel.formulas.regret import expected_regret, mtbf_regret
from cprmodel.formulas.renewal import renewal_efficiency, schedule_efficiency, weibull_save_time
from cprmodel.formulas.scaling import fastest_nodes, fastest_nodes_at_budget, scaled_work
from cprmodel.formulas.spares import erlang_1917_loss, nodes_in_repair
from cprmodel.formulas.storage import (
    aupy_2013_interval,
    benoit_2017_overhead,
    herault_2018_interval,
    quantised_share,
    touched_share,
    two_level_interval,
    two_level_saves,
    warned_interval,
    warned_overhead,
)

__all__ = [
    "aupy_2013_interval",
    "benoit_2017_overhead",
    "bougeret_2011_chunk",
    "cheapest_interval",
    "cho_2000_age",
    "cho_2000_freshness",
    "cpr_2021_interval",
    "cpr_2021_pls",
    "cpr_2021_pls_finite",
    "cpr_2021_pls_spread",
    "daly_2006",
    "effective_time_ratio",
    "erlang_1917_loss",
    "exact_interval",
    "exact_pls",
    "exact_pls_deviation",
    "exact_pls_interval",
    "expected_regret",
    "fastest_nodes",
    "fastest_nodes_at_budget",
    "fluid_mfu_interval",
    "fluid_update_age_interval",
    "fresh_loss",
    "freshness_interval",
    "full_recovery_chunk",
    "full_recovery_makespan",
    "full_recovery_overhead",
    "full_recovery_variance",
    "herault_2018_interval",
    "lost_fraction",
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
    "nodes_in_repair",
    "nodes_per_failure",
    "optimal_chunks",
    "partial_recovery_exact_interval",
    "partial_recovery_interval",
    "partial_recovery_makespan",
    "partial_recovery_overhead",
    "pls_for_metric_drop",
    "price_to_train",
    "priced_loss_interval",
    "priority_pls",
    "priority_pls_deviation",
    "proportional_interval",
    "quantised_share",
    "renewal_efficiency",
    "scaled_work",
    "schedule_efficiency",
    "square_root_interval",
    "square_root_lost_updates",
    "stale_loss",
    "touched_share",
    "transfer_time",
    "two_level_interval",
    "two_level_saves",
    "uniform_lost_updates",
    "warned_interval",
    "warned_overhead",
    "weibull_save_time",
    "young_1974",
]
