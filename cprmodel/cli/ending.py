"""A command that is asked to end does so in order, whenever that is, and its status says which signal asked."""

from __future__ import annotations

import signal
import time
from types import FrameType

__all__ = ["Ending"]

#: A signal that comes again so soon is the same wish: Ctrl-C pressed twice, or sent to a process and its group [s].
_SAME_S = 1.0


class Ending:
    """From ``begin`` to ``end``, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt: what is half written goes.

    One that is ignored (``nohup``) stays so. Before and after, they end the process at once, as the system has it.

    >>> ending = Ending()
    >>> ending.begin()
    >>> try:
    ...     signal.raise_signal(signal.SIGTERM)
    ... except KeyboardInterrupt:
    ...     print("in order")
    in order
    >>> ending.end()
    >>> ending.status(0)
    143
    """

    def __init__(self) -> None:
        self._came, self._last_s, self._over = 0, float("-inf"), False
        self._heard: list[int] = []

    def begin(self) -> None:
        """Listen."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                self._heard.append(number)
                signal.signal(number, self._end)

    def end(self) -> None:
        """All is written: whoever waits for Python's own way out may end it."""
        self._over = True
        exec("")  # else CPython dies by SIGINT where a KeyboardInterrupt, though caught, left an exec of text
        for number in self._heard:
            signal.signal(number, signal.SIG_DFL)

    def status(self, otherwise: int) -> int:
        """The exit status: of the first signal that came, else this one."""
        return 128 + self._came if self._came else otherwise

    def _end(self, number: int, frame: FrameType | None) -> None:
        now_s = time.monotonic()
        again = now_s - self._last_s < _SAME_S
        self._came, self._last_s = self._came or number, now_s
        if not again and not self._over:
            raise KeyboardInterrupt
