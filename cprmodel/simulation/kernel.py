"""The inner loops, compiled by Numba: jobs played from failure to failure.

They share no algebra with the closed forms. Between two failures the state moves in one jump: what is left of
the interval, its save, then as many whole intervals as fit. Where a failure sends everybody back, nothing else
needs to be known of a job (``play_full``); where shards roll back alone, each job keeps account of its shards
(``play_partial``).

Jobs go in lockstep, from one failure to the next all of them at once, in arithmetic without branches that
compiles to SIMD; what a failure took is settled job by job. The jobs' numbers lie in one array, lane after lane,
at distances that are constants, so that the compiler sees them not overlap. A job that ends gives its lane to the
last one.

Besides times and losses they sum what the compensators of the failure counts need: the time at risk, and the
integrals over it of the work and the losses at stake. From these come unbiased control variates
(:mod:`cprmodel.simulation.control`).

Order of the random numbers, which the tests' event loop repeats: a gap; at its end, where failures are of
several kinds, one uniform for the kind; for a shard failure one uniform where k is not whole, then one for each
shard (a partial Fisher-Yates shuffle that goes on from job to job).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cprmodel.facts.compiled import compiled
from cprmodel.simulation.taken import drawn_mean

__all__ = [
    "COLUMNS",
    "EXPONENTIAL",
    "GAMMA",
    "LANES",
    "LOGNORMAL",
    "REPLAY",
    "WEIBULL",
    "Numbers",
    "play_full",
    "play_partial",
]

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

#: Most jobs that play_partial plays in lockstep (no power of two: the arrays would share cache sets).
LANES = 192

# The arrays of play_partial, by their first element.
(
    _GAP,  # time to the next failure
    _STOP,  # the part of the stop before it that failures strike
    _FIRST,  # ... of which before loading begins
    _FREE,  # what of the gap is left after the stop; not above 0: the stop was struck
    _OVER,  # the gap beyond the end of the job
    _AT,  # work since the last save (all of it while a save is being made)
    _LEFT,  # saves to come
    _BASE,  # where work since the last save begins, on a scale that never comes back
    _KEPT,  # sum over the shards of the work since the last save that a restore has taken
    _SINCE,  # shard-seconds lost since the last save
    _LOST_SUM,
    _RISK_SUM,
    _ROLLED_SUM,
    _STAKE_SUM,
    _KEPT_SUM,
    _SINCE_SUM,
    _STOPPED_SUM,
    _RESCHEDULE_SUM,
    _SAFE_SUM,
    _COUNTS,
    _,
    _,
) = range(0, 22 * LANES, LANES)
_SIZE = 22 * LANES

#: Most jobs that play_full plays in lockstep; its arrays.
FULL_LANES = 1000
_F_GAP, _F_END, _F_TIME, _F_STAKE, _F_RECOVERING, _F_RESCHEDULING = range(0, 6 * FULL_LANES, FULL_LANES)
_FULL_SIZE = 6 * FULL_LANES


class Numbers(NamedTuple):
    """What a kernel needs to know of a job, in plain numbers.

    safe, reschedule, load: for each pending kind (shard, trainer, whole job, shard and trainer, none), the part
    of its stop that no failure can strike, and the parts that one can.
    """

    law: int
    shape: float
    scale: float
    times: Any  # between failures, of a replay
    tau: float
    save: float
    rest: float  # work after the last save
    pieces: int  # intervals of work
    shards: int
    shard_share: float
    trainer_share: float
    taken: Any  # shards that a shard failure takes, by its sort
    safe: Any
    reschedule: Any
    load: Any
    limit: int  # failures in a run, at the most
    halt: Any  # set: the kernels end


@compiled
def _next_gaps(  # pragma: no cover (compiled)
    rng: Any, given: Numbers, gaps: Any, offsets: Any, jobs: Any, step: int
) -> None:
    """The time to the next failure of every job that is still played, into ``gaps``."""
    law, shape, scale, times = given.law, given.shape, given.scale, given.times
    if law == EXPONENTIAL:
        for i in range(gaps.size):
            gaps[i] = scale * rng.standard_exponential()
    elif law == WEIBULL:
        for i in range(gaps.size):
            gaps[i] = scale * rng.standard_exponential() ** (1.0 / shape)
    elif law == GAMMA:
        for i in range(gaps.size):
            gaps[i] = scale * rng.standard_gamma(shape)
    elif law == LOGNORMAL:
        for i in range(gaps.size):
            gaps[i] = scale * np.exp(shape * rng.standard_normal())
    else:
        for i in range(gaps.size):
            gaps[i] = times[(offsets[jobs[i]] + step) % times.size]


@compiled
def _full(out: Any, offsets: Any, rng: Any, given: Numbers) -> bool:  # pragma: no cover (compiled)
    """Jobs in which every failure sends everybody back; False when one exceeds ``limit`` failures, or at ``halt``.

    Struck recoveries apart, a failure's gap x is a recovery R and then x − R of progress, of which whole periods
    τ + C count.
    """
    tau, save, rest, pieces = given.tau, given.save, given.rest, given.pieces
    shard_share, trainer_share = given.shard_share, given.trainer_share
    safe, reschedule, load = given.safe[_WHOLE_JOB], given.reschedule[_WHOLE_JOB], given.load[_WHOLE_JOB]
    period = tau + save
    per_second = 1.0 / period
    whole = 0.5 * period * period
    stop = reschedule + load
    mixed = shard_share < 1.0 and trainer_share < 1.0 and shard_share + trainer_share > 0.0
    kind = 0 if shard_share > 0.0 else (1 if trainer_share > 0.0 else 2)
    start = (pieces - 1) * period + rest
    lanes = np.zeros(_FULL_SIZE)
    active = out.shape[0]
    for i in range(active):
        lanes[_F_END + i] = start
    jobs = np.arange(active).astype(np.uint32)
    step = 0
    recovery = first = 0.0  # the first gap follows no failure
    while active > 0:
        if step > given.limit or given.halt[0] != 0:
            return False
        _next_gaps(rng, given, lanes[_F_GAP : _F_GAP + active], offsets, jobs, step)
        finished = 0
        for i in range(active):
            gap = lanes[_F_GAP + i]
            end = lanes[_F_END + i]
            free = gap - recovery
            progress = min(max(free, 0.0), end)
            jumped = np.floor(progress * per_second)
            beyond = progress - jumped * period
            lanes[_F_RECOVERING + i] += min(gap, recovery)
            lanes[_F_RESCHEDULING + i] += min(gap, first)
            lanes[_F_TIME + i] += min(gap, recovery + end)
            lanes[_F_STAKE + i] += jumped * whole + 0.5 * beyond * beyond
            lanes[_F_END + i] = end - jumped * period
            lanes[_F_GAP + i] = free - end  # from 0 on: finished
            finished += 1 if free >= end else 0
        for i in range(active - 1 if finished else -1, -1, -1):
            if lanes[_F_GAP + i] >= 0.0:
                row = out[jobs[i]]
                time = lanes[_F_TIME + i]
                row[_TIME] = time + step * safe
                row[_LOST] = 0.0
                row[_RISK] = time
                row[_ROLLED] = time - lanes[_F_RECOVERING + i] - start
                row[_STAKE] = lanes[_F_STAKE + i]
                row[_STAKE_KEPT] = row[_STAKE_LOST] = 0.0
                row[_STOPPED] = lanes[_F_RECOVERING + i]
                row[_RESCHEDULE] = lanes[_F_RESCHEDULING + i]
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
                active -= 1  # the last lane, which has had its turn, takes the place
                for begin in range(0, _FULL_SIZE, FULL_LANES):
                    lanes[begin + i] = lanes[begin + active]
                jobs[i] = jobs[active]
        step += 1
        recovery = stop
        first = reschedule
    return True


@compiled
def _partial(out: Any, offsets: Any, rng: Any, given: Numbers) -> bool:  # pragma: no cover (compiled)
    """Jobs in which a failed shard rolls back alone; False when one exceeds ``limit`` failures, or at ``halt``."""
    tau, save, rest, pieces = given.tau, given.save, given.rest, given.pieces
    shards, shard_share, trainer_share = given.shards, given.shard_share, given.trainer_share
    safe, reschedule, load = given.safe, given.reschedule, given.load
    period = tau + save
    per_second = 1.0 / period
    whole = tau * (0.5 * tau + save)
    mixed = shard_share < 1.0 and trainer_share < 1.0 and shard_share + trainer_share > 0.0
    one_kind = 0 if shard_share > 0.0 else (1 if trainer_share > 0.0 else 2)
    trainer_edge = shard_share + trainer_share
    sorts = given.taken.shape[0]
    few = int(given.taken[0, 1])
    fraction = given.taken[0, 1] - few
    has_safe = safe.max() > 0.0
    stops = reschedule + load

    lanes = np.zeros(_SIZE)
    active = out.shape[0]
    for i in range(active):
        lanes[_LEFT + i] = pieces - 1.0
        lanes[_BASE + i] = tau
    restored = np.zeros((active, shards))  # on the scale of BASE: up to where a shard's work is restored already
    pending = np.full(active, _NONE, dtype=np.uint8)
    jobs = np.arange(active).astype(np.uint32)  # unsigned: no check for indices below 0
    permutation = np.arange(shards)
    kinds = np.empty(active)
    picks = np.empty(active)
    step = 0
    while active > 0:
        if step > given.limit or given.halt[0] != 0:
            return False
        _next_gaps(rng, given, lanes[_GAP : _GAP + active], offsets, jobs, step)
        if mixed:
            for i in range(active):
                kinds[i] = rng.random()
        if shard_share > 0.0:
            for i in range(active):
                picks[i] = rng.random()

        for i in range(active):
            gap = lanes[_GAP + i]
            stop = min(gap, lanes[_STOP + i])
            at = lanes[_AT + i]
            left = lanes[_LEFT + i]
            end = left * period + rest - at
            free = gap - lanes[_STOP + i]
            progress = min(max(free, 0.0), end)
            reach = at + progress
            jumped = min(np.floor(reach * per_second), left)
            beyond = reach - jumped * period
            work = min(beyond, tau)
            exposed = stop + min(progress, period - at)  # time in which what is at stake now is at stake
            lost = lanes[_SINCE + i]
            kept = lanes[_KEPT + i]
            same = 1.0 if jumped == 0.0 else 0.0  # no save since
            lanes[_FREE + i] = free
            lanes[_OVER + i] = free - end  # from 0 on: finished
            lanes[_STOPPED_SUM + i] += stop
            lanes[_RESCHEDULE_SUM + i] += min(gap, lanes[_FIRST + i])
            lanes[_RISK_SUM + i] += stop + progress
            lanes[_STAKE_SUM + i] += at * stop + jumped * whole + work * (beyond - 0.5 * work) - 0.5 * at * at
            lanes[_KEPT_SUM + i] += kept * exposed
            lanes[_SINCE_SUM + i] += lost * exposed
            lanes[_LOST_SUM + i] += (1.0 - same) * lost
            lanes[_SINCE + i] = same * lost
            lanes[_KEPT + i] = same * kept
            lanes[_LEFT + i] = left - jumped
            lanes[_BASE + i] += (1.0 - same) * tau
            lanes[_AT + i] = work

        for i in range(active - 1, -1, -1):
            job = jobs[i]
            if lanes[_OVER + i] >= 0.0:
                row = out[job]
                row[_TIME] = lanes[_RISK_SUM + i] + lanes[_SAFE_SUM + i]
                row[_LOST] = lanes[_LOST_SUM + i] + lanes[_SINCE + i]
                row[_RISK] = lanes[_RISK_SUM + i]
                row[_ROLLED] = lanes[_ROLLED_SUM + i]
                row[_STAKE] = lanes[_STAKE_SUM + i]
                row[_STAKE_KEPT] = lanes[_KEPT_SUM + i]
                row[_STAKE_LOST] = lanes[_SINCE_SUM + i]
                row[_STOPPED] = lanes[_STOPPED_SUM + i]
                row[_RESCHEDULE] = lanes[_RESCHEDULE_SUM + i]
                row[_SHARD] = lanes[_COUNTS + i]
                row[_SHARD + 1] = lanes[_COUNTS + LANES + i]
                row[_SHARD + 2] = lanes[_COUNTS + 2 * LANES + i]
                if not mixed:
                    row[_SHARD + one_kind] = step
                active -= 1  # the last lane, which has had its turn, takes the place
                for begin in range(0, _SIZE, LANES):
                    lanes[begin + i] = lanes[begin + active]
                jobs[i] = jobs[active]
                pending[i] = pending[active]
                continue
            kind = one_kind
            state = one_kind
            if mixed:
                kind = 0 if kinds[i] < shard_share else (1 if kinds[i] < trainer_edge else 2)
                lanes[_COUNTS + kind * LANES + i] += 1.0
                state = pending[i] if lanes[_FREE + i] <= 0.0 else _NONE
                state = _AFTER_SHARD[state] if kind == 0 else (_AFTER_TRAINER[state] if kind == 1 else _WHOLE_JOB)
                pending[i] = state
            if kind == 0:
                if sorts > 1:
                    mean = drawn_mean(rng, given.taken)
                    few = int(mean)
                    fraction = mean - few
                take = few
                if fraction > 0.0 and rng.random() < fraction:
                    take += 1
                u = picks[i]
                base = lanes[_BASE + i]
                at = lanes[_AT + i]
                sum_of_losses = 0.0
                for n in range(take):
                    if n > 0:
                        u = rng.random()
                    which = np.uint32(n + int(u * (shards - n)))
                    if take > 1:
                        j = which
                        which = permutation[j]
                        permutation[j] = permutation[n]
                        permutation[n] = which
                    sum_of_losses += at - max(restored[job, which] - base, 0.0)
                    restored[job, which] = base + at
                lanes[_SINCE + i] += sum_of_losses
                lanes[_KEPT + i] += sum_of_losses
            elif kind == 2:
                lanes[_ROLLED_SUM + i] += lanes[_AT + i]
                lanes[_AT + i] = 0.0
                lanes[_KEPT + i] = 0.0
                lanes[_SINCE + i] = 0.0
                lanes[_BASE + i] += tau
            lanes[_STOP + i] = stops[state]
            lanes[_FIRST + i] = reschedule[state]
            if has_safe:
                lanes[_SAFE_SUM + i] += safe[state]
        step += 1
    return True


@compiled
def play_full(out: Any, offsets: Any, rng: Any, given: Numbers) -> bool:  # pragma: no cover (compiled)
    """Every row of ``out`` played by ``_full``, in lockstep as many as its lanes hold."""
    for begin in range(0, len(out), FULL_LANES):
        end = begin + FULL_LANES
        if not _full(out[begin:end], offsets[begin:end], rng, given):
            return False
    return True


@compiled
def play_partial(
    out: Any, offsets: Any, rng: Any, given: Numbers, lanes: int
) -> bool:  # pragma: no cover (compiled)
    """Every row of ``out`` played by ``_partial``, ``lanes`` (at most LANES) in lockstep."""
    for begin in range(0, len(out), lanes):
        end = begin + lanes
        if not _partial(out[begin:end], offsets[begin:end], rng, given):
            return False
    return True
