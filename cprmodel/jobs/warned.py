"""Failures that are announced (``[checkpoint.warning]``): where a save then goes, and whether there is time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cprmodel.facts.storage import WarnedSave
from cprmodel.facts.units import format_share, format_time
from cprmodel.jobs.quantities import Plain, Share, wrong
from cprmodel.jobs.scattering import Scattering
from cprmodel.jobs.storage import Level

if TYPE_CHECKING:
    from cprmodel.jobs.checkpoint import Checkpoint

__all__ = [
    "Warnings",
    "check_leaves",
    "check_warning",
    "first_rows_save",
    "in_time",
    "leaves",
    "rows_in_time",
    "warned_save",
    "warning_words",
]

#: A save that is so likely to be in time is one that fits; one that scatters begins early enough for so many.
_LIKELY, _SURELY = 0.9, 0.99

_Precision = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), Plain]


class Warnings(Scattering):
    """Failures that are announced (``[checkpoint.warning]``), as preemptions are: time for one more save."""

    lead_s: float = Field(description="how long ahead of the failure the announcement comes")
    recall: Share = Field(description="share of the failures that are announced")
    precision: _Precision = Field(1.0, description="share of the announcements that a failure follows")
    save_s: float | None = Field(
        None,
        description="time of the save then, or P50 and P90 of it; default: a blocking save of all to its level",
    )
    level: str | None = Field(
        None,
        description="name of the level that is saved to then; default: the cheapest that announced failures leave "
        "readable (leaves, else the last), or else the highest that can be written within lead",
    )
    leaves: str | None = Field(
        None,
        description="name of a level that every announced failure leaves readable, and those above it; default: "
        "announced failures are as all failures",
    )


def _number(levels: Sequence[Level], name: str) -> int | None:
    """Which level has a name."""
    names = [one.name or f"level {at + 1}" for at, one in enumerate(levels)]
    return names.index(name) if name in names else None


def check_warning(point: Checkpoint) -> None:
    """Levels that the table names are there, and what is saved is not lost with each failure announced."""
    of = point.warning
    if of is None:
        return
    levels = point.level or ()
    for key, name in (("level", of.level), ("leaves", of.leaves)):
        if name is not None and _number(levels, name) is None:
            there = ", ".join(f'"{one.name or f"level {at + 1}"}"' for at, one in enumerate(levels))
            raise wrong(f"warning.{key}", name, f"the name of a checkpoint.level{f': {there}' if there else ''}")
    left, saved = leaves(point), None if of.level is None else _number(levels, of.level)
    if left is not None and saved is not None and saved < left:
        raise wrong("warning.level", of.level, f'a level that announced failures leave: "{of.leaves}" or higher')


def check_leaves(point: Checkpoint, survives: float) -> None:
    """``survives``: the share of all failures after which what ``leaves`` names can be read."""
    of = point.warning
    if of is not None and of.leaves is not None and survives < of.recall * (1 - 1e-9):
        expected = (
            f"a level that survives at least the failures that are announced ({of.recall:g} of all; it survives "
            f"{survives:g})"
        )
        raise wrong("checkpoint.warning.leaves", of.leaves, expected)


def leaves(point: Checkpoint) -> int | None:
    """The lowest level that every announced failure leaves readable; None where they are as all failures."""
    if point.warning is None or point.warning.leaves is None:
        return None
    return _number(point.level or (), point.warning.leaves)


def warned_level(point: Checkpoint) -> int:
    """The level that is saved to on a warning: as given, or the cheapest that survives what is announced.

    Where that cannot be written in time, and announced failures are as all failures, it is the highest that can.
    """
    levels, of = point.level or (), point.warning
    last = max(len(levels) - 1, 0)
    if of is None or not levels:
        return last
    if of.level is not None:
        return _number(levels, of.level) or 0
    best, left = last, leaves(point)
    if left is not None:
        return left
    chances = [in_time(point, at) for at in range(len(levels))]
    fitting = [at for at, chance in enumerate(chances) if chance >= _LIKELY]
    return max(fitting, default=best if not any(chances) else chances.index(max(chances)))


def _save_s(point: Checkpoint, level: int | None = None) -> float:
    """Time of a save on a warning, to the level that it goes to or to another [s]."""
    if point.warning is not None and point.warning.save_s is not None:
        return point.warning.save_s
    levels, at = point.level or (), warned_level(point) if level is None else level
    blocks = sum(point.stall_and_copy_s(levels[at] if levels else None))
    return blocks + (point.drains_s if at == max(len(levels) - 1, 0) else 0.0)


def warned_save(point: Checkpoint, level: int | None = None) -> WarnedSave:
    """The save on a warning, to the level that it goes to or to another, whether or not there is time for it."""
    of, levels = point.warning, point.level or ()
    assert of is not None
    at = warned_level(point) if level is None else level
    last, save_s = max(len(levels) - 1, 0), _save_s(point, at)
    found = WarnedSave(save_s, of.recall, of.precision, None if at == last else at, leaves(point))
    scatter, fixed_s = of.scatter, 0.0
    if of.save_s is None:
        scatter = (levels[at] if levels else point).scatter
        fixed_s = point.drains_s if at == last else 0.0
    if scatter is None:
        return found
    most_s = fixed_s + (save_s - fixed_s) * scatter.quantile(_SURELY)
    return replace(found, scatter=scatter, fixed_s=fixed_s, ahead_s=min(of.lead_s, most_s))


def in_time(point: Checkpoint, level: int | None = None) -> float:
    """Probability that a save on a warning is complete when the failure comes."""
    found = warned_save(point, level)
    assert point.warning is not None
    return found.in_time if found.ahead_s is not None else float(found.save_s <= point.warning.lead_s)


def rows_in_time(point: Checkpoint) -> float:
    """Share of the rows that a save on a warning has time for: 1 where all fit, nine times in ten at the least.

    What is written whatever rows are saved, and the stall of a save that is not the warning's own, must fit, too.
    Beside several levels it is all or none.
    """
    of = point.warning
    if of is None or not of.recall:
        return 0.0
    if in_time(point) >= _LIKELY:
        return 1.0
    if len(point.level or ()) > 1:
        return 0.0
    whole = warned_save(point)
    stall_s, always = _whatever_it_writes(point)
    likely = 1.0 if whole.scatter is None else whole.scatter.quantile(_LIKELY)
    writes = (of.lead_s - stall_s) / ((whole.save_s - stall_s) * likely)
    return max((writes - always) / (1 - always), 0.0) if always < 1 else 0.0


def first_rows_save(point: Checkpoint, rows: float) -> WarnedSave:
    """A save on a warning of so much of the rows, to the only level."""
    of, whole = point.warning, warned_save(point)
    assert of is not None
    stall_s, always = _whatever_it_writes(point)
    writes = always + (1 - always) * rows
    save_s = stall_s + writes * (whole.save_s - stall_s)
    found = replace(whole, save_s=save_s, writes=writes)
    if whole.scatter is None:
        return found
    return replace(found, fixed_s=0.0, ahead_s=min(of.lead_s, save_s * whole.scatter.quantile(_SURELY)))


def _whatever_it_writes(point: Checkpoint) -> tuple[float, float]:
    """Stall of a save on a warning [s], and share of everything that it writes, whatever rows it takes."""
    own = point.warning is not None and point.warning.save_s is not None
    stall_s = 0.0 if own else point.stall_and_copy_s((point.level or (None,))[0])[0]
    return stall_s, (point.always_written or 0.0) if point.incremental else 0.0


def warning_words(point: Checkpoint, ordered: bool = False) -> str | None:
    """Why warnings are of no use, where they are not; or to which level is saved, where that is not the last.

    ``ordered``: whether there may be saves in an order of the rows.
    """
    of, levels = point.warning, point.level or ()
    if of is None:
        return None
    lead, at = format_time(of.lead_s), warned_level(point)
    name = f" to {levels[at].name or f'level {at + 1}'}" if len(levels) > 1 else ""
    save, chance = warned_save(point), in_time(point)
    if not chance:
        save_s, part = format_time(save.save_s), rows_in_time(point) if ordered else 0.0
        if part:
            fits = f"an order of the rows may save the first {format_share(part)} of them then"
            return f"checkpoint.warning comes {lead} ahead, too late for a save of everything ({save_s}): {fits}"
        return f"checkpoint.warning comes {lead} ahead, too late for a save of {save_s}{name}: not used"
    if save.scatter is not None:
        said = f"is complete in time with a probability of up to {format_share(chance)}"
        return f"checkpoint.warning comes {lead} ahead: a save{name} {said}"
    if of.level is not None or of.leaves is not None or at == max(len(levels) - 1, 0):
        return None
    return f"checkpoint.warning comes {lead} ahead: a save on it goes{name}, the highest level that fits"
