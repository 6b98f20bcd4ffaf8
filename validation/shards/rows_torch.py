"""Rows on a GPU (or any torch device): the numbers of :class:`validation.shards.rows.NumpyRows`, bit for bit.

Every step is one that IEEE 754 rounds in one way, and a row's squares are added in NumPy's order: an audit of a run
needs no tolerance, wherever its shards held their rows. (A division by a plain number is none on a GPU, but a
product with its reciprocal; so what divides, and is divided, lies on the device. A square root in float32 may be
off by a last bit, as torch's is on a CPU; one in float64 that is rounded to float32 is the right one.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from validation.placement import Placement
from validation.shards.rows import ADAGRAD_EPS

__all__ = ["TorchRows", "row_sums"]

#: NumPy adds so many at once, and up to so many without halving.
_LANES, _BLOCK = 8, 128


def row_sums(values: torch.Tensor) -> torch.Tensor:
    """The sum of each row [N, D], added in the order of ``numpy.sum`` over a contiguous last axis (pairwise).

    >>> numbers = np.random.default_rng(1).standard_normal((3, 300), dtype=np.float32)
    >>> bool((row_sums(torch.from_numpy(numbers)).numpy() == numbers.sum(axis=1)).all())
    True
    """
    count = values.shape[1]
    if count > _BLOCK:
        half = count // 2
        half -= half % _LANES
        return row_sums(values[:, :half]) + row_sums(values[:, half:])
    whole = count - count % _LANES
    if not whole:
        total = values[:, 0]
        rest = range(1, count)
    else:
        lanes = values[:, :_LANES]
        for begin in range(_LANES, whole, _LANES):
            lanes = lanes + values[:, begin : begin + _LANES]
        pairs = lanes[:, 0::2] + lanes[:, 1::2]
        total = (pairs[:, 0] + pairs[:, 1]) + (pairs[:, 2] + pairs[:, 3])
        rest = range(whole, count)
    for column in rest:
        total = total + values[:, column]
    return total


def _root(values: torch.Tensor) -> torch.Tensor:
    """The square root, rounded as IEEE 754 says."""
    return values.double().sqrt().float()


class TorchRows:
    """Rows that a torch device holds."""

    def __init__(self, rows: Any, optimizer: str, lr: float, device: str) -> None:
        self.place = Placement(device)
        self.optimizer = optimizer
        self.rows = self.place.put(rows)
        self.sums = self.place.put(np.zeros(len(rows), dtype=np.float32)) if optimizer != "sgd" else None
        self._lr, self._dim = (self.place.put(np.array(one, np.float32)) for one in (lr, rows.shape[1]))

    def gather(self, ids: Any) -> Any:
        """Copies of the rows."""
        return self.place.back(self.rows[self.place.put(ids)])

    @torch.no_grad()
    def update(self, ids: Any, gradients: Any) -> None:
        """One optimizer step on these rows; done when it returns."""
        where, step = self.place.put(ids), self.place.put(gradients)
        if self.sums is None:
            self.rows[where] -= self._lr * step
        else:
            sums = self.sums[where] + row_sums(step * step) / self._dim
            self.sums[where] = sums
            self.rows[where] -= (self._lr / (_root(sums) + ADAGRAD_EPS))[:, None] * step
        self.place.wait()

    def export(self, ids: Any | None = None) -> dict[str, Any]:
        """Rows and optimizer state by name (all of them without ids)."""
        where = slice(None) if ids is None else self.place.put(ids)
        out = {"rows": self.place.back(self.rows[where])}
        if self.sums is not None:
            out["sums"] = self.place.back(self.sums[where])
        return out

    def put(self, ids: Any | None, arrays: dict[str, Any]) -> None:
        """Overwrite rows and their state; done when it returns."""
        where = slice(None) if ids is None else self.place.put(ids)
        self.rows[where] = self.place.put(arrays["rows"])
        if self.sums is not None:
            self.sums[where] = self.place.put(arrays["sums"])
        self.place.wait()
