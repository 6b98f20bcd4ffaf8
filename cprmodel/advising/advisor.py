"""Advice inside a training loop: when to save, learned while the job runs."""

from __future__ import annotations

import math
import secrets
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cprmodel.advising.learning import Experience, learned_job
from cprmodel.advising.state import (
    State,
    StateDamaged,
    StateTaken,
    digest_of,
    put_aside,
    put_state,
    read_state,
    sweep,
    turn,
    write_state,
)
from cprmodel.advising.words import reasons
from cprmodel.costing import Exact, check_plain, loses_samples
from cprmodel.facts.errors import AdvisorWarning, DomainError, JobError, Problem
from cprmodel.facts.strategies import FailureKind, Recovery, RollBack
from cprmodel.jobs import Job
from cprmodel.logs import TrainingLog

__all__ = ["Advisor"]

_NEVER = math.inf
_NOW = -math.inf
#: A notice is void when this many times its lead has passed without a failure.
_NOTICE_HOLDS = 2.0


class Advisor:
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
    state : the file in which what was learned outlives this process; None: none
    clock : time in seconds, from any moment on; it must not run backwards
    log : a file to which saves, failures and recoveries are added, for ``cprmodel goodput`` and ``cprmodel fit``

    Raises
    ------
    JobError : the recovery or the job's storage does not fit, or the file is another job's or cannot be written

    Notes
    -----
    In a job of many processes one of them asks and tells the others, for clocks differ. The process that took the
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
    ) -> None:
        if not isinstance(job, Job):
            raise TypeError(f"Advisor: job = {job!r}: expected a cprmodel.Job")
        check_plain(job, "the advisor")
        self.job = job
        self.recovery = _recovery_of(job, recovery)
        self.steps = 0  #: steps so far, those of earlier processes counted
        self.interrupted = False  #: whether the process before this one ended without a word (:meth:`close`)
        self.seen = Experience()  #: what was told so far
        self.remarks: tuple[str, ...] = ()  #: what went wrong with the file
        self._clock = clock
        self._path = None if state is None else Path(state)
        self._digest = digest_of(job)
        self._name = secrets.token_hex(8)  # under which this process has the file
        self._unsaved_then = 0.0  # work that stood unsaved when the state was written
        self._notice: float | None = None  # until when an announced failure is waited for
        self._noticed = False  # and the work was saved since
        self._told = False  # whether this process has done or told anything
        self._began = self._known = self._since = clock()  # time at risk is known, and work unsaved, from here on
        self._steps_before, self._idle_s = 0, 0.0  # at the start; time in this process that was no work
        if self._path is not None:
            self._take_up(self._path)
        self._reckon()
        self._log: TrainingLog | None = None if log is None else TrainingLog(log)
        self._log_from = time.time() - self._began  # dates, by the advisor's clock
        self._tell("start", self._began)

    # -- in every step ---------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """A step was done. Whether to save now: the same as :meth:`should_save`."""
        self.steps += 1
        return self._clock() >= self._due

    def should_save(self) -> bool:
        """Whether to save now."""
        return self._clock() >= self._due

    # -- what happens ----------------------------------------------------------------------------------------------

    def saved(self, seconds: float) -> None:
        """A save has just ended; it kept training waiting for so long [s].

        Saves that the advisor did not ask for count too. A save that failed or was interrupted is none.
        """
        _check("saved", "seconds", seconds)
        now = self._pass()
        self.seen = self.seen.with_save(seconds)
        self._idle_s += seconds
        self._since, self._unsaved_then = now, 0.0
        if self._notice is not None and now > self._notice:
            self._notice = None
        self._noticed = self._notice is not None
        self._told = True
        self._reckon()
        self._write()
        self._tell("save", now, seconds=seconds)

    def failed(
        self,
        kind: FailureKind | str,
        lost_s: float | None = None,
        recovery_s: float | None = None,
        *,
        unsaved_s: float | None = None,
    ) -> None:
        """A failure is overcome, and training goes on from here.

        Parameters
        ----------
        kind : what failed: "shard", "trainer" or "whole_job"
        lost_s : work that was rolled back [s]; default: what stood unsaved by the clock, half an interval where
            the failure ended the process before, nothing where nobody rolls back
        recovery_s : time from the failure until now [s]; default: as planned
        unsaved_s : work that stands unsaved now [s]; default: none where everybody rolled back, else by the clock

        Notes
        -----
        Told before the first step where the process before was :attr:`interrupted`, the failure is the one that
        ended it: the clock did not see that, and ``lost_s`` and ``recovery_s`` stand for the time.
        """
        what = _kind(kind)
        response = self.recovery.response(what)
        stop_s = response.total_s if recovery_s is None else recovery_s
        began = self.interrupted and not self._told and self.steps == self._steps_before
        took_s = self._unsaved(response.rolls_back, stop_s, began) if lost_s is None else lost_s
        for name, value in (("lost_s", took_s), ("recovery_s", stop_s), ("unsaved_s", unsaved_s or 0.0)):
            _check("failed", name, value)
        known = self._known
        now = self._pass()
        if began:
            unseen = max(0.0, took_s + (unsaved_s or 0.0) - self._unsaved_then) + stop_s
            self.seen = self.seen.after(unseen - (now - known))
        announced = self._noticed and (self._notice is None or now - stop_s <= self._notice)
        self.seen = self.seen.with_failure(what, response.rolls_back, took_s, stop_s, announced)
        if unsaved_s is not None:
            self._since = now - unsaved_s
        elif began or response.rolls_back is RollBack.EVERYBODY:
            self._since = now
        else:
            self._since = min(now, self._since + stop_s)
        self._idle_s += 0.0 if began else stop_s
        self._unsaved_then = now - self._since
        self._noticed, self._notice = False, None
        self._told, self.interrupted = True, False
        self._reckon()
        self._write()
        self._tell("failure", now - stop_s, kind=what.value)
        self._tell("recovered", now, seconds=stop_s, lost_s=took_s)

    def warned(self, lead_s: float, save: bool | None = None) -> bool:
        """A failure is announced, so long ahead [s] (a preemption notice, say). Whether to save now.

        It asks for a save at once if one fits into the lead, or as ``save`` says. If the next failure comes within
        twice the lead and finds the work saved, it does not count for the interval: announced failures lose nothing
        that saving more often would keep. Does no input or output, and may be called from a signal handler.
        """
        _check("warned", "lead_s", lead_s)
        now = self._clock()
        self._notice = now + _NOTICE_HOLDS * lead_s
        if save if save is not None else self.save_s <= lead_s:
            self._due = _NOW
        return now >= self._due

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

    # -- what it makes of it ---------------------------------------------------------------------------------------

    @property
    def interval_s(self) -> float:
        """Useful work between two saves, by what is known now [s]."""
        return self._choice.interval_s

    @property
    def save_s(self) -> float:
        """What a save costs, by what is known now [s]."""
        return self._learned.save_s

    @property
    def mtbf_s(self) -> float:
        """Mean time between failures that are not announced, by what is known now [s]."""
        return self._learned.failure_mix.mtbf_s

    @property
    def interval_steps(self) -> int | None:
        """The interval in steps as long as this process's so far, or the plan's; None where neither is known."""
        steps = self.steps - self._steps_before
        worked = self._clock() - self._began - self._idle_s
        step_s = worked / steps if steps and worked > 0 else self.job.job.step_s
        return None if step_s is None else max(1, round(self.interval_s / step_s))

    def why(self) -> str:
        """The interval and its reasons, in words and numbers."""
        now = self._clock()
        return reasons(
            self.job,
            self._learned,
            self._choice,
            self.recovery,
            self.seen.after(now - self._known),
            self.interval_steps,
            announced=self._notice is not None and now <= self._notice,
            due_s=self._due - now,
            remarks=self.remarks + (_INTERRUPTED if self.interrupted else ()),
        )

    # -- inside ----------------------------------------------------------------------------------------------------

    def _pass(self) -> float:
        """Count the time at risk until now."""
        now = self._clock()
        self.seen = self.seen.after(now - self._known)
        self._known = max(now, self._known)
        return self._known

    def _unsaved(self, rolls_back: RollBack, recovery_s: float, began: bool) -> float:
        """Work that a failure took, as far as can be told."""
        if rolls_back is RollBack.NOBODY:
            return 0.0
        if began:
            return self.interval_s / 2
        return max(0.0, self._clock() - recovery_s - self._since)

    def _reckon(self) -> None:
        """The interval by what is known now, and when it ends."""
        self._learned = learned_job(self.job, self.seen)
        self._choice = Exact().next_interval(self._learned, self.recovery, self.job.pls_budget)
        # whole steps: the one that comes nearest to the interval's end is the last before the save
        self._due = self._since + self._choice.interval_s - (self.job.job.step_s or 0.0) / 2

    def _take_up(self, path: Path) -> None:
        """Go on with what an earlier process has learned."""
        try:
            with turn(path):
                self._take_up_alone(path)
        except OSError as error:
            raise JobError(str(path), [Problem("", "", f"a file that can be written ({error.strerror})")]) from None

    def _take_up_alone(self, path: Path) -> None:
        try:
            found = read_state(path)
        except StateDamaged as damaged:
            aside = put_aside(path)
            self._remark(
                f"{path} is damaged ({damaged}): it is kept as {aside.name}, and learning begins with the plan "
                "again"
            )
            found, self.interrupted = None, True
        if found is not None:
            if found.job != self._digest:
                expected = "this job's file: it is another's, or the plan was changed (name another, or remove it)"
                raise JobError(str(path), [Problem("", "", expected)])
            self.seen, self.steps, self._noticed = found.experience, found.steps, found.noticed
            self._steps_before, self._unsaved_then, self.interrupted = found.steps, found.unsaved_s, found.open
        sweep(path)
        put_state(path, self._state(open_=True))

    def _state(self, open_: bool) -> State:
        return State(self._digest, self.seen, self.steps, self._unsaved_then, self._noticed, open_, self._name)

    def _write(self, open_: bool = True) -> None:
        """Training goes on even where the file cannot be written."""
        if self._path is None:
            return
        try:
            with turn(self._path):
                write_state(self._path, self._state(open_))
        except StateTaken:
            self._remark(
                f"{self._path} was taken up by another process: what this one learns is not kept (give each job a "
                "file of its own, and let one process of a job ask)"
            )
            self._path = None
        except OSError as error:
            self._remark(
                f"{self._path} could not be written ({error.strerror}): a restart begins with what it says"
            )

    def _tell(self, event: str, at: float, **facts: Any) -> None:
        """A line of the training log, where one is kept; a log that cannot be written is a remark."""
        if self._log is None:
            return
        try:
            self._log.write(event, self._log_from + at, **facts)
        except OSError as error:
            self._log = None
            self._remark(f"the training log cannot be written ({error.strerror}): training goes on without it")

    def _remark(self, text: str) -> None:
        if text not in self.remarks:
            self.remarks = (*self.remarks, text)
            warnings.warn(text, AdvisorWarning, stacklevel=4)


