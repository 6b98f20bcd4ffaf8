"""The events of a training run's own log: one JSON object a line, or a goodput library's entries.

The events (``event``), each with ``at``, a Unix time, a date or seconds of any clock that goes on:

==========  ===========================================================================================
start       a process of the job began (again)
step        a step is done: ``step`` its number, ``seconds`` it took (or its parts, in fields ..._s)
begin_save  training waits for a checkpoint from here on
save        a checkpoint is complete: ``seconds`` it kept training waiting, ``step`` the last one in it
failure     something failed; ``detected_s`` later it was noticed, ``lost_s`` of work was rolled back
load        a checkpoint was read back: ``seconds``
recovered   training goes on; ``seconds`` since the failure
stop        the run ended
==========  ===========================================================================================

Other events and fields are passed over.

Google Cloud's ml-goodput-measurement writes one entry an event, ``step_start_time`` with ``step_count``,
``job_start_time`` and so on: a step lasts until the next one begins, and a job that starts without the one before
having ended was interrupted at the last sign of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.logs.clocks import epoch_unit, missing, moments_of, numbers_of
from cprmodel.logs.context import Context
from cprmodel.logs.table import Table

__all__ = ["Event", "events_of", "is_training_log"]

#: Other names of events.
NAMES = {
    "job_start": "start",
    "job_started": "start",
    "resumed": "start",
    "step_end": "step",
    "checkpoint_saved": "save",
    "checkpoint_loaded": "load",
    "failed": "failure",
    "job_end": "stop",
    "job_ended": "stop",
    "trained": "stop",
}
#: So many steps in a row show how a log numbers them.
_MANY_STEPS = 10
_KNOWN = ("start", "step", "begin_save", "save", "failure", "load", "recovered", "stop")
GOODPUT_COLUMNS = ("job_start_time", "step_start_time", "step_count")
_SPANS = ("tpu_init", "training_prep", "data_loading", "custom_badput_event")


@dataclass(frozen=True)
class Event:
    """What happened, when; of a step which, and how long it took [s]."""

    name: str
    at: float
    step: int | None
    seconds: float
    lost_s: float
    detected_s: float


def is_training_log(table: Table) -> bool:
    """Whether a table's columns and words are those of a training log."""
    columns = set(table.columns)
    if columns >= set(GOODPUT_COLUMNS[1:]) or columns >= {"job_name", GOODPUT_COLUMNS[0]}:
        return True
    if not columns >= {"event", "at"}:
        return False
    words = {NAMES.get(word, word) for word in table.column("event").drop_nulls().unique().to_list()}
    return bool(words & {"step", "save", "recovered"})


def events_of(context: Context) -> tuple[list[Event], dict[str, float]]:
    """In their order; and how long other spans took that a goodput library tells of [s]."""
    if set(context.table.columns) >= {"event", "at"}:
        return _events(context), {}
    return _goodput_events(context)


def _moments(context: Context, name: str) -> Any:
    cells = context.table.column(name)
    numbers = numbers_of(cells)
    known = numbers[np.isfinite(numbers)]
    if len(known) and len(known) == np.count_nonzero(~missing(cells)) and epoch_unit(known) is None:
        return numbers
    return moments_of(cells, f"column {name}", context.options.time_zone, context.options.dates).seconds


def _numbers(context: Context, name: str) -> Any:
    if name not in context.table.columns:
        return np.full(len(context.table), np.nan)
    return numbers_of(context.table.column(name).fill_null(""))


