"""From a file to what it says: which kind of log it is, by what its columns say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.extras import for_extra
from cprmodel.logs.clocks import (
    DATES,
    are_moments,
    check_zone,
    durations_of,
    missing,
    moments_of,
    numbers_of,
    unit_s,
)
from cprmodel.logs.context import Context, date_option, window_option
from cprmodel.logs.events import read_availability, read_events, read_incidents
from cprmodel.logs.files import read_log_text
from cprmodel.logs.known import INFINITEHBD_COLUMNS, LANL_COLUMNS, read_infinitehbd, read_lanl
from cprmodel.logs.plain import read_plain
from cprmodel.logs.reading import PLAIN, Ledger, LogOptions, LogReading
from cprmodel.logs.roles import roles_of, unit_in, words_of
from cprmodel.logs.runs import read_runs
from cprmodel.logs.states import Event, meaning_of_event, meaning_of_flag, meaning_of_state
from cprmodel.logs.table import Table
from cprmodel.logs.tables import table_of
from cprmodel.logs.training import Goodput, goodput_of, read_training
from cprmodel.logs.training_events import is_training_log

__all__ = ["FORMATS", "read_goodput", "read_log"]

#: What polars is needed for.
_MORE_THAN_NUMBERS = "a log of more than plain numbers"

FORMATS = ("csv", "infinitehbd", "lanl", "fta")
ROWS = ("runs", "incidents")
CLOCKS = ("durations", "moments")
FTA_COLUMNS = ("node_id", "event_type", "event_start_time", "event_stop_time")
#: Words in the names of columns that only a list of incidents has.
_OF_INCIDENTS = re.compile(
    r"\b(?:incident|cause|severity|category|ticket|summary|description|component|fault|outage|downtime|root|repair)\b"
)


def read_log(path: str | Path, options: LogOptions = PLAIN) -> LogReading:
    """Read a file; JobError says in one line what is wrong with it, or what it does not say.

    What kind of log it is, its columns tell, whatever its name.
    """
    source = str(path)
    _check(options)
    with for_extra(_MORE_THAN_NUMBERS):
        table = _one_moment(table_of(read_log_text(path), source))
        context = _context(table, options)
        found: LogReading = _reader(context)(context)
    return found


def read_goodput(path: str | Path, options: LogOptions = PLAIN) -> Goodput:
    """Where a training run's time went, from its event log (:mod:`cprmodel.logs.training_events`)."""
    with for_extra(_MORE_THAN_NUMBERS):
        table = table_of(read_log_text(path), str(path))
        if not is_training_log(table):
            expected = "a training log: JSON lines with event and at (step, save, ...), or a goodput library's"
            raise JobError(str(path), [Problem("", "", expected)])
        return goodput_of(_context(table, options))


def _check(options: LogOptions) -> None:
    for name, value, known in (
        ("--rows", options.rows, ROWS),
        ("--dates", options.dates, DATES),
        ("--clock", options.clock, CLOCKS),
    ):
        if value is not None and value not in known:
            raise JobError(name, [Problem("", "", f'{" or ".join(known)}, not "{value}"')])
    if options.format is not None and options.format not in FORMATS:
        raise JobError("--format", [Problem("format", f'"{options.format}"', f"one of {', '.join(FORMATS)}")])
    unit_s(options.unit)
    window_option(options.window)
    date_option("--since", options.since)
    date_option("--until", options.until)
    if options.time_zone is not None:
        check_zone(options.time_zone)


