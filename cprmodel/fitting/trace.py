"""A trace: times between interruptions, some of them cut short by the end of the observation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.logs import PLAIN, LogOptions, LogReading, at_moments, from_durations, read_log

__all__ = ["Trace", "read_trace", "trace_of_durations", "trace_of_log", "trace_of_times"]


@dataclass(frozen=True)
class Trace:
    """What was observed.

    Of one job watched through a window it is known, too, when each duration ended (``ends_s``, from the window's
    beginning); of durations from anywhere it is not.
    """

    source: str
    durations_s: Any = field(repr=False)  #: times between interruptions, or until the observation ended
    observed: Any = field(repr=False)  #: whether an interruption ended it
    ends_s: Any = field(default=None, repr=False)
    window_s: float | None = None
    merged: int = 0  #: events at the same moment as another, counted as one interruption
    servers: int | None = None  #: whose events are put together to those of one job; None: of one, or not known
    reading: LogReading | None = None  #: how the file was understood

    @property
    def n(self) -> int:
        """Durations, observed and cut short."""
        return len(self.durations_s)

    @property
    def events(self) -> int:
        """Interruptions."""
        return int(np.count_nonzero(self.observed))

    @property
    def exposure_s(self) -> float:
        """Time under observation [s]."""
        return float(np.sum(self.durations_s))

    @property
    def times_s(self) -> Any:
        """When the interruptions were, from the window's beginning [s]; None where it is not known."""
        return None if self.ends_s is None else self.ends_s[self.observed]


def read_trace(path: str | Path, options: LogOptions = PLAIN) -> Trace:
    """The trace in a log of any usual form (:func:`cprmodel.logs.read_log`); JobError says what is wrong."""
    return trace_of_log(read_log(path, options))


def trace_of_log(reading: LogReading) -> Trace:
    """What a log says of interruptions."""
    return Trace(
        reading.source,
        reading.durations_s,
        reading.observed,
        reading.ends_s,
        reading.window_s,
        reading.merged,
        reading.servers,
        reading,
    )


def _bare(source: str, kind: str) -> LogReading:
    return LogReading(source, kind, np.zeros(0), np.zeros(0, dtype=bool))


def trace_of_times(
    source: str, times_s: Sequence[float] | Any, window_s: float, servers: int | None = None
) -> Trace:
    """A job watched from 0 to ``window_s`` and interrupted at these times; the time after the last is cut short."""
    found = at_moments(_bare(source, "moments"), times_s, window_s, servers)
    return Trace(source, found.durations_s, found.observed, found.ends_s, found.window_s, found.merged, servers)


def trace_of_durations(source: str, durations_s: Any, observed: Any) -> Trace:
    """Durations and whether an interruption ended each; one of length 0 is part of the interruption before."""
    found = from_durations(_bare(source, "durations"), durations_s, observed)
    return Trace(source, found.durations_s, found.observed, merged=found.merged)
