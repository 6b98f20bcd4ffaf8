"""Plans of rows that are jobs of their own: for any cost model and any job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cprmodel.bulk.chunk import Chunk, coded
from cprmodel.bulk.keys import Key
from cprmodel.bulk.stored import Answers, answers
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
    "experts_saved": lambda one: one.experts_saved[0] if one.experts_saved else None,
    "experts_at_last_level": lambda one: [*one.experts_by_level.values()][-1] if one.experts_by_level else None,
    "last_level_s": lambda one: one.last_level_s,
    "overhead_fraction": lambda one: one.overhead_fraction,
    "overhead_save": lambda one: one.breakdown.save,
    "overhead_load": lambda one: one.breakdown.load,
    "overhead_lost": lambda one: one.breakdown.lost,
    "overhead_reschedule": lambda one: one.parts["reschedule"],
    "overhead_fewer_nodes": lambda one: one.parts["fewer_nodes"],
    "overhead_stragglers": lambda one: one.parts["stragglers"],
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
_AT_LEVELS = ("experts_at_last_level", "last_level_s")
_SLOWER = ("overhead_fewer_nodes", "overhead_stragglers")
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
    Another ``failures.mtbf`` takes the place of one that was fitted, and of what is known of how sure that is.
    """
    changed: Any = dict(data)
    nodes = None
    for key, value in values.items():
        number = int(value) if key.integer else float(value)
        if key.path == ("failures", "nodes") and {"exponent", "points"} & set(data.get("scaling", ())):
            nodes = int(number)
            continue
        changed = _set(changed, key.path, number)
        if key.path == ("failures", "mtbf_s"):
            changed["failures"].pop("fit", None)
    job = job_from_mapping(changed)
    return job if nodes is None or nodes == job.nodes else job.scaled_to(nodes)


def planned_rows(
    data: Mapping[str, Any], columns: Mapping[Key, np.ndarray], model: CostModel | None, minimise: str, first: int
) -> Chunk:
    """The columns of rows whose varied numbers are given; a row that cannot be planned says why.

    Long runs are computed many at once (:mod:`cprmodel.bulk.stored`), the rest one by one.
    """
    keys = list(columns)
    rows = list(zip(*(columns[key].tolist() for key in keys), strict=True))
    cells = _Cells(len(rows))
    jobs = []
    for at, row in enumerate(rows):
        try:
            job = changed_job(data, dict(zip(keys, row, strict=True)))
            jobs.append((at, job, model_for(job, model)))
        except JobError as error:
            cells.reasons[at] = _words(error)
    left = {at: (job, own) for at, job, own in jobs}
    for found in answers(jobs, minimise):
        cells.answer(found)
        for at in found.rows.tolist():
            del left[at]
    for at, (job, own) in left.items():
        try:
            strategies = priced(job, own, minimise).strategies
            cells.plan(at, best_of(strategies, rank=minimise), strategies)
        except JobError as error:
            cells.reasons[at] = _words(error)
    return Chunk(first, {**{key.name: columns[key] for key in keys}, **cells.columns(data, keys)})


class _Cells:
    """The columns of rows, filled in whatever order."""

    def __init__(self, rows: int) -> None:
        self.names, self.recoveries, self.reasons = [""] * rows, [""] * rows, [""] * rows
        self.numbers = {name: np.full(rows, np.nan) for name in (*NUMBERS, *TODAY)}
        self.within, self.feasible = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)

    def answer(self, found: Answers) -> None:
        """Of many rows; the long run has no range to leave."""
        for name, values in found.numbers.items():
            self.numbers[name][found.rows] = values
        for name in _SLOWER:  # such jobs always train at full speed
            self.numbers[name][found.rows] = 0.0
        for at, name, recovery in zip(found.rows.tolist(), found.names, found.recoveries, strict=True):
            self.names[at], self.recoveries[at] = name, recovery
        self.within[found.rows] = self.feasible[found.rows] = True

    def plan(self, at: int, best: StrategyPlan, strategies: Sequence[StrategyPlan]) -> None:
        """Of one row."""
        self.names[at], self.recoveries[at] = best.name, best.strategy.recovery.name
        self.within[at], self.feasible[at] = _within(best), True
        today = next((one for one in strategies if one.name == "current"), None)
        for table, one in ((NUMBERS, best), (TODAY, today)):
            for name, read in table.items():
                value = None if one is None else read(one)
                self.numbers[name][at] = np.nan if value is None else value

    def columns(self, data: Mapping[str, Any], keys: Sequence[Key]) -> dict[str, Any]:
        """All of them, without those that say nothing of such jobs."""
        sized = "size_bytes" in data["checkpoint"] or any(key.path[-1] == "size_bytes" for key in keys)
        left_out: tuple[str, ...] = () if sized else _STORED
        left_out += () if "cost" in data else _PAID
        left_out += () if "elastic" in data["job"] else _SLOWER[:1]
        left_out += () if "stragglers" in data.get("cluster", ()) or _varies(keys, "stragglers") else _SLOWER[1:]
        at_levels = any("rotating" in one for one in data["checkpoint"].get("level", ()))
        left_out += () if at_levels else _AT_LEVELS
        left_out += () if at_levels or "rotating" in data["checkpoint"] else ("experts_saved",)
        found: dict[str, Any] = {"recommended": coded(self.names), "recovery": coded(self.recoveries)}
        for name in NUMBERS:
            if name not in left_out:
                found[name] = self.numbers[name]
            if name == "time_to_train_s" and says_today(data, keys):
                found.update({more: self.numbers[more] for more in TODAY})
        return {**found, "within_validity": self.within, "feasible": self.feasible, "reason": coded(self.reasons)}


def _varies(keys: Iterable[Key], table: str) -> bool:
    return any(table in key.path for key in keys)


def _words(error: JobError) -> str:
    problem = error.problems[0]
    return f"{problem.field}: expected {problem.expected}".removeprefix(": ")


def says_today(data: Mapping[str, Any], keys: Iterable[Key]) -> bool:
    """Whether a job, or what varies in it, says how it saves today."""
    return "current_interval_s" in data["job"] or any(key.field_name == "job.current_interval_s" for key in keys)


def _within(one: StrategyPlan) -> bool:
    return not any(step.warnings for step in one.steps)
