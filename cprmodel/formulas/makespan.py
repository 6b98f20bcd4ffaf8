r"""Exact expected time to train under exponential failures: no first-order argument anywhere.

Semantics (the simulator plays the same ones)
    A chunk is W of work and then a save of C; the last one of a job has no save. A failure during a save makes
    that save void. A failure during a recovery starts it again; where two kinds are pending together the
    larger counts (the whole job over a shard over a trainer, and the longer of a shard's and a trainer's).
    In partial recovery a shard's or a trainer's failure stops everybody until it is repaired, then the work
    goes on where it stood (an interrupted save from its beginning); a whole-job failure sends everybody back
    to the last complete save.

Results are :class:`~cprmodel.facts.results.Breakdown` in seconds, over and above the useful work.
"""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.sources import BOUGERET_2011, DERIVED, Evidence
from cprmodel.facts.special import Number, namespace
from cprmodel.formulas.stops import Pace, pace_of

__all__ = [
    "bougeret_2011_chunk",
    "full_recovery_chunk",
    "full_recovery_makespan",
    "full_recovery_variance",
    "partial_recovery_exact_interval",
    "partial_recovery_makespan",
]


@formula("E", DERIVED, Evidence.DERIVED, (), "exponential failures, which strike recoveries too")
def full_recovery_chunk(
    interval_s: Number, save_s: Number, mtbf_s: Number, load_s: Number = 0, reschedule_s: Number = 0
) -> Number:
    r"""Expected time to do a chunk of work and its save, full recovery.

    .. math:: E = \mu\, e^{(L + D)/\mu} \left(e^{(\tau + C)/\mu} - 1\right)

    Parameters
    ----------
    interval_s : work of the chunk, τ [s]
    save_s : its save, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    load_s, reschedule_s : L and D [s]; failures strike during them too, and they start again

    Returns
    -------
    Expected time from the chunk's start to its complete save [s].

    Examples
    --------
    >>> round(full_recovery_chunk(interval_s=60.0, save_s=5.0, mtbf_s=1440.0) - 65, 3)
    1.489
    """
    xp = namespace(interval_s, save_s, mtbf_s, load_s, reschedule_s)
    return mtbf_s * xp.exp((load_s + reschedule_s) / mtbf_s) * xp.expm1((interval_s + save_s) / mtbf_s)


@formula("E", BOUGERET_2011, Evidence.MEMORY, (), "exponential failures, none during detection and rescheduling")
def bougeret_2011_chunk(
    interval_s: Number, save_s: Number, mtbf_s: Number, load_s: Number = 0, reschedule_s: Number = 0
) -> Number:
    r"""Expected time to do a chunk of work and its save when nothing fails during D.

    .. math:: E = e^{L/\mu} (\mu + D) \left(e^{(\tau + C)/\mu} - 1\right)

    Parameters
    ----------
    interval_s : work of the chunk, τ [s]
    save_s : its save, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    load_s : time to read a checkpoint back, L [s]
    reschedule_s : time to detect, get a node and restart, D [s], free of failures

    Returns
    -------
    Expected time from the chunk's start to its complete save [s].

    Examples
    --------
    >>> bougeret_2011_chunk(60.0, 5.0, 1440.0, load_s=5.0) == full_recovery_chunk(60.0, 5.0, 1440.0, load_s=5.0)
    True
    """
    xp = namespace(interval_s, save_s, mtbf_s, load_s, reschedule_s)
    return xp.exp(load_s / mtbf_s) * (mtbf_s + reschedule_s) * xp.expm1((interval_s + save_s) / mtbf_s)


def _full_chunk_parts(work: Number, save: Number, mtbf: Number, load: Number, reschedule: Number) -> Breakdown:
    """The parts of :func:`full_recovery_chunk`: its roll-backs, each with a recovery that may start again."""
    xp = namespace(work, save, mtbf, load, reschedule)
    failures = xp.expm1((work + save) / mtbf)
    loading = mtbf * xp.expm1(load / mtbf)
    return Breakdown(
        save=save,
        load=failures * loading,
        lost=(work + save) ** 2 / mtbf * xp.phi2((work + save) / mtbf),
        reschedule=failures * mtbf * xp.exp(load / mtbf) * xp.expm1(reschedule / mtbf),
    )


def _job(chunk: Breakdown, count: Number, last: Breakdown) -> Breakdown:
    return Breakdown(*(count * one + end for one, end in zip(chunk, last, strict=True)))


