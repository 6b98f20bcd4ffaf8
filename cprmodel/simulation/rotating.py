"""Jobs whose saves rotate over experts, played event by event under any law of failures; compiled by Numba.

No algebra is shared with the closed form (:mod:`cprmodel.formulas.rotating`). Each run keeps, of every expert, how
much it has learned and how much of that its last save holds; what it lacks in the end was lost. Failures come by a
clock that a failure sets anew; what they cannot strike stops it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cprmodel.facts.compiled import compiled
from cprmodel.facts.rotation import RotatingSave
from cprmodel.facts.strategies import FailureKind, Strategy
from cprmodel.jobs import Job
from cprmodel.simulation.in_turn import InTurn, next_gap, play_in_turn, unstruck
from cprmodel.simulation.laws import FailureLaw, FailuresStrike
from cprmodel.simulation.players import register
from cprmodel.simulation.result import Simulated

__all__ = ["simulate_rotating"]


class _Strikes(NamedTuple):
    """When failures come, and what a stop after one takes."""

    law: int
    shape: float
    scale: float
    times: Any
    kinds: Any  # share of each kind
    safe: float  # of a stop, what no failure strikes
    reschedule: float
    load: float
    limit: int  # failures in a run, at the most


class _Saves(NamedTuple):
    """What is worked and saved."""

    work: float
    tau: float
    block: float
    drain: float
    overlap: float
    experts: int
    rotated: int


@compiled
def _job(row: Any, rng: Any, saves: Any, strikes: Any, first: int) -> bool:  # pragma: no cover (compiled)
    """One run; False where it exceeds ``limit`` failures. ``first``: of the times of a replay."""
    work, tau, block, drain, overlap = saves.work, saves.tau, saves.block, saves.drain, saves.overlap
    experts, rotated = saves.experts, saves.rotated
    learned = np.zeros(experts)  # less the work done: what an expert lacks, and has not from the beginning
    stored = np.zeros(experts)  # learned by each in its last complete save
    done = saved = began = 0.0
    turn = failures = 0
    gap = next_gap(rng, strikes, first)
    while True:
        due = began + tau
        if due > work * (1.0 - 1e-9):  # whole intervals end with the job, whatever their sum rounds to
            due = work
        phase = 0  # work, then what blocks, then a drain
        while phase < 3:
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
                    break
            if ends:
                row[2] += block + (1.0 - overlap) * passes
                done = work
                break
            if phase == 1:
                snapshot = done
            phase += 1
        if done >= work and (phase == 0 or phase == 2) and gap > 0.0:
            break
        if phase == 3:
            row[2] += block + (1.0 - overlap) * drain
            for more in range(rotated):
                which = (turn + more) % experts
                stored[which] = learned[which] + snapshot
            turn = (turn + rotated) % experts
            saved = snapshot
            began = snapshot
            continue
        while True:  # a failure, and what strikes the stop after it
            failures += 1
            if failures > strikes.limit:
                return False
            u = rng.random()
            row[5 + (0 if u < strikes.kinds[0] else (1 if u < strikes.kinds[0] + strikes.kinds[1] else 2))] += 1.0
            gap = next_gap(rng, strikes, first + failures)
            struck = strikes.reschedule + strikes.load
            passes = min(gap, struck)
            row[0] += strikes.safe + passes
            row[4] += min(passes, strikes.reschedule)
            row[3] += max(passes - strikes.reschedule, 0.0)
            gap -= passes
            if passes == struck:
                break
        done = saved
        began = saved
        for which in range(experts):
            learned[which] = stored[which] - saved
    row[1] = -learned.sum() / experts
    return True


@compiled
def _jobs(out: Any, rng: Any, saves: Any, strikes: Any, firsts: Any) -> bool:  # pragma: no cover (compiled)
    ended = True
    for run in range(out.shape[0]):
        ended &= _job(out[run], rng, saves, strikes, firsts[run])
    return ended


def simulate_rotating(
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
    saving = strategy.saving
    assert isinstance(saving, RotatingSave)
    way = InTurn(_numbers, _jobs, saving.stored)
    return play_in_turn(way, job, strategy, runs, streams, law, strikes, workers, progress)


def _numbers(
    job: Job, strategy: Strategy, strikes: FailuresStrike, law: tuple[int, float, float, Any], limit: int
) -> tuple[_Saves, _Strikes]:
    """What the kernel plays."""
    saving, stop = strategy.saving, strategy.recovery.response(FailureKind.WHOLE_JOB)
    assert isinstance(saving, RotatingSave)
    stopped = unstruck(strikes, float(stop.reschedule_s), float(stop.load_s))
    drain, overlap = saving.drain
    kind = np.array([job.failure_mix.share(one) for one in FailureKind])
    every = min(float(strategy.interval_s), job.job.work_s)
    saves = _Saves(job.job.work_s, every, saving.blocks_s, drain, overlap, saving.experts, saving.rotated)
    return saves, _Strikes(*law, kind, *stopped, limit)


register(RotatingSave, simulate_rotating)
