"""What is said of planned stops beside what they cost: what is saved between them, and how far that is known."""

from __future__ import annotations

from cprmodel.costing.rhythm import RARE, Between, between
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.jobs import Job

__all__ = ["about_counted", "about_rare"]


def about_counted(job: Job, asked: Strategy, played: Strategy, number: float, until_s: float) -> list[str]:
    """How often is saved between stops that are counted one by one; ``played``: as there is time for."""
    rhythm = between(job, played.interval_s) if played.plain else None
    if number and rhythm is not None:
        return [_about_rhythm(rhythm)]
    if number and played.interval_s < asked.interval_s:
        return [
            "no time between two planned stops is as long as its interval: there is no regular save, only the one "
            "just before each"
        ]
    apart = until_s / (number + 1) / played.saves_every_s
    if number == 0 or apart > RARE:
        return []
    notes = [
        f"planned stops come only {_apart(apart)} apart: the time before each is counted with its own saves, "
        "one just before the stop, and the rest between the two"
    ]
    if any(one.scatter is not None for one in getattr(played.saving, "levels", ())):
        notes.append(
            "a save before a planned stop is taken to end just as the stop begins, however long it takes: begun a "
            "fixed time ahead it is lost, or waits, and such stops cost more"
        )
    return notes


def _apart(intervals: float) -> str:
    return count_of(float(f"{intervals:.2g}"), "interval")


def _about_rhythm(rhythm: Between) -> str:
    """Of stops that come by a period, where saves block."""
    if rhythm.saves == 0:
        return "there is no regular save between two planned stops, only the one just before each"
    saves = count_of(rhythm.saves, "save")
    return f"{saves} between two planned stops, and one just before each, {format_time(rhythm.last_s)} later"


def about_rare(job: Job, strategy: Strategy, number: float, until_s: float) -> list[str]:
    """That stops are not rare, where the figure takes them to be."""
    apart = until_s / (number + 1) / strategy.saves_every_s
    if number == 0 or apart > RARE:
        return []
    most = format_share(number * job.save_s / 2 / job.job.work_s)
    return [
        f"planned stops come only {_apart(apart)} apart: half a save is charged for each, as if they were rare, "
        f"and saves are up to {most} of the work off (by how much the overhead is off nobody has played out)"
    ]
