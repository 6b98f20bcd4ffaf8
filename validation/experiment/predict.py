"""Predictions by ``cprmodel``: from the failure rate alone, and for failures as planned or as they struck."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cprmodel import Exact, Job
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import (
    BlockingSave,
    FailureKind,
    FailureMix,
    Recovery,
    Response,
    Strategy,
)
from cprmodel.jobs.accuracy import Accuracy
from cprmodel.jobs.model import Checkpoint, Cluster, Failures, Work
from cprmodel.planning import StrategyPlan, plan
from cprmodel.simulation import Activity, AtTimes, GivenFailure, Strikes, play
from validation.case import Case
from validation.experiment.chance import chance_in
from validation.experiment.measure import Measured, Position, Stop
from validation.experiment.strikes import AtPositions, MeasuredRecovery, NoticedLate
from validation.failures import Failure

__all__ = ["Costs", "Predicted", "by_chance", "executed", "expected", "planned", "recommend"]


@dataclass(frozen=True)
class Costs:
    """What a step, a save, and the stops cost [s]: measured in calibration runs, or charged.

    ``saves``: for each recovery and interval [steps], since on a real machine a save costs more the longer ago the
    last one was. ``stops``: for each recovery and kind of failure (reschedule, load), of failures that strike work.
    ``unnoticed``: for each kind the share of the rest of a save that passes before anybody notices a failure in it;
    by so much is that stop longer. Nobody asks a shard anything before all have written, so that it is no small
    share. None on an emulated clock.
    """

    step_s: float
    saves: Mapping[str, Mapping[int, float]]
    stops: Mapping[str, Mapping[FailureKind, tuple[float, float]]]
    unnoticed: Mapping[FailureKind, float] = field(default_factory=dict)

    @classmethod
    def charged(cls, case: Case) -> Costs:
        """Those of the emulated clock's job."""
        charged = case.charged
        assert charged is not None
        stops, saves = {}, {}
        for name, recovery in (("full", charged.job.full_recovery), ("partial", charged.job.partial_recovery)):
            responses = {kind: recovery.response(kind) for kind in FailureKind}
            stops[name] = {kind: (one.reschedule_s, one.load_s) for kind, one in responses.items()}
            saves[name] = {1: charged.save_s}
        return cls(charged.step_s, saves, stops)

    @classmethod
    def calibrated(cls, killed: Mapping[tuple[str, int], Measured], kinds: Iterable[FailureKind]) -> Costs:
        """Means over calibration runs, by recovery and interval; of steps and saves that nothing interrupted."""
        steps = [seconds for found in killed.values() for seconds in found.steps_s]
        saves: dict[str, dict[int, float]] = {}
        for (name, interval), found in killed.items():
            if not found.saves_s:
                what = f"a calibration run with {name} recovery and a save (every {interval} steps)"
                raise JobError("calibration", [Problem("", "", what)])
            saves.setdefault(name, {})[interval] = statistics.fmean(found.saves_s)
        stops: dict[str, dict[FailureKind, tuple[float, float]]] = {name: {} for name in sorted(saves)}
        unnoticed = {}
        for kind in kinds:
            late = rest = 0.0
            for name, of in stops.items():
                mine = [(interval, one) for recovery, interval, one in _ended(killed, kind) if recovery == name]
                if not mine:
                    what = (
                        f"a calibration run with {name} recovery that ends after one {kind.value} failure or more"
                    )
                    raise JobError("calibration", [Problem("", "", f"{what} (more samples, or a shorter gap)")])
                at_work = [one.reschedule_s for _, one in mine if one.struck.activity is Activity.WORK]
                reschedule = statistics.fmean(at_work or [one.reschedule_s for _, one in mine])
                of[kind] = reschedule, statistics.fmean(one.load_s for _, one in mine)
                for interval, one in mine:
                    if one.struck.activity is Activity.SAVE:
                        late += one.reschedule_s - reschedule
                        rest += max(0.0, saves[name][interval] - one.struck.after_s)
            unnoticed[kind] = late / rest if rest else 0.0
        return cls(statistics.fmean(steps), saves, stops, unnoticed)

    def save_s(self, recovery: str, interval_steps: float) -> float:
        """Time of a save after so many steps; between the calibrated intervals linear in their logarithm."""
        known = sorted(self.saves[recovery].items())
        at, cost = np.log([steps for steps, _ in known]), [seconds for _, seconds in known]
        return float(np.interp(math.log(interval_steps), at, cost))

    def with_load_left_out(self) -> Costs:
        """Spoiled: loading costs nothing."""
        stops = {
            name: {kind: (reschedule, 0.0) for kind, (reschedule, _) in kinds.items()}
            for name, kinds in self.stops.items()
        }
        return replace(self, stops=stops)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        stops = {
            name: {kind.value: list(pair) for kind, pair in kinds.items()} for name, kinds in self.stops.items()
        }
        saves = {name: {str(steps): seconds for steps, seconds in by.items()} for name, by in self.saves.items()}
        unnoticed = {kind.value: share for kind, share in self.unnoticed.items()}
        return {"step_s": self.step_s, "saves": saves, "stops": stops, "unnoticed": unnoticed}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Costs:
        """What ``to_dict`` gave."""
        stops = {
            name: {FailureKind(kind): (float(pair[0]), float(pair[1])) for kind, pair in kinds.items()}
            for name, kinds in data["stops"].items()
        }
        saves = {
            name: {int(steps): float(cost) for steps, cost in by.items()} for name, by in data["saves"].items()
        }
        unnoticed = {FailureKind(kind): float(share) for kind, share in data.get("unnoticed", {}).items()}
        return cls(float(data["step_s"]), saves, stops, unnoticed)

    def strategy(self, case: Case) -> Strategy:
        """The case's strategy at these costs."""
        name, steps = case.strategy.recovery, case.strategy.interval_steps
        like = case.recovery()
        responses = {
            kind: Response(like.response(kind).rolls_back, *pair) for kind, pair in self.stops[name].items()
        }
        saving = BlockingSave(self.save_s(name, steps))
        return Strategy(name, MeasuredRecovery(name, responses, self.unnoticed), saving, steps * self.step_s)

    def job(
        self,
        case: Case,
        recovery: str,
        mix: FailureMix,
        pls_budget: float,
        interval_steps: float,
        in_saves: float = 0.0,
    ) -> Job:
        """The case as a job file would say it, for one recovery, its save as it costs at an interval.

        A job knows one time to restart and one to load where everybody rolls back; here these differ with what
        failed, and their mean over the kinds of failure is taken; and over what it strikes, of which ``in_saves``
        is the share of saves, half of one being left on average.
        """
        late = in_saves * self.save_s(recovery, interval_steps) / 2
        stops = {
            kind: (reschedule + self.unnoticed.get(kind, 0.0) * late, load)
            for kind, (reschedule, load) in self.stops[recovery].items()
        }
        everybody = [
            (mix.share(kind), *pair)
            for kind, pair in stops.items()
            if mix.share(kind) > 0 and (recovery == "full" or kind is FailureKind.WHOLE_JOB)
        ]
        weight = sum(share for share, _, _ in everybody) or 1.0
        reschedule = sum(share * one for share, one, _ in everybody) / weight
        load = sum(share * one for share, _, one in everybody) / weight
        shard, trainer = stops.get(FailureKind.SHARD, (0.0, 0.0)), stops.get(FailureKind.TRAINER, (0.0, 0.0))
        return Job(
            job=Work(work_s=case.steps * self.step_s, step_s=self.step_s),
            cluster=Cluster(embedding_shards=case.shards.count),
            failures=Failures(
                mtbf_s=mix.mtbf_s,
                trainer_share=mix.trainer_share,
                whole_job_share=mix.whole_job_share,
                shards_per_failure=mix.shards_per_failure,
            ),
            checkpoint=Checkpoint(
                save_s=self.save_s(recovery, interval_steps),
                load_s=load,
                reschedule_s=reschedule,
                partial_reschedule_s=shard[0],
                partial_load_s=shard[1],
                trainer_reschedule_s=sum(trainer),
            ),
            accuracy=Accuracy(pls_budget=pls_budget),
        )


