"""Deaths that nobody planned: when a run is given up, and what is said then.

A process that ends by itself again and again has a fault, and will go on so. One that is killed from outside (by a
system that is short of memory, a scheduler, a person) has none: the run goes on as long as anything is done at all.
"""

from __future__ import annotations

import signal
from collections import Counter

__all__ = ["MOST_OF_ITS_OWN", "Deaths", "how"]

#: Deaths by a process's own fault, without one step between them, after which a run is given up.
MOST_OF_ITS_OWN = 5
#: Signals that a process raises by what it does; all others come from outside.
_OWN = {"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP", "SIGXFSZ", "SIGPIPE"}


def how(status: int) -> str:
    """How a process ended, in words.

    >>> how(1), how(-9)
    ('exit status 1', 'SIGKILL')
    """
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


class Deaths:
    """Those since the last step. ``patience_s``: how long kills from outside may keep a run from any step."""

    def __init__(self, patience_s: float) -> None:
        self.patience_s = patience_s
        self._own = 0
        self._outside: Counter[str] = Counter()
        self._since: float | None = None  # when the first kill from outside was seen

    def stepped(self) -> None:
        """A step was done."""
        self._own = 0
        self._outside.clear()
        self._since = None

    def died(self, name: str, status: int, last_words: str, now: float) -> str | None:
        """One more; why the run should be given up, or None.

        >>> deaths = Deaths(patience_s=600.0)
        >>> [deaths.died("shard-1", -9, "", now) for now in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)] == [None] * 7
        True
        >>> print(deaths.died("trainer", -9, "", 700.0))  # and how to resume
        trainer: killed from outside again and again (8 times by SIGKILL in 700 s without a step between); ...
        """
        said = how(status)
        if status >= 0 or said in _OWN:
            self._own += 1
            if self._own > MOST_OF_ITS_OWN:
                return f"{name}: it dies again and again on its own, last with {said} ({last_words})"
            return None
        self._since = now if self._since is None else self._since
        self._outside[said] += 1
        if now - self._since <= self.patience_s:
            return None
        times = ", ".join(f"{number} times by {one}" for one, number in sorted(self._outside.items()))
        return (
            f"{name}: killed from outside again and again ({times} in {now - self._since:.0f} s without a step "
            "between); when that has ended, the same command with --resume goes on"
        )
