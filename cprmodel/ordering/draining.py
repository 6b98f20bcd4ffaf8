"""Saves that drain, or hold dirty rows alone, and take some rows before others, played row by row.

No algebra is shared with the closed form (:mod:`cprmodel.formulas.drained`). A save takes the rows that trackers
choose when it begins, as they are then; training may go on while it drains; it counts from its end. A failure
meanwhile makes it void: trackers take back what they had counted as safe, and once repaired it is taken anew.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.storage import save_times_s
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import FailureKind, Response, RollBack, Strategy, together
from cprmodel.ordering.ledger import UpdateLedger
from cprmodel.rows import Floats
from cprmodel.simulation import Activity, GivenFailure, Played, Strikes

__all__ = ["DrainedJob", "DrainingLedger", "play_drained"]


class _Begun(NamedTuple):
    """A save under way."""

    fresh: Floats  # updates since the last complete save, of each row, when it began
    chosen: list[Any]  # rows of each group
    trackers: list[Any]  # as they were before


class DrainingLedger(UpdateLedger):
    """An account of rows whose saves are begun and completed at different times."""

    begun: _Begun | None = None
    since: Floats  # updates since it began
    rows_saved = 0  #: in complete saves, that had something new
    slowed = 1.0  #: time that a second of work takes

    def began(self) -> None:
        """The rows that come first are chosen, as they are now."""
        trackers = [copy.deepcopy(one) for _, one in self.groups]
        chosen = [part.ravel()[one.save(self.saves)] for part, one in self.groups]
        self.begun = _Begun(self.fresh.copy(), chosen, trackers)
        self.since = np.zeros(self.fresh.size, dtype=np.int64)

    def worked(self, done: float) -> None:
        """Updates come, evenly through the stretch."""
        before = self.fresh.copy()
        super().worked(done)
        self.slowed = 1.0
        if self.begun is not None:
            self.since = self.since + (self.fresh - before).astype(np.int64)

    def exposed(self, seconds: float, more: float = 0.0) -> None:
        """So long failures may strike; work in a drain takes longer."""
        super().exposed(seconds * self.slowed, more)

    def saved(self, done: float) -> None:
        """What was chosen is safe as it was when the save began; what was lost before is lost for good."""
        assert self.begun is not None
        self.stale += self.begun.fresh
        self.fresh -= self.begun.fresh
        for rows in self.begun.chosen:
            self.rows_saved += int(np.count_nonzero(self.stale[rows]))
            self.stale[rows] = 0
        self.begun = None
        self.saves += 1
        self.lost += self.lost_since_save
        self.lost_since_save = 0.0

    def failed(self, shards: Sequence[int], done: float) -> None:
        """Their rows are as they were saved."""
        self.void()
        super().failed(shards, done)

    def rolled_back(self, done: float) -> None:
        """All rows are as they were saved."""
        self.void()
        super().rolled_back(done)

    def void(self) -> None:
        """The save under way is none: what trackers counted as safe is not."""
        if self.begun is None:
            return
        for at, (part, _) in enumerate(self.groups):
            tracker = self.begun.trackers[at]
            tracker.record(self.since[part])
            self.groups[at] = (part, tracker)
        self.begun = None


def play_drained(strategy: Strategy, work_s: float, strikes: Strikes, ledger: DrainingLedger) -> Played:
    """Play a job under partial recovery. Its losses are the ledger's."""
    return DrainedJob(strategy, work_s, strikes, ledger).played()