def _ended(killed: Mapping[tuple[str, int], Measured], kind: FailureKind) -> Iterator[tuple[str, int, Stop]]:
    """Recovery, interval and stop of failures of a kind, alone, whose recovery came to its end."""
    for (name, interval), found in killed.items():
        for stop in found.stops:
            if stop.complete and stop.kinds == (kind,):
                yield name, interval, stop


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

    That failures in saves stop the job for longer is in it by their share: that of saves in the time that the same
    job takes without this.
    """
    in_saves = 0.0
    for _ in range(2 if any(costs.unnoticed.values()) else 1):
        job = costs.job(case, case.strategy.recovery, mix, pls_budget, case.strategy.interval_steps, in_saves)
        recovery: Recovery = job.full_recovery if case.strategy.recovery == "full" else job.partial_recovery
        strategy = replace(costs.strategy(case), recovery=recovery)
        strategy = replace(strategy, interval_s=min(strategy.interval_s, job.job.work_s))
        cost = Exact().cost(job, strategy)
        in_saves = _in_saves(cost.breakdown)
    return Predicted(job.job.work_s, cost.breakdown.scaled(job.job.work_s), cost.pls)


def _in_saves(overhead: Breakdown) -> float:
    """Share of saves in the time to train; of an overhead over the useful time."""
    return float(overhead.save / (1 + overhead.total))


def planned(case: Case, costs: Costs, failures: Iterable[Failure]) -> Predicted:
    """For failures at the times that are planned, before anything has run."""
    given = [GivenFailure(one.kind, one.shards, one.at_s) for one in failures if one.at_s is not None]
    return _played(case, costs, AtTimes(given))


def executed(case: Case, costs: Costs, positions: Sequence[Position]) -> tuple[Predicted, int]:
    """For failures where they struck: only where is taken from the run. And how many found no place."""
    strategy = costs.strategy(case)
    strikes = AtPositions(positions, costs.step_s, strategy.recovery)
    return _played(case, costs, strikes), strikes.left


def _played(case: Case, costs: Costs, strikes: Strikes) -> Predicted:
    work_s, strategy = case.steps * costs.step_s, costs.strategy(case)
    assert isinstance(strategy.recovery, MeasuredRecovery)
    noticed = NoticedLate(strikes, strategy.recovery)
    found = play(strategy, work_s, noticed, case.shards.count, costs.step_s, 1e4 * work_s)
    return Predicted(work_s, found.spent, found.pls)


def by_chance(case: Case, costs: Costs, mix: FailureMix, events: Sequence[dict[str, Any]]) -> Predicted:
    """What chance had in a run's parts, with the mean stop of this mix: zero on average over runs."""
    stops = costs.stops[case.strategy.recovery]
    reschedule, load = (sum(mix.share(kind) * pair[part] for kind, pair in stops.items()) for part in (0, 1))
    found = chance_in(events, mix, reschedule, load)
    spent = Breakdown(0.0, found.load_s, found.lost_s, found.reschedule_s)
    return Predicted(case.steps * costs.step_s, spent, found.pls)


def recommend(case: Case, costs: Costs, mix: FailureMix, pls_budget: float) -> StrategyPlan:
    """What ``plan`` recommends at these costs: the cheaper of its two recoveries that can be had.

    A plan takes what a save costs as given. Here that depends on the interval: it is planned twice, the second time
    with the cost at the interval that the first one chose.
    """
    found = []
    for name in (name for name in ("full", "partial") if name in costs.stops):
        steps, in_saves = float(np.median(list(costs.saves[name]))), 0.0
        for _ in range(2):
            job = costs.job(case, name, mix, pls_budget, steps, in_saves)
            one = plan(job, Exact())[name]
            steps, in_saves = one.interval_s / costs.step_s, _in_saves(one.breakdown)
        found.append(one)
    feasible = [one for one in found if one.feasible] or found
    return min(feasible, key=lambda one: one.overhead_fraction)
