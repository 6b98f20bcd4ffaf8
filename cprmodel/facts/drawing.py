"""Who draws an answer: rooms upstairs register a drawer for a kind of answer, rooms below ask for it by that name.

So an answer can draw itself without knowing the room that draws. That room is imported when it is first asked for,
for charts and templates are slow to load.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

__all__ = ["HOME", "Drawer", "drawer_of", "register_drawer"]

#: The package that registers drawers when it is imported.
HOME = "cprmodel.report"

_DRAWERS: dict[str, Drawer] = {}


class Drawer(Protocol):
    """Draws answers of one kind."""

    def chart(self, answer: Any) -> Any:
        """An Altair chart of it, as on its page."""

    def charts(self, answer: Any, **asked: Any) -> Mapping[str, Any]:
        """Altair charts of its page by name, without the page's style; ``asked``: what a chart needs to know."""

    def html(self, answer: Any) -> str:
        """What a notebook shows of it."""

    def write(self, answer: Any, path: str | Path) -> None:
        """One self-contained page of it."""


def register_drawer(kind: str, drawer: Drawer) -> None:
    """From now on, answers of that kind are drawn so."""
    _DRAWERS[kind] = drawer


def drawer_of(kind: str) -> Drawer:
    """Who draws answers of that kind; KeyError where nobody does."""
    if kind not in _DRAWERS:
        importlib.import_module(HOME)
    return _DRAWERS[kind]
