"""Where a command's page goes: a file, or with ``-`` standard output; the rest then goes to standard error."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import typer

from cprmodel.cli.options import check_report
from cprmodel.facts.errors import JobError, Problem

__all__ = ["Page", "page_to"]


@dataclass(frozen=True)
class Page:
    """The page that a command was asked for, if any."""

    path: Path | None
    stdout: TextIO | None = None  #: where it goes to standard output
    quiet: bool = False  #: standard output is for the answer alone
    what: str = "Report"

    def is_not(self, other: Path | None) -> None:
        """Refuse to write it over the file of ``--out``."""
        if other is not None and self.path is not None and other.resolve() == self.path.resolve():
            raise JobError(f"--report {self.path}", [Problem("", "", "another file than that of --out")])

    def write(self, write: Callable[[Path], None]) -> None:
        """Have it written, where one was asked for: before anything is printed, which nobody may want to read."""
        if self.stdout is not None:
            with tempfile.TemporaryDirectory() as folder:
                made = Path(folder) / "page.html"
                write(made)
                self.stdout.write(made.read_text(encoding="utf-8"))
        elif self.path is not None:
            write(self.path)

    def tell(self) -> None:
        """Say where it is."""
        if self.path is not None:
            typer.echo(f"{self.what}: {self.path}", err=self.quiet)


@contextmanager
def page_to(
    path: Path | None, source: str, as_json: bool = False, option: str = "--report", what: str = "Report"
) -> Iterator[Page]:
    """Check where a page shall go before anything is computed.

    Raises JobError where that is the file that is read, or no place for a file.
    """
    if path is None:
        yield Page(None, quiet=as_json, what=what)
        return
    from cprmodel.report.origin import came_from

    if str(path) != "-":
        check_report(path, source, option)
        with came_from(source):
            yield Page(path, quiet=as_json, what=what)
        return
    if as_json:
        raise JobError(f"{option} -", [Problem("", "", "a file, since --json takes standard output")])
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr), came_from(source):
        yield Page(None, out)