@formula(
    "time beyond T",
    DERIVED,
    Evidence.DERIVED,
    (),
    "exponential failures, which strike saves and recoveries too",
)
def full_recovery_makespan(
    work_s: Number,
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    load_s: Number = 0,
    reschedule_s: Number = 0,
) -> Breakdown:
    r"""Expected time to train beyond the useful work, full recovery, a job of finite length.

    .. math:: \mu\, e^{(L + D)/\mu} \left[ m \left(e^{(\tau + C)/\mu} - 1\right)
              + \left(e^{\tau_m/\mu} - 1\right) \right] - T

    with m = ⌈T/τ⌉ − 1 saves and a rest τₘ = T − mτ that no save follows.

    Parameters
    ----------
    work_s : useful training time, T [s]
    interval_s : useful work between two saves, τ [s]
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    load_s : time to read a checkpoint back, L [s]
    reschedule_s : time to detect, get a node and restart, D [s]

    Returns
    -------
    Breakdown in seconds; add ``work_s`` to its total for the makespan.

    Examples
    --------
    >>> parts = full_recovery_makespan(work_s=120.0, interval_s=60.0, save_s=5.0, mtbf_s=1440.0)
    >>> round(parts.total, 3) == round(full_recovery_chunk(60.0, 5.0, 1440.0) - 60
    ...                                + full_recovery_chunk(60.0, 0.0, 1440.0) - 60, 3)
    True
    """
    xp = namespace(work_s, interval_s, save_s, mtbf_s, load_s, reschedule_s)
    saves = xp.intervals(work_s, interval_s) - 1
    chunk = _full_chunk_parts(interval_s, save_s, mtbf_s, load_s, reschedule_s)
    last = _full_chunk_parts(work_s - saves * interval_s, 0, mtbf_s, load_s, reschedule_s)
    return _job(chunk, saves, last)


def _attempts_variance(length: Number, mtbf: Number, mean_between: Number, variance_between: Number) -> Number:
    """Variance of the time to get through ``length`` without a failure, with a pause after each failed attempt.

    Failed attempts are geometric in number, i = e^(λx) − 1 on average with variance i(i + 1); each takes a time Y
    (exponential, below x) and a pause Z.
    """
    xp = namespace(length, mtbf, mean_between, variance_between)
    x = length / mtbf
    failed = xp.expm1(x)
    mean = length * xp.exp(-x) * xp.phi2(x) / xp.exprel(-x)
    square = 2 * length**2 * xp.exp(-x) * xp.phi3(x) / xp.exprel(-x)
    return failed * (square - mean**2 + variance_between) + failed * (failed + 1) * (mean + mean_between) ** 2


@formula("Var", DERIVED, Evidence.DERIVED, (), "exponential failures, which strike saves and recoveries too")
def full_recovery_variance(
    work_s: Number,
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    load_s: Number = 0,
    reschedule_s: Number = 0,
) -> Number:
    r"""Variance of the time to train under full recovery, a job of finite length.

    .. math:: \operatorname{Var} = m\,\operatorname{Var}(\tau + C) + \operatorname{Var}(\tau_m),

    .. math:: \operatorname{Var}(x) = i (V_Y + V_Z) + i (i + 1)(E_Y + E_Z)^2, \quad i = e^{x/\mu} - 1

    with Y a failure's time given that it strikes within x, Z a recovery, itself attempts of L + D that may start
    again, m saves and a rest τₘ.

    Parameters
    ----------
    work_s : useful training time, T [s]
    interval_s : useful work between two saves, τ [s]
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    load_s : time to read a checkpoint back, L [s]
    reschedule_s : time to detect, get a node and restart, D [s]

    Returns
    -------
    Variance [s²]; with the makespan it gives quantiles of the time to train without simulating.

    Examples
    --------
    >>> one = full_recovery_variance(work_s=60.0, interval_s=60.0, save_s=5.0, mtbf_s=1440.0)
    >>> 3 * one < full_recovery_variance(180.0, 60.0, 5.0, 1440.0) < 4 * one
    True
    """
    xp = namespace(work_s, interval_s, save_s, mtbf_s, load_s, reschedule_s)
    recovery = load_s + reschedule_s
    mean_recovery = mtbf_s * xp.expm1(recovery / mtbf_s)
    variance_recovery = _attempts_variance(recovery, mtbf_s, 0, 0)
    saves = xp.intervals(work_s, interval_s) - 1
    chunk = _attempts_variance(interval_s + save_s, mtbf_s, mean_recovery, variance_recovery)
    last = _attempts_variance(work_s - saves * interval_s, mtbf_s, mean_recovery, variance_recovery)
    return saves * chunk + last


def _partial_chunk_parts(pace: Pace, work: Number, saved: bool) -> Breakdown:
    """Work and a save (or none) under partial recovery.

    Every attempt at the chunk ends in its complete save or in a roll-back; attempts are independent, so
    expected totals are those of one attempt times their expected number. A save phase ends in its save with
    probability 1/(1 + voids·(probability that a void save rolls back)).
    """
    xp = namespace(work, *pace)
    save, voids = (pace.save, pace.voids) if saved else (0, 0)
    x = pace.stop_rate * pace.rolled_back * work
    unsaved = voids * pace.rolled_back  # 1/S − 1
    backs = xp.expm1(x) * (1 + unsaved) + unsaved
    stops = pace.stop_rate * work * xp.exprel(x) * (1 + unsaved) + voids
    return Breakdown(
        save=save,
        load=stops * pace.stop_load + backs * pace.back_load,
        lost=work * (x * xp.phi2(x) * (1 + unsaved) + unsaved)
        + pace.stop_rate * save**2 * xp.phi2(pace.stop_rate * save),
        reschedule=stops * pace.stop_reschedule + backs * pace.back_reschedule,
    )


