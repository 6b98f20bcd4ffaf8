"""What the library says of its work by the standard library's ``logging``, for those who embed it.

Loggers are named by room: ``cprmodel.planning``, ``cprmodel.simulation``, ``cprmodel.fitting``, ``cprmodel.bulk``,
``cprmodel.advising``, ``cprmodel.files``. Answers are INFO, steps on the way DEBUG; nothing is printed unless who
embeds it has a handler.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["detail", "journal", "note"]


@lru_cache(maxsize=32)
def journal(room: str) -> Logger:
    """The logger of a room; ``logging`` is imported when first something is said.

    >>> journal("planning").name
    'cprmodel.planning'
    """
    import logging

    top = logging.getLogger("cprmodel")
    if not top.handlers:
        top.addHandler(logging.NullHandler())
    return top.getChild(room)


def note(room: str, message: str, *values: object) -> None:
    """An answer, at INFO; values as ``logging`` takes them."""
    journal(room).info(message, *values)


def detail(room: str, message: str, *values: object) -> None:
    """A step on the way, at DEBUG."""
    journal(room).debug(message, *values)
