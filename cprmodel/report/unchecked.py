"""Charts without Altair's checks of each part against its schema, which take half the time of a page.

Tests draw every chart with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["specification", "unchecked"]


@contextmanager
def unchecked() -> Iterator[None]:
    """Within it, Altair takes charts as they are; also a decorator."""
    from altair.utils import schemapi

    with schemapi.debug_mode(False):
        yield


def specification(chart: Any) -> dict[str, Any]:
    """A chart as Vega-Lite, checked where Altair checks."""
    from altair.utils import schemapi

    found: dict[str, Any] = chart.to_dict(validate=schemapi.DEBUG_MODE)
    return found
