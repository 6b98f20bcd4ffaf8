"""``python -m validation harm-orders``."""

from __future__ import annotations

from pathlib import Path

import typer

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import write_whole
from validation.cli.harm import seeds_of
from validation.harm_orders.case import OrdersCase
from validation.harm_orders.judging import judge
from validation.harm_orders.lab import SPOILED, predictions, run_case
from validation.harm_orders.report import markdown, overall

__all__ = ["run"]


def run(
    case: Path, out: Path | None, seeds: str | None, data: Path | None, workers: int, into: Path | None, only: bool
) -> int:
    """Predict, train in each order, compare; the exit status."""
    asked = OrdersCase.from_file(case, data, seeds_of(seeds))
    folder = out or Path("runs") / case.stem
    if not only:
        run_case(asked, folder, workers, lambda said: typer.echo(said, err=True))
    if not predictions(folder) or not (right := judge(asked, folder)):
        raise JobError(str(folder), [Problem("", "", "a folder with at least two seeds whose runs are complete")])
    found = {"": right, **{how: judge(asked, folder, how) for how in SPOILED}}
    text = markdown(asked, case.stem, found)
    write_whole(folder / "report.md", text.encode())
    typer.echo(text, nl=False)
    if into is not None:
        write_whole(into / f"validation-{case.stem}.md", text.encode())
    return 1 if overall(right) == "FAIL" else 0
