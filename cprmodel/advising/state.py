"""The advisor's small file: there whole or not at all, known when it is damaged, and one process's at a time.

The process that took the file up last has it: it stands in the file under a name that it drew. Whoever had it
before finds the other's name when it next writes, and leaves the file alone (:class:`StateTaken`).
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # no such system: who takes the file up in the same moment is not held back
    fcntl = None  # type: ignore[assignment]

from cprmodel.advising.learning import Experience
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import read_bytes, sync, write_whole
from cprmodel.jobs import Job

__all__ = [
    "FORMAT",
    "LARGEST_BYTES",
    "State",
    "StateDamaged",
    "StateTaken",
    "digest_of",
    "digest_of_saves",
    "is_alive",
    "parsed",
    "put_aside",
    "put_state",
    "read_state",
    "sweep",
    "turn",
    "whoami",
    "write_state",
    "written",
]

#: Raised when a key changes meaning or goes.
FORMAT = 1

#: More is none of ours.
LARGEST_BYTES = 100_000
_LARGEST = 1e15  # of a number; more is none of ours
_TURN_S = 2.0  # that another may take for his write
_OF_SAVES = {
    "save_s",
    "size_bytes",
    "bandwidth_bytes_per_s",
    "overlap",
    "drain_s",
    "quantised_bits",
    "embedding_dim",
    "level",
}


class StateDamaged(Exception):
    """The file is cut short or changed; the text says how that shows."""


class StateTaken(Exception):
    """Another process has taken the file up."""


@dataclass(frozen=True)
class State:
    """What outlives a process."""

    job: str  #: digest of what the job's failures rest on
    experience: Experience
    steps: int = 0
    unsaved_s: float = 0.0  #: work that stood unsaved when this was written
    noticed: bool = False  #: a failure is announced, and the work was saved since
    open: bool = True  #: the process that wrote it has not ended, or not in order
    writer: str = ""  #: the name that the process that has the file drew
    owner: str = ""  #: that process, as :func:`whoami` says it
    saves_of: str = ""  #: digest of what the job's saves rest on
    until_s: float = 0.0  #: it would have been written again after so long [s]; 0: that is not known
    saves_since: tuple[int, ...] = ()  #: saves since one to each level


def digest_of(job: Job) -> str:
    """What a failure rate that was seen rests on: the machines. Not what a plan made of them.

    >>> from cprmodel.presets import load_preset
    >>> job = load_preset("rsc-1")
    >>> digest_of(job) == digest_of(job.with_mtbf(3600.0)), digest_of(job) == digest_of(load_preset("cpr-dlrm"))
    (True, False)
    """
    return _digest({"cluster": job.cluster.model_dump(mode="json"), "nodes": job.nodes})


def digest_of_saves(job: Job) -> str:
    """What the time of saves that were seen rests on: what is written, how, and where to.

    >>> from cprmodel.presets import load_preset
    >>> job = load_preset("rsc-1")
    >>> digest_of_saves(job) == digest_of_saves(job.with_mtbf(3600.0))
    True
    """
    facts = job.checkpoint.model_dump(mode="json", exclude_none=True, include=_OF_SAVES)
    return _digest(facts)


def whoami(pid: int | None = None) -> str:
    """A process: its host, its number, and when it began (numbers come again), as far as the system says."""
    pid = os.getpid() if pid is None else pid
    try:
        began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        began = ""
    return f"{socket.gethostname()} {pid} {began}"


def is_alive(owner: str) -> bool:
    """Whether a process that :func:`whoami` named runs on this host, and is another than this one.

    >>> is_alive(whoami()), is_alive("elsewhere 1 17"), is_alive("")
    (False, False, False)
    """
    host, _, rest = owner.partition(" ")
    number, _, began = rest.partition(" ")
    if host != socket.gethostname() or not number.isdigit() or int(number) == os.getpid() or not began:
        return False
    return whoami(int(number)) == owner


@contextlib.contextmanager
def turn(path: Path) -> Iterator[None]:
    """Alone among those that take turns with this file; OSError where another does not come to its end.

    Nothing is left behind: the folder is locked, on systems that can do that.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(Path(os.path.realpath(path)).parent, os.O_RDONLY)
    try:
        until = time.monotonic() + _TURN_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise BlockingIOError(errno.EAGAIN, "another process holds its folder", str(path)) from None
                time.sleep(0.01)
                continue
            except OSError:  # a file system that cannot
                pass
            break
        yield
    finally:
        os.close(handle)


