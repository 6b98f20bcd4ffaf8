"""Answers for people: tables in a terminal, explanations, charts, and a page that opens offline.

Registers who draws each kind of answer, so that a :class:`~cprmodel.planning.Plan` can draw itself.
"""

from __future__ import annotations

from cprmodel.facts.drawing import register_drawer
from cprmodel.report.drawers import DRAWERS

__all__: list[str] = []


for _kind, _drawer in DRAWERS.items():
    register_drawer(_kind, _drawer)
