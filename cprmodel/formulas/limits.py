r"""Jobs that end at a time limit and are queued again: chains of them, under exponential failures.

Semantics (the simulator plays the same)
    A job of the chain begins by loading the last save; its clock starts then. It works, with a save after every τ.
    With a save before the limit it stops so that this save ends at the limit T_lim, and no regular save is begun
    that would end later than that one must begin; nothing is lost. Without, it is ended without notice at a moment
    as likely anywhere in half an interval around T_lim, work and save together, for where in the cycle of saves a
    limit falls is not known to anybody; all returns to the last save. The next job begins when it was queued for
    D_Q. A failure that sends everybody back ends the job, too: after D the next one begins, with a clock of its
    own. Failures that a part repairs (partial recovery) stop the job, while its clock goes on.

Results are :class:`~cprmodel.facts.results.Breakdown`, as fractions of the useful time, of a chain of many jobs.
The waits in the queue are among ``reschedule``, the loads that follow them among ``load``.
"""

from __future__ import annotations

from typing import NamedTuple

from cprmodel.facts.formula import formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace
from cprmodel.formulas.stops import NEVER, pace_of, until_complete

__all__ = ["Chain", "chain_of", "limit_reach", "saves_of", "time_limited_overhead", "unannounced_limit_overhead"]

_ASSUMES = (
    "exponential failures; a chain of many jobs; exact for full recovery, of partial recovery with stops that take "
    "their mean of the clock"
)


class Chain(NamedTuple):
    """What a job of the chain is subject to. Activity is all time but the stops that a part repairs."""

    rate: Number  # failures per second of activity, 1/μ
    back: Number  # of which roll-backs of everybody, ρ
    save: Number  # activity of a save until it is complete, those made void by stops included, C'
    stretch: Number  # seconds of the clock per second of activity, g
    stop_load: Number  # loads of those stops, per second of activity
    stop_reschedule: Number
    restart: Number  # after a roll-back, until the next job begins


def chain_of(
    save_s: Number,
    mtbf_s: Number,
    reschedule_s: Number = 0,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 1,
    trainer_reschedule_s: Number = 0,
) -> Chain:
    """From what the formulas of chains are given."""
    others = (partial_load_s, partial_reschedule_s, shard_share, trainer_share)
    xp = namespace(save_s, mtbf_s, reschedule_s, *others, whole_job_share, trainer_reschedule_s)
    some = xp.maximum(whole_job_share, NEVER)
    pace = pace_of(save_s, mtbf_s, *others, some, trainer_reschedule_s, 0, reschedule_s)
    b, rate = pace.rolled_back, pace.stop_rate
    return Chain(
        rate=rate,
        back=rate * b,
        save=until_complete(pace, pace.voids),
        stretch=1 + rate * (pace.stop_load + pace.stop_reschedule),
        stop_load=rate * pace.stop_load,
        stop_reschedule=rate * pace.stop_reschedule,
        restart=pace.back_reschedule,
    )


def saves_of(
    chain: Chain, interval_s: Number, last_s: Number, saves: Number, save_s: Number, load_s: Number
) -> tuple[Number, Number]:
    """Regular saves that are complete before everybody must go back, and the probability that the last one is."""
    xp = namespace(interval_s, last_s, saves, *chain)
    rho, cycle = chain.back, interval_s + chain.save
    before = load_s + saves * cycle + last_s
    # no stop is under way when the last save is due, and no failure strikes it: there is no time for another
    saved = xp.exp(-rho * before - chain.rate * save_s) / chain.stretch
    complete = xp.exp(-rho * (load_s + cycle)) * saves * xp.exprel(-rho * saves * cycle) / xp.exprel(-rho * cycle)
    return complete, saved


