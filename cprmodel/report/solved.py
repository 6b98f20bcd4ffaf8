"""For which values of a number a target holds, as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cprmodel.bulk import Range, Solved, Value
from cprmodel.bulk.targets import PLAYED
from cprmodel.facts.units import format_time, rounded_within
from cprmodel.jobs import Job

__all__ = ["about_looking", "solved_lines"]


#: Ranges that are printed.
_MOST = 12


def solved_lines(found: Solved, job: Job, varied: Mapping[str, str] | None = None) -> list[str]:
    """What was found, line by line; ``varied``: numbers of the job file that are others here, as said."""
    currency = job.cost.currency if job.cost else ""
    which = "the recommended strategy" if found.strategy is None else found.strategy
    with_ = "".join(f", {key} = {value}" for key, value in (varied or {}).items())
    steps = f" (in steps of {found.step:g})" if found.step > 1 else ""
    lines = [f"{found.key}{steps} for which {found.target.text}, by {which} ({found.model}){with_}:"]
    lines += [f"  {_range(one, found, currency)}" for one in found.ranges[:_MOST]]
    if len(found.ranges) > _MOST:
        lines.append(f"  and {len(found.ranges) - _MOST} more ranges (--json has them all)")
    if not found.ranges:
        extreme = "lowest" if found.target.at_most else "highest"
        lines.append(f"  none from {found.shown_low} to {found.shown_high}: {_nothing(found, extreme, currency)}")
    if found.given is not None:
        kept = "meets the target" if found.holds_at(found.given.number) else "misses the target"
        given = rounded_within(found.given.number, found.kind, up=False)
        if found.given.quantity is None:
            kept = f"cannot be planned: {found.given.reason}"
        else:
            kept = f"{_quantity(found.given, found, currency)}, {kept}"
        lines.append(f"  as the job file says, {given}: {kept}")
    return lines


def _range(one: Range, found: Solved, currency: str) -> str:
    if one.low.number == one.high.number:
        said = f"only {one.shown_low}"
    elif one.open_below and one.open_above:
        said = f"all of {one.shown_low} to {one.shown_high} (there the bounds are; --between moves them)"
    elif one.open_below:
        said = f"up to {one.shown_high} (from the lower bound, {one.shown_low})"
    elif one.open_above:
        said = f"from {one.shown_low} on (to the upper bound, {one.shown_high})"
    else:
        said = f"from {one.shown_low} to {one.shown_high}"
    ends: Sequence[Value] = [one.low] if one.low.number == one.high.number else [one.low, one.high]
    said = f"{said}: " + "; then ".join(_end(each, found, currency) for each in ends)
    for where, beside in (("below", one.below), ("above", one.above)):
        if beside is not None and beside.quantity is None:
            said += f"; {where}, {beside.reason}"
    return said


def _end(one: Value, found: Solved, currency: str) -> str:
    """What is planned at an end."""
    said = _quantity(one, found, currency)
    if one.planned is None:
        return said
    name = f"{one.planned.name}, " if found.strategy is None else ""
    return f"{said} ({name}a save every {format_time(one.planned.interval_s)})"


def _quantity(one: Value, found: Solved, currency: str) -> str:
    assert one.quantity is not None
    return f"{found.target.quantity} {found.target.shown(one.quantity, currency)}"


def _nothing(found: Solved, extreme: str, currency: str) -> str:
    best = found.best
    if best.quantity is None:
        return f"nothing can be planned there ({best.reason})"
    at = rounded_within(best.number, found.kind, up=False)
    return f"the {extreme} is {found.target.shown(best.quantity, currency)}, at {at}"


def about_looking(found: Solved, job: Job) -> list[str]:
    """How it was looked for, and what may be missed."""
    lines = [
        f"searched from {found.shown_low} to {found.shown_high} (--between LOW:HIGH sets that); each end was "
        "planned, and meets the target"
    ]
    if found.apart:
        lines[0] += (
            f"; the values tried there are {_apart(found)}, so a range that lies between two of them may be missed"
            ": give more --points, or a narrower --between, to look closer"
        )
    if found.target.is_played:
        lines.append(
            f"{found.target.quantity} is from {PLAYED:,} played runs for each value, with the same random numbers: "
            "an end is as sure as a P90 of so many"
        )
    return lines


def _apart(found: Solved) -> str:
    """How far apart the values are that were planned at first."""
    if not found.in_ratio:
        return f"{found.apart:.3g} apart" if found.apart < 1000 else f"{found.apart:,.0f} apart"
    if found.apart < 1:
        return f"{100 * found.apart:.2g}% apart"
    return f"each {1 + found.apart:.3g} times the one before"
