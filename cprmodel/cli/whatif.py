"""``cprmodel whatif``."""

from __future__ import annotations

from pathlib import Path

import typer

from cprmodel.cli.options import check_report
from cprmodel.facts.errors import JobError
from cprmodel.loading import load_job

__all__ = ["run"]


def run(source: str, output: Path) -> None:
    """Write the page for a job."""
    job = load_job(source)
    check_report(output, source, "--output")
    from cprmodel.report.whatif import write_whatif

    if job.access is not None and job.cluster.embedding_shards is not None:
        typer.echo("Simulating what orders of saving leave unsaved; this takes a while.", err=True)
    try:
        write_whatif(job, output)
    except JobError as error:
        raise JobError(source, list(error.problems)) from None
    typer.echo(f"Page: {output}")
