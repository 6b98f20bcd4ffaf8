"""The event log of a run: one JSON object a line, only ever appended. Everything told of a run is computed from it.

Each line ends with a checksum of itself, and is as good as not there where that is another.

Times (``at``) are seconds of the system's monotonic clock; the first event of each start carries the date, too.
The events, and what they carry:

=============  ========================================================================================
start          run, date, case, host, resumed: the harness began (again)
ready          generation, mode, step: a trainer stands, from a fresh start, a checkpoint or a peer's copy
step           step, samples, loss, replayed, and the seconds of its parts; or unheard: it was done, but who did it,
               or the harness, died before that was told
begin_save     training waits for a checkpoint from here on
saving         sequence, step: every part is written, the manifest is next (or copied, to be written meanwhile)
copied         sequence, step, seconds: training goes on, and the checkpoint is written in the background
save           sequence, step, seconds, size_bytes, rows: a complete checkpoint; written_s: after how long
               each of its shards had written its part (where training waited for it)
save_void      sequence: shards died while it was written
save_failed    sequence, reason: it could not be written; training went on, nothing was lost
failure        number, kind, shards, signal, phase: a process was killed (or stopped) on purpose
died           what, status, cause: a process was seen dead
hung           what: it did not answer; it was killed
respawn        what, incarnation
begin_load     shards: they are about to be asked to read
load           shard (or "trainer"), sequence, step, seconds, size_bytes
corrupt        file, reason: damage was detected, and what is damaged is not used (an older checkpoint is)
redo           step, applied: a trainer came back in the middle of a step that these shards have applied
recovering     reschedule_s, load_s: what emulated time is charged for the stop that begins
recovered      rolls_back, step, seconds
advice         interval_s, save_s, mtbf_s, failures, exposure_s: what an advisor has made of a save or a failure
trained        the last step is done
metric         auc, log_loss, samples, step
digest         shards, trainer: checksums of everything learned
remark         text
stop           status
=============  ========================================================================================
"""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from cprmodel.facts.files import ends_torn

__all__ = [
    "STEP_PARTS",
    "EventLog",
    "end_torn_line",
    "read_events",
    "read_log",
    "sealed",
    "timestamp",
    "told_in",
    "unsealed",
]

#: What of a ``step`` is told the time of: all but what comes between two of them.
STEP_PARTS = ("data_s", "lookup_s", "compute_s", "update_s", "copy_s")

_SEAL = re.compile(r', "crc32": "([0-9a-f]{8})"\}$')


class EventLog:
    """Appends events; each is with the system when ``write`` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        end_torn_line(path)
        self._file = open(path, "a", encoding="utf-8", buffering=1 << 16)  # noqa: SIM115

    def write(self, event: str, at: float | None = None, **facts: Any) -> dict[str, Any]:
        """Append an event that happened now."""
        entry = {"event": event, "at": time.monotonic() if at is None else at, **facts}
        self._file.write(sealed(entry))
        self._file.flush()
        return entry

    def close(self) -> None:
        self._file.close()


def sealed(entry: dict[str, Any], allow_nan: bool = True) -> str:
    """A line of a log, with its checksum.

    >>> sealed({"event": "trained", "at": 1.5})
    '{"event": "trained", "at": 1.5, "crc32": "c99ef6c6"}\\n'
    """
    text = json.dumps(entry, allow_nan=allow_nan)
    return f'{text[:-1]}, "crc32": "{_sum(text)}"}}\n'


def unsealed(line: str) -> dict[str, Any] | None:
    """What a sealed line holds; None where it is not as it was written.

    >>> unsealed('{"event": "trained", "at": 1.5, "crc32": "c99ef6c6"}')
    {'event': 'trained', 'at': 1.5}
    >>> unsealed('{"event": "trained", "at": 2.5, "crc32": "c99ef6c6"}') is None
    True
    """
    seal = _SEAL.search(line)
    if seal is None or _sum(text := line[: seal.start()] + "}") != seal[1]:
        return None
    return _parsed(text)


def told_in(path: str) -> dict[str, Any]:
    """What stands in a file of one sealed line, for a process to begin with; SystemExit where it is damaged."""
    found = unsealed(Path(path).read_text(encoding="utf-8", errors="replace").removesuffix("\n"))
    if found is None:
        raise SystemExit(f"{path}: expected it as the run wrote it; it is damaged")
    return found


def _sum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def end_torn_line(path: Path) -> None:
    """Where the harness was killed while it wrote, what comes next begins in a new line."""
    if ends_torn(path):
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n")


def timestamp() -> str:
    """Date and time, with the zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a log; a line that was cut short when the harness was killed is left out."""
    return (entry for entry in _entries(path) if entry is not None and "event" in entry)


def read_log(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The events of a log, and how many of its lines are damaged.

    Not counted is what a killed harness left torn: the line before a start, and the last one.
    """
    events: list[dict[str, Any]] = []
    damaged, torn = 0, False  # the line before, perhaps
    for entry in _entries(path):
        if entry is None:
            damaged += 1
        elif "event" in entry:
            events.append(entry)
            damaged -= torn and entry["event"] == "start"
        torn = entry is None
    return events, damaged - torn


def _entries(path: Path) -> Iterator[dict[str, Any] | None]:
    """What each line holds; None for one that is not as it was written.

    Logs of before there were checksums have none; from the first line on that has one, every line has.
    """
    with_sums = False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            text = line.rstrip("\n")
            with_sums = with_sums or _SEAL.search(text) is not None
            yield unsealed(text) if with_sums else _parsed(text)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None
