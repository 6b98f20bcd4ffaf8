"""The tables of plain PyTorch models: found, heard in each step, refused where deltas would miss rows."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cprmodel import AdvisorWarning, DomainError, Job
from cprmodel.adaptors.embeddings import embedding_tables
from cprmodel.adaptors.torch import AdvisedRanks
from cprmodel.checkpoints import PartialCheckpoints, Table

ROWS = 30


def net(sparse: bool = False) -> nn.ModuleDict:
    bag = nn.EmbeddingBag(ROWS, 4, mode="sum", sparse=sparse)
    return nn.ModuleDict({"bag": bag, "one": nn.Embedding(ROWS, 4, sparse=sparse), "top": nn.Linear(4, 1)})


def images(tables: list[Table]) -> list[dict[str, torch.Tensor]]:
    return [{name: array.clone() for name, array in table.arrays().items()} for table in tables]


def equal(ours: list[dict[str, torch.Tensor]], theirs: list[dict[str, torch.Tensor]]) -> bool:
    pairs = [(one[name], other[name]) for one, other in zip(ours, theirs, strict=True) for name in one]
    return all(torch.equal(a.view(torch.uint8), b.view(torch.uint8)) for a, b in pairs)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # of torch's own optimizers
@pytest.mark.parametrize(
    ("sparse", "optimizer"),
    [
        (False, lambda weights: torch.optim.Adagrad(weights, lr=0.1)),
        (True, lambda weights: torch.optim.Adagrad(weights, lr=0.1)),
        (True, lambda weights: torch.optim.SparseAdam(weights, lr=0.1)),
        (False, lambda weights: torch.optim.SGD(weights, lr=0.1)),
    ],
    ids=["adagrad", "adagrad-sparse", "sparse-adam", "sgd"],
)
def test_each_row_that_changes_is_saved(sparse: bool, optimizer: Any, tmp_path: Path) -> None:
    """What a step changes is read off the tables themselves, and a new process goes on as if nothing had been."""
    model, other = net(sparse), net(sparse)
    by, again = (optimizer([*(one["bag"].parameters()), *(one["one"].parameters())]) for one in (model, other))
    tables = embedding_tables(model, by)
    assert [table.name for table in tables] == ["bag.weight", "one.weight"]
    saves = PartialCheckpoints(tmp_path, tables, compact_at=50.0)
    saves.save(0)
    for step in range(1, 5):
        before = [table.weight.detach().clone() for table in tables]
        made = torch.Generator().manual_seed(step)
        ids = torch.randint(ROWS, (12,), generator=made)
        with torch.no_grad():  # an evaluation updates nothing
            model["bag"](torch.arange(ROWS), torch.tensor([0]))
        by.zero_grad()
        pooled = model["bag"](ids, torch.tensor([0, 5])) + model["one"](input=ids[:2].reshape(2, 1)).sum(1)
        pooled.square().sum().backward()
        by.step()
        changed = sum(int((table.weight != old).any(1).sum()) for table, old in zip(tables, before, strict=True))
        assert saves.save(step).rows == changed > 0
    copies = embedding_tables(other, again)
    loaded = PartialCheckpoints(tmp_path, copies).load()
    assert loaded is not None
    assert equal(images(tables), images(copies))
    for one, trains in ((model, by), (other, again)):
        trains.zero_grad()
        (one["bag"](ids, torch.tensor([0])).square().sum() + one["one"](ids).square().sum()).backward()
        trains.step()
    assert equal(images(tables), images(copies))


def test_tied_and_frozen_tables() -> None:
    model = net()
    model["one"].weight = model["bag"].weight
    model["still"] = nn.EmbeddingBag(3, 2).requires_grad_(False)
    (table,) = embedding_tables(model)
    from cprmodel.trackers import MostFrequentlyUpdated

    table.tracker = tracker = MostFrequentlyUpdated(ROWS)
    model["bag"](torch.tensor([[1, 2]]))
    model["one"](torch.tensor([2, 3]))
    assert tracker.updates[:5].tolist() == [0, 1, 2, 1, 0]


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        (torch.optim.Adam, r"bag.weight: Adam may change rows that a batch does not touch"),
        (lambda weights: torch.optim.SGD(weights, momentum=0.9), r"SGD with momentum may change"),
        (lambda weights: torch.optim.Adagrad(weights, weight_decay=0.1), r"Adagrad with weight_decay may change"),
        (lambda weights: torch.optim.SGD([nn.Parameter(torch.zeros(1))]), r"expected the optimizer that trains it"),
    ],
)
def test_rows_that_no_id_names_are_refused(optimizer: Any, said: str) -> None:
    model = net()
    with pytest.raises(DomainError, match=said):
        embedding_tables(model, optimizer(list(model.parameters())))


def test_an_eps_that_is_0_is_refused() -> None:
    """In half precision Adagrad's 1e-10 is: rows without a gradient become 0/0, in torch itself."""
    model = net().half()
    with pytest.raises(
        DomainError, match=r"Adagrad with eps = 1e-10, which is 0 in torch.float16, may change rows"
    ):
        embedding_tables(model, torch.optim.Adagrad(model.parameters()))
    embedding_tables(net().bfloat16(), [])
    bfloat = net().bfloat16()
    assert len(embedding_tables(bfloat, torch.optim.Adagrad(bfloat.parameters()))) == 2


