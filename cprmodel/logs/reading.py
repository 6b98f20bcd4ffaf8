"""What a log says: times between interruptions, times down, and how the file was understood to say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import count_of, format_time

__all__ = [
    "LONGEST_S",
    "PLAIN",
    "RISING",
    "Downtimes",
    "Dropped",
    "JobSize",
    "Ledger",
    "LogOptions",
    "LogReading",
    "at_moments",
    "from_durations",
]

#: Rising numbers from so many on are taken for moments: durations would rise by chance in 1 of 4! = 24 files.
RISING = 4
#: No unit was watched for three million years.
LONGEST_S = 1e14
#: What is shorter than a nanosecond is no time between two interruptions.
SHORTEST_S = 1e-9


@dataclass(frozen=True)
class LogOptions:
    """How to read a log, where it does not say so itself: options of ``cprmodel fit``, keys of ``[failures]``.

    ``time_column``, ``event_column``, ``node_column`` and ``column`` (``ROLE=NAME``) name columns. ``where``
    (``COLUMN=VALUE,VALUE``): on the column of states, which of them are interruptions; on another, which rows are
    read. ``rows``: whether rows with a start and an end are runs or incidents. ``clock``: whether numbers are
    durations or moments; ``unit`` theirs. ``window``: moments lie in an observation of this length. ``since``,
    ``until``: dates between which was observed. ``servers``: the job spans so many of the nodes.
    """

    format: str | None = None
    time_column: str | None = None
    event_column: str | None = None
    unit: str | None = None
    window: str | None = None
    servers: int | None = None
    system: int | None = None
    since: str | None = None
    node_column: str | None = None
    until: str | None = None
    column: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    rows: str | None = None
    clock: str | None = None
    dates: str | None = None
    time_zone: str | None = None


#: A log that says everything itself.
PLAIN = LogOptions()


@dataclass(frozen=True)
class Dropped:
    """Rows that were not used, and why."""

    reason: str
    rows: int
    first: int  #: line or entry of the first


@dataclass(frozen=True)
class JobSize:
    """Over how many nodes (or whatever the column counts) the runs went."""

    median: int
    least: int
    most: int
    column: str


@dataclass(frozen=True)
class Downtimes:
    """How long something took each time: a repair, a restart, a wait in the queue."""

    name: str
    meaning: str
    values_s: Any = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: how many, their mean and quantiles [s]."""
        quantiles = np.quantile(self.values_s, [0.05, 0.5, 0.95])
        return {
            "name": self.name,
            "meaning": self.meaning,
            "n": len(self.values_s),
            "mean_s": float(np.mean(self.values_s)),
            "p5_s": float(quantiles[0]),
            "median_s": float(quantiles[1]),
            "p95_s": float(quantiles[2]),
        }


