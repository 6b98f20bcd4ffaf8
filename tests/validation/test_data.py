"""Sources of samples: what is read, what is refused, and that every one can begin again anywhere."""

from __future__ import annotations

import csv
import gzip
import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from validation.data.batch import Batch, Cursor, DataError
from validation.data.criteo import Criteo
from validation.data.movielens import MovieLens
from validation.data.synthetic import Synthetic
from validation.data.tables import reduced

DATA = Path(os.environ.get("CPRMODEL_DATA", Path(__file__).parents[3] / "shared" / "data"))
CRITEO, MOVIELENS = DATA / "criteo" / "train.tiny.csv", DATA / "movielens" / "movielens.csv.gz"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"no data in {DATA} (set CPRMODEL_DATA)")


def take(batches: Iterator[tuple[Batch, Cursor]], count: int) -> list[tuple[Batch, Cursor]]:
    return list(itertools.islice(batches, count))


def same(one: Batch, other: Batch) -> bool:
    names = ("dense", "ids", "offsets", "labels")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def begins_again(source: Any, count: int) -> None:
    """From every cursor on, the same batches and cursors come."""
    whole = take(source.train(None), count)
    for at in range(0, count - 3, max(1, count // 7)):
        for (one, here), (other, there) in zip(take(source.train(whole[at][1]), 3), whole[at + 1 :], strict=False):
            assert same(one, other)
            assert here == there


def test_synthetic_has_the_ceiling_and_the_skew_it_promises() -> None:
    aucs = []
    for seed in range(4):
        source = Synthetic(reduced(20_000), 512, 0, seed, 1.05)
        batch, probability = source.sample(2, 0, 60_000)
        aucs.append(roc_auc_score(batch.labels, probability))  # the teacher's own: no model does better
    assert np.mean(aucs) == pytest.approx(0.84, abs=0.015)
    # shares of the popular rows against Zipf's law, within four standard errors
    size = 1000
    source = Synthetic((size,), 512, 0, 5, 1.05)
    batch, _ = source.sample(1, 0, 200_000)
    counts = np.sort(np.bincount(batch.ids, minlength=size))[::-1]
    expected = np.arange(1, 21) ** -1.05 / (np.arange(1, size + 1) ** -1.05).sum() * 200_000
    assert (np.abs(counts[:20] - expected) < 4 * np.sqrt(expected)).all()


def test_synthetic_begins_again() -> None:
    source = Synthetic((100, 5, 2), 32, 50, 3, 1.2)
    begins_again(source, 20)
    assert sum(len(batch) for batch in source.test()) == 50
    first, _ = next(source.train(None))
    assert first.ids.max() < sum(source.num_embeddings)
    assert not same(first, next(Synthetic((100, 5, 2), 32, 50, 4, 1.2).train(None))[0])


@needs_data
def test_criteo_against_a_plain_reading() -> None:
    sizes = reduced(1000)
    source = Criteo([CRITEO], sizes, 64, test_share=0.1)
    batches = take(source.train(None), 20)
    with CRITEO.open(newline="") as file:
        rows = list(csv.DictReader(file))
    ids = np.concatenate([batch.ids for batch, _ in batches]).reshape(-1, 26)
    dense = np.concatenate([batch.dense for batch, _ in batches])
    labels = np.concatenate([batch.labels for batch, _ in batches])
    first = np.concatenate([[0], np.cumsum(sizes)])
    for i, row in enumerate(rows[: len(labels)]):
        assert labels[i] == float(row["Label"])
        for j in range(13):
            value = row[f"I{j + 1}"]
            assert dense[i, j] == pytest.approx(np.log1p(max(float(value), 0)) if value else 0.0, rel=1e-6)
        for j in range(26):
            value = row[f"C{j + 1}"]
            hashed = (int(value, 16) * 0x9E3779B97F4A7C15 % 2**64 >> 32) % (sizes[j] - 1) + 1 if value else 0
            assert ids[i, j] == first[j] + hashed
    begins_again(source, 40)  # over several epochs
    tested = sum(len(batch) for batch in source.test())
    per_epoch = [cursor for _, cursor in take(source.train(None), 60)]
    trained = next(c["read"] for c in reversed(per_epoch))
    assert tested + trained == len(rows) == 1999
    assert source.remarks() == []


def lines(count: int, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)

    def number() -> str:
        return "" if rng.random() < 0.3 else str(rng.randint(-3, 5000))

    def value() -> str:
        return "" if rng.random() < 0.2 else f"{rng.getrandbits(32):08x}"

    return [
        [str(rng.randint(0, 1)), *(number() for _ in range(13)), *(value() for _ in range(26))]
        for _ in range(count)
    ]


HEADER = ["Label", *(f"I{i}" for i in range(1, 14)), *(f"C{i}" for i in range(1, 27))]


def written(
    path: Path, rows: list[list[str]], separator: str, header: bool, with_id: bool, end: str = "\n"
) -> Path:
    table = ([HEADER] if header else []) + rows
    if with_id:
        table = [["Id" if row is HEADER else str(1000 + i), *row] for i, row in enumerate(table)]
    text = "".join(separator.join(row) + end for row in table)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("with_id", [False, True])
@pytest.mark.parametrize(
    ("separator", "end", "suffix"), [("\t", "\n", "txt"), (",", "\r\n", "csv"), ("\t", "\n", "gz")]
)
def test_all_layouts_of_criteo_are_one(
    header: bool, with_id: bool, separator: str, end: str, suffix: str, tmp_path: Path
) -> None:
    rows, tests = lines(100), lines(30, seed=1)
    plain = Criteo(
        [written(tmp_path / "a.tsv", rows, "\t", False, False)],
        [50] * 26,
        16,
        [written(tmp_path / "t.tsv", tests, "\t", False, False)],
    )
    other = Criteo(
        [written(tmp_path / f"b.{suffix}", rows, separator, header, with_id, end)],
        [50] * 26,
        16,
        [written(tmp_path / f"u.{suffix}", tests, separator, header, with_id, end)],
    )
    for (one, _), (two, _) in zip(take(plain.train(None), 12), take(other.train(None), 12), strict=True):
        assert same(one, two)
    assert all(same(one, two) for one, two in zip(plain.test(), other.test(), strict=True))
    begins_again(other, 14)


def test_bad_lines_are_counted_once_and_bounded(tmp_path: Path) -> None:
    rows = lines(1000)
    rows[100] = ["1", "2"]
    rows[200][0] = "2"
    rows[300][5] = "many"
    rows[400][20] = "xyz"
    rows[500] = [""]
    path = written(tmp_path / "a.tsv", rows, "\t", False, False)
    tests = written(tmp_path / "t.tsv", lines(20), "\t", False, False)
    source = Criteo([path], [50] * 26, 100, [tests])
    batches = take(source.train(None), 30)
    assert batches[-1][1] == {"epoch": 3, "file": 0, "offset": batches[-1][1]["offset"], "bad": 5, "read": 1000}
    assert source.remarks() == ["5 of 1000 lines skipped, the first: '1\\t2'"]
    begins_again(source, 30)
    good = [row for i, row in enumerate(rows) if i not in (100, 200, 300, 400, 500)]
    clean = Criteo([written(tmp_path / "b.tsv", good, "\t", False, False)], [50] * 26, 100, [tests])
    assert all(same(a, b) for (a, _), (b, _) in zip(batches, take(clean.train(None), 30), strict=True))

    for i in range(0, 1000, 40):
        rows[i] = ["?"]
    worse = Criteo([written(tmp_path / "c.tsv", [*lines(1), *rows], "\t", False, False)], [50] * 26, 100, [tests])
    with pytest.raises(DataError, match=r"c\.tsv: 28 of 1001 lines cannot be used .* expected at most 0\.01"):
        take(worse.train(None), 30)


def test_what_is_no_criteo_file(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1\t2\t3\n")
    with pytest.raises(DataError, match="3 fields in line 1; expected a label, 13 numbers and 26 values"):
        Criteo([tmp_path / "a.tsv"], [50] * 26, 16)
    with pytest.raises(DataError, match="no such file"):
        Criteo([tmp_path / "nope.tsv"], [50] * 26, 16)
    packed = written(tmp_path / "a.gz", lines(10), "\t", False, False)
    with pytest.raises(DataError, match="cannot be cut; expected test_path"):
        Criteo([packed], [50] * 26, 16)
    only_header = written(tmp_path / "h.csv", [], ",", True, False)
    with pytest.raises(DataError, match="no line that can be used"):
        take(Criteo([only_header], [50] * 26, 16, [packed]).train(None), 1)


@needs_data
def test_movielens_against_a_plain_reading() -> None:
    source = MovieLens(MOVIELENS, 256)
    with gzip.open(MOVIELENS, "rt", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["timestamp"]))
    assert source.num_embeddings == (
        len({row["userId"] for row in rows}),
        len({row["movieId"] for row in rows}),
        len({genre for row in rows for genre in row["genres"].split("|")}),
    )
    assert source.num_embeddings[:2] == (671, 9066)  # GroupLens
    batch, _ = next(source.train(None))
    bounds = [*batch.offsets.tolist(), len(batch.ids)]
    for i in range(len(batch)):
        assert batch.labels[i] == (float(rows[i]["rating"]) >= 4)
        bags = [bounds[3 * i + j + 1] - bounds[3 * i + j] for j in range(3)]
        assert bags == [1, 1, len(rows[i]["genres"].split("|"))]
    assert sum(len(b) for b in source.test()) == len(rows) - int(len(rows) * 0.9)
    begins_again(source, 400)
    with pytest.raises(DataError, match="not the MovieLens table"):
        MovieLens(CRITEO, 32)


def test_bad_test_lines_are_counted_and_bounded(tmp_path: Path) -> None:
    train = written(tmp_path / "a.tsv", lines(50), "\t", False, False)
    some = [*lines(20), ["?"]]
    source = Criteo([train], [50] * 26, 10, [written(tmp_path / "t.tsv", some, "\t", False, False)])
    assert sum(len(batch) for batch in source.test()) == 20
    assert source.remarks() == ["1 of 21 test lines skipped"]
    many = [*lines(20), *[["?"]] * 30]
    source = Criteo([train], [50] * 26, 10, [written(tmp_path / "u.tsv", many, "\t", False, False)])
    with pytest.raises(DataError, match=r"u\.tsv: 30 of 50 lines cannot be used"):
        list(source.test())


def test_a_packed_file_that_was_cut(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gz", lines(3000), "\t", False, False)
    tests = written(tmp_path / "t.tsv", lines(5), "\t", False, False)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match="cannot be read to its end"):
        take(Criteo([path], [50] * 26, 100, [tests]).train(None), 100)
    path.write_bytes(b"plain text")
    with pytest.raises(DataError, match="not a gzipped file"):
        Criteo([path], [50] * 26, 100, [tests])
