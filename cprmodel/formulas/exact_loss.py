r"""Expected PLS with nothing left out, its inverse, and how one run scatters around it.

Look at one shard, and at the pass through an interval that reaches its save (in others everybody rolls back and
replays). Failures that are repaired and hit that shard, at once or during their stop, come at rate H/μ of progress;
a hit before the save is complete takes what the shard has learned since it was last saved or restored.
"""

from __future__ import annotations

from typing import NamedTuple

from cprmodel.facts.formula import formula
from cprmodel.facts.remembered import remembered
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace
from cprmodel.formulas.stops import struck_of

__all__ = [
    "Hits",
    "exact_pls",
    "exact_pls_deviation",
    "exact_pls_interval",
    "hits_of",
    "longest_within",
    "lost_behind",
    "lost_of",
    "lost_rest",
    "lost_whole",
    "unreadable_pls",
]

_ASSUMES = "exponential failures, which strike saves and recoveries too"


class Hits(NamedTuple):
    """What hits a shard, per unit of progress and while saving; none of it depends on the interval."""

    rate: Number  # hits of one given shard per second of progress, in passes that reach the save: H/μ
    saving: Number  # probability that it is hit while saving
    both_rate: Number  # hits that two given shards share, per second of progress
    joint_saving: Number  # by how much both escape while saving more often than two that know nothing of each other
    backs: Number  # roll-backs of everybody per second of progress: b/μ
    complete: Number  # probability that a save is complete before everybody rolls back


@remembered
def hits_of(
    mtbf_s: Number,
    shards: Number,
    shard_share: Number,
    failed_shards: Number,
    save_s: Number,
    partial_load_s: Number,
    partial_reschedule_s: Number,
    trainer_share: Number,
    whole_job_share: Number,
    trainer_reschedule_s: Number,
    both: Number | None = None,
) -> Hits:
    """``both``: probability that a shard failure takes both of two given shards, for what is asked of two."""
    shares = (shard_share, trainer_share, whole_job_share)
    given = (save_s, mtbf_s, partial_load_s, partial_reschedule_s, shares, trainer_reschedule_s)
    one, back, voids = struck_of(*given, failed_shards / shards)
    calm = 1 + voids * back  # over the chance of a save phase that ends in its save
    tried = calm + voids * one
    if both is None:
        return Hits(one / mtbf_s, voids * one / tried, 0, 0, back / mtbf_s, 1 / calm)
    either = struck_of(*given, 2 * failed_shards / shards - both).hit
    two = 2 * one - either
    joint = calm * voids * (calm * two + voids * one**2) / ((calm + voids * either) * tried**2)
    return Hits(one / mtbf_s, voids * one / tried, two / mtbf_s, joint, back / mtbf_s, 1 / calm)


def lost_behind(hits: Hits, interval_s: Number, unreadable: Number, silent_mtbf_s: Number) -> Number:
    """Share of the work that no failure takes before its save, but a later one: its save can't be read, and others.

    In the pass that stands the bad saves after it are fewer than drawn: a roll-back meanwhile would begin it anew.
    """
    xp = namespace(interval_s, unreadable, silent_mtbf_s, *hits)
    x = hits.rate * interval_s
    hit = hits.saving * xp.exp(-x) - xp.expm1(-x)
    goes_on = unreadable * hits.complete * xp.exp(-interval_s * (hits.backs + 1 / silent_mtbf_s))
    return goes_on * hit / (1 - goes_on + goes_on * hit)


def lost_of(hits: Hits, work_s: Number, interval_s: Number, behind: Number = 0) -> Number:
    """:func:`exact_pls` where the hits are known; ``behind``: :func:`lost_behind`."""
    xp = namespace(work_s, interval_s, hits.rate, hits.saving)
    saves = xp.intervals(work_s, interval_s) - 1
    whole = lost_whole(hits, interval_s, behind)
    return (saves * interval_s * whole + lost_rest(hits, work_s - saves * interval_s)) / work_s


def lost_whole(hits: Hits, interval_s: Number, behind: Number = 0) -> Number:
    """Share that is lost of an interval which a save follows; as :func:`lost_of`."""
    xp = namespace(interval_s, hits.rate, hits.saving)
    x = hits.rate * interval_s
    whole = x * xp.phi2(-x) + hits.saving * xp.exprel(-x)
    return whole + behind * (1 - whole)


