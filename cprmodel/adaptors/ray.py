"""Ray Train's report loop, in which each worker asks an advisor whether to save (``pip install "ray[train]"``)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cprmodel.adaptors.torch import AdvisedRanks
from cprmodel.jobs import Job

__all__ = ["AdvisedReports"]


class AdvisedReports(AdvisedRanks):
    """Reports a checkpoint to Ray Train whenever the advisor says so: made in each worker's loop.

    Ray starts the loop anew on all workers when one died: that is a failure of the whole job, which this counts.

    Parameters
    ----------
    job : the job as it was planned
    state : the advisor's file, where the worker of rank 0 finds it on whatever node it is started: a shared folder,
        or one of fsspec's URLs
    options : the others of :class:`cprmodel.adaptors.torch.AdvisedRanks`

    Notes
    -----
    For ``TorchTrainer`` and others that set ``torch.distributed`` up; the state is that of all workers alike
    (``FailureConfig(max_failures=...)`` and ``ray.train.get_checkpoint()`` bring it back).
    ``examples/advised_ray.py`` is a whole script.
    """

    def __init__(self, job: Job, state: str | Path, **options: Any) -> None:
        super().__init__(job, "full", state, **options)
        self._clock = options.get("clock", time.monotonic)
        if self.interrupted:
            self.failed("whole_job")

    def report_if_due(self, metrics: Mapping[str, Any], write: Callable[[Path], Any]) -> bool:
        """A step was done; if it is time, ``write(folder)`` is called on all workers, and what is there reported.

        Ray has a checkpoint when ``ray.train.report`` returns, on all workers; so long training waited. Whether it
        was reported. Metrics alone are reported by ``ray.train.report`` as without an advisor.
        """
        return self.step() and self.report(metrics, write)

    def report(self, metrics: Mapping[str, Any], write: Callable[[Path], Any]) -> bool:
        """Report a checkpoint now, asked for or not: the last state, say. On all workers."""
        from ray import train

        began = self._clock()
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            train.report(dict(metrics), checkpoint=train.Checkpoint.from_directory(folder))
        self.saved(self._clock() - began)
        return True
