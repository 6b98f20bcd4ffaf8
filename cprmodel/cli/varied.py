"""Commands that plan a job again and again: over values of its numbers, or until a target holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cprmodel.cli.arguments import AsJson, JobSource, Minimised, ModelName, On, Report
from cprmodel.cli.completing import strategies

__all__ = ["solve", "sweep"]


def sweep(
    job: JobSource,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="A number of the job file and its values: lo:hi:logN, lo:hi:linN or a,b,c; may be given again.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.parquet|FILE.csv", help="Write the rows as they come."),
    ] = None,
    report: Report = None,
    model: Annotated[ModelName | None, typer.Option(help="As for plan.")] = None,
    minimise: Annotated[
        Minimised, typer.Option(help="overhead, or dollars: what the job costs by the prices in [cost].")
    ] = (Minimised.OVERHEAD),
    workers: Annotated[int, typer.Option(help="Cores to use; -1: all.")] = -1,
    on: On = None,
    part: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Plan this part of the rows alone, as one of N machines."),
    ] = None,
    merge: Annotated[
        int | None, typer.Option(min=1, max=10_000, metavar="N", help="Take the rows from N parts that are done.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Plan a job for many values of its numbers; how many nodes and spares; what moves the overhead."""
    from cprmodel.cli.pages import page_to
    from cprmodel.cli.sweep import Options, run

    asked = Options(vary or [], out, model.value if model else None, minimise.value, workers, on, part, merge)
    with page_to(report, job, as_json) as page:
        run(job, asked, as_json, page)


def solve(
    job: JobSource,
    key: Annotated[
        str, typer.Option("--for", metavar="KEY", help="The number of the job file that is looked for.")
    ],
    until: Annotated[
        str,
        typer.Option(
            metavar="TARGET",
            help="What must hold: overhead, effective_time, time_to_train, time_to_train_p90, finish_p90, pls, "
            'metric_drop, dollars_to_train or dollars_per_month, with <= or >=, such as "effective_time >= 0.95".',
        ),
    ],
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A strategy that plan names; default: the recommended one of each value.",
            autocompletion=strategies,
        ),
    ] = None,
    between: Annotated[
        str | None,
        typer.Option(metavar="LOW:HIGH", help="Bounds; default: a thousandth and a thousand times what is given."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUES", help="As for sweep: the question is asked for each of them."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="The date on which the job starts (finish_p90); default: the job file's."
        ),
    ] = None,
    points: Annotated[
        int | None, typer.Option(min=3, max=10**6, help="How many values are planned at first.")
    ] = None,
    model: Annotated[ModelName | None, typer.Option(help="As for plan.")] = None,
    minimise: Annotated[Minimised, typer.Option(help="As for plan.")] = Minimised.OVERHEAD,
    as_json: AsJson = False,
) -> None:
    """Which values of a number of the job file keep a target: a question asked backwards."""
    from cprmodel.cli.solve import Options, run

    own = model.value if model else None
    asked = Options(key, until, strategy, between, vary or [], start, points, own, minimise.value)
    run(job, asked, as_json)
