"""A trace: times between interruptions, some of them cut short by the end of the observation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem

__all__ = ["Trace", "trace_of_durations", "trace_of_times"]


@dataclass(frozen=True)
class Trace:
    """What was observed.

    Of one job watched through a window the times of its interruptions are known, too (``times_s``, from the
    window's beginning); of durations from anywhere they are not.
    """

    source: str
    durations_s: Any = field(repr=False)  #: times between interruptions, or until the observation ended
    observed: Any = field(repr=False)  #: whether an interruption ended it
    times_s: Any = field(default=None, repr=False)
    window_s: float | None = None
    merged: int = 0  #: events at the same moment as another, counted as one interruption
    servers: int | None = None  #: whose events are put together to those of one job; None: of one, or not known

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


def trace_of_times(
    source: str, times_s: Sequence[float] | Any, window_s: float, servers: int | None = None
) -> Trace:
    """A job watched from 0 to ``window_s`` and interrupted at these times; the time after the last is cut short."""
    times = np.sort(np.asarray(times_s, dtype=float))
    if not window_s > 0:
        raise JobError(source, [Problem("window", f"{window_s:g}", "a window longer than 0")])
    if len(times) and not (times[0] >= 0 and times[-1] <= window_s):
        wrong = times[0] if times[0] < 0 else times[-1]
        raise JobError(source, [Problem("time", f"{wrong:g}", f"times within the window of {window_s:g} s")])
    distinct = np.unique(times)
    distinct = distinct[distinct > 0]
    at_once = len(times) - len(distinct)
    ends = np.append(distinct, window_s)
    durations = np.diff(ends, prepend=0.0)
    observed = np.append(np.ones(len(distinct), dtype=bool), False)
    kept = durations > 0
    return Trace(source, durations[kept], observed[kept], distinct, float(window_s), at_once, servers)


def trace_of_durations(source: str, durations_s: Any, observed: Any) -> Trace:
    """Durations and whether an interruption ended each; one of length 0 is part of the interruption before."""
    durations, happened = np.asarray(durations_s, dtype=float), np.asarray(observed, dtype=bool)
    kept = durations > 0
    if not kept.any():
        raise JobError(source, [Problem("", "", "at least one duration longer than 0")])
    return Trace(source, durations[kept], happened[kept], merged=int(np.count_nonzero(~kept & happened)))
