"""Optimal intervals: published figures, brute force, and SymPy's word that each is an optimum."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from cprmodel.facts.symbolic import RenewalRoot
from cprmodel.formulas import (
    bougeret_2011_chunk,
    cpr_2021_pls,
    daly_2006,
    exact_interval,
    full_recovery_chunk,
    full_recovery_overhead,
    optimal_chunks,
    partial_recovery_interval,
    partial_recovery_overhead,
    priced_loss_interval,
    young_1974,
)
from tests.conftest import literature

DALY = literature("daly")["interval"]


@pytest.mark.parametrize("row", DALY, ids=lambda row: f"mtbf {row['mtbf_min']:g} min")
def test_daly_s_published_intervals(row: dict[str, float]) -> None:
    save, mtbf = row["save_min"] * 60, row["mtbf_min"] * 60
    daly = daly_2006(save, mtbf) / 60
    assert abs(daly - row["published_min"]) <= row["resolution_min"]
    assert daly == pytest.approx(row["eq37_min"], abs=6e-4)
    assert exact_interval(save, mtbf) / 60 == pytest.approx(row["exact_min"], abs=6e-4)
    assert young_1974.raw(save, mtbf) / 60 == pytest.approx(row["young_min"], abs=6e-4)


def test_daly_beyond_twice_the_mtbf() -> None:
    assert daly_2006(save_s=20.0, mtbf_s=10.0) == 10.0
    assert daly_2006(np.array([1.0, 30.0]), 10.0)[1] == 10.0


def test_daly_is_the_exact_interval_s_series_to_third_order() -> None:
    c, s = sp.symbols("c s", positive=True)
    daly = sp.sqrt(2 * c) * (1 + sp.sqrt(c / 2) / 3 + c / 18) - c  # eq. 37, first branch, in units of μ
    terms = sp.expand(sp.powdenest(daly.subs(c, s**2 / 2), force=True))
    # the root of x + log(1 − x) = −s²/2 as a series in s: put the terms back into the definition
    residual = sp.series(terms + sp.log(1 - terms) + s**2 / 2, s, 0, 5).removeO()
    assert sp.simplify(residual) == 0


@pytest.mark.parametrize("ratio", np.logspace(-9, 1, 21))
def test_the_exact_interval_minimises_both_exact_costs(ratio: float) -> None:
    """Against the derivative's root at 50 digits, which no formula of ours takes part in."""
    with mpmath.workdps(50):
        c = mpmath.mpf(ratio)
        slope = lambda x: (x - 1) * mpmath.exp(x + c) + 1  # noqa: E731 (∝ d/dτ of (e^((τ + C)/μ) − 1)/τ)
        optimum = mpmath.findroot(slope, (c / 1000, min(mpmath.sqrt(2 * c), 1)), solver="anderson", tol=1e-90)
        assert abs(exact_interval(ratio, 1.0) / optimum - 1) < 1e-12


@given(ratio=st.floats(1e-6, 5), load=st.floats(0, 2), reschedule=st.floats(0, 2))
def test_the_exact_interval_against_a_numerical_minimiser(ratio: float, load: float, reschedule: float) -> None:
    tau = exact_interval(ratio, 1.0)
    for chunk in (full_recovery_chunk, bougeret_2011_chunk):

        def cost(x: float, chunk: object = chunk) -> float:
            return float(chunk.raw(x, ratio, 1.0, load, reschedule)) / x  # type: ignore[attr-defined]

        found = minimize_scalar(
            cost, bounds=(tau / 5, min(5 * tau, 1.5)), method="bounded", options={"xatol": 1e-10}
        )
        assert cost(tau) <= found.fun * (1 + 1e-12)


def test_young_is_within_one_percent_up_to_its_limit() -> None:
    (rule,) = young_1974.about.validity
    ratios = np.logspace(-9, np.log10(rule.at_most), 2000)
    best = (
        full_recovery_chunk.raw(exact_interval.raw(ratios, 1.0), ratios, 1.0) / exact_interval.raw(ratios, 1.0) - 1
    )
    young = full_recovery_chunk.raw(young_1974.raw(ratios, 1.0), ratios, 1.0) / young_1974.raw(ratios, 1.0) - 1
    assert (young <= 1.01 * best).all()
    beyond = 0.09
    cost = full_recovery_chunk(young_1974.raw(beyond, 1.0), beyond, 1.0) / young_1974.raw(beyond, 1.0) - 1
    least = full_recovery_chunk(exact_interval(beyond, 1.0), beyond, 1.0) / exact_interval(beyond, 1.0) - 1
    assert cost > 1.01 * least  # the limit is where it says


