"""What a save costs where it is not one blocking copy of everything: first-order and published forms.

:mod:`cprmodel.costing.storage` has the exact ones, of all of it together.
"""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import (
    AUPY_2013,
    BENOIT_2017,
    CHECK_N_RUN_2022,
    DERIVED,
    HERAULT_2018,
    WARNINGS,
    Evidence,
)
from cprmodel.facts.special import Number, namespace

__all__ = [
    "aupy_2013_interval",
    "benoit_2017_overhead",
    "herault_2018_interval",
    "quantised_share",
    "touched_share",
    "two_level_interval",
    "two_level_saves",
    "warned_interval",
    "warned_overhead",
]


@formula("τ", AUPY_2013, Evidence.MEMORY, (), "first order; the save drains while training goes on at speed ω")
def aupy_2013_interval(
    drain_s: Number, mtbf_s: Number, overlap: Number, load_s: Number = 0, reschedule_s: Number = 0
) -> Number:
    r"""The interval of a save that drains while training goes on, more slowly.

    .. math:: \tau = \max\left(\sqrt{2 (1 - \omega) C_d (\mu - (D + L + \omega C_d))},\, C_d\right)
              - (1 - \omega) C_d

    Parameters
    ----------
    drain_s : time a save drains, C_d [s]
    mtbf_s : mean time between failures of the job, μ [s]
    overlap : share of the compute that goes on meanwhile, ω
    load_s, reschedule_s : L and D [s]

    Returns
    -------
    Useful work between two saves, τ [s]: the period, less the work that the drain keeps from being done. No shorter
    than what is done while a save drains.

    Notes
    -----
    Of a save of 5 min with L = 5 min and D = 1 min it loses up to 2e-5 of efficiency against the exact optimum at
    μ = 24 h, 1.5e-4 at 6 h, 4e-3 at 1 h (tests/costing/test_steady.py).

    Examples
    --------
    >>> round(aupy_2013_interval(drain_s=300, mtbf_s=86400, overlap=0.0) / 60, 1)  # a blocking save
    115.0
    """
    xp = namespace(drain_s, mtbf_s, overlap, load_s, reschedule_s)
    blocked = (1 - overlap) * drain_s
    room = xp.maximum(mtbf_s - (reschedule_s + load_s + overlap * drain_s), 0)
    return xp.maximum(xp.sqrt(2 * blocked * room), drain_s) - blocked


@formula("O/T", BENOIT_2017, Evidence.SECOND_HAND, (), "first order in 1/μ; loads and stops left out")
def benoit_2017_overhead(save_s: Number, high_save_s: Number, mtbf_s: Number, survives: Number) -> Number:
    r"""Least overhead of two levels of saves.

    .. math:: \frac{O}{T} = \sqrt{2 \lambda_1 C} + \sqrt{2 \lambda_2 C_2},
              \qquad \lambda_1 = \frac{p_{\mathrm{ok}}}{\mu},\quad \lambda_2 = \frac{1 - p_{\mathrm{ok}}}{\mu}

    Parameters
    ----------
    save_s : time that a save of the low level blocks training, C [s]
    high_save_s : the same of the high level, C₂ [s]
    mtbf_s : mean time between failures of the job, μ [s]
    survives : share of the failures after which the low level can be read, p_ok

    Examples
    --------
    >>> round(benoit_2017_overhead(9.0, 438.0, 1 / 8.299e-6, 7.78 / 8.299), 4)  # atlas of Moody et al. 2010
    0.0332
    """
    xp = namespace(save_s, high_save_s, mtbf_s, survives)
    return xp.sqrt(2 * survives * save_s / mtbf_s) + xp.sqrt(2 * (1 - survives) * high_save_s / mtbf_s)


@formula(
    "n₂", DERIVED, Evidence.DERIVED, (), "first order in 1/μ; a save of the high level takes the n₂-th's place"
)
def two_level_saves(save_s: Number, high_save_s: Number, survives: Number) -> Number:
    r"""How many saves of the low level to one of the high level.

    .. math:: n_2 = \sqrt{\frac{\lambda_1 C_2}{\lambda_2 C}}
              = \sqrt{\frac{p_{\mathrm{ok}}\,C_2}{(1 - p_{\mathrm{ok}})\,C}}

    Parameters
    ----------
    save_s, high_save_s : C and C₂ [s]
    survives : share of the failures after which the low level can be read, p_ok

    Examples
    --------
    >>> round(two_level_saves(9.0, 438.0, 7.78 / 8.299), 1)  # atlas: 27 by the exact chain
    27.0
    """
    xp = namespace(save_s, high_save_s, survives)
    return xp.sqrt(survives * high_save_s / ((1 - survives) * save_s))


@formula("τ", DERIVED, Evidence.DERIVED, (), "first order in 1/μ, at the optimal number of saves")
def two_level_interval(save_s: Number, high_save_s: Number, mtbf_s: Number, survives: Number) -> Number:
    r"""Useful work between two saves of any level, where the number of saves to one of the high level is optimal.

    .. math:: \tau = \frac{1}{n_2} \sqrt{\frac{2 (n_2 C + C_2)}{\lambda_1/n_2 + \lambda_2}}

    Parameters
    ----------
    save_s, high_save_s : C and C₂ [s]
    mtbf_s : mean time between failures of the job, μ [s]
    survives : share of the failures after which the low level can be read, p_ok

    Notes
    -----
    With n₂, λ₁ and λ₂ of :func:`two_level_saves` it is Young's interval of the low level and its failures alone,
    √(2Cμ/p_ok).

    Examples
    --------
    >>> round(two_level_interval(9.0, 438.0, 1 / 8.299e-6, 7.78 / 8.299))  # atlas: 1492 by the exact chain
    1521
    """
    xp = namespace(save_s, high_save_s, mtbf_s, survives)
    n = xp.sqrt(survives * high_save_s / ((1 - survives) * save_s))
    return xp.sqrt(2 * (n * save_s + high_save_s) / (survives / n + 1 - survives) * mtbf_s) / n


