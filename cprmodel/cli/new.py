"""``cprmodel new`` and ``cprmodel schema``."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import typer

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import write_whole

__all__ = ["print_schema", "run", "template"]


def template() -> str:
    """The commented job file to start from."""
    return (resources.files(__package__) / "template.toml").read_text(encoding="utf-8")


def run(path: Path, force: bool) -> None:
    """Write the template, not over a file that is there."""
    if path.exists() and not force:
        raise JobError(str(path), [Problem("", "", "a new file; this one exists (--force replaces it)")])
    write_whole(path, template())
    typer.echo(f"Wrote {path}. Put your figures in, then: cprmodel plan {path}")


def print_schema() -> None:
    """Print the JSON schema of a job file."""
    from cprmodel.jobs.schema import job_file_schema

    typer.echo(json.dumps(job_file_schema(), indent=2))
