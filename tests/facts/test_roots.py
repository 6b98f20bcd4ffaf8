"""Roots against SciPy's Brent."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from cprmodel.facts.roots import root_between


@given(st.floats(1e-9, 1e9), st.sampled_from([1.0, 0.1, 3.0]))
def test_as_scipy_finds_it(at: float, power: float) -> None:
    def falls(x: float) -> float:
        return at**power - x**power

    high = 4 * at
    assert root_between(falls, 0.0, high) == pytest.approx(brentq(falls, 0.0, high, xtol=1e-300), rel=1e-12)


@pytest.mark.parametrize(
    ("function", "low", "high", "root"),
    [
        (lambda x: math.exp(-x) - 1e-8, 0.0, 64.0, 8 * math.log(10)),
        (lambda x: 5 - x if x < 5 else -1e-9 * (x - 5), 0.0, 1024.0, 5.0),  # a kink
        (lambda x: 1.0 if x <= 0.3 else -1.0, 0.0, 1.0, 0.3),  # a jump
        (lambda x: x - 2.0, 2.0, 7.0, 2.0),  # at an end
        (lambda x: 7.0 - x, 2.0, 7.0, 7.0),
    ],
)
def test_odd_functions(function: Callable[[float], float], low: float, high: float, root: float) -> None:
    tried = []

    def counted(x: float) -> float:
        tried.append(x)
        return function(x)

    assert root_between(counted, low, high) == pytest.approx(root, rel=1e-12)
    assert len(tried) < 60
    assert all(low <= x <= high for x in tried)
