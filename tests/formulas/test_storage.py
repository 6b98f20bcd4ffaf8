"""First-order forms of storage: their optima, proved, and what was published."""

from __future__ import annotations

import pytest
import sympy as sp

from cprmodel import formulas

C1, C2, MU, P, TAU, N = sp.symbols("C1 C2 mu p tau n", positive=True)


def two_levels(tau: sp.Expr, n: sp.Expr) -> sp.Expr:
    """Overhead of n − 1 cheap saves and a dear one to a pattern of nτ: saves, and half of what a failure loses."""
    return ((n - 1) * C1 + C2) / (n * tau) + (P * tau / 2 + (1 - P) * n * tau / 2) / MU


def test_two_levels_to_first_order() -> None:
    # the published form charges the n-th cheap save too: (nC₁ + C₂)/(nτ)
    cost = two_levels(TAU, N) + C1 / (N * TAU)
    n = formulas.two_level_saves.raw(C1, C2, P)
    tau = formulas.two_level_interval.raw(C1, C2, MU, P)
    assert sp.simplify(sp.diff(cost, TAU).subs({TAU: tau, N: n})) == 0
    assert sp.simplify(sp.diff(cost, N).subs({TAU: tau, N: n})) == 0
    least = formulas.benoit_2017_overhead.raw(C1, C2, MU, P)
    numbers = {C1: 9, C2: 438, MU: 120_000, P: sp.Rational(9, 10)}
    assert float((cost.subs({TAU: tau, N: n}) - least).subs(numbers)) == pytest.approx(0, abs=1e-15)
    hessian = sp.hessian(cost, (TAU, N)).subs({TAU: tau, N: n}).subs(numbers)
    assert hessian.evalf().is_positive_definite
    # Young's, of the low level and its failures alone; in numbers whose roots are rational
    a, b, c = sp.symbols("a b c", positive=True)
    rational = {P: a**2 / (a**2 + 1), C1: b**2, C2: c**2}
    assert sp.simplify((tau**2 - 2 * C1 * MU / P).subs(rational)) == 0


def test_the_warned_interval_is_the_least() -> None:
    r, p, cp = sp.symbols("r p c_p", positive=True)
    cost = formulas.warned_overhead.raw(TAU, C1, MU, r, p, cp)
    best = formulas.warned_interval.raw(C1, MU, r)
    assert sp.simplify(sp.diff(cost, TAU).subs(TAU, best)) == 0


def test_herault_s_interval_is_the_lagrangian_s() -> None:
    q, size, worth, every = sp.symbols("q N Lambda P", positive=True)
    # n q/N (C/P + q/μₙ P/2) + Λ n C/P
    lagrangian = q / size * (C1 / every + q / MU * every / 2) + worth * C1 / every
    best = formulas.herault_2018_interval.raw(C1, MU, q, size, worth)
    assert sp.simplify(sp.diff(lagrangian, every).subs(every, best)) == 0


def test_aupy_s_interval_without_overlap_is_young_s_less_the_save() -> None:
    drain = sp.Rational(300)
    found = formulas.aupy_2013_interval(300.0, 86400.0, 0.0)
    assert found == pytest.approx(float(sp.sqrt(2 * drain * 86400) - drain), rel=1e-12)


@pytest.mark.parametrize(("bits", "dim", "row"), [(8, 64, 72), (4, 128, 72), (2, 16, 12), (16, 32, 72)])
def test_a_quantised_row_has_its_bytes_and_two_numbers(bits: int, dim: int, row: int) -> None:
    """dim × bits / 8 bytes, and 4 each for scale and offset."""
    assert formulas.quantised_share(float(bits), float(dim)) * 4 * dim == row


def test_the_constant_save_of_lognormal_ones_is_the_series_of_their_transform() -> None:
    """−μ ln E[exp(−X/μ)] to second order in 1/μ, with the moments E[Xⁿ] = Cⁿ e^(n(n−1)σ²/2)."""
    sigma, x = sp.symbols("sigma x", positive=True)
    transform = 1 - C1 * x + C1**2 * sp.exp(sigma**2) * x**2 / 2
    series = sp.series(-sp.log(transform) / x, x, 0, 2).removeO()
    assert sp.simplify(series - formulas.scattered_save.raw(C1, 1 / x, sigma)) == 0
    assert formulas.lognormal_mean(40.0, formulas.lognormal_scatter(40.0, 40.0)) == 40
