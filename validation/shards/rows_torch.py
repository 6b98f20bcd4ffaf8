"""Rows on a GPU (or any torch device), with the arithmetic of :class:`validation.shards.rows.NumpyRows`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from validation.placement import Placement
from validation.shards.rows import ADAGRAD_EPS

__all__ = ["TorchRows"]


class TorchRows:
    """Rows that a torch device holds."""

    def __init__(self, rows: Any, optimizer: str, lr: float, device: str) -> None:
        self.place = Placement(device)
        self.optimizer, self.lr = optimizer, lr
        self.rows = self.place.put(rows)
        self.sums = self.place.put(np.zeros(len(rows), dtype=np.float32)) if optimizer != "sgd" else None

    def gather(self, ids: Any) -> Any:
        """Copies of the rows."""
        return self.place.back(self.rows[self.place.put(ids)])

    @torch.no_grad()
    def update(self, ids: Any, gradients: Any) -> None:
        """One optimizer step on these rows."""
        where, step = self.place.put(ids), self.place.put(gradients)
        if self.sums is None:
            self.rows[where] -= self.lr * step
            return
        sums = self.sums[where] + (step * step).mean(dim=1)
        self.sums[where] = sums
        self.rows[where] -= (self.lr / (sums.sqrt() + ADAGRAD_EPS))[:, None] * step

    def export(self, ids: Any | None = None) -> dict[str, Any]:
        """Rows and optimizer state by name (all of them without ids)."""
        where = slice(None) if ids is None else self.place.put(ids)
        out = {"rows": self.place.back(self.rows[where])}
        if self.sums is not None:
            out["sums"] = self.place.back(self.sums[where])
        return out

    def put(self, ids: Any | None, arrays: dict[str, Any]) -> None:
        """Overwrite rows and their state."""
        where = slice(None) if ids is None else self.place.put(ids)
        self.rows[where] = self.place.put(arrays["rows"])
        if self.sums is not None:
            self.sums[where] = self.place.put(arrays["sums"])
