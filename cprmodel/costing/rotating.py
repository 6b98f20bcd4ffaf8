"""How planning deals with saves that rotate over experts: how many of them each holds, how often, what it costs.

The time is that of full recovery with shorter saves, whatever model prices it; what is lost is counted exactly, run
by run of the job's length (:func:`cprmodel.formulas.rotating_loss`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cprmodel.costing.blocking import recoveries_of, terms_of
from cprmodel.costing.kinds import Candidate, register
from cprmodel.costing.models import BUDGET, OPTIMUM, WHOLE_JOB, Choice, Cost, CostModel, Step, one_by_one, use
from cprmodel.costing.saving import saving_of
from cprmodel.costing.terms import WITHIN
from cprmodel.facts.rotation import RotatingSave
from cprmodel.facts.special import NUMPY
from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import count_of, format_share
from cprmodel.formulas.rotating import rotating_loss, rotating_pls
from cprmodel.jobs import Job

__all__ = ["RotatingSaves", "UpdatesLost", "rotating_of", "updates_lost", "why_not"]

#: Intervals tried at once at first; then between the neighbours of the best, so many times.
_WIDE, _CLOSING, _ROUNDS = 240, 40, 3
#: Into so few pieces a job is cut in every way.
_FEW_PIECES = 64
#: Of what a quick look finds best, this much more is looked into.
_WORTH = 1.05
#: The shortest interval tried, over the best one of a job that loses nothing.
_SHORTEST = 1e-4


def why_not(job: Job) -> str:
    """What the job says beside which saves that rotate are not modelled; "" where nothing does."""
    point = job.checkpoint
    words = {
        "checkpoint.incremental": point.incremental,
        "checkpoint.level": point.level is not None,
        "checkpoint.warning": point.warning is not None,
        "storage": job.storage is not None,
        "job.time_limit": job.job.time_limit_s is not None,
        "failures.silent": job.failures.silent is not None,
        "failures.planned": bool(job.failures.planned),
    }
    return ", ".join(name for name, given in words.items() if given)


def rotating_of(job: Job, rotated: int) -> RotatingSave:
    """Saves of so many of the job's experts in turn."""
    point = job.checkpoint
    stall, _ = point.stall_and_copy_s()
    return RotatingSave(saving_of(job), job.experts or 1, rotated, point.always_written or 0.0, stall)


@dataclass(frozen=True)
class UpdatesLost:
    """Portion of the experts' updates that is lost, of one run or on average, at each of the intervals."""

    pls: Any
    mean: Any  #: of an interval that another save follows
    last: Any  #: of one after the last save


def _turns(saving: RotatingSave) -> int:
    return saving.experts // saving.rotated


def updates_lost(saving: RotatingSave, work_s: float, mtbf_s: float, interval_s: Any) -> UpdatesLost:
    """Expected portion of lost updates in a job of this length; interval by interval where there are many."""
    every = np.atleast_1d(np.asarray(interval_s, dtype=float))
    given = {"experts": saving.experts, "rotated": saving.rotated, "save_s": saving.save_s, "mtbf_s": mtbf_s}
    turns = np.arange(1, _turns(saving) + 1)
    shares = rotating_loss.raw(turns=turns, interval_s=every[:, None], **given)
    sums = np.cumsum(shares, axis=1)
    saves = NUMPY.intervals(work_s, every) - 1
    rows, last = np.arange(every.size), np.minimum(saves, turns.size).astype(int)
    followed = np.maximum(saves - 1, 0)
    known = np.minimum(followed, turns.size).astype(int)
    total = np.where(known > 0, sums[rows, np.maximum(known - 1, 0)], 0.0)
    total = total + (followed - known) * shares[:, -1]
    mean = total / np.maximum(followed, 1)
    at_last = np.where(last > 0, shares[rows, np.maximum(last - 1, 0)], 0.0)
    drain_s, overlap = _drains(saving)
    pls = rotating_pls.raw(mean, at_last, work_s, every, saving.save_s, mtbf_s, drain_s, overlap)
    found = UpdatesLost(pls, mean, at_last)
    return found if np.ndim(interval_s) else UpdatesLost(*(float(one[0]) for one in (pls, mean, at_last)))


