"""Jobs whose saves go to levels, drain, write dirty rows or follow warnings, played event by event.

Nothing here comes from the closed forms (:mod:`cprmodel.costing.storage`): what exactly happens is said there,
and played here step by step. Each job keeps, for every shard, the work that it still holds, by the level that it is
saved in; a hit takes what its level does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cprmodel.costing import SteadyState
from cprmodel.costing.stops import at_level, severities
from cprmodel.costing.stored_stops import counts_stops
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.scatter import Scatter
from cprmodel.facts.storage import StoredSave, WarnedSave
from cprmodel.facts.strategies import FailureKind, FailureMix, Strategy, loses_samples, together
from cprmodel.jobs import Job
from cprmodel.simulation.beside import planned_until
from cprmodel.simulation.laws import Exponential, FailureLaw, FailuresStrike
from cprmodel.simulation.limits import most_failures, sizes_of
from cprmodel.simulation.long_jobs import COLUMNS, expected_failures, found_of, played
from cprmodel.simulation.players import register
from cprmodel.simulation.result import Simulated
from cprmodel.simulation.stored_kernel import Saved, Scatters, Struck, jobs

__all__ = ["play_stored", "simulate_stored", "times_of"]


def times_of(saving: StoredSave, tau: float) -> tuple[Any, float]:
    """What each level's save takes, as it is played: [s] that it blocks, and [s] that the last one drains."""
    blocks = []
    drains = 0.0
    since = 1  # intervals of work between two saves of this level or a higher one
    for at, level in enumerate(saving.levels):
        if at > 0:
            since *= saving.counts[at - 1]
        share = 1.0
        if saving.dirty is not None:
            share = saving.always + (1.0 - saving.always) * float(saving.dirty.share(since * tau))
        blocks.append(level.stall_s + share * level.save_s)
        drains = share * saving.drain_s
    return np.array(blocks), drains


#: What a save before a planned stop takes, by the work since the last save of everything: at so many points.
_POINTS = 400
#: Planned stops are listed for jobs so many times as long as expected.
_LONGEST = 20.0


def _last_saves(saving: StoredSave, tau: float) -> tuple[Any, Any, Any]:
    """What a save to the last level blocks on average, and drains, by the work since the one before [s]."""
    level = saving.levels[-1]
    if saving.dirty is None:
        works, share = np.array([0.0, 1.0]), np.ones(2)
    else:
        works = np.linspace(0.0, tau * (saving.segments + 1), _POINTS)
        share = saving.always + (1.0 - saving.always) * np.array([float(saving.dirty.share(one)) for one in works])
    return works, level.stall_s + share * level.save_s, share * saving.drain_s


def _sorts(mix: FailureMix, saving: StoredSave) -> list[tuple[float, int, float]]:
    """Sorts of failures: share, level that one leaves, shards that one takes."""
    levels = len(saving.levels)
    if mix.sorts and len(mix.sorts[0].needs) == levels:
        return [(one.share * one.needs[at], at, one.shards) for one in mix.sorts for at in range(levels)]
    alike = [(one.share, one.shards) for one in mix.sorts] or [(1.0, float(mix.shards_per_failure))]
    return [
        (often * share, at, failed) for often, failed in alike for at, share in enumerate(severities(saving.levels))
    ]


def _scatters(given: Sequence[Scatter | None]) -> Scatters:
    """One after the other, as they are played."""
    factors = [one.factors if one else () for one in given]
    return Scatters(
        sigma=np.array([one.sigma if one else 0.0 for one in given]),
        first=np.cumsum([0, *map(len, factors)]),
        factors=np.array([one for each in factors for one in each]),
    )


def _told_apart(shares: Any, levels: Any, warned: WarnedSave | None) -> Any:
    """Of all failures, of those that no one announces and of announced ones: the share of each sort."""
    if warned is None or warned.leaves is None:
        return np.array([shares, shares, shares])
    announced = np.where(levels <= warned.leaves, shares, 0.0)
    announced /= announced.sum()
    if warned.recall == 1.0:
        return np.array([shares, announced, announced])
    rest = np.maximum(shares - warned.recall * announced, 0.0)
    return np.array([shares, rest / rest.sum(), announced])


def play_stored(
    job: Job,
    strategy: Strategy,
    runs: int,
    stream: np.random.SeedSequence,
    limit: int = 10**7,
    planned: Sequence[tuple[float, float]] = (),
) -> Any:
    """Play a job many times: an array of ``COLUMNS``, one row a run; None where one does not end."""
    saving, mix, recovery = strategy.saving, job.failure_mix, strategy.recovery
    assert isinstance(saving, StoredSave)
    tau = float(strategy.interval_s)
    blocking, drain = times_of(saving, tau)
    periods = np.array(saving.periods)
    shard, trainer, whole = (frozenset({kind}) for kind in FailureKind)
    states = (shard, trainer, whole, shard | trainer)
    at = [at_level(recovery, level) for level in saving.levels]
    reschedule = np.array([[together(one, kinds).reschedule_s for one in at] for kinds in states])
    load = np.array([[together(one, kinds).load_s for one in at] for kinds in states])
    warned = saving.warned
    out = np.zeros((runs, len(COLUMNS)))
    rng = np.random.Generator(np.random.PCG64(stream))
    saved = Saved(
        work=job.job.work_s,
        tau=tau,
        blocking=blocking,
        drain=drain,
        overlap=float(saving.overlap),
        periods=periods,
        warned=(warned.recall, warned.precision, warned.save_s) if warned else (0.0, 1.0, 0.0),
        ahead=-1.0 if warned is None or warned.ahead_s is None else warned.ahead_s,
        fixed=warned.fixed_s if warned else 0.0,
        scatters=_scatters([*(one.scatter for one in saving.levels), warned.scatter if warned else None]),
        saves_to=saving.warned_level,
        shards=job.cluster.embedding_shards or 1,
        limit=limit,
        planned=np.array(planned, dtype=float).reshape(-1, 2),
        last=_last_saves(saving, tau),
        load_all=saving.levels[-1].load_s,
        step=job.job.step_s or 0.0,
    )
    struck = np.array(_sorts(mix, saving)).T.copy()
    strikes = Struck(
        mtbf=mix.mtbf_s,
        full=not loses_samples(recovery),
        kinds=np.array([mix.share(kind) for kind in FailureKind]),
        severity=_told_apart(struck[0], struck[1], warned),
        level=struck[1].astype(np.int64),
        failed=struck[2],
        reschedule=reschedule,
        load=load,
    )
    return out if jobs(out, rng, saved, strikes) else None


def simulate_stored(
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
    if not isinstance(law, Exponential) or strikes is not FailuresStrike.ALWAYS:
        expected = "exponential failures that strike always, for saves that are not blocking ones of everything"
        raise JobError("simulate", [Problem("law", law.name, expected)])
    cost = SteadyState().cost(job, strategy)
    failures = expected_failures(job, cost)
    sizes, limit = sizes_of(runs, failures, events=1e6, most=4096), most_failures(failures)
    planned = []
    if counts_stops(job, strategy):
        planned = planned_until(job, _LONGEST * (1 + float(cost.breakdown.total)) * job.job.work_s)
    play = partial(play_stored, limit=limit, planned=planned)
    parts = played(play, (job, strategy), sizes, streams, limit, workers, progress)
    return found_of(job, strategy, cost, parts, "of a long job, exponential failures", runs)


register(StoredSave, simulate_stored)
