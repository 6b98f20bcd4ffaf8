"""A copy of the trainer's dense state that outlives it, as the memory of a data-parallel peer would.

Two slots in a mapped file, written in turn; a slot counts from the moment its number is written, which is last.
A killed trainer leaves the pages with the system; a machine that dies takes them along, as it would a peer.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Replica"]

_HEADER = struct.Struct("<qqq")  # number, bytes of the description, bytes of the numbers
_DESCRIPTION = 4096


class Replica:
    """The dense state after the last finished step."""

    def __init__(self, path: Path, floats: int) -> None:
        self._slot = -(-(_HEADER.size + _DESCRIPTION + 4 * floats) // mmap.PAGESIZE) * mmap.PAGESIZE
        fresh = not path.exists() or path.stat().st_size != 2 * self._slot
        handle = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            if fresh:
                os.ftruncate(handle, 0)
            os.ftruncate(handle, 2 * self._slot)
            self._map = mmap.mmap(handle, 2 * self._slot)
        finally:
            os.close(handle)
        self._number = max(self._number_of(0), self._number_of(1))

    def _number_of(self, slot: int) -> int:
        return int(_HEADER.unpack_from(self._map, slot * self._slot)[0])

    def write(self, description: dict[str, Any], numbers: Any) -> None:
        """Replace the older copy."""
        text = json.dumps(description).encode()
        if len(text) > _DESCRIPTION:
            raise ValueError(f"a description of {len(text)} bytes; at most {_DESCRIPTION} fit")
        self._number += 1
        at = (self._number % 2) * self._slot
        _HEADER.pack_into(self._map, at, 0, len(text), numbers.nbytes)  # void while it is written
        begin = at + _HEADER.size
        self._map[begin : begin + len(text)] = text
        begin += _DESCRIPTION
        self._map[begin : begin + numbers.nbytes] = memoryview(numbers).cast("B")
        struct.pack_into("<q", self._map, at, self._number)

    def read(self) -> tuple[dict[str, Any], Any] | None:
        """The newest copy, or None before the first."""
        if self._number == 0:
            return None
        slot = 0 if self._number_of(0) == self._number else 1
        at = slot * self._slot
        _, text, size = _HEADER.unpack_from(self._map, at)
        begin = at + _HEADER.size
        description = json.loads(self._map[begin : begin + text])
        begin += _DESCRIPTION
        return description, np.frombuffer(self._map[begin : begin + size], dtype=np.float32).copy()

    def clear(self) -> None:
        """Forget both copies."""
        self._map[:] = bytes(len(self._map))
        self._number = 0

    def close(self) -> None:
        self._map.close()