def _drains(saving: RotatingSave) -> tuple[float, float]:
    timed = saving.timed
    return (timed.drain_s, timed.overlap) if isinstance(timed, StoredSave) else (0.0, 0.0)


def spread(saving: RotatingSave, work_s: float, mtbf_s: float, interval_s: float) -> float:
    """Standard deviation of one run's portion of lost updates, exactly.

    After a save each failure takes S(e) of an interval's updates, e intervals after the failure before it. The
    failures between saves are independent; what one takes hangs on where the one before it was, and on nothing
    earlier. So with X_i what is taken after the i-th save, E[X_i X_k] = E[X_i] E[X_(k-i)].
    """
    turns, saves = _turns(saving), int(NUMPY.intervals(work_s, interval_s)) - 1
    if saves < 1 or saving.rotated == saving.experts:
        return 0.0
    drain_s, overlap = _drains(saving)
    x = (interval_s + saving.save_s) / mtbf_s
    rest = max(work_s - saves * interval_s - overlap * drain_s, 0.0) / mtbf_s
    struck, at_end = -math.expm1(-x), math.expm1(-rest) / math.expm1(-x)
    age = np.arange(1, turns + 1, dtype=float)
    taken = age - saving.rotated / saving.experts * age * (age + 1) / 2  # S(e) of a failure, in intervals
    weight = struck * np.exp(-x * (age - 1))  # that the one before was so long ago
    stays = np.exp(-x * (age - 1))

    def mean_of(values: Any) -> Any:
        before = np.concatenate([[0.0], np.cumsum(weight * values)[:-1]])
        return struck * (before + stays * values)

    first, second = mean_of(taken), mean_of(taken**2)

    def at(number: Any, of: Any) -> Any:
        return of[np.minimum(number, turns) - 1]

    many = saves - 1  # saves that another one follows
    number = np.arange(1, min(many, 2 * turns) + 1)
    alone = at(number, second) - at(number, first) ** 2
    variance = float(alone.sum()) + max(many - number.size, 0) * float(second[-1] - first[-1] ** 2)
    gaps = first - first[-1]
    for one in range(1, min(many, turns) + 1):  # soon after the beginning: what follows is not in its stride yet
        later = np.arange(1, min(turns, many - one) + 1)
        variance += 2 * float(at(one, first) * (first[later - 1] - at(one + later, first)).sum())
    sums = np.concatenate([[0.0], np.cumsum(gaps)])
    beyond = max(many - turns, 0)
    short = min(beyond, turns)  # the last ones have fewer after them
    variance += 2 * float(first[-1]) * (max(beyond - turns, 0) * sums[-1] + float(sums[:short].sum()))
    last = at(saves, first)
    variance += at_end * float(at(saves, second)) - (at_end * float(last)) ** 2
    near = np.arange(max(1, saves - turns), saves)
    variance += 2 * at_end * float((at(near, first) * (at(saves - near, first) - last)).sum())
    return interval_s / work_s * math.sqrt(max(variance, 0.0))


