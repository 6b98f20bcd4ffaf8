"""PyTorch with many ranks: one advisor, one decision for all, no word between ranks in a step that needs none."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import distributed

from cprmodel.adaptors.ahead import decided
from cprmodel.advising import Advisor
from cprmodel.facts.errors import AdvisorWarning, DomainError, JobError, Problem
from cprmodel.facts.strategies import FailureKind, Recovery
from cprmodel.jobs import Job

__all__ = ["AdvisedRanks"]

#: Whether to save for a notice, as numbers of which the greatest counts.
_HOW, _NOTHING = {-1: False, 0: None, 1: True}, -2


@dataclass(frozen=True)
class _Writing:
    """A save that goes on in the background."""

    future: Any
    save: Any
    then: Callable[[], Any] | None


class AdvisedRanks:
    """An advisor for all ranks of a job: each calls :meth:`step` after each step, and all get the same answer.

    Rank 0 has the advisor (and its file), and names the next step at which the ranks meet: the one at which a save
    will be due, or the one in about ``notice_s``. There they exchange five numbers over gloo, on the CPU, whatever
    the backend; in between a step costs a comparison. A notice may come to any rank; it is heard where they meet.

    Parameters
    ----------
    job, recovery, state : as :class:`cprmodel.Advisor` takes them; ``state`` is looked at on rank 0 alone
    notice_s : how late a notice may be heard [s]
    options : the others of :class:`cprmodel.Advisor` (``clock``, ``log``, ``time_limit_s``, ``adopt``)

    Raises
    ------
    JobError : on every rank, where the advisor refuses the job or the file

    Notes
    -----
    Made after ``init_process_group``, on every rank (it makes a group of its own); without one there is one rank.
    All ranks must call :meth:`step` equally often. What happened is told on every rank, and counts on rank 0.
    ``examples/advised_ranks.py`` is a whole script.

    Examples
    --------
    >>> from cprmodel.presets import load_preset
    >>> ranks = AdvisedRanks(load_preset("rsc-1"), state=None)
    >>> ranks.step()  # it is too early
    False
    >>> ranks.warned(lead_s=3600.0)  # on any rank, from a signal handler
    >>> ranks.step()
    True
    """

    def __init__(
        self,
        job: Job,
        recovery: Recovery | str | None = None,
        state: str | Path | None = "advisor.json",
        *,
        notice_s: float = 10.0,
        **options: Any,
    ) -> None:
        if not notice_s > 0:
            raise DomainError(f"AdvisedRanks: notice_s = {notice_s!r}: expected a time above 0")
        alone = not (distributed.is_available() and distributed.is_initialized())
        self._many = not alone and distributed.get_world_size() > 1
        self.rank = distributed.get_rank() if self._many else 0
        self._group = distributed.new_group(backend="gloo") if self._many else None
        self._notice_s = notice_s
        self._step, self._meets_at = 0, 1
        self._notices: deque[tuple[float, int]] = deque()  # of this rank, by its clock: deadline, and how
        self._writing: list[_Writing] = []
        self.ending = False  #: an end is announced before which no other save fits
        self.advisor: Advisor | None = None  #: on rank 0
        refused: Exception | None = None
        if self.rank == 0:
            try:
                self.advisor = Advisor(job, recovery, state, **options)
            except Exception as error:
                refused = error
        found: list[Any] = [refused and str(refused), self.advisor is not None and self.advisor.interrupted]
        if self._many:  # the others must hear of it, or wait for ever
            distributed.broadcast_object_list(found, src=0, group=self._group)
        if refused is not None:
            raise refused
        if found[0] is not None:
            raise JobError("AdvisedRanks", [Problem("", "", f"what rank 0 expects: {found[0]}")])
        self.interrupted = bool(found[1])  #: whether the processes before these ended without a word

    # -- in every step ---------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """A step was done. Whether to save now: on all ranks the same."""
        self._step += 1
        due = self.advisor.step() if self.advisor is not None else False
        if self._writing:
            self._look_after()
        return self._meet(due) if self._step >= self._meets_at else False

    def _meet(self, due: bool) -> bool:
        """Hear what came to any rank, and do as rank 0 says."""
        soon, how = -math.inf, float(_NOTHING)
        while self._notices:  # a signal handler may add to them
            deadline, wanted = self._notices.popleft()
            soon, how = max(soon, -max(0.0, deadline - time.monotonic())), max(how, wanted)
        if not self._many:
            decided = self._decided(self._heard(soon, how, due))
        else:
            numbers = torch.tensor([soon, how, *self._decided(due)], dtype=torch.float64)
            distributed.all_reduce(numbers, distributed.ReduceOp.MAX, group=self._group)
            soon, how, *decided = numbers.tolist()
            if soon > -math.inf:
                numbers = torch.tensor(self._decided(self._heard(soon, how, due)), dtype=torch.float64)
                distributed.broadcast(numbers, src=0, group=self._group)
                decided = numbers.tolist()
        self._meets_at = self._step + int(decided[1])
        self.ending = bool(decided[2])
        return bool(decided[0])

    def _heard(self, soon: float, how: float, due: bool) -> bool:
        """Rank 0 takes in that somebody heard of an end. Whether to save."""
        if self.advisor is None or soon == -math.inf:
            return due
        return self.advisor.warned(-soon, _HOW[int(how)])

    def _decided(self, due: bool) -> list[float]:
        """What rank 0 says: whether to save, in how many steps to meet again, whether it is the end."""
        return decided(self.advisor, due, self._notice_s, self._many)

    # -- what happens ----------------------------------------------------------------------------------------------

    def warned(
        self, lead_s: float | None = None, save: bool | None = None, *, deadline: float | None = None
    ) -> None:
        """An end is announced to this rank: as :meth:`cprmodel.Advisor.warned`; the next meeting hears of it.

        Does nothing else, and may be called from a signal handler (:func:`cprmodel.advising.on_signals`).
        """
        if (lead_s is None) == (deadline is None):
            raise DomainError("warned: expected either lead_s or deadline")
        left = lead_s if lead_s is not None else max(0.0, (deadline or 0.0) - time.time())
        if not 0 <= left < math.inf:
            raise DomainError(f"warned: lead_s = {left!r}: expected a number of at least 0")
        self._notices.append((time.monotonic() + left, 0 if save is None else 1 if save else -1))

    def saved(self, seconds: float, **options: Any) -> None:
        """As :meth:`cprmodel.Advisor.saved`: a save of all ranks has ended."""
        if self.advisor is not None:
            self.advisor.saved(seconds, **options)

    def save_started(
        self,
        blocked_s: float,
        future: Any,
        *,
        then: Callable[[], Any] | None = None,
        queued_s: float = 0.0,
        level: str | None = None,
    ) -> None:
        """A save goes on in the background, as ``torch.distributed.checkpoint.async_save`` has it.

        Parameters
        ----------
        blocked_s : time for which training has waited [s]
        future : what ``async_save`` returned, with ``done()`` and ``result()``: :meth:`step` sees when it is done,
            and whether it failed
        then : called once when the save is there, on rank 0: to name it, or to remove older ones; where it raises,
            the save has failed
        queued_s : time besides for which it waited because an earlier save was still being written [s]
        level : as :meth:`cprmodel.Advisor.save_started` takes it

        Notes
        -----
        ``async_save`` itself waits while an earlier save is being written. No save is asked for meanwhile, so that
        this happens only with saves that were not asked for.
        """
        advisor = self.advisor
        save = None if advisor is None else advisor.save_started(blocked_s, queued_s=queued_s, level=level)
        self._writing.append(_Writing(future, save, then))

    def save_failed(self, blocked_s: float = 0.0) -> None:
        """As :meth:`cprmodel.Advisor.save_failed`: a save that blocked has failed, on any rank."""
        if self.advisor is not None:
            self.advisor.save_failed(blocked_s)

    def failed(self, kind: FailureKind | str, *times: float | None, **options: Any) -> None:
        """As :meth:`cprmodel.Advisor.failed`: a failure is overcome, on all ranks."""
        self.interrupted = False
        if self.advisor is not None:
            self.advisor.failed(kind, *times, **options)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """As :meth:`cprmodel.Advisor.paused`."""
        with contextlib.ExitStack() as stack:
            if self.advisor is not None:
                stack.enter_context(self.advisor.paused())
            yield

    def close(self) -> None:
        """Training ends here in order. Waits for saves under way, in which all ranks have a part."""
        for one in list(self._writing):
            with contextlib.suppress(Exception):
                one.future.result()
        self._look_after()
        if self.advisor is not None:
            self.advisor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def _look_after(self) -> None:
        """Tell the advisor of saves that have ended in the background."""
        for one in [one for one in self._writing if one.future.done()]:
            self._writing.remove(one)
            if self.advisor is None:  # rank 0 tells what became of it
                continue
            try:
                one.future.result()
                if one.then is not None:
                    one.then()
            except Exception as error:
                warnings.warn(f"a save in the background failed: {error}", AdvisorWarning, stacklevel=3)
                self.advisor.save_failed(save=one.save)
            else:
                self.advisor.save_durable(save=one.save)
