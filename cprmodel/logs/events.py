"""Lists of events: nodes that fail and come back, incidents with a beginning and an end, times up and down."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel.facts.units import count_of
from cprmodel.logs.clocks import moments_of, numbers_of
from cprmodel.logs.context import Context, counted, first_nodes
from cprmodel.logs.plain import dated_moments
from cprmodel.logs.reading import Downtimes, LogReading, at_moments, from_durations
from cprmodel.logs.roles import words_of
from cprmodel.logs.states import Event, meaning_of_event, plain_word

__all__ = ["read_availability", "read_events", "read_incidents"]

_REPAIR = "from when a node failed until it was back"


def read_events(context: Context) -> LogReading:
    """Events with a moment and a word each: one job spans all the nodes, and each failure interrupts it."""
    context.duplicates()
    _nodes_only(context)
    words, meanings = _meanings(context)
    keep = context.ledger.keep
    read = context.moments("moment")
    context.ledger.drop(read.empty, f"no moment in the column {context.roles['moment']}")
    nodes = context.cells("node").fill_null("").to_list() if "node" in context.roles else [""] * len(keep)
    failed = np.array([one is Event.FAILURE for one in meanings]) & context.ledger.keep
    back = np.array([one is Event.RECOVERY for one in meanings]) & context.ledger.keep
    servers = None
    if "node" in context.roles:
        named = {node for node, here in zip(nodes, failed | back, strict=True) if here}
        chosen = first_nodes(context.source, named, context.options.servers)
        mine = np.array([node in chosen for node in nodes])
        context.ledger.drop(~mine & (failed | back), "of other servers")
        failed, back = failed & mine, back & mine
        servers = len(chosen)
        context.ledger.note(
            f"{count_of(servers, 'node')} {'are' if servers > 1 else 'is'} named, taken for one job; a node that "
            "never failed is in no such list"
        )
    elif context.options.servers is not None:
        raise context.wrong("a column of nodes", "--servers", str(context.options.servers))
    if not failed.any():
        raise context.wrong("at least one event that is a failure of a node")
    context.ledger.drop(~failed & ~back, "events that are neither a failure nor a recovery")
    moments = read.seconds[failed]
    last = float(np.max(read.seconds[failed | back]))
    states = _shown(words)
    base = context.base("events", "moment", "event", "node", clock="; ".join(read.words))
    found = dated_moments(context, base, moments, last, servers)
    repairs = _repairs(read.seconds, failed, back, nodes)
    return replace(found, states=states, downtimes=repairs)


def _nodes_only(context: Context) -> None:
    """Of Kubernetes' events those of nodes, where it has some."""
    name = next(
        (one for one in context.table.columns if words_of(one) in ("involved object kind", "regarding kind")), None
    )
    if name is None:
        return
    kinds = context.table.column(name).fill_null("")
    of_nodes = (kinds == "Node").to_numpy()
    if of_nodes.any():
        context.ledger.drop(~of_nodes, "events of other things than nodes")


def _meanings(context: Context) -> tuple[dict[str, tuple[int, Event]], list[Event]]:
    name = context.roles["event"]
    cells = context.cells("event").fill_null("")
    words = counted(cells, context.ledger.keep)
    wanted = context.named(name, words)
    known = {}
    for word in words:
        meaning = meaning_of_event(word)
        if wanted is not None:
            is_one = plain_word(word) in wanted
            meaning = Event.FAILURE if is_one else Event.OTHER if meaning is Event.FAILURE else meaning
        known[word] = meaning
    if not any(one is Event.FAILURE for one in known.values()):
        held = ", ".join(f"{word} {n:,}" for word, n in words.most_common(8))
        raise context.wrong(
            f"words that say that something failed; say which do, as in --where {name}=VALUE",
            f"column {name}",
            held,
        )
    table = {word: (rows, known[word]) for word, rows in words.items()}
    return table, [known.get(cell, Event.OTHER) for cell in cells.to_list()]


def _shown(words: dict[str, tuple[int, Event]]) -> tuple[tuple[str, int, str], ...]:
    said = {Event.FAILURE: "interruptions", Event.RECOVERY: "recoveries", Event.OTHER: "neither"}
    order = list(said)
    rows = sorted(words.items(), key=lambda one: (order.index(one[1][1]), -one[1][0]))
    return tuple((word, count, said[meaning]) for word, (count, meaning) in rows[:20])


def _repairs(seconds: Any, failed: Any, back: Any, nodes: list[str]) -> tuple[Downtimes, ...]:
    """From a node's failure to the next time that it is back."""
    rows = np.flatnonzero(failed | back)
    down: dict[str, float] = {}
    took = []
    for row in rows[np.argsort(seconds[rows], kind="stable")]:
        if failed[row]:
            down.setdefault(nodes[row], float(seconds[row]))
        elif nodes[row] in down:
            took.append(float(seconds[row]) - down.pop(nodes[row]))
    return (Downtimes("repair", _REPAIR, np.array(took)),) if took else ()


