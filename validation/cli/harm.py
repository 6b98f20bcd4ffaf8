"""``python -m validation harm``."""

from __future__ import annotations

from pathlib import Path

import typer

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import write_whole
from validation.harm.case import HarmCase
from validation.harm.jitter import jitter_by_use
from validation.harm.judging import against_line
from validation.harm.lab import measured, predictions, run_case
from validation.harm.report import judged, markdown

__all__ = ["run", "seeds_of"]


def run(
    case: Path, out: Path | None, seeds: str | None, data: Path | None, workers: int, into: Path | None, only: bool
) -> int:
    """Predict, put rows back, compare; the exit status."""
    asked = HarmCase.from_file(case, data, seeds_of(seeds))
    folder = out or Path("runs") / case.stem
    if not only:
        run_case(asked, folder, workers, lambda said: typer.echo(said, err=True))
    if not predictions(folder) or not measured(folder, asked):
        raise JobError(str(folder), [Problem("", "", "a folder with at least one seed whose runs are complete")])
    found = judged(asked, folder)
    text = markdown(asked, case.stem, found, against_line(asked, folder), jitter_by_use(asked, folder))
    write_whole(folder / "report.md", text.encode())
    typer.echo(text, nl=False)
    if into is not None:
        write_whole(into / f"validation-{case.stem}.md", text.encode())
    return 1 if found[""].verdict == "FAIL" else 0


def seeds_of(text: str | None) -> tuple[int, ...] | None:
    """Of an option such as 101,102."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise JobError("--seeds", [Problem("", "", f'seeds such as 101,102, not "{text}"')]) from None
