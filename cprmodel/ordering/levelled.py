"""Saves of everything to some levels and of the first rows to one of them, played row by row.

No algebra is shared with the recursions of ``cprmodel.costing.course`` and ``cprmodel.ordering.topped``. A failure
needs a level or a higher one: rows are then as they are there. At the level of the ordered saves that is how each
was when one last took it, or when everything was saved to a higher level since: readers take the newer of the two.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cprmodel.costing.stops import at_level
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.strategies import FailureKind, Response, Strategy, together
from cprmodel.ordering.draining import Announced, Begun, DrainedJob, DrainingLedger
from cprmodel.simulation import GivenFailure, Played, Strikes

__all__ = ["LevelledLedger", "play_levels"]


class LevelledLedger(DrainingLedger):
    """An account of rows of which some levels hold all, and one of them what was chosen.

    ``given``: as :class:`~cprmodel.ordering.ledger.UpdateLedger` takes them. ``needs``: share of the failures that
    leave each level, and none below; of those that no one announces, and of those that are announced. ``at``: the
    level of what was chosen, the last one where None.
    """

    def __init__(self, *given: Any, needs: Mapping[Announced, Sequence[float]], at: int | None = None) -> None:
        super().__init__(*given)
        rows = self.updates.size
        self.needs, self.top = needs, len(needs[Announced.ANY]) - 1
        self.at = self.top if at is None else at
        self.held = np.zeros((self.top, rows))  # saved to this level, and to none above
        self.gone = np.zeros(self.top + 1)  # lost since the last save of a level, as those hold it
        self.copies: list[list[Any]] = [
            self._trackers() for _ in range(self.top + 1)
        ]  # as of the last save of a level
        self.chosen_after: list[Any] = []
        self.furthest = 0  # of a stop under way: the level that it needs

    @property
    def pls(self) -> float:
        """Portion of lost updates."""
        return float(self.lost + self.gone.sum()) / self.total

    def _trackers(self) -> list[Any]:
        return copy.deepcopy([one for _, one in self.groups]) if self.mix.whole_job_share else []

    def began(self) -> None:
        """A save of the rows that come first."""
        super().began()
        self.chosen_after = self._trackers()

    def began_all(self) -> None:
        """A save of everything."""
        trackers = [copy.deepcopy(one) for _, one in self.groups]
        chosen = [part.ravel() for part, _ in self.groups]
        for part, one in self.groups:
            one.restored(np.arange(part.size))
        self.begun = Begun(self.fresh.copy(), chosen, trackers)
        self.since = np.zeros(self.fresh.size, dtype=np.int64)
        self.chosen_after = self._trackers()

    def exposed(self, seconds: float, more: float = 0.0) -> None:
        """So long failures may strike; each takes what the level that it leaves does not hold.

        In a stop the furthest level counts that any of its failures leaves, for everybody once all must roll back.
        """
        each, everybody = self.mix.shard_share * self.mix.shards_per_failure / self.shards, self.mix.whole_job_share
        held, stale, taken = float(self.fresh.sum()) + more, float(self.stale.sum()), 0.0

        def torn(level: int) -> float:
            """What is lost, on balance, where everybody returns to a level: the rest is done again."""
            return (stale if level == self.at else 0.0) - float(self.gone[: level + 1].sum())

        for level, share in enumerate(self.needs[self.of]):
            back, old = max(level, self.furthest), stale if level >= self.at else 0.0
            if self.doomed:  # who is hit loses no more than all do
                if level > self.furthest:
                    taken += share * (self.mix.shard_share + everybody) * (torn(back) - torn(self.furthest))
                continue
            taken += share * (each * (held + old) + everybody * torn(back))
            held += float(self.held[level].sum()) if level < self.top else 0.0
        self.at_stake += seconds * self.risk / self.mix.mtbf_s * taken

    def saved_below(self, level: int) -> None:
        """Everything is safe at a level below that of the chosen rows."""
        self.held[level] += self.fresh + self.held[:level].sum(axis=0)
        self.held[:level] = 0
        self.fresh[:] = 0
        self._lost_before(level)
        self.copies[: level + 1] = [self._trackers()] * (level + 1)

    def _lost_before(self, level: int) -> None:
        """What was lost before a save to a level is only made again where all return beyond it."""
        self._lose(level, float(self.gone[: level + 1].sum()))
        self.gone[: level + 1] = 0

    def _lose(self, level: int, updates: float) -> None:
        """Updates that a save to a level, or an older one, was the last to know of."""
        if level == self.top:
            self.lost += updates
        else:
            self.gone[level + 1] += updates

    def saved(self, done: float) -> None:
        """What was chosen is safe at its level, and all at those below."""
        assert self.begun is not None
        chosen = self.begun.chosen
        self.stale += self.held[: self.at].sum(axis=0)
        self.held[: self.at] = 0
        if self.at < self.top:
            before = self.stale + self.begun.fresh
            for rows in chosen:
                self.held[self.at, rows] += before[rows]
        super().saved(done)
        self._lost_before(self.at)
        self.copies[: self.at + 1] = [self.chosen_after] * (self.at + 1)

    def saved_above(self, level: int) -> None:
        """Everything, as it was when the save began, is safe at a level above that of the chosen rows."""
        assert self.begun is not None
        everything = self.stale + self.begun.fresh + self.held[:level].sum(axis=0)
        if level < self.top:
            self.held[level] += everything
        self.held[:level] = 0
        self.stale[:] = 0
        self.fresh -= self.begun.fresh
        self.begun = None
        self._lost_before(level)
        self.copies[: level + 1] = [self.chosen_after] * (level + 1)

    def all_saved(self, level: int) -> None:
        """Everything is safe, as it is, at a level from that of the chosen rows on, below the last one."""
        self.held[level] += self.stale + self.fresh + self.held[:level].sum(axis=0)
        self.held[:level] = 0
        self.stale[:] = 0
        self.fresh[:] = 0
        for part, trackers in self.groups:
            trackers.restored(np.arange(part.size))
        self._lost_before(level)
        self.copies[: level + 1] = [self._trackers()] * (level + 1)

    def saved_on_warning(self, share: float) -> None:
        """Everything is safe at the last level, and so at the others."""
        self.stale += self.held.sum(axis=0)
        self.held[:] = 0
        super().saved_on_warning(share)
        self.lost += float(self.gone.sum())
        self.gone[:] = 0
        self.copies = [self._trackers()] * (self.top + 1)

    def failed_at(self, shards: Sequence[int], level: int) -> None:
        """Their rows are as a level has them."""
        self.void()
        hit = np.isin(self.shard_of, shards)
        self.gone[0] += float(self.fresh[hit].sum())
        self.fresh[hit] = 0
        for below in range(level):
            self._lose(below, float(self.held[below, hit].sum()))
            self.held[below, hit] = 0
        if level < self.at:  # who chooses goes on with what was counted: all of it is older than the level's rows
            return
        self._lose(self.at, float(self.stale[hit].sum()))
        self.stale[hit] = 0
        for part, trackers in self.groups:
            trackers.restored(np.flatnonzero(hit[part]))

    def rolled_back_to(self, level: int, done: float) -> None:
        """All rows are as a level has them."""
        self.void()
        self.done = done
        self.fresh[:] = 0
        self.held[:level] = 0
        self.gone[: level + 1] = 0
        if level >= self.at:
            if level == self.at:  # of a higher level, what was left out since is made again
                self._lose(self.at, float(self.stale.sum()))
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
    return _LevelledJob(strategy, work_s, strikes, ledger).played()


class _LevelledJob(DrainedJob):
    """Saves go to levels in a pattern, and each failure needs one of them."""

    ledger: LevelledLedger

    def __init__(self, strategy: Strategy, work_s: float, strikes: Strikes, ledger: LevelledLedger) -> None:
        super().__init__(strategy, work_s, strikes, ledger)
        assert isinstance(strategy.saving, StoredPrioritySave)
        timed = strategy.saving.timed
        self.at = strategy.saving.at
        self.places = [at_level(strategy.recovery, level) for level in timed.levels]
        self.periods = timed.periods
        self.warned_level = timed.warned_level
        self.kept = [0.0] * (self.top + 1)  # work in the last save of a level or a higher one
        self.index = [0] * (self.top + 1)  # ... and the segments of the pattern by then
        self.segment = 0

    def goes_to(self) -> int:
        return max(at for at, period in enumerate(self.periods) if (self.segment + 1) % period == 0)

    def begin(self, level: int) -> None:
        if level == self.at:
            self.ledger.began()
        elif level > self.at:
            self.ledger.began_all()

    def complete(self, level: int, snapshot: float) -> None:
        self.segment = (self.segment + 1) % self.periods[-1]
        self._held(level, snapshot)
        if level == self.at:
            self.ledger.saved(self.done)
        elif level < self.at:
            self.ledger.saved_below(level)
        else:
            self.ledger.saved_above(level)

    def complete_on_warning(self) -> None:
        self.segment -= self.segment % self.periods[self.warned_level]  # those of its level are counted as before
        self._held(self.warned_level, self.done)
        if self.warned_level == self.top:
            self.ledger.saved_on_warning(self.warned_rows)
        elif self.warned_level >= self.at:
            self.ledger.all_saved(self.warned_level)
        else:
            self.ledger.saved_below(self.warned_level)

    def _held(self, level: int, work_s: float) -> None:
        """A level and those below hold so much work."""
        self.kept[: level + 1] = [work_s] * (level + 1)
        self.index[: level + 1] = [self.segment] * (level + 1)

    def struck(self, failure: GivenFailure, own: bool, of: Announced) -> None:
        if failure.kind is FailureKind.TRAINER:
            return
        level = int(self.ledger.random.choice(self.top + 1, p=self.ledger.needs[of]))
        self.ledger.furthest = max(self.ledger.furthest, level)
        if own:
            self.ledger.failed_at(failure.shards, level)

    def response(self) -> Response:
        return together(self.places[self.ledger.furthest], self.pending)

    def rolled_back(self) -> None:
        back = self.ledger.furthest
        self.done, self.segment = self.kept[back], self.index[back]
        self._held(back, self.done)
        self.ledger.rolled_back_to(back, self.done)

    def recover(self) -> None:
        super().recover()
        if not self.pending:
            self.ledger.furthest = 0
