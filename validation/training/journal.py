"""A journal of every update that shards were sent, with its numbers: what an audit replays.

Entries are written before what they announce is done, and once more when it is known to be done, so that
whatever is killed in between, the audit can tell. Each start of a trainer writes a file of its own.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Journal", "read_journals"]

_LENGTH = struct.Struct("<I")


class Journal:
    """Appends entries; each is with the system when ``write`` returns."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("*.journal")))
        self._handle = os.open(folder / f"{number:06d}.journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, entry: str, *arrays: Any, **facts: Any) -> None:
        """Append an entry."""
        arrays = tuple(np.asarray(array, order="C") for array in arrays)
        header = {"entry": entry, **facts, "arrays": [[array.dtype.str, array.shape] for array in arrays]}
        text = json.dumps(header).encode()
        body = b"".join([_LENGTH.pack(len(text)), text, *(array.tobytes() for array in arrays)])
        while body:
            body = body[os.write(self._handle, body) :]

    def close(self) -> None:
        os.close(self._handle)


def read_journals(folder: Path) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """All entries, in order; one that was cut short by a kill is left out."""
    for path in sorted(folder.glob("*.journal")):
        content = path.read_bytes()
        at = 0
        while at + _LENGTH.size <= len(content):
            (length,) = _LENGTH.unpack_from(content, at)
            at += _LENGTH.size
            if at + length > len(content):
                break
            header = json.loads(content[at : at + length])
            at += length
            shapes = [(np.dtype(code), tuple(shape)) for code, shape in header.pop("arrays")]
            sizes = [kind.itemsize * int(np.prod(shape)) for kind, shape in shapes]
            if at + sum(sizes) > len(content):
                break
            arrays = []
            for (kind, shape), size in zip(shapes, sizes, strict=True):
                arrays.append(np.frombuffer(content, kind, int(np.prod(shape)), at).reshape(shape))
                at += size
            yield header, arrays
