"""Where a page comes from: the command, the file, the day; and what it is a page of."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from cprmodel.facts.errors import one_line
from cprmodel.facts.version import __version__

__all__ = ["came_from", "of", "origin_line", "source_name"]

_SOURCE: ContextVar[str | None] = ContextVar("source", default=None)


@contextmanager
def came_from(source: str | None) -> Iterator[None]:
    """Pages made within are of this file, or ``preset:NAME``.

    >>> with came_from("jobs/mine.toml"):
    ...     source_name()
    'mine.toml'
    """
    before = _SOURCE.set(source)
    try:
        yield
    finally:
        _SOURCE.reset(before)


def source_name() -> str | None:
    """The file's name, or the preset's; None where nobody said what is drawn."""
    source: str | None = _SOURCE.get()
    if not source:
        return None
    return one_line(source if source.startswith("preset:") else Path(source).name)


def of(title: str | None) -> str:
    """How a title goes on that says what the page is of, a preset's title before its file; "" where nothing does.

    >>> with came_from("mine.toml"):
    ...     of(None), of("A big job")
    (': mine.toml', ': A big job')
    """
    name = title or source_name()
    return f": {name}" if name else ""


def origin_line() -> str:
    """When, by what and of which file; no time of day, so that a page made again the same day is the same."""
    said = [f"cprmodel {__version__}", _today()]
    if Path(sys.argv[0]).stem in ("cprmodel", "__main__") and len(sys.argv) > 1:
        said.append(one_line(shlex.join(["cprmodel", *sys.argv[1:]])))
    elif source_name():
        said.append(f"of {source_name()}")
    return "; ".join(said)


def _today() -> str:
    """The date; of ``SOURCE_DATE_EPOCH`` where that is set."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(given), UTC) if given.isdigit() else datetime.now().astimezone()
    return f"{moment:%Y-%m-%d}"
