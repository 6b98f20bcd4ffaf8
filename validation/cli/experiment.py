"""``python -m validation run`` and ``python -m validation report``."""

from __future__ import annotations

import io
import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cprmodel.cli.cluster import submitting
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import write_whole
from cprmodel.facts.parts import Part, part_from
from validation.cli.options import Asked, to_go_on
from validation.experiment.accuracy import record
from validation.experiment.charts import figures
from validation.experiment.compare import compare
from validation.experiment.design import Experiment
from validation.experiment.outcome import Outcome
from validation.experiment.parts import merge
from validation.experiment.report import markdown, page, remarks, tables, verdict_said
from validation.experiment.runner import Runner
from validation.experiment.verdict import Verdict

__all__ = ["report", "run"]

#: Width of a chart in the documentation, whose pictures have no page to fill [px].
_DOCS_WIDTH = 620

_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}


def run(asked: Asked) -> int:
    """Calibrate, predict, run, compare; the exit status."""
    path, folder = asked.path, asked.folder
    experiment = Experiment.from_file(path)
    if asked.device:
        experiment = experiment.on_device(asked.device)
    part = _checked(asked, experiment)
    if asked.merge is not None:
        merge(experiment, folder, asked.merge)
        return report(folder, None, asked.as_json)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=None)

        def show(what: str, done: int, of: int) -> None:
            progress.update(task, description=what, completed=done, total=of)

        try:
            with submitting(asked.on) if asked.on else nullcontext() as submit:
                Runner(experiment, folder, show, part, submit).run(asked.resume)
        except KeyboardInterrupt:
            again = to_go_on("run", path, out=folder, device=asked.device, part=part, on=asked.on)
            typer.echo(again, err=True)
            raise
    if part is not None:
        then = f"python -m validation run {path} --out {folder} --merge {part.of}"
        typer.echo(f"Part {part} is done. When all are: {then}", err=asked.as_json)
        return 0
    return report(folder, None, asked.as_json)


def _checked(asked: Asked, experiment: Experiment) -> Part | None:
    """The part that is asked for; JobError where options do not go together, or with the case."""
    given = [name for name in ("part", "merge", "on") if getattr(asked, name) is not None]
    if asked.merge is not None and (len(given) > 1 or asked.resume):
        expected = "nothing beside it but --out and --json: nothing is trained"
        raise JobError(f"--merge {asked.merge}", [Problem("", "", expected)])
    section = experiment.experiment
    if asked.on is not None and not (experiment.clock or section.losses or section.orders):
        expected = "a case with a clock, losses or orders: runs whose times are measured go one by one, here"
        raise JobError(f"--on {asked.on}", [Problem("", "", expected)])
    if asked.on is not None and experiment.engine.name != "local":
        expected = "a case without an engine of its own, whose processes are on a cluster already"
        raise JobError(f"--on {asked.on}", [Problem("", "", expected)])
    return part_from(asked.part) if asked.part is not None else None


def report(
    folder: Path, spoil: str | None, as_json: bool, into: Path | None = None, recalibrate: bool = False
) -> int:
    """Compare what is in the folder, print and write it; the exit status."""
    outcome = compare(folder, spoil, recalibrate)
    how = ("-recalibrated" if recalibrate else "") + (f"-spoiled-{spoil}" if spoil else "")
    name = f"report{how}"
    title, shown = folder.resolve().name, tables(outcome)
    text = markdown(outcome, title, shown)
    write_whole(folder / f"{name}.html", page(outcome, title, shown))
    write_whole(folder / f"{name}.md", text)
    if into is not None:
        _write_for_docs(outcome, f"{title}{how}", text, into)
    paired = record(outcome)
    if paired is not None:
        write_whole(folder / "accuracy.json", json.dumps(paired, indent=1) + "\n")
    if as_json:
        typer.echo(json.dumps(_plain(outcome), indent=2, allow_nan=False))
    else:
        _print(outcome, shown)
        typer.echo(f"Report: {folder / name}.html and .md")
    return outcome.status


def _write_for_docs(outcome: Outcome, title: str, text: str, into: Path) -> None:
    """The Markdown, with pictures below it."""
    pictures = []
    (into / "_static").mkdir(parents=True, exist_ok=True)
    for figure in figures(outcome):
        name = f"_static/validation-{title}-{figure['id']}.svg"
        drawn = io.StringIO()
        figure["chart"].properties(width=_DOCS_WIDTH).save(drawn, format="svg")
        write_whole(into / name, drawn.getvalue())
        pictures += [
            f"## {figure['title']}",
            "",
            figure["caption"],
            "",
            f"```{{image}} {name}",
            f":alt: {figure['title']}",
            "```",
            "",
        ]
    whole = text + "\n" + "\n".join(pictures)
    write_whole(into / f"validation-{title}.md", whole.rstrip() + "\n")


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {
        "verdict": outcome.verdict.value,
        "emulated": outcome.emulated,
        "spoiled": outcome.spoiled,
        "recalibrated": outcome.recalibrated,
        "comparisons": [
            {
                "recovery": one.recovery,
                "quantity": one.quantity,
                "against": one.against,
                "predicted": one.predicted,
                "measured": one.measured,
                "by_chance": one.by_chance,
                "difference": one.difference,
                "interval_90": [one.low, one.high] if math.isfinite(one.high - one.low) else None,
                "tolerance": one.tolerance,
                "verdict": one.verdict.value if one.verdict else None,
            }
            for one in outcome.comparisons
        ],
        "checks": [{"name": one.name, "found": one.said, "verdict": one.verdict.value} for one in outcome.checks],
        "odd": remarks(outcome),
    }


def _print(outcome: Outcome, shown: list[dict[str, Any]]) -> None:
    console = Console(highlight=False)
    console.width = max(console.width, 100)
    if outcome.emulated:
        console.print(Text("emulated clock: no time here was measured", style="yellow"))
    if outcome.spoiled:
        console.print(Text(f"predictions spoiled on purpose: {outcome.spoiled}", style="yellow"))
    if outcome.recalibrated:
        console.print(Text("calibrated anew, after the runs", style="yellow"))
    for one in shown:
        if one["long"]:
            continue
        table = Table(title=one["title"], title_justify="left", box=None, pad_edge=False, header_style="bold")
        for number, heading in enumerate(one["headings"]):
            table.add_column(heading, justify="left" if number == 0 else "right")
        for row in one["rows"]:
            table.add_row(*(Text(str(cell), style=_STYLES.get(cell, "")) for cell in row))
        console.print(table)
        console.print()
    for line in remarks(outcome):
        console.print(Text(line, style="yellow"))
    console.print(Text(f"{outcome.verdict.value}: {verdict_said(outcome)}", style=_STYLES[outcome.verdict]))
