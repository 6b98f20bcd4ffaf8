"""The text of a log, plain or compressed: what is no plain file or unpacks to too much is refused first."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import format_bytes

__all__ = ["LARGEST_BYTES", "read_log_text"]

#: What a log may hold, unpacked. A million rows of sacct are about 0.1 GB.
LARGEST_BYTES = 1_000_000_000
_PIECE = 1 << 22
_CONTROL = re.compile("[\x01-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
#: What unpacking .xz may take in memory; its own tool's strongest setting needs 65 MB.
_XZ_MEMORY = 300_000_000
_XZ = b"\xfd7zXZ\x00"
_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}


def read_log_text(path: str | Path, largest_bytes: int = LARGEST_BYTES) -> str:
    """The text of a file (UTF-8, or UTF-16 with its mark; plain, .gz, .xz or .bz2); JobError says what is wrong.

    How it is packed is told by its first bytes, whatever its name.
    """
    source = str(path)
    try:
        raw = _bytes(Path(path), source, largest_bytes)
    except FileNotFoundError:
        raise _wrong(source, "a log, but there is no such file") from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error):
        raise _wrong(source, "a text file (plain, .gz, .xz or .bz2): it is damaged or cut short") from None
    except JobError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _wrong(source, f"a file that can be read ({reason})") from None
    if not raw.strip():
        raise _wrong(source, "at least one line")
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        raise _wrong(source, "a text file in UTF-8 (plain, .gz, .xz or .bz2)") from None
    if "\x00" in text:
        raise _wrong(source, "a text file (plain, .gz, .xz or .bz2), not one with zero bytes")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # names are printed: what would move a terminal's cursor or turn its text around is shown, not done
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _bytes(path: Path, source: str, largest: int) -> bytes:
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise _wrong(source, "a log, not a folder")
    if not stat.S_ISREG(found.st_mode):
        raise _wrong(source, "a plain file, not a device or a pipe")
    if found.st_size > largest:
        raise _wrong(source, f"a log of at most {format_bytes(largest)}, not {format_bytes(found.st_size)}")
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith((_XZ, *_OPENERS)):
        size = 0
        for piece in _pieces(path, start):  # counted before anything is kept
            size += len(piece)
            if size > largest:
                raise _wrong(source, f"a log that unpacks to at most {format_bytes(largest)}")
    return b"".join(_pieces(path, start))


def _pieces(path: Path, start: bytes) -> Iterator[bytes]:
    """The bytes of a file, unpacked as its first ones tell."""
    if start.startswith(_XZ):
        yield from _unpacked_xz(path)
        return
    opener: Any = next((how for magic, how in _OPENERS.items() if start.startswith(magic)), io.open)
    with opener(path, "rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _unpacked_xz(path: Path) -> Iterator[bytes]:
    """One stream after the other, with a bound on what unpacking takes."""
    with path.open("rb") as file:
        left = file.read(_PIECE)
        while left:
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            while not unpacker.eof:
                yield unpacker.decompress(left, _PIECE)
                left = b""
                if unpacker.needs_input and not unpacker.eof:
                    left = file.read(_PIECE)
                    if not left:
                        raise EOFError
            left = (unpacker.unused_data or file.read(_PIECE)).lstrip(b"\0")  # between streams there may be zeros


def _wrong(source: str, expected: str) -> JobError:
    return JobError(source, [Problem("", "", expected)])
