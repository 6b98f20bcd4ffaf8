r"""What failures take when some rows are saved before others and saves drain in the background.

As :mod:`cprmodel.formulas.ordered`, of saves that block for C and then drain for C_d while a share ω of the compute
goes on. A save holds the rows as they were when it began, and counts from the end of its drain; one that is struck
is taken anew, of the rows as they are then. What is trained in a drain is part of what the next save takes.
"""

from __future__ import annotations

from typing import NamedTuple

from cprmodel.facts.formula import formula
from cprmodel.facts.sources import DERIVED, Evidence
from cprmodel.facts.special import Number, namespace
from cprmodel.formulas.stops import Struck, risk_of, stale_lost

__all__ = ["drained_fresh_loss", "drained_priority_pls", "drained_slot", "drained_stale_loss"]

_STRUCK = "exponential failures, which strike saves, drains and recoveries too; a long job"


class _Slot(NamedTuple):
    """What a slot comes to."""

    risk: Struck  # voids: of what blocks and the drain
    rate: Number
    carried: Number  # work done in a complete drain
    rest: Number  # work after it
    more: Number  # work done in void drains, per slot
    void: Number  # the same per save that is begun


def _slot(
    interval: Number,
    save: Number,
    drain: Number,
    overlap: Number,
    mtbf: Number,
    hit: Number,
    partial_load: Number,
    partial_reschedule: Number,
    s: Number,
    t: Number,
    trainer_reschedule: Number,
) -> _Slot:
    xp = namespace(interval, save, drain, overlap, mtbf, hit, partial_load, partial_reschedule, s, t)
    risk = risk_of(save + drain, mtbf, hit, partial_load, partial_reschedule, s, t, trainer_reschedule)
    rate, calm = 1 / mtbf, 1 + risk.voids * risk.back
    void = overlap * rate * drain**2 * xp.phi2(rate * drain) / (1 + risk.voids)  # of a save that is begun
    carried = overlap * drain
    more = (1 - risk.back) * void * (1 + risk.voids) / calm
    return _Slot(risk, rate, carried, xp.maximum(interval - carried, 0), more, void)


def _unsaved(of: _Slot, carried: Number, rest: Number) -> Number:
    """Updates of this work that are hit before the save at its end [s of work]."""
    xp = namespace(carried, rest, *of)
    x = of.rate * of.risk.hit * rest
    return -carried * xp.expm1(-x) + rest * x * xp.phi2(-x)


def _fresh(of: _Slot, interval: Number) -> Number:
    """Updates of a slot that are lost before they are saved [s of work]."""
    xp = namespace(interval, *of)
    hit, back, voids = of.risk.hit, of.risk.back, of.risk.voids
    calm, tried = 1 + voids * back, 1 + voids * (back + hit)
    at_once = xp.exp(-of.rate * back * of.rest) / calm  # else everybody does the whole slot again
    taken = at_once * _unsaved(of, of.carried, of.rest) + (1 - at_once) * _unsaved(of, 0, interval)
    saving = voids * hit / tried  # hit while saving
    in_void = of.void * (1 + voids) ** 2 * hit / (calm * tried)
    return interval * saving + taken * calm / tried + in_void


def _stale(of: _Slot, rest: Number, voids: Number) -> Number:
    return stale_lost(of.risk, of.rate * (of.risk.back + of.risk.hit) * rest, voids)


