"""A journal of every update that shards were sent, with its numbers: what an audit replays.

Entries are written before what they announce is done, and once more when it is known to be done, so that
whatever is killed in between, the audit can tell. Each start of a trainer writes a file of its own, which begins
with the name of the run. Each entry has a checksum of its head and one of its content.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.checkpoints.files import CorruptError

__all__ = ["Journal", "read_journals"]

_HEAD = struct.Struct("<III")  # bytes of the header, bytes of all, checksum of all
_SUM = struct.Struct("<I")  # of the head


class Journal:
    """Appends entries; each is with the system when ``write`` returns."""

    def __init__(self, folder: Path, run: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("*.journal")))
        self._handle = os.open(folder / f"{number:06d}.journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.write("begin", run=run)

    def write(self, entry: str, *arrays: Any, **facts: Any) -> None:
        """Append an entry."""
        arrays = tuple(np.asarray(array, order="C") for array in arrays)
        header = {"entry": entry, **facts, "arrays": [[array.dtype.str, array.shape] for array in arrays]}
        text = json.dumps(header).encode()
        content = b"".join([text, *(array.tobytes() for array in arrays)])
        head = _HEAD.pack(len(text), len(content), zlib.crc32(content))
        body = b"".join([head, _SUM.pack(zlib.crc32(head)), content])
        while body:
            body = body[os.write(self._handle, body) :]

    def close(self) -> None:
        os.close(self._handle)


def read_journals(folder: Path, run: str | None = None) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """All entries, in order; one that was cut short by a kill is left out.

    CorruptError where a file is damaged, or of another run than the first (or than ``run``).
    """
    for path in sorted(folder.glob("*.journal")):
        content = path.read_bytes()
        at = 0
        while at + _HEAD.size + _SUM.size <= len(content):
            head = content[at : at + _HEAD.size]
            length, size, wanted = _HEAD.unpack(head)
            (sum_of_head,) = _SUM.unpack_from(content, at + _HEAD.size)
            if zlib.crc32(head) != sum_of_head:
                raise CorruptError(path.name, f"its checksum is another at byte {at}")
            at += _HEAD.size + _SUM.size
            if at + size > len(content):
                break
            if zlib.crc32(content[at : at + size]) != wanted:
                raise CorruptError(path.name, f"its checksum is another at byte {at}")
            header = json.loads(content[at : at + length])
            arrays, begin = [], at + length
            for code, shape in header.pop("arrays"):
                kind, count = np.dtype(code), int(np.prod(shape))
                arrays.append(np.frombuffer(content, kind, count, begin).reshape(shape))
                begin += kind.itemsize * count
            at += size
            if header["entry"] == "begin":
                run = run or header["run"]
                if header["run"] != run:
                    raise CorruptError(path.name, "it is of another run")
                continue
            yield header, arrays