class DrainedJob:
    """A job whose saves block, then drain; a subclass says what saves to several levels change of that."""

    def __init__(self, strategy: Strategy, work_s: float, strikes: Strikes, ledger: DrainingLedger) -> None:
        saving = strategy.saving
        assert isinstance(saving, StoredPrioritySave)
        timed = saving.timed
        self.every = strategy.saves_every_s / timed.segments
        blocks, drains = save_times_s(timed, self.every)
        self.blocks, self.drains, self.overlap = [float(one) for one in blocks], float(drains), timed.overlap
        self.top = len(self.blocks) - 1  # the level that drains, and that takes some rows first
        self.recovery, self.work, self.strikes, self.ledger = strategy.recovery, work_s, strikes, ledger
        self.done = self.saved = self.time = 0.0
        self.due = self.every  # work at which the next save begins
        self.pending: set[FailureKind] = set()
        self.parts = dict.fromkeys(Breakdown._fields, 0.0)
        self.failures = dict.fromkeys(FailureKind, 0)

    def played(self) -> Played:
        """All of it."""
        while self.done < self.work or self.pending:
            self.go_on()
        spent = Breakdown(**self.parts)._replace(lost=self.time - self.work - sum(self.parts.values()))
        return Played(self.work, spent, self.ledger.pls, self.ledger.saves, sum(self.failures.values()))

    # where a save goes, and what a failure takes: of saves to one level

    def goes_to(self) -> int:
        """The level of the next save."""
        return self.top

    def complete(self, level: int, snapshot: float) -> None:
        """A save to a level is complete, of the work that was done when it began."""
        self.saved = snapshot
        self.ledger.saved(self.done)

    def struck(self, failure: GivenFailure, own: bool) -> None:
        """A failure, which rolls its own shards back or not."""
        if own:
            self.ledger.failed(failure.shards, self.done)

    def response(self) -> Response:
        """What is done about all that is pending."""
        return together(self.recovery, self.pending)

    def rolled_back(self) -> None:
        """Everybody is as was saved."""
        self.done = self.saved
        self.ledger.rolled_back(self.done)

    # what happens, whatever the level

    def go_on(self) -> None:
        """Work until the next save, that save, or a recovery."""
        if self.pending:
            self.recover()
            return
        due = self.work if self.due > self.work * (1 - 1e-9) else self.due
        if self.done < due:
            if self.passes(Activity.WORK, due - self.done, 1.0):
                self.done = due
            return
        level, snapshot = self.goes_to(), self.done
        left = self.drains if level == self.top else 0.0
        if level == self.top:
            self.ledger.began()
        if not self.passes(Activity.SAVE, self.blocks[level], 0.0):
            self.due = self.done
            return
        if self.overlap * left > self.work - self.done:  # the job ends while it drains
            left = (self.work - self.done) / self.overlap
        if left and not self.passes(Activity.WORK if self.overlap else Activity.SAVE, left, self.overlap):
            self.due = self.done  # once repaired, at once
            return
        self.parts["save"] += self.blocks[level] + (1 - self.overlap) * left
        if level == self.top and left < self.drains:
            self.done = self.work
            return
        self.complete(level, snapshot)
        self.due = snapshot + self.every

    def passes(self, activity: Activity, seconds: float, pace: float) -> bool:
        """Time passes in which training goes on at a pace; whether no failure strikes."""
        struck = self.strikes.next(activity, seconds)
        took = seconds if struck is None else struck[0]
        self.time += took
        if pace:
            self.ledger.slowed = 1 / pace
            self.done += pace * took
            self.ledger.worked(self.done)
        if struck is None:
            return True
        failure = struck[1]
        self.ledger.void()
        self.failures[failure.kind] += 1
        self.pending.add(failure.kind)
        self.struck(failure, self.recovery.response(failure.kind).rolls_back is RollBack.FAILED_SHARDS)
        return False

    def recover(self) -> None:
        """A stop, from its beginning; a failure in it adds to what is pending."""
        response, began = self.response(), self.time
        repaired = self.passes(Activity.RECOVERY, response.total_s, 0.0)
        waited = min(self.time - began, response.reschedule_s)
        self.parts["reschedule"] += waited
        self.parts["load"] += self.time - began - waited
        if not repaired:
            return
        self.pending.clear()
        if response.rolls_back is RollBack.EVERYBODY:
            self.rolled_back()
            self.due = self.done + self.every
