"""How far a long command is, on a terminal's standard error; and how it ends when it is interrupted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

__all__ = ["INTERRUPTED", "interrupted", "progress"]

#: Exit status of a command that Ctrl-C ended (the signal's own where another ended it).
INTERRUPTED = 130


@contextmanager
def progress(what: str, total: int, long: bool = True) -> Iterator[Callable[[float], None] | None]:
    """A function that takes how many more are done; None where nobody looks on, or it does not take ``long``.

    >>> with progress("planning", 100, long=False) as advance:
    ...     advance is None
    True
    """
    if not long or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


def interrupted(done: int, of: int, what: str, more: str = "") -> None:
    """Say on standard error how far it came."""
    typer.echo(f"Interrupted: {done:,} of {of:,} {what}.{more}", err=True)
