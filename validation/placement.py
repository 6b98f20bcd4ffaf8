"""The one place where numbers move between NumPy and a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from cprmodel.facts.errors import JobError, Problem

__all__ = ["Placement", "resolve_device"]


def resolve_device(name: str, field: str = "training.device") -> str:
    """ "auto" to what there is; "cuda" only where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise JobError("device", [Problem(field, f'"{name}"', 'a GPU that torch can use, or "cpu"')])
    return name


class Placement:
    """To a device and back; nothing else in the project calls ``Tensor.to`` or ``Tensor.cpu``."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)

    def put(self, value: Any) -> torch.Tensor:
        """An array (or a tensor) on the device."""
        tensor = torch.from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value
        return tensor.to(self.device)

    def put_module(self, module: torch.nn.Module) -> torch.nn.Module:
        """A module's parameters on the device."""
        return module.to(self.device)

    def back(self, tensor: torch.Tensor) -> Any:
        """An array from the device."""
        return tensor.detach().cpu().numpy()
