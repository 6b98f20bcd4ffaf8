"""Rows of embeddings with their optimizer state, in memory: what a shard holds."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

__all__ = ["ADAGRAD_EPS", "NumpyRows", "Rows", "initial_rows", "optimizer_names"]

#: What keeps row-wise Adagrad from dividing by 0.
ADAGRAD_EPS = 1e-8

optimizer_names = ("rowwise_adagrad", "sgd")


def initial_rows(flat: Any, num_embeddings: Any, first: Any, dim: int, seed: int, shard: int) -> Any:
    """Rows as DLRM starts them: uniform in ±1/√(rows of the table). From the seed and the shard's number alone."""
    table = np.searchsorted(first, flat, side="right") - 1
    scale = 1.0 / np.sqrt(np.asarray(num_embeddings, dtype=np.float32)[table])
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, shard])))
    rows = rng.random((len(flat), dim), dtype=np.float32)
    rows *= 2
    rows -= 1
    rows *= scale[:, None].astype(np.float32)
    return rows


class Rows(Protocol):
    """Rows somewhere; ids are local, distinct and sorted; arrays in and out are NumPy's."""

    def gather(self, ids: Any) -> Any: ...

    def update(self, ids: Any, gradients: Any) -> None: ...

    def export(self, ids: Any | None = None) -> dict[str, Any]: ...

    def put(self, ids: Any | None, arrays: dict[str, Any]) -> None: ...


class NumpyRows:
    """Rows in this process's memory.

    Row-wise Adagrad: G += mean(g²), row −= lr·g/(√G + ε), one G a row. SGD: row −= lr·g.
    """

    def __init__(self, rows: Any, optimizer: str, lr: float) -> None:
        self.rows = rows
        self.optimizer, self.lr = optimizer, np.float32(lr)
        self.sums = np.zeros(len(rows), dtype=np.float32) if optimizer == "rowwise_adagrad" else None

    def gather(self, ids: Any) -> Any:
        """Copies of the rows."""
        return self.rows[ids]

    def update(self, ids: Any, gradients: Any) -> None:
        """One optimizer step on these rows."""
        if self.sums is None:
            self.rows[ids] -= self.lr * gradients
            return
        sums = self.sums[ids] + np.mean(gradients * gradients, axis=1)
        self.sums[ids] = sums
        self.rows[ids] -= (self.lr / (np.sqrt(sums) + np.float32(ADAGRAD_EPS)))[:, None] * gradients

    def export(self, ids: Any | None = None) -> dict[str, Any]:
        """Rows and optimizer state by name (all of them without ids)."""
        where = slice(None) if ids is None else ids
        out = {"rows": self.rows[where]}
        if self.sums is not None:
            out["sums"] = self.sums[where]
        return out

    def put(self, ids: Any | None, arrays: dict[str, Any]) -> None:
        """Overwrite rows and their state."""
        where = slice(None) if ids is None else ids
        self.rows[where] = arrays["rows"]
        if self.sums is not None:
            self.sums[where] = arrays["sums"]
