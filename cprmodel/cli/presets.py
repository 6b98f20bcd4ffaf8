"""``cprmodel presets``."""

from __future__ import annotations

import json
import shutil
import textwrap

import typer

from cprmodel.jobs import Job
from cprmodel.presets import PREFIX, load_preset, preset_names

__all__ = ["run"]


def run(name: str | None, as_json: bool) -> None:
    """List the presets, or print one with its sources, or whole as JSON."""
    names = preset_names() if name is None else [name.removeprefix(PREFIX)]
    jobs = {one: load_preset(one) for one in names}
    if as_json:
        typer.echo(json.dumps({one: job.model_dump(exclude_none=True) for one, job in jobs.items()}, indent=2))
        return
    width = max(shutil.get_terminal_size().columns, 40)
    if name is not None:
        for one, job in jobs.items():
            _whole(one, job, width)
        return
    longest = max(len(one) for one in names) + len(PREFIX)
    for one, job in jobs.items():
        title = job.preset.title if job.preset else ""
        indent = f"{PREFIX + one:{longest}}  "
        typer.echo(textwrap.fill(title, width, initial_indent=indent, subsequent_indent=" " * len(indent)))
    typer.echo("\nPlan one: cprmodel plan preset:NAME. Where its figures are from: cprmodel presets NAME")


def _whole(name: str, job: Job, width: int) -> None:
    if job.preset is None:
        return
    typer.echo(f"{PREFIX}{name}  {job.preset.title}")
    summary = " ".join(job.preset.summary.split())
    typer.echo(textwrap.fill(summary, width, initial_indent="    ", subsequent_indent="    "))
    for key, source in job.preset.sources.items():
        typer.echo(textwrap.fill(f"{key}: {source}", width, initial_indent="    - ", subsequent_indent="      "))
