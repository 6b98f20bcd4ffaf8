"""What a run cost, as a job file that ``cprmodel plan`` reads: measured save, load, detection and restart.

Each is the median of those in the run's event log. The MTBF is the run's own: its length over its failures. Where
saves were written while training went on, ``save`` is for how long it waited, ``drain`` how long they were written,
and ``overlap`` how fast steps were meanwhile.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

from cprmodel.facts.errors import JobError, Problem
from validation.summary import FailureSeen, Summary, summarise

__all__ = ["job_file", "measured_costs"]


def measured_costs(events: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Seconds (and ``overlap``) by the names of a job file's keys; what the run did not show is left out."""
    events = list(events)
    found = summarise(events)
    out: dict[str, list[float]] = {"step": [], "save": [], "detect": []}
    drained: list[float] = []  # steps while a save was written
    copied: float | None = None
    for event in events:
        if event["event"] == "step" and "compute_s" in event:
            took = sum(event[f"{part}_s"] for part in ("lookup", "compute", "update", "copy"))
            (out["step"] if copied is None else drained).append(took)
        elif event["event"] == "copied":
            copied = event["seconds"]
            out["save"].append(copied)
        elif event["event"] == "save" and copied is not None:
            out.setdefault("drain", []).append(event["seconds"] - copied)
            copied = None
        elif event["event"] == "save" and event["step"] > 0:
            out["save"].append(event["seconds"])
        elif event["event"] in ("save_void", "save_failed"):
            copied = None
    for failure in found.failures:
        if failure.recovered_s is None or failure.detected_s is None:
            continue
        until = failure.at + failure.recovered_s
        loads = [
            event.get("seconds", 0.0)
            for event in events
            if event["event"] == "load" and failure.at <= event["at"] <= until
        ]
        load = max(loads, default=0.0)
        restart = max(failure.recovered_s - failure.detected_s - load, 0.0)
        out["detect"].append(failure.detected_s)
        for key, value in zip(_keys(found, failure, events), (load, restart), strict=True):
            if key:
                out.setdefault(key, []).append(value)
    out["step"] = out["step"] or drained
    found_costs = {key: statistics.median(values) for key, values in out.items() if values}
    if "drain" in out:
        meanwhile = statistics.median(drained) if drained else found_costs["step"]
        found_costs["overlap"] = min(1.0, found_costs["step"] / meanwhile)
    return found_costs


def _keys(found: Summary, failure: FailureSeen, events: list[dict[str, Any]]) -> tuple[str, str]:
    """Where a failure's load and restart belong in a job file."""
    full = events[0]["case"]["strategy"]["recovery"] == "full"
    if full or failure.kind == "whole_job":
        return "load", "reschedule"
    if failure.kind == "trainer":
        return "", "trainer_reschedule"
    return "partial_load", "partial_reschedule"


def job_file(source: str, events: Iterable[dict[str, Any]]) -> str:
    """The text of a job file; JobError for a run without saves or failures, which has nothing to tell."""
    events = list(events)
    costs, found = measured_costs(events), summarise(events)
    for key, what in (("save", "a save"), ("detect", "a failure"), ("step", "a step")):
        if key not in costs:
            raise JobError(source, [Problem("", "", f"a run with {what}, to measure what it costs")])
    mtbf = found.seconds["whole"] / len(found.failures)
    steps = f"# {found.steps} steps, {found.saves} saves, {len(found.failures)} failures in {source}"
    lines = [
        "# Measured by python -m validation train --job-file; medians.",
        steps,
        "[job]",
        f'work = "{found.steps * costs.pop("step"):.6g} s"',
        "[cluster]",
        f"embedding_shards = {found.shards}",
        "[failures]",
        f'mtbf = "{mtbf:.6g} s"',
        "[checkpoint]",
        *(
            f"{key} = {value:.4g}" if key == "overlap" else f'{key} = "{value:.6g} s"'
            for key, value in costs.items()
        ),
        "[accuracy]",
        "pls_budget = 0.1",
    ]
    return "\n".join(lines) + "\n"
