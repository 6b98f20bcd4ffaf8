"""The first rows to a level, everything to those below and above it: drawn at random, to be planned and played."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cprmodel import Job
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.strategies import Strategy
from tests.combinations.levelled import drawn_levels

__all__ = ["drawn_topped"]


def drawn_topped(random: np.random.Generator) -> tuple[str, Job, Strategy]:
    """As :func:`tests.combinations.levelled.drawn_levels`, with another level that takes the first rows."""
    words, job, strategy = drawn_levels(random)
    saving, point, access = strategy.saving, job.checkpoint, job.access
    assert isinstance(saving, StoredPrioritySave)
    assert access is not None
    every_s = strategy.saves_every_s / saving.segments
    at, whole = int(random.integers(len(saving.whole.levels) - 1)), saving.whole
    if whole.overlap * whole.drain_s > every_s:  # all of it must drain before the next save
        whole = replace(whole, drain_s=0.9 * every_s / whole.overlap)
        point = point.model_copy(update={"drain_s": whole.drain_s})
    if random.random() < 0.5:  # some more saves to one of the level above
        counts = list(whole.counts)
        counts[at] += int(random.integers(1, 8))
        whole = replace(whole, counts=tuple(counts))
    slot_s = every_s * whole.periods[at]
    # as many updates as before in as much as everything is saved once
    (table,) = access.tables
    scaled = (table.updates_per_second or 0.0) * strategy.saves_every_s / slot_s
    access = access.model_copy(update={"tables": (table.model_copy(update={"updates_per_second": scaled}),)})
    job = job.model_copy(update={"checkpoint": point, "access": access})
    saving = replace(saving, whole=whole, level=at)
    words = f"{words}, first rows to {at}, {whole.counts} saves"
    return words, job, replace(strategy, saving=saving, interval_s=slot_s / saving.fraction)
