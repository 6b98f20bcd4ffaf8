"""Training with 8 shard processes against the same model in one process with plain ``nn.EmbeddingBag``.

Both train the same samples with the same weights and optimizers on one thread; the figure is the median of the
ratios of pairs, run in turn. Where the time of the sharded run goes is read off its event log.

Run: python benchmarks/training.py
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from validation.case import Case
from validation.data.sources import open_source
from validation.events import read_events
from validation.model.single import SingleProcess
from validation.placement import Placement
from validation.shards.layout import RowWise
from validation.supervisor import Supervisor
from validation.training.life import build_model

PAIRS, STEPS, WARM = 5, 200, 20
LEAST = 1 / 3


def case_of(shards: int) -> Case:
    return Case.from_mapping(
        {
            "data": {"samples": 512 * STEPS, "batch_size": 512},
            "model": {"largest_table": 200_000},
            "shards": {"count": shards},
            "training": {"device": "cpu", "evaluate": False},
            "strategy": {"interval_steps": STEPS},
        }
    )


def sharded(shards: int) -> tuple[float, dict[str, float]]:
    """Steps per second of a real run, from the log, without its first steps; and the seconds of its parts."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        Supervisor(case_of(shards), run).run()
        steps = [event for event in read_events(run / "events.jsonl") if event["event"] == "step"]
    whole = steps[-1]["at"] - steps[WARM - 1]["at"]
    parts = {
        name: sum(step[f"{name}_s"] for step in steps[WARM:]) for name in ("lookup", "compute", "update", "copy")
    }
    parts["data, split, log"] = whole - sum(parts.values())
    return (STEPS - WARM) / whole, parts


def single() -> float:
    """Steps per second in this process."""
    case = case_of(1)
    torch.set_num_threads(1)
    source = open_source(case)
    sizes = source.num_embeddings
    first = RowWise(sizes, 1).first
    place = Placement("cpu")
    model, optimizer = build_model(case, source.dense_features, len(sizes), place)
    bags = SingleProcess(
        model, optimizer, sizes, case.model.embedding_dim, case.training.embedding_lr, rowwise=True, place=place
    )
    batches = source.train(None)
    begin = 0.0
    for step in range(STEPS):
        if step == WARM:
            begin = time.perf_counter()
        batch, _ = next(batches)
        ids = batch.ids.reshape(-1, len(sizes)) - first[:-1]
        offsets = np.arange(len(batch))
        columns = [np.ascontiguousarray(ids[:, table]) for table in range(len(sizes))]
        bags.train_step(batch.dense, columns, [offsets] * len(sizes), batch.labels)
    return (STEPS - WARM) / (time.perf_counter() - begin)


def main() -> int:
    """Print the ratio and where the time goes; the exit status is 1 when the limit is not met."""
    ratios, parts = [], {}
    for _ in range(PAIRS):
        speed, parts = sharded(8)
        ratios.append(speed / single())
    ratio = statistics.median(ratios)
    met = ratio >= LEAST
    print(f"8 shard processes over one process with nn.EmbeddingBag: {ratio:.2f} of its speed", end="   ")
    print(f"(pairs {', '.join(f'{r:.2f}' for r in ratios)})   at least {LEAST:.2f}: {'yes' if met else 'NO'}")
    whole = sum(parts.values())
    print("where a sharded step's time goes: " + ", ".join(f"{k} {v / whole:.0%}" for k, v in parts.items()))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
