"""Saves that go to levels, drain, write dirty rows or follow warnings: planned, and played event by event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel.costing.stops import stops_of
from cprmodel.costing.storage import LongRun, long_run
from cprmodel.facts.scatter import Scatter
from cprmodel.facts.storage import MeasuredDirty, SaveLevel, StoredSave, WarnedSave
from cprmodel.facts.strategies import FailureMix, FullRecovery, PartialRecovery, Recovery, Strategy
from cprmodel.jobs import Checkpoint, Cluster, Failures, Job, Work
from cprmodel.simulation.long_jobs import COLUMNS
from cprmodel.simulation.storage import play_stored

__all__ = ["HOUR", "drawn_stored", "found", "job_of", "simulated"]

HOUR = 3600.0


def found(saving: StoredSave, tau: Any, mix: FailureMix, recovery: Recovery, shards: int = 8) -> LongRun:
    return long_run(saving, tau, mix.mtbf_s, stops_of(mix, recovery, saving.levels, shards, saving.warned))


def job_of(mix: FailureMix, shards: int, work_s: float) -> Job:
    return Job(
        job=Work(work_s=work_s),
        cluster=Cluster(embedding_shards=shards),
        failures=Failures(
            mtbf_s=mix.mtbf_s,
            trainer_share=mix.trainer_share,
            whole_job_share=mix.whole_job_share,
            shards_per_failure=mix.shards_per_failure,
        ),
        checkpoint=Checkpoint(save_s=1.0),
    )


PHASES = 100  #: jobs end at so many points of the pattern: what is simulated is the long run


def simulated(
    saving: StoredSave, tau: float, mix: FailureMix, recovery: Recovery, shards: int, seed: int, runs: int
) -> dict[str, tuple[float, float]]:
    """Means per unit of work and their standard errors: long jobs less short ones, so that ends cancel."""
    pattern = saving.segments * tau
    rows: list[Any] = []
    lengths = (12, 52)
    for patterns in lengths:
        found = []
        for n in range(PHASES):
            job = job_of(mix, shards, (patterns + (n + 0.5) / PHASES) * pattern)
            strategy = Strategy("any", recovery, saving, tau)
            stream = np.random.SeedSequence((seed, patterns, n))
            found.append(play_stored(job, strategy, runs // PHASES, stream))
        rows.append(np.concatenate(found))
    work = (lengths[1] - lengths[0]) * pattern
    means = (rows[1].mean(axis=0) - rows[0].mean(axis=0)) / work
    errors = np.sqrt(sum(one.var(axis=0, ddof=1) / len(one) for one in rows)) / work
    return {name: (float(m), float(e)) for name, m, e in zip(COLUMNS, means, errors, strict=True)}


def drawn_stored(seed: int) -> tuple[StoredSave, float, FailureMix, Recovery, int]:
    """A combination of whatever is modelled, at random."""
    random = np.random.default_rng(seed)
    mtbf = random.uniform(2, 20) * HOUR
    tau = random.uniform(0.05, 0.6) * mtbf
    count = int(random.integers(1, 4))
    survives = [*np.sort(random.uniform(0.1, 0.98, count - 1)), 1.0]

    def part(most: float) -> float:
        return float(random.uniform(0, most)) * mtbf

    levels = tuple(
        SaveLevel(str(at), part(0.05) * (at + 1) / count, part(0.06), part(0.03), float(survives[at]))
        for at in range(count)
    )
    overlap = float(random.choice([0.0, random.uniform()]))
    drain = float(random.uniform(0.05, 1.0)) * tau / max(overlap, 0.5) if overlap else 0.0
    warned = None
    if count == 1 and random.random() < 0.6:
        warned = WarnedSave(part(0.03), float(random.uniform()), float(random.uniform(0.3, 1)))
    saving = StoredSave(
        levels,
        tuple(int(n) for n in random.integers(1, 5, count - 1)),
        drain,
        overlap,
        MeasuredDirty(((tau / 2, 0.2), (tau * 3, 0.7))) if random.random() < 0.5 else None,
        float(random.uniform(0, 0.3)),
        warned,
    )
    _, trainer, whole = (float(share) for share in random.dirichlet([2, 1, 1]))
    mix = FailureMix(mtbf, 1 - trainer - whole, trainer, whole, float(random.uniform(1, 2)))
    full = FullRecovery(part(0.05), part(0.05))
    partial = PartialRecovery(*(part(0.05) for _ in range(5)))
    saving = _scattered(saving, seed)
    recovery = full if random.random() < 0.35 else partial
    return _warned(saving, mtbf, seed), tau, mix, recovery, int(random.integers(2, 9))


def _scatter(random: np.random.Generator) -> Scatter | None:
    if random.random() < 0.5:
        return None
    if random.random() < 0.6:
        return Scatter(sigma=float(random.uniform(0.1, 1.5)))
    times = np.sort(random.gamma(random.uniform(1, 5), size=int(random.integers(2, 30))))
    return Scatter(factors=tuple(map(float, times / times.mean())))


def _scattered(saving: StoredSave, seed: int) -> StoredSave:
    """Every third time, saves whose time scatters; drawn apart, too."""
    random = np.random.default_rng((seed, 2))
    if random.random() > 1 / 3:
        return saving
    return replace(saving, levels=tuple(replace(one, scatter=_scatter(random)) for one in saving.levels))


def _slow(warned: WarnedSave, seed: int) -> WarnedSave:
    """A warned save that may be too slow, half of the time."""
    random = np.random.default_rng((seed, 3))
    scatter = _scatter(random)
    if scatter is None or not warned.save_s:
        return warned
    fixed = float(random.choice([0.0, random.uniform(0, 0.8)])) * warned.save_s
    ahead = fixed + (warned.save_s - fixed) * scatter.quantile(float(random.uniform(0.3, 0.99)))
    return replace(warned, scatter=scatter, fixed_s=fixed, ahead_s=ahead)


def _warned(saving: StoredSave, mtbf: float, seed: int) -> StoredSave:
    """Warnings beside several levels, more often than not; drawn apart, so that all else is as it was without."""
    random = np.random.default_rng((seed, 1))
    if saving.warned is not None:
        return replace(saving, warned=_slow(saving.warned, seed))
    if len(saving.levels) == 1 or random.random() < 0.3:
        return saving
    level, recall = int(random.integers(len(saving.levels))), float(random.uniform())
    survive = [at for at in range(level + 1) if saving.levels[at].survives >= recall]
    leaves = int(random.choice(survive)) if survive and random.random() < 0.6 else None
    save_s = float(random.uniform(0, 0.03)) * mtbf
    warned = WarnedSave(save_s, recall, float(random.uniform(0.3, 1)), level, leaves)
    return replace(saving, warned=_slow(warned, seed))
