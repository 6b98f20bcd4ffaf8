"""Spare nodes against waiting for a repair."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, ERLANG_1917, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = ["erlang_1917_loss", "nodes_in_repair", "waiting_for_several", "waiting_overhead"]


@formula("ρ_r", DERIVED, Evidence.DEFINITION, (), "Little's law: failures a second times the mean repair")
def nodes_in_repair(nodes: Number, node_mtbf_s: Number, repair_s: Number) -> Number:
    r"""Nodes that are being repaired, on average, while the job never waits.

    .. math:: \rho_r = \frac{n\, t_r}{\mu_n}

    Parameters
    ----------
    nodes : nodes of the job, n
    node_mtbf_s : mean time between failures of one node, μₙ [s]
    repair_s : mean time until a failed node can be used again, t_r [s]

    Examples
    --------
    >>> nodes_in_repair(nodes=1000, node_mtbf_s=1000 * 86400.0, repair_s=2 * 86400.0)
    2.0
    """
    return nodes * repair_s / node_mtbf_s


@formula(
    "P_E",
    ERLANG_1917,
    Evidence.MEMORY,
    (),
    "failures at a constant rate while the job runs and none while it waits or in idle spares; a repair of its own "
    "for each node, of any law",
)
def erlang_1917_loss(spares: Number, in_repair: Number) -> Number:
    r"""Erlang's loss formula: how often a failure finds no spare node.

    .. math:: P_E(n_s, \rho_r) = \frac{\rho_r^{n_s} / n_s!}{\sum_{i=0}^{n_s} \rho_r^i / i!}
              = \frac{\rho_r^{n_s} e^{-\rho_r}}{\Gamma(n_s + 1, \rho_r)}

    Parameters
    ----------
    spares : spare nodes, nₛ
    in_repair : nodes in repair on average, ρ_r (:func:`nodes_in_repair`)

    Returns
    -------
    Share of the failures that find every spare in repair, so that the job waits for one; P_E(nₛ + 1, ρ_r) is the
    share of the time that it waits.

    Notes
    -----
    A machine-repair model: with nₛ spares the job waits when nₛ + 1 nodes are broken, and nothing fails while it
    waits. That is Erlang's system of nₛ + 1 lines in which a failure is a call and a repair a conversation; of the
    mean repair alone it depends, whatever its law (Sevastyanov 1957). Failures that come at random see P_E(nₛ, ρ_r)
    of those that are let in, and the time P_E(nₛ + 1, ρ_r).

    Examples
    --------
    >>> round(erlang_1917_loss(spares=5, in_repair=2.0), 4)
    0.0367
    >>> erlang_1917_loss(spares=0, in_repair=2.0)
    1.0
    """
    return namespace(spares, in_repair).erlang_loss(spares, in_repair)


@formula(
    "O/T",
    DERIVED,
    Evidence.DERIVED,
    (),
    "failures at a constant rate while the job does not wait, none while it does; repairs of any law; a long job",
)
def waiting_overhead(overhead: Number, spares: Number, in_repair: Number) -> Number:
    r"""Overhead of waiting for repaired nodes, beside that of a job that always finds a spare.

    .. math:: \frac{O_x}{T} = (1 + o)\, \frac{x}{1 - x}, \qquad x = P_E(n_s + 1, \rho_r)

    Parameters
    ----------
    overhead : overhead of the job without waiting, o
    spares : spare nodes, nₛ
    in_repair : nodes in repair on average while the job does not wait, ρ_r (:func:`nodes_in_repair`)

    Returns
    -------
    Time of waiting over useful time, O_x/T: x is the share of all time in which the job waits
    (:func:`erlang_1917_loss`).

    Examples
    --------
    >>> round(waiting_overhead(overhead=0.1, spares=0, in_repair=0.05), 4)  # 1.1 times 0.05
    0.055
    """
    waits = namespace(overhead, spares, in_repair).erlang_loss(spares + 1, in_repair)
    return waiting_for_several.raw(overhead, waits)


@formula("O/T", DERIVED, Evidence.DERIVED, (), "as the share of the time in which the job waits")
def waiting_for_several(overhead: Number, waits: Number) -> Number:
    r"""Overhead of waiting for repaired nodes where one failure may break several of them.

    .. math:: \frac{O_x}{T} = (1 + o)\, \frac{x_w}{1 - x_w}

    Parameters
    ----------
    overhead : overhead of the job without waiting, o
    waits : share of all time in which the job waits, x_w (``cprmodel.costing.waiting``)

    Examples
    --------
    >>> round(waiting_for_several(overhead=0.1, waits=0.05), 4)
    0.0579
    """
    return (1 + overhead) * waits / (1 - waits)
