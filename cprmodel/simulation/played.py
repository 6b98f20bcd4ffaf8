"""One job played through failures that are given: last month's, or those of an experiment.

The semantics are the simulator's. A failure during a save makes it void; one during a recovery starts it again,
for all that is pending then; a shard loses what it learned since it was last saved or restored, for good unless
everybody rolls back before the next complete save.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import FailureKind, FailureMix, RollBack, Strategy, together

__all__ = [
    "Activity",
    "AtRandom",
    "AtTimes",
    "GivenFailure",
    "Ledger",
    "Played",
    "SampleLedger",
    "Strikes",
    "play",
]


class Activity(Enum):
    """What a failure can strike."""

    WORK = "work"
    SAVE = "save"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class GivenFailure:
    """A failure: what it takes, and when [s since training began]."""

    kind: FailureKind
    shards: tuple[int, ...] = ()
    at_s: float = 0.0


class Strikes(Protocol):
    """Where failures come from. Asked of every stretch of activity, in their order."""

    def next(self, activity: Activity, seconds: float) -> tuple[float, GivenFailure] | None:
        """The failure that strikes within so many seconds of this activity, and after how many; or None."""


class AtTimes:
    """Failures at their times, whatever goes on then.

    >>> strikes = AtTimes([GivenFailure(FailureKind.SHARD, (0,), at_s=25.0)])
    >>> strikes.next(Activity.WORK, 20.0) is None
    True
    >>> strikes.next(Activity.SAVE, 10.0)[0]
    5.0
    """

    def __init__(self, failures: Iterable[GivenFailure]) -> None:
        self._coming = sorted(failures, key=lambda failure: failure.at_s, reverse=True)
        self._now = 0.0

    def next(self, activity: Activity, seconds: float) -> tuple[float, GivenFailure] | None:
        """By the clock."""
        if self._coming and self._coming[-1].at_s < self._now + seconds:
            failure = self._coming.pop()
            after = max(0.0, failure.at_s - self._now)
            self._now += after
            return after, failure
        self._now += seconds
        return None


class AtRandom:
    """Failures of a mix, memoryless, whatever goes on; shards lost: the mean of a sort rounded up or down."""

    def __init__(self, mix: FailureMix, shards: int, random: np.random.Generator) -> None:
        self._mix, self._shards, self._random = mix, shards, random
        self._kinds = [kind for kind in FailureKind if mix.share(kind) > 0]
        self._shares = np.array([mix.share(kind) for kind in self._kinds])
        self._often, self._taken = zip(*mix.taken, strict=True)
        self._left = self.gap()

    def gap(self) -> float:
        """From one failure to the next [s]."""
        return float(self._random.exponential(self._mix.mtbf_s))

    def next(self, activity: Activity, seconds: float) -> tuple[float, GivenFailure] | None:
        """By the clock."""
        if self._left >= seconds:
            self._left -= seconds
            return None
        after, self._left = self._left, self.gap()
        kind = self._kinds[self._random.choice(len(self._kinds), p=self._shares / self._shares.sum())]
        victims: tuple[int, ...] = ()
        if kind is FailureKind.SHARD:
            sort = 0 if len(self._taken) == 1 else self._random.choice(len(self._taken), p=self._often)
            mean = self._taken[sort]
            number = math.floor(mean) + int(self._random.random() < mean - math.floor(mean))
            drawn = self._random.choice(self._shards, min(number, self._shards), replace=False)
            victims = tuple(int(shard) for shard in drawn)
        return after, GivenFailure(kind, victims)


class Ledger(Protocol):
    """Keeps account of what training has learned, and what of it is lost; ``done``: work done [s]."""

    @property
    def pls(self) -> float:
        """The share that was lost for good."""

    def worked(self, done: float) -> None: ...

    def saved(self, done: float) -> None: ...

    def failed(self, shards: Sequence[int], done: float) -> None: ...

    def rolled_back(self, done: float) -> None: ...


def whole_steps(done: float, step_s: float) -> float:
    """Work without the step under way [s]; all of it where there are no steps (0).

    >>> whole_steps(25.0, 10.0), whole_steps(25.0, 0.0)
    (20.0, 25.0)
    """
    return step_s * int(done / step_s + 1e-6) if step_s else done


class SampleLedger:
    """Every save takes everything: a shard loses the samples since it was last saved or restored."""

    def __init__(self, work_s: float, shards: int, step_s: float = 0.0) -> None:
        self.work, self.step = work_s, step_s
        self.kept = [0.0] * shards  # per shard: since when it has lost nothing
        self.lost = self.lost_since_save = 0.0  # shard-seconds

    @property
    def pls(self) -> float:
        """Portion of lost samples."""
        return (self.lost + self.lost_since_save) / (self.work * len(self.kept))

    def worked(self, done: float) -> None:
        """Nothing to remember."""

    def saved(self, done: float) -> None:
        """Everything is safe; what was lost before is lost for good."""
        self.kept = [done] * len(self.kept)
        self.lost += self.lost_since_save
        self.lost_since_save = 0.0

    def failed(self, shards: Sequence[int], done: float) -> None:
        """These shards lose what is not safe: whole steps, since the one under way is repeated for them."""
        done = whole_steps(done, self.step)
        for shard in shards:
            self.lost_since_save += max(0.0, done - self.kept[shard])
            self.kept[shard] = max(done, self.kept[shard])

    def rolled_back(self, done: float) -> None:
        """What was lost since the save is replayed."""
        self.lost_since_save = 0.0
        self.kept = [done] * len(self.kept)


@dataclass(frozen=True)
class Played:
    """What the failures cost one job [s], and what it lost."""

    work_s: float
    spent: Breakdown
    pls: float
    saves: int
    failures: int

    @property
    def time_to_train_s(self) -> float:
        """Work and overhead [s]."""
        return self.work_s + float(self.spent.total)


def play(
    strategy: Strategy,
    work_s: float,
    strikes: Strikes,
    shards: int = 1,
    step_s: float = 0.0,
    longest_s: float = float("inf"),
    ledger: Ledger | None = None,
) -> Played:
    """Play a job under a strategy through the failures that strike it.

    Parameters
    ----------
    strategy : recovery, save and interval, such as ``plan(job)["partial"].strategy``
    work_s : useful training time the job needs, T [s]
    strikes : the failures, such as :class:`AtTimes`
    shards : embedding shards, N
    step_s : time of a step [s]: shards lose whole steps, since the one under way is repeated for them; 0: none
    longest_s : a job that takes longer is given up [s]
    ledger : who keeps account of what is lost; one for saves that take everything, where not given

    Raises
    ------
    JobError
        when it takes longer than ``longest_s``.

    Examples
    --------
    Four hours of work, saved every hour in 0.1 h; a shard of four dies after 1.6 h:

    >>> from cprmodel.facts.strategies import BlockingSave, FullRecovery
    >>> hourly = Strategy("full", FullRecovery(reschedule_s=720.0, load_s=360.0), BlockingSave(360.0), 3600.0)
    >>> found = play(hourly, 4 * 3600.0, AtTimes([GivenFailure(FailureKind.SHARD, (2,), 1.6 * 3600)]), shards=4)
    >>> found.spent
    Breakdown(save=1080.0, load=360.0, lost=1800.0, reschedule=720.0)
    """
    job = _Job(strategy, work_s, strikes, ledger or SampleLedger(work_s, shards, step_s))
    while job.done < work_s or job.waiting:
        if job.time > longest_s:
            raise JobError("job", [Problem("", "", f"a job that ends within {longest_s:g} s under these failures")])
        job.go_on()
    return job.played()


class _Job:
    def __init__(self, strategy: Strategy, work_s: float, strikes: Strikes, ledger: Ledger) -> None:
        self.strategy, self.work, self.strikes, self.ledger = strategy, work_s, strikes, ledger
        self.done = self.saved = self.time = 0.0
        self.parts = dict.fromkeys(Breakdown._fields, 0.0)
        self.pending: set[FailureKind] = set()
        self.saves = self.failures = 0

    @property
    def waiting(self) -> bool:
        return bool(self.pending)

    def go_on(self) -> None:
        """One stretch: work until the next save, that save, or a recovery."""
        if self.pending:
            self.recover()
            return
        due = self.saved + self.strategy.saves_every_s
        if due > self.work * (1 - 1e-9):  # whole intervals end with the job, whatever their sum rounds to
            due = self.work
        if self.done < due:
            struck = self.pass_time(Activity.WORK, due - self.done)
            self.done = due if struck is None else self.done + struck[0]
            self.ledger.worked(self.done)
            if struck is not None:
                self.strike(struck[1])
            return
        save_s = self.strategy.saving.save_s
        struck = self.pass_time(Activity.SAVE, save_s)
        if struck is not None:
            self.parts["lost"] += struck[0]  # void
            self.strike(struck[1])
            return
        self.parts["save"] += save_s
        self.saves += 1
        self.saved = self.done
        self.ledger.saved(self.done)

    def recover(self) -> None:
        """A stop, from its beginning; a failure in it adds to what is pending."""
        response = together(self.strategy.recovery, self.pending)
        struck = self.pass_time(Activity.RECOVERY, response.total_s)
        until = response.total_s if struck is None else struck[0]
        self.parts["reschedule"] += min(until, response.reschedule_s)
        self.parts["load"] += max(0.0, until - response.reschedule_s)
        if struck is not None:
            self.strike(struck[1])
            return
        self.pending.clear()
        if response.rolls_back is RollBack.EVERYBODY:
            self.parts["lost"] += self.done - self.saved
            self.done = self.saved
            self.ledger.rolled_back(self.done)

    def pass_time(self, activity: Activity, seconds: float) -> tuple[float, GivenFailure] | None:
        struck = self.strikes.next(activity, seconds)
        self.time += seconds if struck is None else struck[0]
        return struck

    def strike(self, failure: GivenFailure) -> None:
        self.failures += 1
        self.pending.add(failure.kind)
        if self.strategy.recovery.response(failure.kind).rolls_back is RollBack.FAILED_SHARDS:
            self.ledger.failed(failure.shards, self.done)

    def played(self) -> Played:
        return Played(self.work, Breakdown(**self.parts), self.ledger.pls, self.saves, self.failures)
