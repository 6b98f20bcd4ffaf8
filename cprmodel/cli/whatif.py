"""``cprmodel whatif``."""

from __future__ import annotations

from pathlib import Path

import typer

from cprmodel.cli.options import check_report
from cprmodel.loading import load_job

__all__ = ["run"]


def run(source: str, output: Path) -> None:
    """Write the page for a job."""
    job = load_job(source)
    check_report(output, source, "--output")
    from cprmodel.report.whatif import write_whatif

    write_whatif(job, output)
    typer.echo(f"Page: {output}")