def write_state(path: Path, state: State) -> None:
    """Write beside, sync, and put in the place of the old one; in one's :func:`turn`.

    OSError where that fails, StateTaken where another process has the file.
    """
    with contextlib.suppress(StateDamaged, JobError):
        found = read_state(path)
        if found is not None and found.writer != state.writer:
            raise StateTaken
    put_state(path, state)


def put_state(path: Path, state: State) -> None:
    """As :func:`write_state`, whoever had the file before."""
    write_whole(path, written(state))
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder
        sync(Path(os.path.realpath(path)).parent)


def read_state(path: Path) -> State | None:
    """What is there; None without a file. StateDamaged where it is not whole, JobError where it cannot be read."""
    try:
        return parsed(read_bytes(path, "an advisor's state", LARGEST_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JobError(str(path), [Problem("", "", f"a file that can be read ({error.strerror})")]) from None


def written(state: State) -> str:
    """A state as it stands in a file, with its checksum."""
    body = asdict(state)
    return json.dumps({"format": FORMAT, "sha256": _digest(body), "advisor": body}, indent=1) + "\n"


def parsed(content: bytes) -> State:
    """The state that stands in a file; StateDamaged where that is not whole.

    >>> parsed(b"{}")
    Traceback (most recent call last):
        ...
    cprmodel.advising.state.StateDamaged: it is no advisor's file
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise StateDamaged("it is not text") from None
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise StateDamaged("it is empty" if not text.strip() else "it is cut short or not JSON") from None
    if not isinstance(whole, Mapping) or not isinstance(whole.get("advisor"), Mapping):
        raise StateDamaged("it is no advisor's file")
    number, body = whole.get("format"), whole["advisor"]
    if isinstance(number, bool) or number != FORMAT:
        raise StateDamaged(f"its format is {str(number)[:20]}, not {FORMAT}: another version of cprmodel wrote it")
    if whole.get("sha256") != _digest(body):
        raise StateDamaged("its checksum is not that of its content")
    try:
        return State(
            job=_text(body["job"]),
            experience=Experience.from_dict({name: _numbers(one) for name, one in body["experience"].items()}),
            steps=int(_number(body["steps"])),
            unsaved_s=float(_number(body["unsaved_s"])),
            noticed=bool(body["noticed"]),
            open=bool(body["open"]),
            writer=_text(body.get("writer", "")),
            owner=_text(body.get("owner", "")),
            saves_of=_text(body.get("saves_of", "")),
            until_s=float(_number(body.get("until_s", 0.0))),
            saves_since=tuple(int(_number(one)) for one in body.get("saves_since", ())),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise StateDamaged("its content is not what an advisor writes") from None


def put_aside(path: Path) -> Path:
    """Keep a damaged file under another name, which says what is in it; where it is now."""
    target = Path(os.path.realpath(path))
    with contextlib.suppress(JobError):
        content = hashlib.sha256(read_bytes(target, "an advisor's state", LARGEST_BYTES)).hexdigest()[:8]
        aside = target.with_name(f"{target.name}.damaged-{content}")
        os.replace(target, aside)
        return aside
    return path


def sweep(path: Path) -> None:
    """Remove what processes that were killed while they wrote have left; in one's :func:`turn`."""
    target = Path(os.path.realpath(path))
    for left in target.parent.glob(f".{glob.escape(target.name[:40])}.*.tmp"):
        with contextlib.suppress(OSError):
            left.unlink()


def _number(value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LARGEST:
        raise ValueError(value)
    return value


def _numbers(value: Any) -> Any:
    """A number, or a list of them."""
    return [_number(one) for one in value] if isinstance(value, list) else _number(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _digest(body: Any) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
