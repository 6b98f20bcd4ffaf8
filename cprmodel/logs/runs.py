"""Tables of runs: sacct, schedulers' accounts, job tables of public traces.

A run that an interruption ended is one time between interruptions; another run's time is cut short when it ends. So
the exposure is the time that runs ran, and waiting between them is no part of it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel.facts.units import count_of, format_time
from cprmodel.logs.clocks import missing
from cprmodel.logs.context import Context, counted, mapped
from cprmodel.logs.reading import Downtimes, LogReading, from_durations
from cprmodel.logs.roles import words_of
from cprmodel.logs.states import RUNNING, SLURM_CODES, Meaning, meaning_of_flag, meaning_of_state, plain_word

__all__ = ["read_runs"]

_SAID = {
    Meaning.INTERRUPTION: "interruptions",
    Meaning.CENSORED: "cut short without one",
    Meaning.NEITHER: "neither",
}
_ORDER = tuple(_SAID)
_STEP = r"^(.+)\.(?:batch|extern|interactive|\d+)$"
#: Elapsed times that differ from end less start by more than this, and by this share, are worth a line.
_DIFFERS_S, _DIFFERS = 60.0, 0.01


def read_runs(context: Context) -> LogReading:
    """Runs by start and end, start and duration, duration alone, or (one after the other) end alone."""
    ledger, roles = context.ledger, context.roles
    context.duplicates()
    _drop_steps(context)
    meanings = _states(context)
    ledger.drop(meanings == _ORDER.index(Meaning.NEITHER), "never ran, by its state")
    observed = meanings == _ORDER.index(Meaning.INTERRUPTION)
    running = _still_running(context)
    start, end = (context.moments(role) if role in roles else None for role in ("start", "end"))
    clock = "; ".join(dict.fromkeys((*(start.words if start else ()), *(end.words if end else ()))))
    began = None if start is None else start.seconds
    ended = None if end is None else np.where(running, np.nan, end.seconds)
    if "duration" in roles:
        read = context.durations("duration")
        seconds = read.seconds
        clock = clock or "; ".join(read.words) or context.unit_words(roles["duration"])
        if began is not None and ended is not None:
            _compare(context, seconds, ended - began)
            seconds = np.where(np.isfinite(seconds), seconds, ended - began)
    elif began is not None and ended is not None:
        seconds = ended - began
    elif ended is not None:
        return _ends_alone(context, ended, observed, meanings, clock)
    else:
        raise context.ask(
            "--column", "a column of ends or of durations beside the starts: duration=NAME or end=NAME"
        )
    if began is not None and running.any():
        seconds = _until_the_log_ends(context, seconds, began, ended, running)
    never = np.isfinite(seconds) & (seconds < 0)
    ledger.drop(never, "ends before it starts")
    ledger.drop(observed & ~np.isfinite(seconds), "interrupted, but no end and no duration")
    ledger.drop(~np.isfinite(seconds), "no end and no duration")
    if began is not None:
        _since(context, began)
    keep = ledger.keep
    if not keep.any():
        raise context.wrong("at least one run with a start and an end, or with a duration")
    size, sizes = context.size()
    if began is not None and ended is None:
        ended = began + seconds
    downtimes, streams, ends = _over_time(context, began, ended, seconds, observed)
    submit = _waits(context, began)
    how = "state" if "state" in roles else "event"
    base = context.base("runs", "job", how, "submit", "start", "end", "duration", "nodes", clock=clock)
    found = from_durations(base, seconds[keep], observed[keep])
    exposure = servers = None
    if sizes is not None and np.isfinite(sizes[keep]).all():
        exposure = float(np.sum(sizes[keep] * seconds[keep]))
        if exposure > 0 and "gpu" not in words_of(roles["nodes"]):
            servers = max(1, round(exposure / float(np.sum(seconds[keep]))))
    if ends is not None and len(ends) == len(found.durations_s):
        found = replace(found, ends_s=ends, window_s=float(ends[-1]))
    moments = None
    numbers = start is not None and start.clock == "numbers"
    if began is not None and np.isfinite(began[keep]).any() and not numbers:
        last = np.where(np.isfinite(ended), ended, began) if ended is not None else began
        moments = float(np.nanmin(began[keep])), float(np.nanmax(last[keep]))
    return replace(
        found,
        states=_shown(context, meanings),
        size=size,
        streams=streams,
        node_exposure_s=exposure,
        servers=servers,
        downtimes=(*downtimes, *submit),
        begin=moments[0] if moments else None,
        end=moments[1] if moments else None,
    )


def _drop_steps(context: Context) -> None:
    if "job" not in context.roles:
        return
    cells = context.cells("job").fill_null("")
    if not cells.str.contains(".", literal=True).any():
        return
    steps = cells.str.contains(_STEP)
    of_jobs = cells.str.extract(_STEP, 1).is_in(cells.unique().implode())  # 1.0 alone is a job, numbered by a table
    named = cells.str.contains(r"\.(?:batch|extern|interactive)$")
    context.ledger.drop(
        (steps & (of_jobs | named)).fill_null(False).to_numpy(), "a step of a job (.batch, .extern, .0)"
    )


def _states(context: Context) -> Any:
    """What each row's end says: a place in ``_ORDER``."""
    role = "state" if "state" in context.roles else "event"
    if role not in context.roles:
        context.ledger.note("no column says how a run ended: each is taken to end with an interruption")
        return np.zeros(len(context.table), dtype=int)
    name = context.roles[role]
    cells = context.cells(role).fill_null("")
    context.ledger.drop(missing(cells), f"no state in the column {name}")
    known = _meanings(context, name, counted(cells, context.ledger.keep), role == "event")
    kinds = {plain_word(word) for word, meaning in known.items() if meaning is Meaning.INTERRUPTION}
    if name not in context.where and len(kinds) > 1:
        one = next(word for word in sorted(kinds, key=lambda word: (word != "NODE_FAIL", word)))
        context.ledger.note(f"which states are interruptions can be said otherwise, such as --where {name}={one}")
    return mapped(cells, {word: _ORDER.index(meaning) for word, meaning in known.items()}, len(_ORDER) - 1)


