"""What a process writes of a partial checkpoint, and what process 0 removes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import torch

from cprmodel.checkpoints.chosen import Chosen
from cprmodel.checkpoints.contents import Manifest
from cprmodel.checkpoints.files import CorruptError
from cprmodel.checkpoints.folders import Folder
from cprmodel.checkpoints.manifest import kept_of, manifests
from cprmodel.checkpoints.tables import Table
from cprmodel.facts.errors import DomainError, JobError, Problem

__all__ = ["collect_garbage", "content_of", "cut_files", "own_folder"]

#: Rows are written in files of about this size, so that a base takes no second copy of them all.
FILE_BYTES = 256 << 20


def cut_files(
    tables: Sequence[Table], chosen: Chosen, name_of: Callable[[str, int], str]
) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Copies of the chosen rows, in files of about FILE_BYTES: names (of a kind, and a number) and contents."""
    kind = "base" if chosen.base else "delta"
    file: dict[str, torch.Tensor] = {}
    number = 0
    for table, rows in zip(tables, chosen.rows, strict=True):
        total = table.rows if rows is None else len(rows)
        block = max(1, FILE_BYTES // max(1, table.row_bytes))
        for start in range(0, total, block):
            end = min(start + block, total)
            file |= table.cut(slice(start, end) if rows is None else torch.from_numpy(rows[start:end]))
            if end < total or sum(tensor.nbytes for tensor in file.values()) >= FILE_BYTES:
                yield name_of(kind, number), file
                file, number = {}, number + 1
        file |= table.whole()
    if file:
        yield name_of(kind, number), file


def content_of(rest: Any, check: bool) -> bytes:
    """What ``torch.save`` writes of it; DomainError where it is to be checked, and could not be read back."""
    file = io.BytesIO()
    torch.save(rest, file)
    if check:  # better now than when it is needed
        file.seek(0)
        try:
            torch.load(file, weights_only=True, map_location="cpu")
        except Exception as error:
            expected = "what torch.load(weights_only=True) reads: tensors, numbers, text, lists and dicts of them"
            raise DomainError(f"rest: expected {expected} ({str(error).splitlines()[0]})") from None
    return file.getvalue()


def collect_garbage(folder: Folder, run: str, tag: str, void: Collection[str]) -> None:
    """Remove what no kept checkpoint of this run needs, and nobody else's files.

    ``tag`` is that of the run's files; ``void`` names manifests of a past that did not happen.
    """
    damaged: list[CorruptError] = []
    mine = list(manifests(folder, Manifest, run, damaged.append))
    kept = kept_of([one for one in mine if one.name not in void])
    used = {one.name for one in kept}.union(*(one.files for one in kept))
    oldest = min(one.name for one in kept)
    gone = {one.name for one in mine}
    gone |= {one.name for one in damaged if one.name < oldest and "another run" not in one.reason}
    gone |= {name for name in folder.names() if re.match(rf"\.?\d{{8}}\.{tag}\.", name)}
    for name in sorted(gone - used, key=lambda name: not name.endswith(".json")):  # first what names the others
        folder.remove(name)


def own_folder(folder: Folder, run: str) -> None:
    """JobError where the folder has another run's checkpoints and none of this one's."""
    other: list[CorruptError] = []
    mine = next(iter(manifests(folder, Manifest, run, other.append)), None)
    if mine is None and any("another run" in error.reason for error in other):
        expected = f"an empty folder, or one of run {run!r}, not another run's"
        raise JobError("checkpoints", [Problem("folder", str(folder), expected)])
