"""Answers for people: tables in a terminal, explanations, charts, and a page that opens offline.

Registers who draws a plan, so that :class:`~cprmodel.planning.Plan` can draw itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cprmodel.facts.drawing import register_drawer

if TYPE_CHECKING:
    from cprmodel.planning import Plan

__all__: list[str] = []


class _PlanDrawer:
    """Charts and pages of plans; their rooms are imported when something is drawn."""

    def chart(self, answer: Plan) -> Any:
        """Overhead against interval, each strategy marked: an Altair chart."""
        from cprmodel.report.charts import overhead_against_interval

        return overhead_against_interval(answer)

    def write(self, answer: Plan, path: str | Path) -> None:
        """One self-contained page with charts and their data."""
        from cprmodel.report.page import write_report

        write_report(answer, path)


register_drawer("plan", _PlanDrawer())
