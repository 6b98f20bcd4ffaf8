"""Failures for a play: where they struck in a run, and noticed as late as they are in real saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cprmodel.facts.strategies import FailureKind, Recovery, Response, RollBack
from cprmodel.simulation import Activity, GivenFailure, Strikes
from validation.experiment.measure import Position

__all__ = ["AtPositions", "MeasuredRecovery", "NoticedLate"]


@dataclass
class MeasuredRecovery:
    """A recovery with its times for each kind of failure; and for one in a save with what is left of that.

    ``unnoticed``: for each kind the share of a struck save's rest that passes unnoticed; ``rest_s``: of the save
    that the last failure struck [s], which :class:`NoticedLate` tells it.
    """

    name: str
    responses: Mapping[FailureKind, Response]
    unnoticed: Mapping[FailureKind, float]
    rest_s: float = 0.0

    def response(self, kind: FailureKind) -> Response:
        one = self.responses[kind]
        late_s = self.unnoticed.get(kind, 0.0) * self.rest_s
        return replace(one, reschedule_s=max(0.0, one.reschedule_s + late_s)) if late_s else one


class NoticedLate:
    """Failures of others, each of which tells a recovery how much of a save it left."""

    def __init__(self, of: Strikes, recovery: MeasuredRecovery) -> None:
        self._of, self._recovery = of, recovery

    def next(self, activity: Activity, seconds: float) -> tuple[float, GivenFailure] | None:
        """The other's."""
        struck = self._of.next(activity, seconds)
        if struck is not None:
            self._recovery.rest_s = seconds - struck[0] if activity is Activity.SAVE else 0.0
        return struck


class AtPositions:
    """Failures at executed steps, in saves, and so long after a recovery began."""

    def __init__(self, positions: Sequence[Position], step_s: float, recovery: Recovery) -> None:
        self._coming = list(reversed(positions))
        self._step_s, self._recovery = step_s, recovery
        self._worked = 0.0  # steps

    @property
    def left(self) -> int:
        """Failures that never came to strike."""
        return len(self._coming)

    def next(self, activity: Activity, seconds: float) -> tuple[float, GivenFailure] | None:
        """By what goes on."""
        due = self._coming[-1] if self._coming else None
        if activity is Activity.WORK:
            until = self._worked + seconds / self._step_s
            if due is None or due.activity is not Activity.WORK or due.steps >= until - 1e-6:
                self._worked = until
                return None
            after = max(0.0, due.steps - self._worked) * self._step_s
            back = self._recovery.response(due.kind).rolls_back is RollBack.EVERYBODY
            self._worked = float(int(due.steps)) if back else due.steps  # the step under way is begun again
            return after, self._strike()
        if due is None or due.activity is not activity:
            return None
        if activity is Activity.SAVE and due.steps > self._worked + 0.5:
            return None
        return min(due.after_s, 0.999 * seconds), self._strike()

    def _strike(self) -> GivenFailure:
        due = self._coming.pop()
        return GivenFailure(due.kind, due.shards)
