"""Whose folder it is: one run (or experiment) at a time, and no write into a folder that another has taken.

The lock file holds a word that is drawn anew at every start. Who is about to write compares it with his own: a
folder that was deleted and made again, or moved away, is noticed before anything lands in another run's files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import CprModelError, JobError, Problem

__all__ = ["Claim", "FolderTaken", "alone", "new_run"]


class FolderTaken(CprModelError):
    """The folder is not the one in which this run began; nothing was written."""


@dataclass(frozen=True)
class Claim:
    """What a run and its processes know their folder by."""

    folder: str
    word: str  #: of this start
    run: str  #: of the run, also of later starts: it stands in every file that is read back

    def check(self) -> None:
        """FolderTaken where another's word is in the lock, or none.

        >>> Claim("no-such-folder", "a", "b").check()
        Traceback (most recent call last):
            ...
        validation.claim.FolderTaken: no-such-folder: expected the folder in which this run began; it was removed
        """
        try:
            with open(os.path.join(self.folder, "lock"), "rb") as lock:
                found = lock.read(64).decode("ascii", "replace")
        except FileNotFoundError:
            raise FolderTaken(
                f"{self.folder}: expected the folder in which this run began; it was removed"
            ) from None
        except OSError as error:
            raise FolderTaken(f"{self.folder}: expected a lock that can be read ({error.strerror})") from None
        if found != self.word:
            raise FolderTaken(f"{self.folder}: expected the folder in which this run began; another run took it")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def new_run() -> str:
    """A name for a run that no other has."""
    return secrets.token_hex(8)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[str]:
    """Hold the folder; the word that is in its lock now. JobError where another holds it."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            expected = "a folder in which no run is under way"
            raise JobError(str(folder), [Problem("", "", expected)]) from None
        word = secrets.token_hex(16)
        os.ftruncate(handle, 0)
        os.pwrite(handle, word.encode("ascii"), 0)
        yield word
    finally:
        os.close(handle)
