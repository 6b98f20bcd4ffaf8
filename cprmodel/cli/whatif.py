"""``cprmodel whatif``."""

from __future__ import annotations

import typer

from cprmodel.cli.pages import Page
from cprmodel.facts.errors import JobError
from cprmodel.loading import load_job

__all__ = ["run"]


def run(source: str, page: Page) -> None:
    """Write the page for a job."""
    job = load_job(source)
    from cprmodel.report.whatif import write_whatif

    if job.plain and job.access is not None and job.cluster.embedding_shards is not None:
        typer.echo("Simulating what orders of saving leave unsaved; this takes a while.", err=True)
    try:
        page.write(lambda path: write_whatif(job, path))
    except JobError as error:
        raise JobError(source, list(error.problems)) from None
