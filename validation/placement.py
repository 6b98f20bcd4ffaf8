"""The one place where numbers move between NumPy and a device."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from cprmodel.facts.errors import JobError, Problem

__all__ = ["Placement", "in_one_order", "resolve_device"]

#: Workspaces with which cuBLAS adds in an order that does not change; it reads them when a process first uses it.
_WORKSPACES = (":4096:8", ":16:8")


def resolve_device(name: str, field: str = "training.device") -> str:
    """ "auto" to what there is; "cuda" only where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise JobError("device", [Problem(field, f'"{name}"', 'a GPU that torch can use, or "cpu"')])
    return name


def in_one_order() -> None:
    """From now on sums on a GPU are added in the same order every time, and in float32 throughout.

    Without it ``index_add``, ``index_put`` and the products of cuBLAS may add in the order in which threads come,
    and a replayed step is another step. An operation that has no such algorithm raises RuntimeError. TF32 would
    keep 10 of a factor's 23 bits. The promise is for one card, one driver and one torch: on another GPU, as on a
    CPU, sums may be added in another order.
    """
    if os.environ.get("CUBLAS_WORKSPACE_CONFIG") not in _WORKSPACES:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = _WORKSPACES[0]
    torch.set_deterministic_debug_mode(
        "error"
    )  # use_deterministic_algorithms() loads a compiler first, for a second
    torch.set_float32_matmul_precision("highest")


class Placement:
    """To a device and back; nothing else in the project calls ``Tensor.to`` or ``Tensor.cpu``.

    Copies are from and to pageable memory, on purpose: they are over when the call returns, and nothing has to be
    kept from being written to meanwhile. (:mod:`validation.gpu.machine` measures what pinned memory would gain.)
    """

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        if self.device.type == "cuda":
            in_one_order()

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

    def wait(self) -> None:
        """Until the device has done what it was asked: before a clock is read, and before anybody is told so."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
