"""A plain PyTorch recommendation model that saves the rows that changed, and goes on where it was killed.

Run: python examples/partial_loop.py FOLDER [--die-at STEP] [--fraction SHARE] [--background]

Run it with --die-at 250, and again without: it goes on from the last save, with the weights of a run that nobody
killed. With --fraction 0.1 a save takes a tenth of the rows, those that are worth most: saves are cheaper, and rows
that were not saved lately are older after a failure. With --background it trains while a save is written.
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

import torch
from torch import nn

from cprmodel import Job
from cprmodel.adaptors.embeddings import embedding_tables
from cprmodel.adaptors.torch import AdvisedRanks
from cprmodel.checkpoints import PartialCheckpoints

STEPS, BATCH, ROWS, DIM = 400, 64, 20_000, 16
JOB = Job.from_mapping(  # at the pace of a demonstration: three failures a second, a save of 5 ms
    {
        "job": {"work": "5 s"},
        "failures": {"mtbf": "300 ms"},
        "checkpoint": {"save": "5 ms", "load": "5 ms", "reschedule": "1 s"},
    }
)


def batch_of(step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Users and items of a step, of which few come often; the same after a restart."""
    made = torch.Generator().manual_seed(step)
    users, items = (torch.rand((2, BATCH, 4), generator=made) ** 3 * ROWS).long()
    return users, items, ((users[:, 0] + items[:, 0]) % 2).float()


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.users = nn.EmbeddingBag(ROWS, DIM, mode="sum")
        self.items = nn.EmbeddingBag(ROWS, DIM, mode="sum")
        self.top = nn.Sequential(nn.Linear(2 * DIM, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        return self.top(torch.cat([self.users(users), self.items(items)], dim=1)).squeeze(1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-at", type=int, default=0)
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--background", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = Model()
    sparse = torch.optim.Adagrad([*model.users.parameters(), *model.items.parameters()], lr=0.1)
    dense = torch.optim.Adam(model.top.parameters(), lr=1e-3)

    tables = embedding_tables(model, sparse)  # from now on each forward pass says which rows it uses
    saves = PartialCheckpoints(options.folder / "checkpoints", tables, options.fraction)
    found = saves.load()  # None where there is none yet
    if found is not None:
        model.top.load_state_dict(found.rest["top"])
        dense.load_state_dict(found.rest["dense"])
        print(f"went back to step {found.step}")

    rows = 0
    with AdvisedRanks(JOB, "full", options.folder / "advisor.json") as advisor:
        if advisor.interrupted:
            advisor.failed("whole_job", recovery_s=0.02)
        for step in range(found.step + 1 if found else 1, STEPS + 1):
            users, items, clicked = batch_of(step)
            loss = nn.functional.binary_cross_entropy_with_logits(model(users, items), clicked)
            for optimizer in (sparse, dense):
                optimizer.zero_grad()
            loss.backward()
            for optimizer in (sparse, dense):
                optimizer.step()
            if advisor.step():
                rest = {"top": model.top.state_dict(), "dense": dense.state_dict()}
                if options.background:
                    saving = saves.async_save(step, rest)
                    advisor.save_started(saving.blocked_s, saving)
                else:
                    saved = saves.save(step, rest)
                    advisor.saved(saved.seconds)
                    rows += saved.rows
            if step == options.die_at:
                os.kill(os.getpid(), signal.SIGKILL)
    saves.save(STEPS, {"top": model.top.state_dict(), "dense": dense.state_dict()})
    if not options.background:
        print(f"{rows} rows saved in all; there are {2 * ROWS}")
    weights = torch.cat([one.detach().flatten() for one in model.parameters()])
    print(f"steps {STEPS}, weights {weights.double().sum().item():.12f}")


if __name__ == "__main__":
    main()
