"""What steps, saves and stops cost: measured in calibration runs, or charged; and what such costs make of a job."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cprmodel import Job
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import (
    FailureKind,
    FailureMix,
    Response,
    RollBack,
    together,
)
from cprmodel.jobs.accuracy import Accuracy
from cprmodel.jobs.model import Checkpoint, Cluster, Failures, Work
from cprmodel.simulation import Activity
from validation.case import Case
from validation.experiment.measure import Measured, Stop
from validation.experiment.strikes import ALIKE, MeasuredRecovery, Together, Unnoticed

__all__ = ["Costs"]


@dataclass(frozen=True)
class Costs:
    """What a step, a save, and the stops cost [s]: measured in calibration runs, or charged.

    ``saves``: for each recovery and interval [steps], since on a real machine a save costs more the longer ago the
    last one was. ``stops``: for each recovery and kind of failure (reschedule, load), of failures that strike work.
    ``unnoticed``: of a save, and of the reading in a recovery, for each kind the share of the rest that passes
    before anybody notices a failure in it; by so much is the stop longer. Nobody asks a shard anything before all
    have written, or read, so that it is no small share. ``void_until``: by recovery, for each kind the share of a
    save, from its beginning, in which a failure makes it void; after that whoever failed had written its part, and
    it counts.
    ``together``: by recovery how many shards read after a shard failure, and how much longer they take for each one
    more, since they share a machine. ``went_on``: by recovery, for each kind, how much of a step passes on average
    in a stop that strikes work, and is done; the stop is so much shorter. Without these four, as on an emulated
    clock: failures are noticed at once, saves void to their end, readings as long for any number, and nothing is
    done in a stop.
    """

    step_s: float
    saves: Mapping[str, Mapping[int, float]]
    stops: Mapping[str, Mapping[FailureKind, tuple[float, float]]]
    unnoticed: Unnoticed = field(default_factory=dict)
    void_until: Mapping[str, Mapping[FailureKind, float]] = field(default_factory=dict)
    together: Mapping[str, Together] = field(default_factory=dict)
    went_on: Mapping[str, Mapping[FailureKind, float]] = field(default_factory=dict)

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
    def calibrated(
        cls,
        killed: Mapping[tuple[str, int], Measured],
        kinds: Iterable[FailureKind],
        shards_per_failure: float = 1.0,
    ) -> Costs:
        """Means over calibration runs, by recovery and interval; of steps and saves that nothing interrupted.

        A run's saves and stops are taken by its own steps, as fractions of the useful time are: on a machine that
        was slower in one of the runs, those of all would make its saves too dear.
        """
        step_s = statistics.fmean(seconds for found in killed.values() for seconds in found.steps_s)
        killed = {one: _at_pace(found, step_s) for one, found in killed.items()}
        saves: dict[str, dict[int, float]] = {}
        for (name, interval), found in killed.items():
            if not found.saves_s:
                what = f"a calibration run with {name} recovery and a save (every {interval} steps)"
                raise JobError("calibration", [Problem("", "", what)])
            saves.setdefault(name, {})[interval] = statistics.fmean(found.saves_s)
        kinds = list(kinds)
        stops: dict[str, dict[FailureKind, tuple[float, float]]] = {name: {} for name in sorted(saves)}
        together: dict[str, Together] = {}
        went_on: dict[str, dict[FailureKind, float]] = {name: {} for name in stops}
        for kind in kinds:
            for name, of in stops.items():
                ended = [one for recovery, one in _ended(killed, kind) if recovery == name]
                readers = min((one.readers for one in ended if one.readers), default=0)
                more = [one for one in ended if one.readers > readers]
                ended = [one for one in ended if one.readers <= readers]
                mine = [one for one in ended if len(one.kinds) == 1]
                if not mine:
                    what = (
                        f"a calibration run with {name} recovery that ends after one {kind.value} failure or more"
                    )
                    raise JobError("calibration", [Problem("", "", f"{what} (more samples, or a shorter gap)")])
                of_work = [one for one in mine if one.struck.activity is Activity.WORK] or mine
                went_on[name][kind] = statistics.fmean(one.went_on_s for one in of_work)
                reschedule = statistics.fmean(one.reschedule_s + one.went_on_s for one in of_work)
                load = statistics.fmean(one.load_s for one in ended)
                of[kind] = reschedule, load
                if more and kind is FailureKind.SHARD:
                    longer = sum(one.load_s - load for one in more) / sum(one.readers - readers for one in more)
                    together[name] = readers, longer
        known = cls(step_s, saves, stops, together=together, went_on=went_on)
        return replace(
            known,
            unnoticed={
                activity: {kind: known._late(killed, activity, kind) for kind in kinds}
                for activity in (Activity.SAVE, Activity.RECOVERY)
            },
            void_until={
                name: {
                    kind: _void_until(
                        (found for (mine, _), found in killed.items() if mine == name), kind, shards_per_failure
                    )
                    for kind in kinds
                }
                for name in sorted(saves)
            },
        )

    def _late(self, killed: Mapping[tuple[str, int], Measured], activity: Activity, kind: FailureKind) -> float:
        """The share of what was left, of all saves or of all readings that such failures struck: all of it at most.

        A few of them, of which little was left, would tell of the scatter of stops else.
        """
        late = rest = 0.0
        for (name, interval), found in killed.items():
            usually = self._usual(name)
            for before, stop in zip((None, *found.stops), found.stops, strict=False):
                struck = stop.struck
                if struck.kind is not kind or struck.activity is not activity or not stop.complete:
                    continue
                usual = together(usually, set(stop.kinds)).reschedule_s
                if activity is Activity.SAVE:
                    if len(stop.kinds) > 1:
                        continue
                    left = self.saves[name][interval] - struck.after_s
                else:
                    if before is None or not struck.reading_s:
                        continue
                    left = together(usually, set(before.kinds)).load_s - struck.reading_s
                    if left <= 0:  # nobody read any more
                        continue
                late += stop.reschedule_s - usual
                rest += max(0.0, left)
        return min(1.0, max(0.0, late / rest)) if rest else 0.0

    def _usual(self, name: str) -> MeasuredRecovery:
        """One whose times these are, and who rolls back does not matter."""
        responses = {kind: Response(RollBack.NOBODY, *pair) for kind, pair in self.stops[name].items()}
        return MeasuredRecovery(name, responses, {})

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
        late = {key: _by_name(self.unnoticed.get(activity, {})) for key, activity in _UNNOTICED.items()}
        return {
            "step_s": self.step_s,
            "saves": saves,
            "stops": stops,
            **late,
            "void_until": {name: _by_name(of) for name, of in self.void_until.items()},
            "together": {name: list(pair) for name, pair in self.together.items()},
            "went_on": {name: _by_name(of) for name, of in self.went_on.items()},
        }

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
        late = {activity: _by_kind(data[key]) for key, activity in _UNNOTICED.items() if data.get(key)}
        void = data.get("void_until", {})
        if not all(isinstance(of, Mapping) for of in void.values()):  # once it was one for all recoveries
            void = dict.fromkeys(saves, void)
        together = {name: (int(few), float(longer)) for name, (few, longer) in data.get("together", {}).items()}
        until = {name: _by_kind(of) for name, of in void.items()}
        went_on = {name: _by_kind(of) for name, of in data.get("went_on", {}).items()}
        return cls(float(data["step_s"]), saves, stops, late, until, together, went_on)

    def recovery(self, case: Case) -> MeasuredRecovery:
        """The case's at these costs; of one play."""
        name, like = case.strategy.recovery, case.recovery()
        responses = {
            kind: Response(like.response(kind).rolls_back, *pair) for kind, pair in self.stops[name].items()
        }
        usual, went_on = self.together.get(name, ALIKE), self.went_on.get(name, {})
        return MeasuredRecovery(name, responses, self.unnoticed, usual, went_on)

    def void_s(self, recovery: str, interval_steps: float, mix: FailureMix) -> float:
        """How long, from the beginning of a save on, a failure of this mix makes it void, on average."""
        until = self.void_until.get(recovery, {})
        shares = sum(mix.share(kind) * (1 - share) for kind, share in until.items())
        return self.save_s(recovery, interval_steps) * (1 - shares)

    def job(
        self,
        case: Case,
        recovery: str,
        mix: FailureMix,
        pls_budget: float,
        interval_steps: float,
        save_s: float,
        struck: Mapping[Activity, float] | None = None,
    ) -> Job:
        """The case as a job file would say it, for one recovery, and saves of so long [s].

        A job knows one time to restart and one to load where everybody rolls back; here these differ with what
        failed, and their mean over the kinds of failure is taken; and over what it strikes, of which ``struck``
        are the shares of work, saves and reading (None: it is all work). Half of a save or a reading is left on
        average, and all that comes after it. Shards that read together are those that fail in a stop before they
        read.
        """
        struck = struck or {Activity.WORK: 1.0}
        after = self.save_s(recovery, interval_steps) - save_s
        stops = {}
        for kind, (reschedule, load) in self.stops[recovery].items():
            rests = {Activity.SAVE: save_s / 2 + after, Activity.RECOVERY: load / 2}
            late = sum(
                struck.get(activity, 0.0) * self.unnoticed.get(activity, {}).get(kind, 0.0) * rest_s
                for activity, rest_s in rests.items()
            )
            done = struck.get(Activity.WORK, 0.0) * self.went_on.get(recovery, {}).get(kind, 0.0)
            stops[kind] = max(0.0, reschedule + late - done), load
        if FailureKind.SHARD in stops:
            reschedule, load = stops[FailureKind.SHARD]
            others = math.expm1(reschedule / mix.mtbf_s) * mix.share(FailureKind.SHARD) * mix.shards_per_failure
            others *= max(0.0, 1 - mix.shards_per_failure / case.shards.count)
            stops[FailureKind.SHARD] = reschedule, load + self.together.get(recovery, ALIKE)[1] * others
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
                save_s=save_s,
                load_s=load,
                reschedule_s=reschedule,
                partial_reschedule_s=shard[0],
                partial_load_s=shard[1],
                trainer_reschedule_s=sum(trainer),
            ),
            accuracy=Accuracy(pls_budget=pls_budget),
        )