_INTERRUPTED = (
    "the process before this one ended without a word: if a failure ended it, say so with failed() before a step",
)


def _recovery_of(job: Job, wanted: Recovery | str | None) -> Recovery:
    """The recovery that is meant, if it suits the job."""
    if wanted is None:
        from cprmodel.planning import plan

        wanted = plan(job).best.strategy.recovery
    elif isinstance(wanted, str):
        named: dict[str, Recovery] = {one.name: one for one in (job.full_recovery, job.partial_recovery)}
        if wanted not in named:
            raise JobError("Advisor", [Problem("recovery", f'"{wanted}"', '"full" or "partial"')])
        wanted = named[wanted]
    if loses_samples(wanted):
        if job.cluster.embedding_shards is None:
            expected = "a number of shards, for partial recovery"
            raise JobError("Advisor", [Problem("cluster.embedding_shards", "", expected)])
        if job.pls_budget is None:
            expected = "a budget, without which nothing bounds the interval of partial recovery"
            raise JobError("Advisor", [Problem("accuracy", "", expected)])
    return wanted


def _kind(kind: FailureKind | str) -> FailureKind:
    try:
        return FailureKind(kind)
    except ValueError:
        known = ", ".join(f'"{one.value}"' for one in FailureKind)
        raise DomainError(f"failed: kind = {kind!r}: expected one of {known}") from None


def _check(method: str, name: str, value: float) -> None:
    if not (isinstance(value, (int, float)) and 0 <= value < math.inf):
        raise DomainError(f"{method}: {name} = {value!r}: expected a number of at least 0")
