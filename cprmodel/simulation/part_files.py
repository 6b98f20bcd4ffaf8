"""What a part of a simulation played, in a file beside the one that is wanted; and all parts together again."""

from __future__ import annotations

import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError
from cprmodel.facts.files import whole_file
from cprmodel.facts.part_files import DAMAGED, about, array_in, opened, part_file, put_about, put_array, wrong
from cprmodel.facts.parts import Part
from cprmodel.simulation import batches
from cprmodel.simulation.shares import Share

__all__ = ["merged_share", "write_part"]


def write_part(out: Path, share: Share, of: str) -> Path:
    """The file of a part that was played, which is there whole or not at all; ``of``: which simulation it is."""
    assert share.part is not None
    path = part_file(out, share.part)
    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        told = []
        for (loop, number), gave in share.gave.items():
            plain, arrays = _apart(gave)
            for name, array in arrays.items():
                put_array(zipped, f"{loop}/{number}/{name}", array)
            told.append([loop, number, plain, list(arrays)])
        put_about(zipped, "simulation", of, share.part, batches=told)
    return path


def merged_share(out: Path, of: int, which: str) -> Share:
    """What all parts played; JobError where one is missing, damaged, or of another simulation."""
    known: dict[tuple[int, int], Any] = {}
    for part in (Part(number, of) for number in range(1, of + 1)):
        path = part_file(out, part)
        try:
            with opened(path, "simulation") as file, zipfile.ZipFile(file) as zipped:
                found = about(zipped, "simulation", which, part)
                batches_of = [] if found is None else found["batches"]
                known |= {(one[0], one[1]): _read(zipped, *one) for one in batches_of}
        except JobError:
            raise
        except DAMAGED as error:
            raise wrong(path, f"a part of a simulation as --part writes it ({error})") from None
        if found is None:
            raise wrong(path, "a part of the same simulation: job, strategy, options and version")
    return Share(known=known)


def _apart(gave: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Plain values by name, and arrays; an array alone has no name."""
    if isinstance(gave, np.ndarray):
        return None, {"": gave}
    values = {one.name: getattr(gave, one.name) for one in fields(gave)}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    return {name: value for name, value in values.items() if name not in arrays}, arrays


def _read(zipped: zipfile.ZipFile, loop: int, number: int, plain: dict[str, Any] | None, names: list[str]) -> Any:
    arrays = {name: array_in(zipped, f"{loop}/{number}/{name}") for name in names}
    return arrays[""] if plain is None else batches.Part(**plain, **arrays)
