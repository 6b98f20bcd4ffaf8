"""Manifests: what makes a set of files a checkpoint.

A manifest names every file of a checkpoint with size and checksum, and carries a checksum of itself and the name of
the run that it is of. It is written last; a checkpoint without one does not exist. Several are kept, so that damage
to the newest, or to a base that the newest share, leaves an older one to return to.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cprmodel.facts.files import sync, write_whole
from validation.checkpoint.files import CorruptError, FileRef

__all__ = ["KEEP", "Manifest", "collect_garbage", "manifests", "write_manifest"]

#: The newest checkpoints that are kept, besides the newest one whose files none of them uses.
KEEP = 2


@dataclass(frozen=True)
class Manifest:
    """A complete checkpoint: the state after ``step`` steps."""

    sequence: int
    step: int
    generation: int
    cursor: dict[str, Any]
    trainer: FileRef
    shards: tuple[tuple[FileRef, ...], ...]  # for each shard its base and deltas, in order
    run: str

    @property
    def name(self) -> str:
        return f"{self.sequence:08d}.json"

    @property
    def files(self) -> frozenset[str]:
        return frozenset({self.trainer.name, *(ref.name for chain in self.shards for ref in chain)})

    @property
    def size_bytes(self) -> int:
        return self.trainer.size_bytes + sum(ref.size_bytes for chain in self.shards for ref in chain)

    def to_json(self) -> bytes:
        body = {
            "sequence": self.sequence,
            "step": self.step,
            "generation": self.generation,
            "cursor": self.cursor,
            "trainer": self.trainer.to_dict(),
            "shards": [[ref.to_dict() for ref in chain] for chain in self.shards],
            "run": self.run,
        }
        return json.dumps({"body": body, "sha256": _digest(body)}, indent=1).encode()

    @classmethod
    def from_json(cls, name: str, content: bytes) -> Manifest:
        try:
            data = json.loads(content)
            body = data["body"]
            if _digest(body) != data["sha256"]:
                raise CorruptError(name, "its checksum is another")
            found = cls(
                body["sequence"],
                body["step"],
                body["generation"],
                body["cursor"],
                FileRef(**body["trainer"]),
                tuple(tuple(FileRef(**ref) for ref in chain) for chain in body["shards"]),
                body["run"],
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CorruptError(name, "not a manifest") from None
        if found.name != name:
            raise CorruptError(name, f"it is {found.name} by its content")
        return found


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make a checkpoint complete: its files' names durable first, then the manifest."""
    sync(folder)
    write_whole(folder / manifest.name, manifest.to_json())
    sync(folder)


def manifests(
    folder: Path, run: str, on_corrupt: Callable[[CorruptError], None] | None = None
) -> Iterator[Manifest]:
    """A run's manifests, newest first; ``on_corrupt`` hears of those that are damaged or another run's."""
    for path in sorted(folder.glob("[0-9]*.json"), reverse=True):
        try:
            found = Manifest.from_json(path.name, _content(path))
            if found.run != run:
                raise CorruptError(path.name, "it is of another run")
            yield found
        except CorruptError as error:
            if on_corrupt:
                on_corrupt(error)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorruptError(path.name, (error.strerror or "cannot be read").lower()) from None


def collect_garbage(folder: Path, run: str) -> None:
    """Remove what no kept checkpoint of the run needs."""
    found = list(manifests(folder, run))
    kept = found[:KEEP]
    used = frozenset().union(*(manifest.files for manifest in kept))
    apart = next((manifest for manifest in found[KEEP:] if not manifest.files & used), None)
    if apart is None and found[KEEP:]:
        # none shares nothing: the one that shares least, the newest of those
        apart = min(found[KEEP:], key=lambda manifest: len(manifest.files & used))
    kept += [apart] if apart else []
    names = {manifest.name for manifest in kept} | set().union(*(manifest.files for manifest in kept))
    names = {Path(name).parts[0] for name in names}
    for path in [*folder.glob("[0-9]" * 8 + ".*"), *folder.glob(".*.tmp")]:  # nobody else's
        if path.name in names:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
