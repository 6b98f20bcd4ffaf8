"""One simulated job, written as each kind of log would have it, is read back to the same times and the same fit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cprmodel.fitting import analyse, read_trace, trace_of_durations
from cprmodel.logs import LogOptions, read_log

BEGIN = 1_750_000_000


def simulated(seed: int = 7, count: int = 60) -> tuple[Any, Any, Any]:
    """Whole seconds that runs took, whether an interruption ended each, and how long until the next one began."""
    rng = np.random.default_rng(seed)
    took = np.ceil(rng.weibull(0.8, count) * 40_000)
    observed = rng.random(count) < 0.7
    return took, observed, np.ceil(rng.lognormal(6, 1, count))


TOOK, OBSERVED, WAITS = simulated()
STARTS = BEGIN + np.concatenate([[0.0], np.cumsum(TOOK + WAITS)[:-1]])


def iso(seconds: float, form: str = "%Y-%m-%dT%H:%M:%S") -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


def slurm(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}-{clock}" if days else clock


def rows() -> list[tuple[str, float, float, float]]:
    """State, start, end, duration."""
    states = np.where(OBSERVED, "NODE_FAIL", np.where(np.arange(len(TOOK)) % 2, "COMPLETED", "TIMEOUT"))
    return [(str(s), float(b), float(b + d), float(d)) for s, b, d in zip(states, STARTS, TOOK, strict=True)]


def sacct(separator: str) -> str:
    lines = ["JobID,State,Start,End,Elapsed,NodeList".replace(",", separator)]
    for number, (state, begin, end, took) in enumerate(rows()):
        cells = [str(number), state, iso(begin), iso(end), slurm(took), "gpu[001-064]"]
        lines += [separator.join(cells), separator.join([f"{number}.batch", *cells[1:]])]
    return "\n".join(lines) + "\n"


def table(*columns: str) -> str:
    """Columns by name: state, start, end as ISO, epoch_start, epoch_end, duration in hours."""
    lines = [",".join(column.split("=")[0] for column in columns)]
    for state, begin, end, took in rows():
        known = {
            "state": state,
            "iso_start": iso(begin, "%Y-%m-%d %H:%M:%S"),
            "iso_end": iso(end, "%Y-%m-%d %H:%M:%S"),
            "ms_start": str(int(begin * 1000)),
            "ms_end": str(int(end * 1000)),
            "s_end": str(int(end)),
            "hours": repr(took / 3600),
            "flag": str(int(state == "NODE_FAIL")),
        }
        lines.append(",".join(known[column.split("=")[1]] for column in columns))
    return "\n".join(lines) + "\n"


def objects() -> str:
    return json.dumps([{"status": s, "startTime": iso(b) + "Z", "endTime": iso(e) + "Z"} for s, b, e, _ in rows()])


def archive() -> str:
    """The Failure Trace Archive's: up, then down where it failed; a component a run, so that none is lost."""
    lines = [
        "# event_id component_id node_id platform_id node_name event_type event_start_time event_stop_time end"
    ]
    for number, ((state, begin, end, _), wait) in enumerate(zip(rows(), WAITS, strict=True)):
        lines.append(f"{2 * number}\t1\tn{number}\tp\tx\t1\t{int(begin)}\t{int(end)}\t0")
        if state == "NODE_FAIL":
            lines.append(f"{2 * number + 1}\t1\tn{number}\tp\tx\t0\t{int(end)}\t{int(end + wait)}\t1")
    return "\n".join(lines) + "\n"


RUNS: dict[str, Callable[[], str]] = {
    "sacct, pipes": lambda: sacct("|"),
    "sacct, commas": lambda: sacct(","),
    "dates": lambda: table("state=state", "start_time=iso_start", "end_time=iso_end"),
    "milliseconds": lambda: table("state=state", "started_at=ms_start", "finished_at=ms_end"),
    "start and duration": lambda: table("status=state", "start=iso_start", "duration_hours=hours"),
    "durations and flags": lambda: table("hours=hours", "event=flag"),
    "durations and words": lambda: table("exit_reason=state", "hours_between_failures=hours"),
    "objects": objects,
    "archive": archive,
    "blanks": lambda: sacct("|").replace("|", " "),
}


