"""``cprmodel presets``."""

from __future__ import annotations

import json
import textwrap

import typer

from cprmodel.presets import load_preset, preset_names

__all__ = ["run"]


def run(as_json: bool) -> None:
    """List the presets, or print them whole as JSON."""
    jobs = {name: load_preset(name) for name in preset_names()}
    if as_json:
        typer.echo(json.dumps({name: job.model_dump(exclude_none=True) for name, job in jobs.items()}, indent=2))
        return
    for name, job in jobs.items():
        if job.preset is None:
            continue
        typer.echo(f"preset:{name}  {job.preset.title}")
        typer.echo(textwrap.indent(textwrap.fill(" ".join(job.preset.summary.split()), 92), "    "))
        for key, source in job.preset.sources.items():
            typer.echo(textwrap.fill(f"{key}: {source}", 96, initial_indent="    - ", subsequent_indent="      "))
        typer.echo("")
    typer.echo("Plan one with: cprmodel plan preset:NAME")
