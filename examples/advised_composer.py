"""MosaicML's Composer with checkpoints that an advisor times. It goes on where it was killed.

Run: composer --nproc 2 examples/advised_composer.py FOLDER [--die-at BATCH]        (or torchrun --nproc-per-node 2)

With --die-at one rank kills itself, and the launcher ends the other; run it again without, and it goes on.
Needs: pip install mosaicml
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from typing import Any

import torch
from composer import Callback, ComposerModel, Trainer
from composer.utils import dist
from torch.utils.data import DataLoader

from cprmodel import Job
from cprmodel.adaptors.policies import composer_interval
from cprmodel.adaptors.torch import AdvisedRanks

BATCHES, BATCH = 200, 16
JOB = Job.from_mapping(  # at the pace of a demonstration
    {
        "job": {"work": "10 s"},
        "failures": {"mtbf": "500 ms"},
        "checkpoint": {"save": "20 ms", "load": "20 ms", "reschedule": "5 s"},
    }
)


class Model(ComposerModel):
    """A small regression."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))

    def forward(self, batch: Any) -> torch.Tensor:
        found: torch.Tensor = self.layers(batch[0])
        return found

    def loss(self, outputs: Any, batch: Any) -> torch.Tensor:
        return torch.nn.functional.mse_loss(outputs, batch[1])


class Dies(Callback):
    """Kills rank 0 after a batch."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def batch_start(self, state: Any, logger: Any) -> None:
        if state.timestamp.batch == self.batch > 0 and dist.get_global_rank() == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-at", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    dist.initialize_dist("cpu")
    inputs = torch.randn(2 * BATCH * BATCHES // 4, 8, generator=torch.Generator().manual_seed(1))
    data = torch.utils.data.TensorDataset(inputs, inputs.sum(dim=1, keepdim=True).sin())
    sampler = dist.get_sampler(data, drop_last=True)
    torch.manual_seed(1)
    model = Model()
    with AdvisedRanks(JOB, "full", options.folder / "advisor.json") as ranks:
        trainer = Trainer(
            model=model,
            optimizers=torch.optim.Adam(model.parameters(), lr=1e-3),
            train_dataloader=DataLoader(data, BATCH, sampler=sampler),
            max_duration=f"{BATCHES}ba",
            device="cpu",
            seed=1,
            run_name="advised",
            save_folder=str(options.folder / "checkpoints"),
            save_interval=composer_interval(ranks),
            save_num_checkpoints_to_keep=2,
            autoresume=True,  # from the newest checkpoint
            callbacks=[Dies(options.die_at)],
            loggers=[],
            progress_bar=False,
        )
        first = int(trainer.state.timestamp.batch)
        if first and dist.get_global_rank() == 0:
            print(f"went back to batch {first}", flush=True)
        trainer.fit()
    if ranks.advisor is not None:
        total = torch.cat([one.flatten() for one in model.parameters()]).double().sum().item()
        seen = ranks.advisor.seen
        print(
            f"batches {trainer.state.timestamp.batch}, saves {seen.saves}, failures {seen.failures}, "
            f"weights {total:.12f}",
            flush=True,
        )
    trainer.close()


if __name__ == "__main__":
    main()
