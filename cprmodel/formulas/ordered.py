r"""What failures take when some rows are saved before others, under partial recovery.

Every so much useful work (τ here) a save takes a part of the rows, in C. Updates since the last save are *fresh*;
those that it left out are *stale*. A shard that fails loses both. Where everybody rolls back, fresh updates are
made again, and stale ones are lost on all shards. How many are stale hangs on the order in which rows are saved
(``cprmodel.ordering.stale``); what becomes of them is here.
"""

from __future__ import annotations

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace
from cprmodel.formulas.stops import Struck, risk_of, stale_lost

__all__ = ["fresh_loss", "levelled_priority_pls", "priority_pls", "priority_pls_deviation", "stale_loss"]


def _fresh_lost(risk: Struck, x: Number, voids: Number) -> Number:
    xp = namespace(x, voids, *risk)
    void = voids * risk.hit / (1 + voids * (risk.back + risk.hit))  # hit while saving
    return x * xp.phi2(-x) + void * xp.exprel(-x)


_STRUCK = "exponential failures, which strike saves and recoveries too; rows spread evenly over the shards"


@formula("f", DERIVED, Evidence.DERIVED, (), _STRUCK)
def fresh_loss(
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    shards: Number,
    failed_shards: Number = 1,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 1,
    trainer_share: Number = 0,
    trainer_reschedule_s: Number = 0,
) -> Number:
    r"""Share of the updates made between two saves that is lost for good before the second one is complete.

    .. math:: f = 1 - \frac{1 + v b}{1 + v (b + H)} \cdot \frac{1 - e^{-x}}{x}, \qquad x = \frac{H\tau}{\mu}

    with b the probability that a failure ends in a roll-back of everybody (who then do this work again), H that it
    is repaired but hits one given shard, at its start or during its stop, and v = e^(C/μ) − 1 void saves per
    complete one.

    Parameters
    ----------
    interval_s : useful work between two saves, of whatever each of them takes, τ [s]
    save_s : time one of them blocks training, C [s]; 0 where no save ends the interval
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    failed_shards : shards lost per shard failure, k
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share : shares of failures s and t; the rest takes the whole job
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Examples
    --------
    >>> round(fresh_loss(interval_s=44.8, save_s=0.0, mtbf_s=28.0, shards=8), 4)
    0.0937
    """
    risk = risk_of(
        save_s,
        mtbf_s,
        failed_shards / shards,
        partial_load_s,
        partial_reschedule_s,
        shard_share,
        trainer_share,
        trainer_reschedule_s,
    )
    return _fresh_lost(risk, risk.hit * interval_s / mtbf_s, risk.voids)


@formula("g", DERIVED, Evidence.DERIVED, (), _STRUCK)
def stale_loss(
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    shards: Number,
    failed_shards: Number = 1,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 1,
    trainer_share: Number = 0,
    trainer_reschedule_s: Number = 0,
) -> Number:
    r"""Share of the updates that the last save left out that is lost before the next one is complete.

    .. math:: g = 1 - \frac{e^{-y}}{1 + v (b + H)}, \qquad y = \frac{(b + H)\tau}{\mu}

    with b, H and v as in :func:`fresh_loss`. They are not replayed: a roll-back of everybody takes them, too.

    Parameters
    ----------
    interval_s : useful work between two saves, of whatever each of them takes, τ [s]
    save_s : time one of them blocks training, C [s]; 0 where no save ends the interval
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    failed_shards : shards lost per shard failure, k
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share : shares of failures s and t; the rest takes the whole job
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Examples
    --------
    >>> round(stale_loss(interval_s=44.8, save_s=0.0, mtbf_s=28.0, shards=8), 4)  # 1 − e^(−0.2)
    0.1813
    """
    risk = risk_of(
        save_s,
        mtbf_s,
        failed_shards / shards,
        partial_load_s,
        partial_reschedule_s,
        shard_share,
        trainer_share,
        trainer_reschedule_s,
    )
    return stale_lost(risk, (risk.back + risk.hit) * interval_s / mtbf_s, risk.voids)


