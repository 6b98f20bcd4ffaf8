"""Jobs that ship with the package, each figure with its source and how sure it is."""

from __future__ import annotations

from importlib import resources

from cprmodel.facts.errors import JobError, Problem
from cprmodel.jobs import Job, job_from_text

__all__ = ["PREFIX", "load_preset", "preset_names"]

#: ``preset:NAME`` stands for a preset wherever a job file does.
PREFIX = "preset:"


def preset_names() -> list[str]:
    """Names of the presets.

    >>> preset_names()
    ['bloom-176b', 'cpr-dlrm', 'deepseek-v3', 'llama3-405b', 'rsc-1', 'rsc-2']
    """
    files = resources.files(__package__).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_preset(name: str) -> Job:
    """A preset as a job.

    >>> load_preset("rsc-1").preset.title
    'A 1,024-GPU job on Meta RSC-1'
    """
    if name not in preset_names():
        known = ", ".join(preset_names())
        raise JobError(f"{PREFIX}{name}", [Problem("", "", f"a known preset: {known}")])
    text = (resources.files(__package__) / f"{name}.toml").read_text(encoding="utf-8")
    return job_from_text(text, f"{PREFIX}{name}")
