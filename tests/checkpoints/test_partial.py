"""Bases and deltas against a copy kept in memory, damage, and what is refused; in one process."""

from __future__ import annotations

import itertools
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cprmodel import DomainError, JobError
from cprmodel.checkpoints import NothingWhole, PartialCheckpoints, SaveFailed, Table, read_tables
from cprmodel.checkpoints.contents import Manifest
from cprmodel.facts.errors import CheckpointWarning

ROWS, DIM = 24, 3
#: As the types of safetensors, with which a row may be any of.
TYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


def bits(tensor: torch.Tensor) -> bytes:
    """What is compared: not numbers, for which −0 is 0 and a NaN is nothing."""
    return tensor.detach().contiguous().view(torch.uint8).numpy().tobytes()


def table(name: str, seed: int, rows: int = ROWS, dtype: torch.dtype = torch.float32, **more: Any) -> Table:
    made = torch.Generator().manual_seed(seed)
    state = {
        "sum": torch.rand(rows, generator=made),
        "exp_avg": torch.rand((rows, DIM), generator=made).to(dtype),
        "step": torch.tensor(float(seed)),
        "count": seed,
    }
    return Table(name, torch.rand((rows, DIM), generator=made).to(dtype), state, **more)


def train(one: Table, ids: list[int], made: torch.Generator) -> None:
    """An update of these rows, their state, and what the table has as a whole."""
    rows = torch.tensor(ids, dtype=torch.int64)
    for array in one.arrays().values():
        array[rows] = (torch.randn(array[rows].shape, generator=made) * 9).to(array.dtype)
    one.state["step"] += 1
    one.state["count"] += 1
    one.record(rows)


def image(one: Table) -> dict[str, torch.Tensor]:
    return {name: array.clone() for name, array in one.arrays().items()}


def listened(patch: pytest.MonkeyPatch, one: Table) -> list[Any]:
    """The rows of which its tracker will be told that they are safe."""
    told: list[Any] = []
    tracker = one.tracker
    assert tracker is not None
    known = tracker.saved

    def saved(rows: Any) -> None:
        told.append(np.asarray(rows))
        known(rows)

    patch.setattr(tracker, "saved", saved)
    return told


def same(one: Table, other: dict[str, torch.Tensor]) -> bool:
    arrays = one.arrays()
    return arrays.keys() == other.keys() and all(bits(arrays[name]) == bits(other[name]) for name in arrays)


steps = st.lists(st.lists(st.integers(0, ROWS - 1), max_size=9), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    steps=steps,
    fraction=st.sampled_from([0.1, 0.25, 1.0]),
    order=st.sampled_from(["update-age", "mfu", "ssu", "scar"]),
    dtype=st.sampled_from(TYPES),
    compact_after=st.integers(1, 5),
)
def test_rows_come_back_as_they_were_saved(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[list[int]],
    fraction: float,
    order: str,
    dtype: torch.dtype,
    compact_after: int,
) -> None:
    """A copy in memory takes over the rows that a save says it wrote: that is what a new process reads."""
    if order == "scar" and dtype == torch.bfloat16:
        dtype = torch.float16
    folder, made = tmp_path_factory.mktemp("saves"), torch.Generator().manual_seed(3)
    tables = [table("a", 1, dtype=dtype), table("b", 2, dtype=dtype)]
    saves = PartialCheckpoints(folder, tables, fraction, order, compact_after=compact_after)
    kept: list[dict[str, torch.Tensor]] = []
    for number, ids in enumerate(steps):
        for one in tables:
            train(one, ids, made)
        with pytest.MonkeyPatch.context() as patch:
            told = [listened(patch, one) for one in tables]
            found = saves.save(number, {"at": number})
        for at, one in enumerate(tables):
            (rows,) = told[at]
            if number == 0:
                assert found.base
                kept.append(image(one))
            for name, array in one.arrays().items():
                kept[at][name][rows] = array[rows]
        assert found.rows == sum(len(rows) for (rows,) in told)
    others = [table("a", 8, dtype=dtype), table("b", 9, dtype=dtype)]
    loaded = PartialCheckpoints(folder, others, fraction, order).load()
    assert loaded is not None
    assert (loaded.step, loaded.rest, loaded.told) == (len(steps) - 1, {"at": len(steps) - 1}, ())
    for one, other, image_of in zip(tables, others, kept, strict=True):
        assert same(other, image_of)
        assert (other.state["step"], other.state["count"]) == (one.state["step"], one.state["count"])
        assert isinstance(other.state["count"], int)
    _, whole = read_tables(folder)
    assert all(same(one, image_of) for one, image_of in zip(whole, kept, strict=True))


