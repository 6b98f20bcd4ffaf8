"""Criteo click logs as a stream: the Kaggle and Terabyte layouts, with or without header and Id, gzipped or not.

A line is a label, 13 whole numbers and 26 hexadecimal values, any of which but the label may be missing. Lines
that are anything else are skipped, counted and reported; too many of them are an error.
"""

from __future__ import annotations

import gzip
import itertools
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from cprmodel.facts.errors import JobError
from cprmodel.facts.files import open_plain
from validation.data.batch import Batch, Cursor, DataError

__all__ = ["Criteo"]

DENSE, SPARSE = 13, 26
CHUNK = 16_384  # lines parsed at a time
#: Bytes of a line; what is longer is read as several, none of which can be used.
_LONGEST_LINE = 100_000
#: More bad lines than this many, and than the allowed share of those read, are an error.
FEW = 10


class Criteo:
    """Batches from one file or several, epoch after epoch.

    Where no test files are given, the end of the last file, ``test_share`` of it, is for testing.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        num_embeddings: Sequence[int],
        batch_size: int,
        test_paths: Sequence[Path] = (),
        test_share: float = 0.1,
        max_bad_share: float = 0.01,
    ) -> None:
        self._sizes = tuple(num_embeddings)
        self._first = np.concatenate([[0], np.cumsum(self._sizes)])[:-1]
        self.batch_size, self.max_bad_share = batch_size, max_bad_share
        self._train = [_File(path) for path in paths]
        self._test = [_File(path) for path in test_paths]
        if not self._test:
            self._test = [self._train[-1].cut(test_share)]
        self._bad, self._read, self._example = 0, 0, ""
        self._tested = [0, 0]  # bad lines, and lines, of the test files

    @property
    def num_embeddings(self) -> tuple[int, ...]:
        return self._sizes

    @property
    def dense_features(self) -> int:
        return DENSE

    def remarks(self) -> list[str]:
        """How many lines were skipped, and the first one."""
        found = []
        if self._bad:
            found.append(f"{self._bad} of {self._read} lines skipped, the first: {self._example}")
        bad, read = self._tested
        if bad:
            found.append(f"{bad} of {read} test lines skipped")
        return found

    def train(self, cursor: Cursor | None) -> Iterator[tuple[Batch, Cursor]]:
        """Batches for ever, in the files' order."""
        at = {"epoch": 0, "file": 0, "offset": self._train[0].begin, "bad": 0, "read": 0} | (cursor or {})
        epoch, number, offset = at["epoch"], at["file"], at["offset"]
        self._bad, self._read = at["bad"], at["read"]
        parts: list[_Parsed] = []
        held = 0
        found_any = True
        while True:
            file = self._train[number]
            for parsed in self._chunks(file, offset, count_from=(at["bad"], at["read"]) if epoch == 0 else None):
                found_any = found_any or len(parsed) > 0
                parts.append(parsed)
                held += len(parsed)
                while held >= self.batch_size:
                    batch, parts, last = _take(parts, self.batch_size)
                    held -= self.batch_size
                    at = {"epoch": epoch, "file": number, "offset": last.ends, "bad": last.bad, "read": last.read}
                    yield self._batch(batch), dict(at)
            number += 1
            if number == len(self._train):
                if not found_any:
                    raise DataError(f"{self._train[0].path}: no line that can be used")
                number, epoch, found_any = 0, epoch + 1, False
            offset = self._train[number].begin
            at = {**at, "bad": self._bad, "read": self._read}

    def test(self) -> Iterator[Batch]:
        """The test samples."""
        self._tested = [0, 0]
        for file in self._test:
            for parsed in self._chunks(file, file.begin, None):
                self._tested[0] += parsed.skipped
                self._tested[1] += parsed.lines
                self._bound(file, self._tested[0], self._tested[1], parsed.example)
                if len(parsed):
                    yield self._batch(parsed)

    def _chunks(self, file: _File, offset: int, count_from: tuple[int, int] | None) -> Iterator[_Parsed]:
        bad, read = count_from or (0, 0)
        with file.open(offset) as stream:
            while True:
                try:
                    lines = list(itertools.islice(iter(lambda: stream.readline(_LONGEST_LINE), b""), CHUNK))
                except (OSError, EOFError, zlib.error) as error:
                    raise DataError(f"{file.path}: cannot be read to its end ({error})") from None
                ends = offset + np.cumsum([len(line) for line in lines], dtype=np.int64)
                if file.end is not None:
                    lines = lines[: int(np.searchsorted(ends - file.end, 0, side="right"))]
                if not lines:
                    return
                parsed = file.parse(lines, ends[: len(lines)])
                if count_from is not None:
                    parsed.bad_before += bad
                    parsed.read_before += read
                    bad, read = bad + parsed.skipped, read + len(lines)
                    if parsed.skipped and not self._example:
                        self._example = parsed.example
                    self._bad, self._read = bad, read
                    self._bound(file, bad, read, self._example)
                else:
                    parsed.bad_before[:] = self._bad
                    parsed.read_before[:] = self._read
                yield parsed
                offset = int(ends[len(lines) - 1])

    def _bound(self, file: _File, bad: int, read: int, example: str) -> None:
        if bad > FEW and bad > self.max_bad_share * read:
            raise DataError(
                f"{file.path}: {bad} of {read} lines cannot be used (the first: {example}); "
                f"expected at most {self.max_bad_share:.3g} of them"
            )

    def _batch(self, parsed: _Parsed) -> Batch:
        sizes = np.array(self._sizes, dtype=np.uint64)
        mixed = (parsed.sparse.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
        ids = np.where(parsed.sparse < 0, 0, (mixed % (sizes - np.uint64(1))).astype(np.int64) + 1)
        ids = (ids + self._first).reshape(-1)
        dense = np.log1p(np.maximum(parsed.dense, 0)).astype(np.float32)
        return Batch(dense, ids, np.arange(len(ids), dtype=np.int64), parsed.labels)


class _Parsed:
    """Good lines of a chunk, with where each ends and what was skipped before it."""

    def __init__(self, labels: Any, dense: Any, sparse: Any, ends: Any, bad: Any, read: Any) -> None:
        self.labels, self.dense, self.sparse, self.line_ends = labels, dense, sparse, ends
        self.bad_before, self.read_before = bad, read
        self.skipped, self.lines, self.example = 0, 0, ""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, which: slice) -> _Parsed:
        arrays = (self.labels, self.dense, self.sparse, self.line_ends, self.bad_before, self.read_before)
        return _Parsed(*(array[which] for array in arrays))

    @property
    def ends(self) -> int:
        return int(self.line_ends[-1])

    @property
    def bad(self) -> int:
        return int(self.bad_before[-1])

    @property
    def read(self) -> int:
        return int(self.read_before[-1])


