"""What comes of a save, and what its processes tell one another."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cprmodel.checkpoints.tables import Part
from cprmodel.facts.errors import CprModelError, one_line

__all__ = ["SaveFailed", "Saved", "held_twice", "highest", "refuse", "said"]


class SaveFailed(CprModelError):
    """A part of a checkpoint could not be written; nothing was lost by it, and the next save has its rows too."""


@dataclass(frozen=True)
class Saved:
    """A save that is complete: what this process has written of it."""

    sequence: int
    step: int
    base: bool
    rows: int
    size_bytes: int
    seconds: float


def held_twice(parts: list[tuple[Part, ...]]) -> str:
    """Which rows two processes say they hold; "" where none."""
    held = sorted(
        (
            (one.name, one.first_column, one.first_row, process, one)
            for process, some in enumerate(parts)
            for one in some
        ),
        key=lambda each: each[:4],
    )
    for (name, _, _, before, part), (_, _, _, after, other) in itertools.pairwise(held):
        if part.overlaps(other):
            return f"table {name}: processes {before} and {after} hold the same rows: expected names of their own"
    return ""


def highest(names: Sequence[str]) -> int:
    return max((int(name[:8]) for name in names if re.fullmatch(r"\d{8}\.json", name)), default=-1)


def said(error: Exception | None, who: str) -> str:
    """What went wrong, in a line; "" where nothing did."""
    if error is None:
        return ""
    text = error.strerror if isinstance(error, OSError) else None
    return one_line(f"{who}: {text or error}")


def refuse(problems: Iterable[str], cause: Exception | None = None) -> None:
    told = [problem for problem in problems if problem]
    if told:
        raise SaveFailed("; ".join(told)) from cause
