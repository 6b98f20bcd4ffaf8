"""What may come of an input, whatever is in it: an answer in finite numbers, or one line."""

from __future__ import annotations

import contextlib
import io
import re
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any
from unittest import mock

__all__ = ["LONGEST_S", "MOST_BYTES", "Fault", "command", "reader"]

#: Seconds of processor time that one input may take on a slow machine.
LONGEST_S = 30
#: Bytes by which one input may raise the memory of the process.
MOST_BYTES = 1_500_000_000
_NO_NUMBER = re.compile(r"(?<![\w.-])-?(?:nan|inf|infinity)(?![\w.-])", re.I)


class Fault(Exception):
    """What should never come of an input."""


class _TooLong(BaseException):
    pass


def _alarm(number: int, frame: FrameType | None) -> None:
    raise _TooLong


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    before = _memory()
    old = signal.signal(signal.SIGVTALRM, _alarm)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_S)
    begin = time.monotonic()
    try:
        yield
    except _TooLong:
        raise Fault(f"it takes over {LONGEST_S} s") from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)
    if time.monotonic() - begin > 10 * LONGEST_S:
        raise Fault("it waits")
    if _memory() - before > MOST_BYTES:
        raise Fault(f"it takes {(_memory() - before) / 1e9:.1f} GB of memory")


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reader(read: Callable[[], Any], allowed: tuple[type[BaseException], ...]) -> None:
    """Reading gives something, or one of the errors whose text is a line for each problem."""
    try:
        with _bounded(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read()
    except allowed as error:
        wanted = len(getattr(error, "problems", "1"))
        if len(str(error).split("\n")) != wanted or not str(error).strip():
            raise Fault(f"its text is not one line: {str(error)[:200]!r}") from error
    except Fault:
        raise
    except BaseException as error:
        raise Fault(f"{type(error).__name__}: {str(error)[:200]}") from error


def command(words: list[str], content: bytes, main: Callable[[], None]) -> None:
    """A command ends with 0 or 1 and finite numbers, or with 2 and a line for each problem on standard error."""
    out, said = io.StringIO(), io.StringIO()
    status: Any = None
    try:
        with (
            _bounded(),
            mock.patch.object(sys, "argv", words),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(said),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            try:
                main()
            except SystemExit as ended:
                status = ended.code
    except Fault:
        raise
    except BaseException as error:
        raise Fault(f"{type(error).__name__}: {str(error)[:200]}") from error
    lines = said.getvalue().strip().split("\n")
    if status == 2:
        if any(not line.startswith(f"{words[0]}: ") or len(line) > 2000 for line in lines) or len(lines) > 51:
            raise Fault(f"what is wrong is not one line: {said.getvalue()[:300]!r}")
        for line in lines:
            if not line.isprintable():
                raise Fault(f"control characters in {line!r}")
        return
    if status not in (0, 1, None):
        raise Fault(f"status {status}: {said.getvalue()[:300]!r}")
    shown = out.getvalue() + said.getvalue()
    if "Traceback" in shown or "Error" in said.getvalue():
        raise Fault(f"it says {said.getvalue()[:300]!r}")
    found = _NO_NUMBER.search(shown)
    if found and not _NO_NUMBER.search(content.decode("utf-8", "replace")):
        raise Fault(f"{found[0]} in what is printed: {shown[max(0, found.start() - 60) : found.end() + 20]!r}")
    if any(not (one.isprintable() or one in "\n\u00ad") for one in shown):
        bad = next(one for one in shown if not (one.isprintable() or one in "\n\u00ad"))
        raise Fault(f"a control character is printed: {bad!r}")
