"""``--part i/n`` and ``--merge n``: what has no sense beside them, and what is said of a part that is done."""

from __future__ import annotations

from pathlib import Path

import typer

from cprmodel.cli.pages import Page
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.parts import Part

__all__ = ["check_parts", "say_next"]


def check_parts(
    part: str | None, merge: int | None, out: Path | None, on: str | None, page: Page, done: str, rows: str
) -> None:
    """JobError where what is beside --part or --merge has no sense; ``rows`` are ``done``: planned, say."""
    asked = [f"--part {part}"] if part is not None else []
    asked += [f"--merge {merge}"] if merge is not None else []
    expected = ""
    if len(asked) > 1:
        expected = "no --merge beside it: parts are merged when all are done"
    elif asked and out is None:
        expected = "--out beside it: parts are kept next to that file"
    elif merge is not None and on is not None:
        expected = f"no --on beside it: nothing is {done} again"
    elif part is not None and (page.path is not None or page.stdout is not None):
        expected = f"no --report beside it: --merge writes the page, of all {rows}"
    if expected:
        raise JobError(asked[0], [Problem("", "", expected)])


def say_next(part: Part) -> None:
    """What to do when all parts are done."""
    typer.echo(f"When all {part.of} parts are there: the same command with --merge {part.of} instead of --part")
