"""The first rows to a level, everything to those above it, planned and then looked for by force."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel import Job, SteadyState
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.ordering.stored import stored_saves
from tests.combinations.orders_by_force import counted, planned, worse_than

__all__ = ["topped_worse_than_by_force"]


def _warning(seed: int, levels: list[dict[str, Any]]) -> dict[str, Any]:
    """Every second time; drawn apart, so that all else is as it was without."""
    random = np.random.default_rng((seed, 4))
    if random.random() < 0.5:
        return {}
    at = int(random.integers(len(levels)))
    levels[at]["name"] = "warned"
    given: dict[str, Any] = {
        "level": "warned",
        "recall": float(random.uniform(0.1, 0.8)),
        "precision": float(random.uniform(0.3, 1)),
        "lead_s": levels[at]["save_s"] * float(random.uniform(1.1, 10)),
    }
    return {"warning": given}


def _drawn(seed: int, coarse: bool) -> Job:
    """Two or three levels, the ordered one not the last, with and without steps and drains; or few steps a save."""
    random = np.random.default_rng(seed)
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
    point |= _warning(seed, levels)
    work: dict[str, Any] = {"work_s": float(random.uniform(30, 200)) * mtbf_s}
    if random.random() < 0.5:
        work["step_s"] = float(random.uniform(0.05, 0.5))
    elif coarse:
        work["step_s"] = float((2 * base * mtbf_s) ** 0.5 / random.uniform(5, 80))
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
    job, model = _drawn(seed, seed % 2 == 1), SteadyState()
    found = planned(job, model)
    saving = found[0].saving
    assert isinstance(saving, StoredPrioritySave)
    tried = counted(saving, saving.whole.counts)
    if saving.warned is not None:  # or none is heeded
        tried += [replace(one, whole=replace(one.whole, warned=None)) for one in tried]
    elif job.checkpoint.warning is not None:
        (heeds,) = stored_saves(job, ["best-fixed"])
        tried += counted(heeds, saving.whole.counts)
    return worse_than(job, model, found, tried)
