"""``cprmodel whatif``."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from cprmodel.cli.pages import Page
from cprmodel.cli.progress import progress
from cprmodel.facts.errors import JobError
from cprmodel.loading import load_job

__all__ = ["run"]

_LONG = 60  # fewer plans are done before a progress bar could be read


def run(source: str, vary: Sequence[str], page: Page) -> None:
    """Write the page for a job."""
    job = load_job(source)
    from cprmodel.report.whatif import has_formulas, write_whatif

    grid = None
    if vary:
        from cprmodel.bulk.grammar import grid_from_options

        grid = grid_from_options(job, vary)
    elif has_formulas(job) and job.access is not None and job.cluster.embedding_shards is not None:
        typer.echo("Simulating what orders of saving leave unsaved; this takes a while.", err=True)
    with progress("planning", _LONG) as advance:

        def told(done: int, of: int) -> None:
            if advance is not None and of > _LONG:
                advance(_LONG / of)

        try:
            page.write(lambda path: write_whatif(job, path, grid, told))
        except JobError as error:
            raise JobError(source, list(error.problems)) from None
    page.tell()