def test_all_that_has_changed_is_saved_and_no_more(tmp_path: Path) -> None:
    one, made = table("a", 1), torch.Generator().manual_seed(0)
    saves = PartialCheckpoints(tmp_path, [one], compact_at=100.0)
    assert saves.save(0).base
    train(one, [3, 3, 5], made)
    assert saves.save(1).rows == 2
    assert saves.save(2).rows == 0
    train(one, [5], made)
    assert saves.save(3).rows == 1
    other = table("a", 2)
    PartialCheckpoints(tmp_path, [other]).load()
    assert same(other, image(one))


def test_a_new_base_comes_where_deltas_have_grown(tmp_path: Path) -> None:
    one, made = table("a", 1), torch.Generator().manual_seed(0)
    saves = PartialCheckpoints(tmp_path, [one], compact_after=3)
    bases = []
    for number in range(9):
        train(one, [number], made)
        bases.append(saves.save(number).base)
    assert bases == [True, False, False, False] * 2 + [True]
    saves = PartialCheckpoints(tmp_path, [one], compact_at=0.5, run="run")
    saves.load()
    train(one, list(range(7)), made)
    assert not saves.save(9).base
    train(one, list(range(7)), made)
    assert saves.save(10).base  # 14 rows of 24


def test_what_no_checkpoint_needs_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "00000003.shard-0.base.safetensors").write_text("not of this kind")
    one, made = table("a", 1), torch.Generator().manual_seed(0)
    saves = PartialCheckpoints(tmp_path, [one], compact_after=2)
    for number in range(12):
        train(one, [number], made)
        saves.save(number, {"x": 1})
    manifests = sorted(path.name for path in tmp_path.glob("*.json"))
    assert len(manifests) == 3  # the two newest, and one that shares no file with them
    used: set[str] = set()
    for name in manifests:
        used |= Manifest.from_json(name, (tmp_path / name).read_bytes()).files
    left = {path.name for path in tmp_path.iterdir()} - used - set(manifests)
    assert left == {"notes.txt", "00000003.shard-0.base.safetensors"}


def three_saves(folder: Any) -> tuple[list[dict[str, torch.Tensor]], list[Manifest]]:
    """A base and two deltas on it; then a new base with its own delta: as saved, and their manifests."""
    one, made = table("a", 1), torch.Generator().manual_seed(0)
    saves = PartialCheckpoints(folder, [one], compact_after=1)
    images = []
    for number in range(4):
        train(one, [number, number + 5], made)
        saves.save(number, {"at": number})
        images.append(image(one))
    found = [Manifest.from_json(path.name, path.read_bytes()) for path in sorted(Path(folder).glob("[0-9]*.json"))]
    assert [len(one.chains[0]) for one in found] == [2, 1, 2]
    return images, found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.data())
def test_damage_is_told_and_the_newest_whole_state_read(tmp_path_factory: Any, data: Any) -> None:
    """A bit, a file cut short or missing, anywhere in the newest checkpoint or in the base below it."""
    folder = tmp_path_factory.mktemp("damaged")
    images, found = three_saves(folder)
    newest = found[-1]
    name = data.draw(st.sampled_from(sorted(newest.files | {newest.name})))
    path = folder / name
    content = bytearray(path.read_bytes())
    how = data.draw(st.sampled_from(["bit", "short", "missing"]))
    if how == "bit":
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "short":
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    if how == "missing":
        path.unlink()
    shared = name == newest.chains[0][0].name  # the base that the one before is
    whole = 1 if shared else 2
    other = table("a", 9)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        loaded = PartialCheckpoints(folder, [other]).load()
    assert loaded is not None
    if loaded.step == 3:  # a flip that changes nothing in a manifest, as from a space to a zero byte it cannot be
        assert name == newest.name
        assert how != "short"
        whole = 3
    assert (loaded.step, loaded.rest) == (whole, {"at": whole})
    assert same(other, images[whole])
    if whole < 3 and not (how == "missing" and name == newest.name):
        assert any(name in line and line.startswith(str(folder)) and "\n" not in line for line in loaded.told)
        assert [str(one.message) for one in heard] == list(loaded.told)
        assert all(one.category is CheckpointWarning for one in heard)


