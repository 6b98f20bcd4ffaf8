"""What is left of a row that was put back with its optimizer's state: SymPy derives it, played rows confirm it."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy import integrate

from cprmodel.formulas import jitter_variance, progress_left_fixed, progress_left_moving


def test_sympy_derives_what_is_left_where_best_values_stand_still() -> None:
    """Both rows go on from where they are, each at its pace; the harm is a difference of two losses."""
    p, h, w, x, own, age = sp.symbols("p h w x x' x_a", positive=True)
    moved = w * (sp.exp(age) - 1)
    end = p * h / 2 * ((w + moved) ** 2 * sp.exp(-2 * x) - w**2 * sp.exp(-2 * own))
    quadratic, gradient = p * h * moved**2 / 2, p * h * w * moved
    share = (end - quadratic * sp.exp(-2 * x)) / gradient
    assert sp.simplify(share - progress_left_fixed(x, own, age)) == 0


def test_a_row_that_only_repeats_its_way_ends_as_in_a_shorter_run() -> None:
    """Under Adagrad from nothing x ∝ √n: put back by n of n accesses, m later it is where m accesses lead."""
    h, lost, later = 1e-4, 30.0, 70.0
    x, own, age = (h * 2 * one for one in (later**0.5, (lost + later) ** 0.5 - lost**0.5, lost**0.5))
    moved = np.expm1(age)  # with 1 still to go when the row is put back
    start = 1 + moved
    shorter = (start * np.exp(-h * 2 * later**0.5)) ** 2 - (start * np.exp(-h * 2 * (lost + later) ** 0.5)) ** 2
    found = moved**2 * np.exp(-2 * x) + 2 * moved * progress_left_fixed(x, own, age)
    assert found == pytest.approx(shorter, rel=1e-9)


@pytest.mark.parametrize("x", [1e-3, 0.3, 3.0])
@pytest.mark.parametrize("ratios", [(1.0, 1.0), (0.6, 0.9), (0.3, 0.5)])
def test_what_is_left_where_best_values_move_solves_its_equation(x: float, ratios: tuple[float, float]) -> None:
    """dΔ/dx = −Δ − (1 − k'/k)w step by step, k'/k along a line from the first ratio to the last; w = 1."""
    first, last = ratios
    age = 0.4

    def ratio(at: float) -> float:
        return first + (last - first) * at / x

    found = integrate.solve_ivp(lambda at, lacks: -lacks - (1 - ratio(at)), (0.0, x), [age], rtol=1e-10, atol=1e-13)
    lacks = found.y[0, -1]
    own = x * (first + last) / 2
    expected = ((1 + lacks) ** 2 - 1 - age**2 * np.exp(-2 * x)) / (2 * age)  # less what is left of the quadratic
    assert progress_left_moving(x, own, age, last) == pytest.approx(expected, rel=1e-6)


def test_both_are_one_where_nothing_is_trained_and_contract_alike_without_larger_steps() -> None:
    assert progress_left_fixed(0.0, 0.0, 0.3) == 1.0
    assert progress_left_moving(0.0, 0.0, 0.3, 1.0) == 1.0
    assert progress_left_fixed(0.7, 0.7, 0.3) == pytest.approx(np.exp(-1.4))
    assert progress_left_moving(0.7, 0.7, 0.3, 1.0) == pytest.approx(np.exp(-0.7))


@pytest.mark.parametrize("x", [1e-9, 0.3, 16.0])
def test_the_variance_of_the_jitter_solves_its_equation(x: float) -> None:
    """Steps along a line in x, from 0.05 to 0.02."""
    found = integrate.solve_ivp(
        lambda at, v: -2 * v + 0.05 - 0.03 * at / x, (0.0, x), [0.0], rtol=1e-10, atol=1e-20, max_step=x / 20
    )
    assert jitter_variance(x, 0.035, 0.02) == pytest.approx(found.y[0, -1], rel=1e-6)
