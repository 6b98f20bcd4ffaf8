"""PLS: theory's figures, its derivation by SymPy, its inverse, and a Monte-Carlo."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from cprmodel.formulas import (
    cpr_2021_interval,
    cpr_2021_pls,
    cpr_2021_pls_finite,
    cpr_2021_pls_spread,
    exact_pls,
    exact_pls_interval,
    lost_fraction,
    lost_fraction_with_saves,
)
from tests.conftest import literature
from tests.slow_event_loop import Setting, many

JOB = literature("pls")["finite_job"]


def test_the_finite_job_of_theory() -> None:
    where = (JOB["interval_h"], JOB["mtbf_h"], JOB["shards"])
    assert cpr_2021_pls(*where) == pytest.approx(JOB["first_order"], abs=5e-5)
    assert exact_pls(JOB["work_h"], *where) == pytest.approx(JOB["exact"], abs=5e-5)
    assert cpr_2021_interval(JOB["first_order"], JOB["mtbf_h"], JOB["shards"]) == pytest.approx(JOB["interval_h"])


def test_sympy_derives_the_lost_fraction() -> None:
    """The last failure of an interval sits at u with density x e^(−x(1−u)); what came before it is lost."""
    x, u = sp.symbols("x u", positive=True)
    derived = sp.integrate(u * x * sp.exp(-x * (1 - u)), (u, 0, 1))
    stated = lost_fraction(x, 1, sp.Integer(1))
    assert sp.simplify(derived - stated) == 0
    assert sp.series(stated, x, 0, 2).removeO() == x / 2  # and CPR's first order is its limit


def test_sympy_derives_the_lost_fraction_with_saves() -> None:
    """A failure during the save (probability 1 − e^(−aC)) takes the whole interval."""
    a, tau, save, u = sp.symbols("a tau C u", positive=True)
    before = sp.integrate(u * a * tau * sp.exp(-a * tau * (1 - u)), (u, 0, 1))
    derived = 1 - sp.exp(-a * save) + sp.exp(-a * save) * before
    stated = lost_fraction_with_saves(tau, save, 1 / a, sp.Integer(1))
    assert sp.simplify(sp.expand(derived - stated)) == 0


def test_sympy_proves_the_inverse() -> None:
    """With r = R(δ − log(1 + δ)), δ + log-terms give e^(−x) = (1 − r)/(1 + δ); then f(x) is the budget."""
    delta, r = sp.symbols("delta r", positive=True)
    x = delta + r
    exp_minus_x = (1 - r) / (1 + delta)  # from r + log(1 − r) = −(δ − log(1 + δ))
    share = 1 - (1 - exp_minus_x) / x
    assert sp.simplify(share - delta / (1 + delta)) == 0


@given(pls=st.floats(-9, -1e-6).map(lambda e: 10.0**e), shards=st.integers(1, 512), share=st.floats(0.05, 1))
def test_the_inverse_inverts(pls: float, shards: int, share: float) -> None:
    tau = exact_pls_interval(pls, 3600.0, shards, share)
    assert lost_fraction(tau, 3600.0, shards, share) == pytest.approx(pls, rel=1e-13 + 4e-16 / (1 - pls))


@pytest.mark.parametrize("pls", [1e-9, 1e-4, 0.03, 0.1, 0.5, 0.9])
def test_the_inverse_against_lambert_w_at_50_digits(pls: float) -> None:
    with mpmath.workdps(50):
        c = 1 - mpmath.mpf(pls)
        x = 1 / c + mpmath.lambertw(-mpmath.exp(-1 / c) / c).real
        assert abs(exact_pls_interval(pls, 1.0, 1.0) / x - 1) < 1e-14


@given(
    work=st.floats(1, 1e4),
    pieces=st.floats(0.1, 300),
    mtbf=st.floats(1, 1e4),
    shards=st.integers(1, 64),
)
def test_exact_pls_is_a_share_below_first_order_and_below_its_steady_state(
    work: float, pieces: float, mtbf: float, shards: int
) -> None:
    tau = work / pieces
    exact = exact_pls(work, tau, mtbf, shards)
    assert 0 < exact < 1
    assert exact <= cpr_2021_pls_finite.raw(work, tau, mtbf, shards) * (1 + 1e-12)
    assert exact <= lost_fraction(min(tau, work), mtbf, shards) * (1 + 1e-12)


def test_a_job_shorter_than_its_interval_is_one_interval() -> None:
    assert exact_pls(10.0, 50.0, 7.0, 4) == lost_fraction(10.0, 7.0, 4)


def test_whole_intervals_give_the_steady_state() -> None:
    assert exact_pls(60.0, 20.0, 7.0, 4, 0.9, 2) == pytest.approx(lost_fraction(20.0, 7.0, 4, 0.9, 2), rel=1e-14)


def test_first_order_is_within_ten_percent_up_to_its_limit() -> None:
    (rule,) = cpr_2021_pls.about.validity
    x = np.linspace(1e-6, rule.at_most, 500)
    ratio = cpr_2021_pls.raw(x, 1.0, 1.0) / lost_fraction.raw(x, 1.0, 1.0)
    assert (ratio <= 1.10).all()
    beyond = 0.31
    assert cpr_2021_pls.raw(beyond, 1.0, 1.0) > 1.10 * lost_fraction(beyond, 1.0, 1.0)  # the limit is where it says


def test_the_first_order_interval_is_within_ten_percent_up_to_its_limit() -> None:
    (rule,) = cpr_2021_interval.about.validity
    budgets = np.linspace(1e-6, rule.at_most, 500)
    first, exact = (formula.raw(budgets, 1.0, 1.0) for formula in (cpr_2021_interval, exact_pls_interval))
    assert (first <= exact).all()
    assert (first >= 0.9 * exact).all()
    assert cpr_2021_interval.raw(0.15, 1.0, 1.0) < 0.9 * exact_pls_interval(0.15, 1.0, 1.0)


@pytest.mark.parametrize(
    ("work", "tau", "mtbf", "shards", "failed"),
    [(56.0, 44.8, 28.0, 8, 1), (100.0, 12.0, 3.0, 6, 2), (40.0, 40.0, 5.0, 4, 1), (60.0, 8.0, 16.0, 16, 4)],
)
def test_exact_pls_against_the_event_loop(work: float, tau: float, mtbf: float, shards: int, failed: int) -> None:
    """Failures during saves and recoveries are made negligible (both take no time)."""
    runs = 6000
    setting = Setting(work=work, interval=tau, save=0.0, full=False, shards=shards, failed_shards=failed)
    pls = np.array([o.lost_samples for o in many(setting, runs, 11, mtbf, (1, 0, 0))]) / (work * shards)
    error = pls.std() / runs**0.5
    assert abs(pls.mean() - exact_pls(work, tau, mtbf, shards, 1, failed)) < 3.5 * error
    assert abs(pls.mean() - cpr_2021_pls.raw(tau, mtbf, shards, 1, failed)) > 3.5 * error  # it can tell them apart


def test_spread_of_cpr_s_recursion() -> None:
    """Compound Poisson: the recursion as the paper writes it, drawn directly."""
    rng = np.random.default_rng(3)
    work, tau, mtbf, shards, runs = 560.0, 10.0, 28.0, 8, 40_000
    counts = rng.poisson(work / mtbf, runs)
    since = rng.uniform(0, tau, counts.sum())
    owner = np.repeat(np.arange(runs), counts)
    pls = np.bincount(owner, since, minlength=runs) / (work * shards)
    assert pls.mean() == pytest.approx(cpr_2021_pls(tau, mtbf, shards), rel=4 * 0.26 / runs**0.5)
    # the SD of an SD of near-normal figures is 1/√(2n) of it
    assert pls.std() / pls.mean() == pytest.approx(
        cpr_2021_pls_spread(work, mtbf), rel=4 / (2 * runs) ** 0.5 + 0.003
    )
