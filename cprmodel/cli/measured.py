"""Commands about what was measured: logs of failures and of training, records of paired runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cprmodel.cli.arguments import AsJson, Clock, Column, Report, Where
from cprmodel.cli.completing import strategies

__all__ = ["accuracy", "fit", "goodput"]


def fit(
    trace: Annotated[Path, typer.Argument(metavar="LOG", help="A log of jobs, nodes or incidents, or times.")],
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="csv, infinitehbd, lanl or fta; default: by its columns."),
    ] = None,
    time_column: Annotated[str | None, typer.Option(metavar="NAME", help="Column of the times.")] = None,
    event_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column that is 0 where a time was cut short, or of events.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(metavar="UNIT", help="Unit of numbers; default: by their column's name, or s.")
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The times are moments in an observation of this length."),
    ] = None,
    servers: Annotated[int | None, typer.Option(min=1, help="The job spans so many of the servers.")] = None,
    system: Annotated[int | None, typer.Option(help="Number of the LANL system.")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="It was observed from then on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="It was observed until then.")] = None,
    node_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column of the nodes, of which --servers takes some.")
    ] = None,
    column: Column = None,
    where: Where = None,
    rows: Annotated[
        str | None, typer.Option(metavar="KIND", help="What rows with a start and an end are: runs or incidents.")
    ] = None,
    clock: Clock = None,
    dates: Annotated[
        str | None, typer.Option(metavar="ORDER", help="Of dates such as 3/2/2026: day-first or month-first.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(metavar="NAME", help="Zone of moments without one; default: UTC.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="JOB.toml", help="Write a job file as far as the log goes: failures, restarts."
        ),
    ] = None,
    job_file: Annotated[Path | None, typer.Option("--job-file", hidden=True)] = None,
    as_json: AsJson = False,
    report: Report = None,
) -> None:
    """Fit failure models to a log: how it was understood, MTBF with its interval, bursts, trends, times down."""
    from cprmodel.cli.fit import run
    from cprmodel.cli.pages import page_to
    from cprmodel.logs import LogOptions

    options = LogOptions(
        format=format_,
        time_column=time_column,
        event_column=event_column,
        unit=unit,
        window=window,
        servers=servers,
        system=system,
        since=since,
        until=until,
        node_column=node_column,
        column=tuple(column or ()),
        where=tuple(where or ()),
        rows=rows,
        clock=clock,
        dates=dates,
        time_zone=time_zone,
    )
    with page_to(report, str(trace), as_json) as page:
        run(trace, options, as_json, page, out or job_file)


def goodput(
    log: Annotated[
        Path, typer.Argument(metavar="LOG", help="A training run's event log (JSON lines), or a goodput library's.")
    ],
    job: Annotated[
        str | None, typer.Option(metavar="JOB.toml", help="Put the plan's parts of the overhead beside the run's.")
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Strategy of the plan; default: as the job recovers now, at the run's interval.",
            autocompletion=strategies,
        ),
    ] = None,
    as_json: AsJson = False,
    report: Report = None,
) -> None:
    """Say where a training run's time went: saves, loads, lost work, rescheduling, what the model leaves out."""
    from cprmodel.cli.goodput import run
    from cprmodel.cli.pages import page_to

    with page_to(report, str(log), as_json) as page:
        run(log, job, strategy, as_json, page)


def accuracy(
    record: Annotated[
        Path,
        typer.Argument(
            metavar="RECORD",
            help="Paired training runs: CSV of seed,pls,drop[,pattern], or JSON; or a probe's harm.json.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="MODEL.json", help="Write the model for job files to name."),
    ] = None,
    test_seeds: Annotated[
        str | None, typer.Option(metavar="SEEDS", help="Seeds to test on, such as 2,4; default: every second.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(metavar="NAME", help="Fit to the runs of this pattern of losses alone.")
    ] = None,
    as_json: AsJson = False,
    report: Report = None,
) -> None:
    """Fit an accuracy model to training runs with and without failures: metric drop against lost samples."""
    from cprmodel.cli.accuracy import run
    from cprmodel.cli.pages import page_to

    with page_to(report, str(record), as_json) as page:
        run(record, pattern, test_seeds, out, as_json, page)
