"""Saves that take some rows before others, where a save is more than one blocking copy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cprmodel.facts.storage import Dirty, StoredSave, WarnedSave
from cprmodel.facts.strategies import PrioritySave
from cprmodel.facts.units import format_time

__all__ = ["FirstRows", "StoredPrioritySave"]


@dataclass(frozen=True)
class FirstRows:
    """What a save of the first rows writes: a fraction of them, or those that are dirty where these are fewer.

    With many rows, all that are dirty are saved each time where they are fewer than the fraction, and none is left
    over; else the fraction is.

    >>> from cprmodel.facts.storage import MeasuredDirty
    >>> some = FirstRows(0.25, MeasuredDirty(((100.0, 0.5),)))
    >>> [float(some.share(work)) for work in (20.0, 100.0)]
    [0.1, 0.25]
    """

    fraction: float
    dirty: Dirty | None  #: None: a save writes its rows whether they are touched or not

    def share(self, work_s: Any) -> Any:
        """Share of the rows, after so much work since the last save [s]."""
        if self.dirty is None:
            return np.full(np.shape(work_s), self.fraction)[()]
        return np.minimum(self.dirty.share(work_s), self.fraction)


@dataclass(frozen=True)
class StoredPrioritySave(PrioritySave):
    """A fraction of the rows at a time, of a checkpoint that drains, or of which dirty rows alone are written.

    >>> from cprmodel.facts.storage import SaveLevel
    >>> drained = StoredSave((SaveLevel("storage", 0.0, 60.0, 8.0, stall_s=2.0),), drain_s=80.0, overlap=0.9)
    >>> saving = StoredPrioritySave(3.0, 0.125, "mfu", whole=drained, rows=FirstRows(0.125, None))
    >>> round(float(saving.timed.written(600.0)), 3)
    0.125
    """

    whole: StoredSave  #: everything at once; of several levels, one takes the first rows, and the others everything
    rows: Dirty  #: share of the rows that one of these saves writes
    warned_rows: float = 1.0  #: share of the rows that a save on a warning takes: all, or the first ones
    level: int | None = None  #: the level that takes the first rows; the last one where None

    @property
    def at(self) -> int:
        """The level that takes the first rows."""
        return len(self.whole.levels) - 1 if self.level is None else self.level

    @property
    def topped(self) -> bool:
        """Whether saves to a higher level take everything, now and then."""
        return self.at < len(self.whole.levels) - 1

    @property
    def timed(self) -> StoredSave:
        """Saves of everything that stop training as long as these.

        Rows that an ordered save leaves out go to the level below, if there is one: else they would be nowhere.
        """
        if not self.levelled:
            return replace(self.whole, dirty=self.rows)
        one = self.whole.levels[self.at]
        below_s = 0.0
        if self.at and self.fraction < 1:
            below = self.whole.levels[self.at - 1]
            below_s = below.stall_s + (1 - self.fraction) * below.save_s
        one = replace(one, save_s=one.save_s * self.fraction, stall_s=one.stall_s + below_s)
        levels = (*self.whole.levels[: self.at], one, *self.whole.levels[self.at + 1 :])
        if self.topped:
            return replace(self.whole, levels=levels)
        warned = self.whole.warned
        if warned is not None:  # in units of what a planned save to the last level writes
            warned = replace(warned, writes=warned.writes / self.fraction)
        drain_s = self.whole.drain_s * self.fraction
        return replace(self.whole, levels=levels, drain_s=drain_s, warned=warned)

    @property
    def warned(self) -> WarnedSave | None:
        """The save on a warning, if there is one."""
        return self.whole.warned

    @property
    def warned_of_all(self) -> bool:
        """Whether a save on a warning takes what other saves to its level leave out."""
        return self.warned is not None and self.warned.level in (None, len(self.whole.levels) - 1)

    @property
    def levelled(self) -> bool:
        """Whether there are other levels, to which everything is saved."""
        return len(self.whole.levels) > 1

    @property
    def by_level(self) -> dict[str, float] | None:
        """Of several levels, work between two saves of each over that in which as much as all is saved in order."""
        if not self.levelled:
            return None
        pairs = zip(self.whole.levels, self.whole.periods, strict=True)
        return {level.name: self.fraction * many / self.segments for level, many in pairs}

    def beside_words(self, saves_every_s: float) -> str:
        """What is saved to the other levels, where one takes the first rows every so much work [s]."""
        if not self.levelled:
            return ""
        pairs = zip(self.whole.levels, self.whole.periods, strict=True)
        each = [f"to {one.name} every {format_time(saves_every_s / self.segments * n)}" for one, n in pairs]
        others = [*each[: self.at], *each[self.at + 1 :]]
        return f" to {self.whole.levels[self.at].name}, and everything {', '.join(others)}"

    @property
    def shares(self) -> tuple[float, ...]:
        """What a save to each of several levels writes of a checkpoint; of one level it hangs on the work."""
        levels = range(len(self.whole.levels))
        return tuple(self.fraction if self.levelled and level == self.at else 1.0 for level in levels)

    @property
    def rests(self) -> tuple[str, ...]:
        """Where what a save to each level leaves out goes, in words."""
        below = self.whole.levels[: self.at]
        said = f" (the other rows go to {below[-1].name})" if below and self.fraction < 1 else ""
        return tuple(said if level == self.at else "" for level in range(len(self.whole.levels)))

    @property
    def segments(self) -> int:
        """Saves of any level to one of the level that takes the first rows, or of a higher one."""
        return self.whole.periods[self.at]

    def written(self, work_s: float) -> float:
        """Share of a checkpoint that a save of the first rows writes, after so much work since the last one [s]."""
        return self.fraction if self.levelled else float(self.timed.written(work_s))

    @property
    def least_s(self) -> float:
        """What a save takes from training however little it writes [s]."""
        if self.levelled:
            return self.timed.levels[0].blocks_s
        level, always = self.whole.levels[0], self.whole.always if self.of_dirty else self.fraction
        return level.stall_s + always * (level.save_s + (1 - self.whole.overlap) * self.whole.drain_s)

    @property
    def of_dirty(self) -> bool:
        """Whether it takes the first of the dirty rows, and writes no others."""
        return self.whole.dirty is not None

    @property
    def plays(self) -> str:
        """The order as it is played."""
        return "best-fixed-dirty" if self.of_dirty and self.order == "best-fixed" else self.order
