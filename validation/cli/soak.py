"""``python -m validation soak``."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from validation.soak import soak

__all__ = ["run"]


def run(kills: int, seed: int, out: Path | None, as_json: bool) -> int:
    """Soak with a progress bar; the exit status."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("kills", total=kills)
        found = soak(kills, seed, out, lambda done: progress.update(task, completed=min(done, kills)))
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        for name, value in found.to_dict().items():
            if name != "wrong":
                shown = f"{value:,.0f}" if isinstance(value, float) else f"{value:,}"
                typer.echo(f"{name.replace('_', ' '):18} {shown:>9}")
        for line in found.wrong:
            typer.echo(f"WRONG: {line}")
        typer.echo("nothing went wrong" if not found.wrong else f"{len(found.wrong)} things went wrong")
    return 1 if found.wrong else 0
