"""PyTorch Lightning: a checkpoint callback whose saves an advisor times (``pip install lightning``)."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cprmodel.adaptors.lightning_io import Place, Watch
from cprmodel.adaptors.torch import AdvisedRanks
from cprmodel.advising import Advisor
from cprmodel.facts.errors import AdvisorWarning, DomainError
from cprmodel.jobs import Job

try:
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.utilities.exceptions import SIGTERMException
except ModuleNotFoundError:  # the same library under its other name
    from pytorch_lightning.callbacks import ModelCheckpoint  # type: ignore[assignment]
    from pytorch_lightning.utilities.exceptions import SIGTERMException  # type: ignore[assignment]

__all__ = ["AdvisedCheckpoint"]

_NAME = re.compile(r"advised-(\d+)-step(\d+)\.ckpt")
#: Time that a SIGTERM leaves [s], where nothing says more: Slurm's KillWait, and Kubernetes' grace period.
_SIGTERM_S = 30.0


class AdvisedCheckpoint(ModelCheckpoint):
    """Saves the whole training state whenever the advisor says so, and at the end, under full recovery.

    The process of rank 0 asks the advisor; the others hear of it where they meet
    (:class:`cprmodel.adaptors.torch.AdvisedRanks`). What the advisor has learned is kept beside the checkpoints, in
    ``advisor.json``. A checkpoint has its name only when it is whole, also with ``AsyncCheckpointIO``. It is called
    ``advised-NUMBER-stepSTEP.ckpt``, and the highest number is the newest, whatever the step. Older ones of one
    training are removed; those of another that began in the same folder are left. A process that ended without a
    word (it was killed, or an exception ended it) counts as one failure of the whole job when training goes on; one
    that was interrupted from the keyboard does not. Saves by other callbacks count as saves; validation is neither
    work nor a save. A save that fails is tried again later.

    Parameters
    ----------
    job : the job as it was planned
    dirpath : folder of the checkpoints; made where it is not there. Lightning's URLs (``s3://…``) will do
    keep : how many checkpoints to keep
    state : the advisor's file; default: ``advisor.json`` in ``dirpath``
    notice_s : how late a notice may be heard on other ranks [s]
    clock : time in seconds, from any moment on
    time_limit_s : the job is ended so long after training begins

    Notes
    -----
    ``trainer.fit(model, ckpt_path="last", weights_only=True)`` or ``ckpt_path=callback.newest()`` goes on where
    the newest checkpoint stands; without ``weights_only`` (Lightning 2.6) whoever can write into the folder can
    have code run. For a preemption notice call :meth:`warned`, on any rank; the save follows a batch that is under
    way. After a SIGTERM Lightning ends training, and the state is saved first. ``examples/advised_lightning.py`` is
    a whole script.
    """

    def __init__(
        self,
        job: Job,
        dirpath: str | Path,
        keep: int = 2,
        *,
        state: str | Path | None = None,
        notice_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        time_limit_s: float | None = None,
    ) -> None:
        if keep < 1:
            raise ValueError(f"AdvisedCheckpoint: keep = {keep}: expected at least 1")
        super().__init__(dirpath=str(dirpath), save_top_k=0)  # which saves nothing by itself
        self.job, self.keep = job, keep
        self.ranks: AdvisedRanks | None = None  #: while training
        self._place = Place(str(dirpath))
        self._state = self._place.path("advisor.json") if state is None else state
        self._options: dict[str, Any] = {"clock": clock, "notice_s": notice_s, "time_limit_s": time_limit_s}
        self._clock = clock
        self._watch: Watch | None = None
        self._pause = contextlib.ExitStack()
        self._step = 0  # optimizer steps by the last batch
        self._saved_step = -1
        self._due = False
        self._mine: list[int] = []  # numbers of this training's checkpoints
        self._next = 1
        self._background: dict[str, Any] = {}

    @property
    def state_key(self) -> str:
        """Under which a checkpoint holds what this callback knows."""
        return "AdvisedCheckpoint"

    def state_dict(self) -> dict[str, Any]:
        """Which checkpoints are of this training."""
        return {"mine": list(self._mine)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Training goes on from a checkpoint."""
        self._mine = [int(one) for one in state_dict.get("mine", ())]

    @property
    def advisor(self) -> Advisor | None:
        """On rank 0, while training."""
        return None if self.ranks is None else self.ranks.advisor

    def newest(self) -> str | None:
        """The newest whole checkpoint, or None."""
        found = self._found()
        return self._place.path(found[max(found)]) if found else None

    def _find_last_checkpoints(self, trainer: Any) -> set[str]:
        """What ``ckpt_path="last"`` takes, if that is newer than those of other callbacks."""
        newest = self.newest()
        return set() if newest is None else {newest}

    def warned(
        self, lead_s: float | None = None, save: bool | None = None, *, deadline: float | None = None
    ) -> None:
        """An end is announced, on any rank (:meth:`cprmodel.adaptors.torch.AdvisedRanks.warned`)."""
        if self.ranks is None:
            raise DomainError("AdvisedCheckpoint: warned: expected to be called while training")
        self.ranks.warned(lead_s, save, deadline=deadline)

    # -- hooks -----------------------------------------------------------------------------------------------------

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """The advisor begins, or goes on."""
        if stage != "fit" or self.ranks is not None:
            return
        self._place.make(trainer.is_global_zero)
        self.ranks = AdvisedRanks(self.job, "full", self._state, **self._options)
        self._next = 1 + max(trainer.strategy.broadcast(max(self._found(), default=0)), 0)
        self._watch = Watch(trainer, self._clock, self._told)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """If the process before this one died, that was a failure, and it is overcome now."""
        self._step = self._saved_step = trainer.global_step
        if self.ranks is not None and self.ranks.interrupted:
            self.ranks.failed("whole_job")

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Save if it is time, between two steps of the optimizer."""
        if self.ranks is None or trainer.global_step == self._step:  # gradients are being accumulated
            return
        self._step = trainer.global_step
        self._look_after()
        if self.ranks.step():
            self._save(trainer)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Evaluation is no work, and no save."""
        if self.ranks is not None:
            self._pause.enter_context(self.ranks.paused())

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Training goes on."""
        self._pause.close()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Epochs are nothing to the advisor."""

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Training is over: its last state is saved."""
        if self.ranks is not None and self._unsaved(trainer):
            self._save(trainer)
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """A SIGTERM leaves time for a save; who stops it from the keyboard means it."""
        self._pause.close()
        if isinstance(exception, KeyboardInterrupt):
            self._close()
        elif isinstance(exception, SIGTERMException) and self.ranks is not None:
            if self.advisor is not None:
                self.advisor.warned(_SIGTERM_S, save=True)
            if self._unsaved(trainer):
                self._save(trainer)
                self._wait()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Lightning's own methods again."""
        self._wait()
        if self._watch is not None:
            self._watch.end()
        self.ranks = self._watch = None

    # -- saving ----------------------------------------------------------------------------------------------------

    def _unsaved(self, trainer: Any) -> bool:
        """Whether there are steps that no save has: on all ranks as rank 0 knows it."""
        self._wait()
        return bool(trainer.strategy.broadcast(self._step != self._saved_step))

    def _save(self, trainer: Any) -> None:
        number, self._next = self._next, self._next + 1
        self._mine.append(number)
        self._saved_step = trainer.global_step
        assert self._watch is not None
        name = f"advised-{number}-step{trainer.global_step}.ckpt"
        token = trainer.strategy.broadcast(secrets.token_hex(8))
        self._watch.save(*self._place.beside(name, token))

    def _told(self, what: str, path: str, seconds: float, error: BaseException | None, mine: bool) -> None:
        """What became of a save of any callback, on rank 0."""
        advisor = self.advisor
        if advisor is None:
            return
        if what == "begun":
            self._background[path] = advisor.save_started(seconds)
            return
        save = self._background.pop(path, None)
        if error is not None:
            said = f"a checkpoint could not be saved ({error}): it is tried again"
            warnings.warn(said, AdvisorWarning, stacklevel=2)
            self._saved_step = -1
            advisor.save_failed(0.0 if save is not None else seconds, save=save)
            return
        if mine:
            self._sweep()
        if save is not None:
            advisor.save_durable(save=save)
        else:
            advisor.saved(seconds)

    def _sweep(self) -> None:
        """Remove older checkpoints of this training."""
        found = self._found()
        here = sorted(number for number in found if number in self._mine)
        for number in here[: -self.keep]:
            self._place.remove(found[number])

    def _found(self) -> dict[int, str]:
        """Checkpoints by number."""
        named = (_NAME.fullmatch(name) for name in self._place.names())
        return {int(match[1]): match[0] for match in named if match}

    def _look_after(self) -> None:
        if self._watch is not None:
            self._watch.look()

    def _wait(self) -> None:
        """Until what is written in the background is there."""
        if self._watch is not None:
            self._watch.wait()
            self._look_after()

    def _close(self) -> None:
        self._wait()
        if self.ranks is not None:
            self.ranks.close()
            self.ranks = None
