"""One of two processes that train, save rows and are killed; run by test_killed.py.

Each holds half the rows of one table, and a table of its own. What a checkpoint should have is kept in memory, row
by row as saves say they are safe, and written beside, in files that the package knows nothing of.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from cprmodel.checkpoints import PartialCheckpoints, Table
from cprmodel.facts.files import write_whole

ROWS, DIM, BATCH = 40, 4, 12


def digest(arrays: list[dict[str, torch.Tensor]]) -> str:
    found = hashlib.sha256()
    for one in arrays:
        for name in sorted(one):
            found.update(one[name].detach().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


class Trained:
    """A process's two tables, their optimizer, and what is safe of them."""

    def __init__(self, rank: int) -> None:
        made = torch.Generator().manual_seed(rank)
        self.rank = rank
        self.users = torch.nn.Parameter(torch.randn((ROWS // 2, DIM), generator=made))
        self.own = torch.nn.Parameter(torch.randn((ROWS, DIM), generator=made).bfloat16())
        sums = [torch.zeros_like(one) for one in (self.users, self.own)]  # torch.optim takes seconds to import
        self.tables = [
            Table("users", self.users, {"sum": sums[0]}, first_row=rank * ROWS // 2, shape=(ROWS, DIM)),
            Table(f"own-{rank}", self.own, {"sum": sums[1]}),
        ]
        self.safe: list[dict[str, torch.Tensor]] = []

    def listen(self) -> None:
        """Hear from the trackers which rows are safe."""
        for at, table in enumerate(self.tables):
            tracker: Any = table.tracker
            tracker.saved = self._heard(at, tracker.saved)

    def _heard(self, at: int, known: Any) -> Any:
        def saved(rows: Any) -> None:
            for name, array in self.tables[at].arrays().items():
                self.safe[at][name][rows] = array[rows]
            known(rows)

        return saved

    def image(self) -> list[dict[str, torch.Tensor]]:
        return [{name: array.clone() for name, array in table.arrays().items()} for table in self.tables]

    def step(self, step: int) -> None:
        """Both need each other's rows."""
        made = torch.Generator().manual_seed(1000 + step)
        ids = torch.randint(ROWS, (BATCH,), generator=made)
        here = ids[(ids // (ROWS // 2)) == self.rank] % (ROWS // 2)
        near, far = self.users[here].sum(dim=0), self.own[ids].float().sum(dim=0)
        both = (near + far).detach().clone()
        distributed.all_reduce(both)
        ((near + far) * both).sum().backward()
        with torch.no_grad():  # Adagrad
            for table, weight in zip(self.tables, (self.users, self.own), strict=True):
                gradient, weight.grad = weight.grad, None
                table.state["sum"] += gradient * gradient
                weight -= 0.3 * gradient / (table.state["sum"].sqrt() + 1e-8)
        self.tables[0].record(here)
        self.tables[1].record(ids)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rank", type=int)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--die-at", type=int, default=0)
    parser.add_argument("--die-in-save", type=int, default=0)
    parser.add_argument("--survive", action="store_true", help="where the other one dies")
    parser.add_argument("--alone", action="store_true", help="take the place of one that was lost")
    parser.add_argument("--epoch", type=int, default=0, help="number of the group of processes")
    options = parser.parse_args()
    rank, folder = options.rank, options.folder

    def meet(epoch: int) -> None:
        where = f"file://{folder}/group-{epoch}"
        wait = timedelta(seconds=60)
        distributed.init_process_group("gloo", init_method=where, rank=rank, world_size=2, timeout=wait)

    def tell(name: str, **facts: Any) -> None:
        write_whole(folder / f"{name}-{rank}.json", json.dumps(facts))

    torch.set_num_threads(1)
    trained = Trained(rank)
    meet(options.epoch)
    saves = PartialCheckpoints(folder / "saves", trained.tables, 0.3)
    found = saves.load_shard() if options.alone else saves.load()
    tell("loaded", step=found and found.step, told=found and found.told, digest=digest(trained.image()))
    first = 0
    if found is not None:
        first = found.step
    trained.safe = trained.image()
    trained.listen()
    if options.alone:
        began: list[Any] = [None]
        distributed.broadcast_object_list(began, src=0)  # where the other one is
        first = began[0]
    writes = type(saves.folder).write

    def die(name: str, content: bytes) -> None:
        """In the middle of writing a manifest."""
        if name.endswith(".json"):
            (folder / "saves" / f".{name}.0.tmp").write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        writes(saves.folder, name, content)

    step = first
    while step < options.steps:
        step += 1
        try:
            trained.step(step)
        except RuntimeError:
            if not options.survive:
                raise
            distributed.destroy_process_group()
            tell("survived", step=step - 1, digest=digest(trained.image()))
            meet(options.epoch + 1)
            saves.regroup()
            step -= 1
            distributed.broadcast_object_list([step], src=0)
            tell("rejoined", digest=digest(trained.image()))
            options.survive = False
            continue
        if step == options.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if step % 2 == 0:
            if step == options.die_in_save:
                saves.folder.write = die  # type: ignore[method-assign]
            saved = saves.save(step, {"dense": torch.full((2,), float(step))})
            tell(f"safe-{step}", digest=digest(trained.safe), base=saved.base)
    tell("end", step=step, safe=digest(trained.safe))
    torch.save([{**one} for one in trained.safe], folder / f"safe-{rank}.pt")
    distributed.barrier()
    os._exit(0)


if __name__ == "__main__":
    main()
