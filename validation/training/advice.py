"""A run that asks a :class:`cprmodel.Advisor` when to save, and tells it of saves and failures.

The advisor lives in the trainer, and dies with it; its file is in the run's folder. The supervisor says which
failures there were so far, and when; those that the advisor does not know of are told when they are overcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cprmodel.advising import Advisor
from validation.case import Case

__all__ = ["Advice"]


class Advice:
    """One life of the advisor."""

    def __init__(self, case: Case, folder: Path, now: Callable[[], float], tell: Callable[..., None]) -> None:
        job = case.strategy.advised
        assert job
        self.advisor = Advisor(job, case.strategy.recovery, folder / "advisor.json", clock=now)
        self.strikes: Sequence[tuple[str, float]] = ()  # failures of the run: kind, and when
        self.due = False
        self._now, self._tell = now, tell
        self._step_s = case.charged.step_s if case.charged else None

    def began(self, stood: int, step: int, saved_step: int) -> None:
        """The trainer stands, at this step; the one before it, if there was one, had come to step ``stood``."""
        length = self._step_s
        if length is None:
            length = max(0.0, self.advisor.seen.useful_s) / max(1, self.advisor.steps)
        self.overcome(lost_s=max(0, stood - step) * length, unsaved_s=(step - saved_step) * length)

    def overcome(self, lost_s: float | None = None, unsaved_s: float | None = None) -> None:
        """Everybody has recovered from all failures so far."""
        known = self.advisor.seen.failures
        new = self.strikes[known:]
        for (kind, at), end in zip(new, [*(at for _, at in new[1:]), self._now()], strict=False):
            self.advisor.failed(kind, lost_s, max(0.0, end - at), unsaved_s=unsaved_s)
            lost_s = 0.0 if lost_s is not None else None
        if new:
            self._say()
        self.due = self.advisor.should_save()

    def saved(self, seconds: float) -> None:
        """A checkpoint is complete."""
        self.advisor.saved(seconds)
        self.due = False
        self._say()

    def _say(self) -> None:
        advisor = self.advisor
        self._tell(
            "advice",
            interval_s=advisor.interval_s,
            save_s=advisor.save_s,
            mtbf_s=advisor.mtbf_s,
            failures=advisor.seen.failures,
            exposure_s=advisor.seen.exposure_s,
        )
