"""From files to traces: CSV of durations, CSV of event times, InfiniteHBD's JSON, LANL's CSV.

The readers of node logs build a *job's* times between interruptions: the job spans the chosen servers, events at
the same moment are one interruption, and the end of the log ends the observation without one.
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import QuantityError, parse_quantity
from cprmodel.fitting.trace import Trace, trace_of_durations, trace_of_times

__all__ = ["FORMATS", "TraceOptions", "read_trace"]

DAY_S = 86400.0
FORMATS = ("csv", "infinitehbd", "lanl")
NODE_COLUMNS = ("node", "server", "host")


@dataclass(frozen=True)
class TraceOptions:
    """How to read a trace.

    Durations: ``time_column`` and, where some were cut short, ``event_column`` (1 or true: an interruption ended
    it). Event times: ``time_column`` with ``window``, the length of the observation. ``servers``: the job spans
    the first so many servers in order of their names (of event times in a CSV: those in ``node_column``).
    ``system``, ``since``: LANL's system number and first year.
    """

    format: str | None = None
    time_column: str | None = None
    event_column: str | None = None
    unit: str = "s"
    window: str | None = None
    servers: int | None = None
    system: int | None = None
    since: str | None = None
    node_column: str | None = None


def read_trace(path: str | Path, options: TraceOptions = TraceOptions()) -> Trace:
    """Read a file; JobError says in one line what is wrong with it.

    The format is told by the name where it is not given: ``.json`` is InfiniteHBD's, else CSV; ``--system`` means
    LANL's.
    """
    file = Path(path)
    kind = options.format or ("infinitehbd" if file.suffix == ".json" else "lanl" if options.system else "csv")
    if kind not in FORMATS:
        raise JobError(str(path), [Problem("format", f'"{kind}"', f"one of {', '.join(FORMATS)}")])
    reader = {"csv": _csv, "infinitehbd": _infinitehbd, "lanl": _lanl}[kind]
    try:
        return reader(file, options)
    except FileNotFoundError:
        raise JobError(str(path), [Problem("", "", "a trace, but there is no such file")]) from None
    except (UnicodeDecodeError, csv.Error, EOFError, lzma.LZMAError, gzip.BadGzipFile):
        raise JobError(str(path), [Problem("", "", "a text file (plain, .gz or .xz)")]) from None
    except OSError as error:
        raise JobError(str(path), [Problem("", "", f"a file that can be read ({error.strerror})")]) from None


def _open(path: Path) -> TextIO:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8-sig", newline="")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _unit(options: TraceOptions) -> float:
    try:
        return parse_quantity(f"1 {options.unit}", "time")
    except QuantityError:
        raise JobError("--unit", [Problem("", "", f'a unit of time, such as h, not "{options.unit}"')]) from None


def _window(options: TraceOptions) -> float | None:
    if options.window is None:
        return None
    try:
        return parse_quantity(options.window, "time")
    except QuantityError as error:
        raise JobError("--window", [Problem("", "", f'{error}, not "{options.window}"')]) from None


def _csv(path: Path, options: TraceOptions) -> Trace:
    unit, window = _unit(options), _window(options)
    with _open(path) as file:
        rows = csv.reader(file)
        first = next((row for row in rows if any(cell.strip() for cell in row)), None)
        if first is None:
            raise JobError(str(path), [Problem("", "", "at least one line")])
        heading = [cell.strip() for cell in first]
        if all(_is_number(cell) for cell in heading):  # no heading: times, and events beside them
            heading = ["time", "event"][: len(heading)] if len(heading) <= 2 else heading
            lines: Iterator[tuple[int, list[str]]] = _numbered(rows, [first])
        else:
            lines = _numbered(rows, [])
        time_at = _column(path, heading, options.time_column, ("time", "duration", "t"), 0)
        event_at = _column(path, heading, options.event_column, ("event", "observed", "failed"), None)
        node_at = _column(path, heading, options.node_column, NODE_COLUMNS, None)
        _check_nodes(path, options, node_at is not None)
        times, events, nodes = [], [], []
        for number, row in lines:
            cell = row[time_at].strip() if time_at is not None and time_at < len(row) else ""
            if not _is_number(cell) or float(cell) < 0:
                raise JobError(
                    str(path), [Problem(f"line {number}", f'"{cell}"', "a time, a number of at least 0")]
                )
            times.append(float(cell) * unit)
            if node_at is not None:
                nodes.append(row[node_at].strip() if node_at < len(row) else "")
            if event_at is not None:
                events.append(_flag(path, number, row[event_at].strip() if event_at < len(row) else ""))
    if not times:
        raise JobError(str(path), [Problem("", "", "at least one time")])
    if window is not None:
        if events and not all(events):
            raise JobError("--window", [Problem("", "", "event times alone, without events that did not happen")])
        if not nodes:
            return trace_of_times(str(path), times, window)
        chosen = _first_servers(str(path), set(nodes), options.servers)
        kept = [time for time, node in zip(times, nodes, strict=True) if node in chosen]
        return trace_of_times(str(path), kept, window, len(chosen))
    return trace_of_durations(str(path), times, events or np.ones(len(times), dtype=bool))


def _check_nodes(path: Path, options: TraceOptions, has_nodes: bool) -> None:
    """``servers`` chooses among the nodes of event times."""
    if options.servers is None:
        return
    shown = str(options.servers)
    if options.window is None:
        expected = "event times (with --window), of which it would choose; each duration stands for itself"
        raise JobError(str(path), [Problem("--servers", shown, expected)])
    if not has_nodes:
        raise JobError(str(path), [Problem("--servers", shown, f"a column of nodes ({', '.join(NODE_COLUMNS)})")])


def _numbered(rows: Any, first: list[list[str]]) -> Iterator[tuple[int, list[str]]]:
    for row in first:
        yield rows.line_num, row
    for row in rows:
        if any(cell.strip() for cell in row):
            yield rows.line_num, row


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _column(path: Path, heading: list[str], wanted: str | None, usual: Sequence[str], default: int | None) -> Any:
    if wanted is not None:
        if wanted not in heading:
            raise JobError(str(path), [Problem("column", f'"{wanted}"', f"one of {', '.join(heading)}")])
        return heading.index(wanted)
    known = [name for name in usual if name in heading]
    if known:
        return heading.index(known[0])
    if default is not None and len(heading) > 1:
        raise JobError(str(path), [Problem("--time-column", "", f"one of {', '.join(heading)}")])
    return default


def _flag(path: Path, number: int, cell: str) -> bool:
    if cell.lower() in ("1", "1.0", "true", "yes"):
        return True
    if cell.lower() in ("0", "0.0", "false", "no"):
        return False
    raise JobError(str(path), [Problem(f"line {number}", f'"{cell}"', "1 (an interruption) or 0 (cut short)")])


def _first_servers(source: str, names: set[str], servers: int | None) -> set[str]:
    if servers is None:
        return names
    if not servers >= 1:
        raise JobError(source, [Problem("--servers", str(servers), "at least 1")])
    if servers > len(names):
        raise JobError(source, [Problem("--servers", str(servers), f"at most the {len(names)} that the log names")])
    return set(sorted(names, key=_natural)[:servers])


def _natural(name: str) -> tuple[Any, ...]:
    """Numbers by their value: node 10 comes after node 9."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name))


