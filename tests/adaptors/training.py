"""A small training with Lightning, on a clock of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from cprmodel import Job
from cprmodel.adaptors.lightning import AdvisedCheckpoint

# deprecated names that Lightning uses of torch, and its advice on speed
IGNORED = [
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch"),
]

JOB = Job.from_mapping(
    {"job": {"work": "10 h"}, "failures": {"mtbf": "1 h"}, "checkpoint": {"save": "10 s", "reschedule": "1 min"}}
)


class Clock:
    """A batch lasts 30 s; what is between two questions lasts no time."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def fit(folder: Any, clock: Clock, act: Any = None, resume: bool = False, **options: Any) -> Any:
    """Train for some steps, doing something in each; trainer and callback."""
    import lightning.pytorch as lightning

    class Model(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: Any, number: int) -> Any:
            clock.now += 30.0
            if act:
                act(callback, number)
            return self.layer(batch).pow(2).mean()

        def validation_step(self, batch: Any, number: int) -> None:
            clock.now += 100.0

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    path, validate = options.pop("ckpt_path", None), "limit_val_batches" in options
    callback = AdvisedCheckpoint(JOB, folder, clock=clock)
    if resume:
        path = callback.newest()
    trainer = lightning.Trainer(
        max_steps=options.pop("max_steps", 60),
        accelerator="cpu",
        devices=1,
        callbacks=[callback, *options.pop("others", ())],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    data = DataLoader(torch.ones(64, 2), batch_size=1)
    trainer.fit(Model(), data, data if validate else None, ckpt_path=path, weights_only=True)
    return trainer, callback
