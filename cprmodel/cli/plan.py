"""``cprmodel plan``."""

from __future__ import annotations

import json
from dataclasses import dataclass

import typer

from cprmodel.cli.pages import Page
from cprmodel.costing import MODELS
from cprmodel.facts.errors import JobError
from cprmodel.loading import load_job
from cprmodel.planning import plan

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """What the command was asked for beside the job."""

    model: str | None
    as_json: bool
    explain: bool
    robust: bool
    minimise: str
    everything: bool


def run(source: str, options: Options, page: Page) -> None:
    """Plan a job and print, or write, the answer."""
    job = load_job(source)
    try:
        answer = plan(job, MODELS[options.model]() if options.model else None, options.robust, options.minimise)
    except JobError as error:
        raise JobError(source, list(error.problems)) from None
    page.write(answer.save_report)
    if options.as_json:
        data = answer.to_dict()
        if options.explain:
            from cprmodel.report.explain import explain_lines

            data["explanation"] = list(explain_lines(answer))
        typer.echo(json.dumps(data, indent=2, allow_nan=False))
    else:
        from cprmodel.report.text import print_plan

        print_plan(answer, options.everything)
        if options.explain:
            from cprmodel.report.explain import explain_lines

            typer.echo("\n" + "\n".join(explain_lines(answer)))
    page.tell()
