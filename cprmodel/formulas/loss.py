r"""Portion of lost samples (PLS) under partial recovery: as CPR counts it, to first order.

PLS counts the samples whose updates a shard lost for good, over (total samples × shards). A shard loses what
it learned since it was last saved *or restored*, so PLS ≤ 1. Whole-job failures replay their samples and
trainer failures lose none: only shard failures count, at rate sk/(μN) for a given shard. These forms count
failures at work alone; plans use :func:`~cprmodel.formulas.exact_pls`, which counts them whenever they strike.
"""

from __future__ import annotations

from cprmodel.facts.formula import Validity, formula
from cprmodel.facts.sources import CPR_2021, DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = [
    "cpr_2021_interval",
    "cpr_2021_pls",
    "cpr_2021_pls_finite",
    "cpr_2021_pls_spread",
    "lost_fraction",
]

_FIRST_ORDER_RANGE = Validity(
    quantity="skτ/(μN)",
    of=lambda interval_s, mtbf_s, shards, shard_share, failed_shards: (
        shard_share * failed_shards * interval_s / (mtbf_s * shards)
    ),
    at_most=0.29,
    because="beyond, the first-order PLS is more than 10% too high, for it counts a shard's repeated losses twice",
)
_SAVES_RANGE = Validity(
    quantity="2C/τ",
    of=lambda interval_s, save_s: 2 * save_s / interval_s,
    at_most=0.1,
    because="beyond, it is about 10% or more too low, for a failure during a save takes the whole interval",
)
_BUDGET_RANGE = Validity(
    quantity="PLS",
    of=lambda pls: pls,
    at_most=0.14,
    because="beyond, the first-order interval is over 10% too short",
)
_BUDGET_SAVES_RANGE = Validity(
    quantity="2C/τ",
    of=lambda pls, mtbf_s, shards, shard_share, failed_shards, save_s: (
        shard_share * failed_shards * save_s / (pls * mtbf_s * shards)
    ),
    at_most=0.1,
    because="beyond, the interval breaks the budget by about 10% or more, for failures during saves count, too",
)


@formula("PLS", CPR_2021, Evidence.SECOND_HAND, (_FIRST_ORDER_RANGE, _SAVES_RANGE), "first order in τ/μ")
def cpr_2021_pls(
    interval_s: Number,
    mtbf_s: Number,
    shards: Number,
    shard_share: Number = 1,
    failed_shards: Number = 1,
    save_s: Number = 0,
) -> Number:
    r"""First-order PLS: what CPR's recursion gives on average.

    .. math:: \mathrm{PLS} = \frac{s k \tau}{2 \mu N}

    Parameters
    ----------
    interval_s : useful work between two saves, τ [s]
    mtbf_s : mean time between failures of the job, μ [s]
    shards : embedding shards, N
    shard_share : share of failures that take a shard, s
    failed_shards : shards lost per shard failure, k (its mean where random)
    save_s : time a save blocks training, C [s]; not in the formula, which leaves failures during saves out: with
        them it is sk(τ + 2C)/(2μN), and where 2C > τ/10 a warning says so

    Notes
    -----
    CPR adds k·(samples since the last checkpoint)/(total samples × N) at each failure (s = k = 1 there), which
    counts twice what a shard loses when it fails twice between saves; :func:`exact_pls` does not. Within 10%
    of it while skτ/(μN) ≤ 0.29; beyond, a warning.

    Examples
    --------
    >>> cpr_2021_pls(interval_s=44.8 * 3600, mtbf_s=28 * 3600, shards=8)
    0.1
    """
    return shard_share * failed_shards * interval_s / (2 * mtbf_s * shards)


