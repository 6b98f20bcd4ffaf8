"""Who keeps account of updates while a job is played through failures, when some rows are saved before others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cprmodel.facts.strategies import FailureMix
from cprmodel.ordering.played import PLAYED, WORTH, record, save
from cprmodel.ordering.stale import BY_COUNTS
from cprmodel.rows import Floats
from cprmodel.simulation.played import whole_steps
from cprmodel.trackers.tracker import rows_due

__all__ = ["UpdateLedger"]

Indices = NDArray[np.intp]

#: Most shards that have a tracker each.
MOST_SHARDS = 16


class _Trackers(Protocol):
    """Trackers of rows that are numbered through all of them."""

    def record(self, counts: NDArray[np.int64]) -> None: ...

    def save(self, number: int, fraction: float) -> Indices: ...

    def restored(self, rows: Indices) -> None: ...


class _Real:
    """One tracker, as a training loop has it."""

    def __init__(self, order: str, rates: Floats, fraction: float, random: np.random.Generator) -> None:
        self.random = random
        self.tracker = PLAYED[order](rates, math.ceil(fraction * rates.size), int(random.integers(2**31)))

    def record(self, counts: NDArray[np.int64]) -> None:
        record(self.tracker, counts[0], self.random)

    def save(self, number: int, fraction: float) -> Indices:
        return save(self.tracker, number, fraction)

    def restored(self, rows: Indices) -> None:
        self.tracker.restored(rows)


class _Alike:
    """Trackers of as many rows each, whose orders go by counts, ages and rates: all at once."""

    def __init__(self, order: str, rates: Floats, random: np.random.Generator) -> None:
        self.worth, self.rates, self.random = WORTH[order], rates, random
        self.lot = 1.0 if order in BY_COUNTS else 0.0  # of equal rows, which are whole numbers apart from others
        self.counts: Floats = np.zeros(rates.shape)
        self.age: Floats = np.zeros(rates.shape)
        self.first = np.arange(0, rates.size, rates.shape[-1])[:, None]  # the number of each tracker's first row

    def record(self, counts: NDArray[np.int64]) -> None:
        self.counts += counts

    def save(self, number: int, fraction: float) -> Indices:
        rows = self.counts.shape[-1]
        due = rows_due(number, fraction, rows)
        self.age += 1
        worth = self.worth(self.counts, self.age, self.rates)
        by_lot = worth + self.random.random(worth.shape) * (worth > 0) * self.lot
        if due < 1:
            return np.empty(0, dtype=np.intp)
        found = (np.argpartition(by_lot, rows - due)[:, rows - due :] + self.first).ravel()
        chosen: Indices = found[by_lot.ravel()[found] > 0]
        self.restored(chosen)
        return chosen

    def restored(self, rows: Indices) -> None:
        self.counts.ravel()[rows] = 0
        self.age.ravel()[rows] = 0


class UpdateLedger:
    """Rows get updates as training works, a tracker chooses what saves take, failures take what is not saved.

    Rows lie on the shards at random, and each shard has a tracker of its own, and its own share of what is saved
    (more than :data:`MOST_SHARDS` shards have one together: who failed then leaves its share to the others, which
    are many). A shard that failed holds what was saved of its rows: its updates since are
    lost, for good unless everybody rolls back before the next save, and are replayed then. Where everybody rolls
    back, rows that the last save did not take lose what is older than it.

    ``updates_per_s``: of each row, a second of work. ``mix``: how the job fails, for :attr:`expected_pls`.
    ``step_s``: a step updates a row once or not at all, and one under way at a failure is repeated for who failed;
    0: updates are Poisson. ``dealt``: rows lie on the shards in turn: shards are alike where neighbours are.
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
    ) -> None:
        rows = updates_per_s.size
        self.updates, self.fraction, self.shards = updates_per_s, fraction, shards
        self.mix, self.random, self.step = mix, random, step_s
        self.shard_of = np.arange(rows) % shards if dealt else random.permutation(np.arange(rows) % shards)
        parts = [np.arange(rows)]
        if shards <= MOST_SHARDS and rows >= shards:
            parts = [np.flatnonzero(self.shard_of == shard) for shard in range(shards)]
        #: rows of each tracker (trackers × rows), and the trackers
        self.groups: list[tuple[Indices, _Trackers]] = []
        if order in WORTH:
            for size in sorted({part.size for part in parts}):
                alike = np.array([part for part in parts if part.size == size])
                self.groups.append((alike, _Alike(order, updates_per_s[alike], random)))
        else:
            for part in parts:
                self.groups.append((part[None, :], _Real(order, updates_per_s[part], fraction, random)))
        self.total = float(updates_per_s.sum()) * work_s
        self.fresh = np.zeros(rows)  # since the last save
        self.stale = np.zeros(rows)  # older, of rows that it did not take
        self.done, self.saves = 0.0, 0
        self.lost = self.lost_since_save = 0.0
        self.at_stake = 0.0  # updates that failures take, on average

    @property
    def pls(self) -> float:
        """Portion of lost updates."""
        return (self.lost + self.lost_since_save) / self.total

    @property
    def expected_pls(self) -> float:
        """The same with what failures take on average, of what was at stake: the same expectation, less scatter."""
        return self.at_stake / self.total

    def worked(self, done: float) -> None:
        """Updates come, evenly through the stretch."""
        done = whole_steps(done, self.step)
        seconds, self.done = done - self.done, done
        if self.step:
            counts = self.random.binomial(round(seconds / self.step), np.minimum(self.updates * self.step, 1.0))
        else:
            counts = self.random.poisson(self.updates * seconds)
        self.exposed(seconds, float(counts.sum()) / 2)
        self.fresh += counts
        for part, trackers in self.groups:
            trackers.record(counts[part])

    def exposed(self, seconds: float, more: float = 0.0) -> None:
        """So long failures may strike, with so many updates more at stake than there are."""
        per_update = self.mix.shard_share * self.mix.shards_per_failure / self.shards
        stale = float(self.stale.sum())
        taken = per_update * (stale + float(self.fresh.sum()) + more)
        taken += self.mix.whole_job_share * (stale - self.lost_since_save)
        self.at_stake += seconds / self.mix.mtbf_s * taken

    def saved(self, done: float) -> None:
        """The rows that come first are safe; what was lost before is lost for good."""
        self.stale += self.fresh
        self.fresh[:] = 0
        for part, trackers in self.groups:
            self.stale[part.ravel()[trackers.save(self.saves, self.fraction)]] = 0
        self.saves += 1
        self.lost += self.lost_since_save
        self.lost_since_save = 0.0

    def failed(self, shards: Sequence[int], done: float) -> None:
        """Their rows are as they were saved."""
        gone = np.isin(self.shard_of, shards)
        self.lost += float(self.stale[gone].sum())
        self.lost_since_save += float(self.fresh[gone].sum())
        self.stale[gone] = self.fresh[gone] = 0
        for part, trackers in self.groups:
            trackers.restored(np.flatnonzero(gone[part]))

    def rolled_back(self, done: float) -> None:
        """All rows are as they were saved; work since the last save is done again."""
        self.done = done
        self.lost += float(self.stale.sum())
        self.lost_since_save = 0.0
        self.stale[:] = self.fresh[:] = 0
        for part, trackers in self.groups:
            trackers.restored(np.arange(part.size))
