"""Arguments and options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cprmodel.cli.completing import job_sources

__all__ = ["AsJson", "Clock", "Column", "JobSource", "Minimised", "ModelName", "On", "Report", "Where"]


class ModelName(StrEnum):
    """Which cost model prices the strategies."""

    FIRST_ORDER = "first-order"
    EXACT = "exact"
    STEADY_STATE = "steady-state"


class Minimised(StrEnum):
    """What a recommendation makes least."""

    OVERHEAD = "overhead"
    DOLLARS = "dollars"


JobSource = Annotated[
    str, typer.Argument(metavar="JOB.toml", help="A job file, or preset:NAME.", autocompletion=job_sources)
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="PAGE.html", help="Write a self-contained page with charts; -: to standard output."),
]
On = Annotated[
    str | None,
    typer.Option(
        metavar="CLUSTER",
        help="A cluster to work on: dask://HOST:PORT, ray://HOST:PORT, ray://auto; dask://local, ray://local.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=VALUE,VALUE",
        help="Which states are interruptions (state=FAILED,NODE_FAIL); of another column: which rows are read.",
    ),
]
Column = Annotated[
    list[str] | None,
    typer.Option(metavar="ROLE=NAME", help="What a column says: start=Began, end=, duration=, state=, nodes=."),
]
Clock = Annotated[
    str | None, typer.Option(metavar="KIND", help="What numbers are: durations or moments; default: by their look.")
]
