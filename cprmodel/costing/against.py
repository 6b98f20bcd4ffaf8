"""What something about a job costs: against the same job without it, at its own best interval."""

from __future__ import annotations

from dataclasses import replace

from cprmodel.costing.blocking import Exact
from cprmodel.costing.models import everybody_returns
from cprmodel.facts.errors import JobError
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import format_share, format_time
from cprmodel.jobs import Job

__all__ = ["costs_against"]


def costs_against(free: Job, strategy: Strategy, here: float, what: str, them: str = "them") -> str:
    """A sentence: what costs how much of a strategy's overhead; ``free``: the job without, of saves that block.

    Where no interval of it keeps the budget, and where there is none, its interval is the strategy's own.
    """
    model, every = Exact(), strategy.interval_s
    try:
        if everybody_returns(strategy.recovery):
            every = model.full_interval(free).interval_s
        elif free.pls_budget is not None:
            every = model.partial_interval(free, free.pls_budget).interval_s
    except JobError:
        pass
    plain = replace(strategy, interval_s=every, saving=free.saving)
    without = float(model.cost(free, plain).breakdown.total)
    costs = "costs" if them == "it" else "cost"
    return (
        f"{what} {costs} {format_share(here - without)}: without {them} the overhead is {format_share(without)}, "
        f"with a save every {format_time(every)}"
    )
