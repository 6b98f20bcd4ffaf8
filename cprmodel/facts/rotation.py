"""Saves that rotate: each holds what is no expert's, and some of the experts in turn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import BlockingSave, SavingPolicy

__all__ = ["RotatingLevelSave", "RotatingSave"]


def _written(always: float, rotated: int, experts: int) -> float:
    """Share of a checkpoint that holds what is always written, and so many of the experts."""
    return always + (1 - always) * rotated / experts


@dataclass(frozen=True)
class RotatingSave:
    """A save writes ``rotated`` of the ``experts`` (or shards), in turn, and all that is none of theirs.

    Everybody goes back to the last save after a failure, and replays. The experts that it holds lose nothing; the
    others are as they were when they were last saved. Experts are of one size, and learn at one rate.

    >>> one_of_16 = RotatingSave(BlockingSave(8.0), experts=16, rotated=1, always=0.2)
    >>> round(one_of_16.share, 3), round(one_of_16.save_s, 3)
    (0.25, 2.0)
    """

    whole: SavingPolicy  #: a save of everything: a blocking one, or a stored one of one level
    experts: int
    rotated: int
    always: float = 0.0  #: share of the checkpoint that is no expert's, and so is in every save
    stall_s: float = 0.0  #: of a blocking save: the part of it that does not shrink
    fraction: ClassVar[float] = 1.0  #: an interval is that between two of these saves

    @property
    def in_turn(self) -> tuple[int, int]:
        """How many of how many experts a save holds."""
        return self.rotated, self.experts

    @property
    def share(self) -> float:
        """Share of the checkpoint that a save writes."""
        return _written(self.always, self.rotated, self.experts)

    @property
    def shares(self) -> tuple[float]:
        """The same, of its one level."""
        return (self.share,)

    @property
    def timed(self) -> SavingPolicy:
        """Saves of everything that stop training as long as these."""
        if isinstance(self.whole, StoredSave):
            level = self.whole.levels[0]
            smaller = replace(level, save_s=level.save_s * self.share)
            return replace(self.whole, levels=(smaller,), drain_s=self.whole.drain_s * self.share)
        return BlockingSave(self.stall_s + self.share * (self.whole.save_s - self.stall_s))

    @property
    def drain(self) -> tuple[float, float]:
        """How long a save drains [s], and at which rate training goes on meanwhile; 0 and 0 where it does not."""
        return (self.timed.drain_s, self.timed.overlap) if isinstance(self.timed, StoredSave) else (0.0, 0.0)

    @property
    def blocks_s(self) -> float:
        """Time for which a save stops training, before it drains [s]."""
        return self.timed.levels[0].blocks_s if isinstance(self.timed, StoredSave) else self.timed.save_s

    @property
    def stored(self) -> bool:
        """Whether a save is more than one blocking copy."""
        return isinstance(self.whole, StoredSave)

    @property
    def save_s(self) -> float:
        """Time that training loses to a save [s]."""
        return self.timed.save_s


@dataclass(frozen=True)
class RotatingLevelSave:
    """A save writes some of the experts in turn to each of two levels: a snapshot's, and a last one.

    Every save leaves the first level's experts there; every ``counts[0]``-th writes the last level's, too, and
    takes as long as the longer of the two. All that is no expert's is in each copy.

    >>> from cprmodel.facts.storage import SaveLevel
    >>> levels = (SaveLevel("memory", 8.0, 8.0, 1.0, 0.9), SaveLevel("storage", 80.0, 80.0, 10.0))
    >>> one_of_16 = RotatingLevelSave(StoredSave(levels, counts=(3,)), experts=16, rotated=(4, 1), always=0.2)
    >>> one_of_16.shares, [round(one.save_s, 3) for one in one_of_16.timed.levels]
    ((0.4, 0.25), [3.2, 20.0])
    """

    whole: StoredSave  #: saves of everything to the two levels
    experts: int
    rotated: tuple[int, int]  #: how many of them are written at each level
    always: float = 0.0  #: share of the checkpoint that is no expert's, and so is in every copy
    fraction: ClassVar[float] = 1.0

    @property
    def counts(self) -> tuple[int, ...]:
        """Saves of any level to one of the last."""
        return self.whole.counts

    @property
    def in_turn(self) -> tuple[int, int]:
        """How many of how many experts a save leaves at the first level."""
        return self.rotated[0], self.experts

    @property
    def in_turn_by_level(self) -> dict[str, int]:
        """How many experts are written at each level, by its name."""
        return {one.name: many for one, many in zip(self.whole.levels, self.rotated, strict=True)}

    @property
    def by_level(self) -> dict[str, int] | None:
        """For each level, saves of any level to one of it or a higher one."""
        return self.whole.by_level

    @property
    def shares(self) -> tuple[float, float]:
        """Share of the checkpoint that is written at each level."""
        first, last = (_written(self.always, one, self.experts) for one in self.rotated)
        return first, last

    @cached_property
    def timed(self) -> StoredSave:
        """Saves of everything that stop training as long as these."""
        first, last = (
            one.stall_s + share * one.save_s for one, share in zip(self.whole.levels, self.shares, strict=True)
        )
        takes = (first, max(first, last))
        levels = tuple(
            replace(one, save_s=blocks, stall_s=0.0) for one, blocks in zip(self.whole.levels, takes, strict=True)
        )
        return replace(self.whole, levels=levels, drain_s=self.whole.drain_s * self.shares[1])

    @property
    def save_s(self) -> float:
        """Time that training loses to a save to the last level [s]."""
        return self.timed.save_s