def test_models_without_tables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DomainError, match="expected a model with EmbeddingBag or Embedding modules"):
        embedding_tables(nn.Linear(2, 2))
    monkeypatch.setattr(nn.parallel, "DistributedDataParallel", nn.Sequential)  # which would want a process group
    with pytest.raises(DomainError, match=r"model: other ranks' batches change its rows too: expected tables that"):
        embedding_tables(nn.Sequential(net()))


def test_an_advisor_hears_what_became_of_saves_in_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is asked for while one is under way; one that failed is tried again, with its rows."""
    plan = {
        "job": {"work": "1000 h"},
        "failures": {"mtbf": "28 h"},
        "checkpoint": {"save": "4 min", "load": "4 min", "reschedule": "10 min"},
    }
    now = 0.0
    model = net()
    by = torch.optim.SGD(model["bag"].parameters(), lr=0.1)
    tables = embedding_tables(model, [by, torch.optim.SGD(model["one"].parameters(), lr=0.1)])
    saves = PartialCheckpoints(tmp_path, tables, compact_at=99.0)
    saves.save(0)
    go, fails, writes = threading.Event(), False, type(saves.folder).write

    def write(name: str, content: bytes) -> None:
        assert go.wait(60)
        if fails and name.endswith(".json"):
            raise OSError(28, "No space left on device")
        writes(saves.folder, name, content)

    monkeypatch.setattr(saves.folder, "write", write)
    asked: list[int] = []
    saving: Any = None
    copied: Any = None
    with AdvisedRanks(Job.from_mapping(plan), "full", None, clock=lambda: now) as ranks:
        advisor = ranks.advisor
        assert advisor is not None
        for step in range(1, 900):
            now += 60.0
            by.zero_grad()
            model["bag"](torch.tensor([step % ROWS]), torch.tensor([0])).sum().backward()
            by.step()
            over = bool(asked) and step == asked[-1] + 7  # a save takes seven steps
            if over:
                fails = len(asked) == 2
                go.set()
                saving.exception(60)
            with pytest.warns(AdvisorWarning, match="No space left") if over and fails else nullcontext():
                due = ranks.step()
            if over and len(asked) == 3:
                break
            if due:
                asked.append(step)
                go.clear()
                saving, copied = saves.async_save(step), images(tables)
                ranks.save_started(0.0, saving, queued_s=saving.queued_s)
    assert len(asked) == 3
    assert asked[2] - asked[1] < (asked[1] - asked[0]) / 2  # what failed is tried again
    assert saving.result().rows == min(ROWS, asked[2] - asked[0])  # with its rows
    assert (advisor.seen.drains, advisor.seen.drain_s) == (2, 2 * 7 * 60.0)
    others = embedding_tables(net())
    assert PartialCheckpoints(tmp_path, others).load().step == asked[2]  # type: ignore[union-attr]
    assert equal(images(others), copied)
