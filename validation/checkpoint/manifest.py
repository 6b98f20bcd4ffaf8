"""The harness's manifests: a checkpoint of the trainer and its shards; what is kept of a run."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cprmodel.checkpoints import manifest as generic
from cprmodel.checkpoints.files import CorruptError, FileRef
from cprmodel.checkpoints.folders import Folder, folder_at
from cprmodel.checkpoints.manifest import kept_of, write_manifest

__all__ = ["NUMBERED", "Manifest", "clear", "collect_garbage", "manifests", "write_manifest"]

#: Whether a name is that of a file, or a folder, of some checkpoint, which begins with its number.
NUMBERED = re.compile(r"[0-9]{8}\..*").fullmatch
_LEFT = re.compile(r"\..*\.tmp").fullmatch


@dataclass(frozen=True)
class Manifest(generic.Manifest):
    """A complete checkpoint: the state after ``step`` steps."""

    sequence: int
    step: int
    generation: int
    cursor: dict[str, Any]
    trainer: FileRef
    shards: tuple[tuple[FileRef, ...], ...]  # for each shard its base and deltas, in order
    run: str
    turn: int = 0  # where saves rotate over the shards: the first of those in the next one

    @property
    def files(self) -> frozenset[str]:
        return frozenset({self.trainer.name, *(ref.name for chain in self.shards for ref in chain)})

    @property
    def size_bytes(self) -> int:
        return self.trainer.size_bytes + sum(ref.size_bytes for chain in self.shards for ref in chain)

    def to_body(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "step": self.step,
            "generation": self.generation,
            "cursor": self.cursor,
            "trainer": self.trainer.to_dict(),
            "shards": [[ref.to_dict() for ref in chain] for chain in self.shards],
            "run": self.run,
            "turn": self.turn,
        }

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        return cls(
            body["sequence"],
            body["step"],
            body["generation"],
            body["cursor"],
            FileRef(**body["trainer"]),
            tuple(tuple(FileRef(**ref) for ref in chain) for chain in body["shards"]),
            body["run"],
            body.get("turn", 0),
        )


def manifests(
    folder: Path | Folder, run: str, on_corrupt: Callable[[CorruptError], None] | None = None
) -> Iterator[Manifest]:
    """A run's manifests, newest first; ``on_corrupt`` hears of those that are damaged or another run's."""
    return generic.manifests(folder, Manifest, run, on_corrupt)


def collect_garbage(folder: Path | Folder, run: str) -> None:
    """Remove what no kept checkpoint of the run needs."""
    place = folder_at(folder)
    kept = kept_of(list(manifests(folder, run)))
    names = {manifest.name for manifest in kept} | set().union(*(manifest.files for manifest in kept))
    names = {Path(name).parts[0] for name in names}
    for name in place.names():
        if (NUMBERED(name) or _LEFT(name)) and name not in names:  # nobody else's
            place.remove(name)


def clear(folder: Path | Folder | str) -> None:
    """Remove all checkpoints, of whatever run; what cannot be removed stays."""
    place = folder_at(folder)
    with contextlib.suppress(OSError):
        for name in place.names():
            if NUMBERED(name) or _LEFT(name):
                place.remove(name)
