"""What a partial checkpoint's manifest says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from cprmodel.checkpoints import manifest as generic
from cprmodel.checkpoints.files import FileRef
from cprmodel.checkpoints.tables import Part

__all__ = ["Manifest"]


@dataclass(frozen=True)
class Manifest(generic.Manifest):
    """What is in a complete checkpoint: for each process its parts of tables, and its base and deltas in order."""

    sequence: int
    step: int
    run: str
    rest: FileRef | None
    parts: tuple[tuple[Part, ...], ...]
    chains: tuple[tuple[FileRef, ...], ...]
    delta_rows: tuple[int, ...]  # in each chain, after its base

    @property
    def files(self) -> frozenset[str]:
        rest = () if self.rest is None else (self.rest.name,)
        return frozenset({*rest, *(ref.name for chain in self.chains for ref in chain)})

    def to_body(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "step": self.step,
            "run": self.run,
            "rest": None if self.rest is None else self.rest.to_dict(),
            "parts": [[part.to_dict() for part in parts] for parts in self.parts],
            "chains": [[ref.to_dict() for ref in chain] for chain in self.chains],
            "delta_rows": list(self.delta_rows),
        }

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        return cls(
            body["sequence"],
            body["step"],
            body["run"],
            None if body["rest"] is None else FileRef(**body["rest"]),
            tuple(tuple(Part(**part) for part in parts) for parts in body["parts"]),
            tuple(tuple(FileRef(**ref) for ref in chain) for chain in body["chains"]),
            tuple(body["delta_rows"]),
        )
