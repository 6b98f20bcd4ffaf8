"""A PyTorch training loop with a harm probe: what would putting rows back cost?

    pip install "cprmodel" torch
    python examples/harm_probe.py harm.json        # 3000 steps; or: harm.json 12000
    cprmodel accuracy harm.json

The model is a small one (three tables, clicks of a teacher) so that it runs in seconds; the three places where the
probe stands are those of any loop. Prints what share of the training's time the probe took.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cprmodel.adaptors.harm_probe import HarmProbe, Lookup, optimizer_used, sums_of

ROWS, DIM, BATCH = {"user": 20_000, "item": 5_000, "place": 50}, 16, 512
RANDOM = np.random.default_rng(7)
WEIGHTS = {name: RANDOM.normal(size=rows) for name, rows in ROWS.items()}  # what the teacher knows of each row


def samples(number: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Ids by table, a few rows used by most samples, and clicks."""
    ids = {name: np.minimum(RANDOM.zipf(1.2, number) - 1, rows - 1) for name, rows in ROWS.items()}
    logit = sum(WEIGHTS[name][ids[name]] for name in ROWS)
    clicks = RANDOM.random(number) < 1 / (1 + np.exp(-logit))
    return {name: torch.from_numpy(one) for name, one in ids.items()}, torch.from_numpy(clicks).float()


def main(path: str, steps: int) -> None:
    """Train, probe, write."""
    torch.manual_seed(7)
    torch.set_num_threads(1)
    tables = nn.ModuleDict(
        {name: nn.EmbeddingBag(rows, DIM, mode="sum", sparse=True) for name, rows in ROWS.items()}
    )
    over = nn.Sequential(nn.Linear(len(ROWS) * DIM, 64), nn.ReLU(), nn.Linear(64, 1))
    of_rows = torch.optim.Adagrad(tables.parameters(), lr=0.05)
    of_layers = torch.optim.Adagrad(over.parameters(), lr=0.01)

    held_out, labels = samples(2048)
    probe = HarmProbe(  # 1. what is watched, and by which samples
        {name: table.weight for name, table in tables.items()},
        {name: Lookup(ids) for name, ids in held_out.items()},
        labels,
        lambda pooled, _: over(torch.cat(list(pooled.values()), dim=1)).squeeze(1),
        optimizer_used(of_rows),
        lambda name: sums_of(of_rows, tables[name].weight),
        batch_size=BATCH,
        samples=steps * BATCH,
    )
    probing, begin = 0.0, time.perf_counter()
    for _ in range(steps):
        ids, clicks = samples(BATCH)
        pooled = [table(ids[name], torch.arange(BATCH)) for name, table in tables.items()]
        loss = functional.binary_cross_entropy_with_logits(over(torch.cat(pooled, dim=1)).squeeze(1), clicks)
        of_rows.zero_grad()
        of_layers.zero_grad()
        loss.backward()
        of_rows.step()
        of_layers.step()
        before = time.perf_counter()
        probe.step(ids)  # 2. after every step: what it looked up
        probing += time.perf_counter() - before
    whole = time.perf_counter() - begin
    probe.write(path)  # 3. at the end
    print(
        f"log loss {loss.item():.3f}; {path} written; the probe took {probing / whole:.1%} of the training's time"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "harm.json", int(sys.argv[2]) if len(sys.argv) > 2 else 3000)