@formula("τ", HERAULT_2018, Evidence.PUBLISHED_FIGURES, (), "first order; jobs write one after the other")
def herault_2018_interval(
    save_s: Number, node_mtbf_s: Number, nodes: Number, machine_nodes: Number, multiplier: Number
) -> Number:
    r"""The interval of a job that shares the bandwidth to storage with others.

    .. math:: \tau = \sqrt{\frac{2 \mu_n n_M (n/n_M + \Lambda_B)\, C}{n^2}}

    Parameters
    ----------
    save_s : time that its save takes at the full bandwidth, C [s]
    node_mtbf_s : mean time between failures of one node, μₙ [s]
    nodes : its nodes, n
    machine_nodes : nodes of the machine, n_M
    multiplier : Λ_B, 0 where the bandwidth suffices; else such that all jobs together write all the time

    Notes
    -----
    Source: Herault, Robert, Bouteiller, Arnold, Ferreira, Bosilca, Dongarra, INRIA RR-9109, eqs 6-8; with Λ_B from
    Σ Cᵢ/τᵢ = 1 over all jobs it is what SLSQP finds (tests/costing/test_steady.py). At Λ_B = 0 it is Young's
    interval.

    Examples
    --------
    >>> from cprmodel.formulas import young_1974
    >>> bool(abs(herault_2018_interval(300.0, 8.64e8, 1e4, 5e4, 0.0) - young_1974(300.0, 8.64e4)) < 1e-9)
    True
    """
    xp = namespace(save_s, node_mtbf_s, nodes, machine_nodes, multiplier)
    return xp.sqrt(2 * node_mtbf_s * machine_nodes * (nodes / machine_nodes + multiplier) * save_s / nodes**2)


@formula("τ", WARNINGS, Evidence.MEMORY, (), "first order in 1/μ; announced failures lose no work")
def warned_interval(save_s: Number, mtbf_s: Number, recall: Number) -> Number:
    r"""The interval where a share of the failures is announced in time for a save.

    .. math:: \tau = \sqrt{\frac{2 C \mu}{1 - r_p}}

    Parameters
    ----------
    save_s : time a planned save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    recall : share of the failures that are announced, rₚ

    Returns
    -------
    Useful work between two planned saves [s]; infinite where every failure is announced.

    Examples
    --------
    >>> warned_interval(save_s=300, mtbf_s=86400, recall=0.75) / 60
    240.0
    """
    xp = namespace(save_s, mtbf_s, recall)
    return xp.sqrt(2 * save_s * mtbf_s / (1 - recall))


@formula("O/T", WARNINGS, Evidence.MEMORY, (), "first order in 1/μ; announced failures lose no work")
def warned_overhead(
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    recall: Number,
    precision: Number,
    warned_save_s: Number,
    load_s: Number = 0,
    reschedule_s: Number = 0,
) -> Number:
    r"""Overhead of full recovery where a share of the failures is announced in time for a save.

    .. math:: \frac{C}{\tau} + \frac{(1 - r_p)\tau/2 + D + L + (r_p/p_p)\,C_p}{\mu}

    Parameters
    ----------
    interval_s : useful work between two planned saves, τ [s]
    save_s : a planned save, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    recall, precision : rₚ and pₚ: announced failures over failures, announced failures over announcements
    warned_save_s : a save on a warning, C_p [s]
    load_s, reschedule_s : L and D [s]

    Notes
    -----
    Where announcements are frequent it can be tens of percent off: saves on a warning begin the interval anew, and
    planned ones become rarer (tests/costing/test_steady.py). The exact cost is :class:`~cprmodel.SteadyState`'s.

    Examples
    --------
    >>> round(warned_overhead(14400.0, 300.0, 86400.0, 0.75, 0.9, 60.0), 4)
    0.0422
    """
    return (
        save_s / interval_s
        + ((1 - recall) * interval_s / 2 + reschedule_s + load_s + recall / precision * warned_save_s) / mtbf_s
    )


@formula("share", CHECK_N_RUN_2022, Evidence.DEFINITION, (), "rows of 32-bit numbers")
def quantised_share(bits: Number, embedding_dim: Number) -> Number:
    r"""Bytes of a quantised row over those of the row: its numbers, and two 32-bit ones for scale and offset.

    .. math:: \frac{b_q}{32} + \frac{2}{d}

    Parameters
    ----------
    bits : bits of a quantised number, b_q
    embedding_dim : numbers in a row, d

    Examples
    --------
    >>> quantised_share(bits=4, embedding_dim=64)
    0.15625
    """
    return bits / 32 + 2 / embedding_dim


@formula("share", DERIVED, Evidence.DERIVED, (), "the row is accessed at random, at a constant rate")
def touched_share(updates_per_s: Number, interval_s: Number) -> Number:
    r"""Probability that a row is touched within an interval; their mean is the share that is written.

    .. math:: 1 - e^{-\lambda_i \tau}

    Parameters
    ----------
    updates_per_s : updates of the row a second of useful work, λᵢ [1/s]
    interval_s : useful work since the last save, τ [s]

    Examples
    --------
    >>> round(touched_share(updates_per_s=0.01, interval_s=60.0), 4)
    0.4512
    """
    xp = namespace(updates_per_s, interval_s)
    return -xp.expm1(-updates_per_s * interval_s)
