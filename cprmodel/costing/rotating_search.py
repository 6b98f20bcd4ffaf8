"""The number of experts in a save, and the interval, of least overhead within a budget of lost updates.

Each number of experts has its own longest interval, and with few saves the loss rises and falls with it: all
numbers that may be best are looked into, and all valleys.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel.costing.blocking import recoveries_of, terms_of
from cprmodel.costing.models import BUDGET, OPTIMUM, WHOLE_JOB, Choice, CostModel, one_by_one
from cprmodel.costing.rotated import updates_lost
from cprmodel.costing.terms import WITHIN
from cprmodel.costing.valleys import beside, closed, lowest
from cprmodel.facts.rotation import RotatingSave
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.rotating import rotating_loss
from cprmodel.jobs import Job

__all__ = ["best_rotating"]

#: Intervals tried at once at first; then between the neighbours of the best, so many times.
_WIDE, _CLOSING, _ROUNDS = 240, 40, 3
#: Valleys that are closed in on.
_VALLEYS = 4
#: Into so few pieces a job is cut in every way.
_FEW_PIECES = 64
#: Of what a quick look finds best, this much more is looked into.
_WORTH = 1.05
#: The shortest interval tried, over the best one of a job that loses nothing.
_SHORTEST = 1e-4
#: Up to so many experts all numbers of them are looked into, up to so many more at all of them at first.
_ALL, _EACH = 16, 512
#: Of those that may be best so many are looked into, the cheapest, and as many others.
_CHEAP = 32
#: What costs so much more than the best so far, at the intervals tried first, is not closed in on.
_CLOSE = 1.15


def best_rotating(job: Job, model: CostModel, strategy: Strategy, budget: float, numbered: bool) -> Choice:
    """The best interval of saves that rotate; of every number of experts in a save unless that is given (numbered).

    Where nothing keeps the budget, what loses least of what is best without it.
    """
    saving = strategy.saving
    assert isinstance(saving, RotatingSave)
    found: dict[int, tuple[float, float, Choice]] = {}

    def look(number: int) -> None:
        if number not in found:
            least = min((cost for over, cost, _ in found.values() if over <= 0), default=math.inf)
            one = replace(strategy, saving=replace(saving, rotated=number))
            found[number] = _best(job, model, one, budget, least)

    for number in [saving.rotated] if numbered else _worth_a_look(job, model, saving, budget):
        look(number)
    best = _cheapest(found)
    while not numbered and saving.experts > _ALL:
        for number in _beside(best, saving.experts):
            look(number)
        before, best = best, _cheapest(found)
        if best == before:
            break
    return found[best][2]


def _cheapest(found: dict[int, tuple[float, float, Choice]]) -> int:
    """The number of experts that keeps the budget at the least cost, or breaks it least; of equals the smallest."""
    return min(found, key=lambda number: (*found[number][:2], number))


def _beside(number: int, experts: int) -> list[int]:
    """Numbers of experts nearby and, in powers of two, farther off."""
    apart = [2**power for power in range(experts.bit_length())]
    return [one for gap in apart for one in (number - gap, number + gap) if 1 <= one <= experts]


def _overheads(job: Job, model: CostModel, strategy: Strategy, intervals: Any) -> Any:
    """What each interval costs, writing included where it is priced."""
    saving = strategy.saving
    assert isinstance(saving, RotatingSave)
    timed, extra = strategy.in_time, getattr(model, "extra_s", 0.0) * saving.share
    inner = getattr(model, "inner", model)  # other stops come on top, whatever the interval
    which = recoveries_of(inner)
    if which is not None and not saving.stored:
        return which.full.total(replace(terms_of(job), save_s=timed.saving.save_s, extra_s=extra), intervals)
    look = getattr(inner, "curve", None)
    found = look(job, timed, intervals) if look is not None else one_by_one(inner, job, timed, intervals)
    total = (
        np.asarray(found[0], dtype=float)
        + extra * (NUMPY.intervals(job.job.work_s, intervals) - 1) / job.job.work_s
    )
    return np.where(np.isnan(total), np.inf, total)


def _whole(job: Job, model: CostModel, intervals: Any) -> Any:
    """Intervals in whole steps, and the pieces of a finite job where the model counts these; no longer than it."""
    work, step = job.job.work_s, job.job.step_s
    every = np.minimum(intervals, work)
    if step is not None:
        near = [np.maximum(np.floor(every / step * (1 + 1e-12)), 1) + more for more in (0, 1)]
        every = np.minimum(np.concatenate(near) * step, work)
    elif recoveries_of(getattr(model, "inner", model)) is not None and model.name != "first-order":
        pieces = NUMPY.intervals(work, every)
        every = np.concatenate([work / np.maximum(pieces + more, 1) for more in (-1, 0, 1)])
    return np.unique(every)


def _best(
    job: Job, model: CostModel, strategy: Strategy, budget: float, least: float = math.inf
) -> tuple[float, float, Choice]:
    """By how much the best interval of so many experts breaks the budget, what it costs, and the choice.

    Where it is clear that it costs more than ``least``, the best so far, that is not found out.
    """
    saving, work, mtbf = strategy.saving, job.job.work_s, job.failure_mix.mtbf_s
    assert isinstance(saving, RotatingSave)

    def values(intervals: Any, budget: float = budget) -> Any:
        costs = np.asarray(_overheads(job, model, strategy, intervals), dtype=float)
        keeps = updates_lost(saving, work, mtbf, intervals).pls <= budget * WITHIN
        return np.where(keeps, costs, np.inf)

    free = _near(job, model, strategy)
    low = max(job.job.step_s or 0.0, min(free * _SHORTEST, work / 2))
    some = np.geomspace(low, work, _WIDE)
    intervals = np.unique(np.concatenate([some, work / np.arange(1.0, _FEW_PIECES + 1), [free, min(free, work)]]))
    intervals = intervals[(intervals >= low) & (intervals <= work)]
    found = values(intervals)
    if not np.isfinite(found).any():
        lost = updates_lost(saving, work, mtbf, free).pls
        return float(lost - budget), math.inf, Choice(min(free, work), OPTIMUM, saving=saving)
    if found.min() > least * _CLOSE:
        return 0.0, math.inf, Choice(float(intervals[np.argmin(found)]), OPTIMUM, saving=saving)
    bottoms, _ = closed(_in_rows(values), *beside(intervals, _valleys(found)), (_CLOSING,) * _ROUNDS)
    whole = _whole(job, model, np.unique(np.append(bottoms, intervals[_valleys(found)])))
    costs = values(whole)
    if not np.isfinite(costs).any():  # not in whole steps
        return 0.0, math.inf, Choice(float(whole[0]), OPTIMUM, saving=saving)
    every = float(whole[np.flatnonzero(costs <= costs.min() * (1 + 1e-14))[-1]])
    choice = Choice(every, _set_by(job, every, values), saving=saving)
    return 0.0, float(costs.min()), choice


def _near(job: Job, model: CostModel, strategy: Strategy) -> float:
    """About the best interval where nothing is lost: √(2μC), no longer than the job."""
    save = strategy.saving.save_s + getattr(model, "extra_s", 0.0)
    return float(min(max(math.sqrt(2 * job.failure_mix.mtbf_s * save), 1e-9 * job.job.work_s), job.job.work_s))


def _valleys(found: Any) -> Any:
    """The cheapest few of what is cheaper than its neighbours."""
    least = np.flatnonzero(lowest(found) & np.isfinite(found))
    return least[np.argsort(found[least], kind="stable")][:_VALLEYS]


def _in_rows(values: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """What takes one row of intervals, for several."""
    return lambda _, intervals: values(intervals.ravel()).reshape(intervals.shape)


def _set_by(job: Job, every: float, values: Any) -> str:
    if every >= job.job.work_s * (1 - 1e-12):
        return WHOLE_JOB
    step = job.job.step_s or 1e-4 * every
    more = np.array([every, min(every + step, job.job.work_s), max(every - step, every / 2)])
    costs = values(more, math.inf)
    return BUDGET if costs[1] < costs[0] or costs[2] < costs[0] else OPTIMUM


def _worth_a_look(job: Job, model: CostModel, saving: RotatingSave, budget: float) -> list[int]:
    """Numbers of experts in a save of which the best may be one, by a quick look at a long job; the best first."""
    numbers = _numbers(saving.experts)
    if saving.experts <= _ALL:
        return [int(one) for one in numbers]
    mtbf, work = job.failure_mix.mtbf_s, job.job.work_s
    savings = [replace(saving, rotated=int(one)) for one in numbers]
    saves = np.array([one.save_s for one in savings])[:, None]
    shares = np.array([one.share for one in savings])[:, None]
    prices = saves + getattr(model, "extra_s", 0.0) * shares  # what a save costs, its time and what is paid for it
    every = np.sqrt(2 * mtbf * prices) * np.geomspace(1e-3, 1, 120)
    every = np.minimum(np.maximum(every, job.job.step_s or 0.0), work)
    given = {"experts": saving.experts, "rotated": numbers[:, None], "turns": saving.experts // numbers[:, None]}
    lost = rotating_loss.raw(**given, interval_s=every, save_s=saves, mtbf_s=mtbf)
    costs = prices / every + (every + saves) / 2 / mtbf
    costs = np.where(lost <= budget * _WORTH, costs, np.inf).min(axis=1)
    if not np.isfinite(costs).any():
        return [saving.experts, saving.experts - 1]
    order = np.argsort(costs, kind="stable")
    near = numbers[order[costs[order] <= costs.min() * _WORTH**2]]
    rest = near[_CHEAP:]
    some = [*near[:_CHEAP], *rest[:: max(math.ceil(len(rest) / _CHEAP), 1)], saving.experts]
    return list(dict.fromkeys(int(one) for one in some))


def _numbers(experts: int) -> Any:
    """All numbers of experts, or of many experts those at which they take one turn more, and some between.

    Between two of these what is lost is as good as linear in the number.
    """
    if experts <= _EACH:
        return np.arange(1, experts + 1)
    low = np.arange(1, math.isqrt(experts) + 1)
    turns = experts // low
    return np.unique(np.concatenate([low, turns, turns + 1, np.rint(np.geomspace(1, experts, _EACH)).astype(int)]))
