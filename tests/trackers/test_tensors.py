"""Trackers fed with torch tensors, and their state through ``torch.save``."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cprmodel import DomainError
from cprmodel.trackers import GrownSums, LargestChange, LeastHarm, MostFrequentlyUpdated, SubSampledUpdated
from tests.trackers.test_trackers import MAKE, ROWS


@pytest.mark.parametrize("name", MAKE)
def test_state_is_read_where_only_numbers_are(name: str) -> None:
    """``weights_only=True`` runs nothing that is in a file, and takes tensors and plain values alone."""
    tracker, other = MAKE[name](), MAKE[name]()
    for rows in ([1, 2, 2], [5, 7, 2, 11], [0, 0, 3, 4]):
        tracker.record(rows, np.ones((len(rows), 3), dtype=np.float32) if name in ("scar", "least-harm") else None)
        tracker.tick()
    file = io.BytesIO()
    torch.save(tracker.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for part in tracker.state:
        assert np.array_equal(getattr(tracker, part), getattr(other, part))
        assert getattr(tracker, part).dtype == getattr(other, part).dtype


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.uint8])
@pytest.mark.parametrize("name", MAKE)
def test_tensors_of_rows(name: str, dtype: torch.dtype) -> None:
    one, other = MAKE[name](), MAKE[name]()
    values = torch.ones((4, 3)) if name in ("scar", "least-harm") else None
    one.record(torch.tensor([3, 3, 5, 8], dtype=dtype), values)
    other.record([3, 3, 5, 8], None if values is None else values.numpy())
    assert sorted(one.select(ROWS)) == sorted(other.select(ROWS))
    with pytest.raises(DomainError, match="expected row numbers"):
        one.record(torch.tensor([0.5]))


def test_a_table_that_torch_trains() -> None:
    table = torch.nn.EmbeddingBag(6, 2)
    scar, harm = LargestChange(table.weight), LeastHarm(table.weight)
    harm.record(torch.tensor([1, 4]))
    with torch.no_grad():
        table.weight[4] += 3.0
        table.weight[1] += 1.0
    assert scar.select(1).tolist() == [4]
    assert sorted(harm.select(6)) == [1, 4]
    sums = torch.zeros(6)
    grown = GrownSums(sums)
    sums[2] = 1.0
    assert grown.select(6).tolist() == [2]


@pytest.mark.parametrize("make", [LargestChange, LeastHarm, lambda table: GrownSums(table[:, 0])])
def test_tables_that_numpy_cannot_look_at(make: Any) -> None:
    with pytest.raises(DomainError, match=r"not torch.bfloat16 on cpu; MostFrequentlyUpdated and UpdateAge, which"):
        make(torch.zeros((4, 2), dtype=torch.bfloat16))


def mixed(state: int) -> int:
    """SplitMix64's output for a state (Steele, Lea and Flood 2014), in Python's whole numbers."""
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def test_the_random_numbers_are_splitmix64() -> None:
    """Vigna's reference (splitmix64.c) begins so from the seed 1234567."""
    state, found = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        found.append(mixed(state))
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(
    steps=st.lists(st.lists(st.integers(0, ROWS - 1), max_size=8), max_size=12),
    capacity=st.integers(1, ROWS),
    every=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_the_list_against_one_kept_row_by_row(steps: list[list[int]], capacity: int, every: int, seed: int) -> None:
    tracker = SubSampledUpdated(ROWS, capacity, every, seed)
    state, kept, passed = int(tracker.generator[0]), [], 0
    for rows in steps:
        tracker.record(rows)
        for row in rows:
            if passed % every == 0 and row not in kept:
                if len(kept) < capacity:
                    kept.append(row)
                else:
                    state = (state + 0x9E3779B97F4A7C15) % 2**64
                    kept[(mixed(state) >> 32) * capacity >> 32] = row
            passed += 1
        assert tracker.list[: tracker.counters[0]].tolist() == kept


def test_what_is_refused_is_not_counted() -> None:
    tracker, sampled = MostFrequentlyUpdated(4), SubSampledUpdated(4, 4)
    for one in (tracker, sampled):
        with pytest.raises(DomainError, match="expected row numbers from 0 to 3"):
            one.record([0, 1, 4])
        assert not one.select(4).size
