"""Failures that renew the clock: theory.md section 2's figures, limits, and a Monte-Carlo of saving by age."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy import stats

from cprmodel import DomainError, formulas

MU, C = 24 * 60.0, 5.0  # minutes


def weibull(shape: float) -> Any:
    return stats.weibull_min(shape, scale=MU / math.gamma(1 + 1 / shape))


def by_formula(shape: float, saves: int) -> Any:
    scale = MU / math.gamma(1 + 1 / shape)
    return formulas.weibull_save_time(np.arange(1.0, saves + 1), C, shape, scale)


@pytest.mark.parametrize(("shape", "tau"), [(0.5, 132.6), (0.7, 121.6), (1.0, 116.7), (1.5, 115.2)])
def test_best_equal_spacing(shape: float, tau: float) -> None:
    """theory.md section 2, to the digits given there: neighbours 1% away are worse."""
    found = [
        formulas.renewal_efficiency(x, C, MU, weibull(shape).sf) for x in tau + np.array([-2.0, -0.05, 0.05, 2.0])
    ]
    assert max(found[1:3]) > max(found[0], found[3])


def test_without_memory_it_is_the_exact_chunk() -> None:
    """Geometric series: τ/(e^((τ + C)/μ) − 1)/μ, the reciprocal of the exact chunk's cost."""
    for tau in (20.0, 116.69, 900.0):
        found = formulas.renewal_efficiency(tau, C, MU, lambda t: np.exp(-t / MU))
        assert found == pytest.approx(tau / math.expm1((tau + C) / MU) / MU, rel=1e-12)
    slow = formulas.renewal_efficiency(1e-3, 0.0, 1e5, lambda t: np.exp(-t / 1e5))  # 1e9 terms matter: the integral
    assert slow == pytest.approx(1e-3 / math.expm1(1e-8) / 1e5, rel=1e-6)
    with_recovery = formulas.renewal_efficiency(100, C, MU, lambda t: np.exp(-t / MU), 30, 70)
    assert with_recovery == pytest.approx(100 / math.expm1(105 / MU) / (MU + 100), rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "saves", "efficiency"),
    [(0.5, 400, 0.92958), (0.7, 400, 0.92212), (1.5, 60, 0.91973), (1.5, 400, 0.92015)],
)
def test_saving_by_age(shape: float, saves: int, efficiency: float) -> None:
    """theory.md section 2; its figure for 1.5 is that of 60 saves and none after, the last row all of them."""
    times = by_formula(shape, saves)
    works = np.maximum(np.diff(times, prepend=0.0) - C, 0.0)
    assert float(np.sum(works * weibull(shape).sf(times))) / MU == pytest.approx(efficiency, abs=2.1e-5)


@pytest.mark.parametrize("shape", [0.5, 0.7, 1.5])
def test_monte_carlo(shape: float) -> None:
    """A million failures: what equal spacing and saving by age have saved by then, and the gain."""
    failures = weibull(shape).rvs(1_000_000, random_state=np.random.default_rng(3))
    times = by_formula(shape, 400)
    works = np.maximum(np.diff(times, prepend=0.0) - C, 0.0)
    done = np.concatenate([[0.0], np.cumsum(works)])[np.searchsorted(times, failures, side="right")]
    extra = np.maximum(failures - times[-1], 0.0)
    if works[-1] > 0:
        done += works[-1] * np.floor(extra / (works[-1] + C))
    tau = {0.5: 132.6, 0.7: 121.6, 1.5: 115.2}[shape]
    equal = tau * np.floor(failures / (tau + C))
    by_age = formulas.schedule_efficiency(works, C, MU, weibull(shape).sf)
    spaced = formulas.renewal_efficiency(tau, C, MU, weibull(shape).sf)
    for sample, expected in ((done, by_age), (equal, spaced), (done - equal, by_age - spaced)):
        error = sample.std() / math.sqrt(len(sample)) / MU
        assert abs(sample.mean() / MU - expected) < 4 * error
    assert (done - equal).mean() > 4 * (done - equal).std() / math.sqrt(len(failures))  # the gain is there


def test_a_list_of_works_repeats_its_last() -> None:
    law = weibull(0.7)
    spaced = formulas.renewal_efficiency(100, C, MU, law.sf)
    for works in ([100], [100, 100, 100], [100] * 50):
        assert formulas.schedule_efficiency(works, C, MU, law.sf) == pytest.approx(spaced, rel=1e-7)


def test_save_times_satisfy_their_integral() -> None:
    """∫₀^{t_j} √(h/2C) dt = j, by SymPy; for β = 1 Young's interval apart."""
    t, c, beta, eta, j = sp.symbols("t C β η j", positive=True)
    hazard = beta / eta * (t / eta) ** (beta - 1)
    for shape in (sp.Rational(1, 2), sp.Integer(1), sp.Rational(3, 2)):
        count = sp.integrate(sp.sqrt(sp.expand_power_base(hazard.subs(beta, shape))) / sp.sqrt(2 * c), (t, 0, t))
        time = formulas.weibull_save_time.raw(j, c, shape, eta)
        numbers = {j: 3, c: 5, eta: 700}
        assert float(count.subs(t, time).subs(numbers)) == pytest.approx(3)
    times = formulas.weibull_save_time(np.arange(1.0, 5.0), C, 1.0, MU)
    assert np.diff(times, prepend=0.0) == pytest.approx(formulas.young_1974(C, MU))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda s: formulas.renewal_efficiency(0, C, MU, s), "interval_s = 0: expected a number greater than 0"),
        (lambda s: formulas.renewal_efficiency(5, -1, MU, s), "save_s = -1: expected a number of at least 0"),
        (lambda s: formulas.renewal_efficiency(5, 1, 0, s), "mtbf_s = 0: expected a number greater than 0"),
        (lambda s: formulas.schedule_efficiency([], C, MU, s), "works_s: expected a list of numbers"),
        (lambda s: formulas.schedule_efficiency([3, -1], C, MU, s), "works_s: expected a list of numbers"),
        (
            lambda s: formulas.weibull_save_time(1, C, -1, MU),
            "weibull_shape = -1: expected a number greater than 0",
        ),
    ],
)
def test_bad_numbers_are_named(call: Any, expected: str) -> None:
    with pytest.raises(DomainError, match=expected):
        call(lambda t: np.exp(-t))
