"""What chance had in a run: failures more than their rate has on average, or at moments when more was to be lost.

Failures come at a rate that is known, whatever goes on. So what strikes up to any moment, less what was to be
expected given all that went before, is zero on average, however the run goes and whatever a model says of it:

    sum over failures of u(t)  -  integral of u(t) dt / MTBF,

for any u(t) that is known just before t (a martingale; Brémaud, Point Processes and Queues, 1981, chapter II).
Measured figures less this have the same mean and far less scatter: a control variate, whose coefficient is known
beforehand.

Here u is what a failure then brings with it. That is more than itself, for what has to be done again takes time, in
which more failures come. Where it strikes something that is to be done again, x after its beginning, with failures
every M on average, and stops of D and then L to load, it brings

    M (e^(x/M) - 1)                      of that to be done again,
    M (e^(D/M) - 1) e^(L/M) e^(x/M)      of rescheduling and
    M (e^(L/M) - 1) e^(x/M)              of loading, the stop that it begins included

(the solutions of f' = 1 + f/M with f(0) = 0, and of f' = f/M), however much of it is left. What is to be done again
is all since the last save where everybody goes back, else a save that is under way; and a stop. Where saves and
stops take what they are said to, nothing is left then that scatters: each run takes what the formula says that runs
take on average.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cprmodel.facts.strategies import FailureKind, FailureMix

__all__ = ["Chance", "brings", "chance_in"]


@dataclass(frozen=True)
class Chance:
    """What failures took, less what was to be expected on the way: each zero on average."""

    lost_s: float = 0.0  # to be done again by everybody
    reschedule_s: float = 0.0
    load_s: float = 0.0
    pls: float = 0.0  # lost by shards that go back alone


def chance_in(
    events: Sequence[dict[str, Any]], mix: FailureMix, reschedule_s: float = 0.0, load_s: float = 0.0
) -> Chance:
    """Of a finished run whose failures were drawn at times, from this mix; with the parts of a mean stop [s].

    A failure counts when its time has come, which may be a little before it is carried out.
    """
    start = events[0]
    planned = [one for one in start["failures"] if one["at_s"] is not None]
    if math.isinf(mix.mtbf_s):
        return Chance()
    key = "at" if start["case"].get("clock") is None else "clock_s"
    timed = sorted((event for event in events if key in event), key=lambda event: event[key])
    coming = deque(sorted(planned, key=lambda one: one["at_s"]))
    course = _Course(start["case"], mix, reschedule_s, load_s)
    begun: float | None = None
    for event in timed:
        at = event[key]
        if begun is None:
            if event["event"] == "ready" and not event["step"]:
                begun = course.now = at
            continue
        while coming and begun + coming[0]["at_s"] <= at:
            due = coming.popleft()
            course.pass_until(begun + due["at_s"])
            course.strike(FailureKind(due["kind"]), due["shards"])
        course.pass_until(at)
        if event["event"] == "trained":
            break
        course.hear(event["event"])
    return Chance(course.lost_s, course.reschedule_s, course.load_s, course.pls)


def brings(mtbf_s: float, reschedule_s: float, load_s: float) -> tuple[float, float]:
    """What a failure brings of rescheduling and of loading [s]: its stop, and what strikes it until it is over.

    >>> [round(seconds, 3) for seconds in brings(10.0, 3.0, 2.0)]
    [4.273, 2.214]
    >>> [round(seconds, 3) for seconds in brings(1e6, 3.0, 2.0)]  # where failures are rare, it is the stop alone
    [3.0, 2.0]
    """
    load = mtbf_s * math.expm1(load_s / mtbf_s)
    return mtbf_s * math.expm1(reschedule_s / mtbf_s) * math.exp(load_s / mtbf_s), load


class _Course:
    """What there is to lose, from moment to moment."""

    def __init__(self, case: dict[str, Any], mix: FailureMix, reschedule_s: float, load_s: float) -> None:
        self.mtbf_s, self.shards_per_failure = mix.mtbf_s, mix.shards_per_failure
        full = case["strategy"]["recovery"] == "full"
        self.goes_back = {kind: full or kind is FailureKind.WHOLE_JOB for kind in FailureKind}
        self.share = dict.fromkeys((True, False), 0.0)  # of failures, by whether everybody goes back
        for kind, back in self.goes_back.items():
            self.share[back] += mix.share(kind)
        self.alone = 0.0 if full else mix.share(FailureKind.SHARD)
        self.unsaved = [0] * case["shards"]["count"]  # steps, by shard
        self.whole = len(self.unsaved) * (case["data"]["samples"] // case["data"]["batch_size"])  # shard-steps
        self.stop = reschedule_s, load_s
        self.now = self.lost_s = self.reschedule_s = self.load_s = self.pls = 0.0
        self.begun = {True: 0.0, False: 0.0}  # how long ago what such a failure has done again began [s]
        self.saving = False
        self.stopped_s: float | None = None  # how long the stop under way has gone on
        self.back = False  # whether everybody goes back in it

    def again(self, seconds: float) -> float:
        """What a failure brings of what it strikes so long after its beginning."""
        return self.mtbf_s * math.expm1(seconds / self.mtbf_s)

    def stops(self, failures: float) -> None:
        """With what strikes these until they are over."""
        reschedule_s, load_s = brings(self.mtbf_s, *self.stop)
        self.reschedule_s += failures * reschedule_s
        self.load_s += failures * load_s

    def pass_until(self, at: float) -> None:
        """What was to be expected since the last event."""
        seconds, self.now = at - self.now, at
        if self.stopped_s is not None:
            before, self.stopped_s = self.stopped_s, self.stopped_s + seconds
            self._in_stop(before, self.stopped_s)
            if not self.back:
                self.lost_s -= self.share[True] * self.again(self.begun[True]) * seconds / self.mtbf_s
        else:
            for back, share in self.share.items():
                more = seconds
                if back or self.saving:
                    before, self.begun[back] = self.begun[back], self.begun[back] + seconds
                    more = self.again(self.begun[back]) - self.again(before)
                self.lost_s -= share * (more - seconds)
                self.stops(-share * more / self.mtbf_s)
        mean = sum(self.unsaved) / len(self.unsaved)
        self.pls -= seconds / self.mtbf_s * self.alone * self.shards_per_failure * mean / self.whole

    def _divided(self, seconds: float) -> tuple[float, float]:
        """Of so long a stop what was rescheduling, and what loading."""
        return min(seconds, self.stop[0]), max(0.0, seconds - self.stop[0])

    def _in_stop(self, since: float, until: float) -> None:
        """Rescheduling begins it; where it is struck while everybody loads, all of that comes again."""
        for seconds, sign in ((since, 1), (until, -1)):
            first, then = self._divided(seconds)
            self.reschedule_s += sign * (
                self.again(first) - first + math.expm1(self.stop[0] / self.mtbf_s) * self.again(then)
            )
            self.load_s += sign * (self.again(then) - then)

    def strike(self, kind: FailureKind, victims: Sequence[int]) -> None:
        """What it takes is gone: a second failure takes it no more."""
        goes_back = self.goes_back[kind]
        if self.stopped_s is None:
            self.stops(math.exp(self.begun[goes_back] / self.mtbf_s))
            self.lost_s += self.again(self.begun[goes_back])
        else:
            first, then = self._divided(self.stopped_s)
            self.reschedule_s += self.again(first) * math.exp(then / self.mtbf_s)
            self.load_s += self.again(then)
            if goes_back and not self.back:
                self.lost_s += self.again(self.begun[True])
        self.stopped_s, self.back, self.saving, self.begun[False] = 0.0, self.back or goes_back, False, 0.0
        if goes_back:
            self.unsaved = [0] * len(self.unsaved)
        elif kind is FailureKind.SHARD:
            self.pls += sum(self.unsaved[shard] for shard in victims) / self.whole
            for shard in victims:
                self.unsaved[shard] = 0

    def hear(self, event: str) -> None:
        """A step is one more to lose, for everybody; a save leaves nothing, nor does it when all went back."""
        if event == "step":
            self.unsaved = [steps + 1 for steps in self.unsaved]
        elif event == "begin_save":
            self.saving = self.stopped_s is None
        elif event in ("copied", "save", "save_failed"):
            self.saving, self.begun[False] = False, 0.0
        if event == "save" or (event in ("recovered", "ready") and self.back):
            self.unsaved, self.begun[True] = [0] * len(self.unsaved), 0.0
        if event in ("recovered", "ready"):
            self.stopped_s, self.back = None, False
