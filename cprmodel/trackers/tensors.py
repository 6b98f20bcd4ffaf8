"""Torch tensors where a tracker wants arrays, without importing torch."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from cprmodel.facts.errors import DomainError

__all__ = ["host", "live"]


def host(given: Any) -> Any:
    """A torch tensor as an array in this machine's memory (a GPU is waited for); others as they are."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not isinstance(given, torch.Tensor):
        return given
    given = given.detach()
    return (given.float() if given.dtype == torch.bfloat16 else given).cpu().numpy()


def live(given: Any, who: str) -> Any:
    """A torch tensor as an array that shares its memory; DomainError where NumPy cannot look into it."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not isinstance(given, torch.Tensor):
        return given
    if given.device.type != "cpu" or given.dtype not in (torch.float16, torch.float32, torch.float64):
        raise DomainError(
            f"{who}: expected floats that NumPy can look at while training writes them, not {given.dtype} on "
            f"{given.device}; MostFrequentlyUpdated and UpdateAge, which count, order the rows of any table"
        )
    array = given.detach().numpy()
    return array if isinstance(array, np.ndarray) else given
