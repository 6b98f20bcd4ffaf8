"""Layout, rows, messages and the server's promises, without starting a process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel.checkpoints.files import FileRef
from tests.validation.helpers import claim_of
from validation.shards.desk import desk
from validation.shards.layout import PLACEMENTS, Layout
from validation.shards.meeting import GREETING_S, Door, Meeting, connect, meeting_place
from validation.shards.places import Afar
from validation.shards.rows import NumpyRows
from validation.shards.rows_torch import TorchRows
from validation.shards.server import Server, ServerConfig
from validation.shards.wire import PeerGone, PeerHung, receive, send
from validation.training.control import Control


@pytest.mark.parametrize("kind", PLACEMENTS.values())
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 9), st.data())
def test_every_row_is_on_one_shard(kind: type[Layout], sizes: list[int], shards: int, data: Any) -> None:
    layout = kind(tuple(sizes), shards)
    held = [layout.flat_of(shard) for shard in range(shards)]
    assert sorted(np.concatenate(held).tolist()) == list(range(sum(sizes)))
    assert [len(rows) for rows in held] == [layout.rows_of(shard) for shard in range(shards)]
    flat = np.array(data.draw(st.lists(st.integers(0, sum(sizes) - 1), min_size=1, max_size=50)))
    segments = layout.split(flat)
    distinct = np.concatenate([held[s][segments.local[segments.of(s)]] for s in range(shards)])
    assert (distinct[segments.inverse] == flat).all()
    assert len(np.unique(distinct)) == len(distinct)


def gradients(rng: Any, rows: int, dim: int) -> tuple[Any, Any]:
    ids = np.sort(rng.choice(rows, size=int(rng.integers(1, rows)), replace=False))
    return ids, rng.standard_normal((len(ids), dim)).astype(np.float32)


def test_sgd_is_torchs_and_rowwise_adagrad_is_its_definition() -> None:
    rng = np.random.default_rng(1)
    start = rng.standard_normal((30, 8)).astype(np.float32)
    sgd, adagrad = NumpyRows(start.copy(), "sgd", 0.1), NumpyRows(start.copy(), "rowwise_adagrad", 0.1)
    parameter = torch.nn.Parameter(torch.tensor(start))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    sums = np.zeros(30)
    rows = start.astype(float)
    for _ in range(20):
        ids, step = gradients(rng, 30, 8)
        sgd.update(ids, step)
        adagrad.update(ids, step)
        parameter.grad = torch.zeros_like(parameter)
        parameter.grad[ids] = torch.tensor(step)
        optimizer.step()
        for i, gradient in zip(ids, step.astype(float), strict=True):  # G += mean g²; w -= lr g / (√G + ε)
            sums[i] += (gradient**2).mean()
            rows[i] -= 0.1 * gradient / (sums[i] ** 0.5 + 1e-8)
    np.testing.assert_allclose(sgd.rows, parameter.detach().numpy(), rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(adagrad.rows, rows, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(adagrad.sums, sums, rtol=1e-5)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("optimizer", ["sgd", "rowwise_adagrad"])
def test_rows_on_a_torch_device_are_the_same(device: str, optimizer: str) -> None:
    rng = np.random.default_rng(2)
    start = rng.standard_normal((50, 16)).astype(np.float32)
    here, there = NumpyRows(start.copy(), optimizer, 0.05), TorchRows(start.copy(), optimizer, 0.05, device)
    for _ in range(30):
        ids, step = gradients(rng, 50, 16)
        here.update(ids, step)
        there.update(ids, step)
        np.testing.assert_allclose(there.gather(ids), here.gather(ids), rtol=1e-5, atol=1e-6)
    for name, array in here.export(np.arange(10)).items():
        np.testing.assert_allclose(there.export(np.arange(10))[name], array, rtol=1e-5, atol=1e-6)
    there.put(np.array([3]), {name: array[:1] for name, array in here.export(np.array([7])).items()})
    assert (there.gather(np.array([3])) == here.gather(np.array([7]))).all()


@pytest.fixture(scope="module", params=["one machine", "several"])
def meeting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    """Sockets in a folder; or ports, and a desk that knows them."""
    if request.param == "several":
        with desk("127.0.0.1", "a key of the run's") as found:
            yield found.meeting
        return
    with meeting_place(tmp_path_factory.mktemp("run") / "sockets") as here:
        yield here


def greeted(door: Door) -> Any:
    """Who comes in, however long that takes."""
    while True:
        wait([door.fileno()])
        connection = door.accept()
        if connection is not None:
            return connection


def answering(meeting: Meeting, name: str, action: Any) -> threading.Thread:
    door = Door(meeting, name)

    def serve() -> None:
        with door, greeted(door) as connection:
            action(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.sampled_from(["<f4", "<i8", "|u1"]), st.lists(st.integers(0, 5), max_size=3)), max_size=4)
)
def test_what_is_sent_arrives(meeting: Meeting, shapes: list[tuple[str, list[int]]]) -> None:
    rng = np.random.default_rng(0)
    arrays = [(100 * rng.random(shape)).astype(kind) for kind, shape in shapes]
    thread = answering(meeting, "echo", lambda c: send(c, *(lambda m: (m[0], *m[1]))(receive(c))))
    with connect(meeting, "echo", 5.0, 5.0) as connection:
        send(connection, {"op": "x", "µ": 1.5}, *arrays)
        header, back = receive(connection)
    thread.join()
    assert header == {"op": "x", "µ": 1.5}
    assert len(back) == len(arrays)
    for one, other in zip(back, arrays, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert (one == other).all()


def test_silence_is_not_death(meeting: Meeting) -> None:
    thread = answering(meeting, "silent", lambda connection: time.sleep(1.0))
    with connect(meeting, "silent", 5.0, 0.2) as connection:
        send(connection, {"op": "x"})
        with pytest.raises(PeerHung):
            receive(connection)
        with pytest.raises(PeerHung):  # nor does a message that is too large for the socket wait for ever
            send(connection, {"op": "x"}, np.zeros(10_000_000))
    thread.join()
    with Door(meeting, "deaf"), pytest.raises(PeerHung):  # it listens, and never accepts
        connect(meeting, "deaf", 5.0, 0.2)
    thread = answering(meeting, "leaving", lambda connection: None)
    with connect(meeting, "leaving", 5.0, 5.0) as connection, pytest.raises(PeerGone):
        receive(connection)
    thread.join()


def test_a_stranger_is_not_served(meeting: Meeting) -> None:
    """Nor does he end the one who listens."""
    stranger = Meeting(meeting.place, "another key")
    with Door(meeting, "guarded") as door:
        known: list[Any] = []
        thread = threading.Thread(target=lambda: known.append(greeted(door)))
        thread.start()
        with pytest.raises(PeerGone):
            connect(stranger, "guarded", 0.1, 1.0)
        for said in (b"", b"x" * 10, b"x" * 64, b"x" * 1000):
            with meeting.ways.reach("guarded", 1.0) as other:
                other.sendall(said)
        connect(meeting, "guarded", 1.0, 5.0).close()
        thread.join()
    assert len(known) == 1
    known[0].close()
    with pytest.raises(PeerGone, match="nobody listens"):
        connect(meeting, "nobody", 0.05, 1.0)
    assert meeting.key not in repr(meeting)


def test_the_slow_keep_nobody_waiting(meeting: Meeting) -> None:
    """A byte now and then, or none, from as many as like: others come in at once, and the slow are sent away."""
    slow = []
    with Door(meeting, "busy") as door:
        for number in range(100):
            one = meeting.ways.reach("busy", 1.0)
            slow.append(one)
            door.accept()
            if number % 2:
                one.send(b"x")
        begin = time.monotonic()
        while time.monotonic() < begin + 0.2:
            assert door.accept() is None  # it never waits for them
        assert len(door._guests) == 64
        thread = threading.Thread(target=lambda: connect(meeting, "busy", 1.0, 5.0).close())
        thread.start()
        greeted(door).close()
        thread.join()
        assert time.monotonic() - begin < GREETING_S
        time.sleep(GREETING_S)
        for one in slow[-4:]:
            with contextlib.suppress(ConnectionError):
                one.send(b"x")  # one more byte does not give them more time
        assert door.accept() is None
        assert door._guests == {}
    for one in slow:
        one.close()


class Heard:
    """Somebody whose line is waited for."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.gone, self.stopped = threading.Event(), threading.Event()

    def lives(self, line: Any, facts: dict[str, Any]) -> None:
        self.lines.append((line, facts["pid"]))

    def is_stopped(self) -> None:
        self.stopped.set()

    def is_gone(self) -> None:
        self.gone.set()


