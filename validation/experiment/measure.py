"""Where a run's time went, from its event log: every moment from the first step to the last belongs to one part.

Measured or emulated, the parts are those that ``cprmodel`` predicts.

*save*
    from the moment training waits for a checkpoint until it goes on
*load*
    of a stop (from a failure until training goes on, or the next failure) what comes from the moment on in which
    shards begin to read: what a failure in it would have them do again
*reschedule*
    what comes before: noticing (until a save that was struck would have ended, perhaps), restarting, connecting;
    less what of a step went on meanwhile (a trainer that computes misses nobody, and where it goes on with this
    step afterwards, nothing of it is lost)
*lost*
    steps done again, the part of a step that nobody keeps, saves that a failure made void
*useful*
    what is left: the first time that each step is done, its data included
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import FailureKind, RollBack
from cprmodel.simulation import Activity
from validation.events import STEP_PARTS
from validation.summary import Summary, summarise

__all__ = ["Measured", "Position", "Stop", "measure"]


#: A failure in a step struck at least this part of it after its beginning, and before its end.
EDGE = 1e-5


@dataclass(frozen=True)
class Position:
    """Where a failure struck: after so many executed steps; in a save or a recovery, so long after it began [s].

    ``reading_s``: in a recovery, so long after shards began to read; 0 where nobody did yet. ``late_s``: so long
    after its time, by the clock; the machine had to come to it.
    """

    kind: FailureKind
    shards: tuple[int, ...]
    activity: Activity
    steps: float
    after_s: float = 0.0
    reading_s: float = 0.0
    late_s: float = 0.0


@dataclass(frozen=True)
class Stop:
    """A recovery from its beginning to its end, or to the next failure [s]; ``struck``: where its failure did.

    ``went_on_s``: more that passed in it, and is not of ``reschedule_s``, for training went on with its step.
    ``readers``: how many shards read together, 0 where none did or the log does not say.
    """

    struck: Position
    kinds: tuple[FailureKind, ...]
    reschedule_s: float
    load_s: float
    complete: bool
    readers: int = 0
    went_on_s: float = 0.0


@dataclass
class Measured:
    """A run's time by its parts [s], and what it lost.

    ``written``: for each of ``saves_s`` how long after its beginning each shard had written its part, and how long
    until it was complete; None where the log does not say.
    """

    summary: Summary
    emulated: bool
    useful_s: float = 0.0
    parts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(Breakdown._fields, 0.0))
    tests_s: float = 0.0  # tests on the way: in no part
    steps_s: list[float] = field(default_factory=list)  # of the steps that nothing interrupted
    saves_s: list[float] = field(default_factory=list)
    written: list[tuple[tuple[float, ...], float] | None] = field(default_factory=list)
    drained_steps: list[int] = field(default_factory=list)  # steps done while a save was written in the background
    stops: list[Stop] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)  # what keeps this run from being like the others

    @property
    def spent(self) -> Breakdown:
        """The overhead [s]."""
        return Breakdown(**self.parts)

    @property
    def time_to_train_s(self) -> float:
        """Useful time and overhead [s]."""
        return self.useful_s + float(self.spent.total)


def measure(events: Iterable[dict[str, Any]], goes_on: bool = True) -> Measured:
    """Follow a finished run's log. ``goes_on``: see what of a step did in a stop, or else call it rescheduling."""
    events = list(events)
    summary = summarise(events)
    start = events[0]
    emulated = start["case"].get("clock") is not None
    walk = _Walk(Measured(summary, emulated), start["case"]["strategy"]["recovery"] == "full", goes_on)
    if not emulated:
        walk.due = [one["at_s"] for one in start["failures"]]
    if emulated:
        walk.step_s = start["case"]["clock"]["charged"]["job"]["work_s"] / summary.planned_steps
    key = "clock_s" if emulated else "at"
    timed = [event for event in events if key in event]
    timed.sort(key=lambda event: event[key])  # messages of the trainer's are heard later than they were sent
    for event in timed:
        walk.hear(event["event"], event[key], event)
    walk.found.odd = _odd(events, summary)
    return walk.found