class RotatingSaves:
    """The kind of :class:`~cprmodel.facts.rotation.RotatingSave`."""

    def candidates(self, job: Job) -> tuple[list[Candidate], list[str]]:
        """Full recovery from saves that rotate, where the job file asks for them."""
        rotating = job.checkpoint.rotating
        if rotating is None:
            return [], []
        beside = why_not(job)
        if beside:
            return [], [f"saves that rotate are left out: beside {beside} they are not modelled (without it they are)"]
        if job.pls_budget is None:
            said = "an [accuracy] budget says how many updates of the experts may be lost"
            return [], [f"saves that rotate are left out: {said}"]
        saving = rotating_of(job, 1 if rotating is True else rotating)
        return [Candidate("full-rotating", job.full_recovery, saving, within_budget=True)], []

    def choose(self, job: Job, model: CostModel, strategy: Strategy, budget: float | None) -> Choice:
        """How many experts a save holds, unless the job file says so, and the interval of least overhead within
        the budget. Where nothing keeps it, what loses least of what is best without it."""
        saving = strategy.saving
        assert isinstance(saving, RotatingSave)
        budget = math.inf if budget is None else budget
        chosen = job.checkpoint.rotating is True
        numbers = _worth_a_look(job, model, saving, budget) if chosen else [saving.rotated]
        found = [_best(job, model, replace(strategy, saving=replace(saving, rotated=one)), budget) for one in numbers]
        _, _, best = min(found, key=lambda one: one[:2])
        return best

    def cost(self, job: Job, model: CostModel, strategy: Strategy) -> Cost:
        """The time of saves as long, and the portion of lost updates."""
        saving, work, mtbf = strategy.saving, job.job.work_s, job.failure_mix.mtbf_s
        assert isinstance(saving, RotatingSave)
        cost = model.cost(job, saving.in_time(strategy))
        every = min(strategy.interval_s, work)
        lost, step = _steps_of(saving, work, mtbf, every)
        saves = NUMPY.intervals(work, every) - 1
        written = saves / work * saving.share if cost.written_per_s is None else cost.written_per_s * saving.share
        return replace(
            cost,
            pls=float(step.value),
            written_per_s=float(written),
            steps=(*cost.steps[:1], lost, step),
            pls_standard_deviation=spread(saving, work, mtbf, every),
        )

    def remarks(self, job: Job, model: CostModel, strategy: Strategy) -> Sequence[str]:
        """What of the checkpoint a save writes, and what its PLS is the portion of."""
        saving = strategy.saving
        assert isinstance(saving, RotatingSave)
        said = (
            f"a save holds {saving.rotated} of {count_of(saving.experts, 'expert')} in turn, "
            f"{format_share(saving.share)} of the checkpoint; expected PLS is the portion of the experts' updates"
        )
        timed = replace(strategy, saving=saving.timed)
        more = getattr(model, "remarks", None)
        return [said, *(more(job, timed) if more is not None else ())]


def _steps_of(saving: RotatingSave, work_s: float, mtbf_s: float, every: float) -> tuple[Step, Step]:
    """The formulas as they are used: of an interval in the long run, and of the job."""
    found = updates_lost(saving, work_s, mtbf_s, every)
    given = {"interval_s": every, "save_s": saving.save_s, "mtbf_s": mtbf_s}
    drain_s, overlap = _drains(saving)
    drains = {"drain_s": drain_s, "overlap": overlap} if drain_s else {}
    experts = {"experts": saving.experts, "rotated": saving.rotated, "turns": _turns(saving)}
    whole = {"updates_lost": found.mean, "last_updates_lost": found.last, "work_s": work_s}
    return use(rotating_loss, **experts, **given), use(rotating_pls, **whole, **given, **drains)


def _overheads(job: Job, model: CostModel, strategy: Strategy, intervals: Any) -> Any:
    """What each interval costs, writing included where it is priced."""
    saving = strategy.saving
    assert isinstance(saving, RotatingSave)
    timed, extra = saving.in_time(strategy), getattr(model, "extra_s", 0.0) * saving.share
    inner = getattr(model, "inner", model)  # other stops come on top, whatever the interval
    which = recoveries_of(inner)
    if which is not None and not isinstance(timed.saving, StoredSave):
        return which.full.total(replace(terms_of(job), save_s=timed.saving.save_s, extra_s=extra), intervals)
    look = getattr(inner, "curve", None)
    found = look(job, timed, intervals) if look is not None else one_by_one(inner, job, timed, intervals)
    total = np.asarray(found[0], dtype=float) + extra * (NUMPY.intervals(job.job.work_s, intervals) - 1) / job.job.work_s
    return np.where(np.isnan(total), np.inf, total)


