"""A sweep in parts, on as many machines as there are parts, and its rows in one file again.

Each part is a file beside the one that is wanted: columns as NumPy has them, so that what is merged is what one
machine would have found, to the last bit. It knows of which sweep it is, by a checksum of the job, the values and
the model.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cprmodel.bulk.chunk import Chunk, Coded
from cprmodel.bulk.many import Sweep
from cprmodel.bulk.writing import Writer
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import open_plain, whole_file
from cprmodel.facts.parts import Part
from cprmodel.facts.version import __version__

__all__ = ["merged", "part_file", "part_writer"]

_ABOUT = "about.json"
#: What reading says of a file that is not as it was written.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def part_file(out: Path, part: Part) -> Path:
    """Where a part is written.

    >>> part_file(Path("rows.csv"), Part(3, 8)).name
    'rows.csv.part-3-of-8'
    """
    return out.with_name(f"{out.name}.part-{part.number}-of-{part.of}")


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
                    array = column.codes if isinstance(column, Coded) else np.ascontiguousarray(column)
                    content = io.BytesIO()
                    np.lib.format.write_array(content, array, allow_pickle=False)
                    zipped.writestr(f"{len(chunks)}/{number}.npy", content.getbuffer())
                    columns.append([name, list(column.names) if isinstance(column, Coded) else None])
                chunks.append({"first": chunk.first, "columns": columns})

        yield _Parts()
        about = {"sweep": _checksum(sweep), "part": str(part), "chunks": chunks}
        zipped.writestr(_ABOUT, json.dumps(about))


def merged(out: Path, of: int, sweep: Sweep) -> Iterator[Chunk]:
    """The rows of all parts, in order; JobError where one is missing, damaged, or of another sweep."""
    wanted = _checksum(sweep)
    parts = [Part(number, of) for number in range(1, of + 1)]
    found = [(part_file(out, part), _about(part, part_file(out, part), wanted)) for part in parts]
    first = 0
    for path, about in found:
        with _opened(path) as file, zipfile.ZipFile(file) as zipped:
            for number, told in enumerate(about["chunks"]):
                try:
                    chunk = _chunk(zipped, number, told)
                except _DAMAGED as error:
                    raise _wrong(path, f"it as it was written ({error})") from None
                if chunk.first != first:
                    raise _wrong(path, f"rows from {first:,} on, not from {chunk.first:,}")
                first += len(chunk)
                yield chunk
    if first != sweep.grid.size:
        raise JobError(f"--merge {of}", [Problem("", "", f"{sweep.grid.size:,} rows in all parts, not {first:,}")])


def _about(part: Part, path: Path, wanted: str) -> dict[str, Any]:
    try:
        with _opened(path) as file, zipfile.ZipFile(file) as zipped:
            found: dict[str, Any] = json.loads(zipped.read(_ABOUT))
        ours = found["sweep"] == wanted and found["part"] == str(part)
        found["chunks"] = list(found["chunks"])
    except JobError:
        raise
    except _DAMAGED as error:
        raise _wrong(path, f"a part of a sweep as --part writes it ({error})") from None
    if not ours:
        raise _wrong(path, "a part of the same sweep: job, values, model and version")
    return found


def _opened(path: Path) -> BinaryIO:
    """A plain file, which ends."""
    try:
        return open_plain(path, "a part of a sweep")
    except FileNotFoundError:
        raise _wrong(path, "this part, which is not there") from None
    except OSError as error:
        raise _wrong(path, f"a file that can be read ({error.strerror})") from None


def _chunk(zipped: zipfile.ZipFile, number: int, told: dict[str, Any]) -> Chunk:
    columns: dict[str, Any] = {}
    for place, (name, names) in enumerate(told["columns"]):
        with zipped.open(f"{number}/{place}.npy") as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
            member.read()  # to its end, where its checksum is looked at
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


def _wrong(path: Path, expected: str) -> JobError:
    return JobError(str(path), [Problem("", "", expected)])
