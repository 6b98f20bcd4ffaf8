"""What the commands that train are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Asked"]


@dataclass(frozen=True)
class Asked:
    """A case to train, where, and how to tell of it."""

    path: Path  #: of the case
    out: Path | None
    device: str | None
    resume: bool
    as_json: bool
    part: str | None = None  #: this part of an experiment alone
    merge: int | None = None  #: make one of so many parts
    on: str | None = None  #: a cluster for runs whose time does not matter

    @property
    def folder(self) -> Path:
        """Where everything is kept."""
        return self.out or Path("runs") / self.path.stem
