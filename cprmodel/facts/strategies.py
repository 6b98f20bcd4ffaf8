"""Kinds of failure, recoveries and saving policies: frozen objects that every part of the package shares.

Planning prices them, the simulator plays them, and the validation harness carries them out. A new recovery
is a frozen dataclass with ``name`` and ``response``; a new saving policy one with ``save_s`` and ``fraction``.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar, Protocol

import numpy as np

__all__ = [
    "ORDERS",
    "BlockingSave",
    "CheckedSave",
    "FailureKind",
    "FailureMix",
    "FailureSort",
    "FullRecovery",
    "PartialRecovery",
    "PrioritySave",
    "Recovery",
    "Response",
    "RollBack",
    "SavingPolicy",
    "Strategy",
    "loses_samples",
    "mean_square",
    "together",
]


class FailureKind(Enum):
    """What a failure takes."""

    SHARD = "shard"
    TRAINER = "trainer"
    WHOLE_JOB = "whole_job"


class RollBack(Enum):
    """Who returns to the last complete save."""

    NOBODY = "nobody"
    FAILED_SHARDS = "failed_shards"
    EVERYBODY = "everybody"


@dataclass(frozen=True)
class Response:
    """What a recovery does about one failure: who rolls back, and the time it takes [s]."""

    rolls_back: RollBack
    reschedule_s: float
    load_s: float

    @property
    def total_s(self) -> float:
        """Detection, rescheduling and loading together [s]."""
        return self.reschedule_s + self.load_s


def mean_square(shards: float) -> float:
    """Of a number that is one of the whole numbers next to its mean.

    >>> mean_square(3.0), mean_square(2.5)
    (9.0, 6.5)
    """
    few = math.floor(shards)
    return few**2 + (shards - few) * (2 * few + 1)


@dataclass(frozen=True)
class FailureSort:
    """Failures that strike alike: their share, the shards that one takes, and what can be read after it."""

    share: float
    shards: float
    needs: tuple[float, ...]  #: share of them that leave this level of checkpoints, and none below (sums to 1)


@dataclass(frozen=True)
class FailureMix:
    """How often the job fails, and what its failures take (the shares sum to 1).

    >>> FailureMix(mtbf_s=3600.0, shard_share=0.9, trainer_share=0.1).share(FailureKind.TRAINER)
    0.1
    """

    mtbf_s: float
    shard_share: float = 1.0
    trainer_share: float = 0.0
    whole_job_share: float = 0.0
    shards_per_failure: float = 1.0
    sorts: tuple[FailureSort, ...] = ()  #: some take more than others, and need a higher level

    @property
    def taken(self) -> tuple[tuple[Any, Any], ...]:
        """What a shard failure takes, as the share of each sort of them and the number of its shards (a mean).

        >>> FailureMix(mtbf_s=3600.0, shards_per_failure=2.5).taken
        ((1.0, 2.5),)
        """
        return tuple((one.share, one.shards) for one in self.sorts) or ((1.0, self.shards_per_failure),)

    @property
    def failed_scatter(self) -> float:
        """By how much the mean square of the shards taken is above that of the whole numbers next to their mean.

        >>> alone, rack = FailureSort(0.9, 1.0, (1.0,)), FailureSort(0.1, 16.0, (1.0,))
        >>> mix = FailureMix(mtbf_s=3600.0, shards_per_failure=2.5, sorts=(alone, rack))
        >>> round(mix.failed_scatter, 9)  # 0.9 + 0.1 * 16**2 - (2**2 + 3**2) / 2
        20.0
        """
        square = sum(share * mean_square(shards) for share, shards in self.taken)
        return max(0.0, float(square - mean_square(self.shards_per_failure)))

    @property
    def taken_square(self) -> float:
        """Mean square of the shards that a shard failure takes.

        >>> FailureMix(mtbf_s=3600.0, shards_per_failure=2.5).taken_square
        6.5
        """
        return mean_square(self.shards_per_failure) + self.failed_scatter

    def shards_at(self, level: int) -> Any:
        """Shards lost per shard failure (its mean), of those that need a level.

        >>> alone, rack = FailureSort(0.9, 1.0, (1.0, 0.0)), FailureSort(0.1, 16.0, (0.0, 1.0))
        >>> mix = FailureMix(mtbf_s=3600.0, shards_per_failure=2.5, sorts=(alone, rack))
        >>> float(mix.shards_at(0)), float(mix.shards_at(1))
        (1.0, 16.0)
        """
        if not self.sorts or len(self.sorts[0].needs) <= level:
            return self.shards_per_failure
        often: Any = sum(one.share * one.needs[level] for one in self.sorts)
        taken: Any = sum(one.share * one.needs[level] * one.shards for one in self.sorts)
        return np.where(np.greater(often, 0), taken / np.maximum(often, 1e-300), self.shards_per_failure)[()]

    def share(self, kind: FailureKind) -> float:
        """Share of the failures that are of this kind."""
        return getattr(self, f"{kind.value}_share")  # type: ignore[no-any-return]


class Recovery(Protocol):
    """What happens after a failure.

    Saves that are more than one blocking copy (levels, drains, dirty rows) ask it for two things more:
    ``loading(load_s, partial_load_s)``, the same from another place, and ``timeless``, the same if it took no time.
    """

    @property
    def name(self) -> str: ...

    def response(self, kind: FailureKind) -> Response: ...


@dataclass(frozen=True)
class FullRecovery:
    """Whatever fails, everybody rolls back to the last complete save and replays.

    >>> FullRecovery(reschedule_s=600.0, load_s=240.0).response(FailureKind.SHARD).rolls_back
    <RollBack.EVERYBODY: 'everybody'>
    """

    reschedule_s: float
    load_s: float

    @property
    def name(self) -> str:
        return "full"

    @property
    def timeless(self) -> FullRecovery:
        """The same, if it took no time."""
        return FullRecovery(0.0, 0.0)

    def response(self, kind: FailureKind) -> Response:
        """The same for every kind of failure."""
        return Response(RollBack.EVERYBODY, self.reschedule_s, self.load_s)

    def loading(self, load_s: float, partial_load_s: float) -> FullRecovery:
        """The same from where it takes so long to read everything back, or the failed shards [s]."""
        return replace(self, load_s=load_s)


@dataclass(frozen=True)
class PartialRecovery:
    """Only the failed shards roll back; a dead trainer loses no embedding; the whole job still replays.

    >>> partial = PartialRecovery(600.0, 240.0, 180.0, 30.0, 180.0)
    >>> partial.response(FailureKind.SHARD)
    Response(rolls_back=<RollBack.FAILED_SHARDS: 'failed_shards'>, reschedule_s=180.0, load_s=30.0)
    """

    reschedule_s: float
    load_s: float
    partial_reschedule_s: float
    partial_load_s: float
    trainer_reschedule_s: float

    @property
    def name(self) -> str:
        return "partial"

    @property
    def timeless(self) -> PartialRecovery:
        """The same, if it took no time."""
        return PartialRecovery(0.0, 0.0, 0.0, 0.0, 0.0)

    def loading(self, load_s: float, partial_load_s: float) -> PartialRecovery:
        """The same from where it takes so long to read everything back, or the failed shards [s]."""
        return replace(self, load_s=load_s, partial_load_s=partial_load_s)

    def response(self, kind: FailureKind) -> Response:
        """By kind of failure."""
        if kind is FailureKind.SHARD:
            return Response(RollBack.FAILED_SHARDS, self.partial_reschedule_s, self.partial_load_s)
        if kind is FailureKind.TRAINER:
            return Response(RollBack.NOBODY, self.trainer_reschedule_s, 0.0)
        return Response(RollBack.EVERYBODY, self.reschedule_s, self.load_s)


def loses_samples(recovery: Recovery) -> bool:
    """Whether a shard failure costs samples for good (the shard alone rolls back).

    >>> loses_samples(FullRecovery(600.0, 240.0)), loses_samples(PartialRecovery(600.0, 240.0, 180.0, 30.0, 180.0))
    (False, True)
    """
    return recovery.response(FailureKind.SHARD).rolls_back is RollBack.FAILED_SHARDS


def together(recovery: Recovery, kinds: Collection[FailureKind]) -> Response:
    """What a recovery does about failures that are pending together.

    The furthest roll-back counts. Of a whole-job failure and others its own times count; of a shard's and a
    trainer's the longer stop, the shard's load being its end. Without any kind nobody rolls back, in no time.

    >>> partial = PartialRecovery(600.0, 240.0, 180.0, 30.0, 300.0)
    >>> together(partial, {FailureKind.SHARD, FailureKind.TRAINER})
    Response(rolls_back=<RollBack.FAILED_SHARDS: 'failed_shards'>, reschedule_s=270.0, load_s=30.0)
    """
    responses = {kind: recovery.response(kind) for kind in kinds}
    for kind, response in responses.items():
        if kind is FailureKind.WHOLE_JOB or len(responses) == 1:
            return response
    if not responses:
        return Response(RollBack.NOBODY, 0.0, 0.0)
    shard, trainer = responses[FailureKind.SHARD], responses[FailureKind.TRAINER]
    order = list(RollBack)
    rolls_back = max((shard.rolls_back, trainer.rolls_back), key=order.index)
    waits, other = shard.reschedule_s, trainer.total_s - shard.load_s
    longer = np.maximum(waits, other) if np.ndim(waits) else max(waits, other)
    return Response(rolls_back, longer, shard.load_s)


class SavingPolicy(Protocol):
    """How a checkpoint is written: ``fraction`` of everything at a time, in ``save_s``."""

    @property
    def save_s(self) -> float: ...

    @property
    def fraction(self) -> float: ...


@dataclass(frozen=True)
class BlockingSave:
    """Training stops while the whole checkpoint is written; a failure meanwhile makes it void."""

    save_s: float
    fraction: ClassVar[float] = 1.0


@dataclass(frozen=True)
class CheckedSave:
    """A blocking save, with a check before every ``saves``-th; or ``checks`` of them in the work before each."""

    save_s: float
    saves: int = 1
    checks: int = 1
    fraction: ClassVar[float] = 1.0

    @property
    def pattern(self) -> tuple[int, int]:
        """Saves to a check, and checks to a save."""
        return self.saves, self.checks

    @property
    def words(self) -> str:
        """How saves are checked, behind what is said of them; nothing where it is one check before each.

        >>> CheckedSave(60.0, saves=3).words, CheckedSave(60.0, checks=2).words, CheckedSave(60.0).words
        (', one save in 3 after a check', ', with 2 checks to a save', '')
        """
        if self.saves > 1:
            return f", one save in {self.saves} after a check"
        return f", with {self.checks} checks to a save" if self.checks > 1 else ""


#: Orders of :class:`PrioritySave` that a plan tries.
ORDERS = ("mfu", "ssu", "update-age", "best-fixed")


@dataclass(frozen=True)
class PrioritySave:
    """Training stops more often, while a fraction of the rows is written: those that ``order`` puts first.

    In an interval as many bytes are written as a whole checkpoint has. A failure during a save makes it void.
    """

    save_s: float  #: of one of these saves
    fraction: float
    order: str  #: name of a policy of :mod:`cprmodel.ordering`


@dataclass(frozen=True)
class Strategy:
    """A recovery, a saving policy, and the useful work in which as much as everything is saved once [s].

    >>> eighths = PrioritySave(save_s=30.0, fraction=0.125, order="update-age")
    >>> partial = PartialRecovery(600.0, 240.0, 180.0, 30.0, 180.0)
    >>> Strategy("partial-update-age", partial, eighths, interval_s=7200.0).saves_every_s
    900.0
    """

    name: str
    recovery: Recovery
    saving: SavingPolicy
    interval_s: float

    @property
    def saves_every_s(self) -> float:
        """Useful work between two saves, of whatever each of them takes [s]."""
        return self.interval_s * self.saving.fraction

    @property
    def recovers(self) -> str:
        """``"partial"`` where a lost shard alone rolls back, else ``"full"``, whatever the recovery's name."""
        return "partial" if loses_samples(self.recovery) else "full"

    @property
    def plain(self) -> bool:
        """Whether a save is one blocking copy of everything, and nothing besides."""
        return self.saving == BlockingSave(self.saving.save_s)

    @property
    def order(self) -> str | None:
        """Which rows are saved first; None where each save takes everything."""
        return getattr(self.saving, "order", None)

    @property
    def pattern(self) -> tuple[int, int] | None:
        """Saves to a check, and checks to a save; None where nothing is checked."""
        return getattr(self.saving, "pattern", None)

    @property
    def experts_saved(self) -> tuple[int, int] | None:
        """How many of how many experts a save holds; None where saves do not rotate."""
        return getattr(self.saving, "in_turn", None)

    @property
    def experts_by_level(self) -> dict[str, int] | None:
        """How many experts are written at each of several levels, by its name; else None."""
        many: dict[str, int] | None = getattr(self.saving, "in_turn_by_level", None)
        return many

    @property
    def level_intervals_s(self) -> dict[str, float] | None:
        """Useful work between two saves of each of several levels or a higher one [s], by its name; else None."""
        saves: dict[str, float] | None = getattr(self.saving, "by_level", None)
        return None if saves is None else {name: self.interval_s * many for name, many in saves.items()}

    @property
    def checked(self) -> str:
        """How saves are checked, behind what is said of them; nothing where it is one before each, or none."""
        said: str = getattr(self.saving, "words", "")
        return said

    @property
    def beside(self) -> str:
        """What is saved besides, behind what is said of its saves; nothing where they are all."""
        said = getattr(self.saving, "beside_words", None)
        return "" if said is None else str(said(self.saves_every_s))

    @property
    def in_time(self) -> Strategy:
        """A strategy that takes as long, whose saves stop training as often and take everything.

        A policy whose saves do more than block says what they are: ``timed``.
        """
        timed: SavingPolicy | None = getattr(self.saving, "timed", None)
        if timed is None:
            return Strategy(self.name, self.recovery, BlockingSave(self.saving.save_s), self.saves_every_s)
        every_s = self.saves_every_s / getattr(self.saving, "segments", 1)
        return Strategy(self.name, self.recovery, timed, every_s)