def test_after_damage_saves_go_on_from_what_was_read(tmp_path: Path) -> None:
    images, found = three_saves(tmp_path)
    (tmp_path / found[-1].chains[0][1].name).unlink()
    one, made = table("a", 7), torch.Generator().manual_seed(5)
    saves = PartialCheckpoints(tmp_path, [one])
    with pytest.warns(CheckpointWarning, match="no such file"):
        saves.load()
    assert same(one, images[2])
    train(one, [9], made)
    assert not saves.save(3).base
    assert not (tmp_path / found[-1].name).exists()  # of a past that did not happen
    other = table("a", 8)
    PartialCheckpoints(tmp_path, [other]).load()
    assert same(other, image(one))


def test_a_shard_alone_takes_what_is_whole_for_it(tmp_path: Path) -> None:
    images, found = three_saves(tmp_path)
    assert found[-1].rest is not None
    (tmp_path / found[-1].rest.name).unlink()  # no matter for the rows
    one = table("a", 7)
    loaded = PartialCheckpoints(tmp_path, [one]).load_shard()
    assert loaded is not None
    assert (loaded.step, loaded.rest) == (3, None)
    assert same(one, images[3])
    (tmp_path / found[-1].chains[0][1].name).unlink()
    with pytest.warns(CheckpointWarning):
        assert PartialCheckpoints(tmp_path, [one]).load_shard().step == 2  # type: ignore[union-attr]
    assert same(one, images[2])


