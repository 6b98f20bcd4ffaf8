"""What an advisor makes of what it was told: interval, save cost, failure rate, and when the next save is due."""

from __future__ import annotations

from collections.abc import Callable

from cprmodel.advising.books import Books
from cprmodel.advising.choosing import choose, heeds, periods_of
from cprmodel.advising.learning import Experience, learned_job, learned_save_s
from cprmodel.advising.pace import Pace
from cprmodel.advising.schedule import NEVER, Known, Schedule
from cprmodel.advising.words import reasons
from cprmodel.facts.errors import DomainError
from cprmodel.facts.strategies import Recovery
from cprmodel.jobs import Job, Level

__all__ = ["Beliefs"]

#: Sums of what was seen that :meth:`Beliefs.numbers` has.
_SEEN = (
    "saves",
    "void",
    "failures",
    "announced",
    "healed",
    "exposure_s",
    "waiting_s",
    "lost_s",
    "recovering_s",
    "paused_s",
)


class Beliefs:
    """The half of :class:`cprmodel.Advisor` that is asked; the other half is told."""

    def __init__(
        self, job: Job, recovery: Recovery, clock: Callable[[], float], began: float, time_limit_s: float | None
    ) -> None:
        self.job, self.recovery = job, recovery
        self.steps = 0  #: steps so far, those of earlier processes counted
        self.seen = Experience()  #: what was told so far
        self._clock = clock
        self._levels = [one.name or f"level {at + 1}" for at, one in enumerate(job.checkpoint.level or ())]
        self._books = Books(began, len(self._levels) or 1)
        self._schedule = Schedule(NEVER if time_limit_s is None else began + time_limit_s)
        self._pace = Pace(0)

    @property
    def interval_s(self) -> float:
        """Useful work between two saves, by what is known now [s]."""
        return self._choice.interval_s

    @property
    def save_s(self) -> float:
        """For how long a save (to the first level) keeps training waiting, by what is known now [s]."""
        return learned_save_s(self.job, self.seen)

    @property
    def mtbf_s(self) -> float:
        """Mean time between failures (those not announced, unless the plan saves on warnings), as known now [s]."""
        return self._learned.failure_mix.mtbf_s

    @property
    def level(self) -> str | None:
        """Where the next save goes; None without ``[[checkpoint.level]]``."""
        return self._levels[self._next_level] if self._levels else None

    @property
    def unsaved_s(self) -> float:
        """Work that a failure now would take, done since the start of the last save that is durable [s]."""
        return self._books.unsaved_s() + max(0.0, self._clock() - self._books.now)

    @property
    def saving(self) -> bool:
        """Whether a save is under way."""
        return bool(self._books.pending)

    @property
    def announced(self) -> bool:
        """Whether an end is announced that has not come yet."""
        return self._schedule.announced(self._clock())

    @property
    def ending(self) -> bool:
        """Whether an end is announced and no other save fits before it, so that more training is lost."""
        now = self._clock()
        return now < self._schedule.end(now) < NEVER and not self.saving and not self._schedule.fits(now)

    @property
    def step_s(self) -> float | None:
        """How long steps took lately, or by the plan [s]; None where neither is known."""
        return self._step_s(self._clock())

    @property
    def interval_steps(self) -> int | None:
        """The interval in steps as long as they were lately, or the plan's; None where neither is known."""
        step_s = self.step_s
        return None if step_s is None else max(1, round(self.interval_s / step_s))

    def due_in_s(self) -> float:
        """Until a save is asked for, by what is known now [s]; one under way is taken to be durable soon."""
        now, pending = self._clock(), self._books.pending
        if not pending:
            return max(0.0, self._schedule.due - now)
        due = now + self.interval_s - (self._worked(now) - pending[-1].work)
        return max(due - now, self._takes_s / 10)

    def numbers(self) -> dict[str, float]:
        """What :meth:`why` says, for a dashboard: times in seconds, counts since the beginning.

        >>> from cprmodel import Advisor, load_preset
        >>> advisor = Advisor(load_preset("rsc-1"), state=None)
        >>> advisor.numbers()["save_s"]
        300.0
        """
        now = self._clock()
        seen = self.seen.after(now - self._books.now)
        found = {one: getattr(self, one) for one in ("interval_s", "save_s", "mtbf_s", "unsaved_s", "steps")}
        found |= {
            "due_in_s": self.due_in_s(),
            "drain_s": self._learned.checkpoint.drains_s,
            "failures": seen.failures,
        }
        found |= {one: getattr(seen, one) for one in _SEEN}
        if seen.overhead_fraction is not None:
            found["overhead_fraction"] = seen.overhead_fraction
        return found

    def why(self) -> str:
        """The interval and its reasons, in words and numbers."""
        now = self._clock()
        return reasons(
            self.job,
            self._learned,
            self._choice,
            self.recovery,
            self.seen.after(now - self._books.now),
            self.interval_steps,
            announced=self.announced,
            due_s=self._schedule.due - now,
            remarks=self._remarks(),
        )

    @property
    def _takes_s(self) -> float:
        """From the beginning of a save until it can be read back [s]."""
        point = self._learned.checkpoint
        if self._learned.plain:
            return self.save_s
        return self._writes_s(None if point.level is None else point.level[self._next_level])

    @property
    def _takes_when_warned_s(self) -> float:
        """The same of a save on a warning [s]."""
        point = self._learned.checkpoint
        to = self._warned_level
        return self._takes_s if to is None else self._writes_s((point.level or ())[to])

    @property
    def _warned_level(self) -> int | None:
        """Where a save on a warning goes; None without levels, and where the plan makes none."""
        warned = getattr(self._choice.saving, "warned", None)
        if warned is None or not self._levels:
            return None
        return len(self._levels) - 1 if warned.level is None else int(warned.level)

    @property
    def _next_level(self) -> int:
        """Where the next save goes."""
        to = self._warned_level
        if to is not None and self._schedule.announced(self._clock()):
            return to
        return self._books.next_level(self._periods)

    def _writes_s(self, level: Level | None) -> float:
        """From the beginning of a save to a level until it can be read back [s]."""
        point = self._learned.checkpoint
        drains = point.drains_s if level is None or level is (point.level or ())[-1] else 0.0
        return sum(point.stall_and_copy_s(level)) + drains

    def _step_s(self, now: float) -> float | None:
        return self._pace.step_s(self._worked(now), self.steps) or self.job.job.step_s

    def _worked(self, now: float) -> float:
        return self._books.work + max(0.0, now - self._books.now)

    def _remarks(self) -> tuple[str, ...]:
        """What else there is to say."""
        return ()

    def _believe(self) -> None:
        """The interval by what is known now."""
        self._learned = learned_job(self.job, self.seen)
        self._choice = choose(self._learned, self.recovery)
        self._periods = periods_of(self._choice, self.recovery)
        self._heeds = heeds(self._learned, self._choice)
        self._pace.look(self._books.work, self.steps)

    def _plan(self, now: float | None = None) -> None:
        """When to ask for a save."""
        books = self._books
        if now is None:
            now = books.now
        # whole steps: the one that comes nearest to the interval's end is the last before the save
        ends = books.now + self.interval_s - books.unsaved_s() - (self.job.job.step_s or 0.0) / 2
        self._schedule.plan(now, Known(ends, self._takes_s, self._step_s(now) or 0.0, bool(books.pending)))

    def _level_of(self, method: str, level: str | None) -> int:
        if level is None:
            return self._next_level if self._levels else 0
        if level not in self._levels:
            known = ", ".join(f'"{one}"' for one in self._levels) or "none: the plan has no levels"
            raise DomainError(f"{method}: level = {level!r}: expected one of {known}")
        return self._levels.index(level)
