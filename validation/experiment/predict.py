"""Predictions by ``cprmodel``: from the failure rate alone, and for failures as planned or as they struck."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel import Exact
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import BlockingSave, FailureKind, FailureMix, Recovery, Strategy
from cprmodel.planning import StrategyPlan, plan
from cprmodel.simulation import Activity, AtTimes, GivenFailure, Strikes, play
from validation.case import Case
from validation.experiment.chance import brings, chance_in
from validation.experiment.costs import Costs
from validation.experiment.measure import Position
from validation.experiment.strikes import AtPositions, MeasuredRecovery, NoticedLate
from validation.failures import Failure

__all__ = ["Predicted", "by_chance", "executed", "expected", "planned", "recommend"]

#: How often a plan is made: each time its save and its budget are those of the interval before.
_PLANS = 3


@dataclass(frozen=True)
class Predicted:
    """What a run will cost [s] and lose."""

    useful_s: float
    spent: Breakdown
    pls: float

    def to_dict(self) -> dict[str, Any]:
        return {"useful_s": self.useful_s, "spent_s": self.spent._asdict(), "pls": self.pls}


def expected(case: Case, costs: Costs, mix: FailureMix, pls_budget: float = 0.1) -> Predicted:
    """The exact expectation, for a failure rate.

    That failures in saves and readings stop the job for longer is in it by their shares: those in the time that the
    same job takes without this. A save is as long as a failure makes it void; the rest of it comes on top, with the
    stops of what strikes it, which takes nothing else.
    """
    name, steps = case.strategy.recovery, case.strategy.interval_steps
    void_s, struck = costs.void_s(name, steps, mix), None
    late = any(share for by in (costs.unnoticed, costs.went_on) for of in by.values() for share in of.values())
    for _ in range(2 if late else 1):
        job = costs.job(case, name, mix, pls_budget, steps, void_s, struck)
        recovery: Recovery = job.full_recovery if name == "full" else job.partial_recovery
        interval_s = min(steps * costs.step_s, job.job.work_s)
        cost = Exact().cost(job, Strategy(name, recovery, BlockingSave(void_s), interval_s))
        rests = _rests(cost.breakdown, void_s, costs.save_s(name, steps) - void_s, job.job.work_s, mix, costs, name)
        spent = Breakdown(*(one + more for one, more in zip(cost.breakdown, rests, strict=True)))
        struck = _struck(cost.breakdown, spent)
    pls = _of_whole_steps(cost.pls, costs.step_s / mix.mtbf_s * _alone_lost(name, mix) / case.shards.count)
    return Predicted(job.job.work_s, spent.scaled(job.job.work_s), pls)


def _alone_lost(recovery: str, mix: FailureMix) -> float:
    """Shards that a failure puts back alone, on average."""
    return 0.0 if recovery == "full" else mix.share(FailureKind.SHARD) * mix.shards_per_failure


def _of_whole_steps(pls: float, rate: float) -> float:
    """The PLS where the step under way when a shard fails is not lost; ``rate``: failures of a shard in a step.

    A sample is kept where its shard does not fail until the save. Without steps that is e^(-rate x) for one of x
    steps before it, whose mean over an interval of n steps is (1 - e^(-rate n)) / (rate n). With steps x is whole,
    0 to n - 1, and the mean rate / (1 - e^(-rate)) times as large, whatever n and what a save adds.
    """
    return 1 - (1 - pls) * (rate / -math.expm1(-rate) if rate else 1.0)


def _rests(
    overhead: Breakdown, void_s: float, rest_s: float, work_s: float, mix: FailureMix, costs: Costs, recovery: str
) -> Breakdown:
    """What comes on top with so much more of each save, where failures only stop the job; over the useful time."""
    if not rest_s or not void_s:
        return Breakdown(0.0, 0.0, 0.0, 0.0)
    saves = overhead.save * work_s / void_s
    strikes = -math.expm1(-rest_s / mix.mtbf_s)
    reschedule_s, load_s = brings(mix.mtbf_s, *_mean_stop(costs, recovery, mix))
    return Breakdown(saves * rest_s, saves * strikes * load_s, 0.0, saves * strikes * reschedule_s).scaled(
        1 / work_s
    )


def _mean_stop(costs: Costs, recovery: str, mix: FailureMix) -> tuple[float, float]:
    """Rescheduling and loading, over the kinds of failure [s]."""
    stops = costs.stops[recovery]
    reschedule, load = (sum(mix.share(kind) * pair[part] for kind, pair in stops.items()) for part in (0, 1))
    return reschedule, load


def _struck(void: Breakdown, overhead: Breakdown) -> dict[Activity, float]:
    """Shares of work, saves that are void when struck, and reading in the time to train; of overheads.

    Work that is done again is struck, too. (What void saves took is taken for such work.)
    """
    parts = {Activity.WORK: 1 + overhead.lost, Activity.SAVE: void.save, Activity.RECOVERY: overhead.load}
    return {activity: float(part / (1 + overhead.total)) for activity, part in parts.items()}


def planned(case: Case, costs: Costs, failures: Iterable[Failure]) -> Predicted:
    """For failures at the times that are planned, before anything has run."""
    given = [GivenFailure(one.kind, one.shards, one.at_s) for one in failures if one.at_s is not None]
    return _played(case, costs, costs.recovery(case), AtTimes(given))


def executed(case: Case, costs: Costs, positions: Sequence[Position]) -> tuple[Predicted, int]:
    """For failures where they struck: only where is taken from the run. And how many found no place."""
    recovery = costs.recovery(case)
    strikes = AtPositions(positions, costs.step_s, recovery)
    return _played(case, costs, recovery, strikes), strikes.left


def _played(case: Case, costs: Costs, recovery: MeasuredRecovery, strikes: Strikes) -> Predicted:
    work_s, name, steps = case.steps * costs.step_s, case.strategy.recovery, case.strategy.interval_steps
    saving = BlockingSave(costs.save_s(name, steps))
    strategy = Strategy(name, recovery, saving, steps * costs.step_s)
    noticed = NoticedLate(strikes, recovery)
    found = play(strategy, work_s, noticed, case.shards.count, costs.step_s, 1e4 * work_s)
    return Predicted(work_s, found.spent, found.pls)


def by_chance(case: Case, costs: Costs, mix: FailureMix, events: Sequence[dict[str, Any]]) -> Predicted:
    """What chance had in a run's parts, with the mean stop of this mix: zero on average over runs."""
    name = case.strategy.recovery
    reschedule_s, load_s = _mean_stop(costs, name, mix)
    reschedule_s -= sum(mix.share(kind) * seconds for kind, seconds in costs.went_on.get(name, {}).items())
    found = chance_in(events, mix, max(0.0, reschedule_s), load_s)
    spent = Breakdown(0.0, found.load_s, found.lost_s, found.reschedule_s)
    return Predicted(case.steps * costs.step_s, spent, found.pls)


