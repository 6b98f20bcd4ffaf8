"""A schedule, played byte by byte: the budget in every slot, and the intervals that come of it."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cprmodel import DomainError
from cprmodel.ordering import optimal_intervals, rows_of, schedule


@settings(max_examples=40)
@given(
    shards=st.lists(st.tuples(st.floats(0, 1e6), st.floats(1e5, 1e8)), min_size=1, max_size=6),
    budget=st.floats(1e6, 1e8),
    part=st.floats(0.05, 1),
)
def test_every_slot_and_every_byte(shards: list[tuple[float, float]], budget: float, part: float) -> None:
    rates, sizes = np.array(shards).T
    rates[0] = max(rates[0], 1.0)
    wanted = optimal_intervals(rows_of(rates, sizes), budget)
    slot_s = part * wanted[np.isfinite(wanted)].min()
    if slot_s * budget < 2000 * len(shards):
        return
    plan = schedule(sizes, wanted, budget, slot_s)
    slots = min(400, math.ceil(3 * np.max(wanted[np.isfinite(wanted)]) / slot_s))
    used: dict[int, int] = defaultdict(int)
    middle = {shard: sizes[shard] // 2 for shard in range(len(shards))}
    written: dict[int, list[int]] = defaultdict(list)
    end = dict.fromkeys(range(len(shards)), 0)
    for one in plan.pieces(slots):
        used[one.slot] += one.bytes
        assert one.bytes > 0
        assert one.first_byte == end[one.shard] % plan.size_bytes[list(plan.shards).index(one.shard)]
        end[one.shard] = one.first_byte + one.bytes
        assert one.slot * slot_s <= one.start_s * (1 + 1e-12)
        assert one.start_s + one.bytes / budget <= (one.slot + 1) * slot_s * (1 + 1e-9)
        if one.first_byte <= middle[one.shard] < one.first_byte + one.bytes:
            written[one.shard].append(one.slot)
    assert max(used.values()) <= budget * slot_s
    if slots > 2:
        assert min(used[slot] for slot in range(slots)) >= 0.97 * budget * slot_s - 3000 * len(shards)
    for shard, moments in written.items():
        for apart in np.diff(moments):
            assert abs(apart * slot_s - wanted[shard]) <= slot_s * (1 + 2e-3)


def test_large_sizes_keep_their_intervals_to_a_slot() -> None:
    sizes, wanted = np.array([120e9, 80e9, 0.0, 10e9]), np.array([60.0, 100.0, 0.0, math.inf])
    budget = float((sizes[:2] / wanted[:2]).sum())
    plan = schedule(sizes, wanted, budget, 30.0)
    assert plan.shards.tolist() == [0, 1]
    starts = [one for one in plan.pieces(100) if one.shard == 1 and one.first_byte == 0]
    apart = np.diff([one.start_s for one in starts])
    assert np.abs(apart - 100.0).max() <= 30.0 * (1 + 1e-6)
    assert apart.mean() == pytest.approx(100.0, rel=0.02)


def test_bad_slots() -> None:
    sizes, wanted = np.array([4e6, 2e6]), np.array([4.0, 1.0])
    with pytest.raises(DomainError, match=r"slot_s = 2: expected .* at most the shortest interval, 1 s"):
        schedule(sizes, wanted, 3e6, 2.0)
    with pytest.raises(DomainError, match="expected room for 1,000 bytes of each shard in a slot"):
        schedule(sizes, wanted, 3e6, 1e-4)
    with pytest.raises(DomainError, match="expected intervals that the bandwidth can keep"):
        schedule(sizes, wanted, 2e6)
    with pytest.raises(DomainError, match="at least one shard with bytes and updates"):
        schedule(sizes, np.array([math.inf, math.inf]), 3e6)
