"""Names of a package that are loaded when they are first used, so that a command loads no more than it needs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["loaded_when_used"]


def loaded_when_used(package: str, where: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package whose names are in these modules.

    >>> loaded_when_used("cprmodel.facts", {"format_time": "cprmodel.facts.units"})("format_time")(60)
    '1 min'
    """

    def load(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(where[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