def _shown(context: Context, meanings: Any) -> tuple[tuple[str, int, str], ...]:
    """The words of the states in the rows that are used, how often, and what they were taken for."""
    role = "state" if "state" in context.roles else "event"
    if role not in context.roles:
        return ()
    plain: Counter[tuple[int, str]] = Counter()
    for place in range(len(_ORDER)):
        for cell, rows in counted(context.cells(role), context.ledger.keep & (meanings == place)).items():
            plain[place, plain_word(cell) or cell] += rows
    found = sorted(plain.items(), key=lambda one: (one[0][0], -one[1]))
    return tuple((word, rows, _SAID[_ORDER[place]]) for (place, word), rows in found)


def _meanings(context: Context, name: str, words: Counter[str], flags: bool) -> dict[str, Meaning]:
    wanted = context.named(name, words)
    if wanted is not None:
        return {
            word: Meaning.INTERRUPTION
            if plain_word(word) in wanted
            else Meaning.NEITHER
            if meaning_of_state(word) is Meaning.NEITHER
            else Meaning.CENSORED
            for word in words
        }
    as_flags = {word: meaning_of_flag(word) for word in words}
    if flags and all(flag is not None for flag in as_flags.values()):
        return {word: Meaning.INTERRUPTION if flag else Meaning.CENSORED for word, flag in as_flags.items()}
    numbers = _numbers(context, name, words)
    if numbers is not None:
        return numbers
    found = {word: meaning_of_state(word) for word in words}
    unknown = Counter({word: n for word, n in words.items() if found[word] is None})
    if unknown:
        held = ", ".join(f"{word} {n:,}" for word, n in unknown.most_common(8))
        expected = f"states that are known; say which values are interruptions, as in --where {name}=VALUE,VALUE"
        raise context.wrong(expected, f"column {name}", held)
    return {word: meaning for word, meaning in found.items() if meaning is not None}


def _numbers(context: Context, name: str, words: Counter[str]) -> dict[str, Meaning] | None:
    """Of states that are numbers: exit codes, flags, or Slurm's own; None where they are words, or not known."""
    if re.search(r"\b(?:exit|return|code|exitcode|rc)\b", words_of(name)):
        codes = {word: meaning_of_state(word, is_code=True) for word in words}
        return None if None in codes.values() else {word: one for word, one in codes.items() if one is not None}
    if not all(re.fullmatch(r"\d+(?:\.0)?", word) for word in words):
        return None
    values = {word: int(float(word)) for word in words}
    if set(values.values()) <= {0, 1}:
        context.ledger.note(f"{name}: 1 is taken for an interruption, 0 for none")
        return {word: Meaning.INTERRUPTION if value else Meaning.CENSORED for word, value in values.items()}
    slurm = {"job idraw", "id job", "time start", "time end", "nodelist", "nodes alloc", "job id"}
    if slurm & {words_of(column) for column in context.table.columns} and set(values.values()) <= set(SLURM_CODES):
        shown = ", ".join(f"{value} {SLURM_CODES[value]}" for value in sorted(set(values.values())))
        context.ledger.note(f"{name}: numbers, taken for Slurm's states: {shown}")
        meanings = {word: meaning_of_state(SLURM_CODES[value]) for word, value in values.items()}
        return {word: one for word, one in meanings.items() if one is not None}
    return None


def _still_running(context: Context) -> Any:
    """Which runs were under way when the log was written."""
    if "state" not in context.roles:
        return np.zeros(len(context.table), dtype=bool)
    cells = context.cells("state").fill_null("")
    running = {cell: int(plain_word(cell) in RUNNING) for cell in cells.unique().to_list()}
    return mapped(cells, running) == 1


def _compare(context: Context, seconds: Any, between: Any) -> None:
    """A line where the duration is another than end less start: the job was suspended, or a clock was changed."""
    with np.errstate(invalid="ignore"):
        differs = np.abs(seconds - between) > np.maximum(_DIFFERS_S, _DIFFERS * seconds)
    many = int(np.count_nonzero(differs & context.ledger.keep))
    if many:
        name = context.roles["duration"]
        context.ledger.note(
            f"{name} is another than end less start in {count_of(many, 'row')} (suspended, or a clock changed): "
            f"{name} is used"
        )


