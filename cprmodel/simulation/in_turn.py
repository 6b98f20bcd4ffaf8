"""Jobs whose saves rotate over experts: what their players at one place and at two levels have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing import Exact, SteadyState, kinds
from cprmodel.facts.compiled import compiled
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import Job
from cprmodel.simulation import kernel
from cprmodel.simulation.laws import FailureLaw, FailuresStrike, Replay
from cprmodel.simulation.limits import most_failures, sizes_of
from cprmodel.simulation.long_jobs import COLUMNS, expected_failures, found_of, played
from cprmodel.simulation.result import Prediction, Simulated

__all__ = ["InTurn", "next_gap", "play_in_turn", "unstruck"]

_EXPONENTIAL, _WEIBULL, _GAMMA, _LOGNORMAL = kernel.EXPONENTIAL, kernel.WEIBULL, kernel.GAMMA, kernel.LOGNORMAL


class InTurn(NamedTuple):
    """A way to play such jobs."""

    numbers: Callable[..., tuple[Any, Any]]  #: what the kernel plays: of saves, and of failures
    jobs: Callable[..., bool]  #: the kernel: rows, random numbers, both of these, and where a replay begins
    stored: bool  #: what is predicted is of a long job


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


def unstruck(strikes: FailuresStrike, waits: Any, load: Any) -> tuple[Any, Any, Any]:
    """Of a stop, what no failure strikes, and what of waiting and loading failures do."""
    safe = 0 * waits
    if strikes is not FailuresStrike.ALWAYS:
        safe, waits = waits, 0 * waits
    if strikes is FailuresStrike.ONLY_AT_WORK:
        safe, load = safe + load, 0 * load
    return safe, waits, load


def play_in_turn(
    way: InTurn,
    job: Job,
    strategy: Strategy,
    runs: int,
    streams: np.random.SeedSequence,
    law: FailureLaw,
    strikes: FailuresStrike,
    workers: int | None = -1,
    progress: Callable[[int], None] | None = None,
) -> Simulated:
    """Play a job many times; as :func:`cprmodel.simulate`, which has it called."""
    rotated, experts = strategy.experts_saved or (1, 1)
    gaps = law.parameters(job.failure_mix.mtbf_s)
    mean_s = float(np.mean(gaps[3])) if isinstance(law, Replay) else job.failure_mix.mtbf_s
    known = job if mean_s == job.failure_mix.mtbf_s else job.with_mtbf(mean_s)
    cost = kinds.cost(known, SteadyState() if way.stored else Exact(), strategy)
    failures = expected_failures(known, cost)
    limit = most_failures(failures)
    numbers = way.numbers(job, strategy, strikes, gaps, limit)
    every = float(NUMPY.intervals(job.job.work_s, strategy.interval_s)) * (1 + rotated / 8)
    events = (1 + failures) * (1 + experts / 8) + every
    sizes = sizes_of(runs, events, events=1e7, most=4096)
    parts = played(partial(_batch, way.jobs), numbers, sizes, streams, limit, workers, progress)
    for part in parts:
        part[:, 1] *= job.cluster.embedding_shards or 1  # of which found_of takes the mean
    found = found_of(job, strategy, cost, parts, "exact, exponential failures", runs)
    model = _said_of(way.stored, law, strikes)
    said = Prediction(float(cost.breakdown.total), cost.pls, model, way.stored, way.stored)
    return replace(found, law=law, strikes=strikes, predicted=said)


def _batch(jobs: Callable[..., bool], saves: Any, strikes: Any, runs: int, stream: np.random.SeedSequence) -> Any:
    """Rows of COLUMNS, one a run; None where one does not end."""
    rng = np.random.Generator(np.random.PCG64(stream))
    out = np.zeros((runs, len(COLUMNS)))
    firsts = rng.integers(strikes.times.size, size=runs)
    return out if jobs(out, rng, saves, strikes, firsts) else None


def _said_of(stored: bool, law: FailureLaw, strikes: FailuresStrike) -> str:
    said = "of a long job, exponential failures" if stored else "exact, exponential failures"
    if isinstance(law, Replay):
        said += " of the trace's mean"
    return said + (" that strike recoveries, too" if strikes is not FailuresStrike.ALWAYS else "")