def _overhead(
    chain: Chain,
    number: Number,
    work: Number,
    activity: Number,
    ends: Number,
    save: Number,
    load: Number,
    requeue: Number,
) -> Breakdown:
    """From what a job of the chain comes to on average; ``number``: complete saves."""
    xp = namespace(work, activity, ends)
    loads = load * xp.exprel(-chain.back * load) + chain.stop_load * activity
    waits = chain.stop_reschedule * activity + (1 - ends) * chain.restart + ends * requeue
    total = activity * chain.stretch + (1 - ends) * chain.restart + ends * requeue
    return Breakdown(
        save=number * save / work,
        load=loads / work,
        lost=(total - work - number * save - loads - waits) / work,
        reschedule=waits / work,
    )


def limit_reach(
    limit_s: Number,
    save_s: Number,
    mtbf_s: Number,
    load_s: Number = 0,
    reschedule_s: Number = 0,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 1,
    trainer_reschedule_s: Number = 0,
) -> tuple[Number, Number]:
    r"""What of a time limit is left for work and saves, and what a save takes of it.

    .. math:: x = \frac{T_{\mathrm{lim}}}{z} - L, \qquad
              C_b = \frac{\mu}{b} \log\left(1 + b\left(e^{C/\mu} - 1\right)\right)

    with z − 1 the expected stop of a second's failures that a part repairs, and b the probability that a failure
    ends in a roll-back of everybody.

    Returns
    -------
    x and C_b [s].

    Examples
    --------
    >>> reach, save = limit_reach(limit_s=72000.0, save_s=40.0, mtbf_s=604800.0, load_s=300.0)
    >>> float(reach), round(float(save), 9)
    (71700.0, 40.0)
    """
    chain = chain_of(
        save_s,
        mtbf_s,
        reschedule_s,
        partial_load_s,
        partial_reschedule_s,
        shard_share,
        trainer_share,
        whole_job_share,
        trainer_reschedule_s,
    )
    return limit_s / chain.stretch - load_s, chain.save


@formula("O/T", DERIVED, Evidence.DERIVED, (), _ASSUMES)
def time_limited_overhead(
    interval_s: Number,
    last_s: Number,
    saves: Number,
    save_s: Number,
    mtbf_s: Number,
    load_s: Number = 0,
    reschedule_s: Number = 0,
    requeue_s: Number = 0,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 1,
    trainer_reschedule_s: Number = 0,
) -> Breakdown:
    r"""Overhead of a chain of jobs that each make a last save just before their time limit.

    A job makes m saves after τ of work each and a last one after τ_lim. For full recovery, λ = 1/μ,
    x = L + m(τ + C) + τ_lim + C the time until that is complete and q = e^(−λ(τ + C)),

    .. math:: 1 + \frac{O}{T} = \frac{\left(1 - e^{-\lambda x}\right) \mu\, e^{\lambda D} + e^{-\lambda x} D_Q}
              {\tau e^{-\lambda L} q \dfrac{1 - q^m}{1 - q} + \tau_{\mathrm{lim}}\, e^{-\lambda x}}

    the mean length of a job with the wait after it, over the work that it keeps. Under partial recovery
    λ becomes b/μ, C of the regular saves becomes C_b and a job's time z times as long (``limit_reach``); the
    last save comes off with probability :math:`e^{-C(1 - b)/\mu}/z`, for there is no time for another.

    Parameters
    ----------
    interval_s : useful work before each of the regular saves, τ [s]
    last_s : useful work before the last save, τ_lim [s]: what the limit leaves
    saves : regular saves in a job that no failure ends, m
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    load_s : time to read a checkpoint back, L [s]
    reschedule_s : from a failure until the next job begins, D [s]
    requeue_s : from the limit until the next job begins, D_Q [s], free of failures
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share, whole_job_share : shares of failures; by default all send everybody back
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Examples
    --------
    A limit of 20 h, 25 min in the queue, a failure a week (played out in tests/costing/test_limited.py):

    >>> parts = time_limited_overhead(interval_s=6930.0, last_s=1960.0, saves=10, save_s=40.0, mtbf_s=604800.0,
    ...                               load_s=300.0, reschedule_s=1500.0, requeue_s=1500.0)
    >>> round(100 * parts.total, 2)
    3.88
    """
    chain = chain_of(
        save_s,
        mtbf_s,
        reschedule_s,
        partial_load_s,
        partial_reschedule_s,
        shard_share,
        trainer_share,
        whole_job_share,
        trainer_reschedule_s,
    )
    xp = namespace(interval_s, last_s, saves, *chain)
    rho, whole = chain.back, load_s + saves * (interval_s + chain.save) + last_s + save_s
    ends = xp.exp(-rho * whole)
    complete, saved = saves_of(chain, interval_s, last_s, saves, save_s, load_s)
    activity = whole * xp.exprel(-rho * whole)
    work = interval_s * complete + last_s * saved
    number = complete + saved
    return _overhead(chain, number, work, activity, ends, save_s, load_s, requeue_s)


