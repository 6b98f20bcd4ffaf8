"""Many processes, one decision: what the one with the advisor says to the others, and when they ask again."""

from __future__ import annotations

from cprmodel.advising import Advisor

__all__ = ["decided"]

#: The processes meet at least every so many steps: the length of steps may change.
_MOST_STEPS = 1000


def decided(advisor: Advisor | None, due: bool, notice_s: float, many: bool = True) -> list[float]:
    """Whether to save, in how many steps to ask again, whether it is the end; zeros from who has no advisor.

    The next meeting is the step at which a save will be due, or the one in about ``notice_s``.

    >>> from cprmodel.presets import load_preset
    >>> decided(Advisor(load_preset("rsc-1"), state=None), False, notice_s=10.0)  # steps are not known yet
    [0.0, 1.0, 0.0]
    """
    if advisor is None:
        return [0.0, 0.0, 0.0]
    step_s, ahead = advisor.step_s, 1.0
    if many and step_s is not None and not advisor.announced:
        left_s = advisor.due_in_s()
        if advisor.job.job.step_s is None:  # else the advisor knows which step comes nearest
            due = due or (left_s < step_s / 2 and not advisor.saving)
        ahead = round(min(notice_s, advisor.interval_s if due else left_s) / step_s)
    return [float(due), float(max(1, min(ahead, _MOST_STEPS))), float(advisor.ending)]
