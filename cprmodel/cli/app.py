"""The commands and their options; each one's work is in a module of its own."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cprmodel.cli import measured, varied
from cprmodel.cli.arguments import AsJson, Clock, Column, JobSource, Minimised, ModelName, On, Report, Where
from cprmodel.cli.completing import policies, strategies

__all__ = ["app"]

app = typer.Typer(
    name="cprmodel",
    help="How often to save a sharded recommendation model, which recovery to use, and what it costs.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def needed(out: Path | None) -> Path:
    """The file that a command is for."""
    if out is None:
        raise typer.BadParameter("expected the file to write, such as -o page.html", param_hint="--out")
    return out


def _version(wanted: bool) -> None:
    if wanted:
        from cprmodel.facts.version import __version__

        typer.echo(f"cprmodel {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what is done to standard error (before the command).")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """How often to save a sharded recommendation model, which recovery to use, and what it costs."""
    if verbose:
        import logging

        logging.basicConfig(
            stream=sys.stderr, level=logging.WARNING, format="%(relativeCreated)d ms %(name)s: %(message)s"
        )
        logging.getLogger("cprmodel").setLevel(logging.DEBUG)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def plan(
    job: JobSource,
    model: Annotated[
        ModelName | None,
        typer.Option(
            help="first-order: the published formulas; exact: no approximation; steady-state: no approximation in "
            "a long job, any storage. Default: the first, or the last where the job's storage needs it."
        ),
    ] = None,
    as_json: AsJson = False,
    report: Report = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print each formula with its numbers and source.")
    ] = False,
    robust: Annotated[
        bool, typer.Option("--robust", help="Choose by expected cost over what a trace leaves open of the MTBF.")
    ] = False,
    minimise: Annotated[
        Minimised, typer.Option(help="overhead, or dollars: what the job costs by the prices in [cost].")
    ] = (Minimised.OVERHEAD),
    everything: Annotated[
        bool, typer.Option("--all", help="Every strategy and quantity, however narrow the terminal.")
    ] = False,
) -> None:
    """Price the strategies for a job and recommend one."""
    from cprmodel.cli.pages import page_to
    from cprmodel.cli.plan import Options, run

    asked = Options(model.value if model else None, as_json, explain, robust, minimise.value, everything)
    with page_to(report, job, as_json) as page:
        run(job, asked, page)


@app.command()
def interval(
    save: Annotated[str, typer.Option(metavar="TIME", help='Time a save blocks training, such as "5 min".')],
    mtbf: Annotated[
        str, typer.Option(metavar="TIME", help='Mean time between failures of the job, such as "24 h".')
    ],
    load: Annotated[str | None, typer.Option(metavar="TIME", help="Time to read a checkpoint back.")] = None,
    reschedule: Annotated[str | None, typer.Option(metavar="TIME", help="Time to detect and restart.")] = None,
    as_json: AsJson = False,
) -> None:
    """Optimal intervals of full recovery side by side: Young 1974, Daly 2006, exact."""
    from cprmodel.cli.interval import run

    run(save, mtbf, load, reschedule, as_json)


class LawName(StrEnum):
    """Law of the time between failures."""

    EXPONENTIAL = "exponential"
    WEIBULL = "weibull"
    GAMMA = "gamma"
    LOGNORMAL = "lognormal"


class StrikeName(StrEnum):
    """What failures can strike."""

    ALWAYS = "always"
    NOT_WHILE_RESCHEDULING = "not-while-rescheduling"
    ONLY_AT_WORK = "only-at-work"


@app.command()
def simulate(
    job: JobSource,
    strategy: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="full, partial, or another strategy that plan names.",
            autocompletion=strategies,
        ),
    ] = "full",
    interval: Annotated[
        str | None, typer.Option(metavar="TIME", help="Useful work between two saves; default: as planned.")
    ] = None,
    runs: Annotated[int, typer.Option(min=2, max=10**7, help="How many times to play the job.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")] = 1,
    deadline: Annotated[
        str | None, typer.Option(metavar="TIME", help="Print the probability to finish by then.")
    ] = None,
    failures: Annotated[LawName, typer.Option(help="Law of the time between failures.")] = LawName.EXPONENTIAL,
    shape: Annotated[
        float | None, typer.Option(help="Shape of a Weibull or gamma law, σ of a lognormal one.")
    ] = None,
    times: Annotated[
        Path | None,
        typer.Option(metavar="LOG", help="Replay real times between interruptions, of a log as for fit."),
    ] = None,
    unit: Annotated[str | None, typer.Option(metavar="UNIT", help="Unit of the numbers in --times.")] = None,
    clock: Clock = None,
    column: Column = None,
    where: Where = None,
    strike: Annotated[StrikeName, typer.Option(help="What failures can strike.")] = StrikeName.ALWAYS,
    workers: Annotated[int, typer.Option(help="Cores to use; -1: all.")] = -1,
    on: On = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.json", help="Write what --json prints there, too.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Play this part of the runs alone, as one of N machines."),
    ] = None,
    merge: Annotated[
        int | None, typer.Option(min=1, max=10_000, metavar="N", help="Take the runs from N parts that are done.")
    ] = None,
    as_json: AsJson = False,
    report: Report = None,
) -> None:
    """Play a job many times, event by event: distributions, and the closed forms beside them."""
    from cprmodel.cli.pages import page_to
    from cprmodel.cli.simulate import Options, run
    from cprmodel.logs import LogOptions

    asked = Options(
        strategy=strategy,
        interval=interval,
        runs=runs,
        seed=seed,
        deadline=deadline,
        failures=failures.value,
        shape=shape,
        times=times,
        reading=LogOptions(unit=unit, clock=clock, column=tuple(column or ()), where=tuple(where or ())),
        strike=strike.value.replace("-", " "),
        workers=workers,
        on=on,
        out=out,
        part=part,
        merge=merge,
    )
    with page_to(report, job, as_json) as page:
        run(job, asked, as_json, page)


app.command()(measured.fit)
app.command()(measured.goodput)
app.command()(measured.accuracy)


@app.command()
def regret(
    job: JobSource,
    mtbf_error: Annotated[
        float | None, typer.Option(metavar="FACTOR", help="The MTBF is wrong by this factor; default: 2.")
    ] = None,
    observed_failures: Annotated[
        int | None, typer.Option(min=1, max=10**9, help="The MTBF was estimated from so many failures.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What it costs to plan with a wrong MTBF, and how many failures settle it."""
    from cprmodel.cli.regret import run

    run(job, mtbf_error, observed_failures, as_json)


