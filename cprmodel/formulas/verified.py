r"""Errors that nobody sees until a check finds them, and saves that turn out bad, under exponential failures.

Semantics (the simulator plays the same)
    Training works for τ and saves for C. Before every K_V-th save it checks for V, and what is saved then is clean;
    or it checks m_V times in each τ, evenly, the last time before the save. Silent errors come while it works, at
    the rate 1/μₛ. A check finds every one; then everybody loads the last save that is known to be clean, and works
    again: with one check a save the whole interval is lost, not half of it as on average to a failure. A failure
    goes back to the last save, checked or not; one that holds an error keeps it. A failure during a check or a save
    makes that void; where it is repaired it is begun again. Recoveries are those of the exact makespan.

    A share pᵤ of the saves turns out unreadable, each by itself. Who goes back reads the newest save, which takes a
    load, and the one before as long as they are bad; in one recovery none is tried twice.
"""

from __future__ import annotations

from typing import NamedTuple

from cprmodel.facts.formula import formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.sources import BENOIT_2016, DERIVED, Evidence
from cprmodel.facts.special import Number, namespace
from cprmodel.formulas.stops import NEVER, Pace, pace_of, shares_of, until_complete

__all__ = [
    "Stretch",
    "benoit_2016_checks",
    "kept_for_readable",
    "saves_per_check",
    "stretch_of",
    "verified_interval",
    "verified_overhead",
]


class Stretch(NamedTuple):
    """What some work comes to, on average, until it is known to be clean, and is saved."""

    activity: Number  # at work, in checks and in saves [s]
    backs: Number  # roll-backs for a failure
    errors: Number  # and for an error that a check found
    success: Number  # probability that an attempt at its last interval, begun clean, is the last one


def stretch_of(
    pace: Pace,
    silent_mtbf_s: Number,
    verify_s: Number,
    interval_s: Number,
    earlier: Number,
    pieces: Number,
    piece_s: Number,
    last_s: Number,
    saved: Number,
) -> Stretch:
    """``earlier`` intervals that are saved unchecked; then ``pieces`` of work with a check each, and a last one.

    A check follows the last piece, too, and then a save (``saved``: 1) or none (0, at the end of a job). There are
    no earlier intervals or no pieces.
    """
    xp = namespace(*pace, silent_mtbf_s, verify_s, interval_s, earlier, pieces, piece_s, last_s)
    rate = pace.stop_rate
    rho = rate * pace.rolled_back
    check = until_complete(pace, xp.expm1(rate * verify_s))
    saves = until_complete(pace, pace.voids)
    # a piece of work with its check, and how many of them are reached
    before, at_last = piece_s + check, last_s + check
    decay = rho * before + piece_s / silent_mtbf_s
    reached = pieces * xp.exprel(-pieces * decay) / xp.exprel(-decay)
    to_last = xp.exp(-pieces * decay)
    once = at_last * xp.exprel(-rho * at_last)
    clean = to_last * xp.exp(-rho * at_last - last_s / silent_mtbf_s)
    success = clean * xp.exp(-rho * saved * saves)
    found = -xp.expm1(-piece_s / silent_mtbf_s) * xp.exp(-rho * before) * reached
    found = found - xp.expm1(-last_s / silent_mtbf_s) * xp.exp(-rho * at_last) * to_last
    attempt = before * xp.exprel(-rho * before) * reached + to_last * once
    attempt = attempt + clean * saved * saves * xp.exprel(-rho * saved * saves)
    # the intervals whose saves nothing is checked before
    plain = interval_s + saves
    begins_clean = xp.exp(-earlier * interval_s / silent_mtbf_s)
    dirty = -xp.expm1(-earlier * interval_s / silent_mtbf_s)
    ends = success + found
    whole = begins_clean * success / ends
    activity = earlier * plain * xp.exprel(-rho * plain) * xp.exp(rho * plain) + dirty * once * xp.exp(
        rho * at_last
    )
    backs = earlier * xp.expm1(rho * plain) + dirty * xp.expm1(rho * at_last)
    return Stretch(
        activity=(activity + begins_clean * attempt / ends) / whole,
        backs=(backs + begins_clean * (1 - ends) / ends) / whole,
        errors=(dirty + begins_clean * found / ends) / whole,
        success=success,
    )