def lost_rest(hits: Hits, rest_s: Number) -> Number:
    """Work that is lost of a part which no save follows, or one that nothing strikes."""
    xp, last = namespace(rest_s, hits.rate), hits.rate * rest_s
    return rest_s * last * xp.phi2(-last)


def longest_within(hits: Hits, pls: Number) -> Number:
    """:func:`exact_pls_interval` where the hits are known."""
    xp = namespace(pls, hits.rate, hits.saving)
    excess = xp.maximum(pls - hits.saving, 0) / (1 - pls)
    x = excess + xp.renewal_root(xp.log1p_gap(excess))
    return xp.infinite_at_zero(hits.rate, x / xp.above_zero(hits.rate))


@formula("PLS", DERIVED, Evidence.DERIVED, (), _ASSUMES)
def exact_pls(
    work_s: Number,
    interval_s: Number,
    mtbf_s: Number,
    shards: Number,
    shard_share: Number = 1,
    failed_shards: Number = 1,
    save_s: Number = 0,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 0,
    trainer_reschedule_s: Number = 0,
) -> Number:
    r"""Expected PLS of a job of finite length, wherever failures strike and no loss counted twice.

    .. math:: \mathrm{PLS} = \frac{m \tau}{T}\left(1 - q\,\frac{1 - e^{-x}}{x}\right)
              + \frac{\tau_m}{T} f\!\left(\frac{H \tau_m}{\mu}\right), \quad x = \frac{H\tau}{\mu}, \quad
              q = \frac{1 + v b}{1 + v (b + H)}

    with b the probability that a failure ends in a roll-back of everybody (what was lost since the last save is
    then replayed), H that it is repaired but hits one given shard, at its start or during its stop, v = e^(C/μ) − 1
    void saves per complete one, so 1 − q that the shard is hit while saving, which takes the whole interval; m
    saves, a rest τₘ = T − mτ, and f(x) = 1 − (1 − e^(−x))/x.

    Parameters
    ----------
    work_s : useful training time, T [s]
    interval_s : useful work between two saves, τ [s]
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    shard_share : share of failures that take a shard, s
    failed_shards : shards lost per shard failure, k (its mean where random)
    save_s : time a save blocks training, C [s]
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    trainer_share, whole_job_share : shares of the other failures, t and w
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Notes
    -----
    Where saves and recoveries take no time, H = sk/N and q = 1; the PLS is then the mean of :func:`lost_fraction`
    over the intervals. Derived here; simulated in tests/simulation/test_closed_forms.py.

    Examples
    --------
    >>> round(exact_pls(work_s=56.0, interval_s=44.8, mtbf_s=28.0, shards=8), 4)
    0.0798
    >>> round(exact_pls(work_s=480.0, interval_s=2.0608, mtbf_s=28.0, shards=8, save_s=1/3), 5)  # a third longer
    0.00607
    """
    hits = hits_of(
        mtbf_s,
        shards,
        shard_share,
        failed_shards,
        save_s,
        partial_load_s,
        partial_reschedule_s,
        trainer_share,
        whole_job_share,
        trainer_reschedule_s,
    )
    return lost_of(hits, work_s, interval_s)


