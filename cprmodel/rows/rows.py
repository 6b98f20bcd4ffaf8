"""The rows (or shards) that share the bandwidth: their sizes and how often each is updated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cprmodel.facts.errors import DomainError

__all__ = ["Classes", "Floats", "Rows", "rows_of", "zipf_rows", "zipf_weights"]

Floats = NDArray[np.float64]

_EXACT_RANKS = 4096  #: Zipf's first ranks are kept apart, those beyond go in bins 1% wide
_BINS = 4096
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Classes:
    """Rows of one size, those alike together: updates of one (in some unit of time), and how many they are."""

    updates: Floats
    count: Floats

    @property
    def rows(self) -> float:
        """How many rows there are."""
        return float(self.count.sum())

    @property
    def total_updates(self) -> float:
        """Updates of all of them."""
        return float(self.updates @ self.count)

    def binned(self, seconds: float = 1.0, most: int = _BINS) -> Classes:
        """At most so many of them: rows of nearly the same rate share its mean; updates in ``seconds``."""
        return _binned(self, seconds, most)


@dataclass(frozen=True)
class Rows:
    """Rows or shards; ``size_bytes`` and ``count`` are one number where they are the same for all.

    ``row_bytes``: the size of the rows that a tracker of updates would count in; None where it is not known: then
    updates are taken to come evenly.
    """

    updates_per_s: Floats
    size_bytes: Floats
    count: Floats
    row_bytes: float | None = None
    names: tuple[str, ...] | None = None

    @property
    def total_bytes(self) -> float:
        """S [B]."""
        return _sum(self.size_bytes * self.count, self.updates_per_s.size)

    @property
    def total_updates_per_s(self) -> float:
        """Λ [1/s]."""
        if self.count.ndim == 0:
            return float(self.updates_per_s.sum() * self.count)
        return float(self.updates_per_s @ self.count)

    @property
    def n(self) -> float:
        """How many rows a tracker would count in; shards, where the size of their rows is not known."""
        if self.row_bytes is not None:
            return self.total_bytes / self.row_bytes
        return self.number

    @property
    def number(self) -> float:
        """How many rows or shards there are."""
        return _sum(self.count, self.updates_per_s.size)

    def classes(self, seconds: float = 1.0) -> Classes:
        """Seen as rows of one size, with their updates in so many seconds; at most some thousand classes.

        What has no bytes is left out: it is saved at no cost. A shard's updates are spread evenly over its rows.
        """
        alike = self.size_bytes.ndim == 0 and self.size_bytes > 0
        own = self.row_bytes or (float(self.size_bytes) if alike else self.total_bytes / 1e6)
        if alike and own == float(self.size_bytes):  # as they are: nothing as large as the rates is made
            found = Classes(self.updates_per_s, self.count)
            return found.binned(seconds)
        size = np.broadcast_to(self.size_bytes, self.updates_per_s.shape)
        has = size > 0
        count = np.broadcast_to(self.count, size.shape)[has] * size[has] / own
        return Classes(self.updates_per_s[has] * (own / size[has]), count).binned(seconds)


def _sum(each: Floats, size: int) -> float:
    return float(each * size if each.ndim == 0 else each.sum())


def rows_of(
    updates_per_s: ArrayLike,
    size_bytes: ArrayLike,
    row_bytes: float | None = None,
    names: tuple[str, ...] | None = None,
) -> Rows:
    """Rows or shards from their rates and sizes.

    >>> rows_of([3.0, 1.0], 64.0, row_bytes=64.0).total_updates_per_s
    4.0
    """
    rates, sizes = np.asarray(updates_per_s, dtype=np.float64), np.asarray(size_bytes, dtype=np.float64)
    if rates.ndim != 1 or rates.size == 0 or (sizes.ndim and sizes.shape != rates.shape):
        raise DomainError("rows_of: expected a rate for each row, and a size for each or one for all")
    for name, numbers in (("updates_per_s", rates), ("size_bytes", sizes)):
        low, high = numbers.min(), numbers.max()  # NaN shows in both
        if not (low >= 0 and high < np.inf):
            raise DomainError(f"rows_of: {name}: expected finite numbers of at least 0")
    if row_bytes is not None and not 0 < row_bytes < np.inf:
        raise DomainError(f"rows_of: row_bytes = {row_bytes!r}: expected a number greater than 0")
    return Rows(rates, sizes, np.ones(()), row_bytes, names)


def zipf_weights(exponent: float, first: int, last: int) -> Floats:
    """rank^(−exponent) of the ranks first to last."""
    return np.arange(first, last + 1, dtype=np.float64) ** -exponent


def zipf_rows(exponent: float, rows: int, row_bytes: float, total_updates_per_s: float) -> Rows:
    """Rows whose k-th most updated one has k^(−exponent) of the most updated one's updates.

    >>> round(zipf_rows(1.05, 10**8, 64.0, 1e6).total_updates_per_s)
    1000000
    """
    if not (0 <= exponent < 100 and 1 <= rows <= 1e15 and row_bytes > 0 and 0 <= total_updates_per_s < np.inf):
        raise DomainError("zipf_rows: expected an exponent of at least 0, and at least one row with bytes")
    exact = min(rows, _EXACT_RANKS)
    head = zipf_weights(exponent, 1, exact)
    steps = int(np.log(rows / exact) / np.log(1.01)) + 1
    edges = np.unique(np.append(np.round(exact * 1.01 ** np.arange(steps)), rows))
    low, high = edges[:-1] + 0.5, edges[1:] + 0.5
    with np.errstate(divide="ignore"):
        power = 1 - exponent
        logs = np.log(high) - np.log(low)
        tail = low**power * (np.expm1(power * logs) / power if power else logs)  # ∫ x^(−exponent), midpoint rule
    weight = np.concatenate([head, tail / (high - low)])
    count = np.concatenate([np.ones(exact), high - low])
    rates = weight * (total_updates_per_s / float(weight @ count))
    return Rows(rates, np.asarray(float(row_bytes)), count, float(row_bytes))


def _binned(found: Classes, seconds: float, most: int) -> Classes:
    """Rows of nearly the same rate in one class with their mean rate, block by block."""
    rates = found.updates
    counts = np.broadcast_to(found.count, rates.shape)
    if rates.size <= most:
        return Classes(rates * seconds, counts)
    high = float(rates.max())
    if high == 0:
        return Classes(np.zeros(1), np.array([float(counts.sum())]))
    low = min(
        float(np.min(rates[start : start + _BLOCK], where=rates[start : start + _BLOCK] > 0, initial=high))
        for start in range(0, rates.size, _BLOCK)
    )
    scale = (most - 1) / np.log(high / low) if high > low else 0.0
    number, total = np.zeros(most + 1), np.zeros(most + 1)
    for start in range(0, rates.size, _BLOCK):
        block, times = rates[start : start + _BLOCK], counts[start : start + _BLOCK]
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.where(block > 0, np.log(block / low) * scale + 1.5, 0).astype(np.intp)
        number += np.bincount(at, times, minlength=most + 1)
        total += np.bincount(at, block * times, minlength=most + 1)
    there = number > 0
    return Classes(total[there] / number[there] * seconds, number[there])
