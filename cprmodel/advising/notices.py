"""Ends that are announced: a preemption, a job's time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Notice", "on_signals", "slurm_time_left_s"]

#: A notice is void when this many times its lead has passed without a failure.
_HOLDS = 2.0


@dataclass(frozen=True, eq=False)
class Notice:
    """An end that somebody announced, by the advisor's clock."""

    given: float  #: when it came [s]
    deadline: float  #: when the end comes [s]
    wanted: bool  #: whether to save for it
    forced: bool = False  #: even if that does not fit

    @property
    def until(self) -> float:
        """A failure that comes until then is the one that was announced [s]."""
        return self.given + _HOLDS * (self.deadline - self.given)


@contextlib.contextmanager
def on_signals(warned: Callable[[float], Any], leads_s: Mapping[int, float]) -> Iterator[None]:
    """While the block runs, a signal is a notice: the process goes on and has so long [s] to save.

    Slurm sends SIGTERM ``KillWait`` (30 s) before SIGKILL, or what ``--signal=USR1@120`` says so long before the
    limit; Kubernetes SIGTERM ``terminationGracePeriodSeconds`` (30 s) before. The handlers that were there are
    put back at the end. ``warned`` is :meth:`cprmodel.Advisor.warned`, or that of an adaptor. Only in the main
    thread (ValueError).

    >>> told = []
    >>> with on_signals(told.append, {signal.SIGUSR1: 120.0}):
    ...     signal.raise_signal(signal.SIGUSR1)
    >>> told
    [120.0]
    """

    def take(number: int, frame: Any) -> None:
        warned(leads_s[number])

    before = {}
    try:
        for number in leads_s:
            before[number] = signal.signal(number, take)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def slurm_time_left_s() -> float | None:
    """Until the job's time limit, by what Slurm says in ``SLURM_JOB_END_TIME`` [s]; None elsewhere.

    >>> os.environ["SLURM_JOB_END_TIME"] = str(time.time() + 3600)
    >>> round(slurm_time_left_s())
    3600
    >>> del os.environ["SLURM_JOB_END_TIME"]
    >>> slurm_time_left_s() is None
    True
    """
    try:
        return max(0.0, float(os.environ["SLURM_JOB_END_TIME"]) - time.time())
    except (KeyError, ValueError):
        return None
