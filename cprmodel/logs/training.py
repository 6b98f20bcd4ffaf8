"""Where a training run's time went, from its own event log (:mod:`cprmodel.logs.training_events`).

A step that is done again was lost the first time. Without ``step`` what is nothing else counts as useful, and
``lost_s`` says what was lost. The time from a failure to the first step after it, less loads, is rescheduling; from
the first start to the first step, and between steps, it is "other": no part of the model.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import ends_torn
from cprmodel.facts.results import Breakdown
from cprmodel.logs.context import Context
from cprmodel.logs.reading import Downtimes, LogReading, from_durations
from cprmodel.logs.training_events import Event, events_of

__all__ = ["Goodput", "TrainingLog", "goodput_of", "read_training"]


class TrainingLog:
    """Appends events, one JSON object a line; each is with the system when ``write`` returns.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "run.jsonl"
    >>> with TrainingLog(path) as log:
    ...     log.write("start", at=0.0)
    ...     log.write("step", at=2.5, step=1, seconds=2.5)
    >>> path.read_text().splitlines()[1]
    '{"event": "step", "at": 2.5, "step": 1, "seconds": 2.5}'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            if self.path.exists() and not self.path.is_file():  # a pipe may keep us waiting for ever
                expected = "a training log in a plain file, not a folder, a device or a pipe"
                raise JobError(str(path), [Problem("", "", expected)])
            torn = ends_torn(self.path)
            self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            expected = f"a file that can be written ({error.strerror})"
            raise JobError(str(path), [Problem("", "", expected)]) from None
        if torn:
            self._file.write("\n")

    def write(self, event: str, at: float | None = None, **facts: Any) -> None:
        """Append an event that happened now, or at a moment [s]."""
        entry = {"event": event, "at": time.time() if at is None else at, **facts}
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Goodput:
    """A run's time, taken apart; all in seconds."""

    wall_s: float
    useful_s: float
    parts: Breakdown  #: saves, loads, lost work, rescheduling [s]
    other: tuple[tuple[str, float], ...]  #: what the model has no part for: (what, seconds)
    steps: int
    saves: int
    failures: int
    interval_s: float | None  #: median of the work between two saves
    reading: LogReading

    @property
    def effective_time_ratio(self) -> float:
        """Goodput, the useful time over all time."""
        return self.useful_s / self.wall_s

    @property
    def overhead(self) -> Breakdown:
        """The model's parts, over the useful time."""
        return self.parts.scaled(1 / self.useful_s)

    @property
    def other_s(self) -> float:
        """Time that is none of the model's parts."""
        return sum(seconds for _, seconds in self.other)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as ``goodput --json`` prints it."""
        return {
            "wall_s": self.wall_s,
            "useful_s": self.useful_s,
            "effective_time_ratio": self.effective_time_ratio,
            "parts_s": self.parts._asdict(),
            "other_s": dict(self.other),
            "overhead_fractions": self.overhead._asdict(),
            "steps": self.steps,
            "saves": self.saves,
            "failures": self.failures,
            "interval_s": self.interval_s,
            "reading": self.reading.to_dict(),
        }


def read_training(context: Context) -> LogReading:
    """What a training log says of failures, and of what a save, a load and a restart took."""
    return goodput_of(context).reading


def goodput_of(context: Context) -> Goodput:
    """Where the time went."""
    events, spans = events_of(context)
    while len(events) > 1 and events[-1].name == events[-2].name == "stop":
        events.pop()  # what comes after the end of training, such as a test of the model, is no part of it
    if len(events) < 2:
        raise context.wrong("at least two events with a moment")
    return _account(context, events, spans)


def _account(context: Context, events: list[Event], spans: dict[str, float]) -> Goodput:
    """One pass over the events: each second goes to one part."""
    has_steps = any(one.name == "step" for one in events)
    executions = Counter(one.step for one in events if one.name == "step" and one.step is not None)
    left = Counter(executions)
    useful = lost = save = load = reschedule = startup = between = 0.0
    clock = events[0].at
    down_since: float | None = None
    loads_down = noticed = 0.0
    up_since = clock
    saving_since: float | None = None
    up: list[tuple[float, bool]] = []
    took: dict[str, list[float]] = {"save": [], "load": [], "reschedule": [], "detect": []}
    step_times: list[float] = []
    intervals: list[float] = []
    saved = 0.0  # of the useful work, up to the last save
    begun = not has_steps
    for one in events:
        was_begun = begun
        gap = max(one.at - clock, 0.0)
        span = min(one.seconds, gap) if one.name in ("step", "save", "load") else 0.0
        before = gap - span
        if down_since is not None and one.name in ("step", "save", "recovered", "stop"):
            stop_s = one.at - span - down_since
            reschedule += before
            took["reschedule"].append(max(stop_s - loads_down - noticed, 0.0))
            down_since, loads_down, up_since, noticed = None, 0.0, one.at - span, 0.0
            begun = True
            before = 0.0
        elif down_since is not None:
            reschedule += before
            before = 0.0
        if one.name == "failure":
            if down_since is None:
                up.append((one.at - up_since, True))
                if saving_since is not None or has_steps:
                    lost += before  # a save or a step that it struck
                    before = 0.0
                noticed = one.detected_s
                took["detect"] += [noticed] if noticed else []
            down_since = one.at if down_since is None else down_since
            lost += one.lost_s if not has_steps else 0.0
            useful -= one.lost_s if not has_steps else 0.0
            saving_since = None
            if has_steps and not executions:
                saved = useful  # steps without numbers do not tell which of them were done again
        elif one.name == "step":
            step_times.append(one.seconds)
            if one.step is not None:
                left[one.step] -= 1
            if one.step is not None and left[one.step] > 0:  # it is done again
                lost += span
            else:
                useful += span
            begun = True
        elif one.name == "save":
            save += span
            took["save"].append(one.seconds)
            done = useful if has_steps else useful + before
            intervals += [max(done - saved, 0.0)] if begun else []
            saved, saving_since = done, None
        elif one.name == "load":
            load += span
            took["load"].append(one.seconds)
            loads_down += span
        elif one.name == "recovered" and not has_steps and one.lost_s:
            lost, useful = lost + one.lost_s, useful - one.lost_s
        elif one.name == "begin_save":
            saving_since = one.at
        if not has_steps and was_begun:
            useful += before
        elif not was_begun or one.name == "start":
            startup += before
        else:
            between += before
        clock = max(clock, one.at)
    if down_since is None:
        up.append((clock - up_since, False))
    wall = clock - events[0].at
    if not useful > 0:
        raise context.wrong("a run that did some useful work: steps, or time between saves")
    if spans:
        told = ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in spans.items())
        context.ledger.note(f"of the time until a first step and of rescheduling: {told}")
    other = [("until the first step", startup), ("between steps, and not told", between)]
    reading = _reading(context, up, took, step_times, intervals, events)
    parts = Breakdown(save, load, lost, reschedule)
    rest = tuple((name, seconds) for name, seconds in other if seconds > 1e-9)
    failures = sum(happened for _, happened in up)
    interval = float(np.median(intervals)) if intervals else None
    return Goodput(wall, useful, parts, rest, len(step_times), len(took["save"]), failures, interval, reading)


_MEANINGS = {
    "save": "how long a save kept training waiting",
    "load": "to read a checkpoint back",
    "reschedule": "from a failure until training went on, less noticing and loads",
    "detect": "until a failure was noticed",
}


def _reading(
    context: Context,
    up: list[tuple[float, bool]],
    took: dict[str, list[float]],
    steps: list[float],
    intervals: list[float],
    events: list[Event],
) -> LogReading:
    base = context.base("training", clock="seconds" if events[0].at < 3e8 else "Unix time or dates")
    base = replace(base, columns=(), unused=())
    durations, observed = (np.array(column) for column in zip(*up, strict=True))
    found = from_durations(base, durations, observed.astype(bool))
    ends = np.cumsum(durations)[durations > 0]
    downtimes = [Downtimes(name, _MEANINGS[name], np.array(values)) for name, values in took.items() if values]
    words = Counter(one.name for one in events)
    return replace(
        found,
        ends_s=ends,
        window_s=float(ends[-1]),
        downtimes=tuple(downtimes),
        states=tuple((name, rows, "events") for name, rows in words.most_common()),
        step_s=float(np.median(steps)) if steps and np.median(steps) > 0 else None,
        interval_s=float(np.median(intervals)) if intervals and np.median(intervals) > 0 else None,
        begin=events[0].at if events[0].at > 3e8 else None,
        end=events[-1].at if events[-1].at > 3e8 else None,
    )