@dataclass(frozen=True)
class LogReading:
    """A log, understood.

    ``ends_s``: when each duration ended on the clock of the observation (that of one job, its times down left out
    where the log has them apart), from 0 to ``window_s``; None where rows overlap or carry no dates.
    """

    source: str
    kind: str  #: durations, moments, events, incidents, runs, availability, training
    durations_s: Any = field(repr=False)
    observed: Any = field(repr=False)
    ends_s: Any = field(default=None, repr=False)
    window_s: float | None = None
    merged: int = 0
    servers: int | None = None
    rows: int = 0
    used: int = 0
    place: str = "line"
    dropped: tuple[Dropped, ...] = ()
    form: str = ""
    columns: tuple[tuple[str, str], ...] = ()  #: (role, name)
    unused: tuple[str, ...] = ()  #: columns that say nothing here
    clock: str = ""
    begin: float | None = None  #: first moment of the observation [s since 1970]
    end: float | None = None
    states: tuple[tuple[str, int, str], ...] = ()  #: (word, rows, what it was taken for)
    size: JobSize | None = None
    streams: int | None = None  #: runs at a time, at most
    node_exposure_s: float | None = None  #: durations times nodes
    downtimes: tuple[Downtimes, ...] = ()
    step_s: float | None = None  #: median time of a training step (training logs)
    interval_s: float | None = None  #: median work between two saves (training logs)
    notes: tuple[str, ...] = ()

    @property
    def events(self) -> int:
        """Interruptions."""
        return int(np.count_nonzero(self.observed))

    @property
    def gaps_s(self) -> Any:
        """Times from one interruption to the next, in their order; what was cut short is in the next one [s]."""
        ends = np.cumsum(self.durations_s) if self.ends_s is None else self.ends_s
        return np.diff(ends[self.observed], prepend=0.0)

    def lines(self) -> list[str]:
        """How the file was understood, in words: what every answer begins with."""
        out = [f"read as {self.kind_in_words}"]
        if self.columns:
            out[0] += f" ({', '.join(f'{role}: {name}' for role, name in self.columns)})"
        out[0] += f"; {self.form}" if self.form else ""
        if self.unused and len(self.unused) <= 12:
            out[0] += f"; not used: {', '.join(self.unused)}"
        elif self.unused:
            out[0] += f"; {len(self.unused)} other columns not used"
        if self.clock:
            out.append(self.clock)
        unit = "row" if self.place == "line" else "entry"
        many = {"row": "rows", "entry": "entries"}[unit]
        used = f"{self.used:,} of {self.rows:,} {many if self.rows != 1 else unit} used"
        for one in self.dropped:
            used += f"; {one.rows:,} {'not'} used: {one.reason} (first: {self.place} {one.first:,})"
        out.append(used)
        if self.states:
            by: dict[str, list[str]] = {}
            for word, rows, meaning in self.states:
                by.setdefault(meaning, []).append(f"{word} {rows:,}")
            out.append("; ".join(f"{meaning}: {', '.join(words)}" for meaning, words in by.items()))
        if self.size is not None:
            size = self.size
            span = (
                f"{size.median:,}"
                if size.least == size.most
                else f"{size.least:,} to {size.most:,}, median {size.median:,}"
            )
            out.append(f"size of the job: {span} ({size.column})")
        if self.node_exposure_s is not None and self.events and self.size is not None:
            each = format_time(self.node_exposure_s / self.events)
            out.append(f"run time times {self.size.column}: {each} for each interruption")
        if self.begin is not None and self.end is not None:
            out.append(f"from {_date(self.begin)} to {_date(self.end)} UTC")
        return [*out, *self.notes]

    @property
    def kind_in_words(self) -> str:
        """What a row is taken for."""
        return {
            "durations": "times between interruptions",
            "moments": "moments of interruptions",
            "events": "events of nodes",
            "incidents": "incidents, each from when something failed until it was repaired",
            "runs": "runs of jobs",
            "availability": "times that nodes were up or down",
            "training": "a training log",
        }[self.kind]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as ``fit --json`` prints it."""
        return {
            "kind": self.kind,
            "form": self.form,
            "columns": dict(self.columns),
            "unused_columns": list(self.unused),
            "clock": self.clock,
            "rows": self.rows,
            "used": self.used,
            "dropped": [
                {"reason": one.reason, "rows": one.rows, f"first_{self.place}": one.first} for one in self.dropped
            ],
            "states": [{"state": word, "rows": rows, "taken_for": meaning} for word, rows, meaning in self.states],
            "begin": None if self.begin is None else _date(self.begin),
            "end": None if self.end is None else _date(self.end),
            "job_size": None
            if self.size is None
            else {"median": self.size.median, "least": self.size.least, "most": self.size.most},
            "streams": self.streams,
            "node_exposure_s": self.node_exposure_s,
            "words": self.lines(),
        }


def _date(seconds: float) -> str:
    if abs(seconds) > 2e11:  # beyond the calendar
        return f"{seconds:g} s"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


class Ledger:
    """What is noted while a table is read: rows that are left out, and what should be said."""

    def __init__(self, lines: Any) -> None:
        self.lines = lines
        self.keep = np.ones(len(lines), dtype=bool)
        self.dropped: list[Dropped] = []
        self.notes: list[str] = []

    def drop(self, mask: Any, reason: str) -> None:
        """Leave out these rows, those that are not left out yet."""
        now = np.asarray(mask, dtype=bool) & self.keep
        if now.any():
            self.dropped.append(Dropped(reason, int(np.count_nonzero(now)), int(self.lines[np.argmax(now)])))
            self.keep &= ~now

    def note(self, text: str) -> None:
        """A line for the answer."""
        self.notes.append(text)


def from_durations(base: LogReading, durations_s: Any, observed: Any) -> LogReading:
    """Durations and whether an interruption ended each; one of length 0 is part of the interruption before."""
    durations, happened = np.asarray(durations_s, dtype=float), np.asarray(observed, dtype=bool)
    kept = durations > SHORTEST_S
    if not kept.any():
        raise JobError(base.source, [Problem("", "", "at least one duration longer than 0")])
    _check_length(base, durations[kept])
    merged = int(np.count_nonzero(~kept & happened))
    return replace(base, durations_s=durations[kept], observed=happened[kept], merged=merged)


def _check_length(base: LogReading, durations: Any) -> None:
    """No unit was watched for longer than there is time, and what is not finite is none."""
    if not float(np.sum(durations)) <= LONGEST_S * max(1, len(durations)):
        raise JobError(base.source, [Problem("", "", f"times between interruptions of at most {LONGEST_S:g} s")])


def _apart(times: Any) -> Any:
    """Moments in order, each longer after the one before than no time at all."""
    distinct = np.unique(times)
    return distinct[np.diff(distinct, prepend=-np.inf) > SHORTEST_S]


def at_moments(
    base: LogReading, times_s: Sequence[float] | Any, window_s: float | None, servers: int | None = None
) -> LogReading:
    """One job watched from 0 to ``window_s`` and interrupted at these times; the time after the last is cut short.

    Without a window the first moment starts the clock and the last one stops it: one gap fewer than moments.
    """
    times = np.sort(np.asarray(times_s, dtype=float))
    if window_s is None:
        distinct = _apart(times)
        if len(distinct) < 2:
            expected = "two moments, or the length of the observation (--window): the first one starts the clock"
            raise JobError(base.source, [Problem("", "", expected)])
        gaps = np.diff(distinct)
        _check_length(base, gaps)
        ends = distinct[1:] - distinct[0]
        observed = np.ones(len(gaps), dtype=bool)
        at_once, length = len(times) - len(distinct), float(ends[-1])
        note = (
            f"the first moment starts the clock: {count_of(len(gaps), 'gap')} between "
            f"{count_of(len(distinct), 'moment')} (what was observed before and after is not known; --window or "
            "--since and --until say it)"
        )
        return replace(
            base,
            durations_s=gaps,
            observed=observed,
            ends_s=ends,
            window_s=length,
            merged=at_once,
            servers=servers,
            notes=(note, *base.notes),
        )
    if not window_s > 0:
        raise JobError(base.source, [Problem("window", f"{window_s:g}", "a window longer than 0")])
    if len(times) and not (times[0] >= 0 and times[-1] <= window_s):
        wrong = times[0] if times[0] < 0 else times[-1]
        raise JobError(base.source, [Problem("time", f"{wrong:g}", f"times within the window of {window_s:g} s")])
    distinct = _apart(times)
    distinct = distinct[distinct > SHORTEST_S]
    ends = np.append(distinct, window_s)
    durations = np.diff(ends, prepend=0.0)
    observed = np.append(np.ones(len(distinct), dtype=bool), False)
    kept = durations > SHORTEST_S
    _check_length(base, durations[kept])
    return replace(
        base,
        durations_s=durations[kept],
        observed=observed[kept],
        ends_s=ends[kept],
        window_s=float(window_s),
        merged=len(times) - len(distinct),
        servers=servers,
    )
