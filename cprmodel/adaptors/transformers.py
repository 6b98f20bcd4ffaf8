"""Hugging Face's Trainer: a callback whose saves an advisor times (``pip install transformers accelerate``)."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cprmodel.adaptors.torch import AdvisedRanks
from cprmodel.advising import Advisor
from cprmodel.facts.errors import DomainError
from cprmodel.jobs import Job

try:
    from transformers import TrainerCallback as _Callback
except ModuleNotFoundError:  # it is asked for its events by name: what it does can be tried without
    _Callback = object

__all__ = ["AdvisedSaves", "newest_checkpoint"]

_FOLDER = "checkpoint-"  # Trainer's, and the step
_WRITTEN_LAST = "trainer_state.json"


def newest_checkpoint(output_dir: str | Path) -> str | None:
    """The newest checkpoint of a Trainer that is whole, or None.

    Trainer writes a checkpoint under its final name, and takes the highest step for the newest: what was cut off by
    a kill would be loaded, or fail. What it writes last says that a checkpoint is whole, and when it was written.

    >>> newest_checkpoint("no-such-folder") is None
    True
    """
    found: list[tuple[int, str]] = []
    for path in Path(output_dir).glob(f"{_FOLDER}*/{_WRITTEN_LAST}"):
        with contextlib.suppress(OSError, ValueError):
            json.loads(path.read_text(encoding="utf-8"))
            found.append((path.stat().st_mtime_ns, str(path.parent)))
    return max(found)[1] if found else None


class AdvisedSaves(_Callback):  # type: ignore[misc, valid-type, unused-ignore]
    """Has a Trainer save whenever the advisor says so, and after the last step, under full recovery.

    Rank 0 has the advisor, the others hear of it where they meet (:class:`cprmodel.adaptors.torch.AdvisedRanks`).
    A save lasts from what came before it (the step, its log, an evaluation) until ``on_save``; evaluation is no
    work and no save. Saves that the Trainer does by itself count, too. A process that ended without a word is one
    failure of the whole job when training goes on.

    Parameters
    ----------
    job : the job as it was planned
    state : the advisor's file; default: ``advisor.json`` in ``args.output_dir``
    notice_s : how late a notice may be heard on other ranks [s]
    clock : time in seconds, from any moment on
    time_limit_s : the job is ended so long after training begins

    Notes
    -----
    ``TrainingArguments(save_strategy="no")``, ``callbacks=[AdvisedSaves(job)]``, and
    ``trainer.train(resume_from_checkpoint=newest_checkpoint(output_dir))``. Call :meth:`warned` on a preemption
    notice, on any rank; when the last save before an announced end is there, training stops.
    ``examples/advised_transformers.py`` is a whole script.
    """

    def __init__(
        self,
        job: Job,
        state: str | Path | None = None,
        *,
        notice_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        time_limit_s: float | None = None,
    ) -> None:
        super().__init__()
        self.job = job
        self.ranks: AdvisedRanks | None = None  #: while training
        self._state, self._clock = state, clock
        self._options: dict[str, Any] = {"notice_s": notice_s, "clock": clock, "time_limit_s": time_limit_s}
        self._pause = contextlib.ExitStack()
        self._paused = False
        self._since = 0.0  # what a save began after, by the clock
        self._saved_step = -1

    @property
    def advisor(self) -> Advisor | None:
        """On rank 0, while training."""
        return None if self.ranks is None else self.ranks.advisor

    def warned(
        self, lead_s: float | None = None, save: bool | None = None, *, deadline: float | None = None
    ) -> None:
        """An end is announced, on any rank (:meth:`cprmodel.adaptors.torch.AdvisedRanks.warned`)."""
        if self.ranks is None:
            raise DomainError("AdvisedSaves: warned: expected to be called while training")
        self.ranks.warned(lead_s, save, deadline=deadline)

    # -- events of the Trainer, in their order ---------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The advisor begins, or goes on; if the process before this one died, that is overcome now."""
        where = Path(args.output_dir) / "advisor.json" if self._state is None else self._state
        if self._state is None:
            Path(args.output_dir).mkdir(parents=True, exist_ok=True)
        self.ranks = AdvisedRanks(self.job, "full", where, **self._options)
        self._saved_step = state.global_step
        if self.ranks.interrupted:
            self.ranks.failed("whole_job")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A step of the optimizer was done: the Trainer logs, evaluates and saves next, if it is told to."""
        if self.ranks is None:
            return
        last = state.global_step >= state.max_steps and self._saved_step != state.global_step
        if self.ranks.step() or last:
            control.should_save = True
        if self.ranks.ending:
            control.should_training_stop = True
        self._comes_next(control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The Trainer may evaluate and save here, too."""
        self._comes_next(control)

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A log is no save."""
        self._since = self._clock()

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """An evaluation is under way, whoever began it."""
        self._stand()

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """It is over."""
        self._go_on()
        self._since = self._clock()

    def on_predict(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """As an evaluation."""
        self.on_evaluate(args, state, control)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A checkpoint was written on this rank."""
        self._saved_step = state.global_step
        if self.ranks is not None:
            self.ranks.saved(max(0.0, self._clock() - self._since))
        self._since = self._clock()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Training ends in order."""
        self._go_on()
        if self.ranks is not None:
            self.ranks.close()
            self.ranks = None

    # -- evaluation ------------------------------------------------------------------------------------------------

    def _comes_next(self, control: Any) -> None:
        self._since = self._clock()
        if control.should_evaluate:
            self._stand()

    def _stand(self) -> None:
        """What passes from here is no work."""
        if self.ranks is not None and not self._paused:
            self._pause.enter_context(self.ranks.paused())
            self._paused = True

    def _go_on(self) -> None:
        self._pause.close()
        self._paused = False