def _whole(job: Job, model: CostModel, intervals: Any) -> Any:
    """Intervals in whole steps, and as the pieces of a finite job where the model counts these; no longer than it."""
    work, step = job.job.work_s, job.job.step_s
    every = np.minimum(intervals, work)
    if step is not None:
        near = [np.maximum(np.floor(every / step * (1 + 1e-12)), 1) + more for more in (0, 1)]
        every = np.minimum(np.concatenate(near) * step, work)
    elif recoveries_of(getattr(model, "inner", model)) is not None and model.name != "first-order":
        pieces = NUMPY.intervals(work, every)
        every = np.concatenate([work / np.maximum(pieces + more, 1) for more in (-1, 0, 1)])
    return np.unique(every)


def _best(job: Job, model: CostModel, strategy: Strategy, budget: float) -> tuple[float, float, Choice]:
    """By how much the best interval of so many experts breaks the budget, what it costs, and the choice."""
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
        least = updates_lost(saving, work, mtbf, free).pls
        return float(least - budget), math.inf, Choice(min(free, work), OPTIMUM, saving=saving)
    tried = [_closed(values, intervals, at) for at in _valleys(found)]
    whole = _whole(job, model, np.unique(np.concatenate(tried)))
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


def _valleys(found: Any, most: int = 4) -> Any:
    """The cheapest few of what is cheaper than its neighbours."""
    walled = np.pad(found, 1, constant_values=np.inf)
    lowest = np.flatnonzero((found <= walled[:-2]) & (found <= walled[2:]) & np.isfinite(found))
    return lowest[np.argsort(found[lowest], kind="stable")][:most]


def _closed(values: Any, intervals: Any, at: int) -> Any:
    """Intervals ever closer around one that is better than its neighbours: the best, and those beside it."""
    low, high = intervals[max(at - 1, 0)], intervals[min(at + 1, len(intervals) - 1)]
    best = intervals[at]
    for _ in range(_ROUNDS):
        tried = np.unique(np.append(np.geomspace(low, high, _CLOSING), best))
        found = values(tried)
        at = int(np.argmin(found))
        best, low, high = tried[at], tried[max(at - 1, 0)], tried[min(at + 1, len(tried) - 1)]
    return np.array([low, best, high])


def _set_by(job: Job, every: float, values: Any) -> str:
    if every >= job.job.work_s * (1 - 1e-12):
        return WHOLE_JOB
    step = job.job.step_s or 1e-4 * every
    more = np.array([every, min(every + step, job.job.work_s), max(every - step, every / 2)])
    costs = values(more, math.inf)
    return BUDGET if costs[1] < costs[0] or costs[2] < costs[0] else OPTIMUM


def _worth_a_look(job: Job, model: CostModel, saving: RotatingSave, budget: float) -> list[int]:
    """Numbers of experts in a save of which the best may be one, by a quick look at a long job."""
    numbers = np.arange(1, saving.experts + 1)
    if len(numbers) <= 8:
        return [int(one) for one in numbers]
    mtbf, work = job.failure_mix.mtbf_s, job.job.work_s
    saves = np.array([replace(saving, rotated=int(one)).save_s for one in numbers])[:, None]
    saves = saves + getattr(model, "extra_s", 0.0) * (saving.always + (1 - saving.always) * numbers / saving.experts)[
        :, None
    ]
    every = np.sqrt(2 * mtbf * saves) * np.geomspace(1e-3, 1, 120)
    every = np.minimum(np.maximum(every, job.job.step_s or 0.0), work)
    given = {"experts": saving.experts, "rotated": numbers[:, None], "turns": saving.experts // numbers[:, None]}
    lost = rotating_loss.raw(**given, interval_s=every, save_s=saves, mtbf_s=mtbf)
    costs = saves / every + (every + saves) / 2 / mtbf
    costs = np.where(lost <= budget * _WORTH, costs, np.inf).min(axis=1)
    if not np.isfinite(costs).any():
        return [saving.experts - 1, saving.experts]
    near = numbers[costs <= costs.min() * _WORTH**2]
    return sorted({int(one) for one in (*near, saving.experts)})


register(RotatingSave, RotatingSaves())
