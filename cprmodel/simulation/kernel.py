"""The inner loops, compiled by Numba: jobs played from failure to failure.

They share no algebra with the closed forms. Between two failures the state moves in one jump: what is left of
the interval, its save, then as many whole intervals as fit. Where a failure sends everybody back, nothing else
needs to be known of a job, and many run in lockstep (``play_full``); where shards roll back alone, each job
keeps account of its shards (``play_partial``).

Besides times and losses they sum what the compensators of the failure counts need: the time at risk, and the
integrals over it of the work and the losses at stake. From these come unbiased control variates
(:mod:`cprmodel.simulation.engine`).

Order of the random numbers, which the tests' event loop repeats: a gap; at its end, where failures are of
several kinds, one uniform for the kind; for a shard failure one uniform where k is not whole, then one for each
shard (a partial Fisher-Yates shuffle that goes on from job to job).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["COLUMNS", "EXPONENTIAL", "GAMMA", "LOGNORMAL", "REPLAY", "WEIBULL", "play_full", "play_partial"]

EXPONENTIAL, WEIBULL, GAMMA, LOGNORMAL, REPLAY = range(5)

#: Columns of the results, one row a job.
COLUMNS = (
    "time_s",  # time to train
    "lost",  # shard-seconds of work lost for good
    "risk_s",  # time at risk of a failure
    "rolled_s",  # what roll-backs of everybody took (full: work and part of a save; partial: work)
    "stake_s2",  # integral over the time at risk of what one would take
    "stake_kept",  # ... of the shard-seconds of it that restores have already taken
    "stake_lost",  # ... of the shard-seconds lost since the last save, which a roll-back would replay
    "stopped_s",  # the part of the stops in which failures strike too
    "reschedule_s",  # ... of which before loading began
    "shard",  # failures by kind
    "trainer",
    "whole_job",
)
_TIME, _LOST, _RISK, _ROLLED, _STAKE, _STAKE_KEPT, _STAKE_LOST, _STOPPED, _RESCHEDULE, _SHARD = range(10)

# what is pending: a shard, a trainer, the whole job, a shard and a trainer, nothing
_WHOLE_JOB, _NONE = 2, 4
_AFTER_SHARD = (0, 3, 2, 3, 0)
_AFTER_TRAINER = (3, 1, 2, 3, 1)

_compiled: Any = numba.njit(cache=True, nogil=True)


@_compiled
def _next_gap(rng: Any, law: int, shape: float, scale: float, times: Any, at: int) -> Any:  # pragma: no cover
    if law == EXPONENTIAL:
        return scale * rng.standard_exponential()
    if law == WEIBULL:
        return scale * rng.standard_exponential() ** (1.0 / shape)
    if law == GAMMA:
        return scale * rng.standard_gamma(shape)
    if law == LOGNORMAL:
        return scale * np.exp(shape * rng.standard_normal())
    return times[at % times.size]


@_compiled
def play_full(  # pragma: no cover (compiled)
    rng: Any,
    law: int,
    shape: float,
    scale: float,
    times: Any,
    offsets: Any,
    tau: float,
    save: float,
    rest: float,
    pieces: int,
    shard_share: float,
    trainer_share: float,
    safe: float,
    reschedule: float,
    load: float,
    limit: int,
    out: Any,
) -> bool:
    """Jobs in which every failure sends everybody back; False when one exceeds ``limit`` failures.

    Struck recoveries apart, a failure's gap x is a recovery R and then x − R of progress, of which whole periods
    τ + C count. Lanes of jobs go in lockstep so that the arithmetic is done several jobs at a time.
    """
    lanes = out.shape[0]
    period = tau + save
    per_second = 1.0 / period
    whole = 0.5 * period * period
    stop = reschedule + load
    mixed = shard_share < 1.0 and trainer_share < 1.0 and shard_share + trainer_share > 0.0
    kind = 0 if shard_share > 0.0 else (1 if trainer_share > 0.0 else 2)
    ends = np.full(lanes, (pieces - 1) * period + rest)  # progress to the end, from the last save
    time = np.zeros(lanes)
    stake = np.zeros(lanes)
    gaps = np.empty(lanes)
    recovering = np.zeros(lanes)
    rescheduling = np.zeros(lanes)
    jobs = np.arange(lanes)
    active = lanes
    step = 0
    recovery = first = 0.0  # the first gap follows no failure
    while active > 0:
        if step > limit:
            return False
        if law == EXPONENTIAL:
            for i in range(active):
                gaps[i] = scale * rng.standard_exponential()
        else:
            for i in range(active):
                gaps[i] = _next_gap(rng, law, shape, scale, times, offsets[jobs[i]] + step)
        for i in range(active):
            recovering[i] += min(gaps[i], recovery)
            rescheduling[i] += min(gaps[i], first)
        for i in range(active):
            free = gaps[i] - recovery
            end = ends[i]
            progress = min(max(free, 0.0), end)
            jumped = np.floor(progress * per_second)
            beyond = progress - jumped * period
            time[i] += min(gaps[i], recovery + end)
            stake[i] += jumped * whole + 0.5 * beyond * beyond
            ends[i] = end - jumped * period
            gaps[i] = free - end  # from 0 on: finished
        kept = 0
        for i in range(active):
            if gaps[i] >= 0.0:
                row = out[jobs[i]]
                row[_TIME] = time[i] + step * safe
                row[_LOST] = 0.0
                row[_RISK] = time[i]
                row[_ROLLED] = time[i] - recovering[i] - ((pieces - 1) * period + rest)
                row[_STAKE] = stake[i]
                row[_STAKE_KEPT] = row[_STAKE_LOST] = 0.0
                row[_STOPPED] = recovering[i]
                row[_RESCHEDULE] = rescheduling[i]
                row[_SHARD] = row[_SHARD + 1] = row[_SHARD + 2] = 0.0
                if mixed:
                    shard = rng.binomial(step, shard_share)
                    rest_share = 1.0 - shard_share
                    trainer = rng.binomial(step - shard, min(1.0, trainer_share / rest_share))
                    row[_SHARD] = shard
                    row[_SHARD + 1] = trainer
                    row[_SHARD + 2] = step - shard - trainer
                else:
                    row[_SHARD + kind] = step
            else:
                if kept != i:
                    ends[kept] = ends[i]
                    time[kept] = time[i]
                    stake[kept] = stake[i]
                    recovering[kept] = recovering[i]
                    rescheduling[kept] = rescheduling[i]
                    jobs[kept] = jobs[i]
                kept += 1
        active = kept
        step += 1
        recovery = stop
        first = reschedule
    return True


@_compiled
def play_partial(  # pragma: no cover (compiled)
    rng: Any,
    law: int,
    shape: float,
    scale: float,
    times: Any,
    offsets: Any,
    tau: float,
    save: float,
    rest: float,
    pieces: int,
    shards: int,
    shard_share: float,
    trainer_share: float,
    failed: float,
    safe: Any,
    reschedule: Any,
    load: Any,
    limit: int,
    out: Any,
) -> bool:
    """Jobs in which a failed shard rolls back alone; False when one exceeds ``limit`` failures.

    safe, reschedule, load: for each pending kind (shard, trainer, whole job, shard and trainer, none), the part
    of its stop that no failure can strike, and the parts that one can.
    """
    lanes = out.shape[0]
    period = tau + save
    per_second = 1.0 / period
    whole = tau * (0.5 * tau + save)
    mixed = shard_share < 1.0 and trainer_share < 1.0 and shard_share + trainer_share > 0.0
    one_kind = 0 if shard_share > 0.0 else (1 if trainer_share > 0.0 else 2)
    trainer_edge = shard_share + trainer_share
    few = int(failed)
    fraction = failed - few
    can_roll = shard_share + trainer_share < 1.0
    has_safe = safe.max() > 0.0
    stops = reschedule + load

    left = np.full(lanes, pieces - 1)  # saves to come
    pending = np.full(lanes, _NONE, dtype=np.uint8)
    base = np.full(lanes, tau)  # where work since the last save begins, on a scale that never comes back
    off = np.zeros(lanes)  # work since the last save (all of it while a save is being made)
    kept_sum = np.zeros(lanes)  # sum over the shards of the work since the last save that a restore has taken
    lost_since = np.zeros(lanes)  # shard-seconds lost since the last save
    kept = np.zeros((lanes, shards))  # on that scale: up to where a shard's work is restored already
    permutation = np.arange(shards)
    gaps = np.empty(lanes)
    kinds = np.empty(lanes)
    picks = np.empty(lanes)
    active_jobs = np.arange(lanes).astype(np.uint32)  # unsigned: no check for indices below 0
    out[:, :] = 0.0
    active = lanes
    step = 0
    while active > 0:
        if step > limit:
            return False
        if law == EXPONENTIAL:
            for i in range(active):
                gaps[i] = scale * rng.standard_exponential()
        else:
            for i in range(active):
                gaps[i] = _next_gap(rng, law, shape, scale, times, offsets[active_jobs[i]] + step)
        if mixed:
            for i in range(active):
                kinds[i] = rng.random()
        if shard_share > 0.0:
            for i in range(active):
                picks[i] = rng.random()
        still = 0
        for i in range(active):
            job = active_jobs[i]
            row = out[job]
            x = gaps[i]
            state = pending[job]
            at = off[job]
            stop = min(x, stops[state])
            row[_STOPPED] += stop
            row[_RESCHEDULE] += min(x, reschedule[state])
            x -= stop
            exposed = stop  # time in which what is at stake now is at stake
            if x > 0.0 or state == _NONE:
                state = _NONE
                ends = left[job] * period + rest - at
                finished = x >= ends
                x = min(x, ends)
                reach = at + x
                jumped = min(int(reach * per_second), left[job])
                beyond = reach - jumped * period
                work = min(beyond, tau)
                row[_RISK] += stop + x
                row[_STAKE] += at * stop + jumped * whole + work * (beyond - 0.5 * work) - 0.5 * at * at
                exposed += min(x, period - at)
                at = work
                row[_STAKE_KEPT] += kept_sum[job] * exposed
                if can_roll:
                    row[_STAKE_LOST] += lost_since[job] * exposed
                same = 1.0 if jumped == 0 else 0.0  # no save since: arithmetic, for a branch would be a coin toss
                row[_LOST] += (1.0 - same) * lost_since[job]
                lost_since[job] *= same
                kept_sum[job] *= same
                left[job] -= jumped
                base[job] += (1.0 - same) * tau
                if finished:
                    row[_LOST] += lost_since[job]
                    row[_TIME] = row[_RISK] + row[_TIME]
                    continue
            else:
                row[_RISK] += stop
                row[_STAKE] += at * stop
                row[_STAKE_KEPT] += kept_sum[job] * stop
                row[_STAKE_LOST] += lost_since[job] * stop
            kind = one_kind
            if mixed:
                kind = 0 if kinds[i] < shard_share else (1 if kinds[i] < trainer_edge else 2)
            row[_SHARD + kind] += 1.0
            if kind == 0:
                take = few
                if fraction > 0.0 and rng.random() < fraction:
                    take += 1
                u = picks[i]
                begin = base[job]
                for n in range(take):
                    if n > 0:
                        u = rng.random()
                    which = np.uint32(n + int(u * (shards - n)))
                    if take > 1:
                        j = which
                        which = permutation[j]
                        permutation[j] = permutation[n]
                        permutation[n] = which
                    loss = at - max(kept[job, which] - begin, 0.0)
                    kept[job, which] = begin + at
                    lost_since[job] += loss
                    kept_sum[job] += loss
                state = _AFTER_SHARD[state]
            elif kind == 1:
                state = _AFTER_TRAINER[state]
            else:
                row[_ROLLED] += at
                at = 0.0
                kept_sum[job] = 0.0
                lost_since[job] = 0.0
                base[job] += tau
                state = _WHOLE_JOB
            off[job] = at
            pending[job] = state
            if has_safe:
                row[_TIME] += safe[state]
            active_jobs[still] = job
            still += 1
        active = still
        step += 1
    return True
