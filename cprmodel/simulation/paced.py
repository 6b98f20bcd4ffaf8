"""Jobs that do not always train at full speed, played event by event: stragglers, and fewer nodes; by Numba.

Nothing here comes from :mod:`cprmodel.costing.paced`: nodes break one by one and come back one by one, spells begin
and end, and the job does what there is to do. Between two events everything is memoryless, so the next one is drawn
anew. What happens is said there; more exactly: a job that shrinks decides so when rescheduling ends, with the nodes
that there are then. When there is a replica more than it trains on, it saves (where anything is unsaved), reshapes
and loads; a save under way is finished first. A failure makes void what it strikes, and a stop begins again.

A planned stop comes by the clock: a save of whole steps ends just before it, and no regular one is begun that
would end after that one must begin, at the speed of the moment. After it everybody loads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cprmodel.costing import CostModel
from cprmodel.costing.stored_stops import counts_stops
from cprmodel.facts.compiled import compiled
from cprmodel.facts.strategies import FailureKind, RollBack, Strategy, together
from cprmodel.jobs import Job
from cprmodel.simulation.beside import planned_until
from cprmodel.simulation.limits import most_failures, sizes_of
from cprmodel.simulation.long_jobs import COLUMNS, expected_failures, found_of, played
from cprmodel.simulation.result import Simulated
from cprmodel.simulation.taken import drawn_number, taken_of

__all__ = ["simulate_paced"]

# Columns of a run.
_TIME, _LOST, _SAVE, _LOAD, _RESCHEDULE, _SHARD, _FEWER_TIME, _STRAGGLED = 0, 1, 2, 3, 4, 5, 8, 9

# Numbers of a job.
(
    _WORK,
    _EVERY,
    _SAVES,
    _GROWS,
    _RESHAPE,
    _MTBF,
    _OF_SHARDS,
    _OF_TRAINERS,
    _REPAIRED,
    _REPAIR,
    _NODES,
    _SPARES,
    _GROUP,
    _FEWEST,
    _SLOW,
    _TO_SLOW,
    _TO_FAST,
    _FULL,
    _STEP,
) = range(19)

# What a job does.
_WORKING, _SAVING, _GROWING, _RESHAPING, _WAITING, _RESCHEDULING, _LOADING, _SHRINKING, _LAST, _IDLE = range(10)

# What an event is.
_NONE, _FAILS, _BACK, _TURNS, _ENDS = range(5)

#: What is pending where everybody loads.
_EVERYBODY = 4
#: Times so near are one [s].
_AT_ONCE = 1e-6

#: Planned stops are listed for jobs so many times as long as expected.
_LONGEST = 20.0
#: Saves, and intervals, that a slow spell lasts where the job does not say.
_SPELL = 10.0
#: Spells that are shorter than this share of a save, or an interval, are one speed, their mean.
_SHORT = 1e-3


@compiled
def _replicas(of: Any, broken: int) -> int:  # pragma: no cover (compiled)
    whole = int((of[_NODES] + of[_SPARES] - broken) // of[_GROUP])
    return min(whole, int(of[_NODES] // of[_GROUP]))


@compiled
def _after(
    row: Any, rng: Any, of: Any, planned: Any, ahead: int, slow: bool
) -> tuple[int, bool]:  # pragma: no cover
    """Planned stops that have begun, in which nothing fails: the next one's number, and whether it is slow then."""
    while ahead < planned.shape[0] and planned[ahead, 0] <= row[_TIME] + _AT_ONCE:
        down = max(planned[ahead, 1] - row[_TIME], 0.0)
        row[_RESCHEDULE] += down
        row[_TIME] += down
        turns = of[_TO_SLOW] + of[_TO_FAST]
        if of[_TO_FAST] > 0.0 and rng.random() > np.exp(-turns * down):
            slow = rng.random() * turns < of[_TO_SLOW]
        ahead += 1
    return ahead, slow


@compiled
def _before_stop(
    of: Any, left_s: float, speed: float, done: float, saved: float
) -> tuple[bool, float]:  # pragma: no cover
    """Whether the next save is the last before a planned stop, and the work until it; below 0: too late for one."""
    if of[_WORK] - done <= left_s * speed * (1.0 + 1e-12):
        return False, 0.0
    due, fits = saved + of[_EVERY], left_s - of[_SAVES]
    if due < of[_WORK] and max(due - done, 0.0) / speed + of[_SAVES] < fits:
        return False, 0.0
    if fits < -_AT_ONCE:
        return True, -1.0
    return True, max(fits, 0.0) * speed


