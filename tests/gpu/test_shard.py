"""A shard whose rows a device holds: the same files, the same digests, and what it does without memory."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cprmodel.checkpoints.files import FileRef
from tests.devices import on_devices
from tests.validation.helpers import FullDisk, claim_of, small, train
from validation.failures import Failure
from validation.processes.memory import one_line_without_memory
from validation.shards.server import Server, ServerConfig


def server(folder: Path, device: str, optimizer: str = "rowwise_adagrad") -> Server:
    """With its first rows."""
    claim = claim_of(folder)
    config = ServerConfig(0, 0, (200, 11), 2, "rows", 8, optimizer, 0.1, 1, device, str(folder), 3, claim, "")
    found = Server(config)
    found.warm_up()
    assert found.rows is None
    found.answer({"op": "initialise", "generation": 1}, [])
    return found


def update(one: Server, step: int, generation: int = 1) -> bool:
    rng = np.random.default_rng(step)
    ids = np.sort(rng.choice(one.count, 30, replace=False))
    gradients = rng.standard_normal((30, 8)).astype(np.float32)
    header = {"op": "update", "step": step, "generation": generation}
    return bool(one.answer(header, [ids, gradients])[0]["applied"])


def digest(one: Server) -> str:
    return str(one.answer({"op": "digest"}, [])[0]["digest"])


def save(one: Server, sequence: int) -> list[dict[str, Any]]:
    chain = one.answer({"op": "save", "sequence": sequence}, [])[0]["chain"]
    one.answer({"op": "commit"}, [])
    return chain  # type: ignore[no-any-return]


@on_devices
@pytest.mark.parametrize("optimizer", ["sgd", "rowwise_adagrad"])
def test_it_holds_what_a_shard_in_numpy_holds(device: str, optimizer: str, tmp_path: Path) -> None:
    here, there = (server(tmp_path, one, optimizer) for one in ("cpu", device))
    for step in range(1, 8):
        assert update(here, step)
        assert update(there, step)
        assert digest(here) == digest(there)


@on_devices
def test_a_base_and_its_deltas_lead_back_to_it(device: str, tmp_path: Path) -> None:
    """On the device as in NumPy: what one has written the other loads."""
    one = server(tmp_path, device)
    for step in range(1, 4):
        update(one, step)
        chain = save(one, step)
    assert [ref["name"].split(".")[2] for ref in chain] == ["base", "delta", "delta"]
    kept = digest(one)
    update(one, 4)
    assert digest(one) != kept
    for other in (server(tmp_path, device), server(tmp_path, "cpu")):
        reply = other.answer({"op": "load", "step": 3, "generation": 2, "chain": chain}, [])[0]
        assert reply["digest"] == digest(other) == kept
        assert reply["seconds"] > 0


@on_devices
def test_an_update_is_applied_once_there(device: str, tmp_path: Path) -> None:
    one = server(tmp_path, device)
    assert update(one, 1)
    after = digest(one)
    assert not update(one, 1)
    one.answer({"op": "hello", "generation": 2}, [])
    assert not update(one, 2, generation=1)
    assert digest(one) == after
    assert update(one, 2, generation=2)


@on_devices
def test_a_damaged_file_leaves_the_rows_as_they_were(device: str, tmp_path: Path) -> None:
    one = server(tmp_path, device)
    chain = save(one, 0)
    update(one, 1)
    before = digest(one)
    path = tmp_path / FileRef(**chain[0]).name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    reply = one.answer({"op": "load", "step": 0, "generation": 2, "chain": chain}, [])[0]
    assert reply["corrupt"] == path.name
    assert digest(one) == before


@on_devices
def test_exhausted_memory_is_one_line(device: str) -> None:
    """As torch says it on either device."""
    with (
        pytest.raises(SystemExit, match=r"^shard 3: expected room in the memory of its device \(.*\), or .*; .+$"),
        one_line_without_memory("shard 3", device, "smaller tables"),
    ):
        torch.empty(10**15, device=device)
    with pytest.raises(RuntimeError, match="of another sort"), one_line_without_memory("shard 3", device, ""):
        raise RuntimeError("of another sort")


class FullMemory(FullDisk):
    """Shard 0 gets no more memory than it has, from a failure on, for as long as it lives."""

    def fill(self, failure: Failure, processes: Any) -> None:
        if self.limited is None:
            self.limited = processes["shard-0"].pid
            pages = int(Path(f"/proc/{self.limited}/statm").read_text().split()[0])
            hard = resource.prlimit(self.limited, resource.RLIMIT_AS)[1]
            resource.prlimit(self.limited, resource.RLIMIT_AS, (pages * resource.getpagesize(), hard))


def test_a_shard_whose_memory_is_exhausted_is_followed_by_one_that_loads(tmp_path: Path) -> None:
    """It dies of it at the next load, and says why; for the run it is a death like any other."""
    full = FullMemory()
    case = small(
        [{"kind": "shard", "shards": [2], "step": 12}],
        model={"num_embeddings": [200_000, 40, 3], "embedding_dim": 16},
        strategy={"recovery": "full"},
        journal=False,
    )
    events, found = train(case, tmp_path / "run", sabotage=full.fill)
    died = [one for one in events if one["event"] == "died" and one["cause"] != "killed"]
    assert [(one["what"], one["status"]) for one in died] == [("shard-0", 1)]
    said = (tmp_path / "run" / "logs" / "shard-0.log").read_text().strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("shard 0: expected room in the memory of its device (cpu), or smaller tables")
    assert found.status == "finished"
    assert found.steps == case.steps
    assert found.lost_samples == 0
