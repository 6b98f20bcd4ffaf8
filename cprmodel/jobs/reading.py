"""From a TOML file, its text or a mapping to a :class:`~cprmodel.jobs.model.Job`, or to one clear line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cprmodel.jobs.model import Job
from cprmodel.jobs.parsing import model_from_mapping, toml_from_file, toml_from_text

__all__ = ["job_from_file", "job_from_mapping", "job_from_text", "model_from_mapping", "toml_from_file"]


def job_from_file(path: str | Path) -> Job:
    """Read a job file; raises :class:`~cprmodel.facts.errors.JobError`."""
    return Job.from_file(path)


def job_from_text(text: str, source: str = "job") -> Job:
    """Read a job from TOML text."""
    return job_from_mapping(toml_from_text(text, source), source)


def job_from_mapping(data: Mapping[str, Any], source: str = "job") -> Job:
    """Read a job from nested mappings, such as parsed TOML or JSON.

    >>> job_from_mapping({"job": {"work": "56 h"}, "failures": {"mtbf": "28 h"}, "checkpoint": {"save": 4}})
    Traceback (most recent call last):
        ...
    cprmodel.facts.errors.JobError: job: checkpoint.save = 4: expected a time with its unit, such as "30 min"
    """
    return model_from_mapping(Job, data, source)
