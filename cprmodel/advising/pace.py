"""How long steps take now, and what is no step: a process that was stopped, a clock that jumped."""

from __future__ import annotations

import math

__all__ = ["Pace"]

#: A gap between two steps is time that the job stood still if it is longer than this [s], and than so many steps.
_STILL_S, _STILL_STEPS = 600.0, 50
#: Steps over which their length is taken.
_WINDOW = 10


class Pace:
    """The length of a step, over the last stretch of steps and the one before.

    >>> pace = Pace(steps=0)
    >>> for step in (10, 20, 30):  # ten steps of a minute, then twenty of a second
    ...     pace.look(work_s=600.0 + (step - 10), steps=step)
    >>> pace.step_s(621.0, 31)
    1.0
    """

    def __init__(self, steps: int) -> None:
        self._marks = [(0.0, steps), (0.0, steps)]

    def look(self, work_s: float, steps: int) -> None:
        """So much work was done in this process until this step."""
        if steps - self._marks[-1][1] >= _WINDOW:
            self._marks = [self._marks[-1], (work_s, steps)]

    def step_s(self, work_s: float, steps: int) -> float | None:
        """Work in a step [s]; None before there is one."""
        work, before = self._marks[0]
        return (work_s - work) / (steps - before) if steps > before and work_s > work else None

    def longest_s(self, work_s: float, steps: int) -> float:
        """A gap that is longer is none of work [s]; infinite while too few steps are known."""
        step = self.step_s(work_s, steps)
        if step is None or steps - self._marks[0][1] < _WINDOW:
            return math.inf
        return max(_STILL_S, _STILL_STEPS * step)
