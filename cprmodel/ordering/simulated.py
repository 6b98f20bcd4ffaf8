"""Play a job whose saves take some rows before others: time as ever, losses row by row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel.costing.steady import SteadyState
from cprmodel.costing.stops import severities, told_apart
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.journal import note
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import ORDERS, FailureKind, PrioritySave, Strategy, loses_samples
from cprmodel.jobs import Job
from cprmodel.ordering.draining import Announced, DrainingLedger, play_drained
from cprmodel.ordering.ledger import MOST_SHARDS, UpdateLedger
from cprmodel.ordering.levelled import LevelledLedger, play_levels
from cprmodel.ordering.played import PLAYED
from cprmodel.ordering.pls import expected_pls
from cprmodel.ordering.stale import played_rows
from cprmodel.simulation import (
    Activity,
    AtRandom,
    Estimate,
    FailuresStrike,
    GivenFailure,
    Seed,
    Simulated,
    kernel,
    play,
    sequence,
)
from cprmodel.simulation import simulate as simulate_time
from cprmodel.simulation.laws import Exponential, FailureLaw, Replay
from cprmodel.simulation.long_jobs import COLUMNS, found_of
from cprmodel.simulation.shares import Batches

__all__ = ["simulate"]

#: Saves that are played row by row, in all runs together (a fifth of a millisecond each; of a sampled list, 2 ms).
_SAVES = 15_000
_SLOWER = {"ssu": 8}
_FEWEST, _MOST = 8, 1000

_ROW_BY_ROW = 0x0DE5  #: streams apart from those of the times


class _Exposing(AtRandom):
    """Failures of a law that tell the ledger how long it was exposed to them outside work."""

    def __init__(self, ledger: UpdateLedger, shards: int, random: np.random.Generator, law: FailureLaw) -> None:
        self._gaps = _gaps(law, ledger.mix.mtbf_s, random)
        super().__init__(ledger.mix, shards, random)
        self._ledger = ledger
        self.struck = dict.fromkeys(FailureKind, 0)
        self._told = isinstance(ledger, DrainingLedger)  # which knows of stops itself
        self._doomed = False  # everybody rolls back at the end of the stop under way: nothing more can be taken

    def gap(self) -> float:
        """From one failure to the next [s]."""
        return next(self._gaps)

    def next(self, activity: Activity, seconds: float) -> tuple[float, GivenFailure] | None:
        """By the clock."""
        found = super().next(activity, seconds)
        if activity is not Activity.RECOVERY:
            self._doomed = False
        if activity is not Activity.WORK and not self._doomed:
            self._ledger.exposed(seconds if found is None else found[0])
        if found is not None:
            self.struck[found[1].kind] += 1
            self._doomed |= found[1].kind is FailureKind.WHOLE_JOB and not self._told
        return found


def _gaps(law: FailureLaw, mtbf_s: float, random: np.random.Generator) -> Iterator[float]:
    """Times between failures, without an end."""
    code, shape, scale, times = law.parameters(mtbf_s)
    at = int(random.integers(times.size))
    while True:
        if code == kernel.REPLAY:
            yield float(times[at % times.size])
            at += 1
        elif code == kernel.LOGNORMAL:
            yield scale * math.exp(shape * random.standard_normal())
        elif code == kernel.GAMMA:
            yield scale * random.standard_gamma(shape)
        else:
            yield scale * random.standard_exponential() ** (1 / shape)


def simulate(
    job: Job,
    strategy: Strategy,
    runs: int = 10_000,
    seed: Seed = 0,
    *,
    law: FailureLaw | None = None,
    strikes: FailuresStrike = FailuresStrike.ALWAYS,
    workers: int | None = -1,
    progress: Callable[[int], None] | None = None,
) -> Simulated:
    """Play a job many times, event by event, and return distributions.

    As :func:`cprmodel.simulation.simulate`, for strategies that save some rows before others, too. Their times come
    from there, for the saves stop training as long as any others of their length. What failures take is played with
    the very tracker that a training loop would use, over rows that stand for all, in fewer runs.

    Parameters, what is returned, and errors are those of :func:`cprmodel.simulate`, which calls it.
    """
    found = _simulated(job, strategy, runs, seed, law, strikes, workers, progress)
    said = found.time_to_train_s
    note("simulation", "%d runs of %s: %.6g s (SE %.3g)", found.runs, strategy.name, said.mean, said.standard_error)
    return found


def _simulated(
    job: Job,
    strategy: Strategy,
    runs: int,
    seed: Seed,
    law: FailureLaw | None,
    strikes: FailuresStrike,
    workers: int | None,
    progress: Callable[[int], None] | None,
) -> Simulated:
    saving = strategy.saving
    if not isinstance(saving, PrioritySave):
        return simulate_time(
            job, strategy, runs, seed, law=law, strikes=strikes, workers=workers, progress=progress
        )
    if job.access is None:
        raise JobError(
            "simulate", [Problem("access", "", "how rows are accessed, where some are saved before others")]
        )
    if saving.order not in PLAYED:
        expected = f"one of {', '.join(ORDERS)}: rows are played by their updates, and have no values"
        raise JobError("simulate", [Problem("strategy.saving.order", saving.order, expected)])
    if not loses_samples(strategy.recovery):
        expected = "partial recovery, where some rows are saved before others"
        raise JobError("simulate", [Problem("strategy.recovery", strategy.recovery.name, expected)])
    if strikes is not FailuresStrike.ALWAYS:
        expected = "failures that strike always, where some rows are saved before others"
        raise JobError("simulate", [Problem("strikes", strikes.value, expected)])
    law, streams = law or Exponential(), sequence(seed)
    stored = isinstance(saving, StoredPrioritySave)
    memoryless = isinstance(law, Exponential)
    known = job.with_mtbf(float(np.mean(law.times_s))) if isinstance(law, Replay) else job
    played = _play(job, strategy, runs, streams, law)
    if memoryless or not stored:
        found = simulate_time(job, strategy.in_time, runs, streams, law=law, workers=workers, progress=progress)
    if not memoryless and stored:  # whose times no kernel knows
        cost = SteadyState().cost(known, strategy)
        found = found_of(job, strategy, cost, [played[:, :-1]], "of a long job, exponential failures")
        found = replace(found, law=law)
    said = expected_pls(known, strategy, exact=True).pls
    plain = played[:, _LOST] / (job.job.work_s * (job.cluster.embedding_shards or 1))
    controlled = played[:, -1] if memoryless else None
    if controlled is not None and np.var(controlled) > np.var(plain):  # where most is lost
        controlled = None
    return replace(
        found,
        strategy=strategy,
        pls=Estimate.of(plain, controlled),
        pls_of_runs=plain,
        predicted=replace(found.predicted, pls=said, pls_is_approximate=True),
    )


_LOST = COLUMNS.index("lost")


def _needs(saving: StoredSave) -> dict[Announced, Sequence[float]]:
    """Share of the failures that leave each level and none below: of all, and of announced ones and others."""
    of_all = severities(saving.levels)
    told, other = (of_all, of_all) if saving.warned is None else told_apart(of_all, saving.warned)
    return {Announced.ANY: of_all, Announced.TOLD: told, Announced.UNTOLD: other}


def _play(job: Job, strategy: Strategy, runs: int, streams: np.random.SeedSequence, law: FailureLaw) -> Any:
    """Runs played row by row: a row of :data:`COLUMNS` each, and the expected PLS of what was at stake."""
    saving, access = strategy.saving, job.access
    assert isinstance(saving, PrioritySave)
    assert access is not None
    work, mix, shards = job.job.work_s, job.failure_mix, job.cluster.embedding_shards or 1
    slot_s = min(strategy.saves_every_s, work)
    # a tracker for each of few shards: rows that stand for all, for each. Of a few rows apiece more are dirty now
    # and then than a save takes, and many rows never are
    copies = shards if shards <= MOST_SHARDS else 1
    rates = np.repeat(played_rows(access, slot_s, saving.fraction), copies) / slot_s
    saves = _SAVES / _SLOWER.get(saving.order, 1) / (1 + (getattr(saving, "segments", 1) - 1) / 4)
    saves /= 1 + (copies - 1) / 2
    times = int(np.clip(saves / (work / slot_s), _FEWEST, max(_FEWEST, min(_MOST, runs))))
    found, loop = [], Batches(times)
    rows = np.random.SeedSequence(streams.entropy, spawn_key=(*streams.spawn_key, _ROW_BY_ROW))
    for stream in loop.of(rows.spawn(times)):
        random = np.random.default_rng(stream)
        given = (rates, saving.fraction, shards, mix, work, random, 0.0, copies > 1)
        if isinstance(saving, StoredPrioritySave) and saving.levelled:
            needs = _needs(saving.whole)
            ledger: UpdateLedger = (levelled := LevelledLedger(saving.plays, *given, needs=needs, at=saving.at))
            strikes = _Exposing(levelled, shards, random, law)
            one = play_levels(strategy, work, strikes, levelled)
        elif isinstance(saving, StoredPrioritySave):
            ledger = (drained := DrainingLedger(saving.plays, *given))
            strikes = _Exposing(drained, shards, random, law)
            one = play_drained(strategy, work, strikes, drained)
        else:
            ledger = UpdateLedger(saving.order, *given)
            strikes = _Exposing(ledger, shards, random, law)
            one = play(strategy, work, strikes, shards, ledger=ledger)
        struck = ledger.struck if isinstance(ledger, DrainingLedger) else strikes.struck
        told = {
            "time_s": one.time_to_train_s,
            "lost": ledger.pls * work * shards,
            **{f"{name}_s": getattr(one.spent, name) for name in ("save", "load", "reschedule")},
            **{kind.value: struck[kind] for kind in FailureKind},
        }
        found.append(np.array([*(told.get(name, 0.0) for name in COLUMNS), ledger.expected_pls]))
    return np.array(loop.all(found))
