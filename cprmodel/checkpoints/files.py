"""One file of a checkpoint: written beside, synced, renamed; read back only if every byte is as written."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.numpy
from safetensors import SafetensorError

from cprmodel.facts.files import write_whole

__all__ = ["CorruptError", "FileRef", "read_arrays", "read_checked", "write_arrays", "write_file"]


class CorruptError(Exception):
    """A file is missing, cut short or changed; ``name`` says which."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name}: {reason}")


@dataclass(frozen=True)
class FileRef:
    """A file as it was written."""

    name: str
    size_bytes: int
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def write_file(folder: Path, name: str, content: bytes) -> FileRef:
    """Write a file whole or not at all, and say how to know it again."""
    write_whole(folder / name, content)
    return FileRef(name, len(content), hashlib.sha256(content).hexdigest())


def write_arrays(folder: Path, name: str, arrays: dict[str, Any]) -> FileRef:
    """Write named arrays as safetensors."""
    return write_file(folder, name, safetensors.numpy.save(arrays))


def read_checked(folder: Path, ref: FileRef) -> bytes:
    """The content, if it is what was written; otherwise CorruptError."""
    try:
        content = (folder / ref.name).read_bytes()
    except OSError as error:
        raise CorruptError(ref.name, (error.strerror or "cannot be read").lower()) from None
    if len(content) != ref.size_bytes:
        raise CorruptError(ref.name, f"{len(content)} bytes of {ref.size_bytes}")
    if hashlib.sha256(content).hexdigest() != ref.sha256:
        raise CorruptError(ref.name, "its checksum is another")
    return content


def read_arrays(folder: Path, ref: FileRef) -> dict[str, Any]:
    """Named arrays from a file that is as it was written."""
    try:
        return dict(safetensors.numpy.load(read_checked(folder, ref)))
    except SafetensorError as error:
        raise CorruptError(ref.name, str(error)) from None