def test_daly_is_within_a_fifth_of_a_percent_everywhere() -> None:
    ratios = np.logspace(-6, 1.2, 4000)
    best = (
        full_recovery_chunk.raw(exact_interval.raw(ratios, 1.0), ratios, 1.0) / exact_interval.raw(ratios, 1.0) - 1
    )
    daly = full_recovery_chunk.raw(daly_2006.raw(ratios, 1.0), ratios, 1.0) / daly_2006.raw(ratios, 1.0) - 1
    assert (daly <= 1.002 * best).all()


TAU = sp.Symbol("τ", positive=True)


def is_minimum(cost: sp.Expr, optimum: sp.Expr) -> None:
    assert sp.simplify(sp.diff(cost, TAU).subs(TAU, optimum)) == 0
    assert sp.diff(cost, TAU, 2).subs(TAU, optimum).is_positive


def test_sympy_proves_young() -> None:
    names = full_recovery_overhead.symbols()
    is_minimum(full_recovery_overhead.expression().total, young_1974(names["save_s"], names["mtbf_s"]))


def test_sympy_proves_the_partial_optimum() -> None:
    names = partial_recovery_overhead.symbols()
    optimum = partial_recovery_interval(names["save_s"], names["mtbf_s"], names["whole_job_share"])
    is_minimum(partial_recovery_overhead.expression().total, optimum)


def test_sympy_proves_the_priced_optimum() -> None:
    names = priced_loss_interval.symbols()
    lost = cpr_2021_pls(TAU, *(names[key] for key in ("mtbf_s", "shards", "shard_share", "failed_shards")))
    cost = names["save_s"] / TAU + names["loss_price"] * lost
    is_minimum(cost, priced_loss_interval.expression())


def test_sympy_proves_the_exact_optimum() -> None:
    names = full_recovery_chunk.symbols()
    x, mu, save = sp.Symbol("x", positive=True), names["mtbf_s"], names["save_s"]
    slope = sp.diff(full_recovery_chunk.expression() / TAU, TAU)
    # x = R(C/μ) means C = μ(−x − log(1 − x)); the stated optimum is τ = μx
    at_optimum = slope.subs({save: mu * (-x - sp.log(1 - x)), TAU: mu * x})
    assert sp.simplify(sp.powsimp(sp.expand(at_optimum))) == 0
    assert exact_interval.expression() == mu * RenewalRoot(save / mu)
    # the numerator's derivative, x e^(x + c), is positive: the only zero, from − to +, hence the minimum
    c = sp.Symbol("c", positive=True)
    numerator = (x - 1) * sp.exp(x + c) + 1
    assert sp.simplify(sp.diff(numerator, x)).is_positive


def test_priced_loss_is_full_recovery_with_a_longer_mtbf() -> None:
    assert priced_loss_interval(240.0, 1e5, 8, 4.0, 0.9, 2.0) == pytest.approx(
        young_1974(240.0, 1e5 * 8 / (4 * 0.9 * 2))
    )


def test_no_whole_job_failures_no_optimum() -> None:
    assert partial_recovery_interval(240.0, 1e5, 0.0) == np.inf
    assert partial_recovery_interval(240.0, 1e5, np.array([0.0, 1.0]))[1] == young_1974(240.0, 1e5)


def brute_force_chunks(work: float, save: float, mtbf: float, final_save: bool) -> tuple[int, float]:
    """Cheapest number of pieces, with the best lengths for each (equal W + C; the last one longer)."""

    def cost(pieces: int) -> float:
        if final_save:
            return pieces * np.expm1((work / pieces + save) / mtbf)
        length = (work - save) / pieces
        if length <= 0:
            return np.expm1(work / mtbf) if pieces == 1 else np.inf
        return (pieces - 1) * np.expm1((length + save) / mtbf) + np.expm1((length + save) / mtbf)

    costs = [cost(pieces) for pieces in range(1, 400)]
    return int(np.argmin(costs)) + 1, min(costs)


def test_theory_s_finite_job() -> None:
    assert optimal_chunks(200.0, 5.0, 360.0) == 3
    assert optimal_chunks(200.0, 5.0, 360.0, final_save=True) == 4


@given(
    work=st.floats(1, 1000),
    save=st.floats(0.05, 50),
    mtbf=st.floats(20, 5000),
    final_save=st.booleans(),
)
def test_chunk_counts_equal_brute_force(work: float, save: float, mtbf: float, final_save: bool) -> None:
    pieces = optimal_chunks(work, save, mtbf, final_save)
    best, least = brute_force_chunks(work, save, mtbf, final_save)
    if pieces >= 399:
        return
    length = (work / pieces if final_save else max((work - save) / pieces, 0.0)) + save
    cost = pieces * np.expm1(length / mtbf) if pieces > 1 or final_save else np.expm1(max(work, length) / mtbf)
    assert pieces == best or cost == pytest.approx(least, rel=1e-12)  # a tie to rounding is a tie
