"""Training at less than full speed: stragglers, and fewer nodes while others are repaired."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = ["elastic_overhead", "reshape_loss", "straggling_overhead", "straggling_pace"]


@formula("v", DERIVED, Evidence.DEFINITION, (), "spells come whatever the job does")
def straggling_pace(slow_share: Number, slow_rate: Number) -> Number:
    r"""Speed of training with stragglers, on average over time.

    .. math:: v = 1 - \sigma (1 - r)

    Parameters
    ----------
    slow_share : share of the time in which the job trains slower, σ
    slow_rate : at this rate of its speed then, r

    Examples
    --------
    >>> round(straggling_pace(slow_share=0.02, slow_rate=0.7), 3)
    0.994
    """
    return 1 - slow_share * (1 - slow_rate)


@formula(
    "O/T",
    DERIVED,
    Evidence.DERIVED,
    (),
    "saves after so much work, in saves and recoveries no slower; exponential spells, much shorter than the job",
)
def straggling_overhead(
    overhead: Number, save_overhead: Number, slow_share: Number, slow_rate: Number, spell_s: Number, save_s: Number
) -> Number:
    r"""Overhead of a job with stragglers, from that of one that is slower all the time.

    .. math:: \frac{O}{T} = \frac{1 + o + \epsilon\, o_C}{v} - 1, \qquad
              \epsilon = \frac{\sigma (1 - \sigma)(1 - r)^2}{v^2}\, \frac{1 - e^{-x}}{x}, \qquad
              x = \frac{C}{\ell (1 - \sigma)}

    Parameters
    ----------
    overhead : O/T of a job that needs T/v and saves after τ/v, o
    save_overhead : the part of it that saves are, o_C
    slow_share : share of the time in which the job trains slower, σ
    slow_rate : at this rate of its speed then, r
    spell_s : how long such a spell lasts on average, ℓ [s]
    save_s : time a save blocks training, C [s]

    Returns
    -------
    Overhead over the useful time at full speed.

    Notes
    -----
    A save after so much work begins where work is done, so it finds the job at full speed more often than time
    does: the speed that it stops is E[s²]/v on average, not v, at its beginning, and goes back to v as spells end,
    at the rate 1/(ℓ(1 − σ)). Who saves by the clock has ε = 0. A failure strikes at any time, and what is lost is
    work, so recoveries and lost work know no such difference.

    Examples
    --------
    >>> round(straggling_overhead(0.05, 0.02, slow_share=0.02, slow_rate=0.7, spell_s=7200.0, save_s=60.0), 5)
    0.05637
    """
    xp = namespace(overhead, save_overhead, slow_share, slow_rate, spell_s, save_s)
    pace = 1 - slow_share * (1 - slow_rate)
    lasting = xp.exprel(-save_s / (spell_s * (1 - slow_share)))
    more = slow_share * (1 - slow_share) * (1 - slow_rate) ** 2 / pace**2 * lasting
    return (1 + overhead + more * save_overhead) / pace - 1


def cut_short(
    cycle_s: Number, return_s: Number, reschedule_s: Number, recovery_s: Number, rolled_back: Number
) -> tuple[Number, Number]:
    """What a save before growing does to an interval: the share left of it, and by how much less it is at risk.

    Both are means over all shrinks, the second a share of τ²/2.
    """
    xp = namespace(cycle_s, return_s, reschedule_s, recovery_s, rolled_back)
    z, back, later = rolled_back, xp.exp(-reschedule_s / return_s), xp.exp(-recovery_s / return_s)
    y = -cycle_s / return_s
    left, square = xp.phi2(y) / xp.exprel(y), 2 * xp.phi3(y) / xp.exprel(y)
    return z * later * left + (1 - z) * back / 2, z * later * (left - square) + (1 - z) * back / 6


@formula(
    "G",
    DERIVED,
    Evidence.DERIVED,
    (),
    "exponential repairs, longer than recoveries and saves; first order in what happens during a reshape",
)
def reshape_loss(
    pace: Number,
    fewer_pace: Number,
    reshape_s: Number,
    return_s: Number,
    interval_s: Number,
    cycle_s: Number,
    save_s: Number,
    load_s: Number,
    reschedule_s: Number,
    recovery_s: Number,
    mtbf_s: Number,
    whole_job_share: Number = 1,
    rolled_back: Number = 1,
) -> Number:
    r"""What it costs to shrink at a failure and to grow again when a node is back, beside the failure itself.

    .. math:: G = p \left( A s' + (A + L) s \right) + \left( z\, p_R\, y_1 + (1 - z) \frac{p}{2} \right) C s
              - \left( z\, p_R (y_1 - y_2) + (1 - z) \frac{p}{6} \right) w \tau \frac{P - C}{2 \mu'}
              - (s - s')\, b \left(1 - e^{-R/b}\right)

    .. math:: p = e^{-D/b}, \quad p_R = e^{-R/b}, \quad y = \frac{P}{b}, \quad
              y_1 = \frac{\varphi_2(-y)}{\varphi_1(-y)}, \quad y_2 = \frac{2 \varphi_3(-y)}{\varphi_1(-y)}

    Parameters
    ----------
    pace : useful work in a second before, s: the speed over 1 + o, where o is the overhead there
    fewer_pace : the same on the nodes that are left, s'
    reshape_s : time to shrink or to grow, A [s]
    return_s : mean time until a node is back, b [s]
    interval_s : useful work between two saves, τ [s]
    cycle_s : time from save to save on the nodes that are left, the save included, P [s]
    save_s : time of the save before it grows, C [s]
    load_s : time to load when it grows, L [s]
    reschedule_s : time after a failure until it goes on with the nodes that there are, D [s]
    recovery_s : the whole stop after a failure, R [s]
    mtbf_s : mean time between failures on the nodes that are left, μ' [s]
    whole_job_share : share of failures that send everybody back, w: 1 under full recovery
    rolled_back : 1 where the failure does so, 0 where it does not, z

    Returns
    -------
    Work that is not done [s at full speed].

    Notes
    -----
    A node that is back before rescheduling ends spares both reshapes, hence p. It grows at a save: of the interval
    that this cuts short, a share is left, y₁ on average where the failure began the interval, and its square y₂ (½
    and ⅓ where it did not); so much of a save comes on top, and work is at risk for shorter. The last term: the
    stop itself falls into the time on fewer nodes, where time is worth less.

    Examples
    --------
    >>> round(reshape_loss(1.0, 0.75, 300.0, 86400.0, 3600.0, 4860.0, 60.0, 120.0, 300.0, 420.0, 1e6), 1)
    566.7
    """
    xp = namespace(pace, fewer_pace, reshape_s, return_s, cycle_s, save_s, load_s, reschedule_s, recovery_s, mtbf_s)
    left, sooner = cut_short(cycle_s, return_s, reschedule_s, recovery_s, rolled_back)
    at_risk = interval_s * (cycle_s - save_s) / (2 * mtbf_s)
    back = xp.exp(-reschedule_s / return_s)
    reshapes = back * (reshape_s * fewer_pace + (reshape_s + load_s) * pace)
    saves = left * save_s * pace
    spared = whole_job_share * sooner * at_risk
    stop = (pace - fewer_pace) * recovery_s * xp.exprel(-recovery_s / return_s)
    return reshapes + saves - spared - stop


@formula(
    "O/T",
    DERIVED,
    Evidence.DERIVED,
    (),
    "repairs longer than an interval of work; as many repairs at once as there are broken nodes; a long job",
)
def elastic_overhead(net_pace: Number, reshaping: Number) -> Number:
    r"""Overhead of a job that goes on with fewer nodes while others are repaired.

    .. math:: \frac{O}{T} = \frac{1}{\sum_r \pi_r \frac{s_r}{1 + o_r} - \sum_r f_r G_r} - 1

    Parameters
    ----------
    net_pace : useful work in a second, over the numbers of replicas r: their share of the time π_r, times their
        speed s_r over 1 + o_r, where o_r is the overhead of a job that has no more; nothing where it waits
    reshaping : work that reshapes take of a second: how often it shrinks from r, f_r [1/s], times what that costs,
        G_r (:func:`reshape_loss`)

    Examples
    --------
    >>> round(elastic_overhead(net_pace=0.95, reshaping=0.01), 4)
    0.0638
    """
    return 1 / (net_pace - reshaping) - 1