@formula(
    "time beyond T",
    DERIVED,
    Evidence.DERIVED,
    (),
    "exponential failures, which strike saves and recoveries too",
)
def partial_recovery_makespan(
    work_s: Number,
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 1,
    trainer_share: Number = 0,
    whole_job_share: Number = 0,
    trainer_reschedule_s: Number = 0,
    load_s: Number = 0,
    reschedule_s: Number = 0,
) -> Breakdown:
    r"""Expected time to train beyond the useful work, partial recovery, a job of finite length.

    With shard failures alone

    .. math:: \left(T + m\mu\left(e^{C/\mu} - 1\right)\right) e^{(L' + D')/\mu} - T

    for m = ⌈T/τ⌉ − 1 saves. With trainer and whole-job failures the stops are an absorbing Markov chain
    (docs/models/makespan.md); a chunk of W then takes

    .. math:: \frac{e^{\rho W} - 1}{\rho}(1 + b v)\left(1 + \frac{G}{\mu}\right) + v\,(\mu + G)
              + \left(e^{\rho W} (1 + b v) - 1\right) E_w

    with b the probability that a failure ends in a roll-back of everybody, ρ = b/μ, G the expected stop after
    a failure, v = e^(C/μ) − 1 void saves per complete one, and E_w the recovery of the whole job.

    Parameters
    ----------
    work_s : useful training time, T [s]
    interval_s : useful work between two saves, τ [s]
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share, whole_job_share : shares of failures s, t, w, summing to 1
    trainer_reschedule_s : Dₜ of a trainer failure [s]
    load_s, reschedule_s : L and D of a whole-job failure [s]

    Returns
    -------
    Breakdown in seconds; add ``work_s`` to its total for the makespan.

    Notes
    -----
    With w = 1 it is :func:`full_recovery_makespan`.

    Examples
    --------
    >>> import math
    >>> parts = partial_recovery_makespan(work_s=100.0, interval_s=50.0, save_s=1.0, mtbf_s=10.0)
    >>> round(parts.total, 6) == round(10 * math.expm1(0.1), 6)  # one save, again whenever it is struck
    True
    """
    xp = namespace(work_s, interval_s, save_s, mtbf_s, partial_load_s, shard_share, whole_job_share)
    pace = pace_of(
        save_s,
        mtbf_s,
        partial_load_s,
        partial_reschedule_s,
        shard_share,
        trainer_share,
        whole_job_share,
        trainer_reschedule_s,
        load_s,
        reschedule_s,
    )
    saves = xp.intervals(work_s, interval_s) - 1
    chunk = _partial_chunk_parts(pace, interval_s, saved=True)
    last = _partial_chunk_parts(pace, work_s - saves * interval_s, saved=False)
    return _job(chunk, saves, last)


@formula("τ", DERIVED, Evidence.DERIVED, (), "exponential failures, a job much longer than τ")
def partial_recovery_exact_interval(
    save_s: Number,
    mtbf_s: Number,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 1,
    trainer_share: Number = 0,
    whole_job_share: Number = 0,
    trainer_reschedule_s: Number = 0,
    load_s: Number = 0,
    reschedule_s: Number = 0,
) -> Number:
    r"""The interval that minimises partial recovery's exact cost per unit of work, before the accuracy budget.

    .. math:: \tau = \frac{\mu}{b}\, R\!\left(\log\left(1 + b\left(e^{C/\mu} - 1\right)\right)\right)

    with b the probability that a failure, of whatever kind, ends in a roll-back of everybody. (A chunk of W
    costs x e^(ρW) − y with ρ = b/μ and y/x = 1/(1 + b(e^(C/μ) − 1)); its ratio to W is least where
    (1 − ρW) e^(ρW) = y/x. Recovery times enter through b alone.)

    Parameters
    ----------
    save_s, mtbf_s : C and μ [s]
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share, whole_job_share : shares of failures s, t, w, summing to 1
    trainer_reschedule_s : Dₜ of a trainer failure [s]
    load_s, reschedule_s : L and D of a whole-job failure [s]

    Returns
    -------
    Useful work between two saves, τ [s]; infinite where no failure takes the whole job (w = 0).

    Examples
    --------
    >>> alone = partial_recovery_exact_interval(300.0, 86400.0, shard_share=0, whole_job_share=1)
    >>> round(alone / 60, 3)  # the exact interval of full recovery
    116.69
    """
    xp = namespace(save_s, mtbf_s, partial_load_s, partial_reschedule_s, shard_share, whole_job_share)
    pace = pace_of(
        save_s,
        mtbf_s,
        partial_load_s,
        partial_reschedule_s,
        shard_share,
        trainer_share,
        xp.above_zero(whole_job_share),
        trainer_reschedule_s,
        load_s,
        reschedule_s,
    )
    b = pace.rolled_back
    interval = mtbf_s / b * xp.renewal_root(xp.log1p(b * xp.expm1(save_s / mtbf_s)))
    return xp.infinite_at_zero(whole_job_share, interval)
