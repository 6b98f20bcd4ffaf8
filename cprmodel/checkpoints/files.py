"""One file of a checkpoint: written beside, synced, renamed; read back only if every byte is as written."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.numpy
from safetensors import SafetensorError

from cprmodel.checkpoints.folders import Folder, folder_at

__all__ = [
    "CorruptError",
    "FileRef",
    "read_arrays",
    "read_checked",
    "read_content",
    "read_tensors",
    "write_arrays",
    "write_file",
    "write_tensors",
]


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


def write_file(folder: Path | Folder, name: str, content: bytes) -> FileRef:
    """Write a file whole or not at all, and say how to know it again."""
    folder_at(folder).write(name, content)
    return FileRef(name, len(content), hashlib.sha256(content).hexdigest())


def write_arrays(folder: Path | Folder, name: str, arrays: dict[str, Any]) -> FileRef:
    """Write named arrays as safetensors."""
    return write_file(folder, name, safetensors.numpy.save(arrays))


def write_tensors(folder: Path | Folder, name: str, tensors: dict[str, Any]) -> FileRef:
    """Write named torch tensors, of whatever type, as safetensors."""
    from safetensors.torch import save

    return write_file(folder, name, save(tensors))


def read_content(folder: Path | Folder, name: str) -> bytes:
    """What is in a file, as it is; CorruptError where that cannot be read."""
    try:
        return folder_at(folder).read(name)
    except FileNotFoundError:
        raise CorruptError(name, "no such file or directory") from None
    except OSError as error:
        raise CorruptError(name, (error.strerror or str(error) or "cannot be read").lower()) from None


def read_checked(folder: Path | Folder, ref: FileRef) -> bytes:
    """The content, if it is what was written; otherwise CorruptError."""
    content = read_content(folder, ref.name)
    if len(content) != ref.size_bytes:
        raise CorruptError(ref.name, f"{len(content)} bytes of {ref.size_bytes}")
    if hashlib.sha256(content).hexdigest() != ref.sha256:
        raise CorruptError(ref.name, "its checksum is another")
    return content


def read_arrays(folder: Path | Folder, ref: FileRef) -> dict[str, Any]:
    """Named arrays from a file that is as it was written."""
    try:
        return dict(safetensors.numpy.load(read_checked(folder, ref)))
    except SafetensorError as error:
        raise CorruptError(ref.name, str(error)) from None


def read_tensors(folder: Path | Folder, ref: FileRef) -> dict[str, Any]:
    """Named torch tensors from a file that is as it was written."""
    from safetensors.torch import load

    try:
        return dict(load(read_checked(folder, ref)))
    except SafetensorError as error:
        raise CorruptError(ref.name, str(error)) from None
