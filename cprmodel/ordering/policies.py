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
from cprmodel.ordering.predicted import Predicted, fluid_intervals, predict_mfu, predict_ssu, predict_whole
from cprmodel.ordering.sampled import listed
from cprmodel.rows import Classes, Floats, Rows

__all__ = ["POLICIES", "PolicyLoss", "Setting", "in_slots", "predict"]

_INTERVALS = 20  #: that are played, and four times as many until it is sure enough
_DRAWS = 4e7  #: ... up to so many numbers of updates
_SMOOTH = 64  #: rates; of fewer, rows go round together as they began: all saved


@dataclass(frozen=True)
class Setting:
    """The budget, and how rows are chosen: every ``fraction`` of a full-save interval, so much of all bytes."""

    bandwidth_bytes_per_s: float
    fraction: float = 0.125
    objective: Objective = Objective.LOST_UPDATES
    seed: int = 1
    played_rows: int = 4000  #: rows that stand for all in a simulation
    played_error: float = 0.005  #: relative standard error of what is lost that a simulation is to have
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


def _best_fixed(rows: Rows, setting: Setting) -> Predicted:
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
    "best-fixed": lambda n, size, fraction: 8 * n,  # the interval of each
}

#: Policies that need no simulation, or (None) not for these rows: from the rows, those alike together.
_KNOWN: dict[str, Callable[[Rows, Classes, Setting], Predicted | None]] = {
    "uniform": lambda rows, classes, setting: predict_whole(classes),
    "round-robin": lambda rows, classes, setting: predict_whole(classes, setting.fraction),
    "mfu": lambda rows, classes, setting: predict_mfu(classes, setting.fraction),
    "ssu": lambda rows, classes, setting: predict_ssu(classes, setting.fraction),
    "best-fixed": lambda rows, classes, setting: _best_fixed(rows, setting),
}

#: Whose fluid limit says roughly how often a row is saved.
_LIKE = {"mfu": "mfu", "scar": "mfu", "update-age": "update-age"}

#: Every policy, by name.
POLICIES = tuple(_MEMORY)


def in_slots(rows: Rows, setting: Setting) -> Classes:
    """The rows, with their updates in a slot: where nobody knows how often a row is updated, so many on average."""
    classes = rows.classes(setting.slot_s(rows))
    if rows.row_bytes is None and classes.total_updates:
        mean = classes.total_updates / classes.rows
        return Classes(classes.updates * (setting.played_updates * setting.fraction / mean), classes.count)
    return classes


def _play(name: str, classes: Classes, setting: Setting) -> tuple[Predicted, float | None]:
    updates: Floats = pieces(classes, setting.played_rows)
    if not updates.any():
        return Predicted(0.0, 0.0, "simulation"), 0.0
    random, age = np.random.default_rng(setting.seed), _ages(name, updates, classes, setting)
    slots = warm_up = math.ceil(_INTERVALS / setting.fraction)
    while True:
        begun = None if age is None else age(random.random(updates.size))
        found = play(name, updates, setting.fraction, slots, warm_up, setting.seed, begun)
        sure = found.standard_error <= setting.played_error * found.lost_updates_fraction
        if sure or slots * updates.size * 4 > _DRAWS:
            break
        slots *= 4
    return Predicted(found.lost_updates_fraction, found.budget_used, "simulation"), found.standard_error


def _ages(name: str, updates: Floats, classes: Classes, setting: Setting) -> Callable[[Floats], Floats] | None:
    """How long ago rows were saved, roughly, from numbers between 0 and 1; None: it does not matter."""
    if name == "ssu":
        saved = listed(Classes(updates, np.ones(updates.shape)), setting.fraction, updates.size).saved
        stays = np.log1p(-np.clip(saved, 1e-9, 1 - 1e-9))
        return lambda lot: np.floor(np.log1p(-lot) / stays)
    if name not in _LIKE:
        return None
    interval = fluid_intervals(_LIKE[name], updates, np.ones(updates.shape), setting.fraction)
    if classes.updates.size < _SMOOTH:
        interval = np.where(interval * setting.fraction > _INTERVALS / 2, interval, 0.0)
    interval = np.where(np.isfinite(interval), interval, 0.0)
    return lambda lot: np.floor(lot * interval)


def predict(
    rows: Rows,
    setting: Setting,
    policies: Sequence[str] = POLICIES,
    progress: Callable[[int], None] | None = None,
) -> list[PolicyLoss]:
    """What each policy loses: by a formula or a count of all that can happen where they are exact (a count as rows
    grow many), else by a simulation, with its error. Those found so far when interrupted.

    >>> from cprmodel.ordering import rows_of
    >>> hot_and_cold = rows_of([90.0, 10.0], [1e9, 1e9])
    >>> asked = ["uniform", "best-fixed"]
    >>> [round(one.lost_updates_fraction, 2) for one in predict(hot_and_cold, Setting(1e8), asked)]
    [0.5, 0.4]
    """
    if not (0 < setting.bandwidth_bytes_per_s < math.inf and 0 < setting.fraction <= 1):
        raise DomainError("predict: expected a bandwidth greater than 0, and a fraction above 0 and at most 1")
    found, classes = [], in_slots(rows, setting)
    for name in policies:
        if name not in _MEMORY:
            raise DomainError(f"predict: policy = {name!r}: expected one of {', '.join(POLICIES)}")
    try:
        for name in policies:
            known = _KNOWN[name](rows, classes, setting) if name in _KNOWN else None
            one, error = (known, None) if known else _play(name, classes, setting)
            memory = _MEMORY[name](rows.n, rows.total_bytes, setting.fraction)
            used = min(one.budget_used, 1.0) * setting.bandwidth_bytes_per_s
            found.append(PolicyLoss(name, one.lost_updates_fraction, error, float(np.ceil(memory)), used, one.by))
            if progress:
                progress(1)
    except KeyboardInterrupt:
        if not found:
            raise
    return found
