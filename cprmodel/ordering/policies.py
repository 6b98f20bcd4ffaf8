"""Every policy side by side: what a failure takes, the memory it needs, the bandwidth it uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.ordering.intervals import Objective, optimal_intervals, root_sum
from cprmodel.ordering.played import pieces, play
from cprmodel.ordering.predicted import Predicted, predict_mfu, predict_update_age, predict_whole
from cprmodel.rows import Floats, Rows

__all__ = ["POLICIES", "PolicyLoss", "Setting", "predict"]


@dataclass(frozen=True)
class Setting:
    """The budget, and how rows are chosen: every ``fraction`` of a full-save interval, so much of all bytes."""

    bandwidth_bytes_per_s: float
    fraction: float = 0.125
    objective: Objective = Objective.LOST_UPDATES
    seed: int = 1
    played_rows: int = 2000  #: rows that stand for all in a simulation
    played_updates: float = 100.0  #: updates of a row and full-save interval there, where the rows are not known

    def full_save_s(self, rows: Rows) -> float:
        """Time to save everything once, S/B [s]."""
        return rows.total_bytes / self.bandwidth_bytes_per_s

    def slot_s(self, rows: Rows) -> float:
        """Time between two choices of rows [s]."""
        return self.fraction * self.full_save_s(rows)


@dataclass(frozen=True)
class PolicyLoss:
    """One policy; its loss is a share of the updates of one full-save interval at the same bandwidth."""

    name: str
    lost_updates_fraction: float
    standard_error: float | None  #: of a simulation
    tracker_bytes: float
    bandwidth_bytes_per_s: float
    predicted_by: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data; a loss without a bound is null."""
        bounded = math.isfinite(self.lost_updates_fraction)
        return {
            "name": self.name,
            "lost_updates_fraction": self.lost_updates_fraction if bounded else None,
            "standard_error": self.standard_error,
            "tracker_bytes": self.tracker_bytes,
            "bandwidth_bytes_per_s": self.bandwidth_bytes_per_s,
            "predicted_by": self.predicted_by,
        }


def _update_age(rows: Rows, setting: Setting) -> Predicted:
    return predict_update_age(rows.classes(setting.slot_s(rows)), setting.fraction)


def _mfu(rows: Rows, setting: Setting) -> Predicted:
    return predict_mfu(rows.classes(setting.slot_s(rows)), setting.fraction, even=rows.row_bytes is None)


def _whole(rows: Rows, setting: Setting) -> Predicted:
    return predict_whole(rows.classes(), setting.fraction, "formula")


def _optimal(rows: Rows, setting: Setting) -> Predicted:
    all_updates = rows.total_updates_per_s * rows.total_bytes
    if setting.objective is Objective.LOST_UPDATES or not all_updates:
        lost = root_sum(rows) ** 2 / (2 * all_updates) if all_updates else 0.0
        return Predicted(lost, 1.0, "formula")
    some = _in_classes(rows)
    changing = some.updates_per_s > 0
    every = optimal_intervals(some, setting.bandwidth_bytes_per_s, setting.objective)[changing]
    per_s = (some.updates_per_s * some.count)[changing]
    return Predicted(float(per_s @ every) / 2 / per_s.sum() / setting.full_save_s(rows), 1.0, "formula")


def _in_classes(rows: Rows) -> Rows:
    """The same rows, those alike together: a sum over them needs no array of all."""
    if rows.size_bytes.ndim:
        return rows
    found = rows.classes()
    return Rows(found.updates, rows.size_bytes, found.count, rows.row_bytes)


#: The memory that each tracker takes, from rows, their bytes together and the fraction [B].
_MEMORY: dict[str, Callable[[float, float, float], float]] = {
    "uniform": lambda n, size, fraction: 0.0,
    "round-robin": lambda n, size, fraction: 8.0,
    "mfu": lambda n, size, fraction: 4 * n,
    "ssu": lambda n, size, fraction: n + 4 * math.ceil(fraction * n) + 64,
    "scar": lambda n, size, fraction: size,
    "update-age": lambda n, size, fraction: 6 * n,
    "optimal": lambda n, size, fraction: 8 * n,  # the interval of each
}

_FORMULAS: dict[str, Callable[[Rows, Setting], Predicted]] = {
    "uniform": _whole,
    "round-robin": _whole,
    "mfu": _mfu,
    "update-age": _update_age,
    "optimal": _optimal,
}

#: Every policy, by name.
POLICIES = tuple(_MEMORY)


def _play(name: str, rows: Rows, setting: Setting) -> tuple[Predicted, float | None]:
    classes = rows.classes(setting.slot_s(rows))
    updates: Floats = pieces(classes, setting.played_rows)
    if not updates.any():
        return Predicted(0.0, 0.0, "simulation"), 0.0
    if rows.row_bytes is None:  # nobody knows how often a row is updated
        updates = updates * (setting.played_updates * setting.fraction / float(updates.mean()))
    slots = max(100, round(20 / setting.fraction))
    found = play(name, updates, setting.fraction, slots, warm_up=slots, seed=setting.seed)
    return Predicted(found.lost_updates_fraction, found.budget_used, "simulation"), found.standard_error


def predict(rows: Rows, setting: Setting, policies: Sequence[str] = POLICIES) -> list[PolicyLoss]:
    """What each policy loses; by a formula where one is known, else by a simulation, with its error.

    >>> from cprmodel.ordering import rows_of
    >>> hot_and_cold = rows_of([90.0, 10.0], [1e9, 1e9])
    >>> [round(one.lost_updates_fraction, 2) for one in predict(hot_and_cold, Setting(1e8), ["uniform", "optimal"])]
    [0.5, 0.4]
    """
    if not (0 < setting.bandwidth_bytes_per_s < math.inf and 0 < setting.fraction <= 1):
        raise DomainError("predict: expected a bandwidth greater than 0, and a fraction above 0 and at most 1")
    found = []
    for name in policies:
        if name not in _MEMORY:
            raise DomainError(f"predict: policy = {name!r}: expected one of {', '.join(POLICIES)}")
        formula = _FORMULAS.get(name)
        error: float | None = None
        one, error = (formula(rows, setting), None) if formula else _play(name, rows, setting)
        memory = _MEMORY[name](rows.n, rows.total_bytes, setting.fraction)
        used = min(one.budget_used, 1.0) * setting.bandwidth_bytes_per_s
        found.append(PolicyLoss(name, one.lost_updates_fraction, error, float(np.ceil(memory)), used, one.by))
    return found