@formula("τ", DERIVED, Evidence.DERIVED, (), "exponential failures and errors, first order in τ over either mean")
def verified_interval(
    save_s: Number,
    verify_s: Number,
    mtbf_s: Number,
    silent_mtbf_s: Number,
    whole_job_share: Number = 1,
    saves_per_check: Number = 1,
    checks_per_save: Number = 1,
) -> Number:
    r"""Best work between saves, to first order, of every K_V-th of which is checked, or that has m_V checks in it.

    .. math:: \tau = \sqrt{\frac{m_V V/K_V + C}{\dfrac{x}{\mu_s} + \dfrac{w}{2\mu}}}, \qquad
              x = K_V - \tfrac12\left(1 - \tfrac{1}{m_V}\right)

    Without failures and with a check for each save it is √((V + C)μₛ), not √(2(V + C)μₛ).

    Parameters
    ----------
    save_s, verify_s : C and V [s]
    mtbf_s : mean time between failures, μ [s]
    silent_mtbf_s : mean time between silent errors, μₛ [s]
    whole_job_share : share of the failures that send everybody back, w
    saves_per_check, checks_per_save : K_V and m_V, one of which is 1

    Examples
    --------
    >>> round(verified_interval(60.0, 120.0, mtbf_s=1e12, silent_mtbf_s=5 * 86400.0) / 60)  # 2 h 27 min
    147
    """
    xp = namespace(save_s, verify_s, mtbf_s, silent_mtbf_s, whole_job_share, saves_per_check, checks_per_save)
    lost = saves_per_check - (1 - 1 / checks_per_save) / 2
    spent = checks_per_save * verify_s / saves_per_check + save_s
    return xp.sqrt(spent / (lost / silent_mtbf_s + whole_job_share / (2 * mtbf_s)))


@formula(
    "K_V",
    DERIVED,
    Evidence.DERIVED,
    (),
    "exponential failures and errors, first order; rounded to a number of 1 or more",
)
def saves_per_check(
    save_s: Number, verify_s: Number, mtbf_s: Number, silent_mtbf_s: Number, whole_job_share: Number = 1
) -> Number:
    r"""Best number of saves to a check, to first order: what a check costs against what an error takes.

    .. math:: K_V = \sqrt{\frac{w V \mu_s}{2 C \mu}}

    It is the ratio of √(Vμₛ), the best work between checks alone, and √(2Cμ/w), the best between saves alone.

    Parameters
    ----------
    save_s, verify_s : C and V [s]
    mtbf_s : mean time between failures, μ [s]
    silent_mtbf_s : mean time between silent errors, μₛ [s]
    whole_job_share : share of the failures that send everybody back, w

    Examples
    --------
    >>> round(saves_per_check(60.0, 600.0, mtbf_s=28 * 3600.0, silent_mtbf_s=10 * 86400.0), 2)
    6.55
    """
    xp = namespace(save_s, verify_s, mtbf_s, silent_mtbf_s, whole_job_share)
    return xp.sqrt(whole_job_share * verify_s * silent_mtbf_s / (2 * save_s * mtbf_s))


@formula(
    "m_V", BENOIT_2016, Evidence.MEMORY, (), "exponential failures and errors, first order; rounded to 1 or more"
)
def benoit_2016_checks(
    save_s: Number, verify_s: Number, mtbf_s: Number, silent_mtbf_s: Number, whole_job_share: Number = 1
) -> Number:
    r"""Best number of checks to a save, to first order: errors are found sooner.

    .. math:: m_V = \sqrt{\frac{C}{V} \cdot \frac{1/\mu_s}{1/\mu_s + w/\mu}}

    Parameters
    ----------
    save_s, verify_s : C and V [s]
    mtbf_s : mean time between failures, μ [s]
    silent_mtbf_s : mean time between silent errors, μₛ [s]
    whole_job_share : share of the failures that send everybody back, w

    Examples
    --------
    >>> round(benoit_2016_checks(300.0, 10.0, mtbf_s=30 * 86400.0, silent_mtbf_s=5 * 86400.0), 2)
    5.07
    """
    xp = namespace(save_s, verify_s, mtbf_s, silent_mtbf_s, whole_job_share)
    return xp.sqrt(save_s / verify_s / (1 + whole_job_share * silent_mtbf_s / mtbf_s))


@formula("m_R", DERIVED, Evidence.DEFINITION, (), "saves turn out unreadable each by itself; rounded up")
def kept_for_readable(unreadable: Number, surely: Number) -> Number:
    r"""How many saves to keep so that one of them can be read with a probability.

    .. math:: m_R = \frac{\log(1 - p_R)}{\log p_u}

    Parameters
    ----------
    unreadable : share of the saves that turn out unreadable, pᵤ
    surely : the probability, p_R

    Examples
    --------
    >>> round(kept_for_readable(unreadable=0.02, surely=0.9999), 2)
    2.35
    """
    xp = namespace(unreadable, surely)
    return xp.log1p(-surely) / xp.log(unreadable)