@formula("τ_e", DERIVED, Evidence.DERIVED, (), _STRUCK)
def drained_slot(
    interval_s: Number,
    save_s: Number,
    drain_s: Number,
    overlap: Number,
    mtbf_s: Number,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 1,
    trainer_share: Number = 0,
    trainer_reschedule_s: Number = 0,
) -> Number:
    r"""Useful work between two complete saves, with what is done in drains that are void.

    .. math:: \tau_e = \tau + \frac{(1 - b)\,\omega\,C_d^2\,\varphi_2(C_d/\mu)}{\mu\,(1 + v b)}, \qquad
              \varphi_2(z) = \frac{e^z - 1 - z}{z^2}

    with b and v as in :func:`~cprmodel.formulas.fresh_loss`, v of C + C_d.

    Parameters
    ----------
    interval_s : useful work after which the next save begins, τ [s]
    save_s : time for which it blocks training, C [s]
    drain_s : time that it drains then, C_d [s]
    overlap : share of the compute that goes on meanwhile, ω
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share : shares of failures s and t; the rest takes the whole job
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Examples
    --------
    >>> round(drained_slot(interval_s=900.0, save_s=5.0, drain_s=600.0, overlap=0.9, mtbf_s=36000.0), 2)
    904.53
    """
    given = (partial_load_s, partial_reschedule_s, shard_share, trainer_share, trainer_reschedule_s)
    return interval_s + _slot(interval_s, save_s, drain_s, overlap, mtbf_s, 0, *given).more


@formula("f", DERIVED, Evidence.DERIVED, (), _STRUCK)
def drained_fresh_loss(
    interval_s: Number,
    save_s: Number,
    drain_s: Number,
    overlap: Number,
    mtbf_s: Number,
    shards: Number,
    failed_shards: Number = 1,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 1,
    trainer_share: Number = 0,
    trainer_reschedule_s: Number = 0,
) -> Number:
    r"""Share of the updates made between two saves that is lost before the second one is complete.

    .. math:: f = \frac{1}{\tau_e}\left( \frac{\tau v H}{q_H} + \frac{q_b}{q_H}\bigl(p\,u(\omega C_d,
              \tau - \omega C_d) + (1 - p)\,u(0, \tau)\bigr)
              + \frac{\omega C_d^2 \varphi_2(C_d/\mu)\,(1 + v) H}{\mu\, q_b q_H} \right)

    with b, H, v as in :func:`~cprmodel.formulas.fresh_loss` (v of C + C_d), q_b = 1 + vb, q_H = 1 + v(b + H),
    p = e^(−b(τ − ωC_d)/μ)/q_b that no roll-back comes between two saves, and u(y, z) of work y that was done in a
    drain and z after it what a hit takes, y(1 − e^(−x)) + z(1 − (1 − e^(−x))/x) with x = Hz/μ.

    Parameters
    ----------
    interval_s : useful work after which the next save begins, τ [s]
    save_s : time for which it blocks training, C [s]
    drain_s : time that it drains then, C_d [s]
    overlap : share of the compute that goes on meanwhile, ω
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    failed_shards : shards lost per shard failure, k
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share : shares of failures s and t; the rest takes the whole job
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Notes
    -----
    It is the PLS of saves of everything in the steady-state model (``cprmodel.costing.storage``), in closed form.

    Examples
    --------
    >>> round(drained_fresh_loss(interval_s=44.8, save_s=0.0, drain_s=0.0, overlap=0.5, mtbf_s=28.0, shards=8), 4)
    0.0937
    """
    given = (partial_load_s, partial_reschedule_s, shard_share, trainer_share, trainer_reschedule_s)
    of = _slot(interval_s, save_s, drain_s, overlap, mtbf_s, failed_shards / shards, *given)
    return _fresh(of, interval_s) / (interval_s + of.more)