@formula("PLS", DERIVED, Evidence.DERIVED, (), _ASSUMES + "; enough saves are kept")
def unreadable_pls(
    work_s: Number,
    interval_s: Number,
    mtbf_s: Number,
    shards: Number,
    unreadable: Number,
    shard_share: Number = 1,
    failed_shards: Number = 1,
    save_s: Number = 0,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 0,
    trainer_reschedule_s: Number = 0,
    silent_mtbf_s: Number = 1e300,
) -> Number:
    r"""Expected PLS where a share of the saves turns out unreadable: a failed shard goes back to an older one.

    .. math:: \mathrm{PLS} = 1 - q\,\frac{1 - e^{-x}}{x} \cdot \frac{1 - p_u y}{1 - p_u y\, q e^{-x}}, \qquad
              y = \frac{e^{-b\tau/\mu - \tau/\mu_s}}{1 + v b}

    in a long job, with x, q, b and v of :func:`exact_pls`. What a shard learns outlives failures before its save as
    there. It is lost still if its save is bad, and each after it up to a failure of that shard. Roll-backs of
    everybody meanwhile, for a failure or a silent error, begin the interval anew: y is how likely an interval ends
    without one. So of the passes that stand pᵤy, not pᵤ, go on from one bad save to the next. In a finite job the
    last interval, which no save follows, loses as in :func:`exact_pls`.

    Parameters
    ----------
    work_s : useful training time, T [s]
    interval_s : useful work between two saves, τ [s]
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    unreadable : share of the saves that turn out unreadable, pᵤ
    shard_share : share of failures that take a shard, s
    failed_shards : shards lost per shard failure, k (its mean where random)
    save_s : time a save blocks training, C [s]
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    trainer_share, whole_job_share : shares of the other failures, t and w
    trainer_reschedule_s : Dₜ of a trainer failure [s]
    silent_mtbf_s : mean time at work between silent errors, μₛ [s]

    Examples
    --------
    >>> round(unreadable_pls(19200.0, 10.0, 37.5, 4, 0.5, shard_share=0.5, whole_job_share=0.5), 4)
    0.0409
    """
    hits = hits_of(
        mtbf_s,
        shards,
        shard_share,
        failed_shards,
        save_s,
        partial_load_s,
        partial_reschedule_s,
        trainer_share,
        whole_job_share,
        trainer_reschedule_s,
    )
    return lost_of(hits, work_s, interval_s, lost_behind(hits, interval_s, unreadable, silent_mtbf_s))


@formula("τ", DERIVED, Evidence.DERIVED, (), _ASSUMES + "; a finite job's PLS is at most this budget")
def exact_pls_interval(
    pls: Number,
    mtbf_s: Number,
    shards: Number,
    shard_share: Number = 1,
    failed_shards: Number = 1,
    save_s: Number = 0,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 0,
    trainer_reschedule_s: Number = 0,
) -> Number:
    r"""The longest interval whose expected PLS, in a long job, is within the budget: inverse of :func:`exact_pls`.

    .. math:: \tau = \frac{x \mu}{H}, \qquad x = y + R\!\left(y - \log(1 + y)\right),
              \quad y = \max\!\left(0, \frac{q}{1 - \mathrm{PLS}} - 1\right)

    H and q are those of :func:`exact_pls`. With q = 1, x = 1/c + W₀(−e^(−1/c)/c), c = 1 − PLS, without its loss of
    digits at small budgets. To first order τ = 2 PLS N μ/(sk) − 2C.

    Parameters
    ----------
    pls : the PLS budget, below 1
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    shard_share : share of failures that take a shard, s, greater than 0
    failed_shards : shards lost per shard failure, k
    save_s : time a save blocks training, C [s]
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    trainer_share, whole_job_share : shares of the other failures, t and w
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Returns
    -------
    Useful work between two saves, τ [s]; cap it at the job's length. 0 where no interval keeps the budget, for what
    fails during the saves alone loses more; infinite where no shard fails alone.

    Examples
    --------
    >>> round(exact_pls_interval(pls=0.1, mtbf_s=28.0, shards=8), 3)
    48.06
    >>> round(60 * exact_pls_interval(pls=0.0046, mtbf_s=28.0, shards=8, save_s=1/3), 1)  # saves of 20 minutes
    83.8
    """
    hits = hits_of(
        mtbf_s,
        shards,
        shard_share,
        failed_shards,
        save_s,
        partial_load_s,
        partial_reschedule_s,
        trainer_share,
        whole_job_share,
        trainer_reschedule_s,
    )
    return longest_within(hits, pls)


