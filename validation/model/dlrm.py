"""DLRM (Naumov et al. 2019, arXiv 1906.00091) with the field's names, its embedding rows held elsewhere.

DenseArch maps the dense features to one vector; SparseArch pools the embedding rows of each table (sum);
InteractionArch takes the dot products of all pairs of these vectors, beside the dense one; OverArch gives a logit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from validation.placement import Placement

__all__ = ["DLRM", "DenseArch", "InteractionArch", "OverArch", "SparseArch", "train_step"]


def _mlp(sizes: Sequence[int], last_is_linear: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(a, b))
        if not (last_is_linear and i == len(sizes) - 2):
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class DenseArch(nn.Module):
    """Dense features [B, in] → one vector per sample [B, embedding_dim]."""

    def __init__(self, in_features: int, layer_sizes: Sequence[int]) -> None:
        super().__init__()
        self.model = _mlp([in_features, *layer_sizes], last_is_linear=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.model(features)  # type: ignore[no-any-return]


class SparseArch(nn.Module):
    """Rows [U, D] that shards gave, the place of each id among them, bags' beginnings → pooled [B, tables, D]."""

    def __init__(self, tables: int) -> None:
        super().__init__()
        self.tables = tables

    def forward(self, rows: torch.Tensor, inverse: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        pooled = functional.embedding_bag(inverse, rows, offsets, mode="sum")
        return pooled.view(-1, self.tables, rows.shape[1])


class InteractionArch(nn.Module):
    """The dense vector, and the dot products of all pairs among it and the tables' vectors."""

    def __init__(self, tables: int) -> None:
        super().__init__()
        first, second = torch.tril_indices(tables + 1, tables + 1, offset=-1)
        self.pairs: torch.Tensor
        self.register_buffer("pairs", first * (tables + 1) + second, persistent=False)

    def forward(self, dense: torch.Tensor, sparse: torch.Tensor) -> torch.Tensor:
        vectors = torch.cat([dense.unsqueeze(1), sparse], dim=1)
        products = torch.bmm(vectors, vectors.transpose(1, 2)).flatten(1)
        return torch.cat([dense, products[:, self.pairs]], dim=1)


class OverArch(nn.Module):
    """Interactions → logit [B]."""

    def __init__(self, in_features: int, layer_sizes: Sequence[int]) -> None:
        super().__init__()
        self.model = _mlp([in_features, *layer_sizes, 1], last_is_linear=True)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.model(features).squeeze(1)  # type: ignore[no-any-return]


class DLRM(nn.Module):
    """Everything but the rows."""

    def __init__(
        self,
        dense_features: int,
        tables: int,
        embedding_dim: int,
        dense_arch: Sequence[int],
        over_arch: Sequence[int],
    ) -> None:
        super().__init__()
        self.dense_arch = DenseArch(dense_features, [*dense_arch, embedding_dim])
        self.sparse_arch = SparseArch(tables)
        self.interaction_arch = InteractionArch(tables)
        self.over_arch = OverArch(embedding_dim + (tables + 1) * tables // 2, over_arch)

    def forward(
        self, dense: torch.Tensor, rows: torch.Tensor, inverse: torch.Tensor, offsets: torch.Tensor
    ) -> torch.Tensor:
        vector = self.dense_arch(dense)
        return self.over_arch(  # type: ignore[no-any-return]
            self.interaction_arch(vector, self.sparse_arch(rows, inverse, offsets))
        )


def train_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, place: Placement, batch: Any, rows: Any, inverse: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Forward, backward and the dense optimizer's step: the loss, and the gradient of the rows (on the device)."""
    held = place.put(rows).requires_grad_()
    logits = model(place.put(batch.dense), held, place.put(inverse), place.put(batch.offsets))
    loss = functional.binary_cross_entropy_with_logits(logits, place.put(batch.labels))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert held.grad is not None
    return loss.detach(), held.grad
