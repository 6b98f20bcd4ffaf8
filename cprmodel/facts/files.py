"""Text files that users name, or one clear line; files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path

from cprmodel.facts.errors import JobError, Problem

__all__ = ["read_text", "sync", "write_whole"]

_NAMES = itertools.count()


def read_text(path: str | Path, what: str, form: str) -> str:
    """The text of a file in UTF-8; ``what`` it should be and of which ``form`` stand in errors (JobError).

    >>> read_text("nope.csv", "a trace", "a text file")
    Traceback (most recent call last):
        ...
    cprmodel.facts.errors.JobError: nope.csv: expected a trace, but there is no such file
    """
    source = str(path)
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise JobError(source, [Problem("", "", f"{what}, but there is no such file")]) from None
    except UnicodeDecodeError:
        raise JobError(source, [Problem("", "", form)]) from None
    except OSError as error:
        raise JobError(source, [Problem("", "", f"a file that can be read ({error.strerror})")]) from None


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, even after a power cut; OSError where that fails."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{next(_NAMES)}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def sync(path: Path) -> None:
    """Make what is in a file durable, or the renames in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