#: What stands in a log for what a failure can be unnoticed in.
_UNNOTICED = {"unnoticed": Activity.SAVE, "unnoticed_reading": Activity.RECOVERY}


def _by_name(shares: Mapping[FailureKind, float]) -> dict[str, float]:
    return {kind.value: share for kind, share in shares.items()}


def _by_kind(shares: Mapping[str, float]) -> dict[FailureKind, float]:
    return {FailureKind(kind): float(share) for kind, share in shares.items()}


def _at_pace(found: Measured, step_s: float) -> Measured:
    """What a run would have measured had its steps taken so long on average; only what is calibrated."""
    if not found.steps_s:
        return found
    by = step_s / statistics.fmean(found.steps_s)

    def stop(one: Stop) -> Stop:
        struck = replace(one.struck, after_s=by * one.struck.after_s, reading_s=by * one.struck.reading_s)
        parts = {part: by * getattr(one, part) for part in ("reschedule_s", "load_s", "went_on_s")}
        return replace(one, struck=struck, **parts)

    written = [one and (tuple(by * seconds for seconds in one[0]), by * one[1]) for one in found.written]
    saves_s = [by * seconds for seconds in found.saves_s]
    return replace(found, saves_s=saves_s, written=written, stops=[stop(one) for one in found.stops])


