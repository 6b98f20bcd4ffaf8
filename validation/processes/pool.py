"""Work on several cores, by processes that share nothing with this one and end with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from cprmodel.facts.errors import CprModelError
from validation.processes.parent import end_with_parent

__all__ = ["Submit", "workers"]

#: Hands in a function and its arguments.
Submit = Callable[..., "Future[Any]"]


@contextlib.contextmanager
def workers(count: int) -> Iterator[Submit]:
    """So many processes to hand work to; whatever ends the block early, nobody waits for what is under way.

    Ctrl-C is for this process, which ends the others. CprModelError where one of them is killed from outside.

    >>> with workers(1) as submit:
    ...     submit(max, 1, 2).result()
    2
    """
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(count, mp_context=context, initializer=end_with_parent) as pool:

        def submit(work: Callable[..., Any], *arguments: Any) -> Future[Any]:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # what it starts never hears it
            try:
                return pool.submit(work, *arguments)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

        try:
            yield submit
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
            if isinstance(error, BrokenProcessPool):
                killed = "one was killed from outside (out of memory?); what is done is kept"
                raise CprModelError(f"this command's processes: expected to live, but {killed}") from None
            raise
