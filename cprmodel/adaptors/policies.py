"""When to save, for frameworks that take a policy: Orbax's ``SaveDecisionPolicy``, Composer's ``save_interval``.

Both are asked in each step, and told nothing. How long a save kept training waiting is what passed from the answer
to the next question, less a usual step. Neither framework is imported.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from cprmodel.adaptors.ahead import decided
from cprmodel.advising import Advisor
from cprmodel.facts.errors import DomainError

__all__ = ["OrbaxPolicy", "composer_interval"]

#: Time that a preemption leaves [s], of which Orbax tells no more than that it comes.
_PREEMPTION_S = 30.0


class _Gap:
    """How long training stood still between two questions, of which there is one a step.

    >>> gap = _Gap(iter([0.0, 1.0, 2.1, 3.0, 9.0]).__next__)
    >>> for step in range(4):
    ...     gap.plain()
    >>> gap.stood_s()  # a usual step takes a second
    5.0
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._last_s = clock, math.nan
        self._steps_s: deque[float] = deque(maxlen=9)

    def plain(self) -> None:
        """A step was done without a save, and the question is answered."""
        now_s = self._clock()
        if now_s - self._last_s > 0:
            self._steps_s.append(now_s - self._last_s)
        self._last_s = now_s

    def stood_s(self, steps: int = 1) -> float:
        """Since the last answer, less so many steps as they usually are [s]."""
        now_s = self._clock()
        passed = now_s - self._last_s - steps * (median(self._steps_s) if self._steps_s else 0.0)
        self._last_s = math.nan  # what is answered next is no plain step
        return max(0.0, passed)


class OrbaxPolicy:
    """A ``SaveDecisionPolicy`` for Orbax's ``CheckpointManager``: saves when an advisor says so.

    Parameters
    ----------
    advisor : the advisor; with several processes, that of process 0, and None on the others
    broadcast : with several processes: gives all of them the numbers of process 0
        (``jax.experimental.multihost_utils.broadcast_one_to_all``); called only in steps that process 0 named ahead
    notice_s : with several processes, how late they may hear that a save is due [s]
    clock : time in seconds; the advisor's, if that has one of its own

    Notes
    -----
    ``CheckpointManagerOptions(save_decision_policy=OrbaxPolicy(advisor))``, and ``manager.save(step, ...)`` in each
    step. Saves in the background are seen to end by the context's ``is_saving_in_progress``, to a step; saves with
    ``force=True`` by the steps that are there. On a preemption (``reached_preemption``, the same on all hosts) it
    saves. ``examples/advised_orbax.py`` is a whole script.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from cprmodel.presets import load_preset
    >>> times = iter(range(0, 1_000_000, 600))  # a step takes ten minutes
    >>> policy = OrbaxPolicy(Advisor(load_preset("rsc-1"), state=None, clock=lambda: next(times)))
    >>> calm = SimpleNamespace(is_saving_in_progress=False, reached_preemption=False)
    >>> [policy.should_save(None, [], context=calm) for step in range(14)].index(True)
    12
    """

    def __init__(
        self,
        advisor: Advisor | None,
        *,
        broadcast: Callable[[list[float]], Sequence[float]] | None = None,
        notice_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if advisor is None and broadcast is None:
            raise DomainError("OrbaxPolicy: advisor = None: expected an advisor, or the broadcast of process 0")
        self.advisor = advisor
        self._broadcast, self._notice_s, self._gap = broadcast, notice_s, _Gap(clock)
        self._step, self._meets_at = 0, 1
        self._asked = False
        self._save: Any = None  # what goes on in the background
        self._known: int | None = None  # the newest checkpoint when we were asked last

    def should_save(self, step: Any, previous_steps: Sequence[Any], *, context: Any) -> bool:
        """A step was done; whether to save it: on all processes the same."""
        newest = previous_steps[-1].step if len(previous_steps) else None
        if self.advisor is not None:
            self._account(self.advisor, newest, bool(context.is_saving_in_progress))
        self._known = newest
        self._asked = self._answer(bool(context.reached_preemption))
        self._gap.plain()
        return self._asked

    def _account(self, advisor: Advisor, newest: int | None, saving: bool) -> None:
        """Tell the advisor what has happened since it was asked last."""
        if self._step == 0 and advisor.interrupted:
            advisor.failed("whole_job")
        forced = self._step > 0 and not self._asked and newest != self._known and newest is not None
        if self._asked or forced:
            stood_s = self._gap.stood_s(2 if forced else 1)
            if saving:
                self._save = advisor.save_started(stood_s)
            else:
                advisor.saved(stood_s)
        elif self._save is not None and not saving:
            advisor.save_durable(save=self._save)
            self._save = None

    def _answer(self, preempted: bool) -> bool:
        advisor = self.advisor
        self._step += 1
        due = advisor.step() if advisor is not None else False
        if preempted:
            if advisor is not None:
                advisor.warned(_PREEMPTION_S, save=True)
            self._meets_at = self._step + 1
            return True
        if self._broadcast is None:
            return due
        if self._step < self._meets_at:
            return False
        answer, ahead, _ = self._broadcast(decided(advisor, due, self._notice_s))
        self._meets_at = self._step + max(1, round(float(ahead)))
        return bool(answer)


def composer_interval(ranks: Any, *, clock: Callable[[], float] = time.monotonic) -> Callable[[Any, Any], bool]:
    """A ``save_interval`` for Composer's ``Trainer`` or ``CheckpointSaver``: saves when an advisor says so.

    It also saves the last state, as Composer's own intervals do.

    Parameters
    ----------
    ranks : a :class:`cprmodel.adaptors.torch.AdvisedRanks`, on every rank; for one process an
        :class:`cprmodel.Advisor` will do
    clock : time in seconds; the advisor's, if that has one of its own

    Notes
    -----
    ``AdvisedRanks`` is made after ``composer.utils.dist.initialize_dist``, on every rank, and closed after ``fit``.
    A process that ended without a word counts as one failure of the whole job. Evaluation after a batch counts as
    part of its step. ``examples/advised_composer.py`` is a whole script.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from cprmodel.presets import load_preset
    >>> times = iter(range(0, 1_000_000, 600))  # a batch takes ten minutes
    >>> save_interval = composer_interval(Advisor(load_preset("rsc-1"), state=None, clock=lambda: next(times)))
    >>> state = SimpleNamespace(timestamp=SimpleNamespace(batch=0), get_elapsed_duration=lambda: 0.5)
    >>> [save_interval(state, "batch_checkpoint") for batch in range(14)].index(True)
    12
    """
    gap, first, asked, saved_batch = _Gap(clock), True, False, -1

    def save_interval(state: Any, event: Any) -> bool:
        nonlocal first, asked, saved_batch
        due, batch = False, int(state.timestamp.batch)
        if str(getattr(event, "value", event)) == "batch_checkpoint":
            if first and ranks.interrupted:
                ranks.failed("whole_job")
            if asked:
                ranks.saved(gap.stood_s())
            first = asked = False
            due = ranks.step()
            gap.plain()
        elapsed = state.get_elapsed_duration()
        last = elapsed is not None and float(elapsed) >= 1.0 and batch != saved_batch
        if not (due or last):
            return False
        saved_batch, asked = batch, True
        return True

    return save_interval
