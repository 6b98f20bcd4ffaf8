"""Sweeps into files as they come: Parquet in row groups, or CSV; memory stays bounded however many rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from cprmodel.bulk.chunk import Chunk, Coded
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import whole_file
from cprmodel.facts.tables import cell

__all__ = ["FORMATS", "Writer", "writer_to"]

FORMATS = (".parquet", ".csv")

#: Rows of a Parquet row group: what is held at a time. The file's footer has some 15 kB for each group.
ROW_GROUP = 2**20


class Writer(Protocol):
    """What takes the chunks of a sweep, in order."""

    def write(self, chunk: Chunk) -> None: ...


@contextmanager
def writer_to(path: str | Path, source: str = "out") -> Iterator[Writer]:
    """A writer into a file that appears whole or not at all; by its name Parquet or CSV."""
    path = Path(path)
    if path.suffix not in FORMATS:
        raise JobError(f"{source} {path}", [Problem("", "", f"a file that ends in {' or '.join(FORMATS)}")])
    with whole_file(path) as file, (_parquet if path.suffix == ".parquet" else _csv)(file, source) as writer:
        yield writer


@contextmanager
def _parquet(file: BinaryIO, source: str) -> Iterator[Writer]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        expected = 'pyarrow, to write Parquet: pip install "cprmodel[bulk]" (or a file that ends in .csv)'
        raise JobError(source, [Problem("", "", expected)]) from None

    def arrow(column: Any) -> Any:
        if not isinstance(column, Coded):
            return pa.array(np.ascontiguousarray(column))
        codes = pa.array(column.codes.astype(np.int32))
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.names)).dictionary_decode()

    class _Parquet:
        def __init__(self) -> None:
            self.file: Any = None
            self.held: list[Any] = []
            self.rows = 0

        def write(self, chunk: Chunk) -> None:
            table = pa.table({name: arrow(column) for name, column in chunk.columns.items()})
            self.held.append(table)
            self.rows += len(chunk)
            if self.rows >= ROW_GROUP:
                self.flush()

        def flush(self) -> None:
            if not self.held:
                return
            whole = pa.concat_tables(self.held)
            if self.file is None:
                self.file = pq.ParquetWriter(file, whole.schema, compression="zstd", compression_level=1)
            self.file.write_table(whole, row_group_size=max(self.rows, 1))
            self.held, self.rows = [], 0

    writer = _Parquet()
    try:
        yield writer
        writer.flush()
    finally:
        if writer.file is not None:
            writer.file.close()


@contextmanager
def _csv(file: BinaryIO, source: str) -> Iterator[Writer]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    lines = csv.writer(text, lineterminator="\n")

    class _Csv:
        begun = False

        def write(self, chunk: Chunk) -> None:
            if not self.begun:
                lines.writerow([cell(name) for name in chunk.columns])
                self.begun = True
            cells = [
                (
                    Coded(column.codes, tuple(map(cell, column.names))).text()
                    if isinstance(column, Coded)
                    else column
                ).tolist()
                for column in chunk.columns.values()
            ]
            lines.writerows(zip(*cells, strict=True))

    try:
        yield _Csv()
    finally:
        text.detach()  # flushed; whoever opened the file closes it
