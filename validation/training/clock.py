"""Emulated time: what a step, a save and a recovery take is charged from a job, not measured.

Failures are planned at emulated times. Whatever goes on while such a time comes is struck: a step (the processes
that fail are killed in the middle of it), a save (which is void then), a recovery (which begins again).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["EmulatedClock"]


class EmulatedClock:
    """The trainer's clock. ``strike`` has the supervisor carry out a failure, and returns the next ones.

    >>> clock = EmulatedClock(strike=lambda number: [])
    >>> clock.triggers = [{"number": 0, "at_clock_s": 25.0}]
    >>> clock.spend(10.0); clock.spend(20.0)  # struck in the middle of it
    >>> clock.now_s
    25.0
    >>> clock.recovering(60.0)
    >>> clock.recovered(); clock.now_s  # the stop, and what was left of the 20 s
    90.0
    """

    def __init__(self, strike: Callable[[int], list[dict[str, Any]]]) -> None:
        self._strike = strike
        self.now_s = 0.0
        self.triggers: list[dict[str, Any]] = []
        self.struck = False  # a failure has come, and nobody has noticed yet
        self._left = 0.0  # of what goes on
        self._interrupted = 0.0  # what was left of a step when a failure struck it

    def spend(self, seconds: float) -> None:
        """Time goes by; it stops at a failure, and the rest waits until everybody has recovered."""
        self._left += seconds
        while not self.struck and self._left > 0:
            due = next((t for t in self.triggers if "at_clock_s" in t), None)
            if due is None or due["at_clock_s"] >= self.now_s + self._left:
                self.now_s += self._left
                self._left = 0.0
                return
            until = max(0.0, due["at_clock_s"] - self.now_s)
            self._left -= until
            self.now_s += until
            self.struck = True
            self.triggers = self._strike(due["number"])

    def drop(self) -> None:
        """What was going on is not gone on with: a save begins again, a roll-back replays."""
        self._left = self._interrupted = 0.0

    def recovering(self, seconds: float, again: bool = False) -> None:
        """A failure was noticed: time for the stop. ``again``: an earlier stop was struck, and is given up."""
        if not again:
            self._interrupted += self._left
        self._left, self.struck = 0.0, False
        self.spend(seconds)

    def recovered(self) -> None:
        """Go on with what was interrupted."""
        if not self.struck:
            self._left, self._interrupted = self._interrupted, 0.0
            self.spend(0.0)
