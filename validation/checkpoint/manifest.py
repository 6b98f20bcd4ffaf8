"""The harness's manifests: a checkpoint of the trainer and its shards; what is kept of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cprmodel.checkpoints import manifest as generic
from cprmodel.checkpoints.files import CorruptError, FileRef
from cprmodel.checkpoints.manifest import kept_of, write_manifest
from cprmodel.facts.files import remove

__all__ = ["Manifest", "collect_garbage", "manifests", "write_manifest"]


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
    folder: Path, run: str, on_corrupt: Callable[[CorruptError], None] | None = None
) -> Iterator[Manifest]:
    """A run's manifests, newest first; ``on_corrupt`` hears of those that are damaged or another run's."""
    return generic.manifests(folder, Manifest, run, on_corrupt)


def collect_garbage(folder: Path, run: str) -> None:
    """Remove what no kept checkpoint of the run needs."""
    kept = kept_of(list(manifests(folder, run)))
    names = {manifest.name for manifest in kept} | set().union(*(manifest.files for manifest in kept))
    names = {Path(name).parts[0] for name in names}
    for path in [*folder.glob("[0-9]" * 8 + ".*"), *folder.glob(".*.tmp")]:  # nobody else's
        if path.name not in names:
            remove(path)
