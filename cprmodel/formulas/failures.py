"""From nodes to the job: how often the whole is interrupted."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, KOKOLIS_2025, Evidence
from cprmodel.facts.special import Number

__all__ = ["mtbf_from_node_days", "mtbf_from_nodes"]

_SECONDS_PER_1000_NODE_DAYS = 1000 * 86400


@formula("μ", DERIVED, Evidence.DEFINITION, (), "nodes fail independently, and any one interrupts the job")
def mtbf_from_nodes(node_mtbf_s: Number, nodes: Number) -> Number:
    """MTBF of a job from its nodes': rates add, μ = μₙ/n [s].

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
    """MTBF of a job from a failure rate per 1,000 node-days, μ = 1000 days/(n·r) [s].

    Parameters
    ----------
    nodes : nodes of the job, n
    per_1000_node_days : failures per 1,000 node-days, r

    Examples
    --------
    >>> round(mtbf_from_node_days(nodes=128, per_1000_node_days=6.5) / 3600, 2)
    28.85
    """
    return _SECONDS_PER_1000_NODE_DAYS / (nodes * per_1000_node_days)
