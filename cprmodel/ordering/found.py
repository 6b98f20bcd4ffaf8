"""What ``cprmodel order`` finds: policies, intervals, and what to mind."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from cprmodel.facts.shown import Shown, columns_of
from cprmodel.facts.units import count_of, format_bytes, format_share
from cprmodel.facts.version import __version__
from cprmodel.ordering.intervals import Objective, optimal_intervals
from cprmodel.ordering.policies import POLICIES, PolicyLoss, Setting, in_slots, predict
from cprmodel.ordering.predicted import predict_ssu
from cprmodel.rows import Floats, Rows

if TYPE_CHECKING:
    import altair as alt

    from cprmodel.harm.orders import OrderHarm

__all__ = ["LISTED", "SCHEMA_VERSION", "Ordered", "order"]

#: Version of the JSON that ``order --json`` prints.
SCHEMA_VERSION = 1

#: Most intervals that the JSON lists; more go to a file.
LISTED = 10_000

_SOON = 40


@dataclass(frozen=True)
class Ordered(Shown):
    """Policies side by side for rows or shards under a budget."""

    kind: ClassVar[str] = "ordered"

    source: str
    rows: Rows
    setting: Setting
    policies: list[PolicyLoss]
    warnings: tuple[str, ...]
    each: Callable[[], Rows]  #: every row on its own, made when it is asked for
    harm: tuple[OrderHarm, ...] = ()  #: by a harm record: what a failure costs in the metric, the cheapest first
    lost_share: float | None = None  #: of the rows, that it puts back
    wanted: int = 0  #: policies that were asked for: more than there are where it was interrupted

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before all policies were looked at."""
        return len(self.policies) < self.wanted

    def __str__(self) -> str:
        """One line: the policy that loses least."""
        best = min(self.policies, key=lambda one: one.lost_updates_fraction)
        budget = format_bytes(self.setting.bandwidth_bytes_per_s)
        return (
            f"{best.name} loses least of {count_of(len(self.policies), 'order')} at {budget}/s: "
            f"{format_share(best.lost_updates_fraction)} of a full save's updates to a failure"
        )

    def frame_columns(self) -> dict[str, list[Any]]:
        """One row a policy."""
        return columns_of([one.to_dict() for one in self.policies])

    def bandwidth_chart(self) -> alt.Chart:
        """Updates lost to a failure against the bandwidth, a line a policy; to restyle."""
        drawn: alt.Chart = self._chart("loss-against-bandwidth")
        return drawn

    def harm_chart(self) -> alt.LayerChart:
        """What one failure costs in the metric, by order; to restyle. KeyError without a harm record."""
        drawn: alt.LayerChart = self._chart("harm-by-order")
        return drawn

    @property
    def full_save_s(self) -> float:
        """Time to save everything once at the budget [s]."""
        return self.setting.full_save_s(self.rows)

    def intervals_s(self) -> Floats:
        """The interval of every row or shard, of the best fixed ones [s]."""
        return optimal_intervals(self.each(), self.setting.bandwidth_bytes_per_s, self.setting.objective)

    def to_dict(self, intervals_file: str | None = None) -> dict[str, Any]:
        """Plain data; intervals that are infinite are null."""
        listed = None
        if self.rows.number <= LISTED:
            listed = [one if math.isfinite(one) else None for one in self.intervals_s().tolist()]
        names = list(self.rows.names) if self.rows.names and listed is not None else None
        return {
            "schema_version": SCHEMA_VERSION,
            "cprmodel_version": __version__,
            "source": self.source,
            "bytes": self.rows.total_bytes,
            "updates_per_s": self.rows.total_updates_per_s,
            "budget_bytes_per_s": self.setting.bandwidth_bytes_per_s,
            "priority_fraction": self.setting.fraction,
            "full_save_s": self.full_save_s,
            "objective": self.setting.objective.value,
            "policies": [one.to_dict() for one in self.policies],
            "best_fixed": {"shards": names, "interval_s": listed, "file": intervals_file},
            "harm": [asdict(one) for one in self.harm] or None,
            "lost_share": self.lost_share,
            "warnings": list(self.warnings),
            "interrupted": self.interrupted,
        }


def order(
    source: str,
    rows: Rows,
    setting: Setting,
    policies: tuple[str, ...] = POLICIES,
    each: Callable[[], Rows] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Ordered:
    """Predict every policy; those looked at so far when interrupted by Ctrl-C.

    ``each``: every row on its own, where ``rows`` holds those alike together; ``progress`` is called with 1 for
    each policy.
    """
    found = predict(rows, setting, policies, progress)
    warnings = tuple(_warnings(rows, setting, found))
    return Ordered(source, rows, setting, found, warnings, each or (lambda: rows), wanted=len(policies))


def _warnings(rows: Rows, setting: Setting, found: list[PolicyLoss]) -> list[str]:
    lines = [*_better(found), *_slow(rows, setting, found)]
    if any(
        one.name in ("mfu", "update-age") and one.bandwidth_bytes_per_s < 0.999 * setting.bandwidth_bytes_per_s
        for one in found
    ):
        lines.append(
            "the budget is above the rate at which rows change: all that changed is saved every slot, and orders "
            "by updates lose the same; fixed intervals save a row whether it changed or not"
        )
    if any(one.predicted_by == "simulation" for one in found):
        classes = rows.classes(setting.full_save_s(rows))
        if classes.rows > setting.played_rows or rows.row_bytes is None:
            lines.append(f"simulated with {setting.played_rows:,} rows as a sample of all")
    if rows.row_bytes is None and any(one.predicted_by != "formula" for one in found):
        lines.append(
            f"the size of a row is not known: orders are for {setting.played_updates:g} updates of a row and "
            "full-save interval on average; --row-bytes tells how many there are"
        )
    if setting.objective is not Objective.LOST_UPDATES:
        lines.append(f"best-fixed is for {setting.objective.value}, which is another aim than losing few updates")
    return lines


def _slow(rows: Rows, setting: Setting, found: list[PolicyLoss]) -> list[str]:
    """Rows that are seldom updated get on SSU's list late: what it loses long before."""
    one = next((one for one in found if one.name == "ssu" and one.predicted_by == "count"), None)
    if one is None:
        return []
    soon = predict_ssu(in_slots(rows, setting), setting.fraction, round(_SOON / setting.fraction))
    if soon is None or one.lost_updates_fraction <= 1.05 * soon.lost_updates_fraction:
        return []
    return [
        f"ssu loses {one.lost_updates_fraction:.4f} in the long run, for rows that are seldom updated wait long; "
        f"{_SOON} full saves after all was saved it loses {soon.lost_updates_fraction:.4f}"
    ]


def _better(found: list[PolicyLoss]) -> list[str]:
    """Where an order loses fewer updates than the best fixed intervals."""
    fixed = next((one for one in found if one.name == "best-fixed"), None)
    best = min(found, key=lambda one: one.lost_updates_fraction)
    if fixed is None or best.lost_updates_fraction + 3 * (best.standard_error or 0) >= fixed.lost_updates_fraction:
        return []
    return [
        f"{best.name} loses fewer updates ({best.lost_updates_fraction:.4f}) than the best fixed intervals "
        f"({fixed.lost_updates_fraction:.4f}): it follows the counts of updates, which scatter"
    ]
