"""Which of the priced strategies is recommended."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cprmodel.facts.errors import JobError, Problem
from cprmodel.planning.result import StrategyPlan

__all__ = ["MINIMISED", "TIE", "best_of"]

#: What a plan can make least.
MINIMISED = ("overhead", "dollars")

#: Overheads closer than this (relative) are equal: of those what loses least is taken, then what is listed first.
TIE = 1e-9

#: What ranks the strategies, by name.
_RANKS: dict[str, Callable[[StrategyPlan], float | None]] = {
    "overhead": lambda one: one.overhead_fraction,
    "expected": lambda one: one.expected_overhead_fraction,
    "dollars": lambda one: one.dollars_to_train,
}


def best_of(strategies: Sequence[StrategyPlan], notes: Sequence[str] = (), rank: str = "overhead") -> StrategyPlan:
    """The feasible strategy with the least overhead (expected overhead, dollars).

    Of equals the one with the least expected PLS, then the first.
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
    return min(tied, key=lambda one: one.expected_pls)