app.command()(varied.sweep)
app.command()(varied.solve)


class ObjectiveName(StrEnum):
    """What the best fixed intervals make best."""

    LOST_UPDATES = "lost-updates"
    AGE = "age"
    FRESHNESS = "freshness"


@app.command()
def order(
    budget: Annotated[
        str, typer.Option(metavar="BANDWIDTH", help='Bandwidth that saving may use, such as "2 GB/s".')
    ],
    shards: Annotated[
        Path | None, typer.Argument(metavar="[SHARDS.csv]", help="Columns shard, bytes, updates_per_s.")
    ] = None,
    counts: Annotated[
        Path | None,
        typer.Option(metavar="ACCESS.npy", help="Instead: updates of each row, in any unit."),
    ] = None,
    zipf: Annotated[
        float | None, typer.Option(metavar="EXPONENT", help="Instead: rows whose updates follow Zipf's law.")
    ] = None,
    rows: Annotated[float | None, typer.Option(help="How many rows there are (--zipf).")] = None,
    row_bytes: Annotated[float | None, typer.Option(help="Bytes of a row, optimizer state included.")] = None,
    harm: Annotated[
        Path | None,
        typer.Option(
            metavar="harm.json", help="Instead: rows of a harm record; says what orders cost in the metric."
        ),
    ] = None,
    samples_per_s: Annotated[
        float | None, typer.Option("--samples-per-s", help="Samples trained in a second (--harm).")
    ] = None,
    lost_share: Annotated[float, typer.Option(help="Share of the rows that a failure puts back (--harm).")] = 0.125,
    updates_per_row: Annotated[
        float, typer.Option(help="Mean updates of a row while everything is saved once (--counts, --zipf).")
    ] = 100.0,
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this policy; may be given again.", autocompletion=policies),
    ] = None,
    objective: Annotated[
        ObjectiveName, typer.Option(help="What best-fixed makes best.")
    ] = ObjectiveName.LOST_UPDATES,
    priority_fraction: Annotated[
        float, typer.Option(help="Share of the rows that is saved each time rows are chosen.")
    ] = 0.125,
    schedule: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="Write what is saved when, in slots within the budget.")
    ] = None,
    slot: Annotated[str | None, typer.Option(metavar="TIME", help="Length of the schedule's slots.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="How many; default: the longest interval.")] = None,
    intervals: Annotated[
        Path | None, typer.Option(metavar="OUT.npy", help="Write the best fixed interval of every row.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulations.")] = 1,
    as_json: AsJson = False,
    report: Report = None,
) -> None:
    """What to save first: policies side by side, the best fixed intervals, and a schedule within a bandwidth."""
    from cprmodel.cli.order import Options, run
    from cprmodel.cli.pages import page_to

    options = Options(
        shards=shards,
        counts=counts,
        zipf=zipf,
        rows=rows,
        row_bytes=row_bytes,
        harm=harm,
        samples_per_s=samples_per_s,
        lost_share=lost_share,
        updates_per_row=updates_per_row,
        budget=budget,
        fraction=priority_fraction,
        objective=objective.value,
        policies=policy or [],
        slot=slot,
        slots=slots,
        seed=seed,
    )
    read = next((one for one in (shards, counts, harm) if one is not None), "")
    with page_to(report, str(read), as_json) as page:
        run(options, as_json, schedule, intervals, page)


@app.command()
def whatif(
    job: JobSource,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PAGE.html", help="The page to write; -: to standard output."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="A number that the page has, and its values, as for sweep; may be given again.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", hidden=True)] = None,
) -> None:
    """Write a page to play with: sliders, and the plan that follows in the browser."""
    from cprmodel.cli.pages import page_to
    from cprmodel.cli.whatif import run

    with page_to(needed(out or output), job, option="--out", what="Page") as page:
        run(job, vary or [], page)


@app.command()
def presets(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One of them: what it is, and where its figures are from."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs that ship with cprmodel; of one, the source of each figure."""
    from cprmodel.cli.presets import run

    run(name, as_json)


@app.command()
def new(
    path: Annotated[Path, typer.Argument(metavar="JOB.toml", help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented job file to start from."""
    from cprmodel.cli.new import run

    run(path, force)


@app.command()
def schema() -> None:
    """Print the JSON schema of a job file, for editors."""
    from cprmodel.cli.new import print_schema

    print_schema()


for _command in app.registered_commands:  # whole in the list of --help, where click would cut them
    _command.short_help = (
        (_command.callback.__doc__ or "").strip().partition("\n")[0] if _command.callback else None
    )
