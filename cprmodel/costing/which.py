"""Which cost model suits a job."""

from __future__ import annotations

from collections.abc import Callable

from cprmodel.costing.blocking import Exact, FirstOrder
from cprmodel.costing.models import CostModel
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import format_time
from cprmodel.jobs import Job

__all__ = ["MODELS", "check_no_stops", "check_plain", "check_whole", "model_for"]


def _steady_state() -> CostModel:
    """The model that is larger than all else of a plain plan, loaded where it is needed."""
    from cprmodel.costing.steady import SteadyState

    return SteadyState()


#: Model name → model, for the command line.
MODELS: dict[str, Callable[[], CostModel]] = {
    "first-order": FirstOrder,
    "exact": Exact,
    "steady-state": _steady_state,
}


def model_for(job: Job, model: CostModel | None = None) -> CostModel:
    """The model for a job (:func:`_model_for`), with what stops the job beside its failures.

    JobError where the model asked for does not know the job.
    """
    found = _model_for(job, model)
    if job.paced:
        from cprmodel.costing.beside import WithStops
        from cprmodel.costing.paced import Paced

        found = found if isinstance(found, (Paced, WithStops)) else Paced(found)
    if not job.stops_beside:
        return found
    from cprmodel.costing.beside import WithStops

    return found if isinstance(found, WithStops) else WithStops(found)


def _model_for(job: Job, model: CostModel | None) -> CostModel:
    """The model asked for, or the first-order one; for storage that these two don't know, the steady-state one.

    Jobs with a time limit have one of their own. JobError where the model asked for does not know the job.
    """
    if job.job.time_limit_s is not None:
        if model is None:
            from cprmodel.costing.limited import TimeLimited

            return TimeLimited()
        if model.name in MODELS:
            expected = (
                f"no such key: jobs that end at a time limit have a model of their own, not the {model.name} one"
            )
            raise JobError("job", [Problem("job.time_limit", format_time(job.job.time_limit_s), expected)])
        return model
    if job.doubts_saves:
        if model is None:
            from cprmodel.costing.verified import Verified

            return Verified()
        if model.name in MODELS:
            what = "silent errors" if job.failures.silent is not None else "unreadable saves"
            expected = f"no such key: jobs with {what} have a model of their own, not the {model.name} one"
            raise JobError("job", [Problem(job.plain_words, "", expected)])
        return model
    if model is None:
        return FirstOrder() if job.plain else _steady_state()
    if not job.plain and isinstance(model, (FirstOrder, Exact)):
        check_plain(job, f"the {model.name} model", "--model steady-state, or no such key")
    return model


def check_plain(job: Job, what: str, instead: str = "no such key", nearest: str = "") -> None:
    """Refuse what knows only of saves that block while everything is written; JobError names who knows more."""
    if job.plain:
        return
    knows = "saves that block and write everything"
    if job.job.time_limit_s is not None:
        knows = "jobs without a time limit"
    elif job.failures.silent is not None:
        knows = "errors that are seen at once"
    elif job.checkpoint.unreadable is not None:
        knows = "saves that can be read back"
    more = f" ({nearest})" if nearest else ""
    raise JobError("job", [Problem(job.plain_words, "", f"{instead}: {what} only knows {knows}{more}")])


def check_whole(job: Job, what: str, instead: str) -> None:
    """Refuse what knows only saves that take everything, and name who knows more; JobError says so."""
    key, value = job.rotating_words
    if key:
        expected = f"no such key: {what} only knows saves that take everything ({instead})"
        raise JobError("job", [Problem(key, value, expected)])


def check_no_stops(job: Job, what: str, nearest: str) -> None:
    """Refuse what knows of no stops beside failures, and name who knows more; JobError says so."""
    if job.stops_beside:
        key = "failures.planned" if job.failures.planned else "failures.repair"
        expected = f"no such key: {what} only knows stops for failures and their recoveries ({nearest})"
        raise JobError("job", [Problem(key, "", expected)])
    if job.paced:
        key = "job.elastic" if job.elastic else "cluster.stragglers"
        expected = f"no such key: {what} only knows jobs that always train at full speed ({nearest})"
        raise JobError("job", [Problem(key, "", expected)])