@formula("τ", CPR_2021, Evidence.SECOND_HAND, (_BUDGET_RANGE, _BUDGET_SAVES_RANGE), "first order in τ/μ")
def cpr_2021_interval(
    pls: Number,
    mtbf_s: Number,
    shards: Number,
    shard_share: Number = 1,
    failed_shards: Number = 1,
    save_s: Number = 0,
) -> Number:
    r"""The interval whose first-order PLS is the budget.

    .. math:: \tau = \frac{2\, \mathrm{PLS}\, N \mu}{s k}

    Parameters
    ----------
    pls : the PLS budget
    mtbf_s : mean time between failures of the job, μ [s]
    shards : embedding shards, N
    shard_share : share of failures that take a shard, s, greater than 0
    failed_shards : shards lost per shard failure, k
    save_s : time a save blocks training, C [s]; not in the formula: it breaks the budget by 2C/τ, and where that is
        more than a tenth a warning says so

    Examples
    --------
    >>> round(cpr_2021_interval(pls=0.1, mtbf_s=28 * 3600, shards=8) / 3600, 9)
    44.8
    """
    return 2 * pls * shards * mtbf_s / (shard_share * failed_shards)


@formula("PLS", DERIVED, Evidence.DERIVED, (_FIRST_ORDER_RANGE,), "first order in τ/μ")
def cpr_2021_pls_finite(
    work_s: Number,
    interval_s: Number,
    mtbf_s: Number,
    shards: Number,
    shard_share: Number = 1,
    failed_shards: Number = 1,
) -> Number:
    r"""First-order PLS of a job of finite length: its last interval is shorter.

    .. math:: \mathrm{PLS} = \frac{\lambda_s (m \tau^2 + \tau_m^2)}{2 T}, \qquad \lambda_s = \frac{sk}{\mu N}

    with m whole intervals and a rest τₘ, T = mτ + τₘ.

    Parameters
    ----------
    work_s : useful training time, T [s]
    interval_s : useful work between two saves, τ [s]
    mtbf_s : mean time between failures of the job, μ [s]
    shards : embedding shards, N
    shard_share, failed_shards : s and k

    Examples
    --------
    >>> round(cpr_2021_pls_finite(56.0, 44.8, 28.0, shards=8), 4)
    0.085
    """
    xp = namespace(work_s, interval_s, mtbf_s, shards)
    saves = xp.intervals(work_s, interval_s) - 1
    rest = work_s - saves * interval_s
    rate = shard_share * failed_shards / (mtbf_s * shards)
    return rate * (saves * interval_s**2 + rest**2) / (2 * work_s)


@formula("SD/mean of PLS", DERIVED, Evidence.DERIVED, (), "CPR's recursion, k fixed, many intervals")
def cpr_2021_pls_spread(work_s: Number, mtbf_s: Number, shard_share: Number = 1) -> Number:
    r"""How much the PLS of one run scatters around its mean.

    .. math:: \frac{\mathrm{SD}}{\mathrm{mean}} = \frac{2}{\sqrt{3 s T / \mu}}

    (Poisson many losses, each uniform between 0 and kτ/(TN): a compound Poisson sum.)

    Parameters
    ----------
    work_s : useful training time, T [s]
    mtbf_s : mean time between failures of the job, μ [s]
    shard_share : share of failures that take a shard, s, greater than 0

    Examples
    --------
    >>> round(cpr_2021_pls_spread(work_s=56.0, mtbf_s=28.0), 3)  # two failures expected
    0.816
    """
    xp = namespace(work_s, mtbf_s, shard_share)
    return 2 / xp.sqrt(3 * shard_share * work_s / mtbf_s)


@formula("f", DERIVED, Evidence.DERIVED, (), "Poisson failures, none counted during saves and recoveries")
def lost_fraction(
    interval_s: Number, mtbf_s: Number, shards: Number, shard_share: Number = 1, failed_shards: Number = 1
) -> Number:
    r"""Expected share of an interval's samples that a shard loses for good.

    .. math:: f(x) = 1 - \frac{1 - e^{-x}}{x} = x\, \varphi_2(-x), \qquad x = \frac{s k \tau}{\mu N}

    The expected position of the last failure in the interval, for what came after it is kept.

    Parameters
    ----------
    interval_s : useful work between two saves, τ [s]
    mtbf_s : mean time between failures of the job, μ [s]
    shards : embedding shards, N
    shard_share, failed_shards : s and k

    Examples
    --------
    >>> round(lost_fraction(interval_s=44.8, mtbf_s=28.0, shards=8), 4)
    0.0937
    """
    xp = namespace(interval_s, mtbf_s, shards)
    x = shard_share * failed_shards * interval_s / (mtbf_s * shards)
    return x * xp.phi2(-x)
