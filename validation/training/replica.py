"""A copy of the trainer's dense state that outlives it, as the memory of a data-parallel peer would.

Two slots in a mapped file, written in turn; a slot counts from the moment its number is written, which is last.
Each has a checksum of the run's name, its number and its content: one that is damaged, or another run's, is not
there, and the other is used, as if the trainer had died while it wrote. A killed trainer leaves the pages with the
system; a machine that dies takes them along, as it would a peer.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Replica"]

_HEADER = struct.Struct("<qqqI")  # number, bytes of the description, bytes of the numbers, checksum
_DESCRIPTION = 4096


class Replica:
    """The dense state after the last finished step; ``on_damage`` hears of slots that are not as they were."""

    def __init__(self, path: Path, floats: int, run: str, on_damage: Callable[[str], None]) -> None:
        self._run, self._bytes, self._on_damage = run, 4 * floats, on_damage
        self._slot = -(-(_HEADER.size + _DESCRIPTION + self._bytes) // mmap.PAGESIZE) * mmap.PAGESIZE
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            size = os.fstat(handle).st_size
            if size not in (0, 2 * self._slot):
                on_damage(f"{size} bytes of {2 * self._slot}")
                os.ftruncate(handle, 0)
            os.ftruncate(handle, 2 * self._slot)
            self._map = mmap.mmap(handle, 2 * self._slot)
        finally:
            os.close(handle)
        self._number = max(found[0] for found in (self._whole(0), self._whole(1)))

    def _sum(self, number: int, text: bytes, numbers: Any) -> int:
        known = f"{self._run} {number} {len(text)} ".encode()
        return zlib.crc32(numbers, zlib.crc32(text, zlib.crc32(known)))

    def _whole(self, slot: int) -> tuple[int, bytes, bytes]:
        """Number, description and numbers of a slot; 0 and nothing where it was never written, or is damaged."""
        at = slot * self._slot
        number, text_size, size, wanted = _HEADER.unpack_from(self._map, at)
        if number == 0:  # never written, or not to its end
            return 0, b"", b""
        begin = at + _HEADER.size
        if 0 <= text_size <= _DESCRIPTION and size == self._bytes:
            text = self._map[begin : begin + text_size]
            numbers = self._map[begin + _DESCRIPTION : begin + _DESCRIPTION + size]
            if self._sum(number, text, numbers) == wanted:
                return number, text, numbers
        self._on_damage("its checksum is another, or it is of another run")
        _HEADER.pack_into(self._map, at, 0, 0, 0, 0)
        return 0, b"", b""

    def write(self, description: dict[str, Any], numbers: Any) -> None:
        """Replace the older copy."""
        text = json.dumps(description).encode()
        if len(text) > _DESCRIPTION:
            raise ValueError(f"a description of {len(text)} bytes; at most {_DESCRIPTION} fit")
        content = memoryview(numbers).cast("B")
        self._number += 1
        at = (self._number % 2) * self._slot
        checksum = self._sum(self._number, text, content)
        _HEADER.pack_into(self._map, at, 0, len(text), len(content), checksum)  # void while it is written
        begin = at + _HEADER.size
        self._map[begin : begin + len(text)] = text
        begin += _DESCRIPTION
        self._map[begin : begin + len(content)] = content
        struct.pack_into("<q", self._map, at, self._number)

    def read(self) -> tuple[dict[str, Any], Any] | None:
        """The newest copy that is whole, or None without one."""
        number, text, numbers = max(self._whole(0), self._whole(1), key=lambda found: found[0])
        self._number = number
        if number == 0:
            return None
        return json.loads(text), np.frombuffer(numbers, dtype=np.float32).copy()

    def clear(self) -> None:
        """Forget both copies."""
        self._map[:] = bytes(len(self._map))
        self._number = 0

    def close(self) -> None:
        self._map.close()
