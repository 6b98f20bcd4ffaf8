"""The first rows to a level, everything to those above it, planned and then looked for by force."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from cprmodel import Job, SteadyState
from cprmodel.costing import kinds
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.strategies import Strategy
from cprmodel.ordering.pls import interval_for_pls
from cprmodel.ordering.stored import stored_saves

__all__ = ["topped_worse_than_by_force"]

#: Numbers of saves to each level that are tried, over those planned; and intervals, over the longest within budget.
_RATIOS, _SHORTER = (0.4, 0.6, 0.8, 0.9, 1.0, 1.12, 1.3, 1.7, 2.5), np.geomspace(1, 0.1, 24)


def _drawn(random: np.random.Generator) -> Job:
    """Two or three levels, the ordered one not the last, with and without steps and drains."""
    mtbf_s, count = 10_000.0, int(random.integers(2, 4))
    survives, base = [*np.sort(random.uniform(0.2, 0.97, count - 1)), 1.0], float(10 ** random.uniform(0.5, 2))
    levels: list[dict[str, Any]] = [
        {"save_s": base * (1 + at) ** 2 * float(random.uniform(0.5, 2)), "survives": float(survives[at])}
        for at in range(count)
    ]
    levels[int(random.integers(count - 1))]["ordered"] = True
    point: dict[str, Any] = {"level": levels, "reschedule_s": float(random.uniform(0, 600)), "detect_s": 20.0}
    if random.random() < 0.4:
        point |= {"overlap": float(random.uniform(0, 1)), "drain_s": float(random.uniform(1, 10)) * base}
    work: dict[str, Any] = {"work_s": float(random.uniform(30, 200)) * mtbf_s}
    if random.random() < 0.5:
        work["step_s"] = float(random.uniform(0.05, 0.5))
    whole = float(random.choice([0, 0.05, 0.2]))
    table = {
        "rows": 1_000_000,
        "zipf": float(random.uniform(0.3, 1.2)),
        "updates_per_second": float(10 ** random.uniform(2.5, 4.5)),
    }
    return Job.from_mapping(
        {
            "job": work,
            "failures": {"mtbf_s": mtbf_s, "trainer_share": 0.1, "whole_job_share": whole},
            "cluster": {"embedding_shards": int(random.choice([4, 16, 64]))},
            "accuracy": {"pls_budget": float(10 ** random.uniform(-3, -1))},
            "checkpoint": point,
            "access": {"priority_fraction": float(random.choice([0.125, 0.25, 0.5])), "tables": [table]},
        }
    )


def topped_worse_than_by_force(seed: int) -> float:
    """By how much more, relatively, the best fixed intervals of rows cost as planned than the best by force."""
    job, model = _drawn(np.random.default_rng(seed)), SteadyState()
    (saving,) = stored_saves(job, ["best-fixed"])
    budget, at_first = job.pls_budget or 0.0, Strategy("any", job.partial_recovery, saving, job.job.work_s)
    choice = kinds.choose(job, model, at_first, budget)
    planned = replace(at_first, interval_s=choice.interval_s, saving=choice.saving or saving)
    cost, best = kinds.cost(job, model, planned), math.inf
    assert isinstance(planned.saving, StoredPrioritySave)
    counts = planned.saving.whole.counts
    near = [sorted({1, one + 1, *(max(1, round(one * ratio)) for ratio in _RATIOS)}) for one in counts]
    for tried in product(*near):
        one = replace(saving, whole=replace(saving.whole, counts=tried))
        longest = interval_for_pls(job, replace(at_first, saving=one, interval_s=1800.0), budget, exact=True)
        for shorter in [] if longest is None else _SHORTER:
            every_s = (longest or 0.0) * float(shorter)
            if job.job.step_s is not None:
                step_s = job.job.step_s * one.segments / one.fraction
                every_s = max(math.floor(every_s / step_s * (1 + 1e-12)), 1) * step_s
            spent = model.cost(job, replace(at_first, saving=one, interval_s=every_s)).breakdown.total
            best = min(best, float(spent))
    if cost.pls > budget * (1 + 1e-9):  # nothing keeps it, then, or only what costs more than it is worth
        return 0.0
    return float(cost.breakdown.total) / best - 1
