"""Saves in an order beside failures that are announced, planned and then looked for by force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel import Job, SteadyState
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.ordering.stored import on_warnings, stored_saves
from tests.combinations.orders_by_force import counted, planned, worse_than

__all__ = ["warned_worse_than_by_force"]

#: Of a save on a warning whose time scatters, when it may begin, over the earliest.
_AHEAD = (0.3, 0.45, 0.6, 0.75, 0.9, 1.0)


def _drawn(random: np.random.Generator) -> Job:
    """One level or two, with and without steps, drains and times that scatter; a lead for all, or for some rows."""
    mtbf_s, base = 10_000.0, float(10 ** random.uniform(0.5, 2))
    point: dict[str, Any] = {"reschedule_s": float(random.uniform(0, 600)), "detect_s": 20.0}
    warning: dict[str, Any] = {
        "recall": float(random.uniform(0.1, 0.8)),
        "precision": float(random.uniform(0.3, 1)),
        "lead_s": base * float(10 ** random.uniform(-0.7, 1.5)),
    }
    if random.random() < 0.4:
        point["level"] = [
            {"name": "near", "save_s": base / 5, "survives": float(random.uniform(0.8, 0.97))},
            {"name": "far", "save_s": base, "survives": 1.0},
        ]
        warning["level"] = "far"
        warning["lead_s"] = base * float(random.uniform(1.1, 10))
    else:
        point["save_s"] = base
        if random.random() < 0.3:
            warning |= {"save_s": base, "save_scatter": float(random.uniform(0.1, 0.8))}
    if random.random() < 0.4:
        point |= {"overlap": float(random.uniform(0, 1)), "drain_s": float(random.uniform(1, 5)) * base}
    point["warning"] = warning
    work: dict[str, Any] = {"work_s": float(random.uniform(30, 200)) * mtbf_s}
    if random.random() < 0.5:
        few = random.random() < 0.5
        work["step_s"] = (2 * base * mtbf_s) ** 0.5 / float(
            random.uniform(5, 80) if few else random.uniform(1e3, 1e4)
        )
    table = {
        "rows": 1_000_000,
        "zipf": float(random.uniform(0.3, 1.2)),
        "updates_per_second": float(10 ** random.uniform(2.5, 4.5)),
    }
    return Job.from_mapping(
        {
            "job": work,
            "failures": {"mtbf_s": mtbf_s, "trainer_share": 0.1, "whole_job_share": float(random.choice([0, 0.2]))},
            "cluster": {"embedding_shards": int(random.choice([4, 16, 64]))},
            "accuracy": {"pls_budget": float(10 ** random.uniform(-3, -1))},
            "checkpoint": point,
            "access": {"priority_fraction": float(random.choice([0.125, 0.25, 0.5])), "tables": [table]},
        }
    )


def _tried(job: Job, counts: tuple[int, ...]) -> Iterator[StoredPrioritySave]:
    """On a warning everything, or rows, or nothing, begun at several times, beside several numbers of saves."""
    (saving,) = stored_saves(job, ["best-fixed"])
    for one in on_warnings(job, saving):
        warned = one.whole.warned
        begun = [warned]
        if warned is not None and warned.ahead_s is not None:
            begun = [replace(warned, ahead_s=warned.ahead_s * share) for share in _AHEAD]
        for other in begun:
            started = replace(one, whole=replace(one.whole, warned=other, counts=counts))
            yield from counted(started, counts) if counts else [started]


def warned_worse_than_by_force(seed: int) -> float:
    """By how much more, relatively, the best fixed intervals of rows cost as planned than the best by force."""
    job, model = _drawn(np.random.default_rng(seed)), SteadyState()
    found = planned(job, model)
    saving = found[0].saving
    assert isinstance(saving, StoredPrioritySave)
    return worse_than(job, model, found, _tried(job, saving.whole.counts))
