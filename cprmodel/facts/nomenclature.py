"""One table of names: every argument of every formula, with its symbol, unit, meaning and domain.

Formulas check their numbers against it, ``--explain`` and the documentation print from it, and the
nomenclature page is made of it. Times are in seconds, sizes in bytes: SI inside, always.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["NOMENCLATURE", "Domain", "Name"]


class Domain(Enum):
    """The set of numbers that an argument may take, worded as an error message words it."""

    POSITIVE = "a number greater than 0"
    NON_NEGATIVE = "a number of at least 0"
    SHARE = "a number between 0 and 1"
    OPEN_SHARE = "a number between 0 (included) and 1 (not included)"
    AT_LEAST_ONE = "a number of at least 1"
    REAL = "a number"


@dataclass(frozen=True)
class Name:
    """What an argument is called in code and on paper."""

    argument: str
    symbol: str
    latex: str
    unit: str
    meaning: str
    domain: Domain


_ROWS = [
    (
        "work_s",
        "T",
        "T",
        "s",
        "useful training time the job needs, without failures or saves",
        Domain.POSITIVE,
    ),
    ("interval_s", "τ", r"\tau", "s", "useful work between two saves", Domain.POSITIVE),
    ("save_s", "C", "C", "s", "time a save blocks training", Domain.NON_NEGATIVE),
    ("load_s", "L", "L", "s", "time to read a whole checkpoint back", Domain.NON_NEGATIVE),
    (
        "reschedule_s",
        "D",
        "D",
        "s",
        "time to detect a failure, get a node and restart (detection included)",
        Domain.NON_NEGATIVE,
    ),
    ("partial_load_s", "L'", "L'", "s", "time for the failed shards to read their part", Domain.NON_NEGATIVE),
    (
        "partial_reschedule_s",
        "D'",
        "D'",
        "s",
        "time to detect a failed shard and replace it (detection included)",
        Domain.NON_NEGATIVE,
    ),
    (
        "trainer_reschedule_s",
        "Dₜ",
        "D_t",
        "s",
        "time to detect a failed trainer and replace it (detection included)",
        Domain.NON_NEGATIVE,
    ),
    ("mtbf_s", "μ", r"\mu", "s", "mean time between failures that interrupt the job", Domain.POSITIVE),
    ("node_mtbf_s", "μₙ", r"\mu_n", "s", "mean time between failures of one node", Domain.POSITIVE),
    ("nodes", "n", "n", "1", "nodes of the job", Domain.POSITIVE),
    (
        "per_1000_node_days",
        "r",
        "r",
        "1/(1000 node-days)",
        "failures per 1,000 node-days",
        Domain.POSITIVE,
    ),
    ("failure_probability", "p", "p", "1", "probability that a node fails within a period", Domain.OPEN_SHARE),
    ("period_s", "t", "t", "s", "length of that period", Domain.NON_NEGATIVE),
    ("group_mtbf_s", "μ_G", r"\mu_G", "s", "mean time between failures of one group of nodes", Domain.POSITIVE),
    ("groups", "G", "G", "1", "groups of nodes that the job spans", Domain.POSITIVE),
    ("group_nodes", "g", "g", "1", "nodes of a group, which fail at once", Domain.AT_LEAST_ONE),
    ("alone", "a", "a", "1", "nodes lost by a failure that is not a group's (its mean)", Domain.AT_LEAST_ONE),
    ("shards", "N", "N", "1", "embedding shards (Emb PS nodes)", Domain.AT_LEAST_ONE),
    ("failed_shards", "k", "k", "1", "shards lost per shard failure (its mean)", Domain.POSITIVE),
    ("shard_share", "s", "s", "1", "share of failures that take a shard", Domain.SHARE),
    ("trainer_share", "t", "t", "1", "share of failures that take a trainer", Domain.SHARE),
    ("whole_job_share", "w", "w", "1", "share of failures that take the whole job", Domain.SHARE),
    (
        "pls",
        "PLS",
        r"\mathrm{PLS}",
        "1",
        "portion of lost samples: samples whose updates a shard lost for good, over (total samples × shards)",
        Domain.OPEN_SHARE,
    ),
    (
        "metric_drop_per_pls",
        "β",
        r"\beta",
        "metric/PLS",
        "metric (AUC, say) lost per unit of PLS",
        Domain.POSITIVE,
    ),
    ("max_metric_drop", "Δ", r"\Delta", "metric", "largest drop of the metric to accept", Domain.POSITIVE),
    (
        "loss_price",
        "v",
        "v",
        "1/PLS",
        "price of lost work: overhead that one unit of PLS is worth",
        Domain.POSITIVE,
    ),
    ("mtbf_error", "ε", r"\epsilon", "1", "MTBF believed over MTBF", Domain.POSITIVE),
    (
        "observed_failures",
        "n",
        "n",
        "1",
        "failures that were seen before the interval was chosen",
        Domain.AT_LEAST_ONE,
    ),
    ("prior_mtbf_s", "μ₀", r"\mu_0", "s", "MTBF that is believed before any failure was seen", Domain.POSITIVE),
    ("prior_failures", "a", "a", "1", "failures that this belief is worth", Domain.POSITIVE),
    ("seen_failures", "n", "n", "1", "failures seen so far", Domain.NON_NEGATIVE),
    ("exposure_s", "E", "E", "s", "time at risk in which they were seen", Domain.NON_NEGATIVE),
    ("save_number", "j", "j", "1", "which save since the last failure", Domain.POSITIVE),
    ("weibull_shape", "β", r"\beta", "1", "shape of a Weibull law of the time between failures", Domain.POSITIVE),
    ("weibull_scale_s", "η", r"\eta", "s", "its scale", Domain.POSITIVE),
    ("size_bytes", "S", "S", "B", "size of a checkpoint", Domain.NON_NEGATIVE),
    ("bandwidth_bytes_per_s", "B", "B", "B/s", "bandwidth to checkpoint storage", Domain.POSITIVE),
    ("row_bytes", "sᵢ", "s_i", "B", "size of a row (or a shard)", Domain.NON_NEGATIVE),
    ("updates_per_s", "λᵢ", r"\lambda_i", "1/s", "updates of a row (or a shard) a second", Domain.NON_NEGATIVE),
    ("row_interval_s", "Pᵢ", "P_i", "s", "time between two saves of a row (or a shard)", Domain.NON_NEGATIVE),
    ("total_updates_per_s", "Λ", r"\Lambda", "1/s", "updates of all rows together, a second", Domain.NON_NEGATIVE),
    ("root_sum", "Q", "Q", "√(B/s)", "sum over all rows of √(λᵢsᵢ)", Domain.NON_NEGATIVE),
    ("least_interval_s", "δ", r"\delta", "s", "time between two choices of rows to save", Domain.NON_NEGATIVE),
    (
        "threshold_updates",
        "θ",
        r"\theta",
        "1",
        "updates since its last save at which a row is saved",
        Domain.NON_NEGATIVE,
    ),
    (
        "threshold_update_s",
        "θ",
        r"\theta",
        "s",
        "updates since its last save, times its age, at which a row is saved",
        Domain.NON_NEGATIVE,
    ),
    (
        "stale_s",
        "U₀",
        "U_0",
        "s",
        "updates that are not saved when a part begins that ends in a save, on average, over the rate of updates",
        Domain.NON_NEGATIVE,
    ),
    ("last_stale_s", "U₁", "U_1", "s", "the same when the last part of the job begins", Domain.NON_NEGATIVE),
    (
        "work_square_s2",
        "A_w",
        "A_w",
        "s²",
        "mean square of the updates that a failure at work takes, over the rate of updates",
        Domain.NON_NEGATIVE,
    ),
    ("save_square_s2", "A_c", "A_c", "s²", "the same of a failure in a save", Domain.NON_NEGATIVE),
    ("stale_square_s2", "A₀", "A_0", "s²", "the same of a roll-back of everybody", Domain.NON_NEGATIVE),
    ("experts", "N", "N", "1", "experts (or shards) that saves rotate over", Domain.AT_LEAST_ONE),
    ("rotated", "K", "K", "1", "how many of them a save holds", Domain.AT_LEAST_ONE),
    (
        "turns",
        "c",
        "c",
        "1",
        "saves since a failure or the beginning, at most as often as K goes into N",
        Domain.AT_LEAST_ONE,
    ),
    (
        "updates_lost",
        "x̄",
        r"\bar x",
        "1",
        "share of an interval's updates that failures take after a save that another one follows, on average",
        Domain.SHARE,
    ),
    ("last_updates_lost", "x_m", "x_m", "1", "the same after the last save", Domain.SHARE),
    ("reference_nodes", "n₀", "n_0", "1", "nodes on which the useful time was measured", Domain.POSITIVE),
    (
        "throughput_exponent",
        "α",
        r"\alpha",
        "1",
        "exponent of the throughput against nodes: 1 where twice the nodes do twice the work",
        Domain.SHARE,
    ),
    ("recovery_s", "R", "R", "s", "mean stop after a failure (detect, reschedule and load)", Domain.NON_NEGATIVE),
    ("repair_s", "t_r", "t_r", "s", "mean time until a failed node can be used again", Domain.NON_NEGATIVE),
    ("spares", "m", "m", "1", "spare nodes", Domain.NON_NEGATIVE),
    ("in_repair", "ρ", r"\rho", "1", "nodes in repair, on average", Domain.POSITIVE),
    ("save_price", "c", "c", "currency", "what one save costs beside its time", Domain.NON_NEGATIVE),
    ("price_per_s", "p", "p", "currency/s", "what a second of the job costs, nodes and storage", Domain.POSITIVE),
    ("saves", "K", "K", "1", "saves that are made", Domain.NON_NEGATIVE),
    ("price_s_per_byte", "ν", r"\nu", "s/B", "freshness that a byte a second is worth", Domain.NON_NEGATIVE),
    ("limit_s", "H", "H", "s", "time limit after which a job ends", Domain.POSITIVE),
    ("last_s", "r", "r", "s", "useful work before the last save of a job that a limit ends", Domain.NON_NEGATIVE),
    ("requeue_s", "Q", "Q", "s", "time from the limit until the next job begins", Domain.NON_NEGATIVE),
    ("more", "f", "f", "1", "probability that one more save is complete at the limit", Domain.SHARE),
    ("verify_s", "V", "V", "s", "time of a check for silent errors", Domain.NON_NEGATIVE),
    ("silent_mtbf_s", "μₛ", r"\mu_s", "s", "mean time at work between silent errors", Domain.POSITIVE),
    ("planned", "n", "n", "1", "planned stops that fall into the job", Domain.NON_NEGATIVE),
    ("outage_s", "U", "U", "s", "how long a planned stop lasts", Domain.NON_NEGATIVE),
    ("drain_s", "C_d", "C_d", "s", "time a save drains in the background", Domain.NON_NEGATIVE),
    ("overlap", "ω", r"\omega", "1", "share of the compute that goes on while a save drains", Domain.SHARE),
    ("high_save_s", "C₂", "C_2", "s", "time a save of the high level blocks training", Domain.NON_NEGATIVE),
    (
        "survives",
        "p",
        "p",
        "1",
        "share of the failures after which the low level can be read",
        Domain.OPEN_SHARE,
    ),
    ("machine_nodes", "N", "N", "1", "nodes of the machine that shares the storage", Domain.POSITIVE),
    ("multiplier", "Λ", r"\Lambda", "1", "what a share of the bandwidth is worth", Domain.NON_NEGATIVE),
    ("recall", "r", "r", "1", "share of the failures that are announced in time", Domain.OPEN_SHARE),
    ("precision", "p", "p", "1", "share of the announcements that a failure follows", Domain.SHARE),
    ("warned_save_s", "C_p", "C_p", "s", "time a save on a warning takes", Domain.NON_NEGATIVE),
    ("bits", "b", "b", "1", "bits of a quantised number", Domain.POSITIVE),
    ("embedding_dim", "d", "d", "1", "numbers in an embedding row", Domain.POSITIVE),
    (
        "overhead",
        "O",
        "O",
        "1",
        "time over the useful time, as a fraction of the useful time",
        Domain.NON_NEGATIVE,
    ),
    ("accesses_per_sample", "p", "p", "1/sample", "accesses of a row per sample", Domain.NON_NEGATIVE),
    (
        "curvature",
        "h",
        "h",
        "nat",
        "curvature of the log loss at an access, E[σ'(∂z/∂e)²], along what the row moved, per square of a weight",
        Domain.NON_NEGATIVE,
    ),
    (
        "gradient",
        "g",
        "g",
        "nat",
        "gradient of the log loss at an access, along what the row moved, per weight; below 0: still on its way",
        Domain.REAL,
    ),
    ("moved", "|Δ|", r"|\Delta|", "weight", "how far a row moved since it was saved", Domain.NON_NEGATIVE),
    ("probability", "σ", r"\sigma", "1", "probability that the model gives to a click", Domain.OPEN_SHARE),
    ("logit_change", "δ", r"\delta", "1", "change of the logit", Domain.REAL),
    ("learning_rate", "η", r"\eta", "weight", "learning rate of the rows' optimizer", Domain.POSITIVE),
    ("batch_samples", "B", "B", "sample", "samples of a step, over which gradients are averaged", Domain.POSITIVE),
    (
        "divisor",
        "r",
        "r",
        "1",
        "what the optimizer divides gradients by: 1 (SGD), the root of their squares' sum (Adagrad) or mean (Adam)",
        Domain.POSITIVE,
    ),
    (
        "gradient_sum",
        "G",
        "G",
        "1",
        "sum of squared gradients that Adagrad holds for a weight (or a row)",
        Domain.POSITIVE,
    ),
    ("gradient_square", "γ", r"\gamma", "1", "what an access adds to it, on average", Domain.NON_NEGATIVE),
    ("accesses_left", "n", "n", "1", "accesses of a row until training ends", Domain.NON_NEGATIVE),
    (
        "relearning",
        "l",
        "l",
        "1/access",
        "share of what a row was put back that an access makes good",
        Domain.NON_NEGATIVE,
    ),
    (
        "relearning_per_sample",
        "κ",
        r"\kappa",
        "1/sample",
        "the same per sample that is trained",
        Domain.NON_NEGATIVE,
    ),
    (
        "contraction",
        "x",
        "x",
        "1",
        "exponent with which training makes good what a row lacks: all that it contracts, along one eigenvector",
        Domain.NON_NEGATIVE,
    ),
    ("twin_contraction", "x'", "x'", "1", "the same of the row that was not put back", Domain.NON_NEGATIVE),
    ("contraction_of_age", "x_a", "x_a", "1", "the same in the time that was lost", Domain.POSITIVE),
    ("last_ratio", "ρ", r"\varrho", "1", "the twin's step over the row's at the end", Domain.NON_NEGATIVE),
    (
        "mean_step",
        "m",
        "m",
        "weight²",
        "size of a step for a gradient of 1, on average over a contraction",
        Domain.NON_NEGATIVE,
    ),
    ("last_step", "m'", "m'", "weight²", "the same at its end", Domain.NON_NEGATIVE),
    ("run_samples", "T", "T", "sample", "samples that the run trains", Domain.POSITIVE),
    ("age_samples", "a", "a", "sample", "samples trained since rows were saved", Domain.NON_NEGATIVE),
    ("interval_samples", "τ", r"\tau", "sample", "samples trained between two saves", Domain.NON_NEGATIVE),
    (
        "drift",
        "D",
        "D",
        "nat/sample²",
        "harm of a put-back that grows as the square of the age",
        Domain.NON_NEGATIVE,
    ),
    ("noise", "N", "N", "nat/sample", "harm of a put-back that grows as the age", Domain.NON_NEGATIVE),
    ("harm_price", "ν", r"\nu", "nat·sample/B", "harm that a byte a sample is worth", Domain.POSITIVE),
    ("bytes_per_sample", "B", "B", "B/sample", "bandwidth of saves, per sample trained", Domain.POSITIVE),
    ("cube_root_sum", "Q", "Q", "(nat·B²/sample²)^⅓", "sum over all rows of (Dᵢsᵢ²)^⅓", Domain.NON_NEGATIVE),
    ("put_backs", "F", "F", "1", "failures of a run that put shards back", Domain.NON_NEGATIVE),
    ("lost_share", "q", "q", "1", "share of the rows that such a failure puts back", Domain.SHARE),
    ("rise", "ρ", r"\rho", "nat", "rise of the log loss", Domain.REAL),
    ("auc_per_nat", "b", "b", "1/nat", "AUC lost per rise of the log loss", Domain.POSITIVE),
]

#: Argument name → :class:`Name`.
NOMENCLATURE: dict[str, Name] = {row[0]: Name(*row) for row in _ROWS}
