"""``cprmodel simulate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import typer

from cprmodel.cli.cluster import cluster, workers_of
from cprmodel.cli.options import time_option
from cprmodel.cli.pages import Page
from cprmodel.cli.progress import INTERRUPTED, interrupted, progress
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import format_time
from cprmodel.jobs import Job
from cprmodel.loading import load_job
from cprmodel.logs import LogOptions, read_log
from cprmodel.ordering import simulate
from cprmodel.planning.playing import strategy_named
from cprmodel.simulation import (
    Drifting,
    Exponential,
    FailureLaw,
    FailuresStrike,
    Replay,
    Simulated,
    simulate_drifting,
)
from cprmodel.simulation.laws import LAWS

__all__ = ["Options", "run"]

_LONG_RUNS = 200_000  # fewer are done before a progress bar could be read


@dataclass(frozen=True)
class Options:
    """The options of the command, as given."""

    strategy: str
    interval: str | None
    runs: int
    seed: int
    deadline: str | None
    failures: str
    shape: float | None
    times: Path | None
    reading: LogOptions
    strike: str
    workers: int
    on: str | None = None


def run(source: str, options: Options, as_json: bool, page: Page) -> None:
    """Simulate and print, or write, what was found."""
    job = load_job(source)
    deadline_s = time_option("deadline", options.deadline) if options.deadline is not None else None
    interval_s = time_option("interval", options.interval) if options.interval is not None else None
    law, understood = _law(options)
    try:
        strategy = strategy_named(job, options.strategy, interval_s)
    except JobError as error:
        raise JobError(source, list(error.problems)) from None
    workers = workers_of(options.on, options.workers)
    with cluster(options.on):
        try:
            found = _simulate(job, strategy, law, options, workers)
        except JobError as error:
            raise JobError(source, list(error.problems)) from None
    if found.interrupted:
        interrupted(found.runs, found.wanted_runs, "runs")
    if as_json:
        data = {**found.to_dict(deadline_s), "seed": options.seed}
        typer.echo(json.dumps(data | ({"times": understood} if understood else {}), indent=2, allow_nan=False))
    else:
        for line in understood:
            typer.echo(line)
        from cprmodel.report.simulated import print_simulated

        print_simulated(found, deadline_s)

    def write(path: Path) -> None:
        from cprmodel.report.simulated import write_simulated_report

        write_simulated_report(found, deadline_s, path)

    page.write(write)
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


def _law(options: Options) -> tuple[FailureLaw, list[str]]:
    """The law of the times between failures, and how the log of a replay was understood."""
    if options.times is not None:
        if options.failures != "exponential" or options.shape is not None:
            raise JobError("--times", [Problem("", "", "no --failures or --shape beside it")])
        return _replay(options)
    if options.failures == "exponential":
        if options.shape is not None:
            raise JobError(
                "--shape", [Problem("", "", "a law that has one: --failures weibull, gamma or lognormal")]
            )
        return Exponential(), []
    if options.shape is None:
        raise JobError("--shape", [Problem("", "", f"a number, for --failures {options.failures}")])
    law: FailureLaw = LAWS[options.failures](options.shape)
    return law, []


def _replay(options: Options) -> tuple[Replay, list[str]]:
    """The times between the interruptions of a log, in their order, and how the log was understood."""
    assert options.times is not None
    reading = read_log(options.times, options.reading)
    gaps = reading.gaps_s
    if len(gaps) == 0:
        raise JobError(str(options.times), [Problem("", "", "at least one interruption")])
    lines = [f"{options.times.name}: {line}" for line in reading.lines()]
    lines.append(
        f"replayed: {len(gaps):,} times between interruptions, on average {format_time(float(gaps.mean()))}"
    )
    return Replay(tuple(gaps.tolist())), lines


def _simulate(job: Job, strategy: Strategy, law: FailureLaw, options: Options, workers: int | None) -> Simulated:
    drift = job.failures.drift
    drifts = drift is not None and isinstance(law, Exponential) and strategy.plain
    if drifts and FailuresStrike(options.strike) is not FailuresStrike.ALWAYS:
        expected = "always, since failures.rate_at asks for a rate that goes on changing"
        raise JobError("--strike", [Problem("", options.strike, expected)])

    if drifts and options.on is not None:
        expected = "none: a rate that drifts is played in one process"
        raise JobError("--on", [Problem("--on", options.on, expected)])

    def played(progress: Callable[[int], None] | None = None) -> Simulated:
        if drifts and drift is not None:
            return simulate_drifting(job, strategy, Drifting(*drift), options.runs, options.seed, progress)
        return simulate(
            job,
            strategy,
            options.runs,
            options.seed,
            law=law,
            strikes=FailuresStrike(options.strike),
            workers=workers,
            progress=progress,
        )

    with progress("playing", options.runs, options.runs >= _LONG_RUNS or drifts) as advance:
        return played(advance)
