"""Blocks added up by doubling are those added up one by one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cprmodel.costing.folded import folded

PROBABILITY = st.fractions(0, 1, max_denominator=64)


@given(PROBABILITY, PROBABILITY, st.lists(st.integers(-2, 40), min_size=1, max_size=4))
def test_doubling_is_adding_up(a: Fraction, b: Fraction, counts: list[int]) -> None:
    """In fractions: the difference of powers over that of their bases is the sum of a^i b^(n-1-i)."""

    def difference(n: int) -> Fraction:
        return sum((a**i * b ** (n - 1 - i) for i in range(n)), Fraction(0))

    found = folded(float(a), float(b), np.array(counts))
    for place, count in enumerate(counts):
        n = max(count, 0)
        wanted = (
            a**n, b**n, difference(n),
            sum(a**k for k in range(n)), sum(b**k for k in range(n)), sum(difference(k) for k in range(n)),
        )  # fmt: skip
        got = [float(np.broadcast_to(part, len(counts))[place]) for part in found]
        assert got == pytest.approx([float(value) for value in wanted], rel=1e-12, abs=1e-300)
