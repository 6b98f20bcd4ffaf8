"""Tables of an experiment's clock: how late failures were, and whether useful time is what steps take."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from cprmodel.facts.units import format_time
from cprmodel.simulation import Activity
from validation.experiment import captions
from validation.experiment.measure import Measured
from validation.experiment.outcome import Outcome

__all__ = ["late", "percent", "useful"]


def percent(value: float) -> str:
    """A difference, with its sign."""
    return "–" if abs(value) == float("inf") else f"{100 * value:+.1f}%"


def _by_recovery(outcome: Outcome) -> Iterator[tuple[str, list[Measured]]]:
    tried = outcome.tried()
    for recovery in sorted({run.recovery for run in tried}):
        yield recovery, [run.measured for run in tried if run.recovery == recovery and run.measured]


def late(outcome: Outcome) -> dict[str, Any]:
    """How late failures were, by what they struck; and what that comes to in the overhead."""
    rows = []
    for recovery, found in _by_recovery(outcome):
        late_s: dict[Activity, list[float]] = {activity: [] for activity in captions.STRUCK}
        for one in found:
            for position in one.positions:
                late_s[position.activity].append(position.late_s)
        if not any(map(any, late_s.values())):
            continue
        at_work = fmean(late_s[Activity.WORK] or [0.0])
        spent = sum(float(one.spent.total) for one in found)
        for activity, name in captions.STRUCK.items():
            seconds = late_s[activity]
            if not seconds:
                continue
            share = (sum(seconds) - at_work * len(seconds)) / spent
            told = "" if activity is Activity.WORK else percent(share)
            rows.append((f"{recovery}: {name}", len(seconds), format_time(fmean(seconds)), told))
    return {
        "title": "How late failures were",
        "caption": captions.LATE,
        "headings": ("recovery, what was struck", "failures", "late", "of the overhead"),
        "rows": rows,
    }


def useful(outcome: Outcome) -> dict[str, Any]:
    """Useful time beside that of as many steps that nothing interrupts; and what of it went on in stops."""
    rows = []
    for recovery, found in _by_recovery(outcome):
        timed = [(one, fmean(one.steps_s)) for one in found if one.steps_s and not one.emulated]
        if not timed:
            continue
        shares = [one.useful_s / (one.summary.planned_steps * step_s) for one, step_s in timed]
        at_work = [
            stop.went_on_s / step_s
            for one, step_s in timed
            for stop in one.stops
            if stop.struck.activity is Activity.WORK
        ]
        steps = f"{fmean(at_work):.2f} steps" if at_work else ""
        rows.append((recovery, f"{fmean(shares):.4f}", f"{min(shares):.4f} to {max(shares):.4f}", steps))
    return {
        "title": "Useful time beside what its steps take",
        "caption": captions.USEFUL,
        "headings": ("recovery", "mean", "of runs", "went on in a stop"),
        "rows": rows,
    }
