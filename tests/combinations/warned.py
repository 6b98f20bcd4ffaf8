"""Saves in an order beside failures that are announced, drawn at random: everything then, or first rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel import Job
from cprmodel.costing.saving import saving_of
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.strategies import PrioritySave, Strategy
from cprmodel.jobs.warned import Warnings
from cprmodel.ordering.stored import on_warnings, stored_saves

__all__ = ["warned"]


def warned(seed: int, words: str, job: Job, strategy: Strategy) -> tuple[str, Job, Strategy]:
    """The same with warnings, every second time; drawn apart, so that all else is as it was without."""
    random, saving = np.random.default_rng((seed, 4)), strategy.saving
    if not isinstance(saving, PrioritySave) or random.random() < 0.5:
        return words, job, strategy
    levels, mtbf = job.checkpoint.level or (), job.failure_mix.mtbf_s
    recall = float(random.uniform(0, 0.8))  # of more few runs would lose anything
    given: dict[str, Any] = {
        "recall": recall,
        "precision": float(random.uniform(0.3, 1)),
        "save_s": float(random.uniform(0.002, 0.03)) * mtbf,
        "lead_s": mtbf,
    }
    at = int(random.integers(len(levels))) if levels else 0
    if levels:
        given["level"] = levels[at].name
        survive = [one.name for one in levels[: at + 1] if one.survives >= recall]
        if survive and random.random() < 0.6:
            given["leaves"] = str(random.choice(survive))
    elif random.random() < 0.5:  # as many of the rows as fit
        given["lead_s"] = given["save_s"] * float(random.uniform(0.1, 0.9))
    if random.random() < 0.3:
        given["save_scatter"] = float(random.uniform(0.1, 0.8))
        given["lead_s"] *= 2
    point = job.checkpoint.model_copy(update={"warning": Warnings(**given)})
    job = job.model_copy(update={"checkpoint": point})
    every_s = strategy.saves_every_s
    if levels:
        assert isinstance(saving, StoredPrioritySave)
        one = replace(saving, whole=replace(saving.whole, warned=saving_of(job).warned))
    else:
        (one,) = stored_saves(job, [saving.order])
    chosen = on_warnings(job, one)[0]
    takes = "none" if chosen.whole.warned is None else f"{chosen.warned_rows:.0%} of the rows"
    words = f"{words} warned to {at}, of {takes}"
    if "leaves" in given:
        words += f", leaves {given['leaves']}"
    if "save_scatter" in given:
        words += ", scatters"
    return words, job, replace(strategy, saving=chosen, interval_s=every_s / chosen.fraction)
