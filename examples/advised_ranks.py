"""PyTorch on many ranks, with saves in the background that an advisor times. It goes on where it was killed.

Run: torchrun --nproc-per-node 2 examples/advised_ranks.py FOLDER [--die-at STEP] [--fsdp] [--wait]

With --die-at one rank kills itself, and torchrun ends the others; run it again without, and it goes on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import time
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from torch import distributed
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from cprmodel import Job
from cprmodel.adaptors.torch import AdvisedRanks
from cprmodel.advising import on_signals

STEPS, BATCH = 200, 64
JOB = Job.from_mapping(  # at the pace of a demonstration
    {
        "job": {"work": "5 s"},
        "failures": {"mtbf": "500 ms"},
        "checkpoint": {"save": "10 ms", "load": "10 ms", "reschedule": "1 s"},
    }
)


def batch_of(step: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The data of a step, the same after a restart."""
    inputs = torch.randn(BATCH, 8, generator=torch.Generator().manual_seed(2 * step + rank))
    return inputs, inputs.sum(dim=1, keepdim=True).sin()


def found_in(folder: Path) -> list[Path]:
    """Checkpoints, the newest last: those whose metadata, which are written last, are there."""
    return [path.parent for path in sorted(folder.glob("save-*/.metadata"))]


def main() -> None:
    begin = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-at", type=int, default=0)
    parser.add_argument("--die-rank", type=int, default=0)
    parser.add_argument("--fsdp", action="store_true", help="shard the model")
    parser.add_argument("--wait", action="store_true", help="while a save is written")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)

    distributed.init_process_group("gloo")
    saving = distributed.new_group(backend="gloo")  # saves in the background talk among themselves
    rank = distributed.get_rank()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    layers = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    if options.fsdp:
        model = fully_shard(layers, mesh=init_device_mesh("cpu", (distributed.get_world_size(),)))
    else:
        model = DistributedDataParallel(layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    first, found = 0, found_in(options.folder)
    number = max([0, *(int(path.name[5:]) for path in options.folder.glob("save-*"))])  # never used again
    if found:
        weights, moments = get_state_dict(model, optimizer)
        state = {"model": weights, "optimizer": moments, "step": torch.tensor(0)}
        dcp.load(state, checkpoint_id=found[-1], process_group=saving)
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        first = int(state["step"])

    def sweep() -> None:
        for old in found_in(options.folder)[:-2]:
            shutil.rmtree(old)

    with (
        AdvisedRanks(JOB, "full", options.folder / "advisor.json") as advisor,
        on_signals(advisor.warned, {signal.SIGTERM: 30.0}),
    ):
        if advisor.interrupted:  # the processes before these died: a failure, which is overcome by now
            advisor.failed("whole_job", recovery_s=time.monotonic() - begin)
            print(f"rank {rank} went back to step {first}")
        for step in range(first + 1, STEPS + 1):
            inputs, wanted = batch_of(step, rank)
            loss = torch.nn.functional.mse_loss(model(inputs), wanted.expand(-1, 2))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if advisor.step():
                started, number = time.monotonic(), number + 1
                weights, moments = get_state_dict(model, optimizer)
                state = {"model": weights, "optimizer": moments, "step": torch.tensor(step)}
                path = options.folder / f"save-{number:06d}"
                if options.wait:
                    dcp.save(state, checkpoint_id=path, process_group=saving)
                    advisor.saved(time.monotonic() - started)
                else:
                    future = dcp.async_save(state, checkpoint_id=path, process_group=saving)
                    advisor.save_started(time.monotonic() - started, future, then=sweep)
            if advisor.ending:
                break
            if step == options.die_at and rank == options.die_rank:
                os.kill(os.getpid(), signal.SIGKILL)
    if advisor.advisor is not None:
        parts = [one.to_local() if options.fsdp else one for one in layers.parameters()]
        total = torch.cat([one.flatten() for one in parts]).double().sum().item()
        seen = advisor.advisor.seen
        print(f"steps {step}, saves {seen.saves}, failures {seen.failures}, weights {total:.12f}")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