def _events(context: Context) -> list[Event]:
    table, ledger = context.table, context.ledger
    at = _moments(context, "at")
    ledger.drop(~np.isfinite(at), "no moment in the column at")
    names = [NAMES.get(word, word) for word in table.column("event").fill_null("").to_list()]
    ledger.drop([name not in _KNOWN for name in names], "events that say nothing of where time went")
    seconds = _numbers(context, "seconds")
    parts = [name for name in table.columns if name.endswith("_s") and name not in ("lost_s", "detected_s")]
    if parts:
        summed = np.sum([np.nan_to_num(_numbers(context, name)) for name in parts], axis=0)
        is_step = np.array([name == "step" for name in names])
        seconds = np.where(np.isfinite(seconds) | ~is_step, seconds, summed)
    step, lost, detected = (_numbers(context, name) for name in ("step", "lost_s", "detected_s"))
    rows = np.flatnonzero(ledger.keep)
    rows = rows[np.argsort(at[rows], kind="stable")]
    _check_that_all_steps_are_told(context, step[[row for row in rows if names[row] == "step"]])
    return [
        Event(
            names[row],
            float(at[row]),
            int(step[row]) if np.isfinite(step[row]) else None,
            float(np.nan_to_num(seconds[row])),
            float(np.nan_to_num(lost[row])),
            float(np.nan_to_num(detected[row])),
        )
        for row in rows
    ]


def _check_that_all_steps_are_told(context: Context, numbers: Any) -> None:
    """A log of every tenth step would make a tenth of the work useful, and the rest a time that nobody told."""
    rises = np.diff(numbers[np.isfinite(numbers)])
    rises = rises[rises > 0]
    usual = float(np.median(rises)) if len(rises) >= _MANY_STEPS else 1.0
    if usual > 1 and np.mean(rises == usual) > 0.9:
        expected = (
            f"an event for each step, but their numbers rise by {usual:g}; without step events the time between "
            "saves counts as work"
        )
        raise context.wrong(expected, "step")


def _goodput_events(context: Context) -> tuple[list[Event], dict[str, float]]:
    """ml-goodput-measurement's entries as our events, and how long its other spans took."""
    table = context.table

    def column(name: str) -> Any:
        return _moments(context, name) if name in table.columns else np.full(len(table), np.nan)

    steps, starts, ends = column("step_start_time"), column("job_start_time"), column("job_end_time")
    numbers = _numbers(context, "step_count")
    raw: list[tuple[float, str, int | None]] = []
    raw += [(float(t), "begin", int(n)) for t, n in zip(steps, numbers, strict=True) if np.isfinite(t + n)]
    raw += [(float(t), "start", None) for t in starts if np.isfinite(t)]
    raw += [(float(t), "stop", None) for t in ends if np.isfinite(t)]
    raw.sort(key=lambda one: one[0])
    spans: dict[str, float] = {}
    used = np.isfinite(steps) | np.isfinite(starts) | np.isfinite(ends)
    for name in _SPANS:
        begin, end = column(f"{name}_start_time"), column(f"{name}_end_time")
        begins, finishes = np.sort(begin[np.isfinite(begin)]), np.sort(end[np.isfinite(end)])
        many = min(len(begins), len(finishes))
        used |= np.isfinite(begin) | np.isfinite(end)
        if many:
            spans[name.replace("_", " ")] = float(np.sum(np.maximum(finishes[:many] - begins[:many], 0)))
    context.ledger.drop(~used, "entries that say nothing of where time went")
    begun = [t for t, kind, _ in raw if kind == "begin"]
    gaps = np.diff(begun)
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    events: list[Event] = []
    for at, (t, kind, number) in enumerate(raw):
        if kind == "begin":
            after = raw[at + 1] if at + 1 < len(raw) else None
            over = after is not None and after[1] in ("begin", "stop")
            if after is not None and over:
                events.append(Event("step", after[0], number, after[0] - t, 0.0, 0.0))
            else:  # the last sign of a job that was interrupted
                lived = usual if after is None else min(usual, after[0] - t)
                events.append(Event("failure" if after else "stop", t + lived, None, 0.0, 0.0, 0.0))
        else:
            events.append(Event(kind, t, None, 0.0, 0.0, 0.0))
    failures = sum(one.name == "failure" for one in events)
    if failures:
        context.ledger.note(
            "a job that starts without the one before having ended was interrupted a usual step after the last "
            "sign of that one; no entry says how long saves took: they are in the steps"
        )
    return sorted(events, key=lambda one: one.at), spans