def test_another_run_s_files(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    images, found = three_saves(ours)
    stray = PartialCheckpoints(theirs, [table("a", 4)], run="other")
    for number in range(6):
        stray.save(number)
    newest = max(theirs.glob("*.json"))
    (ours / newest.name).write_bytes(newest.read_bytes())  # its manifest
    delta = found[-1].chains[0][1].name
    (ours / delta).write_bytes(next(theirs.glob("*safetensors")).read_bytes())  # its file under our name
    one = table("a", 7)
    saves = PartialCheckpoints(ours, [one])
    with pytest.warns(CheckpointWarning) as heard:
        loaded = saves.load()
    assert [str(one.message) for one in heard] == [
        f"{ours}: {newest.name}: it is of another run",
        next(line for line in loaded.told if delta in line),  # type: ignore[union-attr]
    ]
    assert same(one, images[2])
    assert saves.save(4).sequence > int(newest.name[:8])
    assert (ours / newest.name).exists()
    with pytest.raises(NothingWhole, match=r"another run: expected a whole checkpoint of run 'mine', or an empty"):
        PartialCheckpoints(theirs, [one], run="mine").load()
    with pytest.raises(SaveFailed, match=r"expected an empty folder, or one of run 'mine', not another run's"):
        PartialCheckpoints(theirs, [one], run="mine").save(0)


def test_nothing_whole_is_not_the_beginning(tmp_path: Path) -> None:
    one = table("a", 7)
    assert PartialCheckpoints(tmp_path / "none", [one]).load() is None
    assert PartialCheckpoints(tmp_path / "none", [one]).load_shard() is None
    _, found = three_saves(tmp_path)
    for manifest in found:
        (tmp_path / manifest.name).write_bytes(manifest.to_json()[:-9])  # half written
    for load in (PartialCheckpoints(tmp_path, [one]).load, PartialCheckpoints(tmp_path, [one]).load_shard):
        with pytest.raises(NothingWhole, match=r"00000003.json: not a manifest; .*expected a whole checkpoint"):
            load()
    with pytest.raises(NothingWhole, match="not a manifest"):
        read_tables(tmp_path)
    with pytest.raises(NothingWhole, match="no checkpoint: expected a whole"):
        read_tables(tmp_path / "none")


def test_two_jobs_in_one_folder(tmp_path: Path) -> None:
    one, other = table("a", 1), table("a", 2)
    first, second = PartialCheckpoints(tmp_path, [one]), PartialCheckpoints(tmp_path, [other])
    first.save(0)
    second.load()
    second.save(1)
    with pytest.raises(SaveFailed, match=r"somebody else has written 00000001.json: expected this job alone"):
        first.save(1)
    again = table("a", 3)
    PartialCheckpoints(tmp_path, [again]).load()
    assert same(again, image(other))


def test_a_save_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, made = table("a", 1), torch.Generator().manual_seed(0)
    saves = PartialCheckpoints(tmp_path, [one], 0.25)
    saves.save(0)
    train(one, [2, 3], made)
    for part in (".delta", ".rest", ".json"):

        def full(name: str, content: bytes, part: str = part) -> None:
            if part in name:
                raise OSError(28, "No space left on device")
            type(saves.folder).write(saves.folder, name, content)

        with monkeypatch.context() as patch:
            patch.setattr(saves.folder, "write", full)
            with pytest.raises(SaveFailed, match="process 0: No space left on device"):
                saves.save(1, {"at": 1})
        again = table("a", 3)
        loaded = PartialCheckpoints(tmp_path, [again]).load()
        assert loaded is not None
        assert loaded.step == 0
    assert saves.save(1).rows == 2  # what had not been saved
    train(one, [4], made)
    with monkeypatch.context() as patch:
        calls = iter([None, OSError(5, "Input/output error")])

        def late() -> None:
            error = next(calls)
            if error is not None:
                raise error

        patch.setattr(saves.folder, "sync", late)  # the manifest is there all the same
        with pytest.raises(SaveFailed, match="process 0: Input/output error"):
            saves.save(2)
        patch.setattr(saves.folder, "sync", lambda: None)
        patch.setattr(saves.folder, "remove", lambda name: late_remove())

        def late_remove() -> None:
            raise OSError(13, "Permission denied")

        with pytest.warns(CheckpointWarning, match="old checkpoints cannot be removed: Permission denied"):
            saves.save(3)
    again = table("a", 3)
    PartialCheckpoints(tmp_path, [again]).load()
    assert same(again, image(one))


def test_rows_dealt_out_anew(tmp_path: Path) -> None:
    """Saved by three processes, of which each stands alone here, read by one and by two."""
    whole = table("a", 1)
    cuts = [0, 5, 16, ROWS]

    def part(of: Table, low: int, high: int) -> Table:
        state = {"sum": of.state["sum"][low:high].clone(), "exp_avg": of.state["exp_avg"][low:high].clone()}
        return Table("a", of.weight[low:high].clone(), state, first_row=low, shape=(ROWS, DIM))

    made = torch.Generator().manual_seed(0)
    shards = [part(whole, low, high) for low, high in itertools.pairwise(cuts)]
    three_processes(tmp_path, shards, made)
    expected = {name: torch.cat([one.arrays()[name] for one in shards]) for name in shards[0].arrays()}
    step, tables = read_tables(tmp_path)
    assert step == 2
    assert same(tables[0], expected)
    other = table("a", 5)
    for low, high in ((0, ROWS), (0, 9), (9, ROWS), (7, 8)):
        mine = part(other, low, high)
        saves = PartialCheckpoints(tmp_path, [mine])
        assert saves.load() is not None
        assert same(mine, {name: array[low:high] for name, array in expected.items()})
    with pytest.raises(JobError, match=r"table a: rows: expected its 30 rows; the checkpoint has 24 of them"):
        PartialCheckpoints(tmp_path, [table("a", 5, rows=30)]).load()


def three_processes(folder: Path, shards: list[Table], made: torch.Generator) -> None:
    """Three writers in turn, who hear of one another what gloo would tell them."""
    saves = [PartialCheckpoints(folder, [one], shard=at, shards=3) for at, one in enumerate(shards)]
    barrier, told = threading.Barrier(3), [None] * 3

    def gather(at: int) -> Any:
        def all_of(own: Any) -> list[Any]:
            told[at] = own
            barrier.wait(30)
            found = list(told)
            barrier.wait(30)
            return found

        return all_of

    def run(at: int) -> None:
        for step in range(3):
            saves[at].save(step)
            rows = torch.tensor([step, 2 * step])
            if step < 2:
                shards[at].arrays()["weight"][rows] = float(step)
                shards[at].record(rows)

    for at, one in enumerate(saves):
        one._processes.gather = gather(at)  # type: ignore[method-assign]
    threads = [threading.Thread(target=run, args=(at,)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_rows_that_two_processes_hold_are_refused(tmp_path: Path) -> None:
    """Each would be read over by the other."""
    saves = PartialCheckpoints(tmp_path, [table("a", 1)])
    saves._processes.gather = lambda own: [own, own]  # type: ignore[method-assign]
    with pytest.raises(
        SaveFailed, match="table a: processes 0 and 1 hold the same rows: expected names of their own"
    ):
        saves.save(0)


def test_other_tables_than_were_saved(tmp_path: Path) -> None:
    three_saves(tmp_path)
    for other, said in (
        (table("a", 1, dtype=torch.bfloat16), r"weight: expected rows of .*bfloat16; the checkpoint has .*float32"),
        (Table("a", torch.zeros((ROWS, DIM)), {"sum": torch.zeros(ROWS, 2)}), r"sum: expected rows of \(2,\)"),
        (Table("a", torch.zeros((ROWS, DIM)), {"lost": torch.zeros(ROWS)}), r"lost: expected the optimizer that"),
        (Table("b", torch.zeros((ROWS, DIM))), r"table b: rows: expected its 24 rows; the checkpoint has 0"),
        (Table("a", torch.zeros((ROWS, 2))), r"table a: columns: expected 0 to 1; the checkpoint has 0 to 2"),
    ):
        with pytest.raises(JobError, match=said):
            PartialCheckpoints(tmp_path, [other]).load()


def test_a_url(tmp_path: Path) -> None:
    """A store of objects, as fsspec has one in memory."""
    import fsspec

    url = "memory://bucket/run-7"
    one, made = table("a", 1, dtype=torch.bfloat16), torch.Generator().manual_seed(0)
    saves = PartialCheckpoints(url, [one], 0.5, compact_after=2)
    assert saves.load() is None
    for number in range(7):
        train(one, [number], made)
        saves.save(number, {"at": number})
    other = table("a", 3, dtype=torch.bfloat16)
    loaded = PartialCheckpoints(url, [other]).load()
    assert loaded is not None
    assert loaded.rest == {"at": 6}
    assert same(other, image(one))
    system = fsspec.filesystem("memory")
    names = [str(path).rpartition("/")[2] for path in system.ls("bucket/run-7", detail=False)]
    assert sum(name.endswith(".json") for name in names) == 3
    newest = max(name for name in names if name.endswith(".json"))
    path = f"/bucket/run-7/{newest}"
    system.pipe_file(path, system.cat_file(path)[:40])
    with pytest.warns(CheckpointWarning, match=f"{url}: {newest}: not a manifest"):
        assert PartialCheckpoints(url, [other]).load().step == 5  # type: ignore[union-attr]
    with pytest.raises(JobError, match=r"folder = nonesuch://x: expected a URL that fsspec can open"):
        PartialCheckpoints("nonesuch://x", [other])


def test_what_is_refused(tmp_path: Path) -> None:
    one = table("a", 1)
    for arguments, options, said in (
        ((0.0,), {}, "fraction = 0.0: expected a number above 0, at most 1"),
        ((1.5,), {}, "fraction = 1.5: expected"),
        ((1.0, "best"), {}, "order = 'best': expected mfu, ssu, scar, update-age, or a function"),
        ((), {"compact_after": 0}, "compact_after, compact_at: expected"),
        ((), {"shard": 2, "shards": 2}, "shard = 2: expected one of 2"),
    ):
        with pytest.raises(DomainError, match=said):
            PartialCheckpoints(tmp_path, [one], *arguments, **options)  # type: ignore[arg-type]
    with pytest.raises(DomainError, match="expected each by a name of its own"):
        PartialCheckpoints(tmp_path, [one, table("a", 2)])
    with pytest.raises(DomainError, match=r"Table 'a\|b': expected a name without \|"):
        table("a|b", 1)
    with pytest.raises(SaveFailed, match=r"rest: expected what torch.load\(weights_only=True\) reads"):
        PartialCheckpoints(tmp_path, [one]).save(0, {"rng": np.random.default_rng(1)})


@pytest.mark.gpu
def test_rows_on_a_gpu(tmp_path: Path) -> None:
    one = Table("a", torch.rand((ROWS, DIM), device="cuda").bfloat16(), {"sum": torch.rand(ROWS, device="cuda")})
    saves = PartialCheckpoints(tmp_path, [one])
    saves.save(0)
    rows = torch.tensor([2, 7, 7], device="cuda")
    one.weight[rows], one.state["sum"][rows] = 3.0, 4.0
    one.record(rows)
    assert saves.save(1).rows == 2
    other = Table("a", torch.zeros_like(one.weight), {"sum": torch.zeros(ROWS, device="cuda")})
    PartialCheckpoints(tmp_path, [other]).load()
    assert all(torch.equal(array, other.arrays()[name]) for name, array in one.arrays().items())


def test_ids_that_are_held_back_are_counted_before_rows_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a GPU, which is not asked in each step."""
    import cprmodel.checkpoints.tables as tables
    from cprmodel.trackers import MostFrequentlyUpdated

    class Elsewhere(torch.Tensor):
        @property
        def device(self) -> Any:  # type: ignore[override]
            return torch.device("meta")

    monkeypatch.setattr(tables, "HELD_IDS", 5)
    one = table("a", 1)
    one.tracker = tracker = MostFrequentlyUpdated(ROWS)
    one.record(torch.tensor([[1, 2]]).as_subclass(Elsewhere))
    assert not tracker.updates.any()
    one.record(torch.tensor([2, 3, 3]).as_subclass(Elsewhere))
    assert tracker.updates[:5].tolist() == [0, 1, 2, 2, 0]
    one.record(torch.tensor([4]).as_subclass(Elsewhere))
    one.heard()
    assert tracker.updates[4] == 1
