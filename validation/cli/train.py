"""``python -m validation train``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cprmodel.cli.options import check_report
from cprmodel.facts.files import write_whole
from cprmodel.facts.units import format_share, format_time
from validation.audit import Audit, audit
from validation.case import Case
from validation.cli.options import Asked, to_go_on
from validation.costs import job_file
from validation.events import read_events
from validation.summary import Summary, summarise
from validation.supervisor import Supervisor

__all__ = ["print_summary", "run"]


def run(asked: Asked, job: Path | None = None) -> None:
    """Train with a progress bar, then print what the event log says."""
    path, folder = asked.path, asked.folder
    case = Case.from_file(path)
    if job is not None:
        check_report(job, str(path), "--job-file")
    if asked.device:
        case = case.on_device(asked.device)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=case.steps)

        def observe(event: dict[str, Any]) -> None:
            kind = event["event"]
            if kind == "step":
                progress.update(task, completed=event["step"], description="training")
            elif kind == "failure":
                progress.update(task, description=f"failure {event['number'] + 1}")
            elif kind == "trained":
                progress.update(task, completed=event["step"], description="testing")

        try:
            Supervisor(case, folder, observe=observe).run(asked.resume)
        except KeyboardInterrupt:
            typer.echo(to_go_on("train", path, out=folder, device=asked.device), err=True)
            raise
    found = summarise(folder / "events.jsonl")
    checked = audit(case, folder) if case.journal else None
    if asked.as_json:
        audited = {"audit": _shown(checked)} if checked else {}
        typer.echo(json.dumps({**asdict(found), "pls": found.pls, **audited, "folder": str(folder)}, indent=2))
    else:
        print_summary(found, folder, checked)
    if job is not None:
        write_whole(job, job_file(str(folder), read_events(folder / "events.jsonl")))
        typer.echo(f"Job file: {job}", err=asked.as_json)
    if checked and checked.wrong:
        raise typer.Exit(1)


def _shown(checked: Audit) -> dict[str, Any]:
    """An audit, for a program."""
    lost = [{"shard": shard, "updates": updates} for shard, updates in checked.lost_updates]
    return {"wrong": checked.wrong, "compared": checked.compared, "choices": checked.choices, "lost": lost}


def print_summary(found: Summary, folder: Path, checked: Audit | None = None) -> None:
    """What happened, for a person; with what an audit of the journal found."""
    console = Console(highlight=False)
    console.width = max(console.width, 88)
    replayed = f", {found.replayed_steps:,} of them again" if found.replayed_steps else ""
    console.print(
        f"{found.steps:,} steps, {found.samples:,} samples, {found.shards} shards; "
        f"{found.executed:,} steps executed{replayed}"
    )
    if found.failures:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("failure", "after step", "while", "signal", "noticed", "trains again", "returns to step"):
            table.add_column(heading, justify="left" if heading in ("failure", "while", "signal") else "right")
        for failure in found.failures:
            what = failure.kind.replace("_", " ")
            if failure.shards:
                what = f"{'shards' if len(failure.shards) > 1 else 'shard'} {', '.join(map(str, failure.shards))}"
            table.add_row(
                Text(what),
                f"{failure.step:,}",
                failure.phase,
                failure.signal,
                _noticed(failure.detected_s),
                "" if failure.recovered_s is None else f"after {format_time(failure.recovered_s)}",
                "none lost" if failure.went_back_to is None else f"{failure.went_back_to:,}",
            )
        console.print(table)
    total = found.samples * found.shards
    lost = f"{found.lost_samples:,} of {total:,} shard-samples"
    if found.ordered:
        lost = f"{found.lost_updates:,} of {found.updates:,} updates of rows"
    console.print(
        f"lost for good: {lost}, PLS {found.pls:.4g}"
        + (f"; replayed: {found.replayed_samples:,} samples" if found.replayed_samples else "")
    )
    void = f", {found.void_saves} void" if found.void_saves else ""
    drains = found.seconds.get("drain", 0.0) / max(1, found.saves)
    meanwhile = f", each written for {format_time(drains)} while training went on" if drains else ""
    console.print(f"{found.saves} saves{void}{meanwhile}; {found.loads} loads")
    for reason in found.failed_saves:
        console.print(Text(f"a save failed, nothing was lost: {reason}", style="yellow"))
    for name, reason in found.corrupt:
        console.print(Text(f"damage detected, and not used: {name} ({reason})", style="yellow"))
    if found.unplanned_deaths:
        console.print(Text(f"{found.unplanned_deaths} processes died that this run did not kill", style="red"))
    whole = found.seconds.get("whole", 0.0)
    if whole > 0:
        names = ("lookup", "compute", "update", "copy", "save")
        parts = ", ".join(f"{name} {format_share(found.seconds[name] / whole)}" for name in names)
        stopped = found.stopped_s
        rest = max(0.0, 1 - (sum(found.seconds[name] for name in names) + stopped) / whole)
        failures = f", stopped by failures {format_share(stopped / whole)}" if stopped else ""
        console.print(f"time {format_time(whole)}: {parts}{failures}, data and the rest {format_share(rest)}")
    if found.log_loss is not None:
        auc = "" if found.auc is None else f"AUC {found.auc:.4f}, "
        console.print(f"test: {auc}log loss {found.log_loss:.4f}")
    if checked:
        choices = f", {checked.choices:,} choices of rows" if checked.choices else ""
        said = f"{checked.compared:,} contents of shards{choices} compared with the journal"
        console.print(f"audit: {said}, bit for bit: nothing is wrong" if not checked.wrong else f"audit: {said}")
        for text in checked.wrong:
            console.print(Text(f"wrong: {text}", style="red"))
    for remark in found.remarks:
        console.print(Text(remark))
    console.print(Text(f"event log: {folder / 'events.jsonl'}", style="dim"))


def _noticed(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return format_time(seconds) if seconds >= 1e-3 else "< 1 ms"
