"""Saves of everything to some levels and of the first rows to the last one, played row by row.

No algebra is shared with the recursion of ``cprmodel.costing.course``. A failure needs a level or a higher one:
rows are then as they are there, which at the last level is how each was when an ordered save last took it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from cprmodel.costing.stops import at_level, severities
from cprmodel.costing.storage import save_times_s
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import FailureKind, FailureMix, RollBack, Strategy, together
from cprmodel.ordering.draining import DrainingLedger
from cprmodel.rows import Floats
from cprmodel.simulation import Activity, Played, Strikes

__all__ = ["LevelledLedger", "play_levels"]


class LevelledLedger(DrainingLedger):
    """An account of rows of which some levels hold all, and the last one what was chosen.

    ``needs``: share of the failures that leave each level, and none below.
    """

    def __init__(
        self,
        order: str,
        updates_per_s: Floats,
        fraction: float,
        shards: int,
        mix: FailureMix,
        work_s: float,
        random: np.random.Generator,
        step_s: float = 0.0,
        dealt: bool = False,
        *,
        needs: Sequence[float],
    ) -> None:
        super().__init__(order, updates_per_s, fraction, shards, mix, work_s, random, step_s, dealt)
        self.needs, self.top = tuple(needs), len(needs) - 1
        self.lower = np.zeros((self.top, updates_per_s.size))  # saved to this level, and to none above
        self.gone = np.zeros(self.top + 1)  # lost since the last save of a level, as those hold it
        self.copies: list[list[Any]] = [self._trackers() for _ in self.needs]  # as of the last save of a level
        self.chosen_after: list[Any] = []
        self.furthest, self.doomed = (
            0,
            False,
        )  # of a stop under way: what it needs, and whether all roll back

    @property
    def pls(self) -> float:
        """Portion of lost updates."""
        return float(self.lost + self.gone.sum()) / self.total

    def _trackers(self) -> list[Any]:
        return copy.deepcopy([one for _, one in self.groups]) if self.mix.whole_job_share else []

    def began(self) -> None:
        """A save to the last level."""
        super().began()
        self.chosen_after = self._trackers()

    def exposed(self, seconds: float, more: float = 0.0) -> None:
        """So long failures may strike; each takes what the level that it leaves does not hold.

        In a stop the furthest level counts that any of its failures leaves, for everybody once all must roll back.
        """
        each, everybody = self.mix.shard_share * self.mix.shards_per_failure / self.shards, self.mix.whole_job_share
        held, stale, taken = float(self.fresh.sum()) + more, float(self.stale.sum()), 0.0
        for level, share in enumerate(self.needs):
            back, old = max(level, self.furthest), stale if level == self.top else 0.0
            all_old = stale if back == self.top else 0.0
            if self.doomed:  # who is hit loses no more than all do
                if level > self.furthest:
                    further = all_old - float(self.gone[self.furthest + 1 : back + 1].sum())
                    taken += share * (self.mix.shard_share + everybody) * further
                continue
            taken += share * (each * (held + old) + everybody * (all_old - float(self.gone[: back + 1].sum())))
            held += float(self.lower[level].sum()) if level < self.top else 0.0
        self.at_stake += seconds * self.slowed / self.mix.mtbf_s * taken

    def saved_below(self, level: int) -> None:
        """Everything is safe at a level that is not the last."""
        self.lower[level] += self.fresh + self.lower[:level].sum(axis=0)
        self.lower[:level] = 0
        self.fresh[:] = 0
        self.gone[level + 1] += self.gone[: level + 1].sum()
        self.gone[: level + 1] = 0
        self.copies[: level + 1] = [self._trackers()] * (level + 1)

    def saved(self, done: float) -> None:
        """What was chosen is safe at the last level, and all at the others."""
        self.stale += self.lower.sum(axis=0)
        self.lower[:] = 0
        super().saved(done)
        self.lost += float(self.gone.sum())
        self.gone[:] = 0
        self.copies = [self.chosen_after] * (self.top + 1)

    def failed_at(self, shards: Sequence[int], level: int) -> None:
        """Their rows are as a level has them."""
        self.void()
        hit = np.isin(self.shard_of, shards)
        self.gone[0] += float(self.fresh[hit].sum())
        self.fresh[hit] = 0
        for below in range(level):
            self.gone[below + 1] += float(self.lower[below, hit].sum())
            self.lower[below, hit] = 0
        if level < self.top:  # who chooses goes on with what was counted: all of it is older than the last level's
            return
        self.lost += float(self.stale[hit].sum())
        self.stale[hit] = 0
        for part, trackers in self.groups:
            trackers.restored(np.flatnonzero(hit[part]))

    def rolled_back_to(self, level: int, done: float) -> None:
        """All rows are as a level has them."""
        self.void()
        self.done = done
        self.fresh[:] = 0
        self.lower[:level] = 0
        self.gone[: level + 1] = 0
        if level == self.top:
            self.lost += float(self.stale.sum())
            self.stale[:] = 0
            for part, trackers in self.groups:
                trackers.restored(np.arange(part.size))
            self.copies[level] = self._trackers()
        else:
            kept = copy.deepcopy(self.copies[level])
            self.groups = [(part, one) for (part, _), one in zip(self.groups, kept, strict=True)]
        self.copies[:level] = [self.copies[level]] * level


def play_levels(strategy: Strategy, work_s: float, strikes: Strikes, ledger: LevelledLedger) -> Played:
    """Play a job under partial recovery. Its losses are the ledger's."""
    job = _Job(strategy, work_s, strikes, ledger)
    while job.done < work_s or job.pending:
        job.go_on()
    spent = Breakdown(**job.parts)._replace(lost=job.time - work_s - sum(job.parts.values()))
    return Played(work_s, spent, ledger.pls, ledger.saves, sum(job.failures.values()))