def test_a_desk_sees_who_lives() -> None:
    """By a line that closes with its process; a token that nobody waits for, or that came before, opens none."""
    with desk("127.0.0.1", "key") as found:
        who, place = Heard(), found.meeting.ways
        assert isinstance(place, Afar)
        found.expect("token", who)
        for unknown in ({"life": "guessed", "pid": 1}, {"life": ["x"]}, {"nothing": 1}, "x", {"here": "y"}):
            with place.at_desk() as line:
                line.send_bytes(json.dumps(unknown).encode())
                with pytest.raises((EOFError, ConnectionError)):
                    line.recv_bytes()
        line = place.at_desk()
        line.send_bytes(json.dumps({"life": "token", "pid": 7}).encode())
        while not who.lines:
            time.sleep(0.001)
        theirs, pid = who.lines[0]
        assert pid == 7
        theirs.send_bytes(b"stop")
        assert line.recv_bytes() == b"stop"
        assert not who.gone.wait(0.05)
        line.close()
        assert who.gone.wait(5.0)
        with place.at_desk() as again:
            again.send_bytes(json.dumps({"life": "token", "pid": 8}).encode())
            with pytest.raises((EOFError, ConnectionError)):
                again.recv_bytes()
        other = Meeting(found.meeting.place, "another key")
        with pytest.raises(ConnectionError):
            other.ways.clock_ahead_s()