@formula("PLS", DERIVED, Evidence.DERIVED, (), _STRUCK)
def priority_pls(
    stale_s: Number,
    last_stale_s: Number,
    work_s: Number,
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    shards: Number,
    failed_shards: Number = 1,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 1,
    trainer_share: Number = 0,
    trainer_reschedule_s: Number = 0,
) -> Number:
    r"""Expected portion of lost updates when some rows are saved before others, failures in saves and stops too.

    .. math:: \mathrm{PLS} = \frac{m\,(\tau f + U_0\, g) + \tau_m f' + U_1\, g'}{T}

    for m saves, a rest τₘ = T − mτ, and the shares f and g of :func:`fresh_loss` and :func:`stale_loss`, with a
    dash those of the rest, which no save ends.

    Parameters
    ----------
    stale_s : updates that are not saved when a part begins that ends in a save, on average, over their rate, U₀ [s]
    last_stale_s : the same when the last part begins, U₁ [s]
    work_s : useful training time, T [s]
    interval_s : useful work between two saves, of whatever each of them takes, τ [s]
    save_s : time one of them blocks training, C [s]
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    failed_shards : shards lost per shard failure, k
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share : shares of failures s and t; the rest takes the whole job
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Notes
    -----
    Saves that take everything leave U₀ = U₁ = 0: then it is :func:`~cprmodel.formulas.exact_pls`.
    Otherwise U₀ and U₁ come from the order (``cprmodel.ordering.stale``). A failure of the whole job replays the
    updates since the last save; older ones of rows that no save has reached yet are lost on all shards.

    Examples
    --------
    >>> round(priority_pls(stale_s=0.0, last_stale_s=0.0, work_s=56.0, interval_s=44.8, save_s=0.0, mtbf_s=28.0,
    ...     shards=8), 4)
    0.0798
    """
    xp = namespace(stale_s, last_stale_s, work_s, interval_s, save_s, mtbf_s, shards, shard_share)
    risk = risk_of(
        save_s,
        mtbf_s,
        failed_shards / shards,
        partial_load_s,
        partial_reschedule_s,
        shard_share,
        trainer_share,
        trainer_reschedule_s,
    )
    both = risk.back + risk.hit
    saves = xp.intervals(work_s, interval_s) - 1
    rest = work_s - saves * interval_s
    fresh = _fresh_lost(risk, risk.hit * interval_s / mtbf_s, risk.voids)
    stale = stale_lost(risk, both * interval_s / mtbf_s, risk.voids)
    last_fresh = _fresh_lost(risk, risk.hit * rest / mtbf_s, 0)
    last_stale = stale_lost(risk, both * rest / mtbf_s, 0)
    whole = saves * (interval_s * fresh + stale_s * stale)
    return (whole + rest * last_fresh + last_stale_s * last_stale) / work_s


@formula("PLS", DERIVED, Evidence.DERIVED, (), "exponential failures; a job much longer than its intervals")
def levelled_priority_pls(
    stale_s: Number,
    last_stale_s: Number,
    work_s: Number,
    interval_s: Number,
    fresh_lost: Number,
    stale_lost: Number,
    last_fresh_lost: Number,
    last_stale_lost: Number,
) -> Number:
    r"""Expected portion of lost updates when the first rows are saved beside other levels, or beside warnings.

    .. math:: \mathrm{PLS} = \frac{m\,(\tau f + U_0\, g) + \tau_m f' + U_1\, g'}{T}

    for m saves to the level that takes the rows in order, or a higher one, and a rest τₘ = T − mτ, which none ends;
    with a dash what belongs to it.

    Parameters
    ----------
    stale_s : updates that a save to that level left out, on average, over the rate of updates, U₀ [s]
    last_stale_s : the same of the last one, U₁ [s]
    work_s : useful training time, T [s]
    interval_s : useful work between two saves to that level, τ [s]
    fresh_lost : share of the updates that is lost before a save to a level that survives has them, f
    stale_lost : share of what a save left out that is lost before the next one to that level, g
    last_fresh_lost, last_stale_lost : f' and g'

    Notes
    -----
    f is the PLS of saves of everything to all levels, and g the probability that a failure takes the last level's
    version in between: both from the recursion of the steady-state model (``cprmodel.costing.course``). Lower
    levels hold all rows as they were: failures after which these can be read take nothing that an order left out.
    Where failures are announced, m counts saves on warnings to the last level, too, τ is the work between two
    saves of either kind, on average, and U₀ and g come from a renewal sum (``cprmodel.ordering.warned``).
    Where everything is saved to a level above that of the order, now and then, a save of everything leaves nothing
    out, and g is the share of U₀ that is lost because it was left out, by ``cprmodel.ordering.topped``; f' = f.

    Examples
    --------
    >>> round(levelled_priority_pls(3600.0, 3600.0, work_s=720_000.0, interval_s=7200.0, fresh_lost=0.01,
    ...     stale_lost=0.004, last_fresh_lost=0.01, last_stale_lost=0.004), 6)
    0.012
    """
    xp = namespace(stale_s, last_stale_s, work_s, interval_s, fresh_lost, stale_lost)
    saves = xp.intervals(work_s, interval_s) - 1
    rest = work_s - saves * interval_s
    whole = saves * (interval_s * fresh_lost + stale_s * stale_lost)
    return (whole + rest * last_fresh_lost + last_stale_s * last_stale_lost) / work_s


