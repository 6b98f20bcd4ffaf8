"""Failures for a play: where they struck in a run, and noticed as late as they are in real saves and readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cprmodel.facts.strategies import FailureKind, Response, RollBack, together
from cprmodel.simulation import Activity, GivenFailure, Strikes
from validation.experiment.measure import Position

__all__ = ["ALIKE", "AtPositions", "MeasuredRecovery", "NoticedLate", "Together", "Unnoticed"]

#: For a save, and for a recovery's reading: by kind of failure, the share of its rest that passes unnoticed.
Unnoticed = Mapping[Activity, Mapping[FailureKind, float]]

#: How many shards read after one failure, and how much longer reading takes for each one more [s].
Together = tuple[int, float]

#: Readings are as long for any number.
ALIKE: Together = (0, 0.0)


@dataclass
class MeasuredRecovery:
    """A recovery with its times for each kind of failure; and with what is left of a save or a reading it struck.

    :class:`NoticedLate` tells it of failures: ``pending`` are those of the stop under way, ``late`` the last one
    and what passes before anybody notices it [s], ``empty`` the shards that are to read together. Where these are
    more than after one failure, reading takes ``together`` longer for each. Where a failure strikes work, so much
    of its step goes on in the stop (``went_on``), which is so much shorter.
    """

    name: str
    responses: Mapping[FailureKind, Response]
    unnoticed: Unnoticed
    together: Together = ALIKE
    went_on: Mapping[FailureKind, float] = field(default_factory=dict)
    pending: set[FailureKind] = field(default_factory=set)
    late: tuple[FailureKind, float] | None = None
    empty: set[int] = field(default_factory=set)

    def response(self, kind: FailureKind) -> Response:
        one = self.responses[kind]
        usual, longer_s = self.together
        if kind is FailureKind.SHARD and len(self.empty) > usual:
            one = replace(one, load_s=one.load_s + longer_s * (len(self.empty) - usual))
        if self.late is None or self.late[0] is not kind:
            return one
        return replace(one, reschedule_s=max(0.0, one.reschedule_s + self.late[1]))

    @property
    def stop(self) -> Response:
        """The one under way."""
        return together(self, self.pending)

    def struck(self, failure: GivenFailure, activity: Activity, rest_s: float) -> None:
        """By one more, which left so much of a save, or of a reading that others then bring to its end."""
        kind = failure.kind
        self.pending.add(kind)
        went_on_s = self.went_on.get(kind, 0.0) if activity is Activity.WORK else 0.0
        self.late = kind, self.unnoticed.get(activity, {}).get(kind, 0.0) * rest_s - went_on_s
        if activity is Activity.RECOVERY and rest_s:
            self.empty.clear()
        self.empty |= set(failure.shards)

    def overcome(self) -> None:
        """Training goes on."""
        self.pending.clear()
        self.empty.clear()
        self.late = None


class NoticedLate:
    """Failures of others, each of which tells a recovery how much of a save or a reading it left."""

    def __init__(self, of: Strikes, recovery: MeasuredRecovery) -> None:
        self._of, self._recovery = of, recovery

    def next(self, activity: Activity, seconds: float) -> tuple[float, GivenFailure] | None:
        """The other's."""
        begins = {Activity.SAVE: 0.0, Activity.RECOVERY: self._recovery.stop.reschedule_s}.get(activity, seconds)
        struck = self._of.next(activity, seconds)
        if struck is not None:
            after, failure = struck
            rest = seconds - after if after > begins or activity is Activity.SAVE else 0.0
            self._recovery.struck(failure, activity, rest)
        elif activity is Activity.RECOVERY:
            self._recovery.overcome()
        return struck


class AtPositions:
    """Failures at executed steps, in saves, and so long after a recovery, or its reading, began."""

    def __init__(self, positions: Sequence[Position], step_s: float, recovery: MeasuredRecovery) -> None:
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
        if activity is Activity.SAVE:
            if due.steps > self._worked + 0.5:
                return None
            return min(due.after_s, 0.999 * seconds), self._strike()
        return self._into(due, self._recovery.stop), self._strike()

    def _into(self, due: Position, stop: Response) -> float:
        """Where in a stop: in its reading if it struck that, however long the real one took to begin to read."""
        if due.reading_s:
            return stop.reschedule_s + min(due.reading_s, 0.999 * stop.load_s)
        return min(due.after_s, stop.reschedule_s, 0.999 * stop.total_s)

    def _strike(self) -> GivenFailure:
        due = self._coming.pop()
        return GivenFailure(due.kind, due.shards)
