"""What the commands that train are asked for."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Asked", "to_go_on"]


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


def to_go_on(command: str, *words: str | Path, **options: object) -> str:
    """What to type after an interrupt, with what was asked: options that are None were not."""
    given = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    return f"Interrupted. To go on: python -m validation {shlex.join([command, *map(str, words), *given])} --resume"
