"""Saves that rotate, planned and then looked for by force: over all numbers of experts and very many intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cprmodel import Exact, FirstOrder, Job, plan
from cprmodel.costing.rotated import updates_lost
from cprmodel.costing.rotating import rotating_of
from cprmodel.facts.strategies import BlockingSave, Strategy

__all__ = ["job_of", "worse_than_by_force"]


def job_of(experts: int = 16, work: str = "10000 s", **more: Any) -> Job:
    point: dict[str, Any] = {"save": "8 s", "rotating": True, "load": "10 s", "detect": "5 s", "reschedule": "60 s"}
    tables: dict[str, Any] = {
        "job": {"work": work},
        "cluster": {"experts": experts},
        "failures": {"mtbf": "2000 s"},
        "checkpoint": point | more.pop("checkpoint", {}),
        "accuracy": {"pls_budget": 0.1},
    }
    for table, keys in more.items():
        tables[table] = tables.get(table, {}) | keys
    return Job.from_mapping(tables)


def by_force(job: Job, model: Any, budget: float) -> float:
    """The least overhead over all numbers of experts and very many intervals that keeps the budget."""
    work, step = job.job.work_s, job.job.step_s
    every = work / np.arange(1.0, 3000.0)
    if step is None:
        every = (
            np.concatenate([every, np.geomspace(1e-3 * work, work, 2000)]) if model.name == "first-order" else every
        )
    else:
        every = np.unique(np.maximum(np.round(np.geomspace(step, work, 4000) / step), 1)) * step
        every = np.minimum(every, work)
    best = math.inf
    for rotated in range(1, (job.experts or 1) + 1):
        saving = rotating_of(job, rotated)
        keeps = updates_lost(saving, work, job.failure_mix.mtbf_s, every).pls <= budget
        for one in every[keeps]:
            timed = Strategy("full", job.full_recovery, BlockingSave(saving.save_s), float(one))
            spent = saving.save_s / one + one / 2 / job.failure_mix.mtbf_s
            if spent < best:  # a bound that is lower than any model's overhead at this interval
                best = min(best, float(model.cost(job, timed).breakdown.total))
    return best


def worse_than_by_force(seed: int) -> float:
    """By how much more, relatively, the plan of a random job costs than the best by force; it keeps its budget."""
    random = np.random.default_rng(seed)
    budget = float(10 ** random.uniform(-2.5, -0.5))
    point = {"save": f"{10 ** random.uniform(0, 2):.3g} s", "always_written": float(random.uniform(0, 0.8))}
    more: dict[str, Any] = {"accuracy": {"pls_budget": budget}, "checkpoint": point}
    experts = int(random.integers(2, 13))
    if seed % 2:
        more["job"] = {"step": f"{random.uniform(2, 40):.3g} s"}
    job = job_of(experts=experts, **more)
    worst = 0.0
    for model in (FirstOrder(), Exact()):
        answer = plan(job, model)["full-rotating"]
        assert answer.expected_pls <= budget * (1 + 1e-9)
        worst = max(worst, answer.overhead_fraction / by_force(job, model, budget) - 1)
    return worst
