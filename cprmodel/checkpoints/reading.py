"""Partial checkpoints read back: which are there, and what they have of some rows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cprmodel.checkpoints.contents import Manifest
from cprmodel.checkpoints.files import CorruptError, read_tensors
from cprmodel.checkpoints.folders import Folder, folder_at
from cprmodel.checkpoints.manifest import manifests
from cprmodel.checkpoints.tables import Table
from cprmodel.facts.errors import CheckpointWarning, CprModelError, JobError, Problem, one_line

__all__ = ["Loaded", "NothingWhole", "apply", "listed", "none_whole", "read_tables", "tell"]


class NothingWhole(CprModelError):
    """There are checkpoints, and none of them is whole."""


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that was read back: its step, what was saved beside the rows, and what was found damaged."""

    sequence: int
    step: int
    rest: Any
    told: tuple[str, ...]


def listed(folder: Folder, run: str, told: list[str]) -> list[Manifest]:
    """A run's manifests, newest first; damaged ones, and those of other runs, are told."""
    try:
        return list(manifests(folder, Manifest, run, lambda error: told.append(f"{folder}: {error}")))
    except OSError as error:
        expected = f"a folder that can be read ({error.strerror or error})"
        raise JobError("checkpoints", [Problem("folder", str(folder), expected)]) from None


def tell(told: Sequence[str]) -> tuple[str, ...]:
    """Warn of each."""
    for line in told:
        warnings.warn(one_line(line), CheckpointWarning, stacklevel=4)
    return tuple(told)


def none_whole(told: Sequence[str], run: str) -> NothingWhole:
    """What to say where there are checkpoints, and none is whole."""
    return NothingWhole(
        f"{one_line('; '.join(told))}: expected a whole checkpoint of run {run!r}, or an empty folder"
    )


def apply(folder: Folder, manifest: Manifest, tables: Sequence[Table]) -> None:
    """Write what a checkpoint has of these rows into them; CorruptError at the first file that is not as it was."""
    left = {id(table): table.rows for table in tables}
    for table in tables:
        table.begin()
    for parts, chain in zip(manifest.parts, manifest.chains, strict=True):
        pairs = [(part, table) for part in parts for table in tables if part.overlaps(table.part)]
        for ref in chain if pairs else ():
            file = read_tensors(folder, ref)
            for part, table in pairs:
                left[id(table)] -= table.put(part, file)
    for table in tables:
        if left[id(table)] > 0:
            expected = f"its {table.rows} rows; the checkpoint has {table.rows - left[id(table)]} of them"
            raise JobError(f"table {table.name}", [Problem("rows", "", expected)])


def read_tables(folder: str | Path, run: str = "run") -> tuple[int, list[Table]]:
    """Step and whole tables of the newest checkpoint that is whole, put together from all processes', on the CPU.

    NothingWhole where there is none; damage is told as :meth:`PartialCheckpoints.load` tells it.
    """
    place = folder_at(folder)
    told: list[str] = []
    for manifest in listed(place, run, told):
        try:
            tables = _empty(place, manifest)
            apply(place, manifest, tables)
        except CorruptError as error:
            told.append(f"{place}: {error}")
            continue
        tell(told)
        return manifest.step, tables
    raise none_whole(told or [f"{place}: no checkpoint"], run)


def _empty(folder: Folder, manifest: Manifest) -> list[Table]:
    """Tables of the whole shape and the type that the checkpoint has."""
    found: dict[tuple[str, int, int], Table] = {}
    for parts, chain in zip(manifest.parts, manifest.chains, strict=True):
        left = [part for part in parts if (part.name, part.first_column, part.columns) not in found]
        for ref in chain if left else ():
            file = read_tensors(folder, ref)
            for part in list(left):
                if f"{part.key}|.weight" in file:
                    weight = torch.zeros((part.of_rows, part.columns), dtype=file[f"{part.key}|.weight"].dtype)
                    shape = (part.of_rows, part.of_columns)
                    made = Table(part.name, weight, first_column=part.first_column, shape=shape)
                    found[part.name, part.first_column, part.columns] = made
                    left.remove(part)
    return list(found.values())
