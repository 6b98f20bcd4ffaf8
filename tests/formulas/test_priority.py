"""What to save first: SymPy's proofs, the special function against mpmath, and what must hold at the edges."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from cprmodel.facts.special import NUMPY
from cprmodel.formulas import (
    cho_2000_age,
    cho_2000_freshness,
    fluid_mfu_interval,
    fluid_update_age_interval,
    freshness_interval,
    lost_updates,
    marginal_age,
    proportional_interval,
    square_root_interval,
    square_root_lost_updates,
    uniform_lost_updates,
)


def test_sympy_proves_the_square_root_law() -> None:
    """The intervals meet the budget and Lagrange's conditions, and the loss is convex in the frequencies."""
    rates, sizes = sp.symbols("lambda1:4", positive=True), sp.symbols("s1:4", positive=True)
    budget, price = sp.symbols("B nu", positive=True)
    root = sum(sp.sqrt(rate * size) for rate, size in zip(rates, sizes, strict=True))
    stated = [square_root_interval(size, rate, root, budget) for size, rate in zip(sizes, rates, strict=True)]
    used = sum(size / interval for size, interval in zip(sizes, stated, strict=True))
    assert sp.simplify(used - budget) == 0
    every = sp.symbols("P1:4", positive=True)
    lagrangian = sum(lost_updates(rate, one) for rate, one in zip(rates, every, strict=True)) + price * (
        sum(size / one for size, one in zip(sizes, every, strict=True)) - budget
    )
    at = dict(zip(every, stated, strict=True)) | {price: root**2 / (2 * budget**2)}
    for one in every:
        assert sp.simplify(sp.diff(lagrangian, one).subs(at)) == 0
    loss = sum(lost_updates(rate, one) for rate, one in zip(rates, stated, strict=True))
    assert sp.simplify(loss - square_root_lost_updates(root, budget)) == 0
    frequency = sp.symbols("f", positive=True)
    assert sp.diff(lost_updates(rates[0], 1 / frequency), frequency, 2).is_positive


def test_sympy_proves_that_bandwidth_in_proportion_gains_nothing() -> None:
    rates, sizes = sp.symbols("lambda1:4", positive=True), sp.symbols("s1:4", positive=True)
    budget = sp.symbols("B", positive=True)
    pairs = list(zip(rates, sizes, strict=True))
    stated = [proportional_interval(size, rate, sum(rates), budget) for rate, size in pairs]
    assert sp.simplify(sum(size / one for (_, size), one in zip(pairs, stated, strict=True)) - budget) == 0
    loss = sum(lost_updates(rate, one) for rate, one in zip(rates, stated, strict=True))
    assert sp.simplify(loss - uniform_lost_updates(sum(rates), sum(sizes), budget)) == 0


def test_sympy_derives_freshness_and_age() -> None:
    """Averages over an interval of e^(−λt) and of the time since the first update."""
    rate, interval, t, u = sp.symbols("lambda P t u", positive=True)
    fresh = sp.integrate(sp.exp(-rate * t), (t, 0, interval)) / interval
    assert sp.simplify(fresh - cho_2000_freshness(rate, interval)) == 0
    old = sp.integrate((t - u) * rate * sp.exp(-rate * u), (u, 0, t))
    mean = sp.integrate(sp.expand(old), (t, 0, interval)) / interval
    assert sp.simplify(mean - cho_2000_age(rate, interval)) == 0


def test_sympy_proves_the_conditions_for_freshness_and_age() -> None:
    rate, interval, frequency, price, size = sp.symbols("lambda P f nu s", positive=True)
    gain = sp.diff(cho_2000_freshness(rate, 1 / frequency), frequency).subs(frequency, 1 / interval)
    x = rate * interval
    assert sp.simplify(gain - (1 - (1 + x) * sp.exp(-x)) / rate) == 0  # is νs where 1 − (1 + x)e^(−x) = νλs
    again = sp.diff(cho_2000_age(rate, interval), interval) * interval**2
    assert sp.simplify(again - marginal_age(rate, interval)) == 0
    root = freshness_interval(size, rate, price) * rate
    left = (1 - (1 + root) * sp.exp(-root)).subs({rate: 3, size: sp.Rational(1, 7), price: sp.Rational(4, 5)})
    assert abs(sp.N(left, 30) - sp.N(sp.Rational(12, 35), 30)) < 1e-25


