"""The trainer's own state, its MLPs and their optimizer: as one row of numbers, and by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from validation.placement import Placement

__all__ = ["DenseState"]


class DenseState:
    """Reads and writes a model's parameters and its Adagrad sums."""

    def __init__(self, model: torch.nn.Module, optimizer: torch.optim.Adagrad, place: Placement) -> None:
        self.place = place
        self._tensors: dict[str, torch.Tensor] = {}
        for name, parameter in model.named_parameters():
            self._tensors[name] = parameter
            self._tensors[f"sum.{name}"] = optimizer.state[parameter]["sum"]

    @property
    def numbers(self) -> int:
        return sum(tensor.numel() for tensor in self._tensors.values())

    def flat(self) -> Any:
        """All of it, float32."""
        return self.place.back(torch.cat([tensor.detach().reshape(-1) for tensor in self._tensors.values()]))

    @torch.no_grad()
    def set_flat(self, numbers: Any) -> None:
        """Overwrite all of it."""
        begin = 0
        for tensor in self._tensors.values():
            part = numbers[begin : begin + tensor.numel()].reshape(tuple(tensor.shape))
            tensor.copy_(self.place.put(np.ascontiguousarray(part)))
            begin += tensor.numel()

    def named(self) -> dict[str, Any]:
        """By name, for a checkpoint."""
        return {name: self.place.back(tensor).copy() for name, tensor in self._tensors.items()}

    @torch.no_grad()
    def set_named(self, arrays: dict[str, Any]) -> None:
        """From a checkpoint."""
        for name, tensor in self._tensors.items():
            tensor.copy_(self.place.put(arrays[name]))
