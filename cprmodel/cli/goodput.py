"""``cprmodel goodput``."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from cprmodel.cli.pages import Page
from cprmodel.facts.errors import JobError, Problem
from cprmodel.jobs import Job
from cprmodel.loading import load_job
from cprmodel.logs import Goodput, read_goodput
from cprmodel.planning import StrategyPlan, plan
from cprmodel.report.goodput import print_goodput, write_goodput_report

__all__ = ["run"]


def run(log: Path, job: str | None, strategy: str | None, as_json: bool, page: Page) -> None:
    """Take a run's time apart, and print or write it beside the plan's parts."""
    found = read_goodput(log)
    planned = None if job is None else _planned(load_job(job), job, found, strategy)
    page.write(lambda path: write_goodput_report(found, planned, path))
    if as_json:
        data = found.to_dict()
        if planned is not None:
            shown = {"strategy": planned.name, "interval_s": planned.interval_s}
            data["planned"] = shown | {"overhead_fractions": planned.parts}
        typer.echo(json.dumps(data, indent=2, allow_nan=False))
    else:
        print_goodput(found, planned)
    page.tell()


def _planned(job: Job, source: str, found: Goodput, strategy: str | None) -> StrategyPlan:
    """The strategy that was asked for; else full recovery at the interval that the run had."""
    if strategy is None and found.interval_s is not None:
        work = job.job.model_copy(update={"current_interval_s": found.interval_s})
        job, strategy = job.model_copy(update={"job": work}), "current"
    try:
        answer = plan(job)
    except JobError as error:
        raise JobError(source, list(error.problems)) from None
    by_name = {one.name: one for one in answer.strategies}
    if strategy is None:
        return by_name[answer.recommended]
    if strategy not in by_name:
        raise JobError(
            "--strategy", [Problem("", "", f'one that can be planned: {", ".join(by_name)}, not "{strategy}"')]
        )
    return by_name[strategy]
