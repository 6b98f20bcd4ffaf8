"""Advice inside a training loop: when to save, learned while the job runs."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cprmodel.advising.beliefs import Beliefs
from cprmodel.advising.books import Save
from cprmodel.advising.choosing import check_job, recovery_of
from cprmodel.advising.memory import Memory
from cprmodel.advising.notices import Notice
from cprmodel.advising.pace import Pace
from cprmodel.advising.schedule import NEVER
from cprmodel.advising.state import State
from cprmodel.advising.stores import store_at
from cprmodel.advising.words import INTERRUPTED
from cprmodel.facts.errors import AdvisorWarning, DomainError
from cprmodel.facts.journal import detail
from cprmodel.facts.strategies import FailureKind, Recovery, RollBack
from cprmodel.jobs import Job
from cprmodel.logs import TrainingLog

__all__ = ["Advisor"]

#: What was learned is written down so long after an event [s], then after twice, four times … as long.
_FIRST_NOTE_S = 1.0


class Advisor(Beliefs):
    """Says when to save, and learns what a save costs and how often the job fails while it runs.

    The interval comes from the formulas that plan the job: under full recovery
    :func:`~cprmodel.formulas.exact_interval`, under partial recovery the interval that keeps the job's accuracy
    budget, or the optimum where failures of the whole job make that shorter. It begins with the plan's figures and
    is reckoned anew after each save and each failure (:mod:`cprmodel.advising.learning` says how it learns).

    Parameters
    ----------
    job : the job as it was planned
    recovery : who rolls back: "full", "partial", or a recovery of :mod:`cprmodel.facts.strategies`; default: what
        :func:`cprmodel.plan` recommends for the job
    state : the file, or URL of fsspec's, in which what was learned outlives this process; None: none
    clock : time in seconds, from any moment on; it must not run backwards
    log : a file to which saves, failures and recoveries are added, for ``cprmodel goodput`` and ``cprmodel fit``
    time_limit_s : the job is ended so long from now, saved or not (:func:`~cprmodel.advising.slurm_time_left_s`)
    adopt : go on with all that the file says, though the plan's machines or saves have changed since

    Raises
    ------
    JobError : the recovery or the job's storage does not fit, or the file is another job's or cannot be written

    Notes
    -----
    In a job of many processes one of them asks and tells the others, for clocks differ
    (:class:`cprmodel.adaptors.torch.AdvisedRanks` does that). The process that took the
    file up last has it; one that had it before warns when it next writes, and leaves it alone. Not thread-safe, but
    :meth:`warned` may be called from a signal handler.

    Examples
    --------
    >>> from cprmodel.presets import load_preset
    >>> times = iter([0.0, 5.0, 9000.0, 9100.0, 9101.0])  # what a clock would say
    >>> advisor = Advisor(load_preset("rsc-1"), state=None, clock=lambda: next(times))
    >>> round(advisor.interval_s)
    7695
    >>> advisor.step(), advisor.step()  # after 5 s, and after two hours and a half
    (False, True)
    >>> advisor.saved(100.0)  # it took 100 s
    >>> advisor.should_save()
    False
    """

    def __init__(
        self,
        job: Job,
        recovery: Recovery | str | None = None,
        state: str | Path | None = "advisor.json",
        *,
        clock: Callable[[], float] = time.monotonic,
        log: str | Path | None = None,
        time_limit_s: float | None = None,
        adopt: bool = False,
    ) -> None:
        if not isinstance(job, Job):
            raise TypeError(f"Advisor: job = {job!r}: expected a cprmodel.Job")
        check_job(job)
        if time_limit_s is not None:
            _check("Advisor", "time_limit_s", time_limit_s)
        began = clock()
        super().__init__(job, recovery_of(job, recovery), clock, began, time_limit_s)
        #: Whether the process before this one ended without a word (:meth:`close`). Set it to False where that was
        #: no failure.
        self.interrupted = False
        self.remarks: tuple[str, ...] = ()  #: what went wrong with the file
        self._before: State | None = None  # what the process before this one wrote last
        self._pausing = False
        self._told = False  # whether this process has done or told anything
        self._steps_before = 0
        self._last, self._long = began, -1.0  # the last step; a longer gap is looked into
        self._note_after, self._note_at = _FIRST_NOTE_S, began + _FIRST_NOTE_S
        self._memory = None if state is None else Memory(store_at(state), job, self._remark, adopt)
        if self._memory is not None:
            self._take_up(self._memory)
        self._pace = Pace(self.steps)
        self._reckon()
        self._log: TrainingLog | None = None if log is None else TrainingLog(log)
        self._log_from = time.time() - began  # dates, by the advisor's clock
        self._tell("start", began)

    # -- in every step ---------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """A step was done. Whether to save now: the same as :meth:`should_save`."""
        self.steps += 1
        now = self._clock()
        gap = now - self._last
        self._last = now
        if now >= self._schedule.due or now >= self._note_at or gap > self._long:
            return self._look(now, gap)
        return False

    def should_save(self) -> bool:
        """Whether to save now: not while a save is under way, nor where one cannot end before an announced end."""
        return self._schedule.asks(self._clock())

    # -- what happens ----------------------------------------------------------------------------------------------

    def saved(self, seconds: float, *, level: str | None = None) -> None:
        """A save has just ended; it kept training waiting for so long [s].

        Saves that the advisor did not ask for count too. For one that failed there is :meth:`save_failed`, for one
        that goes on in the background :meth:`save_started`. With several levels, ``level`` says where it went;
        default: where it should (:attr:`level`).
        """
        _check("saved", "seconds", seconds)
        at = self._level_of("saved", level)
        self._pass()
        self._durable(self._books.start(seconds, 0.0, at), None)

    def save_started(self, blocked_s: float, *, queued_s: float = 0.0, level: str | None = None) -> Save:
        """A save goes on in the background from here; it kept training waiting for so long [s].

        The state as it stands now is safe once :meth:`save_durable` is told. No save is asked for before that.

        Parameters
        ----------
        blocked_s : time for which training has waited: for the copy, say, that is written in the background
        queued_s : time besides for which it waited because an earlier save was still being written
        level : where it goes; default: where it should (:attr:`level`)

        Returns
        -------
        The save, for :meth:`save_durable` and :meth:`save_failed` where several may be under way.
        """
        for name, value in (("blocked_s", blocked_s), ("queued_s", queued_s)):
            _check("save_started", name, value)
        at = self._level_of("save_started", level)
        self._pass()
        save = self._books.start(blocked_s, queued_s, at)
        self._told = True
        self._plan()
        return save

    def save_durable(self, seconds: float | None = None, *, save: Save | None = None) -> None:
        """A save under way can be read back from now on.

        Parameters
        ----------
        seconds : for how long it went on in the background [s]; default: since :meth:`save_started`, by the clock
        save : which one; default: the one that began first

        Notes
        -----
        Told of a save that a failure made void (everybody went back meanwhile), it counts for nothing.
        """
        if seconds is not None:
            _check("save_durable", "seconds", seconds)
        self._pass()
        known = self._under_way(save)
        if known is not None:
            self._durable(known, self._books.now - known.at if seconds is None else seconds)

    def save_failed(self, blocked_s: float = 0.0, *, save: Save | None = None) -> None:
        """A save under way will not be there, or one that blocked failed.

        The next is asked for soon, and later with each that fails: after as long as a save takes, twice, four
        times as long, up to an interval.

        Parameters
        ----------
        blocked_s : time for which training has just waited for it [s], besides what :meth:`save_started` was told
        save : which one; default: the one that began first
        """
        _check("save_failed", "blocked_s", blocked_s)
        self._pass()
        self._books.skip(blocked_s)
        known = self._under_way(save)
        if known is not None:
            self._books.pending.remove(known)
            blocked_s += known.stall_s + known.queued_s
        elif save is not None:
            return
        self.seen = self.seen.with_void_save(blocked_s)
        self._schedule.void(self._books.now, self._takes_s, self.interval_s)
        self._told = True
        self._learned_more()

    def failed(
        self,
        kind: FailureKind | str,
        lost_s: float | None = None,
        recovery_s: float | None = None,
        *,
        unsaved_s: float | None = None,
        healed: bool = False,
        level: str | None = None,
    ) -> None:
        """A failure is overcome, and training goes on from here.

        Parameters
        ----------
        kind : what failed: "shard", "trainer" or "whole_job"
        lost_s : work that was rolled back [s]; default: what stood unsaved by the clock, nothing where nobody rolls
            back; where the failure ended the process before, what stood unsaved when that process last wrote its
            file, and half of the time until it would have written again (half an interval, where it made no steps)
        recovery_s : time from the failure until now [s]; default: as planned
        unsaved_s : work that stands unsaved now [s]; default: none where everybody rolled back, else by the clock
        healed : nobody rolled back, whatever the plan says (a replica took over): for the interval it never was
        level : of several levels, that from which the state was read back; default: the first

        Notes
        -----
        Told before the first step where the process before was :attr:`interrupted`, the failure is the one that
        ended it: the clock did not see that, and ``lost_s`` and ``recovery_s`` stand for the time. A save under way
        is void where everybody rolls back.
        """
        what = _kind(kind)
        response = self.recovery.response(what)
        rolls_back = RollBack.NOBODY if healed else response.rolls_back
        stop_s = response.total_s if recovery_s is None else recovery_s
        read = 0 if level is None else self._level_of("failed", level)
        for name, value in (("lost_s", lost_s or 0.0), ("recovery_s", stop_s), ("unsaved_s", unsaved_s or 0.0)):
            _check("failed", name, value)
        began = self.interrupted and not self._told and self.steps == self._steps_before
        known, books = self._books.now, self._books
        now = self._pass()
        books.skip(math.inf if began else stop_s)
        took_s = self._took(rolls_back, began, read) if lost_s is None else lost_s
        if began:
            stood = self._before.unsaved_s if self._before is not None else 0.0
            unseen = max(0.0, took_s + (unsaved_s or 0.0) - stood) + stop_s
            self.seen = self.seen.after(unseen - (now - known))
        if healed:
            self.seen = self.seen.with_healed(stop_s)
        else:
            announced = self._schedule.overcome(now - stop_s)
            self.seen = self.seen.with_failure(what, rolls_back, took_s, stop_s, announced)
        if began or rolls_back is RollBack.EVERYBODY:
            books.roll_back(read)
            self._schedule.rolled_back()
        if unsaved_s is not None:
            books.stands_unsaved(unsaved_s)
        self._told, self.interrupted = True, False
        self._learned_more()
        self._tell("failure", now - stop_s, kind=what.value)
        self._tell("recovered", now, seconds=stop_s, lost_s=took_s)

    def warned(
        self, lead_s: float | None = None, save: bool | None = None, *, deadline: float | None = None
    ) -> bool:
        """An end is announced, so long ahead [s] or for a moment (a preemption notice, say). Whether to save now.

        It asks for a save at once (of several levels to that of :attr:`level`) if one fits into the lead, or as
        ``save`` says, and for another just before the
        end if that fits. If the next failure comes within twice the lead and finds the work saved, it does not
        count for the interval: announced failures lose nothing that saving more often would keep. Does no input or
        output, and may be called from a signal handler.

        Parameters
        ----------
        lead_s : the end comes so long from now [s]
        save : whether to save for it; default: if that fits
        deadline : in the place of ``lead_s``: when the end comes, in Unix time [s]
        """
        if (lead_s is None) == (deadline is None):
            raise DomainError("warned: expected either lead_s or deadline")
        if lead_s is None:
            assert deadline is not None
            _check("warned", "deadline", deadline)
            lead_s = max(0.0, deadline - time.time())
        _check("warned", "lead_s", lead_s)
        now = self._clock()
        notice = Notice(now, now + lead_s, self._heeds if save is None else save, save is True)
        self._schedule.announce(notice, bool(self._books.pending), self._takes_when_warned_s)
        return self._schedule.asks(now)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What the block does is neither work nor time at risk: an evaluation, a job that its owner suspends.

        Gaps between two steps of more than ten minutes and fifty steps (a process that was stopped, a clock that
        jumped) are taken for pauses of themselves.
        """
        self._pass()
        self._books.skip(0.0)
        self._pausing = True
        try:
            yield
        finally:
            self._pass()
            self._pausing = False
            self._plan()

    def close(self) -> None:
        """Training ends here in order: the next process is told of no interruption."""
        now = self._pass()
        self._write(open_=False)
        self._tell("stop", now)
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _look(self, now: float, gap: float) -> bool:
        """What a step does only now and then."""
        if gap > self._pace.longest_s(self._worked(now - gap), self.steps - 1):
            self._pass(now - gap)
            self._stood_still(gap)
        if self.interrupted and not self._told:
            warnings.warn(f"Advisor: {INTERRUPTED}", AdvisorWarning, stacklevel=3)
        self._told = True
        self._pace.look(self._worked(now), self.steps)
        still = self._pace.longest_s(self._worked(now), self.steps)
        self._long = still if still < NEVER else -1.0
        if now >= self._note_at:
            self._pass(now)
            self._note_after *= 2
            self._write()
            self._note_at = now + self._note_after
        self._plan(now)
        return self._schedule.asks(now)

    def _pass(self, now: float | None = None) -> float:
        """Count the time at risk until now."""
        if now is None:
            now = self._clock()
        if self._pausing:
            self._stood_still(now - self._books.now)
        self.seen = self.seen.after(self._books.advance(now))
        self._last = self._books.now
        return self._books.now

    def _stood_still(self, seconds: float) -> None:
        """So much time has just passed as a pause."""
        self._books.stand(max(0.0, seconds))
        self._last = self._books.now
        self.seen = self.seen.without(max(0.0, seconds))

    def _under_way(self, save: Save | None) -> Save | None:
        """The save that is meant; None where it is void."""
        pending = self._books.pending
        return (pending[0] if pending else None) if save is None else save if save in pending else None

    def _durable(self, save: Save, drain_s: float | None) -> None:
        """A save can be read back, now."""
        self._books.durable(save)
        self.seen = self.seen.with_save(save.stall_s, drain_s=drain_s, queued_s=save.queued_s, level=save.level)
        self._schedule.durable(save, self._books.now)
        self._told = True
        self._learned_more()
        self._tell("save", save.at, seconds=save.stall_s + save.queued_s)

    def _took(self, rolls_back: RollBack, began: bool, level: int) -> float:
        """Work that a failure took, as far as can be told."""
        if rolls_back is RollBack.NOBODY:
            return 0.0
        if not began:
            return self._books.unsaved_s(level)
        before = self._before
        if before is not None and before.until_s:
            return before.unsaved_s + before.until_s / 2
        return max(self.interval_s / 2, before.unsaved_s if before is not None else 0.0)

    def _reckon(self) -> None:
        """The interval by what is known now, and when to look again."""
        self._believe()
        self._note_at = self._books.now + self._note_after
        self._plan()

    def _learned_more(self) -> None:
        """After an event: the interval anew, and what is known into the file."""
        self._note_after = _FIRST_NOTE_S
        self._reckon()
        self._write()

    def _take_up(self, memory: Memory) -> None:
        """Go on with what an earlier process has learned."""
        found, self.interrupted = memory.take_up()
        if found is None:
            return
        self._before = found
        self.seen, self.steps = found.experience, found.steps
        self._schedule.noticed_before(found.noticed)
        self._steps_before = found.steps
        if len(found.saves_since) == len(self._books.saves_since):
            self._books.saves_since = list(found.saves_since)

    def _write(self, open_: bool = True) -> None:
        """Training goes on even where the file cannot be written."""
        if self._memory is None:
            return
        steps = self.steps - self._steps_before
        until_s = self._note_after + (self._step_s(self._books.now) or 0.0) if steps else 0.0
        unsaved_s = max(0.0, self._books.unsaved_s())
        since = tuple(self._books.saves_since)
        self._memory.write(
            State(
                "",
                self.seen,
                self.steps,
                unsaved_s,
                self._schedule.noticed,
                open_,
                until_s=until_s,
                saves_since=since,
            )
        )

    def _tell(self, event: str, at: float, **facts: Any) -> None:
        """A line of the training log, where one is kept; a log that cannot be written is a remark."""
        detail("advising", "%s at %.6g s: %s", event, at, facts)
        if self._log is None:
            return
        try:
            self._log.write(event, self._log_from + at, **facts)
        except OSError as error:
            self._log = None
            self._remark(f"the training log cannot be written ({error.strerror}): training goes on without it")

    def _remarks(self) -> tuple[str, ...]:
        return self.remarks + ((INTERRUPTED,) if self.interrupted else ())

    def _remark(self, text: str) -> None:
        if text not in self.remarks:
            self.remarks = (*self.remarks, text)
            warnings.warn(text, AdvisorWarning, stacklevel=4)


def _kind(kind: FailureKind | str) -> FailureKind:
    try:
        return FailureKind(kind)
    except ValueError:
        known = ", ".join(f'"{one.value}"' for one in FailureKind)
        raise DomainError(f"failed: kind = {kind!r}: expected one of {known}") from None


def _check(method: str, name: str, value: float) -> None:
    if not (isinstance(value, (int, float)) and 0 <= value < math.inf):
        raise DomainError(f"{method}: {name} = {value!r}: expected a number of at least 0")
