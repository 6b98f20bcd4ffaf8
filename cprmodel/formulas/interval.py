"""How much work to do between two saves."""

from __future__ import annotations

import numpy as np

from cprmodel.facts.formula import Validity, formula
from cprmodel.facts.sources import BOUGERET_2011, DALY_2006, DERIVED, YOUNG_1974, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = [
    "daly_2006",
    "exact_interval",
    "optimal_chunks",
    "partial_recovery_interval",
    "priced_loss_interval",
    "young_1974",
]

_YOUNG_RANGE = Validity(
    quantity="C/μ",
    of=lambda save_s, mtbf_s: save_s / mtbf_s,
    at_most=0.08,
    because="beyond, Young's interval costs over 1% more overhead than the exact optimum",
)


@formula("τ", YOUNG_1974, Evidence.PUBLISHED_FIGURES, (_YOUNG_RANGE,), "exponential failures, C ≪ μ")
def young_1974(save_s: Number, mtbf_s: Number) -> Number:
    r"""Young's interval, the optimum of the first-order overhead of full recovery.

    .. math:: \tau = \sqrt{2 C \mu}

    Parameters
    ----------
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]

    Returns
    -------
    Useful work between two saves, τ [s].

    Notes
    -----
    Source: Young 1974. For C/μ up to 0.08 it costs at most 1% more overhead than :func:`exact_interval`
    (tests/formulas/test_interval.py); beyond, a warning.

    Examples
    --------
    >>> round(young_1974(save_s=300, mtbf_s=86400) / 60, 3)  # Daly's 500-hour job: 120 min
    120.0
    """
    xp = namespace(save_s, mtbf_s)
    return xp.sqrt(2 * save_s * mtbf_s)


@formula("τ", DALY_2006, Evidence.PUBLISHED_FIGURES, (), "exponential failures; C < 2μ, else τ = μ")
def daly_2006(save_s: Number, mtbf_s: Number) -> Number:
    r"""Daly's higher-order interval.

    .. math:: \tau = \sqrt{2C\mu}\left[1 + \tfrac13\sqrt{\tfrac{C}{2\mu}} + \tfrac19\tfrac{C}{2\mu}\right] - C
              \quad (C < 2\mu), \qquad \tau = \mu \quad (C \ge 2\mu)

    Parameters
    ----------
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]

    Returns
    -------
    Useful work between two saves, τ [s].

    Notes
    -----
    Source: Daly 2006, eq. 37; it gives the published 117, 57 and 9.1 minutes for C = 5 min and
    μ = 24 h, 6 h and 15 min. Costs at most 0.2% more overhead than the exact optimum at any C/μ.

    Examples
    --------
    >>> round(daly_2006(save_s=300, mtbf_s=86400) / 60, 3)
    116.69
    """
    xp = namespace(save_s, mtbf_s)
    half = save_s / (2 * mtbf_s)
    higher_order = xp.sqrt(2 * save_s * mtbf_s) * (1 + xp.sqrt(half) / 3 + half / 9) - save_s
    return xp.where(half < 1, higher_order, mtbf_s)


@formula("τ", BOUGERET_2011, Evidence.DERIVED, (), "exponential failures, a job much longer than τ")
def exact_interval(save_s: Number, mtbf_s: Number) -> Number:
    r"""The interval that minimises the exact expected time to train under exponential failures.

    .. math:: \tau = \mu\, R(C/\mu), \qquad R(c) = 1 + W_0(-e^{-1-c}),
              \quad\text{the root of } x + \log(1 - x) = -c

    Parameters
    ----------
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]

    Returns
    -------
    Useful work between two saves, τ [s]; it does not depend on the time to load or to reschedule.

    Notes
    -----
    The minimum of :func:`~cprmodel.formulas.full_recovery_chunk` per unit of work, the same for Bougeret's
    chunk cost. Solved for R without Lambert's W near C/μ = 0, where that loses half the digits: relative
    error below 1e-12 against mpmath for C/μ from 1e-9 to 10.

    Examples
    --------
    >>> round(exact_interval(save_s=300, mtbf_s=900) / 60, 3)  # C = 5 min, μ = 15 min
    9.167
    """
    xp = namespace(save_s, mtbf_s)
    return mtbf_s * xp.renewal_root(save_s / mtbf_s)