def _pair(option: str, text: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise JobError(option, [Problem("", "", f'{example}, not "{text}"')])
    return name.strip(), value.strip()


def _context(table: Table, options: LogOptions) -> Context:
    named = dict(_pair("--column", one, "ROLE=NAME, such as start=Began") for one in options.column)
    for role, name in (("event", options.event_column), ("node", options.node_column)):
        if name is not None:
            named[role] = name
    if options.time_column is not None and options.time_column not in table.columns:
        shown = f'"{options.time_column}"'
        raise JobError(table.source, [Problem("column", shown, f"one of {', '.join(table.columns)}")])
    roles = roles_of(table.source, table.columns, named)
    where: dict[str, tuple[str, ...]] = {}
    for one in options.where:
        name, values = _pair("--where", one, "COLUMN=VALUE,VALUE, such as state=FAILED,NODE_FAIL")
        column = next((have for have in table.columns if have == name), None) or next(
            (have for have in table.columns if words_of(have) == words_of(name)), None
        )
        if column is None and words_of(name) in ("state", "event") and words_of(name) in roles:
            column = roles[words_of(name)]
        if column is None:
            raise JobError("--where", [Problem("column", f'"{name}"', f"one of {', '.join(table.columns)}")])
        more = tuple(value.strip() for value in values.split(",") if value.strip())
        where[column] = (*where.get(column, ()), *more)
    ledger = Ledger(table.lines)
    context = Context(table, roles, options, ledger, where)
    for column, chosen_values in where.items():
        if column in (roles.get("state"), roles.get("event")):
            continue
        cells = table.column(column).fill_null("")
        chosen = cells.is_in(list(chosen_values)).to_numpy()
        if not chosen.any():
            shown = ", ".join(sorted(set(cells.to_list()))[:12])
            raise JobError(
                "--where",
                [Problem(column, f'"{",".join(chosen_values)}"', f"values that the column holds: {shown}")],
            )
        ledger.drop(~chosen, f"{column} is another than {', '.join(chosen_values)}")
    return context


def _reader(context: Context) -> Any:
    """The room that reads this kind of log."""
    columns, roles, options = set(context.table.columns), context.roles, context.options
    if options.format == "infinitehbd" and not columns >= set(INFINITEHBD_COLUMNS):
        raise context.wrong("InfiniteHBD's list of events")
    if options.format == "lanl":
        if options.system is None:
            raise JobError(context.source, [Problem("--system", "", "the number of a LANL system, such as 18")])
        missing = [name for name in LANL_COLUMNS if name not in columns]
        if missing:
            raise context.wrong("LANL's columns", "column", f'"{missing[0]}"')
    if options.format == "fta" and not columns >= set(FTA_COLUMNS):
        raise context.wrong(f"the Failure Trace Archive's columns ({', '.join(FTA_COLUMNS)})")
    if options.format != "csv":
        if is_training_log(context.table):
            return read_training
        if columns >= set(FTA_COLUMNS):
            return read_availability
        if columns >= set(LANL_COLUMNS) and options.rows is None:
            return read_lanl
        if columns >= set(INFINITEHBD_COLUMNS) and "fault_start" in context.table.column("event_type").to_list():
            return read_infinitehbd
    return _by_roles(context, options, roles)


def _by_roles(context: Context, options: LogOptions, roles: dict[str, str]) -> Any:
    if options.rows == "runs":
        return read_runs
    if options.rows == "incidents":
        return read_incidents
    if options.time_column is not None or (options.window is not None and "start" not in roles):
        return read_plain
    spans = "start" in roles and "end" in roles
    if "down_end" in roles and "down_start" not in roles and "state" not in roles:
        created = [name for name in context.table.columns if re.match(r"creat", words_of(name))]
        begun = roles.get("start") or roles.get("moment") or (created[0] if created else None)
        if begun is not None:
            roles["down_start"] = begun
    if "event" in roles and not {"moment", "duration", "start", "end", "state"} & set(roles):
        timed = [name for name in context.table.columns if unit_in(name)]
        words = [] if _flags(context, roles["event"]) else context.cells("event").fill_null("").unique().to_list()
        if len(timed) == 1 and any(meaning_of_event(word) is Event.RECOVERY for word in words):
            roles["moment"] = timed[0]
    if "down_start" in roles and not ("state" in roles and spans):
        return read_incidents
    if "state" in roles:
        if spans or "duration" in roles or "end" in roles:
            return read_runs
        if "moment" in roles:
            roles.setdefault("event", roles["state"])
    if spans:
        if any(_OF_INCIDENTS.search(words_of(name)) for name in context.table.columns):
            return read_incidents
        if "event" in roles:
            return read_runs
        expected = (
            "runs (from a start until an interruption) or incidents (from an interruption until it was repaired)"
        )
        raise context.ask("--rows", expected)
    if "moment" in roles and "event" in roles and not _flags(context, roles["event"]):
        words = {cell for cell in context.cells("event").fill_null("").to_list() if cell}
        if _holds_moments(context, roles["moment"]) or any(
            meaning_of_event(one) is Event.RECOVERY for one in words
        ):
            return read_events
    if "duration" in roles and "event" in roles and not _flags(context, roles["event"]):
        words = {cell for cell in context.cells("event").fill_null("").to_list() if cell}
        if any(meaning_of_state(word) is not None for word in words) or roles["event"] in context.where:
            return read_runs
    if "start" in roles and "duration" in roles:
        raise context.ask("--rows", "runs, if an interruption ended each; else a column that says how each ended")
    return read_plain


def _flags(context: Context, name: str) -> bool:
    cells = {cell for cell in context.table.column(name).fill_null("").to_list() if cell}
    return all(meaning_of_flag(cell) is not None for cell in cells)


def _holds_moments(context: Context, name: str) -> bool:
    """Whether most cells of a column are dates or Unix times."""
    cells = context.table.column(name)
    known = cells.filter(~missing(cells)).head(500)
    numbers = numbers_of(known)
    if len(known) == 0 or np.isfinite(numbers).mean() > 0.5:
        return are_moments(numbers[np.isfinite(numbers)])
    if np.isfinite(durations_of(known, 1.0).seconds).mean() > 0.5:
        return False
    try:
        return bool(np.isfinite(moments_of(known, name).seconds).mean() > 0.5)
    except JobError:
        return True  # dates, of which it must be asked which number comes first


#: Where Kubernetes' events carry their moment, the surest first.
_KUBERNETES = (
    "last timestamp",
    "series last observed time",
    "event time",
    "first timestamp",
    "metadata creation timestamp",
)


def _one_moment(table: Table) -> Table:
    """Kubernetes' events carry their moment in one column or another: the first that is not empty."""
    found = [name for wanted in _KUBERNETES for name in table.columns if words_of(name) == wanted]
    if len(found) < 2 or words_of(found[0]) != "last timestamp" or not missing(table.column(found[0])).any():
        return table
    import polars as pl

    merged = pl.coalesce([pl.when(pl.col(name) != "").then(pl.col(name)) for name in found])
    frame = table.frame.with_columns(merged.alias(found[0]))
    note = f"{found[0]}, where it is empty {' or '.join(found[1:])}"
    return replace(table, frame=frame, notes=(*table.notes, note))