def recommend(case: Case, costs: Costs, mix: FailureMix, pls_budget: float) -> StrategyPlan:
    """What ``plan`` recommends at these costs: the cheaper of its two recoveries that can be had.

    A plan takes what a save costs as given, and to be void to its end if it is struck. Here the one depends on the
    interval, and the other is not so: it is planned again, with the cost at the interval that the first one chose,
    and with a budget that is larger by as much as what is expected there is less than what the plan says.
    """
    found = []
    for name in (name for name in ("full", "partial") if name in costs.stops):
        steps, struck, budget = float(np.median(list(costs.saves[name]))), None, pls_budget
        for _ in range(_PLANS):
            job = costs.job(case, name, mix, budget, steps, costs.save_s(name, steps), struck)
            one = plan(job, Exact())[name]
            steps, struck = one.interval_s / costs.step_s, _struck(one.breakdown, one.breakdown)
            if one.expected_pls:
                strategy = {"recovery": name, "interval_steps": max(1, min(case.steps, round(steps)))}
                there = case.model_copy(update={"strategy": case.strategy.model_copy(update=strategy)})
                budget = pls_budget * one.expected_pls / expected(there, costs, mix, pls_budget).pls
        found.append(one)
    feasible = [one for one in found if one.feasible] or found
    return min(feasible, key=lambda one: one.overhead_fraction)