def _odd(events: list[dict[str, Any]], summary: Summary) -> list[str]:
    of = {"shard": 0, "trainer": 1, "whole_job": summary.shards + 1}
    planned = sum(len(one.shards) or of[one.kind] for one in summary.failures)
    counts = {
        "was interrupted and resumed": sum(event["event"] == "start" for event in events) - 1,
        "processes died that nobody killed": summary.unplanned_deaths,
        "more processes were lost than failures take": summary.deaths - planned,
        "saves failed": len(summary.failed_saves),
        "files were damaged": len(summary.corrupt),
    }
    said = [f"{what} ({count})" for what, count in counts.items() if count > 0]
    return said + ([] if summary.status == "finished" else [f"ended as {summary.status}"])


class _Walk:
    """From event to event; ``since`` is where the stretch under way began."""

    def __init__(self, found: Measured, full: bool, goes_on: bool) -> None:
        self.found, self.full, self.goes_on = found, full, goes_on
        self.since: float | None = None  # None: training has not begun, or is over
        self.begun = 0.0  # when it has
        self.due: list[float | None] = []  # when failures are to come, after that
        self.mode = Activity.WORK
        self.executed = 0
        self.after_save = self.after_stop = False
        self.pending: list[FailureKind] = []
        self.reads_since: float | None = None  # in the stop under way
        self.readers = 0  # shards that then began to read
        self.so_far = 0.0, 0.0  # rescheduling and loading of it, where training went on in it for a moment
        self.empty: set[int] = set()  # shards that are to load
        self.charged = 0.0  # reschedule_s of the stop under way, in emulated time
        self.struck_save: float | None = None  # how far a save was when a failure struck it
        self.struck_step: tuple[str, float] | None = None  # the part of a step before a failure, and where it went
        self.step_s = 0.0  # how long the last whole step took
        self.between_s: list[float] = []  # what of whole steps is none of their parts
        #: of a step that is to go on after stops: the first of them, and what was done of it before and between
        self.resumed: tuple[int, float] | None = None
        self.drained: int | None = None  # steps since a save began to be written in the background

    def hear(self, kind: str, at: float, event: dict[str, Any]) -> None:
        if kind == "ready" and self.since is None and not event["step"]:
            self.since = self.begun = at
        if self.since is None:
            return
        handler = getattr(self, f"_{kind}", None)
        if handler is not None:
            handler(at, event)

    def passed(self, at: float) -> float:
        assert self.since is not None
        seconds, self.since = at - self.since, at
        return seconds

    def _step(self, at: float, event: dict[str, Any]) -> None:
        """In a stop, too: the trainer had not noticed yet."""
        seconds = self.passed(at)
        self.executed += 1
        self.drained = None if self.drained is None else self.drained + 1
        #: the next step, where it goes on after a stop under way: its data may have passed in this
        following = (len(self.found.stops), 0.0) if self.pending and self.resumed is not None else None
        if self.struck_step is not None:  # not noticed before the step was done: as if it had come just after it
            part, before = self.struck_step
            self.struck_step = None
            if part == "useful":
                self.found.useful_s -= before
                if self.resumed is not None:
                    self.resumed = self.resumed[0], self.resumed[1] - before
            else:
                self.found.parts["lost"] -= before
            seconds += before
            struck = self.found.positions[-1]
            self.found.positions[-1] = replace(struck, steps=self.executed + EDGE)
        own = None if self.found.emulated or "compute_s" not in event else sum(event[part] for part in STEP_PARTS)
        if self.after_save and own is not None:
            tidying = max(0.0, seconds - own)
            self.found.parts["save"] += tidying
            self.found.saves_s[-1] += tidying
            seconds -= tidying
        self._worked(seconds, event["replayed"])
        if event["replayed"]:
            self._lose_what_was_kept()
        if not self.after_stop and not self.pending:
            self.step_s = seconds
            self.found.steps_s.append(seconds)
            self.between_s += [] if own is None or self.after_save else [seconds - own]
        elif self.resumed is not None and own is not None and self.goes_on:  # in stops that are over
            seconds = own + statistics.median(self.between_s or [0.0]) - seconds - self.resumed[1]
            self._went_on(seconds, self.resumed[0], event["replayed"])
        self.after_save = self.after_stop = False
        self.resumed = following

    def _went_on(self, seconds: float, first: int, replayed: bool) -> None:
        """So much of a step passed in its stops, of which this was the first; less than none: it took longer."""
        stops, positions, before = self.found.stops, self.found.positions, 0.0
        for number in range(first, len(stops)):
            stop = stops[number]
            if before and stop.struck.activity is Activity.RECOVERY:  # so much less of the one before had passed
                struck = replace(stop.struck, after_s=max(0.0, stop.struck.after_s - before))
                positions[positions.index(stop.struck)] = struck
                stop = replace(stop, struck=struck)
            before = here = min(seconds, stop.reschedule_s)
            stops[number] = replace(stop, reschedule_s=stop.reschedule_s - here, went_on_s=here)
            self.found.parts["reschedule"] -= here
            self._worked(here, replayed)
            seconds -= here

    def _worked(self, seconds: float, replayed: bool) -> None:
        """On a step, for the first time or not."""
        if replayed:
            self.found.parts["lost"] += seconds
        else:
            self.found.useful_s += seconds

    def _lose_what_was_kept(self) -> None:
        """Of the step that was to go on, before and between its stops."""
        if self.resumed is not None:
            self.found.useful_s -= self.resumed[1]
            self.found.parts["lost"] += self.resumed[1]

    def _begun_again(self) -> None:
        """The step that was to go on does not after all."""
        self._lose_what_was_kept()
        self.resumed = None

    def _begin_save(self, at: float, event: dict[str, Any]) -> None:
        if self.mode is Activity.WORK:
            self.found.useful_s += self.passed(at)
            self.mode = Activity.SAVE
        elif self.mode is Activity.RECOVERY and self.found.positions[-1].activity is Activity.WORK:
            # not noticed yet: it is this save that will not be made
            struck = self.found.positions[-1]
            self.found.positions[-1] = replace(struck, activity=Activity.SAVE, steps=self.executed, after_s=0.0)
            self.resumed = None

    def _save(self, at: float, event: dict[str, Any]) -> None:
        seconds = self.passed(at)
        self.found.parts["save"] += seconds
        if self.drained is not None:  # one that was written in the background: whatever goes on, goes on
            self.found.drained_steps.append(self.drained)
            self.drained = None
            return
        if self.mode is Activity.SAVE:
            self.mode = Activity.WORK
            self.found.saves_s.append(seconds)
            shards_s = event.get("written_s")
            self.found.written.append((tuple(shards_s), seconds) if shards_s else None)
            self.after_save = True
        elif self.struck_save is not None:
            # complete all the same: who failed had written its part. As if the failure had come just after it
            self.found.parts["lost"] -= self.struck_save
            self.found.parts["save"] += self.struck_save
            self.struck_save = None
            struck = self.found.positions[-1]
            self.found.positions[-1] = replace(struck, activity=Activity.WORK, steps=self.executed + EDGE)

    def _copied(self, at: float, event: dict[str, Any]) -> None:
        """Training goes on, and waits once more, for a moment, when the checkpoint is complete."""
        if self.mode is Activity.SAVE:
            self._save(at, event)
        self.drained = 0

    def _save_void(self, at: float, event: dict[str, Any]) -> None:
        self.drained = None

    def _save_failed(self, at: float, event: dict[str, Any]) -> None:
        self.found.parts["lost"] += self.passed(at)
        self.drained = None
        if self.mode is Activity.SAVE:
            self.mode = Activity.WORK

    def _failure(self, at: float, event: dict[str, Any]) -> None:
        kind = FailureKind(event["kind"])
        seconds = self.passed(at)
        into = min(1 - EDGE, max(EDGE, seconds / self.step_s)) if self.step_s else 0.5
        shards = tuple(event["shards"])
        due = self.due[event["number"]] if self.due else None
        late_s = 0.0 if due is None else max(0.0, at - self.begun - due)
        if self.full or kind is not FailureKind.SHARD:
            self._begun_again()
        if self.mode is Activity.RECOVERY:
            _, reading_s = self._divided(seconds)
            after_s = sum(self.so_far) + seconds
            self.end_stop(seconds, False)
            self.struck_step = None
            self.found.positions.append(
                Position(kind, shards, Activity.RECOVERY, self.executed, after_s, reading_s, late_s)
            )
        elif self.mode is Activity.SAVE:
            self.found.parts["lost"] += seconds
            self.struck_save = seconds
            self.found.positions.append(
                Position(kind, shards, Activity.SAVE, self.executed, seconds, late_s=late_s)
            )
        else:
            if kind is FailureKind.SHARD and not self.full:  # the step goes on afterwards
                self.found.useful_s += seconds
                self.struck_step = "useful", seconds
                first, before = self.resumed or (len(self.found.stops), 0.0)
                self.resumed = first, before + seconds
            else:
                self.found.parts["lost"] += seconds
                self.struck_step = "lost", seconds
            self.found.positions.append(Position(kind, shards, Activity.WORK, self.executed + into, late_s=late_s))
        self.pending.append(kind)
        self.empty |= set(shards)
        self.mode = Activity.RECOVERY
        self.reads_since = None

    def _respawn(self, at: float, event: dict[str, Any]) -> None:
        kind, _, number = event["what"].partition("-")
        if kind == "shard":
            self.empty.add(int(number))

    def _load(self, at: float, event: dict[str, Any]) -> None:
        self.empty.discard(event["shard"])

    def _begin_load(self, at: float, event: dict[str, Any]) -> None:
        if self.reads_since is None:
            self.reads_since, self.readers = at, len(event["shards"])

    def _recovering(self, at: float, event: dict[str, Any]) -> None:
        self.charged = event["reschedule_s"]

    def _recovered(self, at: float, event: dict[str, Any]) -> None:
        if self.mode is not Activity.RECOVERY:
            return
        if self.empty and not self.found.emulated:  # who failed while others read: this stop is not over yet
            before, more = self.so_far, self._divided(self.passed(at))
            self.so_far = before[0] + more[0], before[1] + more[1]
            self.reads_since = None
            return
        self.end_stop(self.passed(at), True)
        self.mode = Activity.WORK
        if event.get("rolls_back") != RollBack.FAILED_SHARDS.value:
            self._begun_again()
        self.struck_save = self.struck_step = None
        self.after_stop = True
        self.pending = []

    _ready = _recovered

    def _metric(self, at: float, event: dict[str, Any]) -> None:
        self.found.tests_s += self.passed(at)

    def _trained(self, at: float, event: dict[str, Any]) -> None:
        self.passed(at)
        self.since = None

    def end_stop(self, seconds: float, complete: bool) -> None:
        reschedule, load = self._divided(seconds)
        reschedule, load = reschedule + self.so_far[0], load + self.so_far[1]
        self.so_far = 0.0, 0.0
        self.found.parts["reschedule"] += reschedule
        self.found.parts["load"] += load
        struck, readers = self.found.positions[-1], self.readers if load else 0
        self.found.stops.append(Stop(struck, tuple(self.pending), reschedule, load, complete, readers))
        self.readers = 0

    def _divided(self, seconds: float) -> tuple[float, float]:
        """What is rescheduling of so much of a stop, up to now, and what loading."""
        if self.found.emulated:
            reschedule = min(seconds, self.charged)
        else:
            assert self.since is not None
            reading = 0.0 if self.reads_since is None else self.since - self.reads_since
            reschedule = max(0.0, seconds - reading)
        return reschedule, seconds - reschedule
