"""Jobs whose saves rotate over experts at two levels, played event by event under any law; compiled by Numba.

No algebra is shared with :mod:`cprmodel.costing.rotated_levels`, where it is said what exactly happens. Each run
draws the order in which either level goes through the experts, and keeps of every expert how much it has learned,
and how much of that its copies hold at the two levels; what it lacks in the end was lost. Failures come by a clock
that a failure sets anew; what they cannot strike stops it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.stops import at_level, severities
from cprmodel.facts.compiled import compiled
from cprmodel.facts.rotation import RotatingLevelSave
from cprmodel.facts.strategies import FailureKind, Strategy
from cprmodel.jobs import Job
from cprmodel.simulation.in_turn import InTurn, next_gap, play_in_turn, unstruck
from cprmodel.simulation.laws import FailureLaw, FailuresStrike
from cprmodel.simulation.players import register
from cprmodel.simulation.result import Simulated

__all__ = ["simulate_rotating_levels"]


class _Strikes(NamedTuple):
    """When failures come, what they leave, and what a stop after one takes."""

    law: int
    shape: float
    scale: float
    times: Any
    kinds: Any  # share of each kind
    readable: float  # share that leaves the first level readable
    safe: Any  # of a stop, what no failure strikes, by level
    reschedule: Any
    load: Any
    limit: int  # failures in a run, at the most


class _Saves(NamedTuple):
    """What is worked and saved."""

    work: float
    tau: float
    first: float  # a save to the first level
    last: float  # and to both
    drain: float
    overlap: float
    every: int
    experts: int
    snapshot: int  # experts at the first level
    persisted: int  # and at the last


@compiled
def _job(row: Any, rng: Any, saves: Any, strikes: Any, start: int) -> bool:  # pragma: no cover (compiled)
    """One run; False where it exceeds ``limit`` failures. ``start``: of the times of a replay."""
    work, drain, overlap, experts = saves.work, saves.drain, saves.overlap, saves.experts
    order, other = rng.permutation(experts), rng.permutation(experts)
    learned = np.zeros(experts)  # less the work done: what an expert lacks, and has not from the beginning
    near = np.zeros(experts)  # learned by each in its copy at the first level, ...
    near_at = np.zeros(experts, dtype=np.int64)  # ... and the number of the save; −1: it is not there
    far = np.zeros(experts)
    far_at = np.zeros(experts, dtype=np.int64)
    done = 0.0
    saved, saved_far = 0.0, 0.0  # work in the last save, and in the last one to the last level
    number, number_far = 0, 0  # saves until then
    spent = 0.0  # on saves since the last one to the last level
    failures = 0
    gap = next_gap(rng, strikes, start)
    began = 0.0  # work in the last snapshot
    while True:
        due = began + saves.tau
        if due > work * (1.0 - 1e-9):  # whole intervals end with the job, whatever their sum rounds to
            due = work
        both = (number + 1) % saves.every == 0
        block = saves.last if both else saves.first
        phases = 3 if both and drain > 0.0 else 2
        phase = 0  # work, then what blocks, then a drain
        finished = False
        snapshot = 0.0
        while phase < phases:
            length = due - done if phase == 0 else (block if phase == 1 else drain)
            ends = False
            if phase == 2 and overlap * drain > work - done:  # the job ends while it drains
                length, ends = (work - done) / overlap, True
            passes = min(gap, length)
            row[0] += passes
            gap -= passes
            if phase == 0:
                done += passes
            elif phase == 2:
                done += overlap * passes
            if passes < length:
                break
            if phase == 0:
                done = due
                if due >= work:
                    finished = True
                    break
            if ends:
                spent += block + (1.0 - overlap) * passes
                done = work
                finished = True
                break
            if phase == 1:
                snapshot = done
            phase += 1
        if finished and gap > 0.0:
            break
        if phase == phases:
            number += 1
            spent += block + ((1.0 - overlap) * drain if phases == 3 else 0.0)
            turn = (number * saves.snapshot) % experts
            for more in range(saves.snapshot):
                which = order[(turn + more) % experts]
                near[which] = learned[which] + snapshot
                near_at[which] = number
            saved = snapshot
            if both:
                turn = (number // saves.every * saves.persisted) % experts
                for more in range(saves.persisted):
                    which = other[(turn + more) % experts]
                    far[which] = learned[which] + snapshot
                    far_at[which] = number
                saved_far = snapshot
                number_far = number
                row[2] += spent
                spent = 0.0
            began = snapshot
            continue
        level = 0
        while True:  # a failure, and what strikes the stop after it
            failures += 1
            if failures > strikes.limit:
                return False
            u = rng.random()
            row[5 + (0 if u < strikes.kinds[0] else (1 if u < strikes.kinds[0] + strikes.kinds[1] else 2))] += 1.0
            if rng.random() >= strikes.readable:
                level = 1
            gap = next_gap(rng, strikes, start + failures)
            struck = strikes.reschedule[level] + strikes.load[level]
            passes = min(gap, struck)
            row[0] += strikes.safe[level] + passes
            row[4] += min(passes, strikes.reschedule[level])
            row[3] += max(passes - strikes.reschedule[level], 0.0)
            gap -= passes
            if passes == struck:
                break
        if level == 1:
            near_at[:] = -1
            saved = saved_far
            number = number_far
            spent = 0.0
        for which in range(experts):
            newest = near[which] if near_at[which] >= far_at[which] else far[which]
            learned[which] = newest - saved
        done = saved
        began = saved
    row[1] = -learned.sum() / experts
    row[2] += spent
    return True


@compiled
def _jobs(out: Any, rng: Any, saves: Any, strikes: Any, starts: Any) -> bool:  # pragma: no cover (compiled)
    ended = True
    for run in range(out.shape[0]):
        ended &= _job(out[run], rng, saves, strikes, starts[run])
    return ended


def simulate_rotating_levels(
    job: Job,
    strategy: Strategy,
    runs: int,
    streams: np.random.SeedSequence,
    law: FailureLaw,
    strikes: FailuresStrike,
    workers: int | None = -1,
    progress: Callable[[int], None] | None = None,
) -> Simulated:
    """Play a job many times; as :func:`cprmodel.simulate`, which calls it."""
    way = InTurn(_numbers, _jobs, True)
    return play_in_turn(way, job, strategy, runs, streams, law, strikes, workers, progress)


def _numbers(
    job: Job, strategy: Strategy, strikes: FailuresStrike, law: tuple[int, float, float, Any], limit: int
) -> tuple[_Saves, _Strikes]:
    """What the kernel plays."""
    saving = strategy.saving
    assert isinstance(saving, RotatingLevelSave)
    timed = saving.timed
    stops = [at_level(strategy.recovery, level).response(FailureKind.WHOLE_JOB) for level in timed.levels]
    waits, load = (np.array([getattr(one, of) for one in stops]) for of in ("reschedule_s", "load_s"))
    stopped = unstruck(strikes, waits, load)
    kind = np.array([job.failure_mix.share(one) for one in FailureKind])
    saves = _Saves(
        work=job.job.work_s,
        tau=min(float(strategy.interval_s), job.job.work_s),
        first=timed.levels[0].blocks_s,
        last=timed.levels[1].blocks_s,
        drain=timed.drain_s,
        overlap=timed.overlap,
        every=saving.counts[0],
        experts=saving.experts,
        snapshot=saving.rotated[0],
        persisted=saving.rotated[1],
    )
    return saves, _Strikes(*law, kind, float(severities(timed.levels)[0]), *stopped, limit)


register(RotatingLevelSave, simulate_rotating_levels)
