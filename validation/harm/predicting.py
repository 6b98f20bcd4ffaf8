"""From what a probe saw in one run: what putting rows back costs in another, at once and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.harm.predicted import HarmModel

__all__ = ["Predicted", "Shares", "predict"]

#: For each table its bands by where they begin, and the share of the band's accesses that a group's rows have.
Shares = Sequence[Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Predicted:
    """Rise of the log loss at once and at the end of training, and the fall of the AUC."""

    at_once: float
    at_end: float
    auc_at_once: float
    auc_at_end: float

    def __add__(self, other: Predicted) -> Predicted:
        return Predicted(*(a + b for a, b in zip(self.numbers, other.numbers, strict=True)))

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        return self.at_once, self.at_end, self.auc_at_once, self.auc_at_end


def predict(model: HarmModel, position: int, age: int, shares: Shares) -> Predicted:
    """Of one loss: rows that hold ``shares`` of each band's accesses, put back to their state of ``age`` ago."""
    lost = _of_classes(model, shares)
    once, end = (model.once(position, age, lost, at_once=at_once) for at_once in (True, False))
    return Predicted(once.rise, end.rise, once.auc_fall or 0.0, end.auc_fall or 0.0)


def _of_classes(model: HarmModel, shares: Shares) -> Any:
    """The share of each of the model's classes; another run may have a band more: the one that begins nearest."""
    names = [table.name for table in model.record.points[0].tables]
    found = []
    for one in model.classes:
        bands = shares[names.index(one.table)]
        nearest = int(np.argmin([abs(begins - one.accesses_from) for begins, _ in bands]))
        found.append(min(bands[nearest][1], 1.0))
    return np.array(found)
