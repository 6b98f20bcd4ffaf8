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
    exact_pls_deviation,
    exact_pls_interval,
    lost_fraction,
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


def test_sympy_derives_the_loss_with_saves() -> None:
    """A save is tried until no failure strikes it; a try that is struck takes the whole interval of k/N shards."""
    tau, save, mtbf, u, shards, failed = sp.symbols("tau C mu u N k", positive=True)
    clear, hit = sp.exp(-save / mtbf), failed / shards
    escapes = clear / (1 - (1 - clear) * (1 - hit))  # a geometric series of struck tries that hit others
    rate = hit / mtbf
    before = sp.integrate(u * rate * tau * sp.exp(-rate * tau * (1 - u)), (u, 0, 1))
    derived = 1 - escapes + escapes * before
    stated = exact_pls(2 * tau, tau, mtbf, shards, 1, failed, save)
    last = exact_pls(tau, tau, mtbf, shards, 1, failed, save)  # which no save follows
    numbers = {tau: sp.Rational(7, 3), save: sp.Rational(2, 3), mtbf: 5, shards: 6, failed: 2}
    assert abs(sp.N((2 * stated - last - derived).subs(numbers), 30)) < 1e-25
    assert (
        sp.simplify(sp.series(derived.subs(save, u * tau), tau, 0, 2).removeO() - rate * tau * (1 + 2 * u) / 2) == 0
    )


def test_sympy_derives_the_variance_of_one_shard() -> None:
    """The last hit lies below v with probability e^(−h(τ − v)); with one shard that is all."""
    h, tau, v = sp.symbols("h tau v", positive=True)
    square = sp.integrate(2 * v * (1 - sp.exp(-h * (tau - v))), (v, 0, tau))
    mean = sp.integrate(1 - sp.exp(-h * (tau - v)), (v, 0, tau))
    stated = exact_pls_deviation(tau, tau, 1 / h, sp.Integer(1))
    numbers = {h: sp.Rational(3, 5), tau: sp.Rational(7, 3)}
    assert abs(sp.N((stated**2 * tau**2 - (square - mean**2)).subs(numbers), 30)) < 1e-25


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


@given(
    pls=st.floats(-6, -1e-3).map(lambda e: 10.0**e),
    shards=st.integers(1, 64),
    kinds=st.tuples(st.floats(0.05, 1), st.floats(0, 1), st.floats(0, 1)),
    save=st.floats(0, 0.2),
    stops=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 0.5)),
)
def test_the_inverse_inverts_with_saves_and_stops(
    pls: float,
    shards: int,
    kinds: tuple[float, float, float],
    save: float,
    stops: tuple[float, float, float],
) -> None:
    """Over a long job; and 0 means that no interval keeps the budget."""
    s, t, w = (kind / sum(kinds) for kind in kinds)
    rest = {"partial_load_s": stops[0], "partial_reschedule_s": stops[1], "trainer_reschedule_s": stops[2]}
    rest |= {"trainer_share": t, "whole_job_share": w}
    tau = exact_pls_interval(pls, 1.0, shards, s, 1, save, **rest)
    if tau > 0:
        many = exact_pls(1e9 * tau, tau, 1.0, shards, s, 1, save, **rest)
        assert many == pytest.approx(pls, rel=1e-8)
    else:
        assert exact_pls(1.0, 1e-9, 1.0, shards, s, 1, save, **rest) > pls * (1 - 1e-6)


def test_the_interval_of_a_budget_with_long_saves() -> None:
    """To first order τ = 2 PLS N μ/(sk) − 2C: 1 h 24 min where saves take 20 minutes, not CPR's 2 h 4 min."""
    budget, mtbf, shards, save = 0.0046, 28 * 3600.0, 8, 1200.0
    first = 2 * budget * shards * mtbf - 2 * save
    assert exact_pls_interval(budget, mtbf, shards, save_s=save) == pytest.approx(first, rel=0.015)
    assert cpr_2021_interval.outside(
        pls=budget, mtbf_s=mtbf, shards=shards, shard_share=1, failed_shards=1, save_s=save
    )


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
    assert exact_pls(10.0, 50.0, 7.0, 4) == pytest.approx(lost_fraction(10.0, 7.0, 4), rel=1e-14)


