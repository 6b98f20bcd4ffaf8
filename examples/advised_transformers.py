"""Hugging Face's Trainer with checkpoints that an advisor times. It goes on where it was killed.

Run: torchrun --nproc-per-node 2 examples/advised_transformers.py FOLDER [--die-at STEP]

With --die-at one rank kills itself, from that step on and once there is a checkpoint, and torchrun ends the other;
run it again without, and it goes on.
Needs: pip install transformers accelerate
"""

from __future__ import annotations

import argparse
import os
import signal
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from cprmodel import Job
from cprmodel.adaptors.transformers import AdvisedSaves, newest_checkpoint

STEPS, BATCH = 120, 16
JOB = Job.from_mapping(  # at the pace of a demonstration
    {
        "job": {"work": "10 s"},
        "failures": {"mtbf": "0.5 s"},
        "checkpoint": {"save": "20 ms", "load": "20 ms", "reschedule": "5 s"},
    }
)


class Model(torch.nn.Module):
    """What a Trainer trains: a loss from what the data have."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.layers(inputs)
        return {"loss": torch.nn.functional.mse_loss(found, labels), "logits": found}


class Dies(TrainerCallback):
    """Kills rank 0 after so many steps, once there is something to go on from."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        due = state.global_step >= self.step > 0 and args.process_index == 0
        if due and newest_checkpoint(args.output_dir) is not None:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-at", type=int, default=0)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="torch")
    torch.set_num_threads(1)

    inputs = torch.randn(2 * BATCH * STEPS // 2, 8, generator=torch.Generator().manual_seed(1))
    data = [{"inputs": one, "labels": one.sum().sin()[None]} for one in inputs]
    arguments = TrainingArguments(
        output_dir=str(options.folder),
        max_steps=STEPS,
        per_device_train_batch_size=BATCH,
        learning_rate=1e-3,
        save_strategy="no",  # the advisor says when
        save_total_limit=2,
        eval_strategy="steps",
        eval_steps=50,
        use_cpu=True,
        seed=1,
        report_to=[],
        disable_tqdm=True,
        logging_steps=1000,
        ddp_find_unused_parameters=False,
    )
    torch.manual_seed(1)
    model = Model()
    callback = AdvisedSaves(JOB)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=data,
        eval_dataset=data[:64],
        callbacks=[callback, Dies(options.die_at)],
    )
    newest = newest_checkpoint(options.folder)
    if newest is not None and trainer.is_world_process_zero():
        print(f"goes on from {Path(newest).name}", flush=True)
    trainer.train(resume_from_checkpoint=newest)
    if trainer.is_world_process_zero():
        total = torch.cat([one.flatten() for one in model.parameters()]).double().sum().item()
        print(f"steps {trainer.state.global_step}, weights {total:.12f}", flush=True)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
