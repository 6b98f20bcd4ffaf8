"""Manifests: what makes a set of files a checkpoint.

A manifest names every file of a checkpoint with size and checksum, and carries a checksum of itself and the name of
the run that it is of. It is written last; a checkpoint without one does not exist. Several are kept, so that damage
to the newest, or to a base that the newest share, leaves an older one to return to.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from cprmodel.checkpoints.files import CorruptError, read_content
from cprmodel.checkpoints.folders import Folder, folder_at

__all__ = ["KEEP", "Manifest", "kept_of", "manifests", "write_manifest"]

#: The newest checkpoints that are kept, besides the newest one whose files none of them uses.
KEEP = 2

_NAMED = re.compile(r"[0-9].*\.json").fullmatch


class Manifest(ABC):
    """A complete checkpoint: the state after ``step`` steps of ``run``. What else it names is its kind's."""

    sequence: int
    step: int
    run: str

    @property
    def name(self) -> str:
        """Of its own file."""
        return f"{self.sequence:08d}.json"

    @property
    @abstractmethod
    def files(self) -> frozenset[str]:
        """The names of all files that it needs."""

    @abstractmethod
    def to_body(self) -> dict[str, Any]:
        """What it says, for JSON."""

    @classmethod
    @abstractmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """What it said; KeyError, TypeError or ValueError where that is none."""

    def to_json(self) -> bytes:
        """Sealed with its checksum."""
        body = self.to_body()
        return json.dumps({"body": body, "sha256": _digest(body)}, indent=1).encode()

    @classmethod
    def from_json(cls, name: str, content: bytes) -> Self:
        """CorruptError where it is not as it was written, or was under another name."""
        try:
            data = json.loads(content)
            body = data["body"]
            if _digest(body) != data["sha256"]:
                raise CorruptError(name, "its checksum is another")
            found = cls.from_body(body)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CorruptError(name, "not a manifest") from None
        if found.name != name:
            raise CorruptError(name, f"it is {found.name} by its content")
        return found


M = TypeVar("M", bound=Manifest)


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def write_manifest(folder: Path | Folder, manifest: Manifest) -> None:
    """Make a checkpoint complete: its files' names durable first, then the manifest."""
    place = folder_at(folder)
    place.sync()
    place.write(manifest.name, manifest.to_json())
    place.sync()


def manifests(
    folder: Path | Folder, kind: type[M], run: str, on_corrupt: Callable[[CorruptError], None] | None = None
) -> Iterator[M]:
    """A run's manifests, newest first; ``on_corrupt`` hears of those that are damaged or another run's."""
    place = folder_at(folder)
    for name in sorted((name for name in place.names() if _NAMED(name)), reverse=True):
        try:
            found = kind.from_json(name, read_content(place, name))
            if found.run != run:
                raise CorruptError(name, "it is of another run")
            yield found
        except CorruptError as error:
            if on_corrupt:
                on_corrupt(error)


def kept_of(found: Sequence[M]) -> list[M]:
    """Those of a run's manifests, newest first, that are to be kept."""
    kept = list(found[:KEEP])
    used = frozenset().union(*(manifest.files for manifest in kept))
    apart = next((manifest for manifest in found[KEEP:] if not manifest.files & used), None)
    if apart is None and found[KEEP:]:
        # none shares nothing: the one that shares least, the newest of those
        apart = min(found[KEEP:], key=lambda manifest: len(manifest.files & used))
    return [*kept, apart] if apart else kept
