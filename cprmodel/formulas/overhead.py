"""First-order overhead: extra time over useful time, to first order in (anything)/μ."""

from __future__ import annotations

from cprmodel.facts.formula import Validity, formula
from cprmodel.facts.results import Breakdown
from cprmodel.facts.sources import CPR_2021, DERIVED, Evidence
from cprmodel.facts.special import Number, namespace

__all__ = ["effective_time_ratio", "full_recovery_overhead", "partial_recovery_overhead"]

_LOW = "beyond, the first-order overhead can be over 10% too low: use the exact model"


def _full_reach(interval_s: Number, save_s: Number, mtbf_s: Number, load_s: Number, reschedule_s: Number) -> Number:
    return (interval_s + save_s + load_s + reschedule_s) / mtbf_s


def _partial_reach(
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    partial_load_s: Number,
    partial_reschedule_s: Number,
    shard_share: Number,
    trainer_share: Number,
    whole_job_share: Number,
    trainer_reschedule_s: Number,
    load_s: Number,
    reschedule_s: Number,
) -> Number:
    xp = namespace(shard_share, trainer_share, whole_job_share)
    shard = xp.where(shard_share > 0, partial_load_s + partial_reschedule_s, 0)
    trainer = xp.where(trainer_share > 0, trainer_reschedule_s, 0)
    whole_job = xp.where(whole_job_share > 0, load_s + reschedule_s, 0)
    longest = xp.maximum(xp.maximum(shard, trainer), whole_job)
    return (whole_job_share * interval_s + save_s + longest) / mtbf_s


_FULL_RANGE = Validity("(τ + C + L + D)/μ", _full_reach, at_most=0.1, because=_LOW)
_PARTIAL_RANGE = Validity("(wτ + C + longest recovery)/μ", _partial_reach, at_most=0.1, because=_LOW)


@formula("O/T", CPR_2021, Evidence.SECOND_HAND, (_FULL_RANGE,), "first order in 1/μ")
def full_recovery_overhead(
    interval_s: Number, save_s: Number, mtbf_s: Number, load_s: Number = 0, reschedule_s: Number = 0
) -> Breakdown:
    r"""First-order overhead of full recovery: at a failure everything rolls back to the last save.

    .. math:: \frac{O}{T} = \frac{C}{\tau} + \frac{L + D + \tau/2}{\mu}

    Parameters
    ----------
    interval_s : useful work between two saves, τ [s]
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, μ [s]
    load_s : time to read a checkpoint back, L [s]
    reschedule_s : time to detect, get a node and restart, D [s]

    Returns
    -------
    Breakdown of the overhead as fractions of the useful time.

    Notes
    -----
    Source: CPR (Maeng et al. 2021); its shape is confirmed by MoC-System eq. 4. For
    (τ + C + L + D)/μ ≤ 0.1 it is within 10% of the exact overhead
    (:func:`~cprmodel.formulas.full_recovery_makespan`); beyond, a warning.

    Examples
    --------
    >>> full_recovery_overhead(interval_s=7200, save_s=300, mtbf_s=86400, load_s=300, reschedule_s=600).total
    0.09375
    """
    return Breakdown(
        save=save_s / interval_s,
        load=load_s / mtbf_s,
        lost=interval_s / (2 * mtbf_s),
        reschedule=reschedule_s / mtbf_s,
    )


@formula("O/T", DERIVED, Evidence.DERIVED, (_PARTIAL_RANGE,), "first order in 1/μ; s + t + w = 1")
def partial_recovery_overhead(
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
    r"""First-order overhead of partial recovery: only the failed shards roll back.

    .. math:: \frac{O}{T} = \frac{C}{\tau} +
              \frac{s(L' + D') + t\,D_t + w\,(L + D + \tau/2)}{\mu}

    With s = 1 this is CPR's C/τ + (L' + D')/μ. A trainer's death loses no embedding; a failure of the whole
    job sends everybody back.

    Parameters
    ----------
    interval_s : useful work between two saves, τ [s]
    save_s : time a save blocks training, C [s]
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    partial_load_s : time for the failed shards to read their part, L' [s]
    partial_reschedule_s : time to detect a failed shard and replace it, D' [s]
    shard_share, trainer_share, whole_job_share : shares of failures s, t, w, summing to 1
    trainer_reschedule_s : time to detect a failed trainer and replace it, Dₜ [s]
    load_s, reschedule_s : L and D of a whole-job failure [s]

    Returns
    -------
    Breakdown of the overhead as fractions of the useful time.

    Notes
    -----
    It falls for ever as τ grows where w = 0: an accuracy budget must bound τ.

    Examples
    --------
    >>> partial_recovery_overhead(interval_s=161280, save_s=240, mtbf_s=100800, partial_load_s=30).total
    0.001785...
    """
    return Breakdown(
        save=save_s / interval_s,
        load=(shard_share * partial_load_s + whole_job_share * load_s) / mtbf_s,
        lost=whole_job_share * interval_s / (2 * mtbf_s),
        reschedule=(
            shard_share * partial_reschedule_s
            + trainer_share * trainer_reschedule_s
            + whole_job_share * reschedule_s
        )
        / mtbf_s,
    )


@formula("effective time", DERIVED, Evidence.DEFINITION)
def effective_time_ratio(overhead: Number) -> Number:
    r"""Share of the elapsed time that is useful work, 1/(1 + o) ("goodput", ETTR without queueing).

    .. math:: \mathrm{ETTR} = \frac{1}{1 + o}

    Parameters
    ----------
    overhead : extra time as a fraction of the useful time, o = O/T

    Examples
    --------
    >>> effective_time_ratio(0.25)
    0.8
    """
    return 1 / (1 + overhead)
