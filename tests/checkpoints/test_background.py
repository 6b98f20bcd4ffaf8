"""Saves that go on while training does, held up and let go by the test; in one process."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cprmodel.checkpoints import PartialCheckpoints, SaveFailed, Saving, Table, read_tables
from cprmodel.facts.errors import CheckpointWarning
from tests.checkpoints.test_partial import ROWS, TYPES, image, listened, same, table, train

ids = st.lists(st.integers(0, ROWS - 1), max_size=9)
WAIT_S = 60.0


class Held:
    """A folder whose writes wait until they are let go, and then fail where a name has a part."""

    def __init__(self, saves: PartialCheckpoints) -> None:
        self.saves, self.fails = saves, ""
        self.go = threading.Event()
        saves.folder.write = self.write  # type: ignore[method-assign]

    def write(self, name: str, content: bytes) -> None:
        assert self.go.wait(WAIT_S)
        if self.fails and self.fails in name:
            raise OSError(28, "No space left on device")
        type(self.saves.folder).write(self.saves.folder, name, content)

    def let_go(self, fails: str = "") -> None:
        self.fails = fails
        self.go.set()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    steps=st.lists(st.tuples(ids, ids, st.sampled_from(["", "", ".shard", ".rest", ".json"])), max_size=8),
    fraction=st.sampled_from([0.1, 0.25, 1.0]),
    order=st.sampled_from(["update-age", "mfu", "ssu", "scar"]),
    dtype=st.sampled_from([one for one in TYPES if one != torch.bfloat16]),
    compact_after=st.integers(1, 5),
)
def test_rows_come_back_as_they_were_copied(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[list[int], list[int], str]],
    fraction: float,
    order: str,
    dtype: torch.dtype,
    compact_after: int,
) -> None:
    """What training does while a save is written is in the next one; what was in a save that failed, too."""
    folder, made = tmp_path_factory.mktemp("saves"), torch.Generator().manual_seed(3)
    tables = [table("a", 1, dtype=dtype), table("b", 2, dtype=dtype)]
    saves = PartialCheckpoints(folder, tables, fraction, order, compact_after=compact_after)
    saves.save(0, {"at": 0})
    kept, newest = [image(one) for one in tables], 0
    wholes = [(one.state["step"].clone(), one.state["count"]) for one in tables]
    changed = [set[int]() for _ in tables]  # since their last save that is durable
    for number, (before, during, fails) in enumerate(steps, start=1):
        for one, rows in zip(tables, changed, strict=True):
            train(one, before, made)
            rows |= set(before)
        held = Held(saves)
        with pytest.MonkeyPatch.context() as patch:
            told = [listened(patch, one) for one in tables]
            saving = saves.async_save(number, {"at": number})
        copied = [image(one) for one in tables]
        whole = [(one.state["step"].clone(), one.state["count"]) for one in tables]
        for one in tables:
            train(one, during, made)
        assert not saving.done()
        held.let_go(fails)
        if fails:
            with pytest.raises(SaveFailed, match="process 0: No space left on device"):
                saving.result(WAIT_S)
            for rows in changed:
                rows |= set(during)
            continue
        found = saving.result(WAIT_S)
        newest, wholes = number, whole
        for at, ((written,), rows) in enumerate(zip(told, changed, strict=True)):
            for name in copied[at]:
                kept[at][name][written] = copied[at][name][written]
            if fraction == 1.0 and not found.base and order != "ssu":
                assert set(written.tolist()) == rows
            rows -= set(written.tolist())
            rows |= set(during)
    others = [table("a", 8, dtype=dtype), table("b", 9, dtype=dtype)]
    loaded = PartialCheckpoints(folder, others, fraction, order).load()
    assert loaded is not None
    assert (loaded.step, loaded.rest) == (newest, {"at": newest})
    for other, image_of, (step, count) in zip(others, kept, wholes, strict=True):
        assert same(other, image_of)
        assert (other.state["step"], other.state["count"]) == (step, count)


def saved_once(
    folder: Path, fraction: float = 1.0, **more: Any
) -> tuple[PartialCheckpoints, Table, torch.Generator]:
    one, made = table("a", 1), torch.Generator().manual_seed(0)
    saves = PartialCheckpoints(folder, [one], fraction, **more)
    saves.save(0)
    return saves, one, made


def test_until_its_manifest_is_there_the_one_before_is_the_newest(tmp_path: Path) -> None:
    saves, one, made = saved_once(tmp_path)
    before = image(one)
    train(one, [3, 4], made)
    held = Held(saves)
    copied, saving = image(one), saves.async_save(1)
    train(one, [4, 5], made)
    other = table("a", 5)
    assert PartialCheckpoints(tmp_path, [other]).load().step == 0  # type: ignore[union-attr]
    assert same(other, before)
    with pytest.raises(TimeoutError):
        saving.result(0.01)
    held.let_go()
    assert saving.result(WAIT_S).rows == 2
    assert PartialCheckpoints(tmp_path, [other]).load().step == 1  # type: ignore[union-attr]
    assert same(other, copied)
    assert saves.save(2).rows == 2  # 4 again, and 5
    assert same(read_tables(tmp_path)[1][0], image(one))


@pytest.mark.parametrize("what", ["async_save", "save", "load", "load_shard", "regroup"])
def test_one_that_is_under_way_is_waited_for(what: str, tmp_path: Path) -> None:
    saves, one, made = saved_once(tmp_path)
    train(one, [3], made)
    held = Held(saves)
    first = saves.async_save(1)
    threading.Timer(0.2, held.let_go).start()
    done: Any = getattr(saves, what)(*([2] if "save" in what else []))
    assert first.done()
    assert first.result().step == 1
    if isinstance(done, Saving):
        done = done.result(WAIT_S)
    if "load" in what:
        assert done.step == 1
    elif done is not None:
        assert (done.step, done.rows) == (2, 0)


def test_a_failure_of_which_nobody_asked_is_told(tmp_path: Path) -> None:
    saves, one, made = saved_once(tmp_path, 0.1)
    train(one, [3, 3, 3, 4], made)
    held = Held(saves)
    held.let_go(".json")
    saves.async_save(1)
    said = f"{tmp_path}: the save of step 1: process 0: No space left on device"
    held.go.wait()
    with pytest.warns(CheckpointWarning, match=said):
        saves._settle()
    train(one, [4], made)
    held.fails = ""
    assert [saves.save(step).rows for step in (2, 3)] == [2, 0]
    assert one.tracker is not None
    assert not len(one.tracker.select(ROWS))


def test_what_cannot_be_copied_fails_in_the_thread_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves, one, made = saved_once(tmp_path)
    train(one, [3], made)
    with monkeypatch.context() as patch:

        def none(rows: Any) -> Any:
            raise MemoryError("no room for a copy")

        patch.setattr(one, "cut", none)
        with pytest.raises(SaveFailed, match="process 0: no room for a copy"):
            saves.async_save(1).result(WAIT_S)
    with pytest.raises(SaveFailed, match=r"rest: expected what torch.load"):
        saves.async_save(1, {"rng": np.random.default_rng(1)}).result(WAIT_S)
    assert saves.async_save(1).result(WAIT_S).rows == 1


@pytest.mark.parametrize("copy_base", [True, False])
def test_a_base(copy_base: bool, tmp_path: Path) -> None:
    """Written by the thread, or before training goes on; one that failed is followed by one."""
    saves, one, made = saved_once(tmp_path, compact_at=0.1)  # two rows
    train(one, [1], made)
    assert not saves.save(1).base
    names: list[str] = []
    write = saves.folder.write

    def by(name: str, content: bytes) -> None:
        names.append(f"{threading.current_thread() is threading.main_thread()} {name.split('.')[-1]}")
        if name.endswith(".json") and failing:
            raise OSError(5, "Input/output error")
        write(name, content)

    saves.folder.write = by  # type: ignore[method-assign]
    for failing in (True, False):
        train(one, [2, 5] if failing else [2], made)
        saving = saves.async_save(2, copy_base=copy_base)
        copied = image(one)
        if not failing:
            train(one, [3], made)
            found = saving.result(WAIT_S)
            assert (found.base, found.rows) == (True, ROWS)
        else:
            with pytest.raises(SaveFailed, match="Input/output error"):
                saving.result(WAIT_S)
        assert names == [f"{not copy_base} safetensors", "False json"]
        names.clear()
    other = table("a", 5)
    PartialCheckpoints(tmp_path, [other]).load()
    assert same(other, copied)
    assert saves.save(3).rows == 1
