"""Stops that are known beforehand (``[[failures.planned]]``), and errors that are not seen."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import count
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from cprmodel.facts.units import format_time
from cprmodel.jobs.quantities import Section, wrong

__all__ = ["Planned", "Silent", "about_dates", "date_text", "planned_calendar", "planned_moments", "times_between"]


def date_text(value: Any) -> Any:
    """A date as text that :func:`datetime.fromisoformat` reads, without a zone; TOML's own dates too."""
    if value is None:
        return None
    text = value.isoformat() if hasattr(value, "isoformat") else value
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise wrong("", str(value), 'a date such as "2027-01-15", or "2027-01-15 06:00", without a zone')
    return text


#: Of more dates than this not all are named.
_NAMED = 5

_Date = Annotated[str, BeforeValidator(date_text)]


class Silent(Section):
    """Errors that are not seen when they strike (``[failures.silent]``)."""

    mtbf_s: float = Field(description="mean time at work between silent errors of the whole job")
    latency_s: float | None = Field(
        None, description="mean time until one shows by itself; default: only checkpoint.verify finds it"
    )


class Planned(Section):
    """A kind of planned stop: how long it lasts, and when it comes."""

    lasts_s: float = Field(description="from when training stops until it may begin to load again")
    every_s: float | None = Field(None, description="one of them every so much time since the start of the job")
    dates: tuple[_Date, ...] | None = Field(None, description="or: when they begin (with job.start)")

    @model_validator(mode="after")
    def _one_calendar(self) -> Planned:
        if (self.every_s is None) == (self.dates is None):
            shown = "" if self.every_s is None else ("...", "...")
            raise wrong("every" if self.every_s is None else "every and dates", shown, "one of every and dates")
        if self.dates == ():
            raise wrong("dates", "[]", "at least one date")
        if self.every_s is not None and self.every_s < 2 * self.lasts_s:
            raise wrong("lasts", self.lasts_s, "at most half of every")
        return self


def planned_moments(one: Planned, start: str | None) -> list[float] | None:
    """When the stops with dates begin, after the job's start [s]; None for those that come every so often.

    >>> planned_moments(Planned(lasts_s=3600.0, dates=("2027-01-02",)), "2027-01-01")
    [86400.0]
    """
    if one.dates is None or start is None:
        return None
    begins = datetime.fromisoformat(start)
    after = ((datetime.fromisoformat(date) - begins).total_seconds() for date in one.dates)
    return sorted(moment for moment in after if moment > 0)


def about_dates(kinds: Iterable[Planned], start: str | None, until_s: float | None = None) -> list[str]:
    """That dates count for nothing: those up to the job's start, or those after an end so long after it [s].

    >>> kinds = [Planned(lasts_s=3600.0, dates=("2026-12-31", "2027-01-01", "2027-01-09"))]
    >>> about_dates(kinds, "2027-01-01")[0].split(": ")[1]
    '2026-12-31 and 2027-01-01 are not after job.start and count for nothing'
    >>> about_dates(kinds, "2027-01-01", 7 * 86400.0)[0].split(": ")[1]
    '2027-01-09 is after the expected end, 7 d after the start, and counts for nothing'
    """
    if start is None:
        return []
    begins = datetime.fromisoformat(start)
    after = [
        (date, (datetime.fromisoformat(date) - begins).total_seconds()) for one in kinds for date in one.dates or ()
    ]
    found = [date for date, at in after if (at <= 0 if until_s is None else at >= until_s)]
    if not found:
        return []
    *some, last = found if len(found) <= _NAMED else [*found[: _NAMED - 1], f"{len(found) - _NAMED + 1} more"]
    listed = f"{', '.join(some)} and {last}" if some else last
    verb, counts = ("is", "counts") if len(found) == 1 else ("are", "count")
    where = "not after job.start"
    if until_s is not None:
        where = f"after the expected end, {format_time(until_s)} after the start,"
    return [f"failures.planned: {listed} {verb} {where} and {counts} for nothing"]


def planned_calendar(kinds: Iterable[Planned], start: str | None) -> Iterator[tuple[float, float]]:
    """When planned stops of all kinds begin and end, after the job's start [s], in order; some may never end.

    Stops that overlap or touch are one, from the first one's beginning to the last one's end.

    >>> two = Planned(lasts_s=3600.0, dates=("2027-01-02 00:00", "2027-01-02 00:30"))
    >>> list(planned_calendar([two], "2027-01-01"))
    [(86400.0, 91800.0)]
    """
    each = [_moments(one, start) for one in kinds]
    begins: float | None = None
    ends = 0.0
    for moment, lasts in heapq.merge(*each):
        if begins is not None and moment > ends:
            yield begins, ends
            begins = None
        begins, ends = (moment, moment + lasts) if begins is None else (begins, max(ends, moment + lasts))
    if begins is not None:
        yield begins, ends


def times_between(stops: Iterable[tuple[float, float]]) -> list[float]:
    """Times without a planned stop before each of a calendar's [s].

    >>> times_between([(100.0, 150.0), (400.0, 410.0)])
    [100.0, 250.0]
    """
    found, before = [], 0.0
    for begins, ends in stops:
        found.append(begins - before)
        before = ends
    return found


def _moments(one: Planned, start: str | None) -> Iterator[tuple[float, float]]:
    moments: Iterable[float] | None = planned_moments(one, start)
    if moments is None:
        every = one.every_s or float("inf")
        moments = (number * every for number in count(1))
    return ((moment, one.lasts_s) for moment in moments)
