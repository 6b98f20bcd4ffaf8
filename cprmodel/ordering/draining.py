"""Saves that drain, or hold dirty rows alone, and take some rows before others, played row by row.

No algebra is shared with the closed form (:mod:`cprmodel.formulas.drained`). A save takes the rows that trackers
choose when it begins, as they are then; training may go on while it drains; it counts from its end. A failure
meanwhile makes it void: trackers take back what they had counted as safe, and once repaired it is taken anew.

Where failures are announced, one that strikes at work is, by lot, one that was: then the save on the warning is
made first, in which the work stands still, and another failure may come in its place. Others are announced, and
never come.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.storage import save_times_s
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.results import Breakdown
from cprmodel.facts.scatter import Scatter
from cprmodel.facts.storage import WarnedSave
from cprmodel.facts.strategies import FailureKind, Response, RollBack, Strategy, together
from cprmodel.ordering.ledger import UpdateLedger
from cprmodel.rows import Floats
from cprmodel.simulation import Activity, GivenFailure, Played, Strikes

__all__ = ["Announced", "Begun", "DrainedJob", "DrainingLedger", "play_drained"]


class Announced(Enum):
    """Of which failures it is asked what they take."""

    ANY = 0
    UNTOLD = 1  #: at work, that no one announces
    TOLD = 2


class Begun(NamedTuple):
    """A save under way, of what may be lost until it is complete."""

    fresh: Floats  # updates since the last complete save, of each row, when it began
    chosen: list[Any]  # rows of each group
    trackers: list[Any]  # as they were before


class DrainingLedger(UpdateLedger):
    """An account of rows whose saves are begun and completed at different times."""

    begun: Begun | None = None
    since: Floats  # updates since it began
    rows_saved = 0  #: in complete saves, that had something new
    risk = 1.0  #: failures that strike in a second of work, over those of a second
    of = Announced.ANY  #: which failures are looked at
    doomed = False  #: everybody rolls back at the end of the stop under way: nothing more can be taken
    warned_saves = 0

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.struck = dict.fromkeys(FailureKind, 0)

    def began(self) -> None:
        """The rows that come first are chosen, as they are now."""
        trackers = [copy.deepcopy(one) for _, one in self.groups]
        chosen = [part.ravel()[one.save(self.saves, self.fraction)] for part, one in self.groups]
        self.begun = Begun(self.fresh.copy(), chosen, trackers)
        self.since = np.zeros(self.fresh.size, dtype=np.int64)

    def worked(self, done: float) -> None:
        """Updates come, evenly through the stretch."""
        before = self.fresh.copy()
        super().worked(done)
        self.risk, self.of = 1.0, Announced.ANY
        if self.begun is not None:
            self.since = self.since + (self.fresh - before).astype(np.int64)

    def exposed(self, seconds: float, more: float = 0.0) -> None:
        """So long failures may strike; work in a drain takes longer."""
        if not self.doomed:
            super().exposed(seconds * self.risk, more)

    def faced(self) -> None:
        """The failure that was announced strikes, whomever it takes."""
        self.of = Announced.TOLD
        self.exposed(self.mix.mtbf_s)
        self.of = Announced.ANY

    def saved_on_warning(self, share: float) -> None:
        """Everything is safe as it is, or a share of the rows, those that come first."""
        self.stale += self.fresh
        self.fresh[:] = 0
        for part, trackers in self.groups:
            if share == 1:
                trackers.restored(np.arange(part.size))
                self.stale[part.ravel()] = 0
            else:
                self.stale[part.ravel()[trackers.save(self.warned_saves, share)]] = 0
        self.warned_saves += 1
        self.lost += self.lost_since_save
        self.lost_since_save = 0.0

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
        self.every = strategy.saves_every_s / saving.segments
        blocks, drains = save_times_s(timed, self.every)
        self.blocks, self.drains, self.overlap = [float(one) for one in blocks], float(drains), timed.overlap
        self.top = len(self.blocks) - 1  # the level that drains
        self.recovery, self.work, self.strikes, self.ledger = strategy.recovery, work_s, strikes, ledger
        self.warned, self.warned_rows = timed.warned, saving.warned_rows
        self.done = self.saved = self.time = 0.0
        self.due = self.every  # work at which the next save begins
        self.pending: set[FailureKind] = set()
        self.parts = dict.fromkeys(Breakdown._fields, 0.0)

    def played(self) -> Played:
        """All of it."""
        while self.done < self.work or self.pending:
            self.go_on()
        spent = Breakdown(**self.parts)._replace(lost=self.time - self.work - sum(self.parts.values()))
        return Played(self.work, spent, self.ledger.pls, self.ledger.saves, sum(self.ledger.struck.values()))

    # where a save goes, and what a failure takes: of saves to one level

    def goes_to(self) -> int:
        """The level of the next save."""
        return self.top

    def begin(self, level: int) -> None:
        """A save to a level begins."""
        self.ledger.began()

    def complete(self, level: int, snapshot: float) -> None:
        """A save to a level is complete, of the work that was done when it began."""
        self.saved = snapshot
        self.ledger.saved(self.done)

    def complete_on_warning(self) -> None:
        """A save on a warning is complete, of all that is done."""
        self.saved = self.done
        self.ledger.saved_on_warning(self.warned_rows)

    def struck(self, failure: GivenFailure, own: bool, of: Announced) -> None:
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
            if self.works(due - self.done):
                self.done = due
            return
        level, snapshot = self.goes_to(), self.done
        left = self.drains if level == self.top else 0.0
        self.begin(level)
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
            self.ledger.risk = 1 / pace
            self.done += pace * took
            self.ledger.worked(self.done)
        if struck is None:
            return True
        self.strike(struck[1])
        return False

    def strike(self, failure: GivenFailure, of: Announced = Announced.ANY) -> None:
        """A failure, after which there is a stop, or which adds to one."""
        self.ledger.void()
        self.ledger.struck[failure.kind] += 1
        self.ledger.doomed |= failure.kind is FailureKind.WHOLE_JOB
        self.pending.add(failure.kind)
        self.struck(failure, self.recovery.response(failure.kind).rolls_back is RollBack.FAILED_SHARDS, of)

    def works(self, seconds: float) -> bool:
        """Training works for so long; whether nothing comes in between, no warning either."""
        warned, random = self.warned, self.ledger.random
        if warned is None:
            return self.passes(Activity.WORK, seconds, 1.0)
        most = seconds
        false_per_s = warned.recall * (1 / warned.precision - 1) / self.ledger.mix.mtbf_s
        if false_per_s:
            most = min(seconds, float(random.exponential(1 / false_per_s)))
        struck = self.strikes.next(Activity.WORK, most)
        took = most if struck is None else struck[0]
        self.time += took
        self.done += took
        self.ledger.risk, self.ledger.of = 1 - warned.recall, Announced.UNTOLD
        self.ledger.worked(self.done)
        if struck is None and most == seconds:
            return True
        if struck is not None and random.random() >= warned.recall:
            self.strike(struck[1], Announced.UNTOLD)
        else:
            self.heed(warned, None if struck is None else struck[1])
        return False

    def heed(self, warned: WarnedSave, failure: GivenFailure | None) -> None:
        """A save on a warning, then the failure that was announced, unless none was to come."""
        takes = warned.fixed_s + (warned.save_s - warned.fixed_s) * _drawn(warned.scatter, self.ledger.random)
        ahead = takes if warned.ahead_s is None else warned.ahead_s
        if not self.passes(Activity.SAVE, takes if failure is None else min(takes, ahead), 0.0):
            return  # another failure comes in the place of the announced one
        if failure is None or takes <= ahead:
            self.parts["save"] += takes
            self.complete_on_warning()
            self.due = self.done + self.every
            if failure is None or (ahead > takes and not self.passes(Activity.SAVE, ahead - takes, 0.0)):
                return
        self.ledger.faced()
        self.strike(failure, Announced.TOLD)

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
        self.ledger.doomed = False
        if response.rolls_back is RollBack.EVERYBODY:
            self.rolled_back()
            self.due = self.done + self.every


def _drawn(scatter: Scatter | None, random: np.random.Generator) -> float:
    """The time of one save over its mean."""
    if scatter is None:
        return 1.0
    if scatter.factors:
        return scatter.factors[int(random.integers(len(scatter.factors)))]
    return float(np.exp(scatter.sigma * random.standard_normal() - scatter.sigma**2 / 2))
