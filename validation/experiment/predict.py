"""Predictions by ``cprmodel``: from the failure rate alone, and for failures as planned or as they struck."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    RollBack,
    Strategy,
)
from cprmodel.jobs.accuracy import Accuracy
from cprmodel.jobs.model import Checkpoint, Cluster, Failures, Work
from cprmodel.planning import StrategyPlan, plan
from cprmodel.simulation import Activity, AtTimes, GivenFailure, play
from validation.case import Case
from validation.experiment.measure import Measured, Position
from validation.failures import Failure

__all__ = ["Costs", "MeasuredRecovery", "Predicted", "executed", "expected", "planned", "recommend"]


@dataclass(frozen=True)
class MeasuredRecovery:
    """A recovery with its times for each kind of failure."""

    name: str
    responses: Mapping[FailureKind, Response]

    def response(self, kind: FailureKind) -> Response:
        return self.responses[kind]


@dataclass(frozen=True)
class Costs:
    """What a step, a save, and the stops cost [s]: measured in calibration runs, or charged.

    ``saves``: for each recovery and interval [steps], since on a real machine a save costs more the longer ago the
    last one was. ``stops``: for each recovery and kind of failure (reschedule, load).
    """

    step_s: float
    saves: Mapping[str, Mapping[int, float]]
    stops: Mapping[str, Mapping[FailureKind, tuple[float, float]]]

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
        stops: dict[str, dict[FailureKind, tuple[float, float]]] = {}
        for name in sorted({name for name, _ in killed}):
            stops[name] = {}
            of = [stop for (recovery, _), found in killed.items() if recovery == name for stop in found.stops]
            for kind in kinds:
                mine = [stop for stop in of if stop.complete and stop.kinds == (kind,)]
                if not mine:
                    what = (
                        f"a calibration run with {name} recovery that ends after one {kind.value} failure or more"
                    )
                    raise JobError("calibration", [Problem("", "", f"{what} (more samples, or a shorter gap)")])
                reschedule = statistics.fmean(stop.reschedule_s for stop in mine)
                stops[name][kind] = reschedule, statistics.fmean(stop.load_s for stop in mine)
        steps = [seconds for found in killed.values() for seconds in found.steps_s]
        saves: dict[str, dict[int, float]] = {name: {} for name in stops}
        for (name, interval), found in killed.items():
            if not found.saves_s:
                what = f"a calibration run with {name} recovery and a save (every {interval} steps)"
                raise JobError("calibration", [Problem("", "", what)])
            saves[name][interval] = statistics.fmean(found.saves_s)
        return cls(statistics.fmean(steps), saves, stops)

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
        return {"step_s": self.step_s, "saves": saves, "stops": stops}

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
        return cls(float(data["step_s"]), saves, stops)

    def strategy(self, case: Case) -> Strategy:
        """The case's strategy at these costs."""
        name, steps = case.strategy.recovery, case.strategy.interval_steps
        like = case.recovery()
        responses = {
            kind: Response(like.response(kind).rolls_back, *pair) for kind, pair in self.stops[name].items()
        }
        saving = BlockingSave(self.save_s(name, steps))
        return Strategy(name, MeasuredRecovery(name, responses), saving, steps * self.step_s)

    def job(self, case: Case, recovery: str, mix: FailureMix, pls_budget: float, interval_steps: float) -> Job:
        """The case as a job file would say it, for one recovery, its save as it costs at an interval.

        A job knows one time to restart and one to load where everybody rolls back; here these differ with what
        failed, and their mean over the kinds of failure is taken.
        """
        stops = self.stops[recovery]
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


@dataclass(frozen=True)
class Predicted:
    """What a run will cost [s] and lose."""

    useful_s: float
    spent: Breakdown
    pls: float

    def to_dict(self) -> dict[str, Any]:
        return {"useful_s": self.useful_s, "spent_s": self.spent._asdict(), "pls": self.pls}


def expected(case: Case, costs: Costs, mix: FailureMix, pls_budget: float = 0.1) -> Predicted:
    """The exact expectation, for a failure rate."""
    job = costs.job(case, case.strategy.recovery, mix, pls_budget, case.strategy.interval_steps)
    recovery: Recovery = job.full_recovery if case.strategy.recovery == "full" else job.partial_recovery
    strategy = replace(costs.strategy(case), recovery=recovery)
    strategy = replace(strategy, interval_s=min(strategy.interval_s, job.job.work_s))
    cost = Exact().cost(job, strategy)
    return Predicted(job.job.work_s, cost.breakdown.scaled(job.job.work_s), cost.pls)


def planned(case: Case, costs: Costs, failures: Iterable[Failure]) -> Predicted:
    """For failures at the times that are planned, before anything has run."""
    given = [GivenFailure(one.kind, one.shards, one.at_s) for one in failures if one.at_s is not None]
    return _played(case, costs, AtTimes(given))


def executed(case: Case, costs: Costs, positions: Sequence[Position]) -> tuple[Predicted, int]:
    """For failures where they struck: only where is taken from the run. And how many found no place."""
    strategy = costs.strategy(case)
    strikes = AtPositions(positions, costs.step_s, strategy.recovery)
    return _played(case, costs, strikes), strikes.left


def _played(case: Case, costs: Costs, strikes: Any) -> Predicted:
    work_s = case.steps * costs.step_s
    found = play(costs.strategy(case), work_s, strikes, case.shards.count, costs.step_s, 1e4 * work_s)
    return Predicted(work_s, found.spent, found.pls)


class AtPositions:
    """Failures at executed steps, in saves, and so long after a recovery began."""

    def __init__(self, positions: Sequence[Position], step_s: float, recovery: Recovery) -> None:
        self._coming = list(reversed(positions))
        self._step_s, self._recovery = step_s, recovery
        self._worked = 0.0  # steps

    @property
    def left(self) -> int:
        """Failures that never came to strike."""
        return len(self._coming)

    def next(self, activity: Activity, seconds: float) -> tuple[float, GivenFailure] | None:
        """By what goes on."""
        due = self._coming[-1] if self._coming else None
        if activity is Activity.WORK:
            until = self._worked + seconds / self._step_s
            if due is None or due.activity is not Activity.WORK or due.steps >= until - 1e-6:
                self._worked = until
                return None
            after = max(0.0, due.steps - self._worked) * self._step_s
            back = self._recovery.response(due.kind).rolls_back is RollBack.EVERYBODY
            self._worked = float(int(due.steps)) if back else due.steps  # the step under way is begun again
            return after, self._strike()
        if due is None or due.activity is not activity:
            return None
        if activity is Activity.SAVE and due.steps > self._worked + 0.5:
            return None
        return min(due.after_s, 0.999 * seconds), self._strike()

    def _strike(self) -> GivenFailure:
        due = self._coming.pop()
        return GivenFailure(due.kind, due.shards)


def recommend(case: Case, costs: Costs, mix: FailureMix, pls_budget: float) -> StrategyPlan:
    """What ``plan`` recommends at these costs: the cheaper of its two recoveries that can be had.

    A plan takes what a save costs as given. Here that depends on the interval: it is planned twice, the second time
    with the cost at the interval that the first one chose.
    """
    found = []
    for name in (name for name in ("full", "partial") if name in costs.stops):
        steps = float(np.median(list(costs.saves[name])))
        for _ in range(2):
            job = costs.job(case, name, mix, pls_budget, steps)
            one = plan(job, Exact())[name]
            steps = one.interval_s / costs.step_s
        found.append(one)
    feasible = [one for one in found if one.feasible] or found
    return min(feasible, key=lambda one: one.overhead_fraction)