@formula("τ", DERIVED, Evidence.DERIVED, (), "first order; whole-job failures alone set it")
def partial_recovery_interval(save_s: Number, mtbf_s: Number, whole_job_share: Number) -> Number:
    r"""The optimum of partial recovery where a share of failures still takes the whole job.

    .. math:: \tau = \sqrt{2 C \mu / w}

    Parameters
    ----------
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    whole_job_share : share of failures that take everything, w, greater than 0

    Returns
    -------
    Useful work between two saves, τ [s], before the accuracy budget caps it; infinite where w = 0.

    Examples
    --------
    >>> partial_recovery_interval(save_s=240, mtbf_s=100800, whole_job_share=0.05) / 3600
    8.64...
    """
    xp = namespace(save_s, mtbf_s, whole_job_share)
    interval = xp.sqrt(2 * save_s * mtbf_s / xp.above_zero(whole_job_share))
    return xp.infinite_at_zero(whole_job_share, interval)


@formula("τ", DERIVED, Evidence.DERIVED, (), "first order; no whole-job failures")
def priced_loss_interval(
    save_s: Number,
    mtbf_s: Number,
    shards: Number,
    loss_price: Number,
    shard_share: Number = 1,
    failed_shards: Number = 1,
) -> Number:
    r"""The optimum of partial recovery when lost samples are priced rather than bounded.

    .. math:: \tau = \sqrt{\frac{2 C \mu N}{c_{\mathrm{PLS}}\, s k}}

    the interval of a full-recovery job whose MTBF is N/(c_PLS·sk) times longer.

    Parameters
    ----------
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    shards : embedding shards, N
    loss_price : overhead that one unit of PLS is worth, c_PLS [1/PLS]
    shard_share : share of failures that take a shard, s
    failed_shards : shards lost per shard failure, k

    Returns
    -------
    Useful work between two saves, τ [s].

    Examples
    --------
    >>> priced_loss_interval(240, 100800, shards=8, loss_price=8) == young_1974(240, 100800)
    True
    """
    xp = namespace(save_s, mtbf_s, shards, loss_price)
    return xp.sqrt(2 * save_s * mtbf_s * shards / (loss_price * shard_share * failed_shards))


def optimal_chunks(work_s: Number, save_s: Number, mtbf_s: Number, final_save: bool = False) -> Number:
    r"""Into how many pieces to cut a job of finite length under full recovery.

    .. math:: N_0 = \frac{T'}{\mu R(C/\mu)}, \qquad
              N_\tau = \arg\min_{i \in \{\max(1, \lfloor N_0 \rfloor), \lceil N_0 \rceil\}}
              i \left(e^{(T'/i + C)/\mu} - 1\right)

    with T' = T where the last save is charged too, T' = T − C where no save follows the end of the job
    (then N_τ − 1 pieces of (T − C)/N_τ are followed by a last one C longer).

    Parameters
    ----------
    work_s : useful training time, T [s]
    save_s : time a save blocks training, C [s], greater than 0
    mtbf_s : mean time between failures of the job, μ [s]
    final_save : whether a save follows the end of the job

    Returns
    -------
    Number of pieces N_τ (an int, or an array of them); N_τ − 1 saves are made (N_τ with ``final_save``).

    Notes
    -----
    Exact for exponential failures: the cost is convex in the number of pieces (derived; equal to brute force in the
    tests).

    Examples
    --------
    >>> optimal_chunks(work_s=200 * 60, save_s=5 * 60, mtbf_s=360 * 60)
    3
    >>> optimal_chunks(work_s=200 * 60, save_s=5 * 60, mtbf_s=360 * 60, final_save=True)
    4
    >>> optimal_chunks(work_s=[12000.0, 24000.0], save_s=300, mtbf_s=21600)
    array([3, 7])
    """
    work, save, mtbf = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (work_s, save_s, mtbf_s)))
    length = work if final_save else np.maximum(work - save, 0.0)
    ideal = length / exact_interval(save, mtbf)
    candidates = np.maximum(np.stack([np.floor(ideal), np.ceil(ideal)]), 1)
    exponent = (length / candidates + save) / mtbf
    log_cost = np.log(candidates) + exponent + np.log(-np.expm1(-exponent))  # cannot overflow
    best: np.ndarray = np.where(log_cost[0] <= log_cost[1], candidates[0], candidates[1]).astype(np.int64)
    return int(best) if best.ndim == 0 else best
