"""Training with 8 shard processes against the same model in one process with plain ``nn.EmbeddingBag``.

Both train the same samples with the same weights and optimizers on one thread; the figure is the median of the
ratios of pairs, run in turn. Where the time of the sharded run goes is read off its event log.

Where Ray is installed, a run with its actors, on a cluster begun here, beside local processes: steps a second, and
bytes a second of saves, and of loads of everything after a kill. No limit is held against it.

Run: python benchmarks/training.py
"""

from __future__ import annotations

import importlib.util
import itertools
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
ENGINE_PAIRS, ENGINE_SHARDS = 3, 4
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


def engine_case(engine: str) -> Case:
    """Saves every 40 steps, and one kill, after which everybody loads."""
    case = case_of(ENGINE_SHARDS).model_dump(mode="json", exclude_none=True)
    case |= {
        "engine": {"name": engine, **({"shard_resources": {"CPU": 0.1}} if engine == "ray" else {})},
        "strategy": {"recovery": "full", "interval_steps": 40},
        "failures": {"plan": [{"kind": "shard", "shards": [1], "step": 130}]},
    }
    return Case.from_mapping(case)


def by_engine(engine: str) -> dict[str, float]:
    """Steps a second between two saves (the median of the gaps), and bytes a second of saves and loads."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        Supervisor(engine_case(engine), run).run()
        events = list(read_events(run / "events.jsonl"))
    gaps = [
        later["at"] - before["at"]
        for before, later in itertools.pairwise(events)
        if before["event"] == later["event"] == "step"
    ]
    saves = [event for event in events if event["event"] == "save"]
    loads = [event for event in events if event["event"] == "load" and event.get("size_bytes")]
    return {
        "steps/s": 1 / statistics.median(gaps[WARM:]),
        "saved MB/s": statistics.median(event["size_bytes"] / event["seconds"] for event in saves) / 1e6,
        # shards load at the same time: all bytes, over the time of the slowest
        "loaded MB/s": sum(event["size_bytes"] for event in loads) / max(event["seconds"] for event in loads) / 1e6,
    }


def engines() -> None:
    """Ray's actors beside local processes, in turn."""
    local, ray = [], []
    for _ in range(ENGINE_PAIRS):
        local.append(by_engine("local"))
        ray.append(by_engine("ray"))
    print(f"{ENGINE_SHARDS} shards as actors of Ray, beside local processes (medians of {ENGINE_PAIRS} pairs):")
    for what in local[0]:
        ratio = statistics.median(there[what] / here[what] for here, there in zip(local, ray, strict=True))
        here, there = (statistics.median(one[what] for one in found) for found in (local, ray))
        print(f"  {what:12} {there:8.1f} and {here:8.1f}: {ratio:.2f} of it")


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
    if importlib.util.find_spec("ray"):
        engines()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