@given(st.floats(-15, -1e-9).map(lambda e: 10.0**e))
def test_erlang_root_against_mpmath(c: float) -> None:
    """Its definition holds to the digits that c has; near 1 those of 1 − c."""
    with mpmath.workdps(60):
        x = mpmath.mpf(float(NUMPY.erlang_root(c)))
        slope = x * mpmath.exp(-x)
        residual = 1 - (1 + x) * mpmath.exp(-x) - mpmath.mpf(c)
        assert abs(residual) <= 1e-13 * abs(slope * x) + 4e-16 * c


def test_erlang_root_at_the_ends() -> None:
    assert NUMPY.erlang_root(0.0) == 0.0
    assert NUMPY.erlang_root(np.array([1.0, 1.5])).tolist() == [math.inf, math.inf]


@pytest.mark.parametrize(("rate", "interval"), [(1e-9, 1.0), (1e-3, 1e-3), (2.0, 3.0), (5.0, 1e4)])
def test_age_and_its_margin_do_not_cancel(rate: float, interval: float) -> None:
    with mpmath.workdps(60):
        x = mpmath.mpf(rate) * mpmath.mpf(interval)
        age = interval * (mpmath.mpf(1) / 2 - 1 / x + (1 - mpmath.exp(-x)) / x**2)
        margin = mpmath.mpf(interval) ** 2 * (mpmath.mpf(1) / 2 - (1 - (1 + x) * mpmath.exp(-x)) / x**2)
        assert cho_2000_age(rate, interval) == pytest.approx(float(age), rel=1e-13)
        assert marginal_age(rate, interval) == pytest.approx(float(margin), rel=1e-13)


def test_rows_that_never_change_need_no_save_and_rows_of_no_bytes_cost_none() -> None:
    assert square_root_interval(64.0, 0.0, 5.0, 1.0) == math.inf
    assert square_root_interval(0.0, 2.0, 5.0, 1.0) == 0.0
    assert square_root_interval(0.0, 0.0, 5.0, 1.0) == math.inf
    assert proportional_interval(64.0, 0.0, 5.0, 1.0) == math.inf
    assert freshness_interval(64.0, 0.0, 0.1) == math.inf
    assert freshness_interval(0.0, 2.0, 0.1) == 0.0
    assert fluid_mfu_interval(0.0, 1.0, 5.0) == math.inf
    assert fluid_update_age_interval(0.0, 1.0, 5.0) == math.inf
    assert square_root_interval([0.0, 0.0, 1.0], [0.0, 1.0, 0.0], 5.0, 1.0).tolist() == [math.inf, 0.0, math.inf]


def test_frequency_in_proportion_is_bandwidth_in_proportion_only_for_equal_sizes() -> None:
    """Theory notes, section 4: f ∝ λ loses M Σsᵢλᵢ/(2B), which is ΛS/(2B) where sizes are equal."""
    rates, budget = np.array([1.0, 5.0, 3.0]), 2.0
    for sizes in (np.array([2.0, 2.0, 2.0]), np.array([1.0, 2.0, 9.0])):
        every = (sizes @ rates) / (budget * rates)  # f = cλ with Σ s f = B
        loss = lost_updates(rates, every).sum()
        assert loss == pytest.approx(3 * (sizes @ rates) / (2 * budget))
        uniform = uniform_lost_updates(rates.sum(), sizes.sum(), budget)
        assert bool(loss == pytest.approx(uniform)) is (len(set(sizes)) == 1)
