"""Plans row by row, through the code of plan(): for any cost model and any job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cprmodel.bulk.chunk import Chunk, coded
from cprmodel.bulk.keys import Key
from cprmodel.costing import CostModel, model_for
from cprmodel.facts.errors import JobError
from cprmodel.jobs import Job, job_from_mapping
from cprmodel.planning.planner import priced
from cprmodel.planning.ranking import best_of
from cprmodel.planning.result import StrategyPlan

__all__ = ["NUMBERS", "TODAY", "changed_job", "planned_rows", "says_today"]

#: Columns of numbers and how a row's are read; those of money and storage stand only where something is known.
NUMBERS: Mapping[str, Any] = {
    "interval_s": lambda one: one.interval_s,
    "overhead_fraction": lambda one: one.overhead_fraction,
    "overhead_save": lambda one: one.breakdown.save,
    "overhead_load": lambda one: one.breakdown.load,
    "overhead_lost": lambda one: one.breakdown.lost,
    "overhead_reschedule": lambda one: one.breakdown.reschedule,
    "effective_time_ratio": lambda one: one.effective_time_ratio,
    "expected_pls": lambda one: one.expected_pls,
    "expected_metric_drop": lambda one: one.expected_metric_drop,
    "time_to_train_s": lambda one: one.time_to_train_s,
    "space_kept_bytes": lambda one: one.space_kept_bytes,
    "write_bytes_per_month": lambda one: one.write_bytes_per_month,
    "dollars_per_month": lambda one: one.dollars_per_month,
    "dollars_to_train": lambda one: one.dollars_to_train,
}
#: The same of what is done today, where that is known.
TODAY: Mapping[str, Any] = {
    "current_overhead_fraction": lambda one: one.overhead_fraction,
    "current_expected_pls": lambda one: one.expected_pls,
}
_STORED = ("space_kept_bytes", "write_bytes_per_month")
_PAID = ("dollars_per_month", "dollars_to_train")


def _set(data: Any, path: Sequence[str], value: Any) -> Any:
    """A copy of nested tables and lists with one number replaced."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if isinstance(data, (list, tuple)):
        index = int(first)
        return [_set(one, rest, value) if at == index else one for at, one in enumerate(data)]
    return {**data, first: _set(data.get(first, {}), rest, value)}


def changed_job(data: Mapping[str, Any], values: Mapping[Key, Any]) -> Job:
    """The job of a dump with some numbers replaced; raises JobError where there is no such job.

    With [scaling], other ``failures.nodes`` are a move to that number of nodes: useful time and failures follow.
    """
    changed: Any = dict(data)
    nodes = None
    for key, value in values.items():
        number = int(value) if key.integer else float(value)
        if key.path == ("failures", "nodes") and {"exponent", "points"} & set(data.get("scaling", ())):
            nodes = int(number)
            continue
        changed = _set(changed, key.path, number)
    job = job_from_mapping(changed)
    return job if nodes is None or nodes == job.nodes else job.scaled_to(nodes)


def planned_rows(
    data: Mapping[str, Any], columns: Mapping[Key, np.ndarray], model: CostModel | None, minimise: str, first: int
) -> Chunk:
    """The columns of rows whose varied numbers are given; a row that cannot be planned says why."""
    keys = list(columns)
    planned: list[StrategyPlan | None] = []
    today: list[StrategyPlan | None] = []
    reasons = []
    for row in zip(*(columns[key].tolist() for key in keys), strict=True):
        try:
            job = changed_job(data, dict(zip(keys, row, strict=True)))
            strategies = priced(job, model_for(job, model), minimise).strategies
            planned.append(best_of(strategies, rank=minimise))
            today.append(next((one for one in strategies if one.name == "current"), None))
            reasons.append("")
        except JobError as error:
            planned.append(None)
            today.append(None)
            problem = error.problems[0]
            reasons.append(f"{problem.field}: expected {problem.expected}".removeprefix(": "))
    found: dict[str, Any] = {key.name: columns[key] for key in keys}
    found["recommended"] = coded(["" if one is None else one.name for one in planned])
    found["recovery"] = coded(["" if one is None else one.strategy.recovery.name for one in planned])
    sized = "size_bytes" in data["checkpoint"] or any(key.path[-1] == "size_bytes" for key in keys)
    left_out: tuple[str, ...] = () if sized else _STORED
    left_out += () if "cost" in data else _PAID
    for name, read in NUMBERS.items():
        if name not in left_out:
            found[name] = _numbers(planned, read)
        if name == "time_to_train_s" and says_today(data, keys):
            found.update({more: _numbers(today, read) for more, read in TODAY.items()})
    found["within_validity"] = np.array([one is not None and _within(one) for one in planned], dtype=bool)
    found["feasible"] = np.array([one is not None for one in planned], dtype=bool)
    found["reason"] = coded(reasons)
    return Chunk(first, found)


def _numbers(plans: Sequence[StrategyPlan | None], read: Any) -> np.ndarray:
    cells = [None if one is None else read(one) for one in plans]
    return np.array([np.nan if cell is None else cell for cell in cells], dtype=float)


def says_today(data: Mapping[str, Any], keys: Iterable[Key]) -> bool:
    """Whether a job, or what varies in it, says how it saves today."""
    return "current_interval_s" in data["job"] or any(key.field_name == "job.current_interval_s" for key in keys)


def _within(one: StrategyPlan) -> bool:
    return not any(step.warnings for step in one.steps)
