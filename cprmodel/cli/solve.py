"""``cprmodel solve``."""

from __future__ import annotations

import json
from dataclasses import dataclass

import typer

from cprmodel.bulk import Solved, grid_from_options, solve, target_of
from cprmodel.bulk.keys import key_of
from cprmodel.bulk.rows import changed_job
from cprmodel.cli.progress import INTERRUPTED, interrupted, progress
from cprmodel.costing import MODELS
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import rounded_within
from cprmodel.jobs import Job
from cprmodel.loading import load_job

__all__ = ["Options", "run"]

_MOST_QUESTIONS = 1000


@dataclass(frozen=True)
class Options:
    """The options of the command, as given."""

    key: str
    until: str
    strategy: str | None
    between: str | None
    vary: list[str]
    start: str | None
    points: int | None
    model: str | None
    minimise: str


def run(source: str, options: Options, as_json: bool) -> None:
    """Find where the target holds, and print it; once for each combination of what varies."""
    job = load_job(source)
    if options.minimise == "dollars" and job.cost is None:
        raise JobError(source, [Problem("cost", "", "a table of prices, for a plan that minimises dollars")])
    try:
        answers, wanted = _answers(job, options)
    except JobError as error:
        if error.source != "job":
            raise
        raise JobError(source, list(error.problems)) from None
    if as_json:
        rows = [{**found.to_dict(), "varied": varied} for varied, _, found in answers]
        data = {"schema_version": 1, "answers": rows, "interrupted": len(answers) < wanted}
        typer.echo(json.dumps(data, indent=2, allow_nan=False))
    else:
        from cprmodel.report.lines import print_lines_and_table
        from cprmodel.report.solved import about_looking, solved_lines

        lines = [line for varied, each, found in answers for line in solved_lines(found, each, varied)]
        print_lines_and_table([*lines, *about_looking(answers[-1][2], job)], [], [])
    if len(answers) < wanted:
        interrupted(len(answers), wanted, "questions")
        raise typer.Exit(INTERRUPTED)


def _answers(job: Job, options: Options) -> tuple[list[tuple[dict[str, str], Job, Solved]], int]:
    """One for each combination of what varies, and how many there are; those found so far when interrupted."""
    jobs, found = _jobs(job, options), []
    try:
        with progress("solving", len(jobs), len(jobs) > 1) as advance:
            for varied, each in jobs:
                found.append((varied, each, _solved(each, options)))
                if advance is not None:
                    advance(1)
    except KeyboardInterrupt:
        if not found:
            raise
    return found, len(jobs)


def _solved(job: Job, options: Options) -> Solved:
    between = None
    if options.between is not None:
        ends = [part.strip() for part in options.between.split(":")]
        if len(ends) != 2:
            raise JobError("--between", [Problem("", "", f'LOW:HIGH, not "{options.between}"')])
        between = (ends[0], ends[1])
    model = MODELS[options.model]() if options.model else None
    return solve(
        job,
        options.key,
        target_of(options.until, job, options.start),
        strategy=options.strategy,
        between=between,
        model=model,
        minimise=options.minimise,
        points=options.points,
    )


def _jobs(job: Job, options: Options) -> list[tuple[dict[str, str], Job]]:
    """The job with every combination of what varies, each as it is said."""
    if not options.vary:
        return [({}, job)]
    grid = grid_from_options(job, options.vary)
    asked = key_of(job, options.key, "--for")
    if any(key.path == asked.path for key in grid.keys):
        raise JobError("--vary", [Problem(options.key, "", "another key than that of --for")])
    if grid.size > _MOST_QUESTIONS:
        raise JobError("--vary", [Problem("", "", f"at most {_MOST_QUESTIONS} combinations, not {grid.size:,}")])
    data = job.model_dump(exclude_none=True)
    (box,) = grid.boxes(_MOST_QUESTIONS)
    columns = box.columns()
    found = []
    for row in zip(*(columns[key].tolist() for key in columns), strict=True):
        values = dict(zip(columns, row, strict=True))
        said = {key.name: rounded_within(value, key.kind, up=False) for key, value in values.items()}
        try:
            found.append((said, changed_job(data, values)))
        except JobError as error:
            shown = " and ".join(f"{name} = {value}" for name, value in said.items())
            raise JobError(f"--vary {shown}", list(error.problems)) from None
    return found
