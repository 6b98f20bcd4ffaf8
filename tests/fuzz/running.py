"""Inputs of a seed for a target; what broke is said with a line that does it again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.fuzz.inputs import INPUTS
from tests.fuzz.mutations import mutated
from tests.fuzz.oracle import Fault
from tests.fuzz.targets import TARGETS

__all__ = ["FOUND", "Found", "kept", "read", "spoiled"]

#: Inputs that once broke something, by the name of their target.
FOUND = Path(__file__).parent / "found"


class Found(AssertionError):
    """An input that broke a target."""

    def __init__(self, target: str, content: bytes, fault: Fault) -> None:
        self.target, self.content, self.fault = target, content, fault
        super().__init__(f"{target}: {fault}")


def spoiled(target: str, seed: int) -> bytes:
    """The input of a number for a target."""
    return mutated(Random(f"{target} {seed}"), INPUTS[TARGETS[target].kind])


def read(target: str, content: bytes) -> None:
    """Have a target read an input; Found where that breaks it."""
    one = TARGETS[target]
    with tempfile.TemporaryDirectory(prefix="cprmodel-fuzz-") as folder:
        path = Path(folder) / f"input{one.ending}"
        path.write_bytes(content)
        try:
            one.run(path, content)
        except Fault as fault:
            raise Found(target, content, fault) from fault.__cause__


def kept() -> Iterator[tuple[str, Path]]:
    """What is in the folder of what was found: (target, file)."""
    names = {name.replace(" ", "_"): name for name in TARGETS}
    for path in sorted(FOUND.glob("*/*")):
        yield names[path.parent.name], path
