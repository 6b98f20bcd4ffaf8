r"""What failures take of the experts that the last save did not hold, where saves rotate.

Saves are numbered as they are completed, and hold K of Nₑ experts in turn. Between two of them no failure comes
with probability q = e^(−(τ + C)/μ), whatever came before. When one does, everybody goes back to the last save: an
expert that was saved i saves before it loses what it learned in the i intervals between, less what an earlier
failure has taken already. So an interval of work that a save follows is lost for an expert whose next turn comes i
saves later where a failure strikes between those saves, 1 − q^i.
"""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = ["rotating_levels_pls", "rotating_loss", "rotating_pls"]

_STRUCK = "exponential failures, which strike saves and recoveries too; experts that learn alike"


@formula("ξ", DERIVED, Evidence.DERIVED, (), _STRUCK)
def rotating_loss(
    experts: Number, rotated: Number, turns: Number, interval_s: Number, save_s: Number, mtbf_s: Number
) -> Number:
    r"""Share of an interval's updates of all experts that a failure between two saves takes, on average.

    .. math:: \xi = \frac{K}{N_e} \sum_{i=0}^{m_K-1} (1 - q^i)
              + \left(1 - \frac{m_K K}{N_e}\right)\left(1 - q^{m_K}\right), \qquad
              q = e^{-(\tau + C)/\mu}

    In the long run, where m_K is as often as K goes into Nₑ, it is the portion of lost updates; to first order
    (Nₑ/K − 1) τ/(2μ) where K divides Nₑ.

    Parameters
    ----------
    experts : experts (or shards) that saves rotate over, Nₑ
    rotated : how many of them a save holds, K
    turns : saves since a failure or the beginning, at most as often as K goes into Nₑ, m_K
    interval_s : useful work between two saves, τ [s]
    save_s : time that training loses to one of them, C [s]
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]

    Examples
    --------
    One of 16 experts every 32 s, a failure every 2,000 s, of which (Nₑ/K − 1) τ/(2μ) makes 0.12:

    >>> round(rotating_loss(experts=16, rotated=1, turns=16, interval_s=32.0, save_s=0.0, mtbf_s=2000.0), 4)
    0.1107
    """
    xp = namespace(experts, rotated, turns, interval_s, save_s, mtbf_s)
    x, share = (interval_s + save_s) / mtbf_s, rotated / experts
    below = x * (turns**2 * xp.phi2(-turns * x) - turns * xp.phi2(-x)) / xp.exprel(-x)  # the sum over 1 − q^a
    return share * below - (1 - share * turns) * xp.expm1(-turns * x)


@formula("PLS", DERIVED, Evidence.DERIVED, (), _STRUCK)
def rotating_pls(
    updates_lost: Number,
    last_updates_lost: Number,
    work_s: Number,
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    drain_s: Number = 0,
    overlap: Number = 0,
) -> Number:
    r"""Expected portion of lost updates of the experts (PLT of mixtures of experts) in a job of finite length.

    .. math:: \mathrm{PLS} = \frac{\tau}{T} \left( (m - 1)\, \xi_0 + \xi_m\, \frac{1 - e^{-x/\mu}}{1 - q} \right)

    for m saves, after the last of which x = τₘ − ωC_d of work is left, and q of :func:`rotating_loss`.

    Parameters
    ----------
    updates_lost : mean of :func:`rotating_loss` over the saves that another one follows, ξ₀; 0 where there are none
    last_updates_lost : :func:`rotating_loss` after the last save, ξₘ; 0 where there is none
    work_s : useful training time, T [s]
    interval_s : useful work between two saves, τ [s]
    save_s : time that training loses to one of them, C [s]
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    drain_s : of which it drains in the background, so long, C_d [s] ...
    overlap : ... while this share of the compute goes on, ω

    Notes
    -----
    The job begins with everything saved. Derived here; simulated event by event in tests/costing/test_rotating.py.

    Examples
    --------
    >>> given = {"interval_s": 32.0, "save_s": 0.846, "mtbf_s": 2000.0}
    >>> x = rotating_loss(experts=16, rotated=1, turns=16, **given)
    >>> round(rotating_pls(updates_lost=x, last_updates_lost=x, work_s=1e6, **given), 3)
    0.113
    """
    xp = namespace(updates_lost, last_updates_lost, work_s, interval_s, save_s, mtbf_s, drain_s, overlap)
    saves = xp.intervals(work_s, interval_s) - 1
    rest = xp.maximum(work_s - saves * interval_s - overlap * drain_s, 0)
    struck = xp.expm1(-rest / mtbf_s) / xp.expm1(-(interval_s + save_s) / mtbf_s)
    return interval_s / work_s * ((saves - 1) * updates_lost + last_updates_lost * struck)


@formula(
    "PLS",
    DERIVED,
    Evidence.DERIVED,
    (),
    "first order in 1/μ, in a long job; exact sums are minimised (docs/models/rotating.md), of copies of which the "
    "last level's may be the newer ones",
)
def rotating_levels_pls(
    experts: Number,
    rotated: Number,
    rotated_last: Number,
    last_every: Number,
    interval_s: Number,
    mtbf_s: Number,
    survives: Number,
) -> Number:
    r"""Portion of lost updates where saves rotate at two levels, to first order.

    .. math:: \mathrm{PLS} \approx \frac{\tau}{2\mu} \left( p_{\mathrm{ok}} \Big(\frac{N_e}{K} - 1\Big)
              + (1 - p_{\mathrm{ok}})\, n_l \Big(\frac{N_e}{K_2} - 1\Big) \right)

    A failure that leaves the first level readable takes what an expert has learned since its turn there, another
    one what it had learned since its turn at the last level when the last save was made there.

    Parameters
    ----------
    experts : experts (or shards) that saves rotate over, Nₑ
    rotated : how many of them a save holds at the first level, K
    rotated_last : and how many at the last level, K₂
    last_every : saves to one of the last level, nₗ
    interval_s : useful work between two saves, τ [s]
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    survives : share of the failures after which the first level can be read, p_ok

    Examples
    --------
    4 of 16 experts in memory and 1 in storage at each save, every 32 s, a failure every 2,000 s, four fifths of
    which leave the memory; exactly 0.0402:

    >>> given = {"experts": 16, "rotated": 4, "rotated_last": 1, "interval_s": 32.0, "mtbf_s": 2000.0}
    >>> round(rotating_levels_pls(**given, last_every=1, survives=0.8), 4)
    0.0432
    """
    first = survives * (experts / rotated - 1)
    last = (1 - survives) * last_every * (experts / rotated_last - 1)
    return interval_s / (2 * mtbf_s) * (first + last)