@formula("O/T", DERIVED, Evidence.DERIVED, (), _ASSUMES)
def unannounced_limit_overhead(
    interval_s: Number,
    limit_s: Number,
    saves: Number,
    more: Number,
    save_s: Number,
    mtbf_s: Number,
    load_s: Number = 0,
    reschedule_s: Number = 0,
    requeue_s: Number = 0,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 1,
    trainer_reschedule_s: Number = 0,
) -> Breakdown:
    r"""Overhead of a chain of jobs that are ended without notice, as likely anywhere in a cycle of saves around it.

    With :math:`u = e^{-\lambda T_{\mathrm{lim}}} \sinh(\lambda c/2)/(\lambda c/2)`, c = τ + C, the probability
    to reach the limit,

    .. math:: 1 + \frac{O}{T} = \frac{(1 - u) \mu\, e^{\lambda D} + u\,D_Q}
              {\tau e^{-\lambda L} \left( q \dfrac{1 - q^m}{1 - q} + p_m q^{m + 1} \right)}

    with q = e^(−λ(τ + C)): m saves are complete at the earliest end, and one more with probability pₘ at the limit.

    Parameters
    ----------
    interval_s : useful work before each save, τ [s]
    limit_s : after which a job ends, on average, T_lim [s]
    saves : saves that are complete at the earliest end of a job that no failure ends, m
    more : probability that there is one more, pₘ
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    load_s : time to read a checkpoint back, L [s]
    reschedule_s : from a failure until the next job begins, D [s]
    requeue_s : from the limit until the next job begins, D_Q [s], free of failures
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share, whole_job_share : shares of failures; by default all send everybody back
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Examples
    --------
    >>> parts = unannounced_limit_overhead(interval_s=3500.0, limit_s=72000.0, saves=19, more=0.74, save_s=40.0,
    ...                                    mtbf_s=604800.0, load_s=300.0, reschedule_s=1500.0, requeue_s=1500.0)
    >>> round(100 * parts.total, 1)
    6.7
    """
    chain = chain_of(
        save_s,
        mtbf_s,
        reschedule_s,
        partial_load_s,
        partial_reschedule_s,
        shard_share,
        trainer_share,
        whole_job_share,
        trainer_reschedule_s,
    )
    xp = namespace(interval_s, limit_s, saves, more, *chain)
    rho, cycle, until = chain.back, interval_s + chain.save, limit_s / chain.stretch
    half = rho * cycle / 2
    spread = (xp.phi2(half) - xp.phi2(-half)) / 2  # sinh(x)/x = 1 + x·spread
    ends = xp.exp(-rho * until) * (1 + half * spread)
    activity = until * xp.exprel(-rho * until) - xp.exp(-rho * until) * cycle / 2 * spread
    each = xp.exp(-rho * (load_s + cycle))
    complete = each * (
        saves * xp.exprel(-rho * saves * cycle) / xp.exprel(-rho * cycle) + more * xp.exp(-rho * saves * cycle)
    )
    return _overhead(chain, complete, interval_s * complete, activity, ends, save_s, load_s, requeue_s)