def _take(parts: list[_Parsed], size: int) -> tuple[_Parsed, list[_Parsed], _Parsed]:
    """The first ``size`` samples, the rest, and the part that the last of them is from."""
    taken: list[_Parsed] = []
    need = size
    while need:
        part = parts[0]
        taken.append(part[:need])
        parts = [part[need:], *parts[1:]] if len(part) > need else parts[1:]
        need -= len(taken[-1])
    taken = [part for part in taken if len(part)]
    last = taken[-1]
    joined = (np.concatenate([getattr(p, name) for p in taken]) for name in _ARRAYS)
    return _Parsed(*joined), parts, last


_ARRAYS = ("labels", "dense", "sparse", "line_ends", "bad_before", "read_before")


class _File:
    """One file, its layout read off its first line."""

    def __init__(self, path: Path, begin: int | None = None, end: int | None = None) -> None:
        self.path, self.end = path, end
        try:
            with open_plain(path, "a table"):
                pass
            with self.open(0) as stream:
                first = stream.readline(_LONGEST_LINE)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: {(getattr(error, 'strerror', None) or str(error)).lower()}") from None
        except JobError as error:
            raise DataError(str(error)) from None
        text = first.decode("utf-8", "replace").rstrip("\r\n")
        self.separator = "\t" if "\t" in text else ","
        fields = text.split(self.separator)
        header = any(field.strip().lower() == "label" for field in fields)
        self.has_id = len(fields) == 2 + DENSE + SPARSE
        if not self.has_id and len(fields) != 1 + DENSE + SPARSE:
            raise DataError(f"{path}: {len(fields)} fields in line 1; expected a label, 13 numbers and 26 values")
        self.begin = begin if begin is not None else (len(first) if header else 0)

    def open(self, offset: int) -> BinaryIO:
        stream: Any = gzip.open(self.path) if self.path.suffix == ".gz" else open(self.path, "rb")  # noqa: SIM115
        stream.seek(offset)
        return stream  # type: ignore[no-any-return]

    def cut(self, share: float) -> _File:
        """Keep the beginning of this file, and return its end."""
        if self.path.suffix == ".gz":
            raise DataError(f"{self.path}: a gzipped file cannot be cut; expected test_path beside it")
        size = os.path.getsize(self.path)
        with self.open(max(self.begin, int(size * (1 - share)) - 1)) as stream:
            stream.readline(_LONGEST_LINE)
            self.end = stream.tell()
        return _File(self.path, begin=self.end)

    def parse(self, lines: list[bytes], ends: Any) -> _Parsed:
        first = 1 if self.has_id else 0
        text = pl.Series("line", [line.decode("utf-8", "replace").rstrip("\r\n") for line in lines])
        fields = pl.DataFrame({"fields": text.str.split(self.separator)})
        right = pl.col("fields").list.len() == first + 1 + DENSE + SPARSE

        def field(i: int) -> pl.Expr:
            return pl.col("fields").list.get(first + i, null_on_oob=True).str.strip_chars()

        label = field(0).cast(pl.Int8, strict=False)
        numbers = [field(1 + i).cast(pl.Int64, strict=False) for i in range(DENSE)]
        values = [field(1 + DENSE + i).str.to_integer(base=16, strict=False) for i in range(SPARSE)]
        wrong = [(field(1 + i) != "") & number.is_null() for i, number in enumerate(numbers)]
        wrong += [(field(1 + DENSE + i) != "") & value.is_null() for i, value in enumerate(values)]
        wrong += [(value < 0).fill_null(False) for value in values]
        table = fields.select(
            good=right & label.is_in([0, 1]).fill_null(False) & ~pl.any_horizontal(wrong).fill_null(True),
            label=label.cast(pl.Float32),
            dense=pl.concat_list([n.fill_null(0).cast(pl.Float64) for n in numbers]),
            sparse=pl.concat_list([v.fill_null(-1) for v in values]),
        )
        good = table["good"].to_numpy()
        kept = table.filter(pl.col("good"))
        skipped = np.cumsum(~good)
        parsed = _Parsed(
            kept["label"].to_numpy().astype(np.float32),
            np.array(kept["dense"].explode().to_numpy()).reshape(-1, DENSE),
            np.array(kept["sparse"].explode().to_numpy()).reshape(-1, SPARSE),
            ends[good],
            skipped[good],
            np.arange(1, len(lines) + 1)[good],
        )
        parsed.skipped, parsed.lines = int(skipped[-1]), len(lines)
        if parsed.skipped:
            bad = text[int(np.argmin(good))]
            parsed.example = repr(bad if len(bad) <= 60 else f"{bad[:57]}...")
        return parsed
