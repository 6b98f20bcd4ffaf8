"""Jobs whose saves rotate over experts, played event by event under any law of failures; compiled by Numba.

No algebra is shared with the closed form (:mod:`cprmodel.formulas.rotating`). Each run keeps, of every expert, how
much it has learned and how much of that its last save holds; what it lacks in the end was lost. Failures come by a
clock that a failure sets anew; what they cannot strike stops it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing import Exact, SteadyState, kinds
from cprmodel.facts.compiled import compiled
from cprmodel.facts.rotation import RotatingSave
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import FailureKind, Strategy
from cprmodel.jobs import Job
from cprmodel.simulation import kernel
from cprmodel.simulation.laws import FailureLaw, FailuresStrike, Replay
from cprmodel.simulation.limits import most_failures, sizes_of
from cprmodel.simulation.long_jobs import COLUMNS, expected_failures, found_of, played
from cprmodel.simulation.players import register
from cprmodel.simulation.result import Prediction, Simulated

__all__ = ["next_gap", "said_of", "simulate_rotating"]

_EXPONENTIAL, _WEIBULL, _GAMMA, _LOGNORMAL = kernel.EXPONENTIAL, kernel.WEIBULL, kernel.GAMMA, kernel.LOGNORMAL


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
def next_gap(rng: Any, of: Any, at: int) -> float:  # pragma: no cover (compiled)
    if of.law == _EXPONENTIAL:
        return float(of.scale * rng.standard_exponential())
    if of.law == _WEIBULL:
        return float(of.scale * rng.standard_exponential() ** (1.0 / of.shape))
    if of.law == _GAMMA:
        return float(of.scale * rng.standard_gamma(of.shape))
    if of.law == _LOGNORMAL:
        return float(of.scale * np.exp(of.shape * rng.standard_normal()))
    return float(of.times[at % of.times.size])


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
    stored = saving.stored
    code, shape, scale, times = law.parameters(job.failure_mix.mtbf_s)
    mean_s = float(np.mean(times)) if isinstance(law, Replay) else job.failure_mix.mtbf_s
    known = job if mean_s == job.failure_mix.mtbf_s else job.with_mtbf(mean_s)
    cost = kinds.cost(known, SteadyState() if stored else Exact(), strategy)
    failures = expected_failures(known, cost)
    limit = most_failures(failures)
    numbers = _numbers(job, strategy, strikes, (code, shape, scale, times), limit)
    every = float(NUMPY.intervals(job.job.work_s, strategy.interval_s)) * (1 + saving.rotated / 8)
    events = (1 + failures) * (1 + saving.experts / 8) + every
    sizes = sizes_of(runs, events, events=1e7, most=4096)
    parts = played(_batch, numbers, sizes, streams, limit, workers, progress)
    for part in parts:
        part[:, 1] *= job.cluster.embedding_shards or 1  # of which found_of takes the mean
    found = found_of(job, strategy, cost, parts, "exact, exponential failures", runs)
    said = Prediction(float(cost.breakdown.total), cost.pls, said_of(stored, law, strikes), stored, stored)
    return replace(found, law=law, strikes=strikes, predicted=said)


def said_of(stored: bool, law: FailureLaw, strikes: FailuresStrike) -> str:
    said = "of a long job, exponential failures" if stored else "exact, exponential failures"
    if isinstance(law, Replay):
        said += " of the trace's mean"
    return said + (" that strike recoveries, too" if strikes is not FailuresStrike.ALWAYS else "")


def _numbers(
    job: Job, strategy: Strategy, strikes: FailuresStrike, law: tuple[int, float, float, Any], limit: int
) -> tuple[_Saves, _Strikes]:
    """What the kernel plays."""
    saving, stop = strategy.saving, strategy.recovery.response(FailureKind.WHOLE_JOB)
    assert isinstance(saving, RotatingSave)
    safe, waits, load = 0.0, stop.reschedule_s, stop.load_s
    if strikes is not FailuresStrike.ALWAYS:
        safe, waits = waits, 0.0
    if strikes is FailuresStrike.ONLY_AT_WORK:
        safe, load = safe + load, 0.0
    drain, overlap = saving.drain
    kind = np.array([job.failure_mix.share(one) for one in FailureKind])
    every = min(float(strategy.interval_s), job.job.work_s)
    saves = _Saves(job.job.work_s, every, saving.blocks_s, drain, overlap, saving.experts, saving.rotated)
    return saves, _Strikes(*law, kind, safe, waits, load, limit)


def _batch(saves: _Saves, strikes: _Strikes, runs: int, stream: np.random.SeedSequence) -> Any:
    """Rows of COLUMNS, one a run; None where one does not end."""
    rng = np.random.Generator(np.random.PCG64(stream))
    out = np.zeros((runs, len(COLUMNS)))
    firsts = rng.integers(strikes.times.size, size=runs)
    return out if _jobs(out, rng, saves, strikes, firsts) else None


register(RotatingSave, simulate_rotating)
