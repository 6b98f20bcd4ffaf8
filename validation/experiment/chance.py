"""What chance had in a run: failures more than their rate has on average, or at moments when more was to be lost.

Failures come at a rate that is known, whatever goes on. So what strikes up to any moment, less what was to be
expected given all that went before, is zero on average, however the run goes and whatever a model says of it:

    sum over failures of u(t)  -  integral of u(t) dt / MTBF,

for any u(t) that is known just before t (a martingale; Brémaud, Point Processes and Queues, 1981, chapter II). Here
u is one failure, or what it would take with it then. Measured figures less this have the same mean and far less
scatter: a control variate, whose coefficient is known beforehand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cprmodel.facts.strategies import FailureKind, FailureMix

__all__ = ["Chance", "chance_in"]


@dataclass(frozen=True)
class Chance:
    """What struck, less what was to be expected on the way: each zero on average."""

    failures: float = 0.0
    steps: float = 0.0  # to be done again by everybody
    pls: float = 0.0  # lost by shards that go back alone


def chance_in(events: Sequence[dict[str, Any]], mix: FailureMix) -> Chance:
    """Of a finished run whose failures were drawn at times, from this mix.

    A failure counts when its time has come, which may be a little before it is carried out.
    """
    start = events[0]
    key = "at" if start["case"].get("clock") is None else "clock_s"
    timed = sorted((event for event in events if key in event), key=lambda event: event[key])
    planned = [one for one in start["failures"] if one["at_s"] is not None]
    coming = deque(sorted(planned, key=lambda one: one["at_s"]))
    course = _Course(start["case"], mix)
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
    return Chance(course.failures, course.steps, course.pls)


class _Course:
    """Steps that each shard would lose, from moment to moment."""

    def __init__(self, case: dict[str, Any], mix: FailureMix) -> None:
        self.mix, self.full = mix, case["strategy"]["recovery"] == "full"
        self.unsaved = [0] * case["shards"]["count"]
        self.whole = len(self.unsaved) * (case["data"]["samples"] // case["data"]["batch_size"])  # shard-steps
        self.now = self.failures = self.steps = self.pls = 0.0

    def pass_until(self, at: float) -> None:
        """What was to be expected since the last event."""
        failures = (at - self.now) / self.mix.mtbf_s
        self.now = at
        mean = sum(self.unsaved) / len(self.unsaved)
        self.failures -= failures
        if self.full:
            self.steps -= failures * mean
            return
        self.steps -= failures * self.mix.share(FailureKind.WHOLE_JOB) * mean
        self.pls -= failures * self.mix.share(FailureKind.SHARD) * self.mix.shards_per_failure * mean / self.whole

    def strike(self, kind: FailureKind, victims: Sequence[int]) -> None:
        """What it takes is gone: a second failure takes it no more."""
        self.failures += 1
        if self.full or kind is FailureKind.WHOLE_JOB:
            self.steps += sum(self.unsaved) / len(self.unsaved)
            self.unsaved = [0] * len(self.unsaved)
        elif kind is FailureKind.SHARD:
            self.pls += sum(self.unsaved[shard] for shard in victims) / self.whole
            for shard in victims:
                self.unsaved[shard] = 0

    def hear(self, event: str) -> None:
        """A step is one more to lose, for everybody; a save leaves nothing, nor does it when all went back."""
        if event == "step":
            self.unsaved = [steps + 1 for steps in self.unsaved]
        elif event == "save" or (self.full and event in ("recovered", "ready")):
            self.unsaved = [0] * len(self.unsaved)