def test_a_port_that_another_took_is_not_mistaken_for_his() -> None:
    """The desk still names the port of a dead shard; another shard of the run listens there by now."""
    with desk("127.0.0.1", "key") as found, Door(found.meeting, "shard-2") as second:
        place = found.meeting.ways
        assert isinstance(place, Afar)
        place.ask({"here": "shard-1", "address": place.ask({"where": "shard-2"})["address"]})
        served = threading.Event()

        def serve() -> None:
            while not served.is_set():
                wait([second.fileno()], 0.05)
                assert second.accept() is None  # nobody meant this one

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(PeerGone):
            connect(found.meeting, "shard-1", 0.2, 1.0)
        served.set()
        thread.join()
        first = answering(found.meeting, "shard-1", lambda connection: send(connection, {"x": 1}))
        with connect(found.meeting, "shard-1", 5.0, 1.0) as connection:
            assert receive(connection)[0] == {"x": 1}
        first.join()


@pytest.mark.parametrize("ahead", [-1e6, 0.0, 12.5])
def test_another_machines_clock(ahead: float) -> None:
    """Half of a round trip is the most by which it is wrong; the quickest of ten takes no 50 ms here."""
    with desk("127.0.0.1", "key", lambda: time.monotonic() + ahead) as found:
        assert found.meeting.ways.clock_ahead_s() == pytest.approx(ahead, abs=0.05)
        told: list[Any] = []

        def tell() -> None:
            Control(found.meeting, 5.0).tell("alive")

        with Door(found.meeting, "supervisor") as door:
            trainer = threading.Thread(target=tell)
            trainer.start()
            with greeted(door) as connection:
                told.append(json.loads(connection.recv_bytes())["at"])
            trainer.join()
        assert told[0] - time.monotonic() == pytest.approx(ahead, abs=5.0)


def test_nobody_else_may_enter(tmp_path: Path) -> None:
    """The folder is ours alone, and gone at the end; one that a killed run left is taken away, another's is not."""
    remembered = tmp_path / "sockets"
    with meeting_place(remembered) as first:
        assert stat.S_IMODE(os.stat(first.place).st_mode) == 0o700
        assert remembered.read_text() == first.place
        with Door(first, "a"):
            assert len(first.address("supervisor")) < 100
    assert not os.path.exists(first.place)
    assert not remembered.exists()
    left = tempfile.mkdtemp(prefix="cprmodel-run-")
    remembered.write_text(left)
    (tmp_path / "mine").mkdir()
    with meeting_place(remembered):
        assert not os.path.exists(left)
    for not_ours in (tmp_path / "mine", tmp_path / "cprmodel-run-x", "\0", "x" * 5000):
        remembered.write_text(str(not_ours))
        with meeting_place(remembered):
            assert (tmp_path / "mine").is_dir()


def test_a_copy_of_a_living_run_takes_nothing_away(tmp_path: Path) -> None:
    """A run's folder that is copied under it names its sockets, too: they stay until their own run has ended."""
    with meeting_place(tmp_path / "mine") as mine, Door(mine, "supervisor"):
        shutil.copy(tmp_path / "mine", tmp_path / "copied")
        with meeting_place(tmp_path / "copied") as other:
            assert other.place != mine.place
        assert os.path.exists(mine.address("supervisor"))
        shutil.rmtree(mine.place)
        with pytest.raises(ConnectionError, match="the folder in which this run's processes meet; it was removed"):
            Door(mine, "shard-1")


