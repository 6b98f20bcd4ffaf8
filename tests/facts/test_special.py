"""The special functions against mpmath at 50 digits, and SymPy's version against both."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from cprmodel.facts.special import NUMPY, namespace
from cprmodel.facts.symbolic import CubicRoot, RenewalRoot

mpmath.mp.dps = 50

EPS = np.finfo(float).eps


def sizes(largest: float) -> st.SearchStrategy[float]:
    """Positive numbers over all scales (from 1e-40: mpmath here carries 150 digits through the cancellation)."""
    return st.floats(-40, float(np.log10(largest))).map(lambda exponent: min(10.0**exponent, largest))


def exact_renewal_root(c: float) -> mpmath.mpf:
    """By bisection on its definition, x + log(1 − x) = −c: shares nothing with the code."""
    with mpmath.workdps(80):
        c = mpmath.mpf(c)
        low, high = mpmath.mpf(0), 1 - mpmath.exp(-1 - c) / 2
        for _ in range(300):
            middle = (low + high) / 2
            if middle + mpmath.log1p(-middle) > -c:
                low = middle
            else:
                high = middle
        return low


@pytest.mark.parametrize("c", np.logspace(-9, 1, 41))
def test_renewal_root_to_1e_12(c: float) -> None:
    exact = exact_renewal_root(c)
    assert abs(float(NUMPY.renewal_root(c)) / exact - 1) < 1e-14 * 100
    assert abs(namespace(mpmath.mpf(c)).renewal_root(mpmath.mpf(c)) / exact - 1) < mpmath.mpf(10) ** -45


@given(st.floats(1e-12, 600))
def test_renewal_root_to_few_ulp(c: float) -> None:
    with mpmath.workdps(50):
        exact = 1 + mpmath.lambertw(-mpmath.exp(-1 - mpmath.mpf(c))).real
        assert abs(float(NUMPY.renewal_root(c)) / exact - 1) < 20 * EPS


def test_renewal_root_at_the_ends() -> None:
    assert NUMPY.renewal_root(0.0) == 0
    assert NUMPY.renewal_root(1e6) == 1
    below, above = NUMPY.renewal_root(np.array([0.5 - 1e-12, 0.5 + 1e-12]))
    assert 0 < above - below < 1e-11


@given(sizes(700) | sizes(700).map(lambda z: -z) | st.just(0.0))
def test_phi2(z: float) -> None:
    with mpmath.workdps(150):
        exact = (mpmath.expm1(mpmath.mpf(z)) - mpmath.mpf(z)) / mpmath.mpf(z) ** 2 if z else mpmath.mpf(1) / 2
        assert abs(float(NUMPY.phi2(z)) / exact - 1) < 40 * EPS


@given(sizes(700) | sizes(700).map(lambda z: -z) | st.just(0.0))
def test_phi3(z: float) -> None:
    with mpmath.workdps(200):
        z_ = mpmath.mpf(z)
        exact = (mpmath.expm1(z_) - z_ - z_**2 / 2) / z_**3 if z else mpmath.mpf(1) / 6
        assert abs(float(NUMPY.phi3(z)) / exact - 1) < 80 * EPS


@given(sizes(1e12) | sizes(0.999).map(lambda z: -z))
def test_log1p_gap(z: float) -> None:
    with mpmath.workdps(150):
        exact = mpmath.mpf(z) - mpmath.log1p(mpmath.mpf(z))
        assert abs(float(NUMPY.log1p_gap(z)) - exact) <= 40 * EPS * exact


def test_intervals_of_an_exact_division() -> None:
    pieces = np.array([*range(1, 20_000), 10**6, 10**9 + 7])
    for work in (1.0, 56 * 3600.0, 0.1, 1e12 / 3):
        assert (NUMPY.intervals(work, work / pieces) == pieces).all()


def test_intervals_rounds_up() -> None:
    assert NUMPY.intervals(10.0, 3.0) == 4
    assert NUMPY.intervals(10.0, 11.0) == 1


def test_the_symbol_agrees_with_its_definition_and_the_number() -> None:
    c = sp.Symbol("c", positive=True)
    root = RenewalRoot(c)
    defining = root + sp.log(1 - root) + c
    assert sp.simplify(sp.diff(defining, c)) == 0  # constant along c ...
    assert defining.subs(c, 0) == 0  # ... and zero at 0
    for value in ("1e-9", "0.003", "0.5", "7"):
        numeric = RenewalRoot(sp.Rational(value)).evalf(30)
        assert abs(float(numeric) / float(exact_renewal_root(float(value))) - 1) < 1e-14
    assert sp.latex(root) == r"R\left(c\right)"


@given(st.one_of(st.just(0.0), st.floats(1e-90, 1e90)), st.one_of(st.just(0.0), st.floats(1e-90, 1e90)))
def test_cubic_root(a: float, b: float) -> None:
    """Against the largest root that mpmath's own finder of all three gives, scaled as it must be to find them."""
    with mpmath.workdps(40):
        scale = mpmath.sqrt(a) + mpmath.cbrt(b) or mpmath.mpf(1)
        roots = mpmath.polyroots([1, 0, -a / scale**2, -b / scale**3], maxsteps=400, extraprec=400, error=False)
        truth = scale * max(mpmath.re(root) for root in roots)
    assert NUMPY.cubic_root(a, b) == pytest.approx(float(truth), rel=1e-14, abs=0)


def test_the_symbol_of_the_cubic_root_agrees_with_its_definition() -> None:
    a, b = sp.symbols("a b", positive=True)
    x = CubicRoot(a, b)
    point = {a: sp.Rational(3, 7), b: sp.Rational(5, 11)}
    value = x.subs(point).evalf(60)
    assert abs(value**3 - point[a] * value - point[b]) < sp.Float(10) ** -58
    for one in (a, b):  # the derivative of x³ − ax − b along the root is nothing
        assert sp.simplify(sp.diff(x**3 - a * x - b, one)) == 0
