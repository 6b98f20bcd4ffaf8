r"""Silent errors that show by themselves, late: under exponential failures, errors and delays.

Semantics (the simulator plays the same)
    Training works for τ and saves for C, errors or not. Silent errors come while it works, at the rate 1/μₛ.
    One that is there shows at the rate 1/tₛ, while it works and while it saves. Then everybody loads the newest
    save from before the error, and works again. A failure goes back to the last save: an error since then is gone
    with it, one that the save holds stays. Recoveries are those of the exact makespan. As many saves are kept as
    that takes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cprmodel.facts.formula import formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace
from cprmodel.formulas.stops import NEVER, pace_of, shares_of, until_complete

__all__ = ["Attempt", "attempt_of", "kept_for_clean", "latent_interval", "latent_overhead", "no_clean_save"]


class Attempt(NamedTuple):
    """How an attempt at some work and a save ends, begun from a clean save."""

    clean: Number  # probability that it is complete, without an error
    dirty: Number  # and with one that has not shown
    activity: Number  # mean time at work and in saves [s]


def attempt_of(rho: Number, work_s: Number, saves: Number, silent_mtbf_s: Number, latency_s: Number) -> Attempt:
    """``rho``: rate of roll-backs; ``saves``: activity of the save until it is complete, 0 at the end of a job."""
    xp = namespace(rho, work_s, saves, silent_mtbf_s, latency_s)
    sigma, delta = 1 / silent_mtbf_s, 1 / latency_s
    clean = xp.exp(-sigma * work_s)
    # an error that is there, and has not shown, at the end of the work
    hidden = sigma * work_s * clean * xp.exprel(-(delta - sigma) * work_s)
    worked, saved = xp.exp(-rho * work_s), xp.exp(-rho * saves)
    share = sigma / (delta - sigma)
    attempt = (1 + share) * work_s * xp.exprel(-(rho + sigma) * work_s)
    attempt = attempt - share * work_s * xp.exprel(-(rho + delta) * work_s)
    attempt = attempt + worked * clean * saves * xp.exprel(-rho * saves)
    attempt = attempt + worked * hidden * saves * xp.exprel(-(rho + delta) * saves)
    return Attempt(worked * clean * saved, worked * hidden * saved * xp.exp(-delta * saves), attempt)


def _held(xp: Any, x: Number) -> tuple[Any, Number]:
    """Whether saves are closer than errors take to show, and how likely none of them holds the error then."""
    least = -xp.maximum(-x, -1)
    return x < 1, xp.where(x < 1, least * xp.phi2(-least), 1 - xp.exprel(-x))


@formula("τ", DERIVED, Evidence.DERIVED, (), "exponential failures and errors, first order in τ over either mean")
def latent_interval(save_s: Number, mtbf_s: Number, silent_mtbf_s: Number, whole_job_share: Number = 1) -> Number:
    r"""Best work between saves where errors show late, to first order: however late.

    .. math:: \tau = \sqrt{\frac{2C}{w/\mu + 1/\mu_s}}

    Parameters
    ----------
    save_s : C [s]
    mtbf_s : mean time between failures, μ [s]
    silent_mtbf_s : mean time between silent errors, μₛ [s]
    whole_job_share : share of the failures that send everybody back, w

    Examples
    --------
    >>> round(latent_interval(60.0, mtbf_s=5 * 86400.0, silent_mtbf_s=5 * 86400.0))
    5091
    """
    xp = namespace(save_s, mtbf_s, silent_mtbf_s, whole_job_share)
    return xp.sqrt(2 * save_s / (whole_job_share / mtbf_s + 1 / silent_mtbf_s))


@formula(
    "m_R", DERIVED, Evidence.DERIVED, (), "exponential delays; failures meanwhile only make it fewer; rounded up"
)
def kept_for_clean(interval_s: Number, save_s: Number, latency_s: Number, surely: Number) -> Number:
    r"""How many saves to keep so that, when an error shows, one from before it is among them with a probability.

    .. math:: m_R = 1 + \frac{1}{x} \log\frac{1 - e^{-x}}{x (1 - p_R)}, \qquad x = \frac{\tau + C}{t_s}

    An error falls anywhere between two saves; i of them or more follow before it shows with probability
    (1 − e^(−x))/x · e^(−(i−1)x).

    Parameters
    ----------
    interval_s, save_s : τ and C [s]
    latency_s : mean time until an error shows, tₛ [s]
    surely : the probability, p_R

    Returns
    -------
    m_R; where it is below 1 the last save will do.

    Examples
    --------
    >>> round(kept_for_clean(3600.0, 60.0, latency_s=6 * 3600.0, surely=0.99), 2)
    27.69
    """
    xp = namespace(interval_s, save_s, latency_s, surely)
    x = (interval_s + save_s) / latency_s
    short, none = _held(xp, x)
    return 1 + (xp.where(short, xp.log1p(-none), xp.log(xp.exprel(-x))) - xp.log1p(-surely)) / x


@formula(
    "1 − p_R",
    DERIVED,
    Evidence.DERIVED,
    (),
    "exponential delays, saves that turn out unreadable each by itself; failures meanwhile only make it less",
)
def no_clean_save(
    kept: Number, interval_s: Number, save_s: Number, latency_s: Number, unreadable: Number
) -> Number:
    r"""How likely it is, when an error shows, that none of the saves kept is from before it and can be read.

    .. math:: 1 - p_R = z y^{m_R-1} + (1 - z) p_u^{m_R}
              + z (1 - y)\, p_u\, \frac{p_u^{m_R-1} - y^{m_R-1}}{p_u - y},

    .. math:: x = \frac{\tau + C}{t_s}, \quad y = e^{-x}, \quad z = \frac{1 - e^{-x}}{x}

    The error is in the newest j saves with probability z(1 − y)yʲ⁻¹, in none with 1 − z; those before it are all
    bad with pᵤ to the power m_R − j.

    Parameters
    ----------
    kept : saves that are kept, m_R
    interval_s, save_s : τ and C [s]
    latency_s : mean time until an error shows, tₛ [s]
    unreadable : share of the saves that turn out unreadable, pᵤ, above 0

    Examples
    --------
    >>> round(no_clean_save(30.0, 3600.0, 60.0, latency_s=6 * 3600.0, unreadable=0.02), 5)
    0.00678
    """
    xp = namespace(kept, interval_s, save_s, latency_s, unreadable)
    x = (interval_s + save_s) / latency_s
    bad, held, none_held = -xp.log(unreadable), xp.exprel(-x), _held(xp, x)[1]
    # of the two that are raised to powers the greater is taken out: what is left is no more than 1
    least, gap = -xp.maximum(-bad, -x), xp.maximum(bad - x, x - bad)
    some = (kept - 1) * xp.exp(-bad - (kept - 2) * least) * xp.exprel(-(kept - 1) * gap) / xp.exprel(-gap)
    return held * xp.exp(-(kept - 1) * x) + none_held * xp.exp(-kept * bad) - held * xp.expm1(-x) * some


@formula(
    "O/T",
    DERIVED,
    Evidence.DERIVED,
    (),
    "exponential failures, errors and delays, tₛ < μₛ; a job much longer than τ",
)
def latent_overhead(
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    silent_mtbf_s: Number,
    latency_s: Number,
    load_s: Number = 0,
    reschedule_s: Number = 0,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 1,
    trainer_reschedule_s: Number = 0,
    unreadable: Number = 0,
) -> Breakdown:
    r"""Overhead of saves where silent errors show late.

    For full recovery, with λ, λₑ and λ_t the rates of failures, errors and of showing, an attempt at an interval
    ends in a clean save with y = e^(−λ(τ+C)−λₑτ), in one that holds an error with z, and lasts x on average:

    .. math:: z = \frac{\lambda_e\left(e^{-\lambda_e\tau} - e^{-\lambda_t\tau}\right)}{\lambda_t - \lambda_e}\,
              e^{-\lambda(\tau + C) - \lambda_t C}, \qquad
              1 + \frac{O}{T} = \frac{x + z\,t_s}{y\,\tau} + \text{recoveries}.

    Once a save holds an error all is in vain until it shows, which takes tₛ, whatever fails meanwhile. Failures
    come at the rate λ in all of that time, errors show as often as attempts end otherwise. Partial recovery as in
    :func:`verified_overhead`.

    Of unreadable saves those that hold the error may all be bad, so that the first failure before it shows, which
    comes with i = λ/(λ + λ_t), leads back to a clean one, and the error is gone. With q = e^(−(λ+λ_t)(τ+C)) that is
    so with c = i pᵤ (1 − q)/(1 − pᵤq), and all is in vain for 1/(λ + λ_t) + (i − c)tₛ instead of tₛ. Loads in vain
    meanwhile are ipᵤ/(1 − pᵤq) in the first failure, and q times as many in each of the (i − c)/(1 − i) that
    follow. Who goes back from clean saves does as in :func:`verified_overhead`.

    Parameters
    ----------
    interval_s : useful work before a save, τ [s]
    save_s : time of the save, C [s]
    mtbf_s : mean time between failures, μ [s]
    silent_mtbf_s : mean time at work between silent errors, μₛ [s]
    latency_s : mean time at work and in saves until an error shows, tₛ [s]
    load_s, reschedule_s : L and D of everybody [s]; after a silent error L alone
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share, whole_job_share : shares of failures; by default all send everybody back
    trainer_reschedule_s : Dₜ of a trainer failure [s]
    unreadable : share of the saves that turn out unreadable, pᵤ

    Examples
    --------
    >>> parts = latent_overhead(5091.0, 60.0, mtbf_s=1e12, silent_mtbf_s=5 * 86400.0, latency_s=21600.0)
    >>> round(100 * parts.total, 2)  # 1.18 for the saves, 0.59 for half intervals, 5 for the delay
    6.8
    """
    xp = namespace(interval_s, save_s, mtbf_s, silent_mtbf_s, latency_s, load_s, reschedule_s, whole_job_share)
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
    rho = pace.stop_rate * pace.rolled_back
    saves = until_complete(pace, pace.voids)
    success, dirty, attempt = attempt_of(rho, interval_s, saves, silent_mtbf_s, latency_s)
    # saves that hold the error, until it shows, or until none of them can be read
    both = rho + 1 / latency_s
    fails, goes_on = rho / both, xp.exp(-both * (interval_s + saves))
    gone = fails * unreadable * (1 - goes_on) / (1 - unreadable * goes_on)
    in_vain = 1 / both + (fails - gone) * latency_s
    tried = fails * unreadable / (1 - unreadable * goes_on) * (1 + goes_on * (fails - gone) / (1 - fails))
    # clean saves that cannot be read: further back
    longer = (1 - success * unreadable) / ((1 - unreadable) * success)
    activity = (attempt + dirty * in_vain) * longer
    backs = rho * activity
    errors = (1 - success - rho * attempt - dirty * gone) * longer
    again = errors + (1 - success) * unreadable / (1 - unreadable) / success + dirty * tried * longer
    return shares_of(pace, interval_s, save_s, activity, backs, again, load_s)