@formula(
    "SD of PLS", DERIVED, Evidence.DERIVED, (), "losses are independent; a stop's further failures count alone"
)
def priority_pls_deviation(
    work_square_s2: Number,
    save_square_s2: Number,
    stale_square_s2: Number,
    work_s: Number,
    interval_s: Number,
    save_s: Number,
    mtbf_s: Number,
    shards: Number,
    failed_shards: Number = 1,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 1,
    trainer_share: Number = 0,
    trainer_reschedule_s: Number = 0,
    failed_scatter: Number = 0,
) -> Number:
    r"""How much the PLS of one run scatters (standard deviation) when some rows are saved before others.

    .. math:: \frac1T \sqrt{\frac{(k^2 + \sigma_k) H}{k N}\left(\frac{T}{\mu} A_w + m v A_c\right)
              + b \left(\frac{T}{\mu} + m v\right) A_0}

    a compound Poisson sum over shard failures at work and in saves, and over roll-backs; b, H, v as in
    :func:`fresh_loss`, m saves. A k between two whole numbers is one or the other, so that the mean of its square
    is a little more than k².

    Parameters
    ----------
    work_square_s2 : mean square of what a failure at work takes of the updates, over their rate, A_w [s²]
    save_square_s2 : the same of a failure in a save, A_c [s²]
    stale_square_s2 : the same of a roll-back of everybody, A₀ [s²]
    work_s : useful training time, T [s]
    interval_s : useful work between two saves, of whatever each of them takes, τ [s]
    save_s : time one of them blocks training, C [s]
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    failed_shards : shards lost per shard failure, k
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share : shares of failures s and t; the rest takes the whole job
    trainer_reschedule_s : Dₜ of a trainer failure [s]
    failed_scatter : by how much the mean of k² is above that of the whole numbers next to k, σ_k

    Examples
    --------
    Two failures expected, each takes between nothing and an eighth of everything: CPR's PLS at τ = T:

    >>> round(priority_pls_deviation(56.0**2 / 3, 0.0, 0.0, work_s=56.0, interval_s=56.0, save_s=0.0, mtbf_s=28.0,
    ...     shards=8), 4)
    0.1021
    """
    xp = namespace(work_square_s2, save_square_s2, stale_square_s2, work_s, interval_s, save_s, mtbf_s, shards)
    risk = risk_of(
        save_s,
        mtbf_s,
        failed_shards / shards,
        partial_load_s,
        partial_reschedule_s,
        shard_share,
        trainer_share,
        trainer_reschedule_s,
    )
    saves = xp.intervals(work_s, interval_s) - 1
    at_work = work_s / mtbf_s
    voids = saves * risk.voids
    least = xp.floor(failed_shards)
    square = least**2 + (failed_shards - least) * (2 * least + 1) + failed_scatter
    of_shards = square / failed_shards * risk.hit / shards * (at_work * work_square_s2 + voids * save_square_s2)
    return xp.sqrt(of_shards + risk.back * (at_work + voids) * stale_square_s2) / work_s