@pytest.mark.parametrize("kind", RUNS)
def test_runs(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(RUNS[kind]())
    trace = read_trace(path)
    order = np.lexsort((TOOK, OBSERVED))
    mine = np.lexsort((trace.durations_s, trace.observed))
    assert trace.durations_s[mine] == pytest.approx(TOOK[order], rel=1e-9)
    assert trace.observed[mine].tolist() == OBSERVED[order].tolist()
    found, wanted = analyse(trace), analyse(trace_of_durations("x", TOOK, OBSERVED))
    assert found.mtbf_s == pytest.approx(TOOK.sum() / OBSERVED.sum())
    assert found.mtbf_ci90_s == pytest.approx(wanted.mtbf_ci90_s, rel=1e-6)
    assert found.models[0].name == wanted.models[0].name
    assert found.models[0].log_likelihood == pytest.approx(wanted.models[0].log_likelihood, abs=1e-6)


@pytest.mark.parametrize("kind", ["sacct, pipes", "dates", "milliseconds", "objects"])
def test_restarts(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(RUNS[kind]())
    restarts = next(one for one in read_log(path).downtimes if one.name == "restart")
    assert restarts.values_s == pytest.approx(WAITS[:-1][OBSERVED[:-1]])


MOMENTS = BEGIN + np.cumsum(TOOK)


def kubernetes() -> str:
    items = [
        {"reason": reason, "lastTimestamp": iso(at) + "Z", "involvedObject": {"kind": "Node", "name": f"n{k % 5}"}}
        for k, moment in enumerate(MOMENTS)
        for reason, at in (("NodeNotReady", moment), ("NodeReady", min(moment + 1, MOMENTS[-1])))
    ]
    return json.dumps({"kind": "List", "items": items})


AT: dict[str, Callable[[], str]] = {
    "unix": lambda: "time\n" + "".join(f"{int(at)}\n" for at in MOMENTS),
    "milliseconds": lambda: "ts\n" + "".join(f"{int(at) * 1000}\n" for at in MOMENTS),
    "dates": lambda: "timestamp\n" + "".join(f"{iso(at)}Z\n" for at in MOMENTS),
    "another zone": lambda: "timestamp\n" + "".join(f"{iso(at + 3600)}+01:00\n" for at in MOMENTS),
    "month first": lambda: "date\n" + "".join(f"{iso(at, '%m/%d/%Y %H:%M:%S')}\n" for at in MOMENTS),
    "by name": lambda: "date\n" + "".join(f"{iso(at, '%d %b %Y %H:%M:%S')}\n" for at in MOMENTS),
    "rising hours": lambda: "hours\n" + "".join(f"{float(at - BEGIN) / 3600!r}\n" for at in MOMENTS),
    "shuffled": lambda: (
        "timestamp\n" + "".join(f"{iso(at)}Z\n" for at in np.random.default_rng(1).permutation(MOMENTS))
    ),
    "kubernetes": kubernetes,
    "incidents": lambda: (
        "fault started,fault ended,cause\n"
        + "".join(f"{iso(at)},{iso(min(at + 60, MOMENTS[-1]))},gpu\n" for at in MOMENTS)
    ),
}


@pytest.mark.parametrize("kind", AT)
def test_moments(kind: str, tmp_path: Path) -> None:
    """The first one starts the clock: the gaps are all times but the first."""
    path = tmp_path / "log.txt"
    path.write_text(AT[kind]())
    trace = read_trace(path)
    assert trace.durations_s == pytest.approx(TOOK[1:], rel=1e-9)
    assert trace.observed.all()
    assert analyse(trace).mtbf_s == pytest.approx(TOOK[1:].mean())
    assert analyse(trace).drift is not None  # of one job, over calendar time


@given(
    st.lists(st.tuples(st.integers(1, 10**7), st.booleans(), st.integers(0, 10**6)), min_size=1, max_size=20),
    st.sampled_from(["|", "\t", ";"]),
    st.booleans(),
)
def test_any_runs_one_after_the_other(runs: list[tuple[int, bool, int]], separator: str, packed: bool) -> None:
    """Exposure, events and restarts are those that were written, whatever the order of the rows."""
    import gzip
    import tempfile

    lines, at, restarts = [], BEGIN, []
    for number, (took, failed, wait) in enumerate(runs):
        cells = [str(number), "FAILED" if failed else "COMPLETED", iso(at), iso(at + took), slurm(took)]
        lines.append(separator.join(cells))
        if failed and number < len(runs) - 1:
            restarts.append(wait)
        at += took + wait
    text = separator.join(["JobID", "State", "Start", "End", "Elapsed"]) + "\n" + "\n".join(reversed(lines)) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        found = read_log(path)
    assert sorted(found.durations_s) == sorted(took for took, _, _ in runs)
    assert found.events == sum(failed for _, failed, _ in runs)
    assert math.isclose(sum(sum(one.values_s) for one in found.downtimes), sum(restarts))


def test_gaps_for_a_replay_keep_the_exposure(tmp_path: Path) -> None:
    """What was cut short is part of the time to the next interruption."""
    path = tmp_path / "log.csv"
    path.write_text("time,event\n3,0\n4,1\n5,1\n6,0\n")
    assert read_log(path, LogOptions(clock="durations")).gaps_s.tolist() == [7.0, 5.0]