def _ended(killed: Mapping[tuple[str, int], Measured], kind: FailureKind) -> Iterator[tuple[str, Stop]]:
    """Recovery and stop of failures of a kind, and of no other, whose recovery came to its end."""
    for (name, _), found in killed.items():
        for stop in found.stops:
            if stop.complete and set(stop.kinds) == {kind}:
                yield name, stop


def _void_until(found: Iterable[Measured], kind: FailureKind, shards_per_failure: float) -> float:
    """The mean share of a save after which such a failure does not make it void; 1 where that is not known.

    A shard's: when the shard had written its part; of several the last one of them, whichever they are. All
    others': when the manifest was written.
    """
    shares = []
    for one in found:
        for save_s, written in zip(one.saves_s, one.written, strict=False):
            if written is None:
                continue
            shards_s, whole_s = written
            until = _last_of(shards_s, shards_per_failure) if kind is FailureKind.SHARD else whole_s
            shares.append(min(1.0, until / save_s))
    return statistics.fmean(shares) if shares else 1.0


def _last_of(times: Sequence[float], drawn: float) -> float:
    """The mean of the largest of so many that are drawn without returning; drawn is rounded.

    >>> _last_of([1.0, 2.0, 6.0], 1), _last_of([1.0, 2.0, 6.0], 3)
    (3.0, 6.0)
    >>> round(_last_of([1.0, 2.0, 6.0], 2), 9)  # 2, 6 and 6
    4.666666667
    """
    few = min(len(times), max(1, round(drawn)))
    ways = [math.comb(smaller, few - 1) for smaller in range(len(times))]
    return sum(way * time for way, time in zip(ways, sorted(times), strict=True)) / sum(ways)
