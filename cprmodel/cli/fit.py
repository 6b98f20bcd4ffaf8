"""``cprmodel fit``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import typer

from cprmodel.cli.options import check_report
from cprmodel.cli.pages import Page
from cprmodel.facts.files import write_whole
from cprmodel.fitting import analyse, read_trace
from cprmodel.fitting.job_file import job_file_text
from cprmodel.logs import LogOptions
from cprmodel.report.fitted import print_fitted, write_fitted_report

__all__ = ["run"]


def run(path: Path, options: LogOptions, as_json: bool, page: Page, job_file: Path | None) -> None:
    """Read, fit, and print or write what was found."""
    if job_file is not None:
        check_report(job_file, str(path), "--out")
    found = analyse(read_trace(path, options))
    written = None if job_file is None else job_file_text(found, path, options, job_file.parent)
    if job_file is not None and written is not None:
        write_whole(job_file, written)
    page.write(lambda target: write_fitted_report(found, target))
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        print_fitted(found)
    if job_file is not None and written is not None:
        missing = ", ".join(re.findall(r"(?m)^#> (\w+) = .*needed:", written))
        more = f" It needs your figures: {missing}." if missing else ""
        typer.echo(f"Wrote {job_file}.{more} Then: cprmodel plan {job_file}", err=as_json)
    page.tell()
