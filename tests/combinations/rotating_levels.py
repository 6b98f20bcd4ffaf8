"""Some of the experts in turn to each of two levels: drawn at random, to be planned and played."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel import Job
from cprmodel.costing.rotating import rotating_levels_of
from cprmodel.facts.strategies import Strategy

__all__ = ["drawn_rotating_levels"]

MTBF_S = 10_000.0


def drawn_rotating_levels(random: np.random.Generator) -> tuple[str, Job, Strategy]:
    """What is combined, in words; a job; and how it is saved."""

    def part(most: float) -> float:
        return float(random.uniform(0, most)) * MTBF_S

    every, count = float(random.uniform(0.01, 0.15)) * MTBF_S, int(random.integers(1, 7))
    experts = int(random.integers(2, 25))
    levels: list[dict[str, Any]] = [
        {"save_s": float(random.uniform(0.01, 0.3)) * every, "survives": float(random.uniform(0.05, 0.95))},
        {"save_s": float(random.uniform(0.1, 1)) * every},
    ]
    for level in levels:
        level |= {"load_s": part(0.1), "rotating": True}
        if random.random() < 0.3:
            level["stall_s"] = float(random.uniform(0, 0.1)) * every
    point: dict[str, Any] = {
        "level": levels,
        "reschedule_s": part(0.1),
        "detect_s": part(0.02),
        "always_written": float(random.uniform(0, 0.6)),
    }
    words = [f"rotating at two levels, every {count}"]
    if random.random() < 0.5:
        words.append("drains")
        point |= {"overlap": float(random.uniform(0, 1)), "drain_s": float(random.uniform(0.2, 1)) * every}
        levels[1]["save_shrinks"] = True
    shares = {"trainer_share": float(random.uniform(0, 0.3)), "whole_job_share": float(random.uniform(0, 0.3))}
    job = Job.from_mapping(
        {
            "job": {"work_s": 40 * MTBF_S},
            "failures": {"mtbf_s": MTBF_S, **shares},
            "cluster": {"embedding_shards": 1 if random.random() < 0.5 else 200, "experts": experts},
            "accuracy": {"pls_budget": 0.5},
            "checkpoint": point,
        }
    )
    rotated = int(random.integers(1, experts + 1)), int(random.integers(1, experts + 1))
    saving = rotating_levels_of(job, rotated)
    saving = replace(saving, whole=replace(saving.whole, counts=(count,)))
    return " ".join(words), job, Strategy("full-rotating", job.full_recovery, saving, every)
