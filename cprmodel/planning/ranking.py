"""Which of the priced strategies is recommended."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cprmodel.facts.errors import JobError, Problem
from cprmodel.planning.result import StrategyPlan

__all__ = ["AS_MUCH", "MINIMISED", "TIE", "best_of"]

#: What a plan can make least.
MINIMISED = ("overhead", "dollars")

#: Overheads closer than this (relative) are equal: of those what loses least is taken.
TIE = 1e-12

#: Losses closer than this (relative) are equal, too, for some are simulated: what is listed first is taken.
AS_MUCH = 0.01

#: What ranks the strategies, by name.
_RANKS: dict[str, Callable[[StrategyPlan], float | None]] = {
    "overhead": lambda one: one.overhead_fraction,
    "expected": lambda one: one.expected_overhead_fraction,
    "dollars": lambda one: one.dollars_to_train,
}


def best_of(strategies: Sequence[StrategyPlan], notes: Sequence[str] = (), rank: str = "overhead") -> StrategyPlan:
    """The feasible strategy with the least overhead (expected overhead, dollars).

    Of equals the first whose expected PLS is the least, or within 1% of it.
    Raises JobError where none is feasible; ``notes`` then say why there is none at all.
    """
    feasible = [one for one in strategies if one.feasible]
    if not feasible:
        reason = "; ".join(f"{one.name}: {one.reason}" for one in strategies) or "; ".join(notes)
        raise JobError("job", [Problem("", "", f"a job that some strategy can finish ({reason})")])
    given = [_RANKS[rank](one) for one in feasible]
    ranks = [math.inf if one is None else one for one in given]
    if math.isinf(min(ranks)):
        ranks = [one.overhead_fraction for one in feasible]
    tied = [one for one, value in zip(feasible, ranks, strict=True) if value <= min(ranks) * (1 + TIE)]
    least = min(one.expected_pls for one in tied)
    return next(one for one in tied if one.expected_pls <= least * (1 + AS_MUCH))
