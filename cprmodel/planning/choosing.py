"""The interval of each candidate, and how often it saves to which level, within its limits."""

from __future__ import annotations

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

#: A candidate with its choice, or with the reason why it has none.
Chosen = tuple[Candidate, Choice | JobError]


def choose(job: Job, model: CostModel, candidate: Candidate, minimise: str = "overhead") -> Choice:
    """The best interval of a candidate: of least overhead or money, within the budget where it must keep it.

    JobError where there is none.
    """
    budget = job.pls_budget if candidate.within_budget else None
    at_first = candidate.at(job.job.work_s)
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
