"""torchrec's collections, trained, saved, read back and killed; run by test_torchrec.py, which reads the output.

``MODE`` is ``train`` on two ranks, which end by SIGKILL, and ``read`` on one, which takes up what they left.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import torch

if __name__ == "__main__":  # of pytest, which looks for doctests here, nothing more
    from torch import distributed
    from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor
    from torchrec.distributed import ShardingEnv
    from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder
    from torchrec.distributed.sharding_plan import (
        column_wise,
        construct_module_sharding_plan,
        data_parallel,
        row_wise,
        table_wise,
    )
    from torchrec.optim.apply_optimizer_in_backward import apply_optimizer_in_backward
    from torchrec.optim.rowwise_adagrad import RowWiseAdagrad
    from torchrec.types import DataType

    from cprmodel.adaptors.torchrec import embedding_tables
    from cprmodel.checkpoints import PartialCheckpoints, Table
    from cprmodel.facts.errors import DomainError

ROWS = 23


def configs(first: str, second: str, types: tuple[Any, Any]) -> list[Any]:
    return [
        EmbeddingBagConfig(
            name=first, embedding_dim=8, num_embeddings=ROWS, feature_names=["a", "b"], data_type=types[0]
        ),
        EmbeddingBagConfig(
            name=second, embedding_dim=8, num_embeddings=ROWS, feature_names=["c"], data_type=types[1]
        ),
    ]


def sharded(first: tuple[str, Any], second: tuple[str, Any], world: int, types: tuple[Any, Any]) -> Any:
    collection = EmbeddingBagCollection(device=torch.device("meta"), tables=configs(first[0], second[0], types))
    apply_optimizer_in_backward(RowWiseAdagrad, collection.parameters(), {"lr": 0.3})
    how = {"local_size": world, "world_size": world, "device_type": "cpu"}
    plan = construct_module_sharding_plan(collection, dict((first, second)), **how)
    env = ShardingEnv.from_process_group(distributed.group.WORLD)
    return EmbeddingBagCollectionSharder().shard(collection, plan, env, torch.device("cpu"))


def model(world: int) -> torch.nn.Module:
    """Rows on both ranks, a table on one (half precision); columns on both, and a table that all have."""
    types = DataType.FP32, DataType.FP16
    found = {"main": sharded(("rows", row_wise()), ("table", table_wise(rank=world - 1)), world, types)}
    if world == 2:
        columns = ("columns", column_wise(ranks=[0, 1]))
        found["more"] = sharded(columns, ("dense", data_parallel()), world, (DataType.FP32, DataType.FP32))
    return torch.nn.ModuleDict(found)


def batch(step: int, rank: int) -> Any:
    made = torch.Generator().manual_seed(100 * step + rank)
    lengths = torch.randint(0, 4, (3 * 5,), generator=made)
    values = torch.randint(0, ROWS, (int(lengths.sum()),), generator=made)
    return KeyedJaggedTensor.from_lengths_sync(keys=["a", "b", "c"], values=values, lengths=lengths)


def images(tables: list[Any]) -> dict[str, Any]:
    return {
        table.part.key: {"at": table.first_row, **{name: array.clone() for name, array in table.arrays().items()}}
        for table in tables
    }


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one.keys() != other.keys():
        return False
    for key, arrays in one.items():
        for name, array in arrays.items():
            if name != "at" and not torch.equal(array.view(torch.uint8), other[key][name].view(torch.uint8)):
                return False
    return True


def differ(one: dict[str, Any], other: dict[str, Any]) -> int:
    """Rows whose sums have grown."""
    return sum(int((arrays["state1"] != other[key]["state1"]).sum()) for key, arrays in one.items())


def learn(net: torch.nn.Module, step: int) -> None:
    for one in net.values():
        one(batch(step, distributed.get_rank())).wait().values().square().sum().backward()


def train(folder: Path) -> dict[str, Any]:
    rank = distributed.get_rank()
    net = model(2)
    tables = embedding_tables(net)
    saves = PartialCheckpoints(folder / "sharded", tables, run="torchrec", compact_at=9.0)
    found: dict[str, Any] = {"keys": sorted(table.part.key for table in tables), "rows": []}
    for step in range(1, 4):
        before = images(tables)
        with torch.no_grad():  # an evaluation updates nothing
            net["main"](batch(50, rank)).wait()
        learn(net, step)
        changed = differ(before, images(tables))
        saved = saves.save(step)
        found["rows"].append([saved.base, saved.rows, changed])
    before, go = images(tables), threading.Event()
    writes = type(saves.folder).write

    def held(name: str, content: bytes) -> None:
        assert go.wait(60)
        writes(saves.folder, name, content)

    saves.folder.write = held  # type: ignore[method-assign]
    learn(net, 4)
    live = images(tables)
    saving = saves.async_save(4)
    learn(net, 5)  # before anything is written
    go.set()
    found["rows"].append([saving.result().base, saving.result().rows, differ(before, live)])
    assert differ(live, images(tables)) > 0
    go.clear()
    other = embedding_tables(model(2))  # as a new job makes them
    loaded = PartialCheckpoints(folder / "sharded", other, run="torchrec").load()
    found["whole"] = loaded is not None and loaded.step == 4 and equal(images(other), live)
    for table in other:
        for array in table.arrays().values():
            array.fill_(7.0)
    if rank == 1:  # alone: the other one says nothing
        PartialCheckpoints(folder / "sharded", other, run="torchrec", shard=1, shards=2).load_shard()
        found["shard"] = equal(images(other), live)
    torch.save(live, folder / f"live-{rank}.pt")
    saves.async_save(5)  # in the middle of which all are killed
    return found | plain(folder / f"plain-{rank}")


def plain(folder: Path) -> dict[str, Any]:
    """A collection that is not sharded, one table of it in bf16."""
    made = [EmbeddingBagCollection(tables=configs("x", "y", (DataType.FP32, DataType.FP32))) for _ in range(2)]
    for one in made:
        one.embedding_bags["x"].to(torch.bfloat16)
    nets = [torch.nn.ModuleDict({"sparse": one, "top": torch.nn.Linear(8, 1)}) for one in made]
    optimizers = [torch.optim.Adagrad(net.parameters(), lr=0.3) for net in nets]
    tables = [embedding_tables(net, by) for net, by in zip(nets, optimizers, strict=True)]
    saves = PartialCheckpoints(folder, tables[0], shard=0, shards=1)
    saves.save(0)
    rows = []
    for step in (1, 2):
        before = images(tables[0])
        optimizers[0].zero_grad()
        given = made[0](batch(step, 7))
        sum(given[name].float().square().sum() for name in ("a", "b", "c")).backward()
        optimizers[0].step()
        after = images(tables[0])
        changed = sum(int((after[key]["sum"] != before[key]["sum"]).any(1).sum()) for key in after)
        rows.append([saves.save(step).rows, changed])
    loaded = PartialCheckpoints(folder, tables[1], shard=0, shards=1).load()
    same = loaded is not None and loaded.step == 2 and equal(images(tables[1]), images(tables[0]))
    types = sorted(str(table.weight.dtype) for table in tables[1])
    try:
        embedding_tables(torch.nn.Linear(2, 2))
        refused = ""
    except DomainError as error:
        refused = str(error)
    return {"plain": same, "types": types, "plain rows": rows, "refused": refused}


def read(folder: Path) -> dict[str, Any]:
    """One process holds what two did."""
    tables: list[Table] = embedding_tables(model(1))
    loaded = PartialCheckpoints(folder / "sharded", tables, run="torchrec").load()
    here = images(tables)
    parts = [torch.load(folder / f"live-{rank}.pt", weights_only=True) for rank in range(2)]
    rows, table = "main.embedding_bags.rows.weight", "main.embedding_bags.table.weight"
    halves = sorted(
        (one for part in parts for key, one in part.items() if key.startswith(rows)), key=lambda one: one["at"]
    )
    expected = {
        rows: {name: torch.cat([one[name] for one in halves]) for name in ("weight", "state1")},
        table: parts[1][table],
    }
    return {"step": loaded and loaded.step, "again": equal(expected, here)}


if __name__ == "__main__":
    mode, folder = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    torch.manual_seed(int(os.environ["RANK"]))
    distributed.init_process_group("gloo")
    told = train(folder) if mode == "train" else read(folder)
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    if mode == "train":
        distributed.barrier()
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0)
