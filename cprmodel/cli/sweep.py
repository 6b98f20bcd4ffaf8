"""``cprmodel sweep``."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from cprmodel.bulk import (
    NodesAnswer,
    SparesAnswer,
    Sweep,
    elasticities,
    grid_from_options,
    merged,
    nodes_answer,
    pareto_front,
    part_file,
    part_writer,
    spares_answer,
    writer_to,
)
from cprmodel.bulk.derived import is_plain
from cprmodel.cli.cluster import cluster, workers_of
from cprmodel.cli.options import check_report
from cprmodel.cli.pages import Page
from cprmodel.cli.parts import check_parts, say_next
from cprmodel.cli.progress import INTERRUPTED, interrupted, progress
from cprmodel.costing import MODELS, CostModel, Exact, model_for
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.parts import Part, part_from
from cprmodel.jobs import Job
from cprmodel.loading import load_job
from cprmodel.report.sweep import Summary, elasticity_rows, nodes_lines, spares_lines, summary_lines

__all__ = ["Options", "run"]

_NO_SLOPES = (
    "What the overhead hangs on isn't shown: the first-order formulas do not describe this job. From Python, "
    "cprmodel.bulk.elasticities plans it anew with each number a little less and more; --vary shows any number."
)
_LONG_ROWS = 200_000  # fewer are done before a progress bar could be read


@dataclass(frozen=True)
class Options:
    """The options of the command, as given."""

    vary: list[str]
    out: Path | None
    model: str | None
    minimise: str
    workers: int
    on: str | None = None
    part: str | None = None
    merge: int | None = None


def run(source: str, options: Options, as_json: bool, page: Page) -> None:
    """Plan every combination, write the rows, and print what is to be learnt from them."""
    job = load_job(source)
    if options.out is not None:
        check_report(options.out, source, "--out")
    if options.out is not None and not options.vary:
        raise JobError("--out", [Problem("", "", "a --vary beside it: rows come from what varies")])
    if options.on is not None and not options.vary:
        raise JobError("--on", [Problem("", "", "a --vary beside it: it is rows that go to a cluster")])
    page.is_not(options.out)
    check_parts(options.part, options.merge, options.out, options.on, page, "planned", "rows")
    try:
        _run(source, job, options, as_json, page)
    except JobError as error:
        if error.source != "job":
            raise
        raise JobError(source, list(error.problems)) from None


def _run(source: str, job: Job, options: Options, as_json: bool, page: Page) -> None:
    asked: CostModel | None = MODELS[options.model]() if options.model else None
    lines: list[str] = []
    found: Summary | None = None
    grid = None
    if options.vary:
        grid = grid_from_options(job, options.vary)
        sweep = Sweep(job, grid, asked, options.minimise, "--vary")
        if options.part is not None:
            _plan_part(sweep, part_from(options.part), options, as_json)
            return
        found = _swept(sweep, options)
        lines += summary_lines(found, job)
        if found.interrupted:
            _told_so_far(found, grid.size, [options.out, page.path], lines, as_json)
            raise typer.Exit(INTERRUPTED)
    model = model_for(job, asked)
    spares = spares_answer(job) if job.repair_s else None
    if spares is not None:
        lines += spares_lines(spares, job)
    nodes = nodes_answer(job, model) if job.scaling is not None and job.scaling.grows else None
    if nodes is not None and not nodes.within_validity and is_plain(job):
        nodes = nodes_answer(job, Exact())
    if nodes is not None:
        lines += nodes_lines(nodes, job)
    hangs = elasticities(job) if is_plain(job) else ()
    if not hangs and not options.vary:
        lines.append(_NO_SLOPES)

    def write(path: Path) -> None:
        from cprmodel.report.sweep_page import Answers, Asked, render_sweep, write_sweep_report

        front = pareto_front(job, model) if job.cluster.embedding_shards is not None else None
        answers = Answers(hangs, nodes, spares, front)
        write_sweep_report(render_sweep(Asked(job, grid, model, options.minimise), answers, lines, source), path)

    page.write(write)
    if as_json:
        data = {"sweep": found.to_dict() if found else None, **_answers(job, nodes, spares)}
        data["elasticities"] = {one.key: one.elasticity for one in hangs}
        typer.echo(json.dumps(data, indent=2, allow_nan=False))
    else:
        from cprmodel.report.lines import print_lines_and_table

        print_lines_and_table(lines, ["with 1% more of", "the overhead changes by"], elasticity_rows(hangs[:8]))
    if options.out is not None:
        typer.echo(f"Rows: {options.out}", err=as_json)
    page.tell()


def _told_so_far(found: Summary, size: int, targets: list[Path | None], lines: list[str], as_json: bool) -> None:
    """What there is of a sweep that was interrupted; what follows from all of it is left out."""
    unwritten = [str(path) for path in targets if path is not None]
    more = f" Not written: {', '.join(unwritten)}." if unwritten else ""
    interrupted(found.rows, size, "plans", more)
    if as_json:
        data = {"sweep": found.to_dict(), **_answers_of_none(), "elasticities": {}}
        typer.echo(json.dumps(data, indent=2, allow_nan=False))
    else:
        from cprmodel.report.lines import print_lines_and_table

        print_lines_and_table(lines, [], [])


def _answers_of_none() -> dict[str, Any]:
    return {"nodes": None, "spares": None}


def _answers(job: Job, nodes: NodesAnswer | None, spares: SparesAnswer | None) -> dict[str, Any]:
    found = _answers_of_none()
    if nodes is not None:
        found["nodes"] = {
            "fastest": nodes.fastest,
            "time_to_train_s": nodes.time_to_train_s,
            "overhead_fraction": nodes.overhead_fraction,
            "at_the_end": nodes.at_the_end,
            "within_validity": nodes.within_validity,
            "model": nodes.planned.model,
            "cheapest": nodes.cheapest,
            "dollars_to_train": nodes.dollars_to_train,
        }
    if spares is not None:
        found["spares"] = {
            "in_repair": spares.in_repair,
            "needed": spares.needed,
            "failures_waiting": float(spares.failures_waiting[spares.needed]),
            "time_waiting": float(spares.time_waiting[spares.needed]),
            "cheapest": spares.cheapest,
            "idle_node_hours_per_month": float(spares.node_hours_per_month[spares.cheapest]),
        }
    return found


def _plan_part(sweep: Sweep, part: Part, options: Options, as_json: bool) -> None:
    """The rows of one part, into its file."""
    assert options.out is not None
    workers, path = workers_of(options.on, options.workers), part_file(options.out, part)
    rows = 0
    with cluster(options.on), part_writer(options.out, part, sweep) as writer:
        for chunk in sweep.chunks(workers, part):
            writer.write(chunk)
            rows += len(chunk)
    if as_json:
        typer.echo(json.dumps({"part": str(part), "rows": rows, "file": str(path)}))
    else:
        typer.echo(f"{rows:,} of {sweep.grid.size:,} plans: {path}")
        say_next(part)


def _swept(sweep: Sweep, options: Options) -> Summary:
    """Every row, into the file and the summary, and forgotten; when interrupted, those so far and no file."""
    found = Summary(sweep.grid, sweep.model_name, sweep.minimise)
    found.idle = tuple(key.name for key in sweep.keys_without_effect())
    size = sweep.grid.size
    workers = workers_of(options.on, options.workers)
    try:
        with ExitStack() as stack:
            advance = stack.enter_context(progress("planning", size, size >= _LONG_ROWS))
            writer = stack.enter_context(writer_to(options.out, "--out")) if options.out is not None else None
            stack.enter_context(cluster(options.on))
            chunks = sweep.chunks(workers)
            if options.merge is not None and options.out is not None:
                chunks = merged(options.out, options.merge, sweep)
            for chunk in chunks:
                found.add(chunk)
                if writer is not None:
                    writer.write(chunk)
                if advance is not None:
                    advance(len(chunk))
    except KeyboardInterrupt:
        if not found.rows:
            raise
        found.interrupted = True
    return found
