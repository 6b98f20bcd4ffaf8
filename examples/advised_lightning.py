"""PyTorch Lightning with saves that an advisor times. It goes on where it was killed.

Run: python examples/advised_lightning.py FOLDER [--die-at STEP] [--devices N]      (needs: pip install lightning)
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch

from cprmodel import Job
from cprmodel.adaptors.lightning import AdvisedCheckpoint

STEPS, BATCH = 400, 64
JOB = Job.from_mapping(  # at the pace of a demonstration
    {
        "job": {"work": "5 s"},
        "failures": {"mtbf": "500 ms"},
        "checkpoint": {"save": "10 ms", "load": "10 ms", "reschedule": "1 s"},
    }
)


class Batches:
    """Made up, the same every time; a restart goes on with the batch that comes after the checkpoint's."""

    def __init__(self) -> None:
        self.at = 0
        self.rank = int(os.environ.get("LOCAL_RANK", "0"))

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[Any]:
        while self.at < STEPS:
            self.at += 1
            inputs = torch.randn(BATCH, 8, generator=torch.Generator().manual_seed(2 * self.at + self.rank))
            yield inputs, inputs.sum(dim=1, keepdim=True).sin()

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]


class Model(lightning.LightningModule):
    """A small regression."""

    def __init__(self, die_at: int) -> None:
        super().__init__()
        self.die_at = die_at
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))

    def training_step(self, batch: Any, number: int) -> Any:
        if self.die_at and self.global_step >= self.die_at and self.trainer.is_global_zero:
            os.kill(os.getpid(), signal.SIGKILL)
        inputs, wanted = batch
        return torch.nn.functional.mse_loss(self.layers(inputs), wanted)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-at", type=int, default=0, help="step after which rank 0 kills itself")
    parser.add_argument("--devices", type=int, default=1, help="processes")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    lightning.seed_everything(1, verbose=False)
    torch.set_num_threads(1)
    model = Model(options.die_at)
    callback = AdvisedCheckpoint(JOB, options.folder)
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=options.devices,
        strategy="ddp" if options.devices > 1 else "auto",
        callbacks=[callback],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    newest = callback.newest()
    if newest and trainer.is_global_zero:
        print(f"goes on from {Path(newest).name}")
    trainer.fit(model, Batches(), ckpt_path="last", weights_only=True)  # nothing in the file is run
    weights = torch.cat([one.detach().flatten() for one in model.parameters()])
    if trainer.is_global_zero:
        print(f"steps {trainer.global_step}, weights {weights.double().sum().item():.12f}")


if __name__ == "__main__":
    main()
