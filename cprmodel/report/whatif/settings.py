"""Settings that are planned beforehand: each number of a job, one at a time, at values that read well.

A page has formulas for jobs whose saves block and write everything (:mod:`cprmodel.report.whatif.page`). Of any
other job it shows what ``plan`` says of it at so many settings: its own answers, to the last digit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.bulk.differences import LEFT_OUT, value_in
from cprmodel.bulk.grid import Grid
from cprmodel.bulk.keys import Key, keys_of
from cprmodel.bulk.rows import changed_job
from cprmodel.costing import model_for
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import format_quantity
from cprmodel.jobs import Job
from cprmodel.planning.planner import answered, priced
from cprmodel.planning.ranking import best_of
from cprmodel.planning.result import Plan
from cprmodel.report.looks import PART_LABELS, SLOWER_LABELS
from cprmodel.report.plan_table import plan_rows, shown_strategies

__all__ = ["Number", "Settings", "settings_of"]

#: Numbers on a page, those that move the overhead most; and values of each. Jobs whose plan takes long have fewer.
MOST, MOST_SLOW = 12, 6
VALUES, VALUES_SLOW = 17, 9
SLOW_S = 0.2
#: A number is looked at from its value over this to its value times it.
REACH = 16.0
#: A smaller part of the overhead moved by a neighbouring value is none.
_MOVES = 1e-4
#: More than these would make the page too large [settings].
LARGEST = 2000

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
_TIMES = sorted(
    [
        *(one * 10.0**power for power in range(-6, 1) for one in (1, 2, 5)),
        *(10.0, 15.0, 20.0, 30.0, 45.0, 90.0),
        *(one * _MINUTE for one in (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45)),
        *(one * _HOUR for one in (1, 1.5, 2, 3, 4, 6, 8, 12, 18)),
        *(one * _DAY for one in (1, 1.5, 2, 3, 4, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365)),
        *(one * 365 * _DAY for one in (1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500, 1000)),
    ]
)
_SHARES = (0.6, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)


@dataclass(frozen=True)
class Number:
    """A number of the job file with its values, those of the page's slider, and what is planned at each."""

    key: Key
    values: list[float]
    texts: list[str]  #: each once
    at: int | None  #: the file's own value among them; None where it has none
    points: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the page; the file's own setting is not repeated."""
        share = self.values[-1] <= 1 and self.key.kind is None and not self.key.integer
        return {
            "key": self.key.name,
            "label": self.key.name,
            "kind": "share" if share else self.key.kind or ("count" if self.key.integer else "number"),
            "linear": share or self.values[0] <= 0,
            "least": self.values[0],
            "most": self.values[-1],
            "values": self.values,
            "texts": self.texts,
            "at": self.at,
            "points": [None if at == self.at else one for at, one in enumerate(self.points)],
        }

    @property
    def about(self) -> str:
        """What the job file's reference says of it."""
        said = getattr(self.key.field, "description", None) or ""
        return str(said).partition(";")[0]


@dataclass(frozen=True)
class Settings:
    """The job as it is in the file, and with one number changed."""

    own: dict[str, Any]
    numbers: list[Number]
    parts: dict[str, str]  #: of overheads, with their labels

    @property
    def names(self) -> list[str]:
        """Of all strategies, wherever they are."""
        points = [self.own, *(point for number in self.numbers for point in number.points)]
        return list(dict.fromkeys(one["name"] for point in points for one in point.get("strategies", ())))

    @property
    def count(self) -> int:
        """Of plans."""
        return 1 + sum(len(number.points) - (number.at is not None) for number in self.numbers)


def settings_of(job: Job, grid: Grid | None = None, progress: Callable[[int, int], None] | None = None) -> Settings:
    """Plan the job at its settings: of the numbers that move it most, or of those of a grid.

    ``progress`` is told how many of how many are planned. JobError where the job itself cannot be planned.
    """
    began = time.process_time()
    own = answered(job)
    slow = time.process_time() - began > SLOW_S
    data = job.model_dump(exclude_none=True)
    data.get("failures", {}).pop("shard_share", None)  # the rest of the other two
    if grid is None:
        chosen = _that_move(job, data, own, slow)
    else:
        chosen = [(key, _sorted(key, grid.values(key), _own(job, data, key))) for key in grid.keys]
    parts = PART_LABELS | (SLOWER_LABELS if job.paced else {})
    wanted = [(key, value) for key, values in chosen for value in values if value != _own(job, data, key)]
    found = _points(data, wanted, parts, slow, progress)
    here, numbers = _point(own, parts), []
    for key, values in chosen:
        value = _own(job, data, key)
        at = values.index(value) if value in values else None
        points = [here if each == value else found[key, each] for each in values]
        texts = [_shown(key, each) for each in values]
        if grid is not None and all("problem" in one for one in points if one is not here):
            raise JobError(
                "--vary", [Problem(key.name, texts[0], f"values that can be planned ({points[0]['problem']})")]
            )
        numbers.append(Number(key, values, texts, at, points))
    return Settings(here, numbers, parts)


def _own(job: Job, data: Mapping[str, Any], key: Key) -> float:
    """The job's number, also an MTBF that was fitted; 0 where there is none."""
    fit = job.failures.fit
    return fit.mtbf_s if fit is not None and key.path == ("failures", "mtbf_s") else value_in(data, key)


