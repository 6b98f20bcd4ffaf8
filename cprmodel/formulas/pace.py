"""Training at less than full speed: stragglers, and fewer nodes while others are repaired."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = ["elastic_overhead", "reshape_loss", "straggling_overhead", "straggling_pace"]


@formula("ψ", DERIVED, Evidence.DEFINITION, (), "spells come whatever the job does")
def straggling_pace(slow_share: Number, slow_rate: Number) -> Number:
    r"""Speed of training with stragglers, on average over time.

    .. math:: \psi = 1 - \zeta (1 - \psi_\zeta)

    Parameters
    ----------
    slow_share : share of the time in which the job trains slower, ζ
    slow_rate : at this rate of its speed then, ψ_ζ

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

    .. math:: \frac{O}{T} = \frac{1 + o + y\, o_C}{\psi} - 1, \qquad
              y = \frac{\zeta (1 - \zeta)(1 - \psi_\zeta)^2}{\psi^2}\, \frac{1 - e^{-x}}{x}, \qquad
              x = \frac{C}{t_\zeta (1 - \zeta)}

    with ψ of :func:`straggling_pace`.

    Parameters
    ----------
    overhead : O/T of a job that needs T/ψ and saves after τ/ψ, o
    save_overhead : the part of it that saves are, o_C
    slow_share : share of the time in which the job trains slower, ζ
    slow_rate : at this rate of its speed then, ψ_ζ
    spell_s : how long such a spell lasts on average, t_ζ [s]
    save_s : time a save blocks training, C [s]

    Returns
    -------
    Overhead over the useful time at full speed.

    Notes
    -----
    A save after so much work begins where work is done, so it finds the job at full speed more often than time
    does: the speed that it stops is E[ψ²]/ψ on average, not ψ, at its beginning, and goes back to ψ as spells end,
    at the rate 1/(t_ζ(1 − ζ)). Who saves by the clock has y = 0. A failure strikes at any time, and what is lost is
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
    "Wₙ",
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

    .. math:: \begin{aligned} W_n &= x \left( D_n \psi' + (D_n + L) \psi \right)
              + \left( b_n x_L\, y_1 + (1 - b_n) \frac{x}{2} \right) C \psi \\
              &\quad - \left( b_n x_L (y_1 - y_2) + (1 - b_n) \frac{x}{6} \right) w \tau \frac{\tau_C - C}{2 \mu}
              - (\psi - \psi')\, t_b \left(1 - e^{-D_L/t_b}\right) \end{aligned}

    .. math:: x = e^{-D/t_b}, \quad x_L = e^{-D_L/t_b}, \quad y = \frac{\tau_C}{t_b}, \quad
              y_1 = \frac{\varphi_2(-y)}{\varphi_1(-y)}, \quad y_2 = \frac{2 \varphi_3(-y)}{\varphi_1(-y)}

    Parameters
    ----------
    pace : useful work in a second before, ψ: the speed over 1 + o, where o is the overhead there
    fewer_pace : the same on the nodes that are left, ψ'
    reshape_s : time to shrink or to grow, Dₙ [s]
    return_s : mean time until a node is back, t_b [s]
    interval_s : useful work between two saves, τ [s]
    cycle_s : time from save to save on the nodes that are left, the save included, τ_C [s]
    save_s : time of the save before it grows, C [s]
    load_s : time to load when it grows, L [s]
    reschedule_s : time after a failure until it goes on with the nodes that there are, D [s]
    recovery_s : the whole stop after a failure, D_L [s]
    mtbf_s : mean time between failures on the nodes that are left, μ [s]
    whole_job_share : share of failures that send everybody back, w: 1 under full recovery
    rolled_back : 1 where the failure does so, 0 where it does not, bₙ

    Returns
    -------
    Work that is not done [s at full speed].

    Notes
    -----
    A node that is back before rescheduling ends spares both reshapes, hence x. It grows at a save: of the interval
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

    .. math:: \frac{O}{T} = \frac{1}{\Psi - \Psi_n} - 1, \qquad
              \Psi = \sum_i \pi_i \frac{\psi_i}{1 + o_i}, \quad \Psi_n = \sum_i z_i W_{n,i}

    Parameters
    ----------
    net_pace : useful work in a second, Ψ, over the numbers of broken nodes i: their share of the time πᵢ, times the
        speed ψᵢ then over 1 + oᵢ, where oᵢ is the overhead of a job that has no more; nothing where it waits
    reshaping : work that reshapes take of a second, Ψₙ: how often it shrinks then, zᵢ [1/s], times what
        that costs, Wₙ,ᵢ (:func:`reshape_loss`)

    Examples
    --------
    >>> round(elastic_overhead(net_pace=0.95, reshaping=0.01), 4)
    0.0638
    """
    return 1 / (net_pace - reshaping) - 1
