"""Two logs that are known by their columns: InfiniteHBD's fault trace and Los Alamos' failure log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import count_of
from cprmodel.logs.clocks import moments_of, numbers_of
from cprmodel.logs.context import Context, first_nodes
from cprmodel.logs.plain import dated_moments
from cprmodel.logs.reading import Downtimes, LogReading, at_moments

__all__ = ["INFINITEHBD_COLUMNS", "INFINITEHBD_SERVERS", "LANL_COLUMNS", "read_infinitehbd", "read_lanl"]

DAY_S = 86400.0
#: Servers of the InfiniteHBD cluster.
INFINITEHBD_SERVERS = 400
INFINITEHBD_COLUMNS = ("node_id", "event_time", "event_type")
LANL_COLUMNS = ("System", "nodenum", "Prob Started")


def read_infinitehbd(context: Context) -> LogReading:
    """Fault starts on servers, in days; 400 servers, of which those that never fault are not in the file."""
    table, servers = context.table, context.options.servers
    kinds = table.column("event_type")
    days = numbers_of(table.column("event_time"))
    if not np.isfinite(days).all():
        raise context.wrong("InfiniteHBD's list of events, with times in days")
    nodes = table.column("node_id").fill_null("").to_list()
    starting, ending = ((kinds == word).fill_null(False).to_numpy() for word in ("fault_start", "fault_end"))
    context.ledger.drop(~starting & ~ending, "neither fault_start nor fault_end")
    if not starting.any():
        raise context.wrong("InfiniteHBD's list of events, with a fault_start")
    end = float(days.max())
    if servers is not None and servers > INFINITEHBD_SERVERS:
        raise JobError(context.source, [Problem("--servers", str(servers), f"at most {INFINITEHBD_SERVERS}")])
    faulty = {node for node, is_start in zip(nodes, starting, strict=True) if is_start}
    # servers without a name are those that never fault; they are spread evenly among the others
    names = [*sorted(faulty), *[""] * (INFINITEHBD_SERVERS - len(faulty))]
    order = np.random.default_rng(0).permutation(INFINITEHBD_SERVERS)
    chosen = {names[i] for i in order[: servers or INFINITEHBD_SERVERS]}
    mine = np.array([node in chosen for node in nodes])
    context.ledger.drop(~mine & (starting | ending), "of other servers")
    context.roles.update(moment="event_time", event="event_type", node="node_id")
    repairs, down = [], dict[str, float]()
    for row in np.flatnonzero(mine)[np.argsort(days[mine], kind="stable")]:
        if starting[row]:
            down.setdefault(nodes[row], float(days[row]))
        elif ending[row] and nodes[row] in down:
            repairs.append((float(days[row]) - down.pop(nodes[row])) * DAY_S)
    base = context.base("events", "moment", "event", "node", clock="times in days from the beginning of the trace")
    found = at_moments(base, DAY_S * days[starting & mine], DAY_S * end, servers or INFINITEHBD_SERVERS)
    states = (
        ("fault_start", int(np.count_nonzero(starting)), "interruptions"),
        ("fault_end", int(np.count_nonzero(ending)), "recoveries"),
    )
    note = f"InfiniteHBD's trace: {count_of(servers or INFINITEHBD_SERVERS, 'server')} as one job"
    took = Downtimes("repair", "from fault_start to fault_end of a server", np.array(repairs))
    return replace(found, states=states, notes=(note, *found.notes), downtimes=(took,) if repairs else ())


def read_lanl(context: Context) -> LogReading:
    """Failures of one LANL system: its nodes together, by ``Prob Started``, from ``since`` on."""
    table, options = context.table, context.options
    if options.system is None:
        raise JobError(context.source, [Problem("--system", "", "the number of a LANL system, such as 18")])
    systems = table.column("System").fill_null("")
    started = moments_of(table.column("Prob Started"), "column Prob Started", options.time_zone, "month-first")
    context.ledger.drop((systems != str(options.system)).to_numpy(), "of other systems")
    if not context.ledger.keep.any():
        known = ", ".join(sorted(set(systems.to_list()), key=lambda s: (len(s), s)))
        raise JobError(context.source, [Problem("--system", str(options.system), f"one of {known}")])
    context.ledger.drop(~np.isfinite(started.seconds), "no date in Prob Started")
    if not context.ledger.keep.any():
        raise context.wrong("LANL's log, with dates in Prob Started")
    nodes = table.column("nodenum").fill_null("").to_list()
    keep = context.ledger.keep
    chosen = first_nodes(
        context.source, {node for node, kept in zip(nodes, keep, strict=True) if kept}, options.servers
    )
    last = float(np.max(started.seconds[keep]))  # the system may have left before the log ends
    context.ledger.drop([node not in chosen for node in nodes], "of other servers")
    keep = context.ledger.keep
    context.roles.update(down_start="Prob Started", node="nodenum")
    repairs = np.zeros(0)
    if "Prob Fixed" in table.columns:
        fixed = moments_of(table.column("Prob Fixed"), "column Prob Fixed", options.time_zone, "month-first")
        context.roles["down_end"] = "Prob Fixed"
        took = (fixed.seconds - started.seconds)[keep]
        repairs = took[np.isfinite(took) & (took >= 0)]
    base = context.base("incidents", "down_start", "down_end", "node", clock="; ".join(started.words))
    note = f"LANL's log: the {count_of(len(chosen), 'node')} of system {options.system} that it names as one job"
    base = replace(base, notes=(note, *base.notes))
    found = dated_moments(context, base, started.seconds[keep], last, len(chosen))
    meaning = "from Prob Started to Prob Fixed of a node"
    return replace(found, downtimes=(Downtimes("repair", meaning, repairs),) if len(repairs) else ())
