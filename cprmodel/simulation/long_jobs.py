"""What plays a long job event by event, and predicts it by an exact model, has in common."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cprmodel.costing import Cost
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import FailureKind, Strategy
from cprmodel.jobs import Job
from cprmodel.simulation.laws import Exponential, FailuresStrike
from cprmodel.simulation.limits import check_length, never_ends
from cprmodel.simulation.result import Estimate, Prediction, Simulated
from cprmodel.simulation.shares import Batches

__all__ = ["COLUMNS", "expected_failures", "found_of", "played"]

#: What is counted of a run: times, shard-seconds lost, and failures by kind.
COLUMNS = (
    *("time_s", "lost", "save_s", "load_s", "reschedule_s"),
    *("shard", "trainer", "whole_job"),
    *("fewer_nodes_s", "stragglers_s"),
)


def expected_failures(job: Job, cost: Cost) -> float:
    """Of a run; JobError where it is too long to be played."""
    overhead = float(cost.breakdown.total)
    failures = (1 + overhead) * job.job.work_s / job.failure_mix.mtbf_s
    check_length(overhead, failures, cost.refused or f"expected to take {1 + overhead:.3g} times its work")
    return failures


def played(
    play: Callable[..., Any],
    arguments: Sequence[Any],
    sizes: Sequence[int],
    streams: np.random.SeedSequence,
    limit: int,
    workers: int | None,
    progress: Callable[[int], None] | None,
) -> list[Any]:
    """What ``play(*arguments, runs, stream)`` gives for each batch, on several cores; JobError where one is None.

    That is a run that does not end within ``limit`` failures. Of the batches finished so far when interrupted.
    """
    from joblib import Parallel, delayed

    work, loop = delayed(play), Batches(len(sizes))
    pairs = zip(loop.of(list(sizes)), loop.of(streams.spawn(len(sizes))), strict=True)
    batches = Parallel(n_jobs=workers, prefer="threads", return_as="generator")(
        work(*arguments, *pair) for pair in pairs
    )
    parts = []
    with warnings.catch_warnings():
        # joblib says that work in flight is thrown away when a run is given up: that is the point
        warnings.filterwarnings("ignore", "[0-9]+ tasks ", UserWarning)
        try:
            for part in batches:
                if part is None:
                    raise never_ends(limit)
                parts.append(part)
                if progress:
                    progress(len(part))
        except KeyboardInterrupt:
            if not parts:
                raise
        finally:
            batches.close()
    return loop.all(parts)


def found_of(
    job: Job, strategy: Strategy, cost: Cost, parts: Sequence[Any], model: str, wanted_runs: int = 0
) -> Simulated:
    """From batches of runs, a row of :data:`COLUMNS` each; what was predicted is of ``model``, a long job's.

    ``wanted_runs``: more than there are where it was interrupted.
    """
    column = dict(zip(COLUMNS, np.concatenate(parts).T, strict=True))
    work, shards = job.job.work_s, job.cluster.embedding_shards or 1
    times, pls = column["time_s"], column["lost"] / (work * shards)
    mean = {name: float(column[f"{name}_s"].mean()) / work for name in ("save", "load", "reschedule")}
    slower = [float(column[name].mean()) / work for name in ("fewer_nodes_s", "stragglers_s")]
    mean["reschedule"] += sum(slower)
    lost = float(times.mean()) / work - 1 - sum(mean.values())
    return Simulated(
        job=job,
        strategy=strategy,
        law=Exponential(),
        strikes=FailuresStrike.ALWAYS,
        runs=len(times),
        wanted_runs=max(wanted_runs, len(times)),
        time_to_train_s=Estimate.of(times),
        pls=Estimate.of(pls),
        breakdown=Breakdown(mean["save"], mean["load"], lost, mean["reschedule"]),
        failures={kind.value: float(column[kind.value].mean()) for kind in FailureKind},
        predicted=Prediction(float(cost.breakdown.total), cost.pls, model, True, True),
        times_s=times,
        pls_of_runs=pls,
        fewer_nodes_fraction=slower[0],
        stragglers_fraction=slower[1],
    )
