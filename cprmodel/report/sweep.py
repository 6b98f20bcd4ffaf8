"""A sweep, and answers about a fleet, as text for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cprmodel.bulk import Elasticity, Grid, NodesAnswer, SparesAnswer
from cprmodel.bulk.chunk import Chunk
from cprmodel.bulk.keys import Key
from cprmodel.facts.units import format_money, format_quantity, format_share, format_time
from cprmodel.jobs import Job

__all__ = ["Summary", "elasticity_rows", "nodes_lines", "shown", "spares_lines", "summary_lines"]

_TODAY = "current_overhead_fraction"
_RANKED = {"overhead": "overhead_fraction", "dollars": "dollars_to_train"}


@dataclass
class Summary:
    """What is kept of a sweep whose rows are forgotten."""

    grid: Grid
    model: str
    minimised: str = "overhead"
    rows: int = 0
    beyond: int = 0
    recommended: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    best: dict[str, Any] | None = None
    worst: dict[str, Any] | None = None
    best_today: dict[str, Any] | None = None
    worst_today: dict[str, Any] | None = None
    interrupted: bool = False  #: before all rows were planned
    idle: tuple[str, ...] = ()  #: keys that change nothing in the plans

    def add(self, chunk: Chunk) -> None:
        """Take the rows of a chunk in."""
        self.rows += len(chunk)
        feasible = chunk.columns["feasible"]
        self.beyond += int(np.sum(feasible & ~chunk.columns["within_validity"]))
        for counter, name in ((self.recommended, "recommended"), (self.reasons, "reason")):
            column = chunk.columns[name]
            counts = np.bincount(column.codes, minlength=len(column.names))
            counter.update({text: int(n) for text, n in zip(column.names, counts, strict=True) if n and text})
        if not feasible.any():
            return
        name = _RANKED[self.minimised]
        self._keep(chunk, name, "best", "worst")
        if _TODAY in chunk.columns:
            self._keep(chunk, _TODAY, "best_today", "worst_today")

    def _keep(self, chunk: Chunk, name: str, best: str, worst: str) -> None:
        ranks = chunk.columns[name]
        if np.all(np.isnan(ranks)):
            return
        for at, kept, sign in ((np.nanargmin(ranks), best, 1), (np.nanargmax(ranks), worst, -1)):
            now = getattr(self, kept)
            if now is None or sign * ranks[at] < sign * now[name]:
                setattr(self, kept, _row(chunk, int(at)))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as ``sweep --json`` prints it."""
        return {
            "schema_version": 1,
            "model": self.model,
            "minimised": self.minimised,
            "rows": self.rows,
            "interrupted": self.interrupted,
            "axes": {key.name: len(self.grid.values(key)) for key in self.grid.keys},
            "recommended": dict(self.recommended),
            "infeasible": sum(self.reasons.values()),
            "reasons": dict(self.reasons.most_common(20)),
            "beyond_validity": self.beyond,
            "best": self.best,
            "worst": self.worst,
            "best_today": self.best_today,
            "worst_today": self.worst_today,
            "without_effect": list(self.idle),
        }


def _row(chunk: Chunk, at: int) -> dict[str, Any]:
    row = {}
    for name, column in chunk.columns.items():
        value = column.names[int(column.codes[at])] if hasattr(column, "names") else column[at].item()
        row[name] = None if isinstance(value, float) and not np.isfinite(value) else value
    return row


def shown(key: Key, value: float) -> str:
    """A value of a key for a person."""
    if key.kind is not None:
        return format_quantity(value, key.kind)
    return f"{value:,.4g}" if not key.integer else f"{int(value):,}"


def _where(grid: Grid, row: dict[str, Any], idle: Sequence[str] = ()) -> str:
    keys = [key for key in grid.keys if key.name not in idle]
    return ", ".join(f"{key.name} {shown(key, row[key.name])}" for key in keys)


