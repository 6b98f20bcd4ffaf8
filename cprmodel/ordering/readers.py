"""From a file to rows: a CSV of shards."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from pathlib import Path

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import read_text
from cprmodel.facts.units import QuantityError, parse_quantity
from cprmodel.rows import Rows, rows_of

__all__ = ["read_shards"]

_COLUMNS = ("shard", "bytes", "updates_per_s")


def read_shards(path: str | Path, row_bytes: float | None = None) -> Rows:
    """A CSV with the columns shard, bytes (a number, or a size such as 1.2 GB) and updates_per_s.

    JobError says in one line what is wrong with it.
    """
    source = str(path)
    form = "a text file, CSV"
    reader = csv.reader(io.StringIO(read_text(path, "a CSV of shards", form), newline=""))
    try:
        heading = [cell.strip() for cell in next(reader, [])]
        for name in _COLUMNS:
            if heading.count(name) != 1:
                raise JobError(
                    source, [Problem("columns", ",".join(heading), f"one {name} of {', '.join(_COLUMNS)}")]
                )
        at = [heading.index(name) for name in _COLUMNS]
        found = [_shard(source, reader.line_num, row, at) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error:
        raise JobError(source, [Problem("", "", form)]) from None
    if not found:
        raise JobError(source, [Problem("", "", "at least one shard")])
    names = [name for name, _, _ in found]
    twice = next((name for name, number in Counter(names).items() if number > 1), None)
    if twice is not None:
        raise JobError(source, [Problem("shard", f'"{twice}"', "each shard once")])
    sizes, rates = np.array([one[1] for one in found]), np.array([one[2] for one in found])
    if not sizes.any():
        raise JobError(source, [Problem("bytes", "", "at least one shard that has some")])
    if not (rates * sizes).any():
        raise JobError(source, [Problem("updates_per_s", "", "at least one shard with bytes that is updated")])
    return rows_of(rates, sizes, row_bytes, tuple(names))


def _shard(source: str, line: int, row: list[str], at: list[int]) -> tuple[str, float, float]:
    cells = [row[index].strip() if index < len(row) else "" for index in at]
    return cells[0], _size(source, line, cells[1]), _rate(source, line, cells[2])


def _size(source: str, line: int, cell: str) -> float:
    try:
        size = float(cell)
    except ValueError:
        try:
            size = parse_quantity(cell, "size")
        except QuantityError as error:
            raise JobError(source, [Problem(f"line {line}, bytes", f'"{cell}"', f"{error}")]) from None
    return _checked(source, f"line {line}, bytes", cell, size)


def _rate(source: str, line: int, cell: str) -> float:
    try:
        return _checked(source, f"line {line}, updates_per_s", cell, float(cell))
    except ValueError as error:
        if isinstance(error, JobError):
            raise
        raise JobError(source, [Problem(f"line {line}, updates_per_s", f'"{cell}"', "a number")]) from None


def _checked(source: str, field: str, cell: str, number: float) -> float:
    if not (math.isfinite(number) and 0 <= number <= 1e30):
        raise JobError(source, [Problem(field, f'"{cell}"', "a number from 0 to 1e30")])
    return number