@formula("SD of PLS", DERIVED, Evidence.DERIVED, (), _ASSUMES)
def exact_pls_deviation(
    work_s: Number,
    interval_s: Number,
    mtbf_s: Number,
    shards: Number,
    shard_share: Number = 1,
    failed_shards: Number = 1,
    save_s: Number = 0,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    trainer_share: Number = 0,
    whole_job_share: Number = 0,
    trainer_reschedule_s: Number = 0,
    failed_scatter: Number = 0,
) -> Number:
    r"""Standard deviation of the PLS of one run around :func:`exact_pls`.

    .. math:: \operatorname{Var} = \sum_i \frac{\tau_i^2}{T^2}
              \left(\frac{z_i}{N} + \left(1 - \frac{1}{N}\right) c_i\right), \qquad
              z = 1 - q + 2 q x \varphi_3(-x) - u^2, \quad u = 1 - q + q x \varphi_2(-x),

    .. math:: c = 2 q_2\, e[0, -x, -y] - (1 - u)^2, \qquad
              q_2 = \frac{1 + v b}{1 + v (b + H_2)}, \quad y = \frac{H_2\tau}{\mu}

    over the intervals τᵢ: u and z are mean and variance of the share of one that a shard loses, c the covariance of
    two shards, H₂ the probability that a failure is repaired and hits either of two given shards, and e[0, −x, −y]
    the second divided difference of the exponential. Failures that take k of N shards take two given ones together
    with probability k(k − 1)/(N(N − 1)); a k between two whole numbers is one or the other, and where some take
    many more than others k(k − 1) is σ_k larger on average. (The last interval, which no save follows, has
    q = q₂ = 1.)

    Parameters
    ----------
    work_s : useful training time, T [s]
    interval_s : useful work between two saves, τ [s]
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    shard_share : share of failures that take a shard, s
    failed_shards : shards lost per shard failure, k
    save_s : time a save blocks training, C [s]
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    trainer_share, whole_job_share : shares of the other failures, t and w
    trainer_reschedule_s : Dₜ of a trainer failure [s]
    failed_scatter : by how much the mean of k² is above that of the whole numbers next to k, σ_k

    Notes
    -----
    Where losses are rare and k = 1 it is 2/√(3sT/μ) times the PLS (:func:`cpr_2021_pls_spread`). Derived here;
    simulated in tests/simulation/test_closed_forms.py.

    Examples
    --------
    >>> round(exact_pls_deviation(work_s=56.0, interval_s=28.0, mtbf_s=28.0, shards=8), 4)
    0.048

    One failure in seven takes all eight shards, the others one, so that k is two on average and k² ten:

    >>> round(exact_pls_deviation(work_s=56.0, interval_s=28.0, mtbf_s=28.0, shards=8, failed_shards=2), 4)
    0.089
    >>> round(exact_pls_deviation(work_s=56.0, interval_s=28.0, mtbf_s=28.0, shards=8, failed_shards=2,
    ...     failed_scatter=6), 4)
    0.1411
    """
    xp = namespace(work_s, interval_s, mtbf_s, shards, shard_share, save_s, partial_load_s, trainer_share)
    least = xp.floor(failed_shards)
    pairs = least * (least - 1 + 2 * (failed_shards - least)) + failed_scatter  # E[k(k − 1)]
    others = xp.maximum(shards - 1, 1)
    hits = hits_of(
        mtbf_s,
        shards,
        shard_share,
        failed_shards,
        save_s,
        partial_load_s,
        partial_reschedule_s,
        trainer_share,
        whole_job_share,
        trainer_reschedule_s,
        pairs / (shards * others),
    )
    saves = xp.intervals(work_s, interval_s) - 1
    rest = work_s - saves * interval_s

    def variance(length: Number, saving: Number, joint_saving: Number) -> Number:
        """Of the share of an interval that all shards lose together."""
        x, shared = hits.rate * length, hits.both_rate * length
        mean = saving + (1 - saving) * x * xp.phi2(-x)
        own = saving + (1 - saving) * 2 * x * xp.phi3(-x) - mean**2
        escape = (1 - saving) ** 2 + joint_saving
        covariance = 2 * escape * xp.joint_gap(x, 2 * x - shared) + joint_saving * xp.exprel(-x) ** 2
        return own / shards + (shards - 1) / shards * covariance

    whole = saves * interval_s**2 * variance(interval_s, hits.saving, hits.joint_saving)
    last = rest**2 * variance(rest, 0, 0)
    return xp.sqrt(xp.maximum(whole + last, 0)) / work_s
