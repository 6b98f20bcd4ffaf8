"""Rows of the lab, with their optimizer's state: those of the shards, and Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from cprmodel.harm.record import OptimizerUsed
from validation.shards.rows import ADAGRAD_EPS, NumpyRows

__all__ = ["OPTIMIZERS", "AdamRows", "make_rows"]

BETA_1, BETA_2, ADAM_EPS = 0.9, 0.999, 1e-8

#: Optimizers of the rows that the lab trains with.
OPTIMIZERS = ("rowwise_adagrad", "sgd", "adam")


class AdamRows:
    """Lazy Adam, as torch's ``SparseAdam``: only the rows of a batch move; the step counts batches."""

    def __init__(self, rows: Any, lr: float) -> None:
        self.rows, self.lr = rows, lr
        self.mean, self.square = np.zeros_like(rows), np.zeros_like(rows)
        self.steps = 0

    def gather(self, ids: Any) -> Any:
        """Copies of the rows."""
        return self.rows[ids]

    def update(self, ids: Any, gradients: Any) -> None:
        """One optimizer step on these rows."""
        self.steps += 1
        mean = BETA_1 * self.mean[ids] + (1 - BETA_1) * gradients
        square = BETA_2 * self.square[ids] + (1 - BETA_2) * gradients * gradients
        self.mean[ids], self.square[ids] = mean, square
        size = self.lr * np.sqrt(1 - BETA_2**self.steps) / (1 - BETA_1**self.steps)
        self.rows[ids] -= (size * mean / (np.sqrt(square) + ADAM_EPS)).astype(np.float32)

    def export(self, ids: Any | None = None) -> dict[str, Any]:
        """Rows and optimizer state by name."""
        where = slice(None) if ids is None else ids
        return {"rows": self.rows[where], "mean": self.mean[where], "square": self.square[where]}

    def put(self, ids: Any | None, arrays: dict[str, Any]) -> None:
        """Overwrite rows and their state."""
        where = slice(None) if ids is None else ids
        self.rows[where] = arrays["rows"]
        self.mean[where], self.square[where] = arrays["mean"], arrays["square"]

    @property
    def divided_by(self) -> Any:
        """Mean squares, without their bias."""
        return self.square / (1 - BETA_2 ** max(1, self.steps))


def make_rows(rows: Any, optimizer: str, lr: float) -> NumpyRows | AdamRows:
    """Rows that are trained so."""
    return AdamRows(rows, lr) if optimizer == "adam" else NumpyRows(rows, optimizer, lr)


def used(optimizer: str, lr: float) -> OptimizerUsed:
    """What the probe is told of the optimizer."""
    if optimizer == "adam":
        return OptimizerUsed(name="adam", learning_rate=lr, eps=ADAM_EPS, beta_1=BETA_1, beta_2=BETA_2, lazy=True)
    if optimizer == "sgd":
        return OptimizerUsed(name="sgd", learning_rate=lr)
    return OptimizerUsed(name="rowwise_adagrad", learning_rate=lr, eps=ADAGRAD_EPS)
