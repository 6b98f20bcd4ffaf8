"""Samples of the lab: what a seed trains on, what the probe looks at, what is tested on; none of them shared.

The world is the same for every seed (the teacher of synthetic clicks, the table of ratings); what a seed changes is
which samples it trains on and in which order, and which ones the probe and the tests look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from validation.data.batch import Batch
from validation.sections import DataSection

__all__ = ["Samples", "Step", "open_samples", "take"]

_TRAIN, _PROBE, _TEST = (10**6 * number for number in (1, 2, 3))  # streams of the synthetic data, + the seed

#: Of real data a part is held out, half of it for the probe.
HELD_OUT = 0.2


@dataclass(frozen=True)
class Step:
    """A batch, its distinct rows, and the place of each id among them."""

    batch: Batch
    distinct: Any
    inverse: Any

    @classmethod
    def of(cls, batch: Batch) -> Step:
        distinct, inverse = np.unique(batch.ids, return_inverse=True)
        return cls(batch, distinct, inverse)


class Samples(Protocol):
    """Everything that a case trains and looks at."""

    num_embeddings: tuple[int, ...]
    dense_features: int

    def steps(self, seed: int, number: int) -> list[Step]:
        """The first steps that a seed trains."""

    def probe(self, seed: int) -> Batch:
        """What the probe of a seed's run looks at."""

    def test(self, seed: int) -> tuple[Batch, ...]:
        """What a seed's runs are tested on."""


def open_samples(data: DataSection, num_embeddings: tuple[int, ...], probe_samples: int) -> Samples:
    """The samples of a case."""
    if data.source == "synthetic":
        return SyntheticSamples(data, num_embeddings, probe_samples)
    return RatingSamples(data, probe_samples)


class SyntheticSamples:
    """Clicks of one teacher; every seed has streams of its own."""

    def __init__(self, data: DataSection, num_embeddings: tuple[int, ...], probe_samples: int) -> None:
        from validation.data.synthetic import Synthetic

        self.data, self.probe_samples = data, probe_samples
        self.source = Synthetic(num_embeddings, data.batch_size, 1, data.seed, data.zipf_exponent)
        self.num_embeddings, self.dense_features = self.source.num_embeddings, self.source.dense_features

    def steps(self, seed: int, number: int) -> list[Step]:
        size = self.data.batch_size
        return [Step.of(self.source.sample(_TRAIN + seed, step, size)[0]) for step in range(number)]

    def probe(self, seed: int) -> Batch:
        return self.source.sample(_PROBE + seed, 0, self.probe_samples)[0]

    def test(self, seed: int) -> tuple[Batch, ...]:
        sizes = [min(4096, self.data.test_samples - begin) for begin in range(0, self.data.test_samples, 4096)]
        return tuple(self.source.sample(_TEST + seed, number, size)[0] for number, size in enumerate(sizes))


class RatingSamples:
    """MovieLens: for each seed some of the ratings are held out, the others shuffled for each epoch."""

    def __init__(self, data: DataSection, probe_samples: int) -> None:
        from validation.data.movielens import MovieLens

        self.data, self.probe_samples = data, probe_samples
        source = MovieLens(data.path[0], 4096, test_share=1 - 1e-9)
        self.num_embeddings, self.dense_features = source.num_embeddings, source.dense_features
        self._all = _joined(list(source.test()))

    def _split(self, seed: int) -> tuple[Any, Any, Any]:
        """Which ratings are for the probe, for the tests, for training."""
        order = np.random.default_rng([self.data.seed, seed, 0x5A17]).permutation(len(self._all))
        held = int(HELD_OUT * len(order))
        few = min(self.probe_samples, held // 2)
        return order[:few], order[few:held], order[held:]

    def steps(self, seed: int, number: int) -> list[Step]:
        rng = np.random.default_rng([self.data.seed, seed, 0x0BA7])
        kept, size = self._split(seed)[2], self.data.batch_size
        found: list[Step] = []
        while len(found) < number:
            shuffled = rng.permutation(kept)
            for begin in range(0, len(kept) - size + 1, size):
                found.append(Step.of(self._take(shuffled[begin : begin + size])))
        return found[:number]

    def probe(self, seed: int) -> Batch:
        return self._take(self._split(seed)[0])

    def test(self, seed: int) -> tuple[Batch, ...]:
        chosen = self._split(seed)[1]
        return tuple(self._take(chosen[begin : begin + 4096]) for begin in range(0, len(chosen), 4096))

    def _take(self, which: Any) -> Batch:
        return take(self._all, which, len(self.num_embeddings))


def _joined(batches: list[Batch]) -> Batch:
    begins = np.cumsum([0, *(len(batch.ids) for batch in batches)])
    return Batch(
        np.concatenate([batch.dense for batch in batches]),
        np.concatenate([batch.ids for batch in batches]),
        np.concatenate([batch.offsets + begin for batch, begin in zip(batches, begins, strict=False)]),
        np.concatenate([batch.labels for batch in batches]),
    )


def take(batch: Batch, which: Any, bags: int) -> Batch:
    """Some samples of a batch, whose samples have so many bags each."""
    bounds = np.append(batch.offsets, len(batch.ids))
    chosen = (np.asarray(which)[:, None] * bags + np.arange(bags)).reshape(-1)
    lengths = bounds[chosen + 1] - bounds[chosen]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    at = np.repeat(bounds[chosen] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Batch(batch.dense[which], batch.ids[at], offsets[:-1], batch.labels[which])
