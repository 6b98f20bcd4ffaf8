"""The validation commands; each one's work is in a module of its own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cprmodel.cli.arguments import On

__all__ = ["app"]

app = typer.Typer(
    name="validation",
    help="Train a reduced DLRM on shards that are really killed, and see what cprmodel's predictions are worth.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Device(StrEnum):
    """Where the MLPs live."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Train a reduced DLRM on shards that are really killed, and see what cprmodel's predictions are worth."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def train(
    case: Annotated[Path, typer.Argument(metavar="CASE.toml", help="A case file, see validation/cases.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the run is kept; default: runs/CASE.")
    ] = None,
    device: Annotated[Device | None, typer.Option(help="Instead of the case's training.device.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is in the folder.")] = False,
    job_file: Annotated[
        Path | None,
        typer.Option(metavar="JOB.toml", help="Write what it cost, for cprmodel plan."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train one run with its failures, and tell what happened."""
    from validation.cli.options import Asked
    from validation.cli.train import run

    run(Asked(case, out, device.value if device else None, resume, as_json), job_file)


class Spoil(StrEnum):
    """What is wrong with the predictions."""

    MTBF = "mtbf"
    LOAD = "load"


@app.command()
def run(
    case: Annotated[Path, typer.Argument(metavar="CASE.toml", help="A case file with [experiment].")],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where everything is kept; default: runs/CASE.")
    ] = None,
    device: Annotated[Device | None, typer.Option(help="Instead of the case's training.device.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the experiment in the folder.")] = False,
    part: Annotated[
        str | None, typer.Option(metavar="I/N", help="Do this part of it alone; other machines do the others.")
    ] = None,
    merge: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, metavar="N", help="Make one of N parts that are done, and compare."),
    ] = None,
    on: On = None,
    as_json: AsJson = False,
) -> None:
    """Predict, train and kill, compare. Status 1 when a prediction does not hold."""
    from validation.cli.experiment import run
    from validation.cli.options import Asked

    where = device.value if device else None
    raise typer.Exit(run(Asked(case, out, where, resume, as_json, part, merge, on)))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of an experiment.")],
    spoil: Annotated[
        Spoil | None,
        typer.Option(help="Make the predictions wrong on purpose (MTBF doubled, load left out)."),
    ] = None,
    recalibrate: Annotated[
        bool,
        typer.Option("--recalibrate", help="With costs computed anew from the calibration runs' logs."),
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also write validation-NAME.md there, its charts as SVG in _static."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare again what an experiment wrote down, and rewrite its report; nothing is trained."""
    from validation.cli.experiment import report

    raise typer.Exit(report(folder, spoil.value if spoil else None, as_json, into, recalibrate))


class Where(StrEnum):
    """What a session's processes stand on."""

    CUDA = "cuda"
    CPU = "cpu"


@app.command()
def gpu(
    minutes: Annotated[
        float, typer.Option(min=0.1, max=10_000.0, help="When it must be over, report and archive included.")
    ] = 8.0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where everything is kept; default: runs/gpu.")
    ] = None,
    case: Annotated[
        Path | None,
        typer.Option(metavar="CASE.toml", help="Instead of validation/cases/gpu.toml."),
    ] = None,
    device: Annotated[Where, typer.Option(help="cpu: a rehearsal, without a GPU.")] = Where.CUDA,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder.")] = False,
) -> None:
    """Probe a GPU, test on it, and run the experiment on it as far as the minutes go; then report and pack.

    The runs are sized to the machine by a probe, with the hypotheses of the case as they are.
    """
    from validation.cli.gpu import run

    raise typer.Exit(run(case, out or Path("runs/gpu"), minutes, device.value, resume))


@app.command()
def soak(
    kills: Annotated[int, typer.Option(min=1, max=10**6, help="Kills to survive.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is killed, when and how.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep the runs there; default: only the wrong ones."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Kill, stop, damage and fill disks, many times over; audit what is left. Status 1 when anything is wrong."""
    from validation.cli.soak import run

    raise typer.Exit(run(kills, seed, out, as_json))


Seeds = Annotated[str | None, typer.Option(metavar="SEEDS", help="Instead of the case's, such as 1,2.")]
LabOut = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where everything is kept; default: runs/CASE.")
]
Clicks = Annotated[Path | None, typer.Option(metavar="PATH", help="Instead of the case's data.path (MovieLens).")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Runs at a time, a core each.")]
Into = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Also write validation-NAME.md there.")]
Only = Annotated[bool, typer.Option("--report", help="Train nothing: judge what is in the folder.")]


@app.command()
def harm(
    case: Annotated[
        Path, typer.Argument(metavar="CASE.toml", help="A case of the lab: validation/cases/harm.toml.")
    ],
    out: LabOut = None,
    seeds: Seeds = None,
    data: Clicks = None,
    workers: Workers = 1,
    into: Into = None,
    only: Only = False,
) -> None:
    """Predict what rows put back cost, put them back, compare. Status 1 when a prediction does not hold.

    Goes on where an earlier run of the same case in the folder ended.
    """
    from validation.cli.harm import run

    raise typer.Exit(run(case, out, seeds, data, workers, into, only))


@app.command("harm-orders")
def harm_orders(
    case: Annotated[
        Path, typer.Argument(metavar="CASE.toml", help="A case of orders: validation/cases/harm-orders.toml.")
    ],
    out: LabOut = None,
    seeds: Seeds = None,
    data: Clicks = None,
    workers: Workers = 1,
    into: Into = None,
    only: Only = False,
) -> None:
    """Predict what each order of saving costs in log loss, train in each, compare. Status 1 when it does not hold.

    Goes on where an earlier run of the same case in the folder ended.
    """
    from validation.cli.harm_orders import run

    raise typer.Exit(run(case, out, seeds, data, workers, into, only))
