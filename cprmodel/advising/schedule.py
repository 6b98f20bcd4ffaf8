"""When to ask for a save: after an interval, after one that failed, and before an end that is announced."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cprmodel.advising.books import Save
from cprmodel.advising.notices import Notice

__all__ = ["NEVER", "NOW", "Known", "Schedule"]

NEVER, NOW = math.inf, -math.inf
#: The last save before an end begins when there is so much room for it.
_ROOM = 1.25


@dataclass(frozen=True)
class Known:
    """What the next save depends on, by the clock and in seconds."""

    ends: float  #: when the interval ends
    takes_s: float  #: from the beginning of a save until it can be read back
    step_s: float  #: of a step
    under_way: bool  #: whether a save is


class Schedule:
    """When the next save is due (by the clock), if one then fits before the end.

    >>> schedule = Schedule(ends=NEVER)
    >>> schedule.plan(0.0, Known(ends=600.0, takes_s=60.0, step_s=1.0, under_way=False))
    >>> schedule.asks(599.0), schedule.asks(600.0)
    (False, True)
    >>> schedule.announce(Notice(given=0.0, deadline=100.0, save=None), wants=True, under_way=False)
    >>> schedule.asks(0.0), schedule.asks(50.0)  # 60 s fit before the end, and then they do not
    (True, False)
    """

    def __init__(self, ends: float) -> None:
        self.due = NEVER
        self.notice: Notice | None = None
        self.noticed = False  #: the work was saved since the notice
        self._ends = ends  # the job's time limit
        self._notices = 0  # so many came
        self._wants = False  # a save is wanted for the notice
        self._failed, self._retry_at = 0, NOW  # saves that failed since the last durable one
        self._saved_at = NOW  # when the last durable save began
        self._takes_s = 0.0

    def asks(self, now: float) -> bool:
        """Whether to save now."""
        return now >= self.due and self.fits(now)

    def fits(self, now: float) -> bool:
        """Whether a save that begins now is there before an announced end, or is to be tried all the same."""
        notice = self.notice
        forced = self._wants and notice is not None and notice.save is True
        return forced or now + self._takes_s <= self.end(now)

    def end(self, now: float) -> float:
        """The end that is announced; NEVER where there is none."""
        notice = self.notice
        return self._ends if notice is None or notice.deadline <= now else min(self._ends, notice.deadline)

    def announced(self, now: float) -> bool:
        """Whether an end is announced that may still come."""
        return self.notice is not None and now <= self.notice.until

    def announce(self, notice: Notice, wants: bool, under_way: bool) -> None:
        """An end is announced. May run in a signal handler, in the middle of everything else here."""
        self.notice = notice
        self._notices += 1
        self.noticed, self._wants = False, wants
        if wants and not under_way:
            self.due = NOW

    def durable(self, save: Save, now: float) -> None:
        """A save can be read back."""
        if self.notice is not None and now > self.notice.until:
            self.notice = None
        notice = self.notice
        self.noticed = notice is not None
        if notice is None or save.at - save.stall_s - save.queued_s >= notice.given:
            self._wants = False
        self._failed = 0
        self._saved_at = max(self._saved_at, save.at)

    def void(self, now: float, takes_s: float, interval_s: float) -> None:
        """A save has failed: another one later, and later each time."""
        wait_s = max(takes_s, 1e-3) * 2.0 ** min(self._failed, 60)
        self._failed += 1
        self._retry_at = now + min(interval_s, wait_s)

    def overcome(self, struck: float) -> bool:
        """A failure is overcome that struck then. Whether it was announced, and found the work saved."""
        announced = self.noticed and (self.notice is None or struck <= self.notice.until)
        self.noticed, self.notice, self._wants = False, None, False
        return announced

    def rolled_back(self) -> None:
        """Everybody begins anew from the last save."""
        self._failed = 0

    def plan(self, now: float, known: Known) -> None:
        """Reckon when the next save is due. A notice may come meanwhile."""
        self._takes_s = known.takes_s
        while True:
            notices = self._notices
            self.due = self._due_at(now, known)
            if notices == self._notices:
                return

    def _due_at(self, now: float, known: Known) -> float:
        if known.under_way:
            return NEVER
        if self._wants and self.notice is not None and now < self.notice.deadline:
            return NOW
        due = self._retry_at if self._failed else known.ends
        latest = self.end(now) - _ROOM * known.takes_s - known.step_s
        return latest if self._saved_at < latest < due else due
