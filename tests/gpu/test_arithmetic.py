"""What a GPU computes: the same bits each time, the same rows as NumPy, and float32 throughout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tests.devices import on_devices
from tests.validation.helpers import small
from validation.data.synthetic import Synthetic
from validation.gpu.machine import copies
from validation.model.dlrm import DLRM, train_step
from validation.placement import Placement, in_one_order
from validation.shards.layout import RowWise
from validation.shards.rows import NumpyRows
from validation.shards.rows_torch import TorchRows, row_sums
from validation.training.dense import DenseState
from validation.training.life import build_model

SIZES = (300, 40, 7, 3)
DIM = 8
EPS = float(np.finfo(np.float32).eps)


@pytest.fixture(autouse=True)
def one_order() -> Iterator[None]:
    """What a GPU's placement sets for the whole process, on a CPU too, and afterwards as it was."""
    before = torch.get_deterministic_debug_mode(), torch.get_float32_matmul_precision()
    in_one_order()
    yield
    torch.set_deterministic_debug_mode(before[0])
    torch.set_float32_matmul_precision(before[1])


def build(place: Placement) -> tuple[DLRM, torch.optim.Adagrad]:
    torch.manual_seed(3)
    model = DLRM(13, len(SIZES), DIM, (16,), (32, 16))
    place.put_module(model)
    return model, torch.optim.Adagrad(model.parameters(), lr=0.01)


def a_batch(size: int = 256) -> tuple[Any, Any, Any]:
    """Samples, their distinct rows, and each id's place among these."""
    batch, _ = next(Synthetic(SIZES, size, 0, 1, 1.2).train(None))
    segments = RowWise(SIZES, 3).split(batch.ids)
    rows = np.random.default_rng(2).uniform(-0.1, 0.1, (len(segments.local), DIM)).astype(np.float32)
    return batch, rows, segments.inverse


def steps(device: str, number: int = 5) -> list[bytes]:
    """The bits of the losses, the gradients of rows and the weights after so many steps."""
    place = Placement(device)
    model, optimizer = build(place)
    batch, rows, inverse = a_batch()
    found = []
    for _ in range(number):
        loss, gradient = train_step(model, optimizer, place, batch, rows, inverse)
        found += [place.back(loss).tobytes(), place.back(gradient).tobytes()]
    return found + [place.back(one).tobytes() for one in model.parameters()]


@on_devices
def test_a_step_that_is_done_again_is_the_same_to_the_last_bit(device: str) -> None:
    assert steps(device) == steps(device)


@on_devices
def test_rows_that_are_looked_up_often_get_their_gradients_in_one_order(device: str) -> None:
    """embedding_bag backward: thousands of bags want the same few rows, with numbers of all sizes."""
    place = Placement(device)
    rng = np.random.default_rng(4)
    inverse = rng.integers(0, 5, 20_000)
    offsets = np.arange(0, 20_000, 2)
    each = (rng.standard_normal((10_000, DIM)) * 10.0 ** rng.integers(-4, 4, (10_000, 1))).astype(np.float32)
    found = []
    for _ in range(8):
        rows = place.put(np.zeros((5, DIM), dtype=np.float32)).requires_grad_()
        pooled = functional.embedding_bag(place.put(inverse), rows, place.put(offsets), mode="sum")
        pooled.backward(place.put(each))  # type: ignore[no-untyped-call]
        assert rows.grad is not None
        found.append(place.back(rows.grad).copy())
    assert len({one.tobytes() for one in found}) == 1
    exact, sizes = np.zeros((5, DIM)), np.zeros((5, DIM))
    of_bag = np.repeat(each.astype(float), 2, axis=0)
    np.add.at(exact, inverse, of_bag)
    np.add.at(sizes, inverse, np.abs(of_bag))
    # n numbers added in any order are off by at most (n − 1)·ε/2 of the sum of their sizes, to first order
    most = np.bincount(inverse).max() * EPS / 2 * sizes
    assert (np.abs(found[0] - exact) <= most).all()


@on_devices
def test_index_add_adds_in_one_order(device: str) -> None:
    place = Placement(device)
    rng = np.random.default_rng(5)
    where, each = rng.integers(0, 3, 30_000), rng.standard_normal((30_000, 4)).astype(np.float32)
    found = set()
    for _ in range(8):
        sums = place.put(np.zeros((3, 4), dtype=np.float32))
        sums.index_add_(0, place.put(where), place.put(each))
        found.add(place.back(sums).tobytes())
    assert len(found) == 1


@on_devices
def test_products_are_of_float32_not_of_tf32(device: str) -> None:
    """A TF32 factor has 10 bits after the first: 1 + 2⁻¹¹ would be 1."""
    place = Placement(device)
    factors = np.full((64, 64), 1 + 2.0**-11, dtype=np.float32)
    found = place.back(place.put(factors) @ place.put(np.eye(64, dtype=np.float32)))
    assert (found == factors).all()
    rng = np.random.default_rng(6)
    a, b = (rng.standard_normal((128, 512)).astype(np.float32) for _ in range(2))
    off = np.abs(place.back(place.put(a) @ place.put(b).T) - a.astype(float) @ b.astype(float).T)
    assert (off <= 512 * EPS * (np.abs(a).astype(float) @ np.abs(b).astype(float).T)).all()


