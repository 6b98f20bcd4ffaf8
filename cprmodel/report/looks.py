"""Names and colours that charts share; no chart is drawn here, so that nothing heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "OVERHEAD",
    "PART_COLORS",
    "PART_LABELS",
    "RECOVERIES",
    "RECOVERY_COLORS",
    "SLOWER_COLORS",
    "SLOWER_LABELS",
    "distinct",
]

RECOVERIES = ["full", "partial"]
RECOVERY_COLORS = ["#c1440e", "#1f6f8b"]
PART_LABELS = {"save": "saves", "load": "loads", "lost": "lost work", "reschedule": "rescheduling"}
PART_COLORS = ["#1f6f8b", "#99c1b9", "#c1440e", "#f2b880"]
#: What only some jobs have.
SLOWER_LABELS = {"fewer_nodes": "fewer nodes", "stragglers": "stragglers"}
SLOWER_COLORS = ["#8e4b8a", "#7d8a90"]
OVERHEAD = "overhead (extra time / useful time)"

#: Colours that are told apart, on paper and on a dark page, each with a mark of its own.
_DISTINCT = (
    ("#c1440e", "circle"),
    ("#1f6f8b", "square"),
    ("#e0a100", "triangle-up"),
    ("#2a9d5c", "diamond"),
    ("#8e4b8a", "cross"),
    ("#1d2326", "triangle-down"),
    ("#6fa8dc", "circle"),
    ("#a0662c", "square"),
    ("#d6478a", "triangle-up"),
    ("#5b8c2a", "diamond"),
    ("#4361c2", "cross"),
    ("#7d8a90", "triangle-down"),
)


def distinct(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """A colour and a mark for each of some names: both differ for the first six, the pair for twelve.

    >>> distinct(["one", "two"])
    (['#c1440e', '#1f6f8b'], ['circle', 'square'])
    """
    chosen = [_DISTINCT[number % len(_DISTINCT)] for number in range(len(names))]
    return [color for color, _ in chosen], [mark for _, mark in chosen]
