"""Everything to some levels, and the first rows to the last one: drawn at random, to be planned and played."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel import Job
from cprmodel.facts.strategies import ORDERS, Strategy
from cprmodel.ordering.stored import stored_saves

__all__ = ["drawn_levels"]

MTBF_S = 10_000.0


def drawn_levels(random: np.random.Generator) -> tuple[str, Job, Strategy]:
    """What is combined, in words; a job; and how it is saved."""

    def part(most: float) -> float:
        return float(random.uniform(0, most)) * MTBF_S

    count, order = int(random.integers(2, 4)), str(random.choice(ORDERS))
    every = float(random.uniform(0.03, 0.1)) * MTBF_S
    survives = [*np.sort(random.uniform(0.1, 0.95, count - 1)), 1.0]
    levels: list[dict[str, Any]] = [
        {
            "name": str(at),
            "save_s": float(random.uniform(0.05, 0.3)) * every,
            "load_s": part(0.06),
            "partial_load_s": part(0.03),
            "survives": float(survives[at]),
        }
        for at in range(count)
    ]
    point: dict[str, Any] = {
        "level": levels,
        "reschedule_s": part(0.1),
        "detect_s": part(0.02),
        "partial_reschedule_s": part(0.05),
    }
    words = [f"{count} levels", order]
    if random.random() < 0.5:
        words.append("drains")
        point |= {"overlap": float(random.uniform(0, 1)), "drain_s": float(random.uniform(0.2, 2)) * every}
    shares = {"trainer_share": float(random.uniform(0, 0.3)), "whole_job_share": float(random.uniform(0, 0.2))}
    fraction = float(random.choice([0.125, 0.2, 0.25, 0.5]))
    counts = tuple(int(n) for n in random.integers(1, 4, count - 1))
    rows, period = 100_000, every * int(np.prod(counts))
    mean = float(random.uniform(3, 4 if order == "ssu" else 20))
    table = {"rows": rows, "zipf": float(random.uniform(0.2, 1.0)), "updates_per_second": mean * rows / period}
    job = Job.from_mapping(
        {
            "job": {"work_s": 30 * MTBF_S},
            "failures": {"mtbf_s": MTBF_S, **shares},
            "cluster": {"embedding_shards": 1 if random.random() < 0.5 else 200},
            "accuracy": {"pls_budget": 0.5},
            "checkpoint": point,
            "access": {"priority_fraction": fraction, "tables": [table]},
        }
    )
    (saving,) = stored_saves(job, [order])
    saving = replace(saving, whole=replace(saving.whole, counts=counts))
    return " ".join(words), job, Strategy(f"partial-{order}", job.partial_recovery, saving, period / fraction)
