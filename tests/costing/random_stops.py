"""Jobs with frequent planned stops at random, predicted and played; ``python -m tests.costing.random_stops 0 40``.

Stops come once in one to seven days, or by dates; jobs are so short that what follows the last stop counts, and
saves so dear that one too many is seen. :mod:`tests.costing.random_jobs` has rare ones. With ``stored`` behind it
saves drain, go to levels or write changed rows, in jobs of 120 days; with ``warned`` others follow warnings.
"""

from __future__ import annotations

import math
import random
import sys
from typing import Any

from cprmodel import Exact, Job, simulate
from cprmodel.costing import model_for
from cprmodel.facts.strategies import Strategy
from tests.costing.test_stored_stops import (
    BOTH,
    DATES,
    DIRTY,
    DRAIN,
    LEVELS,
    NIGHT,
    PLAIN,
    SHARDED,
    THREE,
    WEEK,
    job_of,
    sharded,
    strategy_of,
)

__all__ = ["compared", "drawn", "drawn_stored", "drawn_warned"]


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


_STORED: dict[str, tuple[dict[str, Any], int]] = {
    "drain": (DRAIN, 1),
    "levels": (LEVELS, 4),
    "three levels": (THREE, 12),
    "changed rows": (DIRTY, 1),
    "changed rows that drain": (BOTH, 1),
}


def drawn_stored(seed: int) -> tuple[str, Job, Strategy]:
    """The same where saves do not simply block."""
    draw = random.Random(seed)
    name = draw.choice(list(_STORED))
    point, many = _STORED[name]
    if name == "drain":
        point = {**point, "overlap": draw.uniform(0.3, 1)}
    others = [{"every": "31 h", "lasts": "1 h"}], [{"every": "2 d", "lasts": "3 h"}]
    planned = draw.choice([NIGHT, WEEK, *others])
    mtbf = f"{10 ** draw.uniform(0, 1.5)} d"
    partial = draw.random() < 0.5 and name != "three levels"  # which have no load of a part
    job = sharded(point, planned, mtbf) if partial else job_of(point, planned, mtbf)
    hours = 10 ** draw.uniform(0.2, 1.3) / many**0.8
    strategy = strategy_of(job, hours, partial)
    said = f"{name}, {strategy.name}, stops: {planned}, MTBF {job.failure_mix.mtbf_s / 86400:.2f} d, {hours:.2f} h"
    return said, job, strategy


def drawn_warned(seed: int) -> tuple[str, Job, Strategy]:
    """The same where saves block, and others follow warnings; some of these scatter, or take longer than those."""
    draw = random.Random(seed)
    partial = draw.random() < 0.5
    planned = draw.choice(
        [NIGHT, WEEK, DATES, [{"every": "31 h", "lasts": "1 h"}], [{"every": "2 d", "lasts": "3 h"}]]
    )
    warning: dict[str, Any] = {
        "recall": draw.uniform(0.1, 1),
        "precision": draw.choice([1.0, draw.uniform(0.3, 1)]),
    }
    minutes = 10 ** draw.uniform(-0.5, 1.3)
    if draw.random() < 0.25:
        warning |= {"lead": f"{1.5 * minutes} min", "save": [f"{minutes} min", f"{1.6 * minutes} min"]}
    else:
        warning |= {"lead": f"{minutes + 1} min", "save": f"{minutes} min"}
    mtbf = f"{10 ** draw.uniform(-0.3, 1.5)} d"
    point = {**PLAIN, "save": f"{10 ** draw.uniform(0, 1.4)} min", "warning": warning}
    start = {"start": "2027-01-01"} if planned is DATES else {}
    steps = {"step": f"{draw.choice([1, 7, 25])} min"} if draw.random() < 0.25 else {}
    tables = {"job": {"work": f"{draw.choice([30, 60, 120])} d", **start, **steps}}
    job = job_of({**point, **SHARDED["checkpoint"]}, planned, mtbf, **tables, **_apart(SHARDED))
    hours = 10 ** draw.uniform(0.3, 1.3)
    strategy = strategy_of(job, hours, partial)
    often = ", ".join(f"{key} {value}" for key, value in warning.items())
    return f"{strategy.name}, {often}, stops: {planned}, MTBF {mtbf}, {hours:.2f} h", job, strategy


def _apart(tables: dict[str, Any]) -> dict[str, Any]:
    """Without what a checkpoint has."""
    return {name: keys for name, keys in tables.items() if name != "checkpoint"}


_DRAWN = {"": drawn, "stored": drawn_stored, "warned": drawn_warned}


def compared(seed: int, runs: int, which: str = "") -> tuple[str, float, float, float]:
    """What a job has, its predicted overhead, the one that is played, and the standard error of that."""
    said, job, strategy = _DRAWN[which](seed)
    predicted = model_for(job, None if which else Exact()).cost(job, strategy).breakdown.total
    found = simulate(job, strategy, runs, seed=seed, workers=1).overhead_fraction
    return said, predicted, found.mean, found.standard_error


def _main(first: int, beyond: int, runs: int, which: str) -> None:
    errors, differences = [], []
    for seed in range(first, beyond):
        said, predicted, played, error = compared(seed, runs, which)
        differences.append(predicted - played)
        errors.append((predicted - played) / error)
        print(f"{seed:4d} {predicted:.5f} {played:.5f} {errors[-1]:+5.1f} standard errors: {said}", flush=True)
    square = math.sqrt(sum(one * one for one in errors) / len(errors))
    most = max(map(abs, differences))
    print(f"{len(errors)} jobs: root mean square {square:.2f} standard errors, at most {100 * most:.3f} points off")


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 6000, "".join(sys.argv[4:]))
