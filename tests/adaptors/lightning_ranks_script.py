"""Two ranks of a Lightning trainer, of which rank 1 alone is warned; run by test_lightning_saves.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from torch.utils.data import DataLoader

from cprmodel import Job
from cprmodel.adaptors.lightning import AdvisedCheckpoint

JOB = Job.from_mapping(
    {"job": {"work": "10 h"}, "failures": {"mtbf": "1 h"}, "checkpoint": {"save": "1 s", "reschedule": "1 min"}}
)


class Model(lightning.LightningModule):
    """Of one layer; at step 10 somebody tells rank 1 of an end."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch: Any, number: int) -> Any:
        if number == 10 and self.trainer.global_rank == 1:
            self.trainer.checkpoint_callback.warned(60.0)  # type: ignore[union-attr]
        return self.layer(batch).pow(2).mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def main() -> None:
    trainer = lightning.Trainer(
        max_steps=200,
        accelerator="cpu",
        devices=2,
        strategy="ddp_fork",
        callbacks=[AdvisedCheckpoint(JOB, Path(sys.argv[1]), keep=9, notice_s=0.05)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Model(), DataLoader(torch.ones(800, 2), batch_size=2))


if __name__ == "__main__":
    main()
