"""``cprmodel fit``."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from cprmodel.cli.options import check_report
from cprmodel.fitting import analyse, read_trace
from cprmodel.logs import LogOptions
from cprmodel.report.fitted import print_fitted, write_fitted_report

__all__ = ["run"]


def run(path: Path, options: LogOptions, as_json: bool, report: Path | None, job_file: Path | None) -> None:
    """Read, fit, and print or write what was found."""
    if report is not None:
        check_report(report, str(path))
    found = analyse(read_trace(path, options))
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        print_fitted(found)
    if report is not None:
        write_fitted_report(found, report)
        typer.echo(f"Report: {report}", err=as_json)
