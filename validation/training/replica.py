"""A copy of the trainer's dense state that outlives it, as the memory of a data-parallel peer would.

Two slots in a mapped file, written in turn; a slot counts from the moment its number is written, which is last, and
is marked while it is written. Each has checksums of the run's name, its number and its content. The copy before the
last stands in only where the last was being written: shards may be a step ahead of the last copy, never two. So
where anything else is found, the file is damaged, or another run's, and there is no copy.

A killed trainer leaves the pages with the system; a machine that dies takes them along, as it would a peer.
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

#: Number (negative while it is written), bytes of the description and of the numbers, checksums of the whole and of
#: the number while it is written.
_HEADER = struct.Struct("<qqqII")
_DESCRIPTION = 4096

_Copy = tuple[int, bytes, bytes]  # number, description, numbers
_NONE: _Copy = (0, b"", b"")


class _Damaged(Exception):
    pass


class Replica:
    """The dense state after the last finished step; ``on_damage`` hears why there is none where there should be."""

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
        self._number = self._newest()[0]

    def _sum(self, number: int, text: bytes, numbers: Any) -> int:
        known = f"{self._run} {number} {len(text)} ".encode()
        return zlib.crc32(numbers, zlib.crc32(text, zlib.crc32(known)))

    def _read_slot(self, slot: int) -> _Copy:
        """What is in a slot; its number is negative where it was being written, 0 where it never was."""
        at = slot * self._slot
        number, text_size, size, whole, writing = _HEADER.unpack_from(self._map, at)
        if number == text_size == size == whole == writing == 0:
            return _NONE
        if number < 0 and writing == self._sum(number, b"", b""):
            return number, b"", b""
        if number <= 0 or not 0 <= text_size <= _DESCRIPTION or size != self._bytes:
            raise _Damaged
        begin = at + _HEADER.size
        text = self._map[begin : begin + text_size]
        numbers = self._map[begin + _DESCRIPTION : begin + _DESCRIPTION + size]
        if self._sum(number, text, numbers) != whole:
            raise _Damaged
        return number, text, numbers

    def _newest(self) -> _Copy:
        """The last copy, if all that is here is as it was written."""
        try:
            older, newer = sorted((self._read_slot(0), self._read_slot(1)), key=lambda found: abs(found[0]))
            if abs(newer[0]) != abs(older[0]) + 1 and newer != _NONE:
                raise _Damaged
            if older[0] < 0:
                raise _Damaged
            return newer if newer[0] >= 0 else older
        except _Damaged:
            self._on_damage("its checksum is another, or it is of another run")
            self.clear()
            return _NONE

    def write(self, description: dict[str, Any], numbers: Any) -> None:
        """Replace the older copy."""
        text = json.dumps(description).encode()
        if len(text) > _DESCRIPTION:
            raise ValueError(f"a description of {len(text)} bytes; at most {_DESCRIPTION} fit")
        content = memoryview(numbers).cast("B")
        number = self._number + 1
        at = (number % 2) * self._slot
        sums = self._sum(number, text, content), self._sum(-number, b"", b"")
        _HEADER.pack_into(self._map, at, -number, len(text), len(content), *sums)
        begin = at + _HEADER.size
        self._map[begin : begin + len(text)] = text
        begin += _DESCRIPTION
        self._map[begin : begin + len(content)] = content
        struct.pack_into("<q", self._map, at, number)
        self._number = number

    def read(self) -> tuple[dict[str, Any], Any] | None:
        """The newest copy, or None without one."""
        self._number, text, numbers = self._newest()
        if self._number == 0:
            return None
        return json.loads(text), np.frombuffer(numbers, dtype=np.float32).copy()

    def clear(self) -> None:
        """Forget both copies."""
        for slot in (0, 1):
            self._map[slot * self._slot : slot * self._slot + _HEADER.size] = bytes(_HEADER.size)
        self._number = 0

    def close(self) -> None:
        self._map.close()