def read_incidents(context: Context) -> LogReading:
    """Incidents: each begins with an interruption, and lasts until what failed is repaired."""
    roles, ledger = context.roles, context.ledger
    for role in ("start", "end"):
        if f"down_{role}" not in roles and role in roles:
            roles[f"down_{role}"] = roles[role]
    if "down_start" not in roles:
        raise context.ask("--column", "a column of when incidents began: down_start=NAME")
    context.duplicates()
    start = context.moments("down_start")
    ledger.drop(start.empty, f"no moment in the column {roles['down_start']}")
    took: Any = np.zeros(0)
    end = context.moments("down_end") if "down_end" in roles else None
    if end is not None:
        with np.errstate(invalid="ignore"):
            backwards = end.seconds < start.seconds
        wrong = int(np.count_nonzero(backwards & ledger.keep))
        if wrong:
            ledger.note(
                f"{count_of(wrong, 'incident')} ended before it began: its beginning is used, its length not"
            )
        still = int(np.count_nonzero(end.empty & ledger.keep))
        if still:
            ledger.note(f"{count_of(still, 'incident')} without an end: counted, but not in the times of repair")
        lengths = (end.seconds - start.seconds)[ledger.keep & ~backwards]
        took = lengths[np.isfinite(lengths)]
    keep = ledger.keep
    servers = None
    if "node" in roles:
        nodes = context.cells("node").fill_null("").to_list()
        chosen = first_nodes(
            context.source, {n for n, k in zip(nodes, keep, strict=True) if k}, context.options.servers
        )
        ledger.drop([node not in chosen for node in nodes], "of other servers")
        servers = len(chosen)
        if len(chosen) > 1:
            ledger.note(f"{count_of(servers, 'node')} are named, taken for one job; one that never failed is not")
    elif context.options.servers is not None:
        raise context.wrong("a column of nodes", "--servers", str(context.options.servers))
    if not ledger.keep.any():
        raise context.wrong("at least one incident with a beginning")
    words = dict.fromkeys((*start.words, *(end.words if end else ())))
    base = context.base("incidents", "down_start", "down_end", "node", clock="; ".join(words))
    last = None
    if end is not None and np.isfinite(end.seconds[ledger.keep]).any():
        last = float(np.nanmax(end.seconds[ledger.keep]))
    found = dated_moments(context, base, start.seconds[ledger.keep], last, servers)
    meaning = "from the beginning of an incident to its end"
    return replace(found, downtimes=(Downtimes("repair", meaning, took),) if len(took) else ())


def read_availability(context: Context) -> LogReading:
    """The Failure Trace Archive's table: for each component of a node the times that it was up (1) and down (0).

    Of one node: a time up that a time down follows ended with a failure; the last one was cut short. With
    ``servers`` one job spans so many nodes, and each beginning of a time down interrupts it.
    """
    table = context.table
    context.duplicates()
    start = _moments(context, "event_start_time")
    stop = _moments(context, "event_stop_time")
    kinds = table.column("event_type").fill_null("").to_list()
    up = np.array([kind in ("1", "1.0") for kind in kinds])
    down = np.array([kind in ("0", "0.0") for kind in kinds])
    context.ledger.drop(~up & ~down, "neither a time up (1) nor a time down (0)")
    context.ledger.drop(~np.isfinite(start) | ~np.isfinite(stop), "no start or no stop")
    context.ledger.drop(stop < start, "ends before it starts")
    node = table.column("node_id").fill_null("").to_list()
    component = table.column("component_id").fill_null("").to_list() if "component_id" in table.columns else node
    keep = context.ledger.keep
    if not keep.any():
        raise context.wrong("at least one time up or down")
    context.roles.update(start="event_start_time", end="event_stop_time", event="event_type", node="node_id")
    states = Counter("1" if one else "0" for one, kept in zip(up, keep, strict=True) if kept)
    shown = tuple((word, states[word], said) for word, said in (("1", "up"), ("0", "down")) if states[word])
    repairs = (stop - start)[keep & down]
    downtimes = (Downtimes("repair", _REPAIR, repairs),) if len(repairs) else ()
    names = {one for one, kept in zip(node, keep, strict=True) if kept}
    begin, end = float(start[keep].min()), float(stop[keep].max())
    if context.options.servers is not None:
        chosen = first_nodes(context.source, names, context.options.servers)
        context.ledger.drop([one not in chosen for one in node], "of other servers")
        mine = context.ledger.keep & down & (start > begin)
        base = context.base("availability", "node", "event", "start", "end", clock="Unix time in seconds")
        found = at_moments(base, start[mine] - begin, end - begin, len(chosen))
        return replace(found, states=shown, downtimes=downtimes, begin=begin, end=end)
    observed = _ended_by_failure(start, stop, up, down, [*zip(node, component, strict=True)], keep)
    used = keep & up
    context.ledger.note(
        f"times up of single nodes, {count_of(len(names), 'node')} watched: what is fitted is one node's (nodes in "
        "a job file makes a job of so many, --servers a job of these)"
    )
    base = context.base("availability", "node", "event", "start", "end", clock="Unix time in seconds")
    if not used.any():
        raise context.wrong("at least one time up (event_type 1)")
    found = from_durations(base, (stop - start)[used], observed[used])
    return replace(found, states=shown, downtimes=downtimes, begin=begin, end=end, streams=len(names))


def _moments(context: Context, name: str) -> Any:
    numbers = numbers_of(context.table.column(name))
    if np.isfinite(numbers).any():
        return numbers  # seconds, of 1970 or of the trace
    return moments_of(context.table.column(name), f"column {name}", context.options.time_zone).seconds


def _ended_by_failure(start: Any, stop: Any, up: Any, down: Any, who: list[tuple[str, str]], keep: Any) -> Any:
    """Whether a time down of the same component follows each time up."""
    ids = {one: number for number, one in enumerate(dict.fromkeys(who))}
    numbers = np.array([ids[one] for one in who])
    rows = np.flatnonzero(keep)
    order = rows[np.lexsort((stop[rows], start[rows], numbers[rows]))]
    out = np.zeros(len(keep), dtype=bool)
    same = numbers[order[:-1]] == numbers[order[1:]]
    out[order[:-1]] = up[order[:-1]] & down[order[1:]] & same
    return out
