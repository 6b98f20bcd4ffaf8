"""From nodes to the job: how often the whole is interrupted."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, KOKOLIS_2025, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = [
    "mtbf_from_groups",
    "mtbf_from_node_days",
    "mtbf_from_nodes",
    "mtbf_with_prior",
    "mttf_from_fit",
    "node_failure_probability",
    "node_mtbf_from_probability",
    "nodes_per_failure",
]

_SECONDS_PER_1000_NODE_DAYS = 1000 * 86400
_BILLION_HOURS_S = 3600e9


@formula("μ", DERIVED, Evidence.DEFINITION, (), "nodes fail independently, and any one interrupts the job")
def mtbf_from_nodes(node_mtbf_s: Number, nodes: Number) -> Number:
    r"""MTBF of a job from its nodes': rates add, μ = μₙ/n [s].

    .. math:: \mu = \frac{\mu_n}{n}

    Parameters
    ----------
    node_mtbf_s : mean time between failures of one node, μₙ [s]
    nodes : nodes of the job, n

    Examples
    --------
    >>> mtbf_from_nodes(node_mtbf_s=1000 * 86400.0, nodes=1000) / 3600
    24.0
    """
    return node_mtbf_s / nodes


@formula("μ", KOKOLIS_2025, Evidence.SECOND_HAND, (), "nodes fail independently, and any one interrupts the job")
def mtbf_from_node_days(nodes: Number, per_1000_node_days: Number) -> Number:
    r"""MTBF of a job from a failure rate per 1,000 node-days, μ = 1000 days/(n·r_f) [s].

    .. math:: \mu = \frac{1000 \cdot 86400\,\mathrm{s}}{n\, r_f}

    Parameters
    ----------
    nodes : nodes of the job, n
    per_1000_node_days : failures per 1,000 node-days, r_f [1/(1000 node-days)]

    Examples
    --------
    >>> round(mtbf_from_node_days(nodes=128, per_1000_node_days=6.5) / 3600, 2)
    28.85
    """
    return _SECONDS_PER_1000_NODE_DAYS / (nodes * per_1000_node_days)


@formula("pₙ", DERIVED, Evidence.DEFINITION, (), "a node fails at a constant rate")
def node_failure_probability(node_mtbf_s: Number, period_s: Number) -> Number:
    r"""Probability that a node fails within a period.

    .. math:: p_n = 1 - e^{-t_p/\mu_n}

    Parameters
    ----------
    node_mtbf_s : mean time between failures of one node, μₙ [s]
    period_s : length of the period, tₚ [s]

    Examples
    --------
    >>> round(node_failure_probability(node_mtbf_s=1000 * 86400.0, period_s=30 * 86400.0), 5)
    0.02955
    """
    return -namespace(node_mtbf_s, period_s).expm1(-period_s / node_mtbf_s)


@formula("μₙ", DERIVED, Evidence.DEFINITION, (), "a node fails at a constant rate")
def node_mtbf_from_probability(failure_probability: Number, period_s: Number) -> Number:
    r"""MTBF of a node from its probability to fail within a period: inverts :func:`node_failure_probability`.

    .. math:: \mu_n = -\frac{t_p}{\log(1 - p_n)}

    Parameters
    ----------
    failure_probability : probability that a node fails at least once within the period, pₙ, below 1
    period_s : length of the period, tₚ [s]

    Returns
    -------
    μₙ [s]; infinite for pₙ = 0.

    Examples
    --------
    >>> round(node_mtbf_from_probability(failure_probability=0.02955447, period_s=30 * 86400.0) / 86400)
    1000
    """
    return -period_s / namespace(failure_probability, period_s).log1p(-failure_probability)


@formula(
    "μ", DERIVED, Evidence.DEFINITION, (), "nodes and groups fail independently, and any one interrupts the job"
)
def mtbf_from_groups(node_mtbf_s: Number, nodes: Number, group_mtbf_s: Number, groups: Number) -> Number:
    r"""MTBF of a job whose nodes fail alone, and in groups that share a switch, a rack or a power supply.

    .. math:: \mu = \frac{1}{n/\mu_n + N_g/\mu_g}

    Parameters
    ----------
    node_mtbf_s : mean time between failures of one node alone, μₙ [s]
    nodes : nodes of the job, n
    group_mtbf_s : mean time between failures of one group, μ_g [s]
    groups : groups that the job spans, N_g

    Examples
    --------
    >>> round(mtbf_from_groups(node_mtbf_s=8e6, nodes=64, group_mtbf_s=4e6, groups=8))  # 8 and 2 failures in 1e6 s
    100000
    """
    return 1 / (nodes / node_mtbf_s + groups / group_mtbf_s)


@formula(
    "k", DERIVED, Evidence.DEFINITION, (), "nodes and groups fail independently; a failed group takes all its nodes"
)
def nodes_per_failure(
    node_mtbf_s: Number, nodes: Number, group_mtbf_s: Number, groups: Number, group_nodes: Number, alone: Number = 1
) -> Number:
    r"""Nodes lost per failure, on average, when some failures take a whole group.

    .. math:: k = \frac{k_1\, n/\mu_n + n_g N_g/\mu_g}{n/\mu_n + N_g/\mu_g}

    Parameters
    ----------
    node_mtbf_s : mean time between failures of one node alone, μₙ [s]
    nodes : nodes of the job, n
    group_mtbf_s : mean time between failures of one group, μ_g [s]
    groups : groups that the job spans, N_g
    group_nodes : nodes of a group, n_g
    alone : nodes lost by a failure that is not a group's, k₁ (its mean)

    Notes
    -----
    The mean is what the expected PLS depends on: a shard loses the same whoever fails with it. Its scatter grows.

    Examples
    --------
    >>> round(nodes_per_failure(node_mtbf_s=8e6, nodes=64, group_mtbf_s=4e6, groups=8, group_nodes=8), 9)
    2.4
    """
    single, together = nodes / node_mtbf_s, groups / group_mtbf_s
    return (alone * single + group_nodes * together) / (single + together)


@formula("μ_c", DERIVED, Evidence.DEFINITION, (), "a component fails at a constant rate")
def mttf_from_fit(fit: Number) -> Number:
    r"""Mean time to failure of a component whose rate is given in FIT: failures in 10⁹ hours.

    .. math:: \mu_c = \frac{10^9\ \mathrm{h}}{F}

    Parameters
    ----------
    fit : failures in 10⁹ hours of one component, F [1/(10⁹ h)]

    Returns
    -------
    μ_c [s].

    Examples
    --------
    >>> mttf_from_fit(fit=5000.0) / 3600
    200000.0
    """
    return _BILLION_HOURS_S / fit


@formula("μ", DERIVED, Evidence.DERIVED, (), "exponential failures at a constant rate")
def mtbf_with_prior(
    prior_mtbf_s: Number, prior_failures: Number, seen_failures: Number, exposure_s: Number
) -> Number:
    r"""MTBF by a plan and by what was seen: the belief counts as a₀ failures in a₀μ₀ of time.

    .. math:: \mu = \frac{a_0 \mu_0 + T_F}{a_0 + n_F}

    Parameters
    ----------
    prior_mtbf_s : MTBF that is believed before any failure was seen, μ₀ [s]
    prior_failures : failures that this belief is worth, a₀
    seen_failures : failures seen so far, n_F
    exposure_s : time at risk in which they were seen, T_F [s]; time without a failure counts

    Notes
    -----
    The failure rate has the prior Gamma(a₀)/(a₀μ₀); what was seen makes it Gamma(a₀ + n_F)/(a₀μ₀ + T_F), whose mean
    is 1/μ. To first order the overhead C/τ + λτ/2 is linear in the rate λ, so the interval for this μ has the least
    expected overhead over all that the rate may be.

    Examples
    --------
    >>> mtbf_with_prior(prior_mtbf_s=100800.0, prior_failures=0.5, seen_failures=0, exposure_s=0)
    100800.0
    >>> mtbf_with_prior(prior_mtbf_s=100800.0, prior_failures=0.5, seen_failures=4, exposure_s=12000.0)
    13866.66...
    """
    return (prior_failures * prior_mtbf_s + exposure_s) / (prior_failures + seen_failures)