def _infinitehbd(path: Path, options: TraceOptions) -> Trace:
    """Fault starts on servers, in days; 400 servers, of which those that never fault are not in the file."""
    with _open(path) as file:
        try:
            entries = json.load(file)
            starts = [
                (str(e["node_id"]), float(e["event_time"])) for e in entries if e["event_type"] == "fault_start"
            ]
            end = max(float(e["event_time"]) for e in entries)
        except (ValueError, KeyError, TypeError):
            raise JobError(str(path), [Problem("", "", "InfiniteHBD's list of events")]) from None
    faulty = {node for node, _ in starts}
    if options.servers is not None and options.servers > INFINITEHBD_SERVERS:
        raise JobError(str(path), [Problem("--servers", str(options.servers), f"at most {INFINITEHBD_SERVERS}")])
    # servers without a name are those that never fault; they are spread evenly among the others
    names = [*sorted(faulty), *[""] * (INFINITEHBD_SERVERS - len(faulty))]
    order = np.random.default_rng(0).permutation(INFINITEHBD_SERVERS)
    chosen = {names[i] for i in order[: options.servers or INFINITEHBD_SERVERS]}
    times = [DAY_S * time for node, time in starts if node in chosen]
    return trace_of_times(str(path), times, DAY_S * end, options.servers or INFINITEHBD_SERVERS)


#: Servers of the InfiniteHBD cluster.
INFINITEHBD_SERVERS = 400


def _lanl(path: Path, options: TraceOptions) -> Trace:
    """Failures of one LANL system: its nodes together, by ``Prob Started``, from ``since`` on."""
    if options.system is None:
        raise JobError(str(path), [Problem("--system", "", "the number of a LANL system, such as 18")])
    found: list[tuple[datetime, str]] = []
    latest: datetime | None = None
    systems = set()
    with _open(path) as file:
        reader = csv.DictReader(file)
        missing = [name for name in ("System", "nodenum", "Prob Started") if name not in (reader.fieldnames or [])]
        if missing:
            raise JobError(str(path), [Problem("column", f'"{missing[0]}"', "LANL's columns")])
        for row in reader:
            started = _date(row["Prob Started"])
            if started is None:
                continue
            latest = started if latest is None else max(latest, started)
            systems.add(row["System"])
            if row["System"] == str(options.system):
                found.append((started, row["nodenum"]))
    if not found or latest is None:
        known = ", ".join(sorted(systems, key=lambda s: (len(s), s)))
        raise JobError(str(path), [Problem("--system", str(options.system), f"one of {known}")])
    nodes = _first_servers(str(path), {node for _, node in found}, options.servers)
    begin = _since(options.since) if options.since else min(time for time, _ in found)
    times = [(time - begin).total_seconds() for time, node in found if node in nodes and time >= begin]
    end = max(time for time, _ in found)  # the system may have left before the log ends
    return trace_of_times(str(path), times, max((end - begin).total_seconds(), 1.0), len(nodes))


def _since(text: str) -> datetime:
    for layout in ("%Y-%m-%d", "%Y-%m", "%Y"):
        try:
            return datetime.strptime(text, layout)
        except ValueError:
            continue
    raise JobError("--since", [Problem("", "", f'a date such as 2003-01-01, not "{text}"')])


def _date(text: str) -> datetime | None:
    try:
        return datetime.strptime(text.strip(), "%m/%d/%Y %H:%M")
    except ValueError:
        return None
