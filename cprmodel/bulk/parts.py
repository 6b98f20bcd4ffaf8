"""A sweep in parts, on as many machines as there are parts, and its rows in one file again.

Each part is a file beside the one that is wanted: columns as NumPy has them, so that what is merged is what one
machine would have found, to the last bit. It knows of which sweep it is, by a checksum of the job, the values and
the model.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.bulk.chunk import Chunk, Coded
from cprmodel.bulk.many import Sweep
from cprmodel.bulk.writing import Writer
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import whole_file
from cprmodel.facts.part_files import DAMAGED, about, array_in, opened, part_file, put_about, put_array, wrong
from cprmodel.facts.parts import Part
from cprmodel.facts.version import __version__

__all__ = ["merged", "part_file", "part_writer"]


@contextmanager
def part_writer(out: Path, part: Part, sweep: Sweep) -> Iterator[Writer]:
    """A writer into the file of a part, which is there whole or not at all."""
    with (
        whole_file(part_file(out, part)) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped,
    ):
        chunks: list[dict[str, Any]] = []

        class _Parts:
            def write(self, chunk: Chunk) -> None:
                columns = []
                for number, (name, column) in enumerate(chunk.columns.items()):
                    array = column.codes if isinstance(column, Coded) else column
                    put_array(zipped, f"{len(chunks)}/{number}", array)
                    columns.append([name, list(column.names) if isinstance(column, Coded) else None])
                chunks.append({"first": chunk.first, "columns": columns})

        yield _Parts()
        put_about(zipped, "sweep", _checksum(sweep), part, chunks=chunks)


def merged(out: Path, of: int, sweep: Sweep) -> Iterator[Chunk]:
    """The rows of all parts, in order; JobError where one is missing, damaged, or of another sweep."""
    wanted = _checksum(sweep)
    parts = [Part(number, of) for number in range(1, of + 1)]
    found = [(part_file(out, part), _chunks(part, part_file(out, part), wanted)) for part in parts]
    first = 0
    for path, chunks in found:
        with opened(path, "sweep") as file, zipfile.ZipFile(file) as zipped:
            for number, told in enumerate(chunks):
                try:
                    chunk = _chunk(zipped, number, told)
                except DAMAGED as error:
                    raise wrong(path, f"it as it was written ({error})") from None
                if chunk.first != first:
                    raise wrong(path, f"rows from {first:,} on, not from {chunk.first:,}")
                first += len(chunk)
                yield chunk
    if first != sweep.grid.size:
        raise JobError(f"--merge {of}", [Problem("", "", f"{sweep.grid.size:,} rows in all parts, not {first:,}")])


def _chunks(part: Part, path: Path, wanted: str) -> list[dict[str, Any]]:
    """What is said of the chunks of a part."""
    try:
        with opened(path, "sweep") as file, zipfile.ZipFile(file) as zipped:
            found = about(zipped, "sweep", wanted, part)
        chunks = [] if found is None else list(found["chunks"])
    except JobError:
        raise
    except DAMAGED as error:
        raise wrong(path, f"a part of a sweep as --part writes it ({error})") from None
    if found is None:
        raise wrong(path, "a part of the same sweep: job, values, model and version")
    return chunks


def _chunk(zipped: zipfile.ZipFile, number: int, told: dict[str, Any]) -> Chunk:
    columns: dict[str, Any] = {}
    for place, (name, names) in enumerate(told["columns"]):
        array = array_in(zipped, f"{number}/{place}")
        columns[name] = array if names is None else Coded(array, tuple(names))
    return Chunk(told["first"], columns)


def _checksum(sweep: Sweep) -> str:
    values = {
        key.name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        for axis in sweep.grid.axes
        for key, array in axis.items()
    }
    known = [__version__, sweep.job.model_dump(mode="json"), list(sweep.grid.lengths), values]
    known += [sweep.model_name, sweep.minimise]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
