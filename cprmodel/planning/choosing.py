"""The interval of each candidate, and how often it saves to which level, within its limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cprmodel.costing import Choice, CostModel, kinds
from cprmodel.facts.errors import JobError
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import Job
from cprmodel.planning.candidates import Candidate
from cprmodel.planning.upkeep import cheapest, with_prices

__all__ = ["TODAY", "Chosen", "choose", "choose_all", "strategy_of"]

TODAY = "what is done today"

#: An order of saving has a budget that hangs on its interval: it is looked for so often, and met so nearly.
_TRIES, _NEAR = 8, 1.005

#: A candidate with its choice, or with the reason why it has none.
Chosen = tuple[Candidate, Choice | JobError]


def choose(job: Job, model: CostModel, candidate: Candidate, minimise: str = "overhead") -> Choice:
    """The best interval of a candidate: of least overhead or money, within the budget where it must keep it.

    JobError where there is none.
    """
    at_first = candidate.at(job.job.work_s)
    if not candidate.within_budget:
        return _within(job, model, at_first, None, minimise)
    budget = job.pls_budget_under(at_first.order, at_first.interval_s)
    choice = _within(job, model, at_first, budget, minimise)
    for _ in range(_TRIES):
        own = job.pls_budget_under(at_first.order, choice.interval_s)
        if budget is None or own is None or own == budget or budget <= own <= budget * _NEAR:
            break  # the budget that it was chosen for is that of its own interval, or hardly less
        budget = min(own / math.sqrt(_NEAR), 1.0)
        choice = _within(job, model, at_first, budget, minimise)
    return choice


def _within(job: Job, model: CostModel, at_first: Strategy, budget: float | None, minimise: str) -> Choice:
    if minimise == "overhead":
        return kinds.choose(job, model, at_first, budget)
    return cheapest(job, model, at_first, kinds.choose(job, with_prices(job, model), at_first, budget))


def choose_all(
    job: Job,
    model: CostModel,
    found: Sequence[Candidate],
    minimise: str = "overhead",
    fixed: Mapping[str, Choice] = MappingProxyType({}),
) -> list[Chosen]:
    """A choice for each candidate; those that are ``fixed``, by name, stand."""
    chosen: dict[str, Choice | JobError] = {}
    for one in found:
        if one.given_s is not None:
            chosen[one.name] = Choice(one.given_s, TODAY, saving=one.saving)
        elif one.like:
            chosen[one.name] = chosen[one.like]
        elif one.name in fixed:
            chosen[one.name] = fixed[one.name]
        else:
            try:
                chosen[one.name] = choose(job, model, one, minimise)
            except JobError as error:
                if not one.within_budget or kinds.is_registered(one.saving):
                    raise  # what is wrong with the job is no reason to leave one strategy out
                chosen[one.name] = error
    return [(one, chosen[one.name]) for one in found]


def strategy_of(candidate: Candidate, choice: Choice) -> Strategy:
    """The strategy that a choice makes."""
    return candidate.at(choice.interval_s, choice.saving)
