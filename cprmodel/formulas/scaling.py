"""What more nodes buy, and what their failures cost."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = ["fastest_nodes", "fastest_nodes_at_budget", "scaled_work"]

_POWER_LAW = "throughput follows a power of the nodes; a save costs the same on any number of nodes"


@formula("T(n)", DERIVED, Evidence.DEFINITION, (), "throughput follows a power of the nodes")
def scaled_work(work_s: Number, nodes: Number, reference_nodes: Number, throughput_exponent: Number) -> Number:
    r"""Useful training time on another number of nodes.

    .. math:: T(n) = T \left(\frac{n_0}{n}\right)^{\alpha}

    Parameters
    ----------
    work_s : useful training time on the reference nodes, T [s]
    nodes : nodes of the job, n
    reference_nodes : nodes on which T was measured, n₀
    throughput_exponent : exponent of the throughput, α: 1 where twice the nodes do twice the work

    Examples
    --------
    >>> scaled_work(work_s=3600.0, nodes=256, reference_nodes=64, throughput_exponent=0.5)
    1800.0
    """
    return work_s * (reference_nodes / nodes) ** throughput_exponent


@formula("n", DERIVED, Evidence.DERIVED, (), f"first order; {_POWER_LAW}")
def fastest_nodes(
    node_mtbf_s: Number,
    save_s: Number,
    recovery_s: Number,
    throughput_exponent: Number,
    whole_job_share: Number = 1,
) -> Number:
    r"""The node count beyond which adding nodes slows training, when the interval is always the best one.

    .. math:: n = \mu_n \left(\frac{2\alpha}
              {(\tfrac12 - \alpha) x + \sqrt{(\tfrac12 - \alpha)^2 x^2 + 4 \alpha (1 - \alpha) D_L}}\right)^2,
              \qquad x = \sqrt{2 C w}

    Parameters
    ----------
    node_mtbf_s : mean time between failures of one node, μₙ [s]
    save_s : time a save blocks training, C [s]
    recovery_s : mean stop after a failure (detect, reschedule and load), D_L [s]
    throughput_exponent : exponent of the throughput, α
    whole_job_share : share of failures that send everybody back, w: 1 under full recovery

    Returns
    -------
    Nodes n, not rounded; infinite for α = 1, where more nodes are faster for ever.

    Notes
    -----
    On n nodes the job's MTBF is μₙ/n. With Young's interval the first-order overhead is x·y + D_L·y² where
    y = √(n/μₙ), and the time to train is in proportion to n^(−α)·(1 + x·y + D_L·y²). Its derivative is zero where
    (1 − α)D_L·y² + (½ − α)x·y − α = 0, which has one positive root (tests/formulas/test_scaling.py, by SymPy).
    The overhead there is large: of order α/(1 − α).

    Examples
    --------
    >>> round(fastest_nodes(node_mtbf_s=150 * 86400.0, save_s=240, recovery_s=840, throughput_exponent=0.9))
    366110
    """
    xp = namespace(node_mtbf_s, save_s, recovery_s, throughput_exponent, whole_job_share)
    slope = (xp.half - throughput_exponent) * xp.sqrt(2 * save_s * whole_job_share)
    under_root = slope**2 + 4 * throughput_exponent * (1 - throughput_exponent) * recovery_s
    return node_mtbf_s * xp.quotient(2 * throughput_exponent, slope + xp.sqrt(under_root)) ** 2


@formula("n", DERIVED, Evidence.DERIVED, (), f"first order; {_POWER_LAW}")
def fastest_nodes_at_budget(
    node_mtbf_s: Number,
    save_s: Number,
    recovery_s: Number,
    throughput_exponent: Number,
    pls: Number,
    shards: Number,
    shard_share: Number = 1,
    failed_shards: Number = 1,
    whole_job_share: Number = 0,
) -> Number:
    r"""The same under partial recovery whose interval an accuracy budget sets.

    .. math:: n = \frac{\alpha}{1 - \alpha}\,\frac{1 + w x/2}{C/x + D_L}\,\mu_n,
              \qquad x = \frac{2\, \mathrm{PLS}\, N}{s k}

    Parameters
    ----------
    node_mtbf_s : mean time between failures of one node, μₙ [s]
    save_s : time a save blocks training, C [s]
    recovery_s : mean stop after a failure, over its kinds, D_L [s]
    throughput_exponent : exponent of the throughput, α
    pls : the PLS budget
    shards : embedding shards, N
    shard_share : share of failures that take a shard, s, greater than 0
    failed_shards : shards lost per shard failure, k
    whole_job_share : share of failures that take everything, w

    Returns
    -------
    Nodes n, not rounded; infinite for α = 1.

    Notes
    -----
    The budget's interval is x times the MTBF μₙ/n, so saves and failures alike cost in proportion to n, and the
    time to train to n^(−α)·(1 + wx/2 + (C/x + D_L)n/μₙ).

    Examples
    --------
    >>> round(fastest_nodes_at_budget(150 * 86400.0, 240, 210, 0.9, pls=0.01, shards=8))
    68211
    """
    xp = namespace(node_mtbf_s, save_s, recovery_s, throughput_exponent, pls, shards)
    ratio = 2 * pls * shards / (shard_share * failed_shards)
    fixed = 1 + whole_job_share * ratio / 2
    per_failure = save_s / ratio + recovery_s
    return node_mtbf_s * xp.quotient(throughput_exponent * fixed, (1 - throughput_exponent) * per_failure)