@formula("g", DERIVED, Evidence.DERIVED, (), _STRUCK)
def drained_stale_loss(
    interval_s: Number,
    save_s: Number,
    drain_s: Number,
    overlap: Number,
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

    .. math:: g = 1 - \frac{e^{-(b + H)(\tau - \omega C_d)/\mu}}{1 + v (b + H)}

    with b, H and v as in :func:`~cprmodel.formulas.fresh_loss`, v of C + C_d.

    Parameters
    ----------
    interval_s : useful work after which the next save begins, τ [s]
    save_s : time for which it blocks training, C [s]
    drain_s : time that it drains then, C_d [s]
    overlap : share of the compute that goes on meanwhile, ω
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    failed_shards : shards lost per shard failure, k
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share : shares of failures s and t; the rest takes the whole job
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Examples
    --------
    >>> round(drained_stale_loss(interval_s=44.8, save_s=0.0, drain_s=0.0, overlap=0.5, mtbf_s=28.0, shards=8), 4)
    0.1813
    """
    given = (partial_load_s, partial_reschedule_s, shard_share, trainer_share, trainer_reschedule_s)
    of = _slot(interval_s, save_s, drain_s, overlap, mtbf_s, failed_shards / shards, *given)
    return _stale(of, of.rest, of.risk.voids)


@formula("PLS", DERIVED, Evidence.DERIVED, (), _STRUCK)
def drained_priority_pls(
    stale_s: Number,
    last_stale_s: Number,
    work_s: Number,
    interval_s: Number,
    save_s: Number,
    drain_s: Number,
    overlap: Number,
    mtbf_s: Number,
    shards: Number,
    failed_shards: Number = 1,
    partial_load_s: Number = 0,
    partial_reschedule_s: Number = 0,
    shard_share: Number = 1,
    trainer_share: Number = 0,
    trainer_reschedule_s: Number = 0,
) -> Number:
    r"""Expected portion of lost updates when some rows are saved before others and saves drain.

    .. math:: \mathrm{PLS} = \frac{m\,(\tau_e f + U_0\, g) + u(\min(\omega C_d, \tau_m), \tau_m - \omega C_d)
              + U_1\, g'}{T}

    for m saves and a rest τₘ = T − mτ_e, with τ_e of :func:`drained_slot`, f and u of :func:`drained_fresh_loss`,
    g of :func:`drained_stale_loss`, and g' that of the rest, which no save ends.

    Parameters
    ----------
    stale_s : updates that are not saved when a part begins that ends in a save, on average, over their rate, U₀ [s]
    last_stale_s : the same when the last part begins, U₁ [s]
    work_s : useful training time, T [s]
    interval_s : useful work after which the next save begins, τ [s]
    save_s : time for which it blocks training, C [s]
    drain_s : time that it drains then, C_d [s]
    overlap : share of the compute that goes on meanwhile, ω
    mtbf_s : mean time between failures of the job, all kinds together, μ [s]
    shards : embedding shards, N
    failed_shards : shards lost per shard failure, k
    partial_load_s, partial_reschedule_s : L' and D' of a shard failure [s]
    shard_share, trainer_share : shares of failures s and t; the rest takes the whole job
    trainer_reschedule_s : Dₜ of a trainer failure [s]

    Notes
    -----
    Without a drain it is :func:`~cprmodel.formulas.priority_pls`.

    Examples
    --------
    >>> round(drained_priority_pls(stale_s=0.0, last_stale_s=0.0, work_s=56.0, interval_s=44.8, save_s=0.0,
    ...     drain_s=0.0, overlap=0.9, mtbf_s=28.0, shards=8), 4)
    0.0798
    """
    xp = namespace(stale_s, last_stale_s, work_s, interval_s, save_s, drain_s, overlap, mtbf_s, shards)
    given = (partial_load_s, partial_reschedule_s, shard_share, trainer_share, trainer_reschedule_s)
    of = _slot(interval_s, save_s, drain_s, overlap, mtbf_s, failed_shards / shards, *given)
    slot = interval_s + of.more
    saves = xp.intervals(work_s, slot) - 1
    rest = work_s - saves * slot
    carried = -xp.maximum(-of.carried, -rest)
    last = _unsaved(of, carried, rest - carried) + last_stale_s * _stale(of, rest - carried, 0)
    return (saves * (_fresh(of, interval_s) + stale_s * _stale(of, of.rest, of.risk.voids)) + last) / work_s