def test_sockets_stand_where_nobody_else_can_put_his_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in a folder that others may write to without the sticky bit, nor in a relative one."""
    base = Path(tempfile.mkdtemp(prefix="x", dir="/tmp"))
    (base / "relative").mkdir()
    monkeypatch.chdir(base)
    try:
        for place, mode, taken in (
            (str(base), 0o700, True),
            (str(base), 0o1777, True),
            (str(base), 0o777, False),
            (str(base), 0o770, False),
            ("relative", 0o700, False),
            (str(base / "nowhere"), 0o700, False),
        ):
            base.chmod(mode)
            monkeypatch.setenv("XDG_RUNTIME_DIR", place)
            with meeting_place(tmp_path / "remembered") as meeting:
                assert (Path(meeting.place).parent == base) == taken, (place, oct(mode))
    finally:
        shutil.rmtree(base)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be another user for a moment")
def test_another_user_is_not_greeted() -> None:
    """Even where he could reach the socket, and knows the key."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    meeting = Meeting(folder, "key")
    try:
        with Door(meeting, "a") as door:
            os.chmod(meeting.address("a"), 0o777)
            child = os.fork()
            if child == 0:
                os.setuid(65534)
                try:
                    connect(meeting, "a", 1.0, 1.0)
                except PeerGone:
                    os._exit(0)
                os._exit(1)
            until = time.monotonic() + 20
            status = 0
            while not status and time.monotonic() < until:
                assert door.accept() is None
                done, found = os.waitpid(child, os.WNOHANG)
                if done:
                    status = 1 + os.waitstatus_to_exitcode(found)
                time.sleep(0.01)
            assert status == 1
    finally:
        shutil.rmtree(folder)


def server(folder: Path, compact_after: int = 2) -> Server:
    config = ServerConfig(
        0,
        0,
        (20, 11),
        2,
        "rows",
        4,
        "rowwise_adagrad",
        0.1,
        1,
        "cpu",
        str(folder),
        compact_after,
        claim_of(folder),
        "",
    )
    found = Server(ServerConfig.from_dict(config.to_dict()))
    found.answer({"op": "initialise", "generation": 1}, [])
    return found


def update(one: Server, step: int, generation: int = 1, ids: tuple[int, ...] = (1, 4)) -> dict[str, Any]:
    rng = np.random.default_rng(step)
    step_gradients = rng.standard_normal((len(ids), 4)).astype(np.float32)
    header = {"op": "update", "step": step, "generation": generation}
    return one.answer(header, [np.array(ids), step_gradients])[0]


def test_an_update_is_applied_once(tmp_path: Path) -> None:
    one = server(tmp_path)
    assert update(one, 1)["applied"]
    after = one.answer({"op": "digest"}, [])[0]["digest"]
    assert not update(one, 1)["applied"]  # sent again
    one.answer({"op": "hello", "generation": 2}, [])
    assert not update(one, 2, generation=1)["applied"]  # by a trainer that was replaced
    assert one.answer({"op": "digest"}, [])[0]["digest"] == after
    assert update(one, 2, generation=2)["applied"]
    assert one.answer({"op": "digest"}, [])[0]["digest"] != after


def test_bases_deltas_and_compaction(tmp_path: Path) -> None:
    """Each chain leads back to exactly the rows at its save; a void save loses nothing."""
    one = server(tmp_path, compact_after=2)
    kinds, chains, digests = [], [], []
    for sequence in range(9):
        update(one, sequence + 1, ids=(sequence % 15, 15))
        reply = one.answer({"op": "save", "sequence": sequence}, [])[0]
        if sequence == 4:
            continue  # void: never committed
        one.answer({"op": "commit"}, [])
        kinds.append(reply["chain"][-1]["name"].split(".")[2])
        chains.append(reply["chain"])
        digests.append(one.answer({"op": "digest"}, [])[0]["digest"])
    assert kinds == ["base", "delta", "delta", "base", "delta", "delta", "base", "delta"]
    for chain, digest in zip(chains, digests, strict=True):
        other = server(tmp_path)
        header = {"op": "load", "step": 5, "generation": 3, "chain": chain}
        reply = other.answer(header, [])[0]
        assert reply["digest"] == digest
        assert other.step == 5


def test_damage_leaves_the_shard_as_it_was(tmp_path: Path) -> None:
    one = server(tmp_path)
    chain = one.answer({"op": "save", "sequence": 0}, [])[0]["chain"]
    path = tmp_path / FileRef(**chain[0]).name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    before = one.answer({"op": "digest"}, [])[0]
    reply = one.answer({"op": "load", "step": 0, "generation": 2, "chain": chain}, [])[0]
    assert reply == {"corrupt": path.name, "reason": "its checksum is another"}
    assert one.answer({"op": "digest"}, [])[0] == before


def test_a_run_whose_temporary_folder_has_a_long_name_meets_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's address is at most some hundred bytes long."""
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with meeting_place(tmp_path / "remembered") as meeting, Door(meeting, "supervisor"):
        assert os.path.exists(meeting.address("supervisor"))
    assert not os.path.exists(meeting.place)
