"""From a log to a job file, as far as the log goes: its failures, and how long a restart takes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem, one_line
from cprmodel.facts.units import count_of, format_time
from cprmodel.fitting.analysis import Analysis
from cprmodel.logs import Downtimes, LogOptions

__all__ = ["job_file_text"]


def job_file_text(found: Analysis, trace: Path, options: LogOptions, folder: Path) -> str:
    """TOML that ``cprmodel plan`` reads once what the log does not say is filled in.

    The trace is named, not copied: its path is relative to ``folder``, where the job file will be.
    """
    reading = found.trace.reading
    if found.mtbf_s is None or reading is None:
        expected = "a log with at least one interruption, to write a job file of it"
        raise JobError(str(trace), [Problem("", "", expected)])
    times = {one.name: one for one in reading.downtimes}
    lines = [
        f"# Written by cprmodel fit from {one_line(trace.name)}. Lines that begin with #> are not in the log: put",
        "# your figures in and take the #> away. Then: cprmodel plan, with the name of this file.",
        "",
        "[job]",
        *_measured_or_asked(
            times, "work", '"30 d"', "useful training time, without failures or saves", needed=True
        ),
        *([f"step = {_seconds(reading.step_s)}        # median of the steps"] if reading.step_s else []),
        *(
            [f"current_interval = {_seconds(reading.interval_s)}        # median work between two saves"]
            if reading.interval_s
            else []
        ),
        "",
        "[failures]",
        f"# MTBF {format_time(found.mtbf_s)} ({count_of(found.trace.events, 'interruption')})",
        f"trace = {_text(os.path.relpath(trace, folder))}",
        *_options(options),
        *_nodes(found),
        "",
        "[checkpoint]",
        *_measured_or_asked(times, "save", '"5 min"', "time a save blocks training", needed=True),
        *_measured_or_asked(times, "load", '"5 min"', "time to read a checkpoint back; default: as long as a save"),
        *_measured_or_asked(
            times, "detect", '"1 min"', "time to notice a failure; in reschedule, if that is measured"
        ),
        *_reschedule(times),
    ]
    if "repair" in times:
        mean = _seconds(float(np.mean(times["repair"].values_s)))
        lines += [
            "",
            "#> [scaling]                  # for cprmodel sweep: how many spare nodes to keep",
            "#> exponent = 0.9             # throughput grows as nodes^exponent",
            f"#> repair = {mean}            # {_shown(times['repair'])}",
        ]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _seconds(seconds: float | None) -> str:
    return f'"{seconds:.6g} s"'


def _shown(one: Downtimes) -> str:
    values = one.values_s
    mean, median = format_time(float(np.mean(values))), format_time(float(np.median(values)))
    return f"mean of {len(values):,} ({mean}; median {median}): {one.meaning}"


def _measured_or_asked(
    times: dict[str, Downtimes], key: str, example: str, meaning: str, needed: bool = False
) -> list[str]:
    if key in times and np.mean(times[key].values_s) > 0:
        return [f"{key} = {_seconds(float(np.mean(times[key].values_s)))}        # {_shown(times[key])}"]
    return [f"#> {key} = {example}        # {'needed: ' if needed else ''}{meaning}"]


def _reschedule(times: dict[str, Downtimes]) -> list[str]:
    for name in ("reschedule", "restart"):
        if name in times:
            return [f"reschedule = {_seconds(float(np.mean(times[name].values_s)))}        # {_shown(times[name])}"]
    return ['#> reschedule = "10 min"        # time to get a node and restart']


def _options(options: LogOptions) -> list[str]:
    """The options that were given, as keys."""
    lines = []
    for key, value in asdict(options).items():
        if value is None or value == ():
            continue
        shown: Any = (
            value if isinstance(value, int) else json.dumps(list(value) if isinstance(value, tuple) else value)
        )
        lines.append(f"{key} = {shown}")
    return lines


def _nodes(found: Analysis) -> list[str]:
    reading = found.trace.reading
    assert reading is not None
    if reading.kind == "availability" and found.trace.servers is None:
        return ["#> nodes = 64        # needed: the log is of single nodes; so many make the job"]
    if found.trace.servers is not None and reading.kind == "runs":
        return [
            f"#> nodes = {found.trace.servers}        # of the job; the log is of jobs of so many, and rates add"
        ]
    return []
