"""From what a user names to a job: a file, a preset, a job file with a trace in it that must be fitted first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import format_time
from cprmodel.jobs import Failures, Job
from cprmodel.jobs.failures import TRACE_OPTIONS
from cprmodel.jobs.parsing import model_from_mapping, toml_from_file
from cprmodel.jobs.quantities import Section
from cprmodel.presets import PREFIX, load_preset

__all__ = ["load_job"]


class _Draft(Section):
    """The table of failures of a job whose trace is not fitted yet."""

    failures: Failures


def load_job(source: str | Path) -> Job:
    """A job from ``preset:NAME`` or from a file; a trace that the file names is read and fitted.

    ``Job.from_file`` reads the same files but those with a trace. In the job, the fit stands in the trace's place.

    >>> load_job("preset:rsc-1").preset.title
    'A 1,024-GPU job on Meta RSC-1'
    """
    if str(source).startswith(PREFIX):
        return load_preset(str(source).removeprefix(PREFIX))
    data = toml_from_file(source, "a job file")
    failures = data.get("failures")
    if isinstance(failures, Mapping) and "trace" in failures:
        data = {**data, "failures": _fitted(failures, source)}
    return model_from_mapping(Job, data, str(source), Path(source).parent)


def _fitted(failures: Mapping[str, Any], source: str | Path) -> dict[str, Any]:
    """The table with a fit in the place of its trace."""
    folder = Path(source).parent
    keys = model_from_mapping(_Draft, {"failures": failures}, str(source), folder).failures
    from cprmodel.fitting import analyse, read_trace
    from cprmodel.logs import LogOptions

    given = {name: getattr(keys, name) for name in TRACE_OPTIONS if getattr(keys, name) is not None}
    try:
        found = analyse(read_trace(folder / str(keys.trace), LogOptions(**given)))
    except JobError as error:
        raise JobError(*_in_the_file(error, str(source))) from None
    if found.mtbf_s is None:
        expected = (
            "a trace with at least one failure (without one, the MTBF is known to be at least "
            f"{format_time(found.mtbf_ci90_s[0])}, a 95% bound)"
        )
        raise JobError(str(source), [Problem("failures.trace", f'"{keys.trace}"', expected)])
    rest = {key: value for key, value in failures.items() if key not in ("trace", *TRACE_OPTIONS)}
    return {**rest, "fit": found.to_dict()}


def _in_the_file(error: JobError, source: str) -> tuple[str, list[Problem]]:
    """What is wrong with an option of the command, as what is wrong with a key of the job file."""
    if error.source.startswith("--"):
        return source, [_key(error.source, error.problems[0])]
    if error.problems[0].field.startswith("--"):
        return source, [_key(one.field, one) for one in error.problems]
    return error.source, list(error.problems)


def _key(option: str, problem: Problem) -> Problem:
    name = option.removeprefix("--").replace("-", "_")
    return Problem(f"failures.{name}", problem.value, problem.expected)
