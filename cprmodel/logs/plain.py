"""Columns of times alone: durations, some cut short, or moments, in one observation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.logs.clocks import (
    Read,
    are_moments,
    durations_of,
    epoch_unit,
    missing,
    moments_of,
    numbers_of,
    unit_s,
)
from cprmodel.logs.context import Context, first_nodes
from cprmodel.logs.reading import LONGEST_S, RISING, LogReading, at_moments, from_durations
from cprmodel.logs.roles import unit_in, words_of
from cprmodel.logs.states import Meaning, meaning_of_flag, meaning_of_state, plain_word

__all__ = ["read_plain"]

#: Moments above it are dates (of 1979 and later), below it numbers of another clock [s].
_FIRST_DATE = 3e8
#: A column with more different words than this is free text, whatever they are.
_MOST_WORDS = 50
NODE_COLUMNS = ("node", "server", "host")


def read_plain(context: Context) -> LogReading:
    """Durations or moments, by what they look like and what the user says; how that was decided is said, too."""
    options, ledger = context.options, context.ledger
    name = _time_column(context)
    context.roles.setdefault("time", name)
    flags = _flags(context, name)
    empty = missing(context.table.column(name))
    ledger.drop(empty, f"no time in the column {name}")
    if not ledger.keep.any():
        raise context.wrong("at least one time")
    numbers = numbers_of(context.table.column(name))
    dated = _dated(context, name, numbers)
    if dated is not None:
        return _moments(context, name, dated, flags, dated=True)
    read = durations_of(context.table.column(name), unit_s(options.unit or unit_in(name)))
    context.unreadable(name, read, "a time, a number of at least 0")
    negative = np.nan_to_num(read.seconds) < 0
    if (negative & ledger.keep).any():
        row = int(np.argmax(negative & ledger.keep))
        cell = context.table.column(name)[row]
        raise context.wrong("a time, a number of at least 0", context.place(row), f'"{cell}"')
    long = np.nan_to_num(read.seconds) > LONGEST_S
    if (long & ledger.keep).any():
        row = int(np.argmax(long & ledger.keep))
        expected = f"a time of at most {LONGEST_S:g} s"
        raise context.wrong(expected, context.place(row), f'"{context.table.column(name)[row]}"')
    if _is_moments(context, name, read, flags):
        return _moments(context, name, read, flags, dated=False)
    _check_servers(context)
    clock = context.unit_words(name) if np.isfinite(numbers[ledger.keep]).all() else "times with their units"
    observed = np.ones(len(empty), dtype=bool) if flags is None else flags
    base = context.base("durations", "time", "event", clock=clock)
    return from_durations(base, read.seconds[ledger.keep], observed[ledger.keep])


def _time_column(context: Context) -> str:
    options, columns = context.options, context.table.columns
    if options.time_column is not None:
        return options.time_column  # roles_of has looked whether it is there
    for role in ("duration", "moment", "end"):
        if role in context.roles:
            return context.roles[role]
    if len(columns) == 1:
        return columns[0]
    others = {context.roles[role] for role in ("event", "node", "nodes", "state") if role in context.roles}
    left = [name for name in columns if name not in others]
    named = [name for name in left if unit_in(name) or words_of(name) in ("time", "duration", "t")]
    if len(named) == 1:
        return named[0]
    if not context.table.has_heading and len(columns) == 2:
        return columns[0]
    first = ", ".join(f'"{context.table.column(name)[0]}"' for name in columns[:6])
    expected = f"one of {', '.join(columns)}, for none is plainly times or moments (the first row has {first})"
    raise JobError(context.source, [Problem("--time-column", "", expected)])


def _flags(context: Context, time: str) -> Any:
    """Whether an interruption ended each row; None where no column says so."""
    table, ledger = context.table, context.ledger
    name = context.options.event_column or context.roles.get("event")
    if name is None and not table.has_heading and len(table.columns) == 2:
        name = next(one for one in table.columns if one != time)
    if name is None and table.has_heading and (context.roles.get("duration") == time or unit_in(time)):
        name = _column_of_ends(context, time)
    if name is None or name == time:
        return None
    context.roles["event"] = name
    cells = table.column(name).fill_null("")
    ledger.drop(missing(cells), f"nothing in the column {name}")
    known = _meanings_of_flags(context, name, sorted({one for one in cells.to_list() if one.strip()}))
    reverse = words_of(name) == "censored"
    if reverse:
        ledger.note(f"{name}: 1 is taken for cut short, 0 for an interruption")
    return np.array([known.get(cell, False) != reverse for cell in cells.to_list()])


def _column_of_ends(context: Context, time: str) -> str | None:
    """The one column, whatever its name, whose words all say how a time ended, not all in the same way."""
    ends = {Meaning.INTERRUPTION, Meaning.CENSORED}
    taken = {time, *context.where}
    found = []
    for name in context.table.columns:
        if name not in taken:
            words = {one for one in context.table.column(name).fill_null("").to_list() if one.strip()}
            if len(words) <= _MOST_WORDS and {meaning_of_state(word) for word in words} == ends:
                found.append(name)
    return found[0] if len(found) == 1 else None


def _meanings_of_flags(context: Context, name: str, words: list[str]) -> dict[str, bool]:
    """Whether each word says that an interruption ended the time."""
    chosen = context.where.get(name)
    if chosen is not None:
        wanted = {plain_word(one) for one in chosen}
        absent = wanted - {plain_word(word) for word in words}
        if absent:
            shown = f'"{next(one for one in chosen if plain_word(one) in absent)}"'
            raise JobError(
                "--where", [Problem(name, shown, f"values that the column holds: {', '.join(words[:12])}")]
            )
        return {word: plain_word(word) in wanted for word in words}
    flags = {word: meaning_of_flag(word) for word in words}
    if all(flag is not None for flag in flags.values()):
        return {word: bool(flag) for word, flag in flags.items()}
    meanings = {word: meaning_of_state(word) for word in words}
    unknown = [word for word in words if meanings[word] in (None, Meaning.NEITHER)]
    if unknown:
        row = context.table.column(name).to_list().index(unknown[0])
        expected = (
            f"1 (an interruption) or 0 (cut short) in the column {name}, or a state that is known; "
            f"--where {name}=VALUE says which words are interruptions"
        )
        raise context.wrong(expected, context.place(row), f'"{unknown[0]}"')
    for meaning in (Meaning.INTERRUPTION, Meaning.CENSORED):
        these = [word for word in words if meanings[word] is meaning]
        if these:
            context.ledger.note(f"{name}: {meaning.value}: {', '.join(these)}")
    return {word: meanings[word] is Meaning.INTERRUPTION for word in words}


def _dated(context: Context, name: str, numbers: Any) -> Read | None:
    """The column as dates or Unix times; None where it holds other numbers."""
    options, keep = context.options, context.ledger.keep
    if options.clock == "durations":
        return None
    known = numbers[keep]
    if np.isfinite(known).all():
        unit = epoch_unit(known) if options.unit is None else None
        if options.unit is not None and epoch_unit(known * unit_s(options.unit)) == "s":
            unit = epoch_unit(known)
        plain = options.unit is None and unit_in(name) is None and context.roles.get("duration") != name
        if unit is None and not (plain and are_moments(known)):
            return None
        return moments_of(context.table.column(name), f"column {name}", options.time_zone)
    if np.isfinite(known).mean() > 0.5:
        return None  # a column of numbers, and of a few mistakes
    some = context.table.column(name).filter(keep).head(500)
    if np.isfinite(durations_of(some, 1.0).seconds).mean() > 0.5:
        return None
    read = moments_of(context.table.column(name), f"column {name}", options.time_zone, options.dates)
    if not np.isfinite(read.seconds[keep]).any():
        return None
    context.unreadable(name, read, f"a date in the column {name}")
    return read


def _is_moments(context: Context, name: str, read: Read, flags: Any) -> bool:
    options, ledger = context.options, context.ledger
    if options.clock is not None:
        return options.clock == "moments"
    if options.window is not None:
        return True
    values = read.seconds[ledger.keep]
    steps = np.diff(values)
    rising = len(values) >= RISING and bool(np.all(steps >= 0)) and 2 * np.count_nonzero(steps) > len(steps)
    if not rising:
        if (
            1 < len(values) < RISING
            and bool(np.all(steps > 0))
            and flags is None
            and "duration" not in context.roles
        ):
            ledger.note(
                f"the times rise, but {len(values)} are too few to tell: taken for durations (else --clock moments)"
            )
        return False
    if flags is not None or context.roles.get("duration") == name:
        why = "each has its flag" if flags is not None else "the column's name says so"
        ledger.note(f"the times rise from row to row: taken for durations, since {why} (--clock moments: moments)")
        return False
    ledger.note(
        "the times rise from row to row: taken for moments (--clock durations: times between interruptions)"
    )
    return True


def _moments(context: Context, name: str, read: Read, flags: Any, dated: bool) -> LogReading:
    options, ledger = context.options, context.ledger
    window = context.window()
    ledger.drop(~np.isfinite(read.seconds), f"no moment in the column {name}")
    keep = ledger.keep
    if not keep.any():
        raise context.wrong(f"a moment in the column {name}")
    if flags is not None and not flags[keep].all():
        expected = "event times alone, without events that did not happen"
        raise JobError("--window" if window is not None else context.source, [Problem("", "", expected)])
    chosen: set[str] | None = None
    if "node" in context.roles and (options.servers is not None or window is not None):
        nodes = context.cells("node").fill_null("").to_list()
        chosen = first_nodes(
            context.source, {node for node, kept in zip(nodes, keep, strict=True) if kept}, options.servers
        )
        ledger.drop([node not in chosen for node in nodes], "of other servers")
        keep = ledger.keep
    else:
        _check_servers(context)
    servers = None if chosen is None else len(chosen)
    seconds = read.seconds[keep]
    falls = int(np.count_nonzero(np.diff(seconds) < 0))
    if falls:
        ledger.note(f"the moments are not in order ({falls:,} come before the row above): sorted")
        if read.without_zone and np.max(-np.diff(seconds)) <= 3600 and falls <= 2 + len(seconds) // 1000:
            ledger.note("they go back by at most an hour: perhaps the clock was changed (--time-zone says which)")
    clock = "; ".join(read.words) if dated else context.unit_words(name)
    if not dated:
        base = context.base("moments", "time", "node", clock=clock)
        return at_moments(base, seconds, window, servers)
    return dated_moments(context, context.base("moments", "time", "node", clock=clock), seconds, None, servers)


def dated_moments(
    context: Context, base: LogReading, seconds: Any, last: float | None, servers: int | None
) -> LogReading:
    """Interruptions at dates: between --since and --until where given, else from the first one on.

    ``last`` is when the log still told something, where that was after the last interruption.
    """
    since, until = context.between()
    window = context.window()
    inside = np.ones(len(seconds), dtype=bool)
    if since is not None:
        inside &= seconds >= since
    if until is not None:
        inside &= seconds <= until
    if not inside.any():
        raise context.wrong("at least one interruption between --since and --until")
    seconds = np.sort(seconds[inside])
    left_out = int(np.count_nonzero(~inside))
    if left_out:
        note = f"{left_out:,} interruptions outside --since and --until are left out"
        base = replace(base, used=base.used - left_out, notes=(*base.notes, note))
    begin = float(seconds[0]) if since is None else since
    if window is not None:
        if until is not None and since is None:
            begin = until - window
        end: float | None = begin + window
    else:
        end = until if until is not None else (None if last is None else max(last, float(seconds[-1])))
    dated = float(seconds[0]) > _FIRST_DATE
    if end is None or (end <= seconds[-1] and since is None):
        found = at_moments(base, seconds, None, servers)
        return replace(found, begin=float(seconds[0]), end=float(seconds[-1])) if dated else found
    found = at_moments(base, seconds - begin, end - begin, servers)
    if since is None and window is None and until is None:
        note = "the first interruption starts the clock; the last thing that the log tells ends the observation"
        found = replace(found, merged=max(found.merged - 1, 0), notes=(note, *found.notes))
    elif since is None and window is not None and until is None:
        note = "the window begins with the first moment, which starts the clock"
        found = replace(found, merged=max(found.merged - 1, 0), notes=(note, *found.notes))
    return replace(found, begin=begin, end=end) if dated else found


def _check_servers(context: Context) -> None:
    """``servers`` chooses among the nodes of moments."""
    servers = context.options.servers
    if servers is None:
        return
    if "node" not in context.roles and context.options.window is not None:
        raise context.wrong(f"a column of nodes ({', '.join(NODE_COLUMNS)})", "--servers", str(servers))
    expected = "event times (with --window), of which it would choose; each duration stands for itself"
    raise context.wrong(expected, "--servers", str(servers))
