"""The page of settings that were planned beforehand: for jobs that no formula of the page's describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cprmodel.bulk.grid import Grid
from cprmodel.facts.units import count_of
from cprmodel.jobs import Job
from cprmodel.report.whatif.drawings import settings_drawings
from cprmodel.report.whatif.frame import rendered
from cprmodel.report.whatif.settings import Settings, settings_of

__all__ = ["render_settings"]

_SCRIPTS = ("quantities.js", "charts.js", "colours.js", "frame.js", "settings.js")


def render_settings(job: Job, grid: Grid | None = None, progress: Callable[[int, int], None] | None = None) -> str:
    """The page as HTML text; ``grid``: the numbers and values that are wanted, else those that move it most."""
    found = settings_of(job, grid, progress)
    texts: dict[str, int] = {}  # most are said at many settings
    data: dict[str, Any] = {
        "OWN": _with_numbers(found.own, texts),
        "NUMBERS": [
            {
                **one.to_dict(),
                "points": [point and _with_numbers(point, texts) for point in one.to_dict()["points"]],
            }
            for one in found.numbers
        ],
        "TEXTS": list(texts),
        "PARTS": found.parts,
        "DRAWINGS": settings_drawings(found.names, list(found.parts.values())),
    }
    return rendered(
        "settings.html.j2", job, data, _SCRIPTS, _about(found), numbers=found.numbers, chosen=grid is None
    )


def _with_numbers(point: dict[str, Any], texts: dict[str, int]) -> dict[str, Any]:
    """A point whose notes and names of quantities are numbers of texts."""
    if "problem" in point:
        return point

    def number(text: str) -> int:
        return texts.setdefault(text, len(texts))

    rows = [[number(label), cells] for label, cells in point["rows"]]
    return {**point, "notes": [number(note) for note in point["notes"]], "rows": rows}


def _about(found: Settings) -> list[str]:
    return [
        f"They are those of cprmodel plan: {count_of(found.count, 'plan')}, made when the page was written. "
        "Nothing is computed here, and nothing lies between two settings.",
        "Other numbers, or other values: cprmodel whatif JOB --vary KEY=VALUES. Two numbers at once: cprmodel "
        "sweep with two --vary, and --report. What would change an answer: cprmodel plan.",
    ]
