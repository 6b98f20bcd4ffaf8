"""Which column says what, by the words in its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cprmodel.facts.errors import JobError, Problem

__all__ = ["ROLES", "roles_of", "unit_in", "words_of"]

#: What a column can be → patterns over the words of its name, the surest first. A column has one role.
_PATTERNS: dict[str, tuple[str, ...]] = {
    "down_start": (
        r"^prob(?:lem)? started$",
        r"(?:fault|failure|outage|incident|down|downtime|problem|unavail\w*) (?:start|started|begin|began|from)",
        r"^(?:failed|down|failure|fault|outage|incident) (?:at|time|date|since|timestamp)$",
        r"^(?:date|time) (?:of )?(?:failure|fault|outage|incident)$",
        r"^(?:detected|discovered|opened|reported|triggered)(?: at| on| time)?$",
    ),
    "down_end": (
        r"^prob(?:lem)? fixed$",
        r"(?:fault|failure|outage|incident|down|downtime|problem|unavail\w*) (?:end|ended|stop|stopped|over|until)",
        r"^(?:fixed|repaired|resolved|restored|recovered|mitigated|closed|back up|up again)"
        r"(?: at| on| time| date)?$",
        r"^(?:up|recovery|repair|restore|resolution) (?:at|time|date|timestamp)$",
    ),
    "start": (
        r"^start(?:ed)?(?: at| time| date| timestamp| ts)?$",
        r"^(?:time|date|job|run) start(?:ed)?(?: time| at)?$",
        r"^begin(?: at| time)?$|^began$",
        r"^(?:launch|launched|running)(?: at| time)?$",
        r"^(?:insert|inserted|install|installed|in service|first seen|from)(?: at| time| date)?$",
    ),
    "end": (
        r"^(?:end|ended)(?: at| time| date| timestamp| ts)?$",
        r"^(?:time|date|job|run) end(?:ed)?(?: time| at)?$",
        r"^(?:finish|finished|completion|completed|stop|stopped|terminated|termination|exit)(?: at| time| date)$",
        r"^(?:finish|finished|stop|stopped|until|to)$",
        r"^(?:remove|removed|retired|last seen|last)(?: at| time| date)?$",
    ),
    "submit": (
        r"^(?:submit|submitted|submission|eligible|queued|enqueued|requested)(?: at| time| date)?$",
        r"^time submi\w+$",
    ),
    "duration": (
        r"^(?:elapsed|duration|run ?time|wall ?time|wall clock time|uptime)\b",
        r"^(?:ttf|tbf|time to failure|time between failures|lifetime|life|age|survival|gap|interval)\b",
        r"\b(?:elapsed|duration|lifetime|runtime)\b",
        r"\bbetween (?:interruptions|failures|faults|errors)\b",
    ),
    "moment": (
        r"^last timestamp$",
        r"^event time$",
        r"^(?:timestamp|datetime|date time|occurred|ts|when|moment)(?: at)?$",
        r"^(?:time|date|at|t)$",
        r"\b(?:timestamp|datetime)$",
        r"^(?:first timestamp|creation timestamp|deprecated last timestamp)$",
    ),
    "state": (
        r"^(?:job )?state$|^state current$",
        r"^(?:job |final )?status$",
        r"^(?:exit|end|termination|finish) (?:reason|status|state|cause)$",
        r"^(?:outcome|result|reason for end)$",
        r"^(?:exit code|exitcode|return code|derived exit code)$",
    ),
    "event": (
        r"^(?:event|observed|failed|died|dead|censored|uncensored|interrupted)$",
        r"^(?:is |has )?(?:failure|fail|failed|interruption|death|event)(?: flag)?$",
        r"^(?:event type|event name)$",
        r"^reason$",
        r"^(?:type|action|message|event kind|kind of event)$",
    ),
    "job": (r"^job ?id$|^id job$|^job ?name$|^job idraw$", r"^(?:job|run|run id|task id)$", r"^id$"),
    "nodes": (
        r"^(?:node ?list|node names|hosts|host list|hostlist|exec hosts?)$",
        r"^(?:nodes|n ?nodes|num nodes|node num|node count|alloc nodes|allocation nodes|nnodes|servers)$",
        r"^(?:gpus|n ?gpus|num gpus|gpu num|gpu count)$",
    ),
    "node": (
        r"^(?:node|server|host|machine|hostname|nodenum|node name|node id|nodename|host ?id)$",
        r"^(?:involved object|regarding) name$",
        r"^(?:instance|serial number|sn|device|component|involved object)$",
        r"\b(?:node|host)(?: name| id)?$",
        r"^unit(?: id)?$",
    ),
}
ROLES = tuple(_PATTERNS)
_UNITS = {
    "ns": "ns", "us": "us", "ms": "ms", "msec": "ms", "millis": "ms", "milliseconds": "ms",
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "min": "min", "mins": "min", "minute": "min", "minutes": "min",
    "h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "d": "d", "day": "d", "days": "d",
    "week": "week", "weeks": "week", "year": "year", "years": "year",
}  # fmt: skip


def words_of(name: str) -> str:
    """The words of a name, in small letters: ``StartTime``, ``start_time`` and ``Start time`` are one.

    >>> words_of("lastTimestamp"), words_of("JobIDRaw"), words_of("time (h)"), words_of("involvedObject.name")
    ('last timestamp', 'job idraw', 'time h', 'involved object name')
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.findall(r"[a-z0-9]+", spaced.lower()))


def unit_in(name: str) -> str | None:
    """The unit that a column's name ends with.

    >>> unit_in("duration_s"), unit_in("hours"), unit_in("time [h]"), unit_in("Elapsed"), unit_in("TTF (days)")
    ('s', 'h', 'h', None, 'd')
    """
    words = words_of(name).split()
    if not words or (len(words) == 1 and len(words[0]) <= 2):
        return None
    if len(words[0]) > 2 and words[0] in _UNITS:  # "hours between failures"
        return _UNITS[words[0]]
    return _UNITS.get(words[-1])


def _without_unit(name: str) -> str:
    words = words_of(name).split()
    return " ".join(words[:-1]) if len(words) > 1 and words[-1] in _UNITS else " ".join(words)


def roles_of(
    source: str, columns: Sequence[str], named: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Role → column: what the user named, and what the names tell.

    >>> roles_of("x", ["JobID", "State", "Start", "End", "Elapsed", "NodeList"])
    {'start': 'Start', 'end': 'End', 'duration': 'Elapsed', 'state': 'State', 'job': 'JobID', 'nodes': 'NodeList'}
    """
    found: dict[str, str] = {}
    for role, name in named.items():
        if role not in ROLES:
            raise JobError("--column", [Problem("role", f'"{role}"', f"one of {', '.join(ROLES)} before the =")])
        if name not in columns:
            raise JobError(source, [Problem("column", f'"{name}"', f"one of {', '.join(columns)}")])
        found[role] = name
    for role, patterns in _PATTERNS.items():
        if role in found:
            continue
        for pattern in patterns:
            match = next(
                (
                    name
                    for name in columns
                    if name not in found.values()
                    and (re.search(pattern, words_of(name)) or re.search(pattern, _without_unit(name)))
                ),
                None,
            )
            if match is not None:
                found[role] = match
                break
    return {role: found[role] for role in ROLES if role in found}
