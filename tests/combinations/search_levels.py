"""Saves that rotate at two levels, planned and then looked for by force: all numbers, and very many intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cprmodel import Job, SteadyState, plan
from cprmodel.costing.rotated_levels import updates_lost
from cprmodel.costing.rotating import rotating_levels_of
from cprmodel.costing.setting import Setting

__all__ = ["drawn_to_search", "levels_by_force", "levels_worse_than_by_force"]

#: Saves to one of the last level that are tried by force, and intervals.
_COUNTS, _INTERVALS = 60, 700


def drawn_to_search(seed: int) -> Job:
    """A job of few experts whose numbers are free, some of them given, with and without steps and drains."""
    random = np.random.default_rng(seed)
    experts, first = int(random.integers(2, 7)), float(10 ** random.uniform(0, 1.5))
    levels: list[dict[str, Any]] = [
        {"name": "memory", "save_s": first, "survives": float(random.uniform(0.1, 0.97)), "rotating": True},
        {"name": "storage", "save_s": first * float(10 ** random.uniform(-0.3, 1.3)), "rotating": True},
    ]
    if random.random() < 0.25:
        levels[1]["every"] = int(random.integers(1, 6))
    for level in levels:
        if random.random() < 0.15:
            level["rotating"] = int(random.integers(1, experts + 1))
    point: dict[str, Any] = {
        "level": levels,
        "reschedule_s": float(random.uniform(0, 100)),
        "always_written": float(random.uniform(0, 0.7)),
    }
    if random.random() < 0.25:
        point |= {"overlap": float(random.uniform(0.2, 1)), "drain_s": float(random.uniform(5, 60))}
    job: dict[str, Any] = {"work_s": float(random.choice([3e4, 3e5]))}
    if seed % 2:
        job["step_s"] = float(random.uniform(2, 40))
    return Job.from_mapping(
        {
            "job": job,
            "cluster": {"experts": experts},
            "failures": {"mtbf_s": 4000.0},
            "checkpoint": point,
            "accuracy": {"pls_budget": float(10 ** random.uniform(-2.7, -0.5))},
        }
    )


def levels_by_force(job: Job) -> float:
    """The least overhead of all numbers and very many intervals that keeps the budget; of no save at all, too."""
    work, step, experts = job.job.work_s, job.job.step_s, job.experts or 1
    levels = job.checkpoint.level or ()
    ranges = [range(1, experts + 1) if one.rotating is True else [one.rotating or experts] for one in levels]
    counts = np.array([levels[1].every] if levels[1].every else np.arange(1, _COUNTS + 1), dtype=float)
    every = np.geomspace(job.failure_mix.mtbf_s * 1e-3, work, _INTERVALS)
    if step is not None:
        every = np.unique(np.maximum(np.round(every / step), 1)) * step
    n, tau = (part.ravel() for part in np.meshgrid(counts, every, indexing="ij"))
    n, tau = n[n * tau <= work], tau[n * tau <= work]
    best = math.inf
    for first in ranges[0]:
        for last in ranges[1]:
            saving = rotating_levels_of(job, (first, last))
            of = Setting.of(job, job.full_recovery)
            if not math.isfinite(best):
                best = float(of.unsaved()[0].total)
            run = of.run(saving.timed, tau, [n])
            total = np.where((run.drains <= 1) & (run.breakdown.total >= 0), run.breakdown.total, np.inf)
            likely = total < best
            if not likely.any():
                continue
            stops = of.stops(saving.timed)
            lost = updates_lost(saving, work, job.failure_mix.mtbf_s, stops, tau[likely], n[likely])
            keeps = lost <= (job.pls_budget or 0.0)
            best = min(best, float(total[likely][keeps].min(initial=math.inf)))
    return best


def levels_worse_than_by_force(seed: int) -> float:
    """By how much more, relatively, the plan of a random job costs than the best by force; it keeps its budget."""
    job = drawn_to_search(seed)
    answer = plan(job, SteadyState())["full-rotating"]
    best = levels_by_force(job)
    if answer.expected_pls > (job.pls_budget or 0.0) * (1 + 1e-9):  # where nothing keeps it, force finds nothing
        return 0.0 if best > 1e9 else math.inf  # … but not to save at all, and never to end
    return answer.overhead_fraction / best - 1