def test_whole_intervals_give_the_steady_state() -> None:
    assert exact_pls(60.0, 20.0, 7.0, 4, 0.9, 2) == pytest.approx(lost_fraction(20.0, 7.0, 4, 0.9, 2), rel=1e-14)


def test_first_order_is_within_ten_percent_up_to_its_limit() -> None:
    rule, saves = cpr_2021_pls.about.validity
    assert saves.of(interval_s=20.0, save_s=1.0) == 0.1
    with_saves = exact_pls(1e6, 20.0, 1e4, 8, save_s=1.0)
    assert with_saves / cpr_2021_pls(20.0, 1e4, 8) == pytest.approx(1.1, abs=0.01)
    x = np.linspace(1e-6, rule.at_most, 500)
    ratio = cpr_2021_pls.raw(x, 1.0, 1.0) / lost_fraction.raw(x, 1.0, 1.0)
    assert (ratio <= 1.10).all()
    beyond = 0.31
    assert cpr_2021_pls.raw(beyond, 1.0, 1.0) > 1.10 * lost_fraction(beyond, 1.0, 1.0)  # the limit is where it says


def test_the_first_order_interval_is_within_ten_percent_up_to_its_limit() -> None:
    rule, _ = cpr_2021_interval.about.validity
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


@pytest.mark.parametrize(
    ("setting", "mtbf", "shares"),
    [
        (Setting(100.0, 12.0, 3.0, False, shards=8), 6.0, (1, 0, 0)),
        (Setting(60.0, 10.0, 1.0, False, 2.0, 1.0, 1.0, 0.5, 3.0, 6, 3), 5.0, (0.6, 0.2, 0.2)),
        (Setting(80.0, 40.0, 0.5, False, shards=2, failed_shards=2), 10.0, (1, 0, 0)),
        (Setting(50.0, 5.0, 6.0, False, partial_reschedule=4.0, shards=4, failed_shards=1), 8.0, (1, 0, 0)),
    ],
)
def test_mean_and_scatter_against_the_event_loop(
    setting: Setting, mtbf: float, shares: tuple[float, float, float]
) -> None:
    """Long saves, stops that are struck, several shards at once, and losses of a shard again and again."""
    runs = 5000
    pls = np.array([o.lost_samples for o in many(setting, runs, 3, mtbf, shares)]) / (setting.work * setting.shards)
    given = {
        "shard_share": shares[0],
        "failed_shards": setting.failed_shards,
        "save_s": setting.save,
        "partial_load_s": setting.partial_load,
        "partial_reschedule_s": setting.partial_reschedule,
        "trainer_share": shares[1],
        "whole_job_share": shares[2],
        "trainer_reschedule_s": setting.trainer_reschedule,
    }
    where = (setting.work, setting.interval, mtbf, setting.shards)
    assert abs(pls.mean() - exact_pls(*where, **given)) < 3.5 * pls.std() / runs**0.5
    kurtosis = ((pls - pls.mean()) ** 4).mean() / pls.var() ** 2
    error = ((kurtosis - 1) / runs) ** 0.5 / 2  # relative, of a standard deviation
    assert pls.std() == pytest.approx(exact_pls_deviation(*where, **given), rel=3.5 * error)


def test_rare_losses_scatter_as_in_cprs_recursion() -> None:
    work, tau, mtbf, shards = 1e4, 10.0, 1e4, 50
    ratio = exact_pls_deviation(work, tau, mtbf, shards) / exact_pls(work, tau, mtbf, shards)
    assert ratio == pytest.approx(cpr_2021_pls_spread(work, mtbf), rel=1e-3)


@given(
    shards=st.integers(1, 1000),
    together=st.floats(0, 1),
    pieces=st.floats(0.2, 1e4),
    mtbf=st.floats(-3, 6).map(lambda e: 10.0**e),
    save=st.floats(0, 1),
)
def test_the_scatter_is_a_number_between_0_and_half(
    shards: int, together: float, pieces: float, mtbf: float, save: float
) -> None:
    """A share has no larger deviation than one half."""
    failed = 1 + together * (shards - 1)
    found = exact_pls_deviation.raw(1.0, 1.0 / pieces, mtbf, shards, 1, failed, min(save * mtbf, 1.0))
    assert 0 <= found <= 0.5
