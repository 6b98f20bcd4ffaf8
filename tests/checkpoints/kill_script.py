"""One of two processes that train, save rows and are killed; run by test_killed.py.

Each holds half the rows of one table, and a table of its own. What a checkpoint should have is kept in memory, row
by row as saves say they are safe, and written beside, in files that the package knows nothing of. With
``--background`` a save is written once training has gone on for a step, and its rows are safe when it says so, as
they were when it began.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from cprmodel.checkpoints import PartialCheckpoints, SaveFailed, Saving, Table
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
        self.copied: list[tuple[torch.Tensor, Any, torch.Tensor]] = []  # of a save that is under way

    def listen(self) -> None:
        """Hear from the trackers which rows are safe."""
        for at, table in enumerate(self.tables):
            tracker: Any = table.tracker
            tracker.saved = self._heard(at, tracker.saved)

    def _heard(self, at: int, known: Any) -> Any:
        def saved(rows: Any) -> None:
            for name, array in self.tables[at].arrays().items():
                self.copied.append((self.safe[at][name], rows, array[rows].clone()))
            known(rows)

        return saved

    def heard_of(self, complete: bool) -> None:
        """What became of a save."""
        for safe, rows, values in self.copied if complete else ():
            safe[rows] = values
        self.copied = []

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
    parser.add_argument("--die-in-delta", type=int, default=0)
    parser.add_argument("--background", action="store_true", help="train while a save is written")
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
    gate, passed, at_step = threading.Condition(), first, 0  # steps; that of the newest save
    under_way: Saving | None = None

    def pass_on(step: int) -> None:
        nonlocal passed
        with gate:
            passed = max(passed, step)
            gate.notify_all()

    def write(name: str, content: bytes) -> None:
        """Of the save of some step it dies in the middle of a delta, or of the manifest."""
        with gate:
            assert not options.background or gate.wait_for(lambda: passed > at_step, 60)
        dies = {".delta": options.die_in_delta, ".json": options.die_in_save}
        if any(part in name and step == at_step for part, step in dies.items()):
            (folder / "saves" / f".{name}.0.tmp").write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        writes(saves.folder, name, content)

    def hear() -> None:
        """What became of the save that was under way."""
        nonlocal under_way
        if under_way is None:
            return
        try:
            saved = under_way.result()
        except SaveFailed as error:
            trained.heard_of(complete=False)
            tell(f"failed-{at_step}", error=str(error))
        else:
            trained.heard_of(complete=True)
            tell(f"safe-{at_step}", digest=digest(trained.safe), base=saved.base)
        under_way = None

    saves.folder.write = write  # type: ignore[method-assign]
    step = first
    while step < options.steps:
        step += 1
        try:
            trained.step(step)
        except RuntimeError:
            if not options.survive:
                raise
            pass_on(step)
            distributed.destroy_process_group()
            tell("survived", step=step - 1, digest=digest(trained.image()))
            meet(options.epoch + 1)
            hear()
            saves.regroup()
            step -= 1
            distributed.broadcast_object_list([step], src=0)
            tell("rejoined", digest=digest(trained.image()))
            options.survive = False
            continue
        pass_on(step)
        if step == options.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if options.background and options.die_in_delta and step == options.die_in_delta + 1:
            signal.pause()  # the other thread ends it, before it takes part in one more step
        if step % 2:
            continue
        hear()
        at_step, rest = step, {"dense": torch.full((2,), float(step))}
        if options.background:
            under_way = saves.async_save(step, rest)
        else:
            saved = saves.save(step, rest)
            trained.heard_of(complete=True)
            tell(f"safe-{step}", digest=digest(trained.safe), base=saved.base)
    pass_on(step + 1)
    hear()
    tell("end", step=step, safe=digest(trained.safe))
    torch.save([{**one} for one in trained.safe], folder / f"safe-{rank}.pt")
    distributed.barrier()
    os._exit(0)


if __name__ == "__main__":
    main()
