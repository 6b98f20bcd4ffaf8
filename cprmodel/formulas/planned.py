"""Stops that are known beforehand: maintenance by the calendar."""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number

__all__ = ["calendar_stops_overhead", "chain_planned_overhead", "planned_overhead"]


@formula(
    "O/T",
    DERIVED,
    Evidence.DERIVED,
    (),
    "a save just before each stop, half of which comes in the place of a regular one; stops much rarer than saves",
)
def planned_overhead(
    work_s: Number, planned: Number, outage_s: Number, save_s: Number, load_s: Number, idle_s: Number = 0
) -> Breakdown:
    r"""Overhead of planned stops, beside that of saves and failures.

    .. math:: \frac{O}{T} = \frac{n_p}{T} \left( U + L + \frac{C}{2} + t_i \right)

    Parameters
    ----------
    work_s : useful training time, T [s]
    planned : planned stops that fall into the job, nₚ
    outage_s : how long one lasts, U [s]
    save_s : time of the save before it, C [s]: of a regular save half an interval is left, on average
    load_s : time to read a checkpoint back after it, L [s]
    idle_s : time before it in which no whole step fits, t_i [s]: half a step on average

    Returns
    -------
    Breakdown as fractions of the useful time; the stop itself is among ``reschedule``.

    Examples
    --------
    >>> planned_overhead(work_s=864000.0, planned=2, outage_s=14400.0, save_s=240.0, load_s=300.0).reschedule
    0.03333333333333333
    """
    each = planned / work_s
    return Breakdown(save=each * save_s / 2, load=each * load_s, lost=each * idle_s, reschedule=each * outage_s)


@formula(
    "O/T",
    DERIVED,
    Evidence.DERIVED,
    (),
    "a save just before each stop; failures, and when the job ends, as on average",
)
def calendar_stops_overhead(
    work_s: Number,
    planned: Number,
    outage_s: Number,
    save_s: Number,
    load_s: Number,
    more_saves: Number,
    more_lost_s: Number,
) -> Breakdown:
    r"""Overhead of planned stops by dates, or of several kinds, beside that of saves every τ and of failures.

    .. math:: \frac{O}{T} = \frac{n_p}{T} \left( U + L + c_p\, C + w_p \right)

    Parameters
    ----------
    work_s : useful training time, T [s]
    planned : planned stops that fall into the job, nₚ
    outage_s : how long one lasts on average, U [s]
    save_s : time of the save before it, C [s]
    load_s : time to read a checkpoint back after it, L [s]
    more_saves : saves that one adds to the regular ones on average, cₚ
    more_lost_s : time that is lost before one beyond what is charged without it, wₚ [s]

    Returns
    -------
    Breakdown as fractions of the useful time; the stop itself is among ``reschedule``; ``lost`` may be below 0.

    Notes
    -----
    Both are means over the times before the stops that a job meets; ``cprmodel.costing.rhythm`` counts the
    work that each keeps on average. A failure loses less than half an interval where less has been done; time in
    which no step or no save fits is lost, too. How many are met is a mean, too.

    Examples
    --------
    Three stops of two days, each with .6 of a save of 15 min more and five minutes less lost:

    >>> each = calendar_stops_overhead(work_s=2592000.0, planned=3, outage_s=172800.0, save_s=900.0, load_s=600.0,
    ...                                more_saves=0.6, more_lost_s=-300.0)
    >>> round(each.reschedule, 4), round(each.save, 6), round(each.lost, 6)
    (0.2, 0.000625, -0.000347)
    """
    each = planned / work_s
    return Breakdown(
        save=each * more_saves * save_s,
        load=each * load_s,
        lost=each * more_lost_s,
        reschedule=each * outage_s,
    )


@formula(
    "O/T",
    DERIVED,
    Evidence.DERIVED,
    (),
    "exponential failures; planned stops longer than the queue, in a chain of many jobs",
)
def chain_planned_overhead(
    work_s: Number,
    planned: Number,
    outage_s: Number,
    overhead: Number,
    save_s: Number,
    load_s: Number,
    requeue_s: Number = 0,
    unsaved_s: Number = 0,
    spared_starts: Number = 0.5,
    spared_limits: Number = 0.5,
    spared_queues: Number = 0.5,
    idle_s: Number = 0,
) -> Breakdown:
    r"""Overhead of planned stops in a chain of jobs with a time limit, beside that of the chain.

    .. math:: \frac{O}{T} = \frac{n_p}{T} \left( U + (1 + o)\, c \right)

    .. math:: c = (1 - s_f) \left( L + \frac{C}{2} \right) - s_q D_Q - s_l \tau_u + t_i

    Parameters
    ----------
    work_s : useful training time, T [s]
    planned : planned stops that fall into the job, nₚ
    outage_s : how long one lasts, U [s]
    overhead : O/T of the chain without them, o
    save_s : time of the save before it, C [s]: of a regular save half an interval is left, on average
    load_s : time to read a checkpoint back after it, L [s]
    requeue_s : time from a limit until the next job begins, D_Q [s]
    unsaved_s : work that is lost at a limit, τᵤ [s]: half an interval where nothing is saved before it
    spared_starts : fresh starts after a limit that one stop spares the chain, s_f
    spared_limits : limits that it spares, s_l
    spared_queues : queues that it spares, in their time, s_q
    idle_s : time before it in which no whole step fits, t_i [s]

    Returns
    -------
    Breakdown as fractions of the useful time; below 0 where a stop spares more than it takes.

    Notes
    -----
    A stop begins a clock anew. In a long chain limits are T_lim φ₁(x) + D_Q apart on average, with x failures in
    T_lim; in a time without stops fewer are reached after a fresh start, by half of one where nothing fails and the
    time is long, and by all where it is shorter than a limit. A stop that comes in the queue takes the place of the
    rest of it. ``cprmodel.costing.chain_stops`` counts them. Work that a load or a save displaces takes 1 + o of
    the time.

    Examples
    --------
    >>> chain = {"requeue_s": 1500.0, "spared_starts": 0.5, "spared_limits": 0.48, "spared_queues": 0.49}
    >>> each = chain_planned_overhead(864000.0, 2, 14400.0, 0.04, 40.0, 300.0, **chain)
    >>> round(each.reschedule * 864000.0 / 2)
    13636
    """
    each = planned / work_s
    working = each * (1 + overhead)
    return Breakdown(
        save=working * (1 - spared_starts) * save_s / 2,
        load=working * (1 - spared_starts) * load_s,
        lost=working * (idle_s - spared_limits * unsaved_s),
        reschedule=each * outage_s - working * spared_queues * requeue_s,
    )