class _Job:
    def __init__(self, strategy: Strategy, work_s: float, strikes: Strikes, ledger: LevelledLedger) -> None:
        saving = strategy.saving
        assert isinstance(saving, StoredPrioritySave)
        timed = saving.timed
        self.every = strategy.saves_every_s / timed.segments
        blocks, drains = save_times_s(timed, self.every)
        self.blocks, self.drains, self.overlap = [float(one) for one in blocks], float(drains), timed.overlap
        self.places = [at_level(strategy.recovery, level) for level in timed.levels]
        self.levels, self.periods, self.top = severities(timed.levels), timed.periods, len(timed.levels) - 1
        self.work, self.strikes, self.ledger = work_s, strikes, ledger
        self.done = self.time = 0.0
        self.due = self.every  # work at which the next save begins
        self.kept = [0.0] * (self.top + 1)  # work in the last save of a level or a higher one
        self.index = [0] * (self.top + 1)  # ... and the segments of the pattern by then
        self.segment = 0
        self.pending: set[FailureKind] = set()
        self.parts = dict.fromkeys(Breakdown._fields, 0.0)
        self.spent = [0.0] * (self.top + 2)  # on saves since the last one of a level; last: for good
        self.failures = dict.fromkeys(FailureKind, 0)

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
        end = max(at for at, period in enumerate(self.periods) if (self.segment + 1) % period == 0)
        snapshot, left = self.done, self.drains if end == self.top else 0.0
        if end == self.top:
            self.ledger.began()
        if not self.passes(Activity.SAVE, self.blocks[end], 0.0):
            self.due = self.done
            return
        if self.overlap * left > self.work - self.done:  # the job ends while it drains
            left = (self.work - self.done) / self.overlap
        if left and not self.passes(Activity.WORK if self.overlap else Activity.SAVE, left, self.overlap):
            self.due = self.done  # once repaired, at once
            return
        self.parts["save"] += self.blocks[end] + (1 - self.overlap) * left
        if end == self.top and left < self.drains:
            self.done = self.work
            return
        self.segment = (self.segment + 1) % self.periods[-1]
        for level in range(end + 1):
            self.kept[level], self.index[level] = snapshot, self.segment
        if end == self.top:
            self.ledger.saved(self.done)
        else:
            self.ledger.saved_below(end)
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
        self.ledger.void()
        kind = struck[1].kind
        self.failures[kind] += 1
        self.pending.add(kind)
        if kind is FailureKind.TRAINER:
            return False
        self.ledger.doomed |= kind is FailureKind.WHOLE_JOB
        level = int(self.ledger.random.choice(self.top + 1, p=self.levels))
        self.ledger.furthest = max(self.ledger.furthest, level)
        if self.places[0].response(kind).rolls_back is RollBack.FAILED_SHARDS:
            self.ledger.failed_at(struck[1].shards, level)
        return False

    def recover(self) -> None:
        """A stop, from its beginning; a failure in it adds to what is pending."""
        response, began = together(self.places[self.ledger.furthest], self.pending), self.time
        repaired = self.passes(Activity.RECOVERY, response.total_s, 0.0)
        waited = min(self.time - began, response.reschedule_s)
        self.parts["reschedule"] += waited
        self.parts["load"] += self.time - began - waited
        if not repaired:
            return
        back, self.ledger.furthest, self.ledger.doomed = self.ledger.furthest, 0, False
        self.pending.clear()
        if response.rolls_back is RollBack.EVERYBODY:
            self.done = self.kept[back]
            self.due = self.done + self.every
            self.segment = self.index[back]
            for level in range(back + 1):
                self.kept[level], self.index[level] = self.done, self.segment
            self.ledger.rolled_back_to(back, self.done)
