"""Jobs with frequent planned stops at random, predicted and played; ``python -m tests.costing.random_stops 0 40``.

Stops come once in one to seven days, or by dates; jobs are so short that what follows the last stop counts, and
saves so dear that one too many is seen. :mod:`tests.costing.random_jobs` has rare ones. With ``stored`` behind it
saves drain, go to levels or write changed rows, in jobs of 120 days.
"""

from __future__ import annotations

import math
import random
import sys
from typing import Any

from cprmodel import Exact, Job, simulate
from cprmodel.costing import model_for, saving_of
from cprmodel.facts.strategies import Strategy

__all__ = ["compared", "drawn", "drawn_stored"]


def drawn(seed: int) -> tuple[str, Job, Strategy]:
    """A job, what it has, and how it is run."""
    draw = random.Random(seed)
    partial = draw.random() < 0.5
    every = draw.choice(["1 d", "31 h", "2 d", "7 d"])
    planned: dict[str, Any] = {"every": every, "lasts": "1 h"}
    start: dict[str, Any] = {}
    if draw.random() < 1 / 3:
        dates = [
            f"2027-{month:02d}-{day:02d}" for month in (1, 2, 3) for day in sorted(draw.sample(range(2, 28), 4))
        ]
        planned, start, every = {"lasts": "2 h", "dates": dates}, {"start": "2027-01-01"}, "dates"
    data = {
        "job": {"work": f"{draw.choice([6, 12, 30, 60])} d", **start},
        "cluster": {"embedding_shards": 8},
        "failures": {
            "mtbf": f"{10 ** draw.uniform(-0.3, 1.3)} d",
            "trainer_share": 0.05,
            "whole_job_share": 0.1,
            "planned": [planned],
        },
        "checkpoint": {
            "save": f"{10 ** draw.uniform(0, 1.4)} min",
            "load": "8 min",
            "reschedule": "4 min",
            "partial_load": "30 s",
            "partial_reschedule": "3 min",
        },
        "accuracy": {"pls_budget": 0.1},
    }
    job = Job.from_mapping(data)
    recovery = job.partial_recovery if partial else job.full_recovery
    hours = 10 ** draw.uniform(0.3, 1.3)
    said = (
        f"{recovery.name}, stops: {every}, MTBF {job.failure_mix.mtbf_s / 86400:.2f} d, saves every {hours:.2f} h"
    )
    return said, job, Strategy(recovery.name, recovery, job.saving, 3600 * hours)


_POINT: dict[str, Any] = {"reschedule": "5 min", "partial_reschedule": "3 min"}
_LEVELS = {
    **_POINT,
    "level": [
        {"save": "1 min", "load": "1 min", "partial_load": "10 s", "survives": 0.9},
        {"save": "15 min", "load": "10 min", "partial_load": "1 min", "every": 4},
    ],
}
_THREE = {
    **_POINT,
    "level": [
        {"save": "20 s", "load": "1 min", "survives": 0.6},
        {"save": "2 min", "load": "4 min", "survives": 0.9, "every": 3},
        {"save": "15 min", "load": "10 min", "every": 4},
    ],
}
_ONE = {**_POINT, "load": "10 min", "partial_load": "30 s"}
_DIRTY = {"stall": "1 min", "incremental": True, "dirty_curve": [["1 h", 0.2], ["6 h", 0.5], ["24 h", 0.8]]}
_DRAIN = {"size": "1 TB", "bandwidth": "1 GB/s"}
_STORED: dict[str, tuple[dict[str, Any], int]] = {
    "drain": ({**_ONE, "save": "1 min", "drain": "1000 s"}, 1),
    "levels": (_LEVELS, 4),
    "three levels": (_THREE, 12),
    "changed rows": ({**_ONE, "save": "15 min", **_DIRTY}, 1),
    "changed rows that drain": ({**_ONE, **_DRAIN, **_DIRTY, "overlap": 0.9}, 1),
}


def drawn_stored(seed: int) -> tuple[str, Job, Strategy]:
    """The same where saves do not simply block."""
    draw = random.Random(seed)
    name = draw.choice(list(_STORED))
    point, many = _STORED[name]
    if name == "drain":
        point = {**point, "overlap": draw.uniform(0.3, 1)}
    night, week = {"every": "1 d", "lasts": "1 h"}, {"every": "7 d", "lasts": "6 h"}
    others = [{"every": "31 h", "lasts": "1 h"}], [{"every": "2 d", "lasts": "3 h"}]
    planned = draw.choice([[night], [night, week], *others])
    failures = {"mtbf": f"{10 ** draw.uniform(0, 1.5)} d", "planned": planned}
    data: dict[str, Any] = {"job": {"work": "120 d"}, "failures": failures, "checkpoint": point}
    if draw.random() < 0.5 and name != "three levels":  # which have no load of a part
        data["failures"] |= {"trainer_share": 0.05, "whole_job_share": 0.1}
        data |= {"cluster": {"embedding_shards": 8}, "accuracy": {"pls_budget": 0.1}}
    job = Job.from_mapping(data)
    recovery = job.partial_recovery if "accuracy" in data else job.full_recovery
    hours = 10 ** draw.uniform(0.2, 1.3) / many**0.8
    said = f"{name}, {recovery.name}, stops: {planned}, MTBF {job.failure_mix.mtbf_s / 86400:.2f} d, {hours:.2f} h"
    return said, job, Strategy(recovery.name, recovery, saving_of(job), 3600 * hours)


def compared(seed: int, runs: int, stored: bool = False) -> tuple[str, float, float, float]:
    """What a job has, its predicted overhead, the one that is played, and the standard error of that."""
    said, job, strategy = drawn_stored(seed) if stored else drawn(seed)
    predicted = model_for(job, None if stored else Exact()).cost(job, strategy).breakdown.total
    found = simulate(job, strategy, runs, seed=seed, workers=1).overhead_fraction
    return said, predicted, found.mean, found.standard_error


def _main(first: int, beyond: int, runs: int, stored: bool) -> None:
    errors, differences = [], []
    for seed in range(first, beyond):
        said, predicted, played, error = compared(seed, runs, stored)
        differences.append(predicted - played)
        errors.append((predicted - played) / error)
        print(f"{seed:4d} {predicted:.5f} {played:.5f} {errors[-1]:+5.1f} standard errors: {said}", flush=True)
    square = math.sqrt(sum(one * one for one in errors) / len(errors))
    most = max(map(abs, differences))
    print(f"{len(errors)} jobs: root mean square {square:.2f} standard errors, at most {100 * most:.3f} points off")


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 6000, "stored" in sys.argv[4:])
