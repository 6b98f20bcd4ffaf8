"""Files that users name, or one clear line; files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.journal import detail

__all__ = [
    "LARGEST_BYTES",
    "ends_torn",
    "open_plain",
    "read_bytes",
    "read_text",
    "remove",
    "sync",
    "whole_file",
    "write_whole",
]

#: What a file of words or a few numbers may hold; nobody writes more by hand.
LARGEST_BYTES = 64_000_000


def read_text(path: str | Path, what: str, form: str, largest_bytes: int = LARGEST_BYTES) -> str:
    """The text of a file in UTF-8; ``what`` it should be and of which ``form`` stand in errors (JobError).

    >>> read_text("nope.csv", "a trace", "a text file")
    Traceback (most recent call last):
        ...
    cprmodel.facts.errors.JobError: nope.csv: expected a trace, but there is no such file
    """
    source = str(path)
    try:
        return read_bytes(path, what, largest_bytes).decode("utf-8-sig")
    except FileNotFoundError:
        raise JobError(source, [Problem("", "", f"{what}, but there is no such file")]) from None
    except UnicodeDecodeError:
        raise JobError(source, [Problem("", "", form)]) from None
    except OSError as error:
        raise JobError(source, [Problem("", "", f"a file that can be read ({error.strerror})")]) from None


def read_bytes(path: str | Path, what: str, largest_bytes: int) -> bytes:
    """The bytes of a plain file that is not too large (JobError), without ever waiting or reading more; OSError."""
    with open_plain(path, what) as file:
        content = file.read(largest_bytes + 1)
    if len(content) > largest_bytes:
        raise JobError(str(path), [Problem("", "", f"{what} of at most {largest_bytes:,} bytes")])
    return content


def open_plain(path: str | Path, what: str) -> BinaryIO:
    """Open a file to read that ends: not a device, or a pipe that nobody may write into (JobError); OSError."""
    source = str(path)
    try:
        # a pipe that nobody writes into would keep us waiting for ever
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except ValueError:  # a zero in the name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source) from None
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), source)
        if stat.S_ISFIFO(mode) and not os.path.exists(os.path.realpath(path)):
            os.set_blocking(handle, True)  # <(command) or a pipe on standard input: it has a writer, or ends
        elif not stat.S_ISREG(mode):
            raise JobError(source, [Problem("", "", f"{what} in a plain file, not a device or a named pipe")])
        return open(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def ends_torn(path: str | Path) -> bool:
    """Whether a file of lines ends within one, as where its writer was killed; without a file it does not."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 1, 0))
            return file.read(1) not in (b"", b"\n")
    except FileNotFoundError:
        return False


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file as :func:`whole_file` does; text in UTF-8."""
    with whole_file(path) as file:
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write that has its name once it is whole, even after a power cut, and is gone where that fails.

    It is written beside, under a name that no other process on any host has, synced, and put in the place of the
    old one, whose mode it gets. A symbolic link stays one, and a device or a pipe is written into. OSError with the
    name that was given, whatever failed.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with whole_file(path) as file:
    ...     written = file.write(b"all of it")
    ...     path.exists()
    False
    >>> path.read_bytes()
    b'all of it'
    """
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}.tmp")
    try:
        old = _mode(Path(path))
        if old is not None and not stat.S_ISREG(old):  # a folder is refused by the system
            with open(path, "wb") as file:
                yield file
            return
        try:
            with open(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                yield file
                file.flush()
                if old is not None:
                    os.chmod(beside, stat.S_IMODE(old))
                os.fsync(file.fileno())
            os.replace(beside, target)
            detail("files", "wrote %s", path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
    except OSError as error:
        if error.filename not in (None, path, str(path), str(beside), str(target)):
            raise  # another file's
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def _mode(path: Path) -> int | None:
    """Kind and mode of a file; None where there is none."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def remove(path: Path) -> None:
    """A file, or a folder with all that is in it; nothing where it is not there."""
    if path.is_dir():
        import shutil  # which nobody needs who only plans

        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Make what is in a file durable, or the renames in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
