"""PyTorch Lightning: a checkpoint callback whose saves an advisor times (``pip install lightning``)."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cprmodel.advising import Advisor
from cprmodel.facts.files import sync
from cprmodel.jobs import Job

try:
    from lightning.pytorch.callbacks import Checkpoint
except ModuleNotFoundError:  # the same library under its other name
    from pytorch_lightning.callbacks import Checkpoint  # type: ignore[assignment]

__all__ = ["AdvisedCheckpoint"]

_NAME = re.compile(r"advised-(\d+)\.ckpt")


class AdvisedCheckpoint(Checkpoint):
    """Saves the whole training state whenever the advisor says so, under full recovery.

    The process of rank 0 asks the advisor and tells the others. What the advisor has learned is kept beside the
    checkpoints, in ``advisor.json``. A checkpoint has its name only when it is whole; older ones are removed. A
    process that ended without a word (it was killed, or an exception ended it) counts as one failure of the whole
    job when training goes on; one that was interrupted from the keyboard does not.

    Parameters
    ----------
    job : the job as it was planned
    dirpath : folder of the checkpoints; made where it is not there
    keep : how many checkpoints to keep
    clock : time in seconds, from any moment on

    Notes
    -----
    ``trainer.fit(model, ckpt_path=callback.newest(), weights_only=True)`` goes on where the newest checkpoint
    stands; without ``weights_only`` (Lightning 2.6) whoever can write into the folder can have code run. For a
    preemption notice call ``callback.advisor.warned(lead_s)``; the save follows the batch that is under way.
    ``examples/advised_lightning.py`` is a whole script.
    """

    def __init__(
        self, job: Job, dirpath: str | Path, keep: int = 2, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if keep < 1:
            raise ValueError(f"AdvisedCheckpoint: keep = {keep}: expected at least 1")
        self.job, self.dirpath, self.keep = job, Path(dirpath), keep
        self.advisor: Advisor | None = None  #: on rank 0, while training
        self._clock = clock
        self._step = 0  # optimizer steps by the last batch

    def newest(self) -> str | None:
        """The newest whole checkpoint, or None."""
        found = self._found()
        return str(found[-1]) if found else None

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """The advisor begins, or goes on."""
        if stage == "fit" and trainer.is_global_zero and self.advisor is None:
            self.dirpath.mkdir(parents=True, exist_ok=True)
            for left in self.dirpath.glob(".advised.*.tmp"):  # by a process that was killed while it saved
                _remove(left)
            self.advisor = Advisor(self.job, "full", self.dirpath / "advisor.json", clock=self._clock)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """If the process before this one died, that was a failure, and it is overcome now."""
        self._step = trainer.global_step
        if self.advisor and self.advisor.interrupted:
            self.advisor.failed("whole_job")

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Save if it is time, between two steps of the optimizer."""
        due = self.advisor.step() if self.advisor else False
        between = trainer.global_step != self._step  # not while gradients are being accumulated
        self._step = trainer.global_step
        if between and trainer.strategy.broadcast(due):
            self._save(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Training is over."""
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Who stops it from the keyboard means it."""
        if isinstance(exception, KeyboardInterrupt):
            self._close()

    def _save(self, trainer: Any) -> None:
        begin = self._clock()
        beside = self.dirpath / f".advised.{trainer.strategy.broadcast(secrets.token_hex(8))}.tmp"
        trainer.save_checkpoint(beside)
        if not self.advisor:
            return
        path = self.dirpath / f"advised-{trainer.global_step}.ckpt"
        _remove(path)
        if beside.is_file():
            sync(beside)
        os.replace(beside, path)
        for old in self._found()[: -self.keep]:
            _remove(old)
        self.advisor.saved(self._clock() - begin)

    def _found(self) -> list[Path]:
        """Checkpoints, the newest last."""
        named = ((_NAME.fullmatch(path.name), path) for path in self.dirpath.glob("*.ckpt"))
        return [path for _, path in sorted((int(match[1]), path) for match, path in named if match)]

    def _close(self) -> None:
        if self.advisor:
            self.advisor.close()
            self.advisor = None


def _remove(path: Path) -> None:
    """A checkpoint is a file, or the folder that a sharding strategy writes."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