def summary_lines(found: Summary, job: Job) -> list[str]:
    """What a sweep found, in a few lines."""
    axes = " x ".join(f"{len(found.grid.values(key)):,} {key.name}" for key in found.grid.keys)
    lines = [f"{found.rows:,} plans ({axes}), {found.model}"]
    if found.recommended:
        counts = ", ".join(f"{name} {number:,}" for name, number in found.recommended.most_common())
        lines.append(f"recommended: {counts}")
    for name in found.idle:
        lines.append(f"warning: {name} changes nothing in what is recommended")
    differ = len(found.idle) < len(found.grid.keys)
    for what, row in (("least", found.best), ("most", found.worst)) if differ else (("every row's", found.best),):
        if row is None:
            continue
        said = f"{what} {'overhead' if found.minimised == 'overhead' else 'money'}: "
        said += (
            f"{format_share(row['overhead_fraction'])}, {row['recommended']} every {format_time(row['interval_s'])}"
        )
        if job.cost is not None:
            said += f", {format_money(row['dollars_to_train'], job.cost.currency)} to train"
        lines.append(f"{said} ({_where(found.grid, row, found.idle)})" if differ else said)
    for what, row in (("least", found.best_today), ("most", found.worst_today)):
        if row is not None:
            said = f"as saved today, {what} overhead: {format_share(row[_TODAY])}"
            where = _where(found.grid, row, [name for name in found.idle if not name.startswith("job.current")])
            lines.append(f"{said} ({where})" if where else said)
            if not where:
                break
    for reason, number in found.reasons.most_common(3):
        lines.append(f"{number:,} cannot be planned: {reason}")
    if len(found.reasons) > 3:
        rest = sum(found.reasons.values()) - sum(number for _, number in found.reasons.most_common(3))
        lines.append(f"{rest:,} cannot be planned for other reasons (column reason)")
    if found.beyond:
        lines.append(f"{found.beyond:,} use a formula outside its range (column within_validity)")
    return lines


#: Times today's nodes up to which an exponent of the throughput is taken to hold.
_TRUSTED = 100


def nodes_lines(answer: NodesAnswer, job: Job) -> list[str]:
    """The node count beyond which more nodes slow training."""
    there = f"{format_time(answer.time_to_train_s)} to train at overhead {format_share(answer.overhead_fraction)}"
    ends = {
        "": f"nodes: training is fastest on {answer.fastest:,}; more nodes slow it down",
        "measured": f"nodes: training is still faster at {answer.fastest:,}, the most that were measured",
        "unplannable": f"nodes: training is still faster at {answer.fastest:,}; on more nodes no save would finish",
        "never": f"nodes: training is still faster at {answer.fastest:,}",
    }
    here = job.nodes or 1
    lines = [f"{ends[answer.at_the_end]} ({there}, {answer.planned.model} model)"]
    if job.scaling is not None and job.scaling.points is None and answer.fastest > _TRUSTED * here:
        lines = [
            f"nodes: up to {_TRUSTED} times today's {here:,}, more nodes train faster; how throughput grows "
            "beyond, an exponent can't tell (scaling.points: measured)"
        ]
    if answer.cheapest is not None and answer.dollars_to_train is not None and job.cost is not None:
        price = format_money(answer.dollars_to_train, job.cost.currency)
        fewest = ", the fewest that were tried" if answer.cheapest == answer.planned["failures.nodes"][0] else ""
        lines.append(f"nodes: the job costs least on {answer.cheapest:,}{fewest} ({price} to train)")
    if not answer.within_validity:
        lines.append("nodes: there the formulas are used outside their range; the exact model says more")
    return lines


def spares_lines(answer: SparesAnswer, job: Job) -> list[str]:
    """Spare nodes against waiting for a repair."""
    needed, cheapest = answer.needed, answer.cheapest
    idle = answer.node_hours_per_month[cheapest]
    lines = [
        f"spares: {answer.in_repair:.3g} nodes in repair on average; with {needed:,} spares "
        f"{format_share(float(answer.failures_waiting[needed]))} of the failures wait for one (wanted: at most "
        f"{format_share(answer.wanted)}), {format_share(float(answer.time_waiting[needed]))} of the time",
        f"spares: {cheapest:,} leave the fewest node-hours idle, {idle:,.0f} a month "
        f"(spares, and the job while it waits: {format_share(float(answer.time_waiting[cheapest]))} of the time)",
    ]
    paid = answer.dollars_per_month(job)
    if paid is not None and job.cost is not None:
        each = [
            f"{format_money(float(paid[m]), job.cost.currency)} with {m:,}" for m in sorted({0, cheapest, needed})
        ]
        lines.append(f"spares: idle nodes cost {', '.join(each)} spares, each a month")
    if job.elastic:
        lines.append(
            "spares: all this is of a job that waits; with job.elastic, vary cluster.spares, or see its plan"
        )
    return lines


def elasticity_rows(found: Sequence[Elasticity]) -> list[list[str]]:
    """A row for each number on which the overhead depends."""
    return [[one.key, f"{one.elasticity:+.3f}% of it"] for one in found]
