"""MovieLens ratings as clicks: a rating of 4 or more is one; genres are a bag of several rows.

Harper & Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from cprmodel.facts.errors import JobError
from cprmodel.facts.files import open_plain
from validation.data.batch import Batch, Cursor, DataError

__all__ = ["MovieLens"]

CLICK = 4.0


class MovieLens:
    """Users, movies and genres in the order of time; the last ``test_share`` of it is for testing."""

    def __init__(self, path: Path, batch_size: int, test_share: float = 0.1) -> None:
        self.batch_size = batch_size
        try:
            with open_plain(path, "the MovieLens table"):
                pass
            table = pl.read_csv(path).sort("timestamp", maintain_order=True)
            users = table["userId"].rank("dense").to_numpy().astype(np.int64) - 1
            movies = table["movieId"].rank("dense").to_numpy().astype(np.int64) - 1
            genres = table["genres"].fill_null("(no genres listed)").str.split("|")
            years = table["year"].cast(pl.Float64).fill_null(1995.0).to_numpy()
            labels = (table["rating"].cast(pl.Float64).to_numpy() >= CLICK).astype(np.float32)
        except JobError as error:
            raise DataError(str(error)) from None
        except OSError as error:
            raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
            raise DataError(f"{path}: not the MovieLens table ({str(error).splitlines()[0]})") from None
        if any(table[name].null_count() for name in ("userId", "movieId", "rating", "timestamp")):
            raise DataError(f"{path}: not the MovieLens table (a cell is empty or no number)")
        if len(table) < 2:
            raise DataError(f"{path}: no ratings")
        names = sorted(set(genres.explode().to_list()))
        place = {name: i for i, name in enumerate(names)}
        self._sizes = (int(users.max()) + 1, int(movies.max()) + 1, len(names))
        first = np.concatenate([[0], np.cumsum(self._sizes)])
        rows = [
            [user, first[1] + movie, *(first[2] + place[genre] for genre in own)]
            for user, movie, own in zip(users, movies, genres.to_list(), strict=True)
        ]
        lengths = np.array([len(row) for row in rows])
        self._begin = np.concatenate([[0], np.cumsum(lengths)])
        self._ids = np.concatenate([np.array(row, dtype=np.int64) for row in rows])
        self._dense = ((years - 1990) / 20).astype(np.float32)[:, None]
        self._labels = labels
        self._train = int(len(rows) * (1 - test_share))

    @property
    def num_embeddings(self) -> tuple[int, ...]:
        return self._sizes

    @property
    def dense_features(self) -> int:
        return 1

    def train(self, cursor: Cursor | None) -> Iterator[tuple[Batch, Cursor]]:
        """Batches for ever, epoch after epoch; a rest at the end of one is left out."""
        epoch, number = (cursor["epoch"], cursor["batch"]) if cursor else (0, 0)
        per_epoch = max(1, self._train // self.batch_size)
        while True:
            begin = number * self.batch_size
            number += 1
            if number == per_epoch:
                epoch, number = epoch + 1, 0
            yield self._batch(begin, min(begin + self.batch_size, self._train)), {"epoch": epoch, "batch": number}

    def test(self) -> Iterator[Batch]:
        """The latest ratings."""
        for begin in range(self._train, len(self._labels), 4096):
            yield self._batch(begin, min(begin + 4096, len(self._labels)))

    def remarks(self) -> list[str]:
        return []

    def _batch(self, begin: int, end: int) -> Batch:
        first = self._begin[begin:end]
        offsets = np.stack([first, first + 1, first + 2], axis=1).reshape(-1) - first[0]
        ids = self._ids[first[0] : self._begin[end]]
        return Batch(self._dense[begin:end], ids, offsets, self._labels[begin:end])
