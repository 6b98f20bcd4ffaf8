"""What something about a job costs: against a plan of the same job without it, each at its own best interval."""

from __future__ import annotations

from dataclasses import replace

from cprmodel.costing.blocking import Exact
from cprmodel.costing.models import CostModel, everybody_returns
from cprmodel.costing.pace import course_of, slower
from cprmodel.costing.which import model_for
from cprmodel.facts.errors import JobError
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import format_share, format_time
from cprmodel.jobs import Job

__all__ = ["about_what_is_priced_alone"]

#: Models of what a plan can do without.
_OF_LIMITS, _OF_ERRORS = "time-limited", "verified"


def about_what_is_priced_alone(model: CostModel, job: Job, strategy: Strategy) -> list[str]:
    """What a time limit, or silent errors and unreadable saves, cost of all that the job loses; nothing for others.

    ``model``: of the whole job, with its stragglers and what stops it besides.
    """
    if model.name == _OF_LIMITS and _reaches_its_limit(job, strategy):
        work = job.job.model_copy(update=dict.fromkeys(("time_limit_s", "requeue_s", "limit_lead_s")))
        point = job.checkpoint.model_copy(update={"save_before_limit": None})
        free = job.model_copy(update={"job": work, "checkpoint": point})
        return [_costs_against(free, model, job, strategy, "the time limit", "it")]
    if model.name == _OF_ERRORS:
        gone = dict.fromkeys(("verify_s", "verify_every", "checks_per_save", "unreadable"))
        failures = job.failures.model_copy(update={"silent": None})
        free = job.model_copy(update={"failures": failures, "checkpoint": job.checkpoint.model_copy(update=gone)})
        checked = job.checkpoint.verify_s is not None
        errors = "silent errors and their checks" if checked else "silent errors"
        what = [] if job.failures.silent is None else [errors]
        what += [] if job.checkpoint.unreadable is None else ["unreadable saves"]
        return [_costs_against(free, model, job, strategy, " and ".join(what), "them")]
    return []


def _reaches_its_limit(job: Job, strategy: Strategy) -> bool:
    from cprmodel.costing.limited import fits_into_one

    pace = course_of(job).pace
    return not fits_into_one(slower(job, pace), strategy.interval_s / pace)


def _costs_against(free: Job, model: CostModel, job: Job, strategy: Strategy, what: str, them: str) -> str:
    """A sentence: what costs how much of a strategy's overhead; ``free``: the job without, of saves that block.

    Where no interval of it keeps the budget, and where there is none, its interval is the strategy's own.
    """
    exact, every = model_for(free, Exact()), strategy.interval_s
    try:
        if everybody_returns(strategy.recovery):
            every = exact.full_interval(free).interval_s
        elif free.pls_budget is not None:
            every = exact.partial_interval(free, free.pls_budget).interval_s
    except JobError:
        pass
    plain = replace(strategy, interval_s=every, saving=free.saving)
    here, without = (
        float(of.cost(one, way).breakdown.total) for of, one, way in ((model, job, strategy), (exact, free, plain))
    )
    costs = "costs" if them == "it" else "cost"
    return (
        f"{what} {costs} {format_share(here - without)}: without {them} the overhead is {format_share(without)} "
        f"(by the exact model), with a save every {format_time(every)}"
    )
