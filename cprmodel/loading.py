"""From what a user names to a job: a file, a preset, a job file that names a trace or a harm record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import format_time
from cprmodel.jobs import Access, Failures, Job
from cprmodel.jobs.accuracy_model import METRICS
from cprmodel.jobs.failures import TRACE_OPTIONS
from cprmodel.jobs.parsing import model_from_mapping, toml_from_file
from cprmodel.jobs.quantities import Section
from cprmodel.presets import PREFIX, load_preset

__all__ = ["load_job"]

_USUAL_SHARE = 0.125  # of the rows that a failure puts back, where no shards are given


class _Draft(Section):
    """The table of failures of a job whose trace is not fitted yet."""

    failures: Failures


def load_job(source: str | Path) -> Job:
    """A job from ``preset:NAME`` or from a file; a trace that the file names is read and fitted.

    ``Job.from_file`` reads the same files but those with a trace or a harm record (``[accuracy] model``). In the
    job, the fit stands in the trace's place, and the slope that the record predicts in the record's.

    >>> load_job("preset:rsc-1").preset.title
    'A 1,024-GPU job on Meta RSC-1'
    """
    if str(source).startswith(PREFIX):
        return load_preset(str(source).removeprefix(PREFIX))
    data = written = toml_from_file(source, "a job file")
    failures = data.get("failures")
    if isinstance(failures, Mapping) and "trace" in failures:
        data = {**data, "failures": _fitted(failures, source)}
    told = data.get("accuracy")
    if isinstance(told, Mapping) and isinstance(told.get("model"), str):
        data = {**data, "accuracy": _predicted(told, data, source)}
    return model_from_mapping(Job, data, str(source), Path(source).parent, written)


def _predicted(told: Mapping[str, Any], data: Mapping[str, Any], source: str | Path) -> Mapping[str, Any]:
    """The table with a model in the place of its harm record; as it is where it names none.

    Where the job has [access], with what each order of saving loses by the record.
    """
    from cprmodel.harm.record import is_harm, read_harm

    path = Path(source).parent / told["model"]
    metric = told.get("metric", "auc")
    if not is_harm(path):
        return told
    if metric not in METRICS:
        known = " or ".join(f'"{one}"' for one in METRICS)
        raise JobError(str(source), [Problem("accuracy.metric", json.dumps(metric, default=str), known)])
    from cprmodel.harm.predicted import HarmModel
    from cprmodel.harm.slope import accuracy_model

    cluster, access = data.get("cluster"), data.get("access")
    shards = cluster.get("embedding_shards") if isinstance(cluster, Mapping) else None
    share = 1 / shards if isinstance(shards, int) and shards >= 1 else _USUAL_SHARE
    model = HarmModel(read_harm(path))
    try:
        found = accuracy_model(model, share, metric, path.name)
    except JobError as error:
        raise JobError(
            str(source), [Problem("accuracy.model", f'"{told["model"]}"', error.problems[0].expected)]
        ) from None
    if isinstance(access, Mapping):
        fraction = access.get("priority_fraction", Access.model_fields["priority_fraction"].default)
        if isinstance(fraction, int | float) and 0 < fraction <= 1:  # what else it is, is said of its table
            from cprmodel.harm.by_order import slopes_by_order

            orders = slopes_by_order(model, float(fraction), share, found.metric_drop_per_pls)
            found = found.model_copy(update={"orders": orders or None})
    return {**told, "model": found.model_dump(mode="json")}


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
