"""``python -m validation gpu``."""

from __future__ import annotations

from pathlib import Path

import typer

from validation.cli.options import to_go_on
from validation.gpu.session import Session

__all__ = ["run"]

CASE = Path(__file__).parents[1] / "cases" / "gpu.toml"


def run(case: Path | None, folder: Path, minutes: float, device: str, resume: bool) -> int:
    """A session; the exit status."""
    begun = Session(case or CASE, folder, minutes, device, resume, say=lambda line: typer.echo(line))
    try:
        return begun.run()
    except KeyboardInterrupt:
        other = device if device != "cuda" else None
        again = to_go_on("gpu", minutes=f"{minutes:g}", out=folder, case=case, device=other)
        typer.echo(again, err=True)
        raise
