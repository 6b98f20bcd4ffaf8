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
    >>> schedule.announce(Notice(given=0.0, deadline=100.0, wanted=True), under_way=False)
    >>> schedule.asks(0.0), schedule.asks(50.0)  # 60 s fit before the end, and then they do not
    (True, False)

    A notice may come from a signal handler between any two instructions: it only sets ``notice`` (and ``due``), and
    what else is known of one is said of that very notice, so that a newer one is never taken for it.
    """

    def __init__(self, ends: float) -> None:
        self.due = NEVER
        self.notice: Notice | None = None  #: the last that came
        self._noticed_before = False
        self._over: Notice | None = None  # what it announced has happened
        self._served: Notice | None = None  # a save that began after it is durable
        self._saved: Notice | None = None  # one that became durable after it
        self._ends = ends  # the job's time limit
        self._failed, self._retry_at = 0, NOW  # saves that failed since the last durable one
        self._saved_at = NOW  # when the last durable save began
        self._takes_s = 0.0

    def asks(self, now: float) -> bool:
        """Whether to save now."""
        return now >= self.due and self.fits(now)

    def fits(self, now: float) -> bool:
        """Whether a save that begins now is there before an announced end, or is to be tried all the same."""
        notice = self._live()
        forced = notice is not None and notice.forced and notice is not self._served
        return forced or now + self._takes_s <= self.end(now)

    def end(self, now: float) -> float:
        """The end that is announced; NEVER where there is none."""
        notice = self._live()
        return self._ends if notice is None or notice.deadline <= now else min(self._ends, notice.deadline)

    def announced(self, now: float) -> bool:
        """Whether an end is announced that may still come."""
        notice = self._live()
        return notice is not None and now <= notice.until

    @property
    def noticed(self) -> bool:
        """Whether an end is announced, and the work was saved since."""
        notice = self._live()
        return self._noticed_before if notice is None else notice is self._saved

    def noticed_before(self, noticed: bool) -> None:
        """Whether the process before this one ended so."""
        self._noticed_before = noticed

    def announce(self, notice: Notice, under_way: bool, takes_s: float | None = None) -> None:
        """An end is announced; perhaps from a signal handler. ``takes_s``: of the save for it."""
        self.notice = notice
        self._takes_s = self._takes_s if takes_s is None else takes_s
        if notice.wanted and not under_way:
            self.due = NOW

    def durable(self, save: Save, now: float) -> None:
        """A save can be read back."""
        notice = self._live()
        self._saved = notice if notice is not None and now <= notice.until else None
        if notice is not None and save.at - save.stall_s - save.queued_s >= notice.given:
            self._served = notice
        self._noticed_before = False
        self._failed = 0
        self._saved_at = max(self._saved_at, save.at)

    def void(self, now: float, takes_s: float, interval_s: float) -> None:
        """A save has failed: another one later, and later each time."""
        wait_s = max(takes_s, 1e-3) * 2.0 ** min(self._failed, 60)
        self._failed += 1
        self._retry_at = now + min(interval_s, wait_s)

    def overcome(self, struck: float) -> bool:
        """A failure is overcome that struck then. Whether it was announced, and found the work saved."""
        notice = self._live()
        announced = self.noticed and (notice is None or struck <= notice.until)
        self._over, self._noticed_before = notice, False
        return announced

    def rolled_back(self) -> None:
        """Everybody begins anew from the last save."""
        self._failed = 0

    def plan(self, now: float, known: Known) -> None:
        """Reckon when the next save is due. A notice may come meanwhile."""
        self._takes_s = known.takes_s
        while True:
            notice = self.notice
            self.due = self._due_at(now, known)
            if notice is self.notice:
                return

    def _live(self) -> Notice | None:
        """The notice that is in force."""
        notice = self.notice
        return None if notice is self._over else notice

    def _due_at(self, now: float, known: Known) -> float:
        if known.under_way:
            return NEVER
        notice = self._live()
        if notice is not None and notice.wanted and notice is not self._served and now < notice.deadline:
            return NOW
        due = self._retry_at if self._failed else known.ends
        latest = self.end(now) - _ROOM * known.takes_s - known.step_s
        return latest if self._saved_at < latest < due else due
