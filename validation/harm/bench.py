"""One process that trains the harness's model, and can be forked: bit by bit the same until rows are put back."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from cprmodel.harm.probing import auc_of
from validation.data.batch import Batch
from validation.harm.rows import make_rows
from validation.harm.samples import Step
from validation.model.dlrm import DLRM, train_step
from validation.placement import Placement
from validation.shards.rows import initial_rows

__all__ = ["Bench", "Metric", "Snapshot"]

_CHUNK = 256  # samples of a forward pass: what fits the caches


@dataclass(frozen=True)
class Metric:
    """Of the test samples: the log loss of each one, and the AUC."""

    losses: Any
    auc: float

    @property
    def log_loss(self) -> float:
        return float(self.losses.mean())


@dataclass(frozen=True)
class Snapshot:
    """The rows with their optimizer state, as they were."""

    arrays: dict[str, Any]


class Bench:
    """Model, rows, optimizers and the place in the run."""

    def __init__(
        self,
        num_embeddings: tuple[int, ...],
        dense_features: int,
        model: Any,
        training: Any,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.num_embeddings = num_embeddings
        self.first = np.concatenate([[0], np.cumsum(num_embeddings)])
        tables, dim = len(num_embeddings), model.embedding_dim
        self.model = DLRM(dense_features, tables, dim, model.dense_arch, model.over_arch)
        self.dense = torch.optim.Adagrad(self.model.parameters(), lr=training.dense_lr)
        flat = np.arange(self.first[-1])
        values = initial_rows(flat, num_embeddings, self.first, dim, seed, 0)
        self.rows = make_rows(values, training.embedding_optimizer, training.embedding_lr)
        self.place = Placement("cpu")
        self.at = 0

    def train(self, step: Step) -> None:
        """One step."""
        rows = self.rows.gather(step.distinct)
        _, gradients = train_step(self.model, self.dense, self.place, step.batch, rows, step.inverse)
        self.rows.update(step.distinct, self.place.back(gradients))
        self.at += 1

    def logits(self, batch: Batch) -> Any:
        """Of a batch."""
        with torch.no_grad():
            weight = torch.from_numpy(self.rows.rows)
            bags = functional.embedding_bag(
                torch.from_numpy(batch.ids), weight, torch.from_numpy(batch.offsets), mode="sum"
            ).view(len(batch), -1, weight.shape[1])
            dense = torch.from_numpy(batch.dense)
            parts = zip(torch.split(dense, _CHUNK), torch.split(bags, _CHUNK), strict=True)
            return torch.cat([self.head(some, pooled) for some, pooled in parts]).numpy()

    def head(self, dense: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
        """The logits from pooled vectors [samples, tables, D]."""
        vector = self.model.dense_arch(dense)
        return self.model.over_arch(self.model.interaction_arch(vector, pooled))  # type: ignore[no-any-return]

    def test(self, batches: tuple[Batch, ...]) -> Metric:
        """Log loss and AUC."""
        logits = np.concatenate([self.logits(batch) for batch in batches]).astype(float)
        labels = np.concatenate([batch.labels for batch in batches])
        auc = auc_of(labels, logits)
        return Metric(np.logaddexp(0.0, logits) - labels * logits, 0.5 if auc is None else auc)

    def snapshot(self) -> Snapshot:
        """All rows as they are."""
        return Snapshot({name: array.copy() for name, array in self.rows.export().items()})

    def put_back(self, rows: Any, snapshot: Snapshot) -> None:
        """Some rows as they were, their optimizer's state with them: what a partial recovery does."""
        self.rows.put(rows, {name: array[rows] for name, array in snapshot.arrays.items()})

    def fork(self) -> Bench:
        """Another one in the same state."""
        return copy.deepcopy(self)
