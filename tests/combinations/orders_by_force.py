"""The best overhead of saves in an order within a budget, by force: kinds of saves and very many intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from cprmodel import Job
from cprmodel.costing import kinds
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.strategies import Strategy
from cprmodel.ordering.pls import interval_for_pls
from cprmodel.ordering.stored import stored_saves

__all__ = ["counted", "planned", "worse_than"]

#: Numbers of saves to each level that are tried, over those planned; and intervals, over the longest within budget.
_RATIOS, _SHORTER = (0.4, 0.6, 0.8, 0.9, 1.0, 1.12, 1.3, 1.7, 2.5), np.geomspace(1, 0.1, 24)
#: Of few whole steps all are tried, down from the longest interval.
_FEW = 60


def planned(job: Job, model: Any, order: str = "best-fixed") -> tuple[Strategy, float, float]:
    """The strategy that is planned for an order of rows, its overhead and its PLS."""
    (saving,) = stored_saves(job, [order])
    at_first = Strategy("any", job.partial_recovery, saving, job.job.work_s)
    choice = kinds.choose(job, model, at_first, job.pls_budget or 0.0)
    found = replace(at_first, interval_s=choice.interval_s, saving=choice.saving or saving)
    cost = kinds.cost(job, model, found)
    return found, float(cost.breakdown.total), cost.pls


def counted(saving: StoredPrioritySave, counts: tuple[int, ...]) -> list[StoredPrioritySave]:
    """The same with other numbers of saves to each level, around some."""
    near = [sorted({1, one + 1, *(max(1, round(one * ratio)) for ratio in _RATIOS)}) for one in counts]
    return [replace(saving, whole=replace(saving.whole, counts=tried)) for tried in product(*near)]


def worse_than(
    job: Job, model: Any, found: tuple[Strategy, float, float], tried: Iterable[StoredPrioritySave]
) -> float:
    """By how much more, relatively, the best fixed intervals of rows cost as planned than the best of these.

    0 where what is planned is above the budget: nothing keeps it, then, or only what costs more than it is worth.
    """
    strategy, spends, pls = found
    budget, best = job.pls_budget or 0.0, math.inf
    if pls > budget * (1 + 1e-9):
        return 0.0
    for one in tried:
        start = replace(strategy, saving=one, interval_s=1800.0)
        longest = interval_for_pls(job, start, budget, exact=True)
        if longest is None:
            continue
        for every_s in _intervals(job, one, longest):
            cost = model.cost(job, replace(strategy, saving=one, interval_s=every_s))
            best = min(best, float(cost.breakdown.total))
    return spends / best - 1


def _intervals(job: Job, saving: StoredPrioritySave, longest_s: float) -> list[float]:
    step_s = job.job.step_s
    if step_s is None:
        return [float(one) for one in longest_s * _SHORTER]
    step_s *= saving.segments / saving.fraction
    most = math.floor(longest_s / step_s * (1 + 1e-12))
    steps = {math.floor(most * one) for one in _SHORTER} | set(range(most - _FEW, most + 1))
    return [step_s * one for one in sorted(steps) if one >= 1]
