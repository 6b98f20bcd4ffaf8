"""A plain PyTorch loop in one process that saves when an advisor says so, and goes on where it was killed.

Run: python examples/advised_loop.py FOLDER [--die-at STEP]

Run it with --die-at 2500, and again without: it goes on from the last save, and the advisor knows of the failure.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from pathlib import Path

import torch

from cprmodel import Advisor, Job
from cprmodel.facts.files import whole_file

STEPS, BATCH = 3000, 64
JOB = Job.from_mapping(  # at the pace of a demonstration: a failure twice a second, a save of 10 ms
    {
        "job": {"work": "5 s"},
        "failures": {"mtbf": "500 ms"},
        "checkpoint": {"save": "10 ms", "load": "10 ms", "reschedule": "1 s"},
    }
)


def batch_of(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The data of a step, the same after a restart."""
    inputs = torch.randn(BATCH, 8, generator=torch.Generator().manual_seed(step))
    return inputs, inputs.sum(dim=1, keepdim=True).sin()


def save(path: Path, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """There whole or not at all, even after a power cut."""
    with whole_file(path) as file:
        torch.save({"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)


def main() -> None:
    begin = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-at", type=int, default=0)
    options = parser.parse_args()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        parser.error("this loop is of one process: examples/advised_ranks.py is for torchrun")
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "model.pt"

    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    first = 0
    if path.exists():
        found = torch.load(path, weights_only=True)  # numbers alone: nothing in the file is run
        first = found["step"]
        model.load_state_dict(found["model"])
        optimizer.load_state_dict(found["optimizer"])

    with Advisor(JOB, state=options.folder / "advisor.json") as advisor:
        if advisor.interrupted:  # the process before this one died: a failure, which is overcome by now
            advisor.failed("whole_job", recovery_s=time.monotonic() - begin)
            print(f"went back to step {first}")
        for step in range(first + 1, STEPS + 1):
            inputs, wanted = batch_of(step)
            loss = torch.nn.functional.mse_loss(model(inputs), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if advisor.step():
                started = time.monotonic()
                save(path, step, model, optimizer)
                advisor.saved(time.monotonic() - started)
            if step == options.die_at:
                os.kill(os.getpid(), signal.SIGKILL)
        print(advisor.why())
    weights = torch.cat([one.flatten() for one in model.parameters()])
    print(f"steps {STEPS}, failures {advisor.seen.failures}, weights {weights.double().sum().item():.12f}")


if __name__ == "__main__":
    main()