@on_devices
def test_a_step_is_that_of_float64_within_what_rounding_does(device: str) -> None:
    """The tolerance between devices: where sums have another order, gradients differ by 1e-5 of the largest."""
    place, here = Placement(device), Placement("cpu")
    batch, rows, inverse = a_batch()
    model, optimizer = build(place)
    loss, gradient = train_step(model, optimizer, place, batch, rows, inverse)
    exact, _ = build(here)
    exact.double()
    held = torch.from_numpy(rows).double().requires_grad_()
    bags = (torch.from_numpy(one) for one in (inverse, batch.offsets))
    logits = exact(torch.from_numpy(batch.dense).double(), held, *bags)
    expected = functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(batch.labels).double())
    expected.backward()  # type: ignore[no-untyped-call]
    expected = expected.detach()
    assert held.grad is not None
    assert float(place.back(loss)) == pytest.approx(expected.item(), rel=1e-6)
    np.testing.assert_allclose(place.back(gradient), held.grad.numpy(), atol=1e-5 * float(held.grad.abs().max()))


@on_devices
def test_the_first_weights_are_the_same_everywhere(device: str) -> None:
    case = small()
    there, here = Placement(device), Placement("cpu")
    one, other = (build_model(case, 13, 3, place)[0] for place in (there, here))
    for mine, its in zip(one.parameters(), other.parameters(), strict=True):
        assert mine.device.type == there.device.type
        assert there.back(mine).tobytes() == here.back(its).tobytes()


@on_devices
@pytest.mark.parametrize("by", ["row of numbers", "name"])
def test_the_trainers_state_goes_from_the_device_and_back(device: str, by: str) -> None:
    place = Placement(device)
    batch, rows, inverse = a_batch()
    model, optimizer = build(place)
    train_step(model, optimizer, place, batch, rows, inverse)
    state = DenseState(model, optimizer, place)
    flat, named = state.flat().copy(), state.named()
    another, its = build(place)
    again = DenseState(another, its, place)
    assert again.flat().tobytes() != flat.tobytes()
    again.set_flat(flat) if by == "row of numbers" else again.set_named(named)
    assert again.flat().tobytes() == flat.tobytes()
    train_step(model, optimizer, place, batch, rows, inverse)  # what was taken is a copy
    assert again.flat().tobytes() == flat.tobytes()
    train_step(another, its, place, batch, rows, inverse)
    assert again.flat().tobytes() == state.flat().tobytes()


@on_devices
@pytest.mark.parametrize("optimizer", ["sgd", "rowwise_adagrad"])
@settings(max_examples=20)
@given(dim=st.integers(1, 300), rows=st.integers(1, 40), size=st.integers(-20, 8), seed=st.integers(0, 10**6))
def test_rows_are_numpys_to_the_last_bit(
    device: str, optimizer: str, dim: int, rows: int, size: int, seed: int
) -> None:
    """So the audit of a run on a GPU compares bits, as everywhere."""
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((rows, dim)).astype(np.float32)
    here, there = NumpyRows(start.copy(), optimizer, 0.02), TorchRows(start.copy(), optimizer, 0.02, device)
    for _ in range(3):
        ids = np.sort(rng.choice(rows, int(rng.integers(1, rows + 1)), replace=False))
        step = (rng.standard_normal((len(ids), dim)) * 10.0**size).astype(np.float32)
        here.update(ids, step)
        there.update(ids, step)
        assert there.gather(ids).tobytes() == here.gather(ids).tobytes()
    there.put(ids, here.export(ids))
    for name, array in here.export().items():
        assert there.export()[name].tobytes() == array.tobytes()


@on_devices
@settings(max_examples=20)
@given(count=st.integers(1, 700), rows=st.integers(1, 9), seed=st.integers(0, 10**6))
def test_rows_are_added_up_as_numpy_does(device: str, count: int, rows: int, seed: int) -> None:
    numbers = np.random.default_rng(seed).standard_normal((rows, count)).astype(np.float32)
    place = Placement(device)
    found = place.back(row_sums(place.put(numbers)))
    assert found.tobytes() == np.ascontiguousarray(numbers).sum(axis=1).tobytes()


@on_devices
def test_who_is_told_that_rows_are_written_finds_nothing_under_way(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a clock that is read then, or a kill, comes before the work is done."""
    waits: list[bool] = []
    wait = Placement.wait

    def noted(place: Placement) -> None:
        wait(place)
        waits.append(place.device.type != "cuda" or torch.cuda.current_stream().query())

    monkeypatch.setattr(Placement, "wait", noted)
    rows = TorchRows(np.zeros((2_000, 64), dtype=np.float32), "rowwise_adagrad", 0.1, device)
    ids = np.arange(0, 2_000, 2)
    rows.update(ids, np.ones((1_000, 64), dtype=np.float32))
    assert waits == [True]
    rows.put(ids, rows.export(ids))
    assert waits == [True, True]


@on_devices
def test_copies_are_timed(device: str) -> None:
    found = copies(device)
    seconds = {name: value for name, value in found.items() if name.endswith("_s")}
    on_a_gpu = {"pinned_s", "pinned_with_filling_s"} if device == "cuda" else set()
    assert seconds.keys() == {"pageable_s"} | on_a_gpu
    assert all(0 < value < 1 for value in seconds.values())


@on_devices
def test_what_comes_back_from_pinned_memory_is_what_went_there(device: str) -> None:
    place = Placement(device)
    numbers = np.random.default_rng(8).standard_normal(100_000, dtype=np.float32)
    here = torch.from_numpy(numbers.copy())
    held = here.pin_memory() if device == "cuda" else here
    there = place.put(np.zeros(100_000, dtype=np.float32))
    there.copy_(held, non_blocking=True)
    place.wait()
    held.zero_()
    assert place.back(there).tobytes() == numbers.tobytes()


def test_what_has_no_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By torch, which knows which of its operations on a GPU do; and cuBLAS is told before it begins."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0")
    in_one_order()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert torch.get_deterministic_debug_mode() == 2
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    in_one_order()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"  # it is one of those that will do
