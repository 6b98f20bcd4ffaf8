"""Random combinations of ways to save, planned by the models and played event by event.

``python -m tests.combinations --jobs 200`` plays many; tests play a few. Orders and rotation are among all of them,
beside drains, dirty rows, quantised rows, stalls, a dense part, and every kind of failure; every third combination
is of whole saves to levels, with warnings (:mod:`tests.combinations.stored`), every sixth of saves in an order to
the last of some levels (:mod:`tests.combinations.levelled`) or to another (:mod:`tests.combinations.topped`),
every twelfth of some experts in turn to each of two (:mod:`tests.combinations.rotating_levels`). Half of the
orders are warned (:mod:`tests.combinations.warned`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel import Exact, Job, SteadyState
from cprmodel.costing import kinds
from cprmodel.costing.rotating import rotating_of
from cprmodel.facts.strategies import ORDERS, PrioritySave, Strategy
from cprmodel.ordering import simulate
from cprmodel.ordering.stored import stored_saves
from tests.combinations.levelled import drawn_levels
from tests.combinations.rotating_levels import drawn_rotating_levels
from tests.combinations.stored import drawn_stored, found, simulated
from tests.combinations.topped import drawn_topped
from tests.combinations.warned import warned

__all__ = ["Compared", "compared", "drawn"]

MTBF_S = 10_000.0


@dataclass(frozen=True)
class Compared:
    """One combination: how far what was played lies from what was planned, in standard errors."""

    words: str
    overhead: float
    pls: float


def drawn(random: np.random.Generator) -> tuple[str, Job, Strategy]:
    """What is combined, in words; a job; and how it is saved."""

    def chance(share: float) -> bool:
        return bool(random.random() < share)

    rotates, drains = chance(0.5), chance(0.5)
    words = ["rotating" if rotates else "ordered"]
    every = float(random.uniform(0.1, 0.3)) * MTBF_S
    whole = float(random.uniform(0.05, 0.5)) * every  # time that a save of everything takes
    point: dict[str, Any] = {
        "load_s": float(random.uniform(0, 0.1)) * MTBF_S,
        "reschedule_s": float(random.uniform(0, 0.1)) * MTBF_S,
        "detect_s": float(random.uniform(0, 0.02)) * MTBF_S,
        "partial_load_s": float(random.uniform(0, 0.03)) * MTBF_S,
        "partial_reschedule_s": float(random.uniform(0, 0.05)) * MTBF_S,
    }
    if drains:
        words.append("drains")
        point |= {
            "overlap": float(random.uniform(0, 1)),
            "drain_s": whole,
            "save_s": float(random.uniform(0, 0.1)) * every,
        }
    else:
        point["save_s"] = whole
    trainer, everything = float(random.uniform(0, 0.3)), float(random.uniform(0, 0.3))
    shards = 1 if chance(0.5) else 200
    tables: dict[str, Any] = {
        "job": {"work_s": 30 * MTBF_S},
        "failures": {"mtbf_s": MTBF_S, "trainer_share": trainer, "whole_job_share": everything},
        "cluster": {"embedding_shards": shards},
        "accuracy": {"pls_budget": 0.5},
        "checkpoint": point,
    }
    if rotates:
        tables["cluster"]["experts"] = experts = int(random.integers(2, 40))
        point["rotating"] = rotated = int(random.integers(1, experts + 1))
        point["always_written"] = float(random.uniform(0, 0.6))
        if drains:
            point["save_shrinks"] = chance(0.5)
        elif chance(0.5):
            words.append("stalls")
            point["stall_s"] = float(random.uniform(0, 0.05)) * every
        job = Job.from_mapping(tables)
        return " ".join(words), job, Strategy("full-rotating", job.full_recovery, rotating_of(job, rotated), every)
    dirty, fraction = chance(0.5), float(random.choice([0.125, 0.2, 0.25, 0.5]))
    order = str(random.choice(ORDERS))
    words.append(order)
    # well above what a save takes, or well below it: in between, a thousand rows are too few to stand for all
    most = 4 if order == "ssu" else 20
    mean = (
        float(random.uniform(3, most)) if not dirty or chance(0.5) else float(random.uniform(0.1, 0.4)) * fraction
    )
    if dirty:
        words.append("dirty")
        point["incremental"] = True
        if not drains:
            point["stall_s"] = float(random.uniform(0.01, 0.05)) * every
    rows = 100_000
    table = {"rows": rows, "zipf": float(random.uniform(0.2, 1.0)), "updates_per_second": mean * rows / every}
    tables["access"] = {"priority_fraction": fraction, "tables": [table]}
    job = Job.from_mapping(tables)
    saving: PrioritySave
    if job.plain:
        saving = PrioritySave(job.save_s * fraction, fraction, order)
    else:
        (saving,) = stored_saves(job, [order])
    return " ".join(words), job, Strategy(f"partial-{order}", job.partial_recovery, saving, every / fraction)


def compared(seed: int, runs: int = 200) -> Compared:
    """A combination planned and played; row by row in no more runs than that."""
    if seed % 3 == 2:
        return _whole_saves(seed)
    random = np.random.default_rng(seed)
    which = drawn_levels if seed % 6 == 1 else drawn
    which = drawn_rotating_levels if seed % 12 == 4 else drawn_topped if seed % 12 == 7 else which
    words, job, strategy = warned(seed, *which(random))
    blocking = job.plain
    cost = kinds.cost(job, Exact() if blocking else SteadyState(), strategy)
    played = simulate(job, strategy, runs=runs, seed=seed, workers=1)
    total, over = float(cost.breakdown.total), played.overhead_fraction
    # a job of finite length begins saved, and ends without a save: that is worth about an interval of its overhead
    pattern_s = max((strategy.level_intervals_s or {"": strategy.saves_every_s}).values())
    ends = 0.0 if blocking else total * pattern_s / job.job.work_s
    apart = max(abs(over.mean - total) - ends, 0.0) / over.standard_error
    error = math.hypot(played.pls.standard_error, cost.pls_standard_error or 0.0)
    ends = cost.pls * strategy.saves_every_s / job.job.work_s
    ends = 0.0 if blocking or strategy.experts_saved else ends  # what turns lose is known of finite jobs
    lost = max(abs(played.pls.mean - cost.pls) - ends, 0.0)
    return Compared(words, apart, lost / error if error > 1e-12 else lost * 1e12)


def _whole_saves(seed: int) -> Compared:
    """The same of saves that write everything, or all that is dirty, to levels."""
    saving, tau, mix, recovery, shards = drawn_stored(seed)
    said = found(saving, tau, mix, recovery, shards)
    seen = simulated(saving, tau, mix, recovery, shards, seed, runs=3000)
    far = []
    for name, expected in (("time_s", 1 + said.breakdown.total), ("lost", said.pls * shards)):
        mean, error = seen[name]
        far.append(max(abs(mean - expected) - 1e-9 * abs(expected), 0.0) / max(error, 1e-12))
    warned = f", warned to {saving.warned.level}" if saving.warned is not None else ""
    return Compared(f"{len(saving.levels)} levels, {recovery.name}{warned}", *map(float, far))
