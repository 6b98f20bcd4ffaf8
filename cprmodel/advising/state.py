"""The advisor's small file: there whole or not at all, and known when it is damaged."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cprmodel.advising.learning import Experience
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import sync, write_whole
from cprmodel.jobs import Job

__all__ = ["FORMAT", "State", "StateDamaged", "digest_of", "read_state", "write_state"]

#: Raised when a key changes meaning or goes.
FORMAT = 1


class StateDamaged(Exception):
    """The file is cut short or changed; the text says how that shows."""


@dataclass(frozen=True)
class State:
    """What outlives a process."""

    job: str  #: digest of the job
    experience: Experience
    steps: int = 0
    unsaved_s: float = 0.0  #: work that stood unsaved when this was written
    noticed: bool = False  #: a failure is announced, and the work was saved since
    open: bool = True  #: the process that wrote it has not ended, or not in order


def digest_of(job: Job) -> str:
    """What tells one job from another: all that a plan is made of.

    >>> from cprmodel.presets import load_preset
    >>> digest_of(load_preset("rsc-1")) == digest_of(load_preset("rsc-2"))
    False
    """
    facts = job.model_dump(mode="json", exclude_none=True, exclude={"preset"})
    return _digest(facts)


def write_state(path: Path, state: State) -> None:
    """Write beside, sync, and put in the place of the old one. OSError where that fails."""
    body = asdict(state)
    whole = {"format": FORMAT, "sha256": _digest(body), "advisor": body}
    write_whole(path, (json.dumps(whole, indent=1) + "\n").encode())
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder
        sync(path.parent)


def read_state(path: Path) -> State | None:
    """What is there; None without a file. StateDamaged where it is not whole, JobError where it cannot be read."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise StateDamaged("it is not text") from None
    except OSError as error:
        raise JobError(str(path), [Problem("", "", f"a file that can be read ({error.strerror})")]) from None
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise StateDamaged("it is empty" if not text.strip() else "it is cut short or not JSON") from None
    if not isinstance(whole, Mapping) or not isinstance(whole.get("advisor"), Mapping):
        raise StateDamaged("it is no advisor's file")
    number = whole.get("format")
    if isinstance(number, int) and number > FORMAT:
        expected = f"a format of at most {FORMAT}: a newer cprmodel wrote this file"
        raise JobError(str(path), [Problem("format", str(number), expected)])
    body = whole["advisor"]
    if whole.get("sha256") != _digest(body):
        raise StateDamaged("its checksum is not that of its content")
    try:
        return State(
            job=str(body["job"]),
            experience=Experience.from_dict(body["experience"]),
            steps=int(body["steps"]),
            unsaved_s=float(body["unsaved_s"]),
            noticed=bool(body["noticed"]),
            open=bool(body["open"]),
        )
    except (KeyError, TypeError, ValueError):
        raise StateDamaged("its content is not what an advisor writes") from None


def _digest(body: Any) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