@compiled
def _job(
    row: Any, rng: Any, of: Any, taken: Any, speeds: Any, waits: Any, loads: Any, planned: Any, limit: int
) -> bool:  # pragma: no cover
    """One job; False where it exceeds ``limit`` failures. ``waits``, ``loads``: by what is pending."""
    shards = int(of[_FULL])  # 0: every failure sends everybody back
    kept = np.zeros(max(shards, 1))
    since = 0.0  # shard-seconds lost since the last save
    done = saved = 0.0
    broken, failures = 0, 0
    everything = _replicas(of, 0)
    replicas = everything
    slow = rng.random() * (of[_TO_SLOW] + of[_TO_FAST]) < of[_TO_SLOW]
    pending = 0  # bits: a shard, a trainer, the whole job
    phase, left = _WORKING, 0.0
    ahead, last = 0, False
    while True:
        edge = planned[ahead, 0] if ahead < planned.shape[0] else np.inf
        if row[_TIME] >= edge - _AT_ONCE:
            ahead, slow = _after(row, rng, of, planned, ahead, slow)
            done, since = saved, 0.0
            kept[:] = saved
            pending, phase, left = _EVERYBODY, _LOADING, loads[_EVERYBODY]
            continue
        if phase == _WORKING:
            if _replicas(of, broken) > replicas:
                phase, left = (_GROWING, of[_SAVES]) if done > saved or since > 0.0 else (_RESHAPING, of[_GROWS])
                if phase == _RESHAPING:
                    replicas = _replicas(of, broken)
                continue
            due = saved + of[_EVERY]
            if due > of[_WORK] * (1.0 - 1e-9):
                due = of[_WORK]
            left = due - done
        speed = 1.0
        if phase == _WORKING:
            speed = speeds[replicas] * (of[_SLOW] if slow else 1.0)
            last = False
            if edge < np.inf:
                last, fits = _before_stop(of, edge - row[_TIME], speed, done, saved)
                left = fits if last else left
                if left < 0.0 and last:
                    phase, left, speed = _IDLE, edge - row[_TIME], 1.0
        fails = 0.0 if phase == _WAITING else _replicas(of, broken) / everything / of[_MTBF]
        backs = broken / of[_REPAIR] if broken > 0 else 0.0
        turns = of[_TO_FAST] if slow else of[_TO_SLOW]
        total = fails + backs + turns
        needs = np.inf if phase == _WAITING else left / speed
        gap = rng.standard_exponential() / total if total > 0.0 else np.inf
        spent = min(gap, needs, edge - row[_TIME])
        event = _NONE
        if spent < min(gap, needs - _AT_ONCE):
            event = _ENDS
        elif gap < needs:
            u = rng.random() * total
            event = _FAILS if u < fails else (_BACK if u < fails + backs else _TURNS)
        row[_TIME] += spent
        if phase == _WORKING:
            done = done + speed * spent if event != _NONE else done + left
            if last and event == _NONE and of[_STEP] > 0.0:  # of a step that does not end nothing is saved
                done = saved + np.floor((done - saved) / of[_STEP] + 1e-9) * of[_STEP]
            row[_FEWER_TIME] += (1.0 - speeds[replicas]) * spent
            row[_STRAGGLED] += (speeds[replicas] - speed) * spent
        else:
            left -= spent
        if phase in (_WAITING, _RESCHEDULING):
            row[_RESCHEDULE] += spent
        elif phase in (_RESHAPING, _SHRINKING):
            row[_FEWER_TIME] += spent
        elif phase == _LOADING:
            row[_LOAD] += spent
        if event == _ENDS:
            continue
        if event == _TURNS:
            slow = not slow
            continue
        if event == _BACK:
            broken -= 1
            if phase == _WAITING and _replicas(of, broken) >= of[_FEWEST]:
                phase, left = _RESCHEDULING, waits[pending]
            continue
        if event == _FAILS:
            failures += 1
            if failures > limit:
                return False
            u = rng.random()
            kind = 0 if u < of[_OF_SHARDS] else (1 if u < of[_OF_SHARDS] + of[_OF_TRAINERS] else 2)
            row[_SHARD + kind] += 1.0
            if rng.random() < of[_REPAIRED]:
                broken += 1
            if shards == 0:
                kind = 2
            pending |= 1 << kind
            if kind == 0:
                take = drawn_number(rng, taken)
                for shard in range(shards):  # each of those that are left is as likely as any
                    if rng.random() * (shards - shard) < take:
                        take -= 1
                        since += done - max(kept[shard], saved)
                        kept[shard] = done
            if _replicas(of, broken) < of[_FEWEST]:
                phase = _WAITING
            else:
                phase, left = _RESCHEDULING, waits[pending]
            continue
        if phase == _WORKING:
            if done >= of[_WORK] * (1.0 - 1e-12):
                break
            phase, left = (_LAST, min(of[_SAVES], edge - row[_TIME])) if last else (_SAVING, of[_SAVES])
        elif phase == _LAST:
            row[_SAVE] += of[_SAVES]
            row[_LOST] += since
            since, saved = 0.0, done
            phase, left = _IDLE, edge - row[_TIME]
        elif phase in (_SAVING, _GROWING):
            row[_SAVE] += of[_SAVES]
            row[_LOST] += since
            since, saved = 0.0, done
            grows = _replicas(of, broken) > replicas
            phase, left = (_RESHAPING, of[_GROWS]) if grows else (_WORKING, 0.0)
            if grows:
                replicas = _replicas(of, broken)
        elif phase == _RESCHEDULING:
            there = _replicas(of, broken)
            phase, left = (_LOADING, loads[pending]) if there == replicas else (_SHRINKING, of[_RESHAPE])
            replicas = there
        elif phase == _SHRINKING:
            phase, left = _LOADING, loads[pending]
        else:  # loaded
            if pending >= _EVERYBODY:
                done, since = saved, 0.0
                for shard in range(shards):
                    kept[shard] = saved
            pending, phase = 0, _WORKING
    row[_LOST] += since
    return True