@formula("O/T", DERIVED, Evidence.DERIVED, (), "exponential failures and errors; a job much longer than τ")
def verified_overhead(
    interval_s: Number,
    verify_s: Number,
    save_s: Number,
    mtbf_s: Number,
    silent_mtbf_s: Number,
    load_s: Number = 0,
    reschedule_s: Number = 0,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 1,
    trainer_reschedule_s: Number = 0,
    saves_per_check: Number = 1,
    checks_per_save: Number = 1,
    unreadable: Number = 0,
) -> Breakdown:
    r"""Overhead of checked saves where errors are silent.

    For full recovery and one check a save, with λ = 1/μ, p = 1 − e^(−τ/μₛ), x = τ + V and y = (1 − p)e^(−λ(x + C)),
    an attempt at an interval takes on average

    .. math:: z = \mu\left(1 - e^{-\lambda x}\right) + e^{-\lambda x}(1 - p)\,\mu\left(1 - e^{-\lambda C}\right)
              + \left(1 - e^{-\lambda x} p - y\right) E_w + e^{-\lambda x} p\, E_L,

    .. math:: 1 + \frac{O}{T} = \frac{z}{y\,\tau}

    with E_w a recovery, and E_L a load after an error. Under partial recovery λ becomes that of roll-backs, V and C
    what they come to with those made void, and time at work and in saves is longer by the stops that are repaired.

    Of m_V checks each is reached where those before found nothing, a geometric sum. Before a check of every K_V-th
    save there are K_V − 1 intervals without one, each begun again alone after a failure; whether they hold an error
    is a matter of their completed attempts, so with probability e^(−(K_V−1)τ/μₛ) the last interval begins clean.
    Else its check finds the error, once a failure lets it; a found error begins all K_V again.

    Those who go back past unreadable saves find one that is good, and know it. From there on saves are made until a
    failure strikes, 1/(1 − y) of them on average, any of which may be bad; of these the newest bad ones are lost,
    pᵤ/(1 − ypᵤ) on average. So an interval takes 1/(1 − q) = (1 − ypᵤ)/(1 − pᵤ) times as much, with q/(1 − q) loads
    in vain.

    Parameters
    ----------
    interval_s : useful work before a check, τ [s]
    verify_s : time of a check, V [s]
    save_s : time of the save after it, C [s]
    mtbf_s : mean time between failures, μ [s]
    silent_mtbf_s : mean time at work between silent errors, μₛ [s]
    load_s, reschedule_s : L and D of everybody [s]; after a silent error L alone
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share, whole_job_share : shares of failures; by default all send everybody back
    trainer_reschedule_s : Dₜ of a trainer failure [s]
    saves_per_check, checks_per_save : K_V and m_V, one of which is 1
    unreadable : share of the saves that turn out unreadable, pᵤ (with K_V = 1)

    Examples
    --------
    >>> parts = verified_overhead(8820.0, 120.0, 60.0, mtbf_s=1e12, silent_mtbf_s=5 * 86400.0, load_s=60.0)
    >>> round(100 * parts.total, 2)
    4.15
    """
    xp = namespace(interval_s, verify_s, save_s, mtbf_s, silent_mtbf_s, load_s, whole_job_share, unreadable)
    pace = pace_of(
        save_s,
        mtbf_s,
        partial_load_s,
        partial_reschedule_s,
        shard_share,
        trainer_share,
        xp.maximum(whole_job_share, NEVER),
        trainer_reschedule_s,
        load_s,
        reschedule_s,
    )
    piece = interval_s / checks_per_save
    one = stretch_of(
        pace,
        silent_mtbf_s,
        verify_s,
        interval_s,
        earlier=saves_per_check - 1,
        pieces=checks_per_save - 1,
        piece_s=piece,
        last_s=piece,
        saved=1,
    )
    # saves that cannot be read: further back, and loads in vain
    longer = (1 - one.success * unreadable) / (1 - unreadable)
    activity, backs, errors = one.activity * longer, one.backs * longer, one.errors * longer
    again = errors + longer - 1  # loads that are no part of a recovery from a failure
    work, checks = saves_per_check * interval_s, checks_per_save * verify_s + saves_per_check * save_s
    return shares_of(pace, work, checks, activity, backs, again, load_s)
