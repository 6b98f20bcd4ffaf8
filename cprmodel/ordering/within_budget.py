"""The longest interval of ordered saves that keeps a budget, and numbers of saves to lower levels beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from cprmodel.costing.saving import free_levels
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.storage import WarnedSave
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import Job
from cprmodel.ordering.pls import expected_pls, interval_for_pls

__all__ = ["within_budget"]

#: Numbers of saves times these, one more and one fewer, are tried; and each time that the interval was found anew.
_FACTORS, _ROUNDS = (0.25, 0.5, 0.7, 0.85, 0.95, 1.05, 1.2, 1.4, 2.0, 4.0), 8
#: The power by which losses grow is taken between an interval and this much of it.
_SOONER = 0.8


def within_budget(
    job: Job,
    strategy: Strategy,
    budget: float,
    exact: bool,
    shortest_s: float,
    spent: Callable[[Strategy], float],
    begun: Sequence[WarnedSave] = (),
    above_s: tuple[float, float] | None = None,
) -> Strategy | None:
    """The strategy at the longest interval that keeps the budget; None where none from ``shortest_s`` on does.

    Numbers of saves to lower levels that the job leaves open, and when a save on a warning begins (one of
    ``begun``), are changed as long as that costs less: what saves less must save everything sooner.
    ``strategy.interval_s`` is where the search begins; ``above_s``: as :func:`interval_for_pls` takes it, at first.
    """

    def longest(one: Strategy, above_s: tuple[float, float] | None = None) -> Strategy | None:
        every_s = interval_for_pls(job, one, budget, exact, shortest_s, above_s)
        return None if every_s is None else replace(one, interval_s=every_s)

    best = longest(strategy, above_s)
    saving = strategy.saving
    if best is None or not isinstance(saving, StoredPrioritySave) or not next(_others(saving, begun), None):
        return best
    least = spent(best)
    for _ in range(_ROUNDS):
        other = _other(job, best, budget, exact, spent, begun)
        found = longest(other) if other is not best else None
        spends = math.inf if found is None else spent(found)
        if found is None or spends >= least:
            break
        best, least = found, spends
    return best


def _other(
    job: Job,
    strategy: Strategy,
    budget: float,
    exact: bool,
    spent: Callable[[Strategy], float],
    begun: Sequence[WarnedSave],
) -> Strategy:
    """With the numbers of saves, and the save on a warning, that cost least, each priced about where the budget is.

    What is lost is nearly a power of the interval.
    """
    saving = strategy.saving
    assert isinstance(saving, StoredPrioritySave)
    priced, power = {saving: (spent(strategy), strategy)}, _power(job, strategy, exact)

    def look(saving: StoredPrioritySave) -> None:
        if saving not in priced:
            one = replace(strategy, saving=saving)
            over = max(expected_pls(job, one, exact).pls / budget, 1e-9)
            every_s = one.interval_s * over ** (-1 / power)
            one = replace(one, interval_s=min(every_s, job.job.work_s / saving.fraction))
            priced[saving] = spent(one), one

    best = saving
    while True:
        for moved in _others(best, begun):
            look(moved)
        cheapest = min(priced, key=lambda one: priced[one][0])
        if priced[cheapest][0] >= priced[best][0] * (1 - 1e-12):
            return priced[best][1]
        best = cheapest


def _power(job: Job, strategy: Strategy, exact: bool) -> float:
    """By which what is lost grows with the interval, below a strategy's own."""
    sooner = replace(strategy, interval_s=strategy.interval_s * _SOONER)
    less, more = (expected_pls(job, one, exact).pls for one in (sooner, strategy))
    if not 0 < less < more:
        return 1.0
    return min(max(math.log(less / more) / math.log(_SOONER), 0.5), 2.0)


def _others(saving: StoredPrioritySave, begun: Sequence[WarnedSave]) -> Iterator[StoredPrioritySave]:
    """Neighbours: other numbers of saves, or a save on a warning that begins at another time."""
    whole = saving.whole
    for counts in _moves(whole.counts, free_levels(whole)):
        yield replace(saving, whole=replace(whole, counts=counts))
    for warned in begun:
        if warned != whole.warned:
            yield replace(saving, whole=replace(whole, warned=warned))


def _moves(counts: tuple[int, ...], free: list[int]) -> list[tuple[int, ...]]:
    """Neighbours: one number changed, or one up and another down."""
    found = set()
    for at in free:
        for other in {counts[at] - 1, counts[at] + 1, *(round(counts[at] * factor) for factor in _FACTORS)}:
            found.add((*counts[:at], max(other, 1), *counts[at + 1 :]))
    for one, two in combinations(free, 2):
        for up, down in ((one, two), (two, one)):
            moved = list(counts)
            moved[up], moved[down] = counts[up] + 1, max(round(counts[down] * counts[up] / (counts[up] + 1)), 1)
            found.add(tuple(moved))
    return sorted(found - {counts})
