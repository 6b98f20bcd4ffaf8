"""Synthetic clicks: Zipf accesses, and a teacher whose AUC no model can beat.

The teacher's logit is that of a factorisation machine: a linear part of the dense features and the rows' weights,
and the dot products of all pairs of the rows' latent vectors. Each batch has a random stream of its own, so the
data can be begun again at any batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from validation.data.batch import Batch, Cursor

__all__ = ["Synthetic"]

DENSE_FEATURES = 13
LATENT = 4
#: Size of the two parts of the logit and its shift: about a quarter clicks, AUC ceiling about 0.84.
LINEAR, PAIRS, SHIFT = 0.95, 0.95, -1.6


class Synthetic:
    """An endless stream of samples, and as many test samples as are asked for."""

    def __init__(
        self, num_embeddings: Sequence[int], batch_size: int, test_samples: int, seed: int, zipf_exponent: float
    ) -> None:
        self._sizes = tuple(num_embeddings)
        self.batch_size, self.test_samples, self.seed = batch_size, test_samples, seed
        teacher = np.random.default_rng(np.random.SeedSequence([seed, 0]))
        tables = len(self._sizes)
        self._first = np.concatenate([[0], np.cumsum(self._sizes)])[:-1]
        total = sum(self._sizes)
        self._weights = teacher.standard_normal(total, dtype=np.float32) * np.float32(LINEAR / np.sqrt(tables))
        scale = (PAIRS**2 / (tables * (tables - 1) / 2 * LATENT)) ** 0.25 if tables > 1 else 0.0
        self._latent = teacher.standard_normal((total, LATENT), dtype=np.float32) * np.float32(scale)
        self._dense_weights = teacher.standard_normal(DENSE_FEATURES).astype(np.float32) * np.float32(
            LINEAR / np.sqrt(DENSE_FEATURES)
        )
        self._cumulative = {size: _zipf(size, zipf_exponent) for size in set(self._sizes)}
        # the popular rows of a table lie anywhere in it
        self._places = [teacher.permutation(size) for size in self._sizes]

    @property
    def num_embeddings(self) -> tuple[int, ...]:
        return self._sizes

    @property
    def dense_features(self) -> int:
        return DENSE_FEATURES

    def train(self, cursor: Cursor | None) -> Iterator[tuple[Batch, Cursor]]:
        """Batches for ever."""
        number = cursor["batch"] if cursor else 0
        while True:
            batch, _ = self.sample(1, number, self.batch_size)
            number += 1
            yield batch, {"batch": number}

    def test(self) -> Iterator[Batch]:
        """Samples that training never sees."""
        for number, begin in enumerate(range(0, self.test_samples, 4096)):
            yield self.sample(2, number, min(4096, self.test_samples - begin))[0]

    def remarks(self) -> list[str]:
        return []

    def sample(self, stream: int, number: int, size: int) -> tuple[Batch, Any]:
        """A batch of a stream by its number, and the teacher's probabilities of a click."""
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, stream, number])))
        dense = rng.standard_normal((size, DENSE_FEATURES), dtype=np.float32)
        uniform = rng.random((len(self._sizes), size))
        ids = np.empty((size, len(self._sizes)), dtype=np.int64)
        for table, rows in enumerate(self._sizes):
            rank = np.searchsorted(self._cumulative[rows], uniform[table], side="right")
            ids[:, table] = self._first[table] + self._places[table][np.minimum(rank, rows - 1)]
        latent = self._latent[ids]
        pairs = 0.5 * (latent.sum(axis=1) ** 2 - (latent**2).sum(axis=1)).sum(axis=1)
        logit = dense @ self._dense_weights + self._weights[ids].sum(axis=1) + pairs + np.float32(SHIFT)
        probability = 1 / (1 + np.exp(-logit))
        labels = (rng.random(size) < probability).astype(np.float32)
        offsets = np.arange(ids.size, dtype=np.int64)
        return Batch(dense, ids.reshape(-1), offsets, labels), probability


def _zipf(rows: int, exponent: float) -> Any:
    weights = np.arange(1, rows + 1, dtype=np.float64) ** -exponent
    total = np.cumsum(weights)
    return total / total[-1]