def _sorted(key: Key, values: Any, own: float) -> list[float]:
    """In their order, each text once; with the job's own, so that one can come back to it."""
    have = [float(one) for one in np.unique(values)]
    return _distinct(key, sorted({*have, *([own] if own else [])}), own)


def _that_move(job: Job, data: Mapping[str, Any], own: Plan, slow: bool) -> list[tuple[Key, list[float]]]:
    """Numbers whose neighbours have another overhead, those that move it most first; no points of curves."""
    model = model_for(job, None)
    overhead = best_of(own.strategies).overhead_fraction

    def moves(key: Key, value: float) -> float:
        try:
            found = best_of(priced(changed_job(data, {key: value}), model).strategies).overhead_fraction
        except JobError:
            return 0.0
        return abs(found - overhead) / max(overhead, 1e-12)

    found = []
    for key in dict.fromkeys(keys_of(job).values()):
        value = _own(job, data, key)
        if key.field is None or key.name.startswith((*LEFT_OUT, "failures.fit")) or not value > 0:
            continue
        values = _around(key, value, VALUES_SLOW if slow else VALUES)
        at = values.index(value)
        beside = [values[one] for one in (at - 1, at + 1) if 0 <= one < len(values)]
        effect = max((moves(key, one) for one in beside), default=0.0)
        if effect > _MOVES:
            found.append((effect, key, values))
    found.sort(key=lambda one: (-one[0], one[1].name))
    return [(key, values) for _, key, values in found[: MOST_SLOW if slow else MOST]]


def _around(key: Key, value: float, most: int) -> list[float]:
    """Values that read well, from a part of its own to a multiple of it, as far as the key may have them.

    >>> from cprmodel import load_preset
    >>> mtbf = keys_of(load_preset("cpr-dlrm"))["failures.mtbf"]
    >>> [format_quantity(one, "time") for one in _around(mtbf, 28800.0, 5)]
    ['30 min', '1 h 30 min', '8 h', '48 h', '5 d']
    """
    low, high = value / REACH, value * REACH
    if key.kind == "time":
        nice: Sequence[float] = _TIMES
    elif key.integer and value < REACH:
        nice = [float(one) for one in range(int(REACH) + 1)]
        low = 0.0
    else:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        nice = [float(f"{one * 10.0**power:.3g}") for power in powers for one in _STEPS]
        nice = sorted({*nice, *(_SHARES if value <= 1 and not key.integer else ())})
    near = [one for one in nice if low <= one <= high and key.wrong(one) is None]
    values = _distinct(key, sorted({*near, value}), value)
    at = values.index(value)
    below, above = _thinned(values[:at][::-1], (most - 1) // 2), _thinned(values[at + 1 :], most // 2)
    return [*below[::-1], value, *above]


def _thinned(values: list[float], most: int) -> list[float]:
    """So many of them, the farthest among them."""
    if len(values) <= most:
        return values
    places = np.unique(np.round(np.linspace(0, len(values) - 1, most + 1)[1:]).astype(int))
    return [values[one] for one in places]


def _distinct(key: Key, values: list[float], own: float) -> list[float]:
    """Without those that read as another does; the job's own stays."""
    kept: dict[str, float] = {_shown(key, own): own} if own in values else {}
    for one in values:
        kept.setdefault(_shown(key, one), one)
    return sorted(kept.values())


def _shown(key: Key, value: float) -> str:
    if key.kind is not None:
        return format_quantity(value, key.kind)
    return f"{round(value):,}" if key.integer else f"{value:.6g}"


def _points(
    data: Mapping[str, Any],
    wanted: list[tuple[Key, float]],
    parts: Mapping[str, str],
    slow: bool,
    progress: Callable[[int, int], None] | None,
) -> dict[tuple[Key, float], dict[str, Any]]:
    """What is planned at each setting; over cores where that takes long."""
    import joblib

    jobs = (joblib.delayed(_planned)(data, key, value, parts) for key, value in wanted)
    found = {}
    results = joblib.Parallel(n_jobs=-1 if slow else 1, return_as="generator")(jobs)
    for done, (one, point) in enumerate(zip(wanted, results, strict=True), 1):
        found[one] = point
        if progress:
            progress(done, len(wanted))
    return found


def _planned(data: Mapping[str, Any], key: Key, value: float, parts: Mapping[str, str]) -> dict[str, Any]:
    try:
        return _point(answered(changed_job(data, {key: value})), parts)
    except JobError as error:
        return {"problem": "; ".join(map(str, error.problems))}


def _point(found: Plan, parts: Mapping[str, str]) -> dict[str, Any]:
    """A plan as the page shows it."""
    shown, _ = shown_strategies(found)
    return {
        "recommended": found.recommended,
        "sentence": found.sentence,
        "notes": list(found.warnings),
        "rows": plan_rows(found, shown),
        "strategies": [
            {
                "name": one.name,
                "interval_s": float(one.interval_s),
                "overhead_fraction": float(one.overhead_fraction),
                "expected_pls": float(one.expected_pls),
                "feasible": bool(one.feasible),
                "parts": {part: float(one.parts[part]) for part in parts},
            }
            for one in shown
        ],
    }