def _until_the_log_ends(context: Context, seconds: Any, began: Any, ended: Any, running: Any) -> Any:
    """Runs that still go on are cut short at the last moment in the log, where they don't say how long they ran."""
    open_runs = running & ~np.isfinite(seconds) & np.isfinite(began)
    if not open_runs.any():
        return seconds
    last = float(np.nanmax(np.concatenate([began, ended if ended is not None else began])))
    context.ledger.note(
        f"{count_of(int(np.count_nonzero(open_runs)), 'run')} under way: cut short at the last moment in the log"
    )
    return np.where(open_runs, last - began, seconds)


def _since(context: Context, began: Any) -> None:
    since, until = context.between()
    if since is not None:
        context.ledger.drop(began < since, f"started before {context.options.since}")
    if until is not None:
        context.ledger.drop(began > until, f"started after {context.options.until}")


def _over_time(
    context: Context, began: Any, ended: Any, seconds: Any, observed: Any
) -> tuple[list[Downtimes], int | None, Any]:
    """Times from an interruption to the next start, how many runs went at once, and the clock of a single job."""
    keep = context.ledger.keep
    if began is None or not np.isfinite(began[keep]).all():
        return [], None, None
    rows = np.flatnonzero(keep)
    order = rows[np.argsort(began[rows], kind="stable")]
    finish = np.where(np.isfinite(ended[order]), ended[order], began[order] + seconds[order])
    at_once = _at_once(began[order], finish)
    restarts: list[float] = []
    ids = context.cells("job").fill_null("").to_list() if "job" in context.roles else None
    if at_once == 1:
        pairs = [(order[at], order[at + 1], finish[at]) for at in range(len(order) - 1)]
    else:
        context.ledger.note(
            f"runs overlap, up to {at_once:,} at a time: each is taken for a job of its own, and what is fitted is "
            "the time to an interruption of one job"
        )
        pairs = _same_job(order, ids, finish) if ids is not None else []
    for one, following, when in pairs:
        if observed[one] and began[following] >= when:
            restarts.append(float(began[following] - when))
    found = []
    if restarts:
        meaning = "from an interruption to the next start of the job: noticing, repair, waiting for nodes"
        found.append(Downtimes("restart", meaning, np.array(restarts)))
    ends = None
    if at_once == 1:
        positive = seconds[order] > 0
        if np.array_equal(order, rows):
            ends = np.cumsum(seconds[order])[positive]
    return found, at_once, ends


def _at_once(began: Any, finish: Any) -> int:
    """Most runs at the same time; one that starts as another ends comes after it."""
    moments = np.concatenate([began, finish])
    change = np.concatenate([np.ones(len(began)), -np.ones(len(finish))])
    order = np.lexsort((change, moments))
    return max(int(np.max(np.cumsum(change[order]))), 1)


def _same_job(order: Any, ids: list[str], finish: Any) -> list[tuple[int, int, float]]:
    """Runs of a job and its next run, by the job's name."""
    if len(set(ids)) == len(ids):
        return []
    last: dict[str, tuple[int, float]] = {}
    pairs = []
    for row, when in zip(order, finish, strict=True):
        name = ids[row]
        if name and name in last:
            pairs.append((last[name][0], int(row), last[name][1]))
        last[name] = (int(row), float(when))
    return pairs


def _waits(context: Context, began: Any) -> list[Downtimes]:
    """How long runs waited for their start."""
    if "submit" not in context.roles or began is None:
        return []
    submitted = context.moments("submit").seconds
    waits = (began - submitted)[context.ledger.keep]
    waits = waits[np.isfinite(waits) & (waits >= 0)]
    return [Downtimes("queue", "from when a run was asked for until it started", waits)] if len(waits) else []


def _ends_alone(context: Context, ended: Any, observed: Any, meanings: Any, clock: str) -> LogReading:
    """Runs one after the other, of which the ends are known: the first end starts the clock."""
    context.ledger.drop(~np.isfinite(ended), "no end")
    rows = np.flatnonzero(context.ledger.keep)
    order = rows[np.argsort(ended[rows], kind="stable")]
    if len(order) < 2:
        raise context.wrong("two ends at least: the first one starts the clock")
    gaps = np.diff(ended[order])
    length = format_time(float(ended[order[-1]] - ended[order[0]]))
    context.ledger.note(
        f"ends alone: the first one starts the clock, {length} to the last, and the time between two ends counts "
        "as run time (waiting is in it)"
    )
    base = context.base("runs", "job", "state", "event", "end", clock=clock)
    found = from_durations(base, gaps, observed[order][1:])
    ends = (ended[order][1:] - ended[order[0]])[gaps > 0]
    found = replace(found, states=_shown(context, meanings), ends_s=ends, window_s=float(ends[-1]))
    if ended[order[0]] < 3e8:  # numbers, and no dates
        return found
    return replace(found, begin=float(ended[order[0]]), end=float(ended[order[-1]]))
