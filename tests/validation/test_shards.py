"""Layout, rows, messages and the server's promises, without starting a process."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validation.helpers import claim_of
from validation.checkpoint.files import FileRef
from validation.shards.layout import PLACEMENTS, Layout
from validation.shards.rows import NumpyRows
from validation.shards.rows_torch import TorchRows
from validation.shards.server import Server, ServerConfig
from validation.shards.wire import GREETING_S, Door, PeerGone, PeerHung, address_of, connect, receive, send


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


KEY = f"{os.getpid():016d}-test"


def answering(name: str, action: Any) -> threading.Thread:
    door = Door(KEY, name)

    def serve() -> None:
        with door:
            connection = door.accept()
            assert connection
            with connection:
                action(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.sampled_from(["<f4", "<i8", "|u1"]), st.lists(st.integers(0, 5), max_size=3)), max_size=4)
)
def test_what_is_sent_arrives(shapes: list[tuple[str, list[int]]]) -> None:
    rng = np.random.default_rng(0)
    arrays = [(100 * rng.random(shape)).astype(kind) for kind, shape in shapes]
    thread = answering("echo", lambda c: send(c, *(lambda m: (m[0], *m[1]))(receive(c))))
    with connect(address_of(KEY, "echo"), KEY, 5.0, 5.0) as connection:
        send(connection, {"op": "x", "µ": 1.5}, *arrays)
        header, back = receive(connection)
    thread.join()
    assert header == {"op": "x", "µ": 1.5}
    assert len(back) == len(arrays)
    for one, other in zip(back, arrays, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert (one == other).all()


def test_silence_is_not_death() -> None:
    thread = answering("silent", lambda connection: time.sleep(1.0))
    with connect(address_of(KEY, "silent"), KEY, 5.0, 0.2) as connection:
        send(connection, {"op": "x"})
        with pytest.raises(PeerHung):
            receive(connection)
        with pytest.raises(PeerHung):  # nor does a message that is too large for the socket wait for ever
            send(connection, {"op": "x"}, np.zeros(10_000_000))
    thread.join()
    with Door(KEY, "deaf"), pytest.raises(PeerHung):  # it listens, and never accepts
        connect(address_of(KEY, "deaf"), KEY, 5.0, 0.2)
    thread = answering("leaving", lambda connection: None)
    with connect(address_of(KEY, "leaving"), KEY, 5.0, 5.0) as connection, pytest.raises(PeerGone):
        receive(connection)
    thread.join()


def test_a_stranger_is_not_served() -> None:
    """Nor does he end the one who listens, or keep it from others."""
    with Door(KEY, "guarded") as door:
        known: list[bool] = []
        thread = threading.Thread(target=lambda: known.extend(bool(door.accept()) for _ in range(3)))
        thread.start()
        with pytest.raises(PeerGone):
            connect(address_of(KEY, "guarded"), "another key", 0.1, 1.0)
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(address_of(KEY, "guarded"))
            time.sleep(GREETING_S + 0.2)
        connect(address_of(KEY, "guarded"), KEY, 1.0, 5.0).close()
        thread.join()
    assert known == [False, False, True]
    with pytest.raises(PeerGone):
        connect(address_of(KEY, "nobody"), KEY, 0.05, 1.0)
    assert KEY[:8] not in address_of(KEY, "x")


def server(folder: Path, compact_after: int = 2) -> Server:
    config = ServerConfig(
        0, 0, (20, 11), 2, "rows", 4, "rowwise_adagrad", 0.1, 1, "cpu", str(folder), compact_after, claim_of(folder)
    )
    found = Server(ServerConfig.from_json(config.to_json()))
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
