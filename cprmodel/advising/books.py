"""What work was done, and how much of it is safe.

Work is safe from the *start* of a save that became durable: what was done while the save was written is not in it.
Several levels keep several accounts: a save to a level is safe for that level and for those below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Books", "Save"]


@dataclass(frozen=True, eq=False)
class Save:
    """A save that is under way."""

    at: float  #: when training went on, by the clock [s]
    work: float  #: what it will make safe [s]
    stall_s: float  #: for so long training stood still
    queued_s: float  #: besides, while it waited for an earlier save
    level: int


class Books:
    """Accounts of work in seconds, from the beginning of the process.

    >>> books = Books(now=0.0)
    >>> books.advance(100.0)
    100.0
    >>> save = books.start(stall_s=10.0, queued_s=0.0, level=0)
    >>> passed = books.advance(130.0)
    >>> books.unsaved_s()
    120.0
    >>> books.durable(save)  # the ninety seconds before the stall are safe
    >>> books.unsaved_s()
    30.0
    """

    def __init__(self, now: float, levels: int = 1) -> None:
        self.now = now  #: the clock, when it was looked at last
        self.work = 0.0  #: done in this process, done again included
        self.pending: list[Save] = []  #: saves under way, the oldest first
        self.saves_since = [0] * levels  #: durable saves since one of this level or a higher one
        self._safe = [0.0] * levels
        self._mark = 0.0  # work at the last event: what came before was work

    def advance(self, now: float) -> float:
        """Time passes, as work until somebody says otherwise; how much [s]. A clock that runs back stands still."""
        passed = max(0.0, now - self.now)
        self.now += passed
        self.work += passed
        return passed

    def stand(self, seconds: float) -> None:
        """Time passes without work."""
        self.now += seconds
        self._mark = self.work

    def skip(self, seconds: float) -> None:
        """So much of what just passed was no work: it was spent on a save, a recovery, or stood still."""
        self.work = max(self._mark, self.work - seconds)
        self._mark = self.work

    def unsaved_s(self, level: int = 0) -> float:
        """Work that a failure would take that only saves of this level or a higher one outlive [s]."""
        return self.work - self._safe[level]

    def start(self, stall_s: float, queued_s: float, level: int) -> Save:
        """A save has begun, for which training has just stood still."""
        self.skip(stall_s + queued_s)
        save = Save(self.now, self.work, stall_s, queued_s, level)
        self.pending.append(save)
        return save

    def durable(self, save: Save) -> None:
        """A save under way can be read back from now on."""
        self.pending.remove(save)
        self._mark = self.work
        for level in range(len(self._safe)):
            if level <= save.level:
                self._safe[level] = max(self._safe[level], save.work)
                self.saves_since[level] = 0
            else:
                self.saves_since[level] += 1

    def roll_back(self, level: int = 0) -> None:
        """Everybody goes on from the last save of a level, or a higher one. What was under way is void."""
        gone = self.unsaved_s(level)
        self._safe = [one + gone if at > level else self.work for at, one in enumerate(self._safe)]
        self.pending.clear()
        self._mark = self.work

    def stands_unsaved(self, seconds: float) -> None:
        """So much work is known to be unsaved."""
        self._safe = [self.work - seconds] * len(self._safe)

    def next_level(self, periods: Sequence[int]) -> int:
        """Where the next save goes, if every so many saves go to each level.

        >>> books = Books(now=0.0, levels=2)
        >>> books.next_level((1, 2))
        0
        """
        return max(at for at, every in enumerate(periods) if at == 0 or self.saves_since[at] + 1 >= every)
