"""Ray Train with checkpoints that an advisor times; a worker kills itself, and Ray goes on from the last one.

Run: python examples/advised_ray.py FOLDER [--die-at STEP]
Needs: pip install "ray[train]"
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from typing import Any

import ray
import torch
from ray import train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, prepare_model

from cprmodel import Job
from cprmodel.adaptors.ray import AdvisedReports

STEPS, BATCH = 200, 64
PLAN = {  # at the pace of a demonstration
    "job": {"work": "5 s"},
    "failures": {"mtbf": "500 ms"},
    "checkpoint": {"save": "10 ms", "load": "10 ms", "reschedule": "5 s"},
}


def batch_of(step: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The data of a step, the same after a restart."""
    inputs = torch.randn(BATCH, 8, generator=torch.Generator().manual_seed(2 * step + rank))
    return inputs, inputs.sum(dim=1, keepdim=True).sin()


def loop(config: dict[str, Any]) -> None:
    """What each worker does."""
    rank, folder = train.get_context().get_world_rank(), Path(config["folder"])
    torch.manual_seed(1)
    torch.set_num_threads(1)
    layers = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    model = prepare_model(layers, move_to_device=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    first, found = 0, train.get_checkpoint()
    if found is not None:
        with found.as_directory() as path:
            state = torch.load(Path(path) / "state.pt", weights_only=True)
        layers.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    with AdvisedReports(Job.from_mapping(PLAN), folder / "advisor.json") as advised:
        for step in range(first + 1, STEPS + 1):
            inputs, wanted = batch_of(step, rank)
            loss = torch.nn.functional.mse_loss(model(inputs), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

            def write(into: Path, step: int = step) -> None:
                if rank == 0:
                    state = {"model": layers.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
                    torch.save(state, into / "state.pt")

            saved = advised.report_if_due({"step": step}, write)
            if step == config["die_at"] and rank == 0 and not (folder / "died").exists():  # once
                (folder / "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        total = torch.cat([one.flatten() for one in layers.parameters()]).double().sum().item()
        if not saved:
            advised.report({"step": step, "weights": total, "from": first}, write)
        else:
            train.report({"step": step, "weights": total, "from": first})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-at", type=int, default=0)
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
    trainer = TorchTrainer(
        loop,
        train_loop_config={"folder": str(folder), "die_at": options.die_at},
        scaling_config=ScalingConfig(num_workers=2),
        run_config=RunConfig(
            storage_path=str(folder), name="advised", failure_config=FailureConfig(max_failures=3)
        ),
    )
    found = trainer.fit().metrics
    print(f"went back to step {found['from']}; steps {found['step']}, weights {found['weights']:.12f}")


if __name__ == "__main__":
    main()
