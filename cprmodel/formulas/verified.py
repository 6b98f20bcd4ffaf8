r"""Errors that nobody sees until a check finds them: a check before each save, under exponential failures.

Semantics (the simulator plays the same)
    Training works for τ, checks for V, and saves for C what was found clean. Silent errors come while it works, at
    the rate 1/μₛ. A check finds every one; then everybody loads the last save, which is clean, and works again: the
    whole interval is lost, not half of it as on average to a failure. A failure during a check or a save makes that
    void; where it is repaired it is begun again. Recoveries are those of the exact makespan.
"""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace
from cprmodel.formulas.stops import NEVER, pace_of, until_complete

__all__ = ["verified_interval", "verified_overhead"]


@formula("τ", DERIVED, Evidence.DERIVED, (), "exponential failures and errors, first order in τ over either mean")
def verified_interval(
    save_s: Number, verify_s: Number, mtbf_s: Number, silent_mtbf_s: Number, whole_job_share: Number = 1
) -> Number:
    r"""Best work between checked saves, to first order.

    .. math:: \tau = \sqrt{\frac{V + C}{\dfrac{1}{\mu_s} + \dfrac{w}{2\mu}}}

    Without failures it is √((V + C)μₛ), not √(2(V + C)μₛ).

    Parameters
    ----------
    save_s, verify_s : C and V [s]
    mtbf_s : mean time between failures, μ [s]
    silent_mtbf_s : mean time between silent errors, μₛ [s]
    whole_job_share : share of the failures that send everybody back, w

    Examples
    --------
    >>> round(verified_interval(60.0, 120.0, mtbf_s=1e12, silent_mtbf_s=5 * 86400.0) / 60)  # 2 h 27 min
    147
    """
    xp = namespace(save_s, verify_s, mtbf_s, silent_mtbf_s, whole_job_share)
    return xp.sqrt((verify_s + save_s) / (1 / silent_mtbf_s + whole_job_share / (2 * mtbf_s)))


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
) -> Breakdown:
    r"""Overhead of checked saves where errors are silent.

    For full recovery, with λ = 1/μ, p = 1 − e^(−τ/μₛ), a = τ + V and s = (1 − p)e^(−λ(a + C)), an attempt at an
    interval takes on average

    .. math:: E = \mu\left(1 - e^{-\lambda a}\right) + e^{-\lambda a}(1 - p)\,\mu\left(1 - e^{-\lambda C}\right)
              + \left(1 - e^{-\lambda a} p - s\right) R + e^{-\lambda a} p\, R_s, \qquad
              1 + \frac{O}{T} = \frac{E}{s\,\tau}

    with R a recovery, and Rₛ a load after an error. Under partial recovery λ becomes that of roll-backs, V and C
    what they come to with those made void, and time at work and in saves is longer by the stops that are repaired.

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

    Examples
    --------
    >>> parts = verified_overhead(8820.0, 120.0, 60.0, mtbf_s=1e12, silent_mtbf_s=5 * 86400.0, load_s=60.0)
    >>> round(100 * parts.total, 2)
    4.15
    """
    xp = namespace(interval_s, verify_s, save_s, mtbf_s, silent_mtbf_s, load_s, reschedule_s, whole_job_share)
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
    rate, b = pace.stop_rate, pace.rolled_back
    rho = rate * b
    check = until_complete(pace, xp.expm1(rate * verify_s))
    saves = until_complete(pace, pace.voids)
    clean, before = xp.exp(-interval_s / silent_mtbf_s), interval_s + check
    error = -xp.expm1(-interval_s / silent_mtbf_s)
    reached = xp.exp(-rho * before)
    success = reached * clean * xp.exp(-rho * saves)
    backs = (1 - reached * error - success) / success
    errors = reached * error / success
    activity = (before * xp.exprel(-rho * before) + reached * clean * saves * xp.exprel(-rho * saves)) / success
    struck = -xp.expm1(-rate * load_s)  # in the load after an error
    loads = activity * rate * pace.stop_load + (backs + errors * struck) * pace.back_load
    loads = loads + errors * load_s * xp.exprel(-rate * load_s)
    waits = activity * rate * pace.stop_reschedule + (backs + errors * struck) * pace.back_reschedule
    kept = interval_s + verify_s + save_s
    return Breakdown(
        save=(verify_s + save_s) / interval_s,
        load=loads / interval_s,
        lost=(activity - kept) / interval_s,
        reschedule=waits / interval_s,
    )
