"""The same model in one process, with plain ``nn.EmbeddingBag``: what the sharded one is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from validation.model.dlrm import DLRM
from validation.placement import Placement
from validation.shards.rows import ADAGRAD_EPS

__all__ = ["SingleProcess"]


class SingleProcess:
    """A DLRM and one ``nn.EmbeddingBag`` a table, with sparse gradients and the optimizers of the shards."""

    def __init__(
        self,
        model: DLRM,
        optimizer: torch.optim.Optimizer,
        num_embeddings: Sequence[int],
        dim: int,
        lr: float,
        rowwise: bool,
        place: Placement,
    ) -> None:
        self.model, self.optimizer, self.lr, self.place = model, optimizer, lr, place
        self.bags = [nn.EmbeddingBag(rows, dim, mode="sum", sparse=True) for rows in num_embeddings]
        self.sums = [torch.zeros(rows, device=place.device) for rows in num_embeddings] if rowwise else None
        for bag in self.bags:
            place.put_module(bag)

    def load(self, tables: Sequence[Any]) -> None:
        """Overwrite each table's rows."""
        with torch.no_grad():
            for bag, rows in zip(self.bags, tables, strict=True):
                bag.weight.copy_(self.place.put(rows))

    def logits(self, dense: Any, ids: Sequence[Any], offsets: Sequence[Any]) -> torch.Tensor:
        """ids, offsets: for each table the ids in it and where each sample's begin."""
        pooled = [
            bag(self.place.put(i), self.place.put(o)) for bag, i, o in zip(self.bags, ids, offsets, strict=True)
        ]
        vector = self.model.dense_arch(self.place.put(dense))
        return self.model.over_arch(  # type: ignore[no-any-return]
            self.model.interaction_arch(vector, torch.stack(pooled, dim=1))
        )

    def train_step(self, dense: Any, ids: Sequence[Any], offsets: Sequence[Any], labels: Any) -> torch.Tensor:
        """One step; the loss."""
        loss = functional.binary_cross_entropy_with_logits(self.logits(dense, ids, offsets), self.place.put(labels))
        self.optimizer.zero_grad(set_to_none=True)
        for bag in self.bags:
            bag.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        with torch.no_grad():
            for table, bag in enumerate(self.bags):
                assert bag.weight.grad is not None
                gradient = bag.weight.grad.coalesce()
                rows, values = gradient.indices()[0], gradient.values()
                if self.sums is None:
                    bag.weight[rows] -= self.lr * values
                    continue
                sums = self.sums[table][rows] + (values * values).mean(dim=1)
                self.sums[table][rows] = sums
                bag.weight[rows] -= (self.lr / (sums.sqrt() + ADAGRAD_EPS))[:, None] * values
        return loss.detach()