@compiled
def _jobs(
    out: Any, rng: Any, of: Any, taken: Any, speeds: Any, waits: Any, loads: Any, planned: Any, limit: int
) -> bool:  # pragma: no cover (compiled)
    ended = True
    for run in range(out.shape[0]):
        ended &= _job(out[run], rng, of, taken, speeds, waits, loads, planned, limit)
    return ended


def _numbers(job: Job, strategy: Strategy) -> tuple[Any, ...]:
    """The job's numbers, shards that failures take, speeds of so many replicas, and stops by what is pending."""
    mix, recovery, elastic, slow = job.failure_mix, strategy.recovery, job.job.elastic, job.cluster.stragglers
    full = recovery.response(FailureKind.SHARD).rolls_back is RollBack.EVERYBODY
    nodes, group = (1, 1) if elastic is None or job.nodes is None else (job.nodes, elastic.replica_nodes)
    fewest = 1 if elastic is None else -(-elastic.min_nodes // group)
    everything = nodes // group
    speeds = np.ones(everything + 1)
    if elastic is not None and job.scaling is not None:
        speeds[fewest:] = 1 / job.scaling.work_s(1.0, np.arange(fewest, everything + 1) * group, nodes)
    rate, to_slow, to_fast = 1.0, 0.0, 0.0
    if slow is not None and slow.share > 0:
        lasts = slow.lasts_s or _SPELL * (strategy.saving.save_s + strategy.interval_s)
        if lasts < _SHORT * min(strategy.saving.save_s, strategy.interval_s):
            rate, to_slow = 1 - slow.share * (1 - slow.rate), 1.0  # it begins slow, and stays so
        else:
            rate, to_fast = slow.rate, 1 / lasts
            to_slow = to_fast * slow.share / (1 - slow.share)
    reshape = 0.0 if elastic is None else elastic.reshape_s
    grows = reshape + recovery.response(FailureKind.WHOLE_JOB).load_s
    repaired = 0.0 if elastic is None or not job.repair_s else job.repair_share
    shards = 0 if full else job.cluster.embedding_shards or 1
    times = (job.job.work_s, strategy.interval_s, strategy.saving.save_s, grows, reshape, mix.mtbf_s)
    shares = (mix.share(FailureKind.SHARD), mix.share(FailureKind.TRAINER))
    fleet = (repaired, job.repair_s or 1.0, nodes, job.cluster.spares or 0, group, fewest)
    of = np.array([*times, *shares, *fleet, rate, to_slow, to_fast, shards, job.job.step_s or 0.0], dtype=float)
    bits = [
        [kind for at, kind in enumerate(FailureKind) if state >> at & 1] or [FailureKind.WHOLE_JOB]
        for state in range(8)
    ]
    stops = [together(recovery, frozenset(kinds)) for kinds in bits]
    waits, loads = ([getattr(one, name) for one in stops] for name in ("reschedule_s", "load_s"))
    return of, taken_of(mix), speeds, np.array(waits), np.array(loads)


def _batch(numbers: tuple[Any, ...], limit: int, runs: int, stream: np.random.SeedSequence) -> Any:
    """Rows of COLUMNS, one a run; None where one does not end."""
    out = np.zeros((runs, len(COLUMNS)))
    rng = np.random.Generator(np.random.PCG64(stream))
    return out if _jobs(out, rng, *numbers, limit) else None


def simulate_paced(
    job: Job,
    strategy: Strategy,
    model: CostModel,
    runs: int,
    streams: np.random.SeedSequence,
    workers: int | None = -1,
    progress: Callable[[int], None] | None = None,
) -> Simulated:
    """Play a job many times; as :func:`cprmodel.simulate`, which calls it. ``model``: who predicts it."""
    cost = model.cost(job, strategy)
    failures = expected_failures(job, cost)
    limit = most_failures(failures)
    sizes = sizes_of(runs, failures, events=1e6, most=4096)
    planned = []
    if counts_stops(job, strategy):
        planned = planned_until(job, _LONGEST * (1 + float(cost.breakdown.total)) * job.job.work_s)
    stops = np.array(planned, dtype=float).reshape(-1, 2)
    play = partial(_batch, (*_numbers(job, strategy), stops), limit)
    parts = played(play, (), sizes, streams, limit, workers, progress)
    return found_of(job, strategy, cost, parts, "of a long job, exponential failures and repairs")
