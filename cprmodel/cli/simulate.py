"""``cprmodel simulate``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from cprmodel.cli.cluster import cluster, workers_of
from cprmodel.cli.options import check_report, time_option
from cprmodel.cli.pages import Page
from cprmodel.cli.parts import check_parts, say_next
from cprmodel.cli.progress import INTERRUPTED, interrupted, progress
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import write_whole
from cprmodel.facts.parts import part_from
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import format_time
from cprmodel.facts.version import __version__
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
from cprmodel.simulation.part_files import merged_share, write_part
from cprmodel.simulation.shares import NothingToPlay, Share, sharing

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
    out: Path | None = None
    part: str | None = None
    merge: int | None = None


def run(source: str, options: Options, as_json: bool, page: Page) -> None:
    """Simulate and print, or write, what was found."""
    check_parts(options.part, options.merge, options.out, options.on, page, "played", "runs")
    if options.out is not None:
        check_report(options.out, source, "--out")
        page.is_not(options.out)
    job = load_job(source)
    deadline_s = time_option("deadline", options.deadline) if options.deadline is not None else None
    interval_s = time_option("interval", options.interval) if options.interval is not None else None
    law, understood = _law(options)
    try:
        strategy = strategy_named(job, options.strategy, interval_s)
    except JobError as error:
        raise JobError(source, list(error.problems)) from None
    workers = workers_of(options.on, options.workers)
    if options.part is not None:
        share = Share(part_from(options.part))
        with cluster(options.on), sharing(share), _of(source), suppress(NothingToPlay):
            _simulate(job, strategy, law, options, workers)
        _write_part(share, options, _which(job, strategy, law, options), as_json)
        return
    with cluster(options.on), _merged(job, strategy, law, options), _of(source):
        found = _simulate(job, strategy, law, options, workers)
    if found.interrupted:
        interrupted(found.runs, found.wanted_runs, "runs")
    data = {**found.to_dict(deadline_s), "seed": options.seed} | ({"times": understood} if understood else {})
    told = json.dumps(data, indent=2, allow_nan=False)
    if options.out is not None and not found.interrupted:
        write_whole(options.out, told + "\n")

    def write(path: Path) -> None:
        from cprmodel.report.simulated import write_simulated_report

        write_simulated_report(found, deadline_s, path)

    page.write(write)
    if as_json:
        typer.echo(told)
    else:
        for line in understood:
            typer.echo(line)
        from cprmodel.report.simulated import print_simulated

        print_simulated(found, deadline_s)
    page.tell()
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


@contextmanager
def _of(source: str) -> Iterator[None]:
    """What is wrong with the job is told with its file's name."""
    try:
        yield
    except JobError as error:
        raise JobError(source, list(error.problems)) from None


def _which(job: Job, strategy: Strategy, law: FailureLaw, options: Options) -> str:
    """A checksum of what is simulated: parts of one simulation have the same."""
    known: list[object] = [__version__, job.model_dump(mode="json"), repr(strategy), repr(law)]
    known += [options.runs, options.seed, options.strike]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _merged(job: Job, strategy: Strategy, law: FailureLaw, options: Options) -> AbstractContextManager[None]:
    """Within it, what parts have played is not played again."""
    if options.merge is None or options.out is None:
        return nullcontext()
    return sharing(merged_share(options.out, options.merge, _which(job, strategy, law, options)))


def _write_part(share: Share, options: Options, which: str, as_json: bool) -> None:
    """What a part played, into its file; none where it was cut off."""
    if share.cut_off:
        raise KeyboardInterrupt
    assert share.part is not None
    assert options.out is not None
    path = write_part(options.out, share, which)
    if as_json:
        told = {"part": str(share.part), "batches": len(share.gave), "of_batches": share.batches, "file": str(path)}
        typer.echo(json.dumps(told))
    else:
        typer.echo(f"{len(share.gave):,} of {share.batches:,} batches of runs: {path}")
        say_next(share.part)


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

    for name, value in (("--on", options.on), ("--part", options.part), ("--merge", options.merge)):
        if drifts and value is not None:
            raise JobError(name, [Problem(name, str(value), "none: a rate that drifts is played in one process")])

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
