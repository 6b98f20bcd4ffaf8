"""``cprmodel plan``."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from cprmodel.cli.options import check_report
from cprmodel.costing import MODELS
from cprmodel.facts.errors import JobError
from cprmodel.loading import load_job
from cprmodel.planning import plan

__all__ = ["run"]


def run(
    source: str, model: str | None, as_json: bool, report: Path | None, explain: bool, robust: bool, minimise: str
) -> None:
    """Plan a job and print, or write, the answer."""
    job = load_job(source)
    if report is not None:
        check_report(report, source)
    try:
        answer = plan(job, MODELS[model]() if model else None, robust, minimise)
    except JobError as error:
        raise JobError(source, list(error.problems)) from None
    if as_json:
        data = answer.to_dict()
        if explain:
            from cprmodel.report.explain import explain_lines

            data["explanation"] = list(explain_lines(answer))
        typer.echo(json.dumps(data, indent=2, allow_nan=False))
    else:
        from cprmodel.report.text import print_plan

        print_plan(answer)
        if explain:
            from cprmodel.report.explain import explain_lines

            typer.echo("\n" + "\n".join(explain_lines(answer)))
    if report is not None:
        answer.save_report(report)
        typer.echo(f"Report: {report}", err=as_json)
