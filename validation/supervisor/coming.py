"""The failures that are planned and have not come yet."""

from __future__ import annotations

from typing import Any

from validation.supervisor.folder import Folder

__all__ = ["Coming"]


class Coming(Folder):
    """Which failure is next, by step or by time."""

    def _next_triggers(self) -> list[dict[str, Any]]:
        """For each phase the next failure that waits for a step, as the trainer needs to know it."""
        found: dict[str, dict[str, Any]] = {}
        waiting = [
            (failure.at_step, number, failure.phase)
            for number, failure in enumerate(self.failures)
            if number not in self.done_failures and failure.at_step is not None and not self.trained
            if failure.into is None or self.pace.has_read
        ]
        for at_step, number, phase in sorted(waiting):
            found.setdefault(phase, {"number": number, "at_step": at_step, "phase": phase})
        triggers = list(found.values())
        timed = self._next_timed() if self.case.clock else None
        if timed is not None:
            triggers.append({"number": timed, "at_clock_s": self.failures[timed].at_s})
        return triggers

    def _next_timed(self) -> int | None:
        if self.trained:
            return None
        timed = [
            (failure.at_s, number)
            for number, failure in enumerate(self.failures)
            if failure.at_s is not None and number not in self.done_failures
        ]
        return min(timed)[1] if timed else None

    def _due(self) -> tuple[int, float] | None:
        """The next failure at a time, and when it comes by this machine's clock: infinite where it is to wait."""
        number = None if self.case.clock or self.begun_at is None else self._next_timed()
        if number is None:
            return None
        assert self.begun_at is not None
        failure = self.failures[number]
        return number, self.pace.moment(self.begun_at + (failure.at_s or 0.0), failure.into)

    def _tell_what_never_came(self) -> None:
        """Failures planned by hand that the run was over before (drawn ones go on for ever)."""
        left = [n for n in range(len(self.case.failures.plan)) if n not in self.done_failures]
        if left and len(self.failures) == len(self.case.failures.plan):
            shown = ", ".join(str(number + 1) for number in left)
            self._note("remark", text=f"planned failures that never came: number {shown} of {len(self.failures)}")
