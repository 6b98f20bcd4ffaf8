"""The price of a wrong MTBF: theory.md §2's figures, the closed forms' limits, Monte-Carlo."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

from cprmodel import Exact, FirstOrder, formulas, load_preset
from cprmodel.jobs import Job
from cprmodel.planning.regret import exact_failures_to_see, expected_regret, failures_to_see, regret


def job(save: str = "5 min", mtbf: str = "24 h") -> Job:
    return Job.from_mapping(
        {
            "job": {"work": "5000 h"},
            "failures": {"mtbf": mtbf},
            "checkpoint": {"save": save, "load": "0 s", "reschedule": "0 s"},
        }
    )


def test_first_order_is_the_closed_form() -> None:
    """x = √(μ̂/μ), overhead ratio (x + 1/x)/2: 25% at 4× (theory.md §2)."""
    for error in (0.1, 0.25, 0.9, 1.0, 2.0, 4.0, 30.0):
        found = regret(job(), error, FirstOrder())
        assert found.relative == pytest.approx(float(formulas.mtbf_regret(mtbf_error=error)), rel=1e-9, abs=1e-12)
    assert formulas.mtbf_regret(mtbf_error=4.0) == 0.25


def test_the_optimum_is_where_there_is_no_error() -> None:
    e = sp.Symbol("e", positive=True)
    expression = formulas.mtbf_regret.raw(e)
    assert expression.subs(e, 1) == 0
    assert sp.diff(expression, e).subs(e, 1) == 0
    assert sp.simplify(expression - expression.subs(e, 1 / e)) == 0


def test_exact_regret_of_a_four_times_wrong_mtbf() -> None:
    """μ = 24 h, C = 5 min: computed here from the chunk's cost e^(λ(τ+C)) alone, by mpmath."""
    import mpmath as mp

    mu, save = mp.mpf(86400), mp.mpf(300)

    def overhead(tau: mp.mpf) -> mp.mpf:
        return mu * mp.expm1((tau + save) / mu) / tau - 1

    def best(mean: mp.mpf) -> mp.mpf:
        return mean * (1 + mp.lambertw(-mp.exp(-1 - save / mean)).real)

    for error in (0.25, 4.0):
        found = regret(job(), error, Exact())
        expected = overhead(best(mu * error)) / overhead(best(mu)) - 1
        assert found.relative == pytest.approx(float(expected), rel=0.02)  # the job here is finite


def test_expected_regret() -> None:
    """.02954 at n = 5, .01357 at n = 10, about 1/(8n) (theory.md §2); and a Monte-Carlo."""
    assert formulas.expected_regret(observed_failures=5.0) == pytest.approx(0.02954, abs=5e-6)
    assert formulas.expected_regret(observed_failures=10.0) == pytest.approx(0.01357, abs=5e-6)
    assert formulas.expected_regret(observed_failures=1000.0) == pytest.approx(1 / 8000, rel=2e-3)
    draws = formulas.mtbf_regret(mtbf_error=np.random.default_rng(1).gamma(7, size=200_000) / 7)
    error = draws.std() / math.sqrt(draws.size)
    assert abs(draws.mean() - formulas.expected_regret(observed_failures=7.0)) < 4 * error
    found = expected_regret(job(), 10, FirstOrder())
    assert found.relative == pytest.approx(0.01357, rel=0.02)  # quadrature at 400 quantiles
    assert expected_regret(job(), 10, Exact()).relative == pytest.approx(0.01357, rel=0.1)


def test_failures_to_see() -> None:
    for share in (0.3, 0.1, 0.05, 0.01, 0.001):
        n = failures_to_see(share)
        assert formulas.expected_regret(observed_failures=float(n)) <= share
        assert n == 1 or formulas.expected_regret(observed_failures=float(n - 1)) > share


@pytest.mark.parametrize("relative", [0.1, 0.02])
def test_exact_failures_to_see_is_the_first_that_does(relative: float) -> None:
    job = load_preset("cpr-dlrm")
    (found,) = exact_failures_to_see(job, [relative], Exact())
    assert found is not None
    assert expected_regret(job, found, Exact()).relative <= relative
    assert found == 1 or expected_regret(job, found - 1, Exact()).relative > relative


@pytest.mark.parametrize("observed", [1, 10, 300])
def test_expected_regret_where_each_belief_is_planned_for(observed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a grid of beliefs that are planned for one by one, as at all quantiles at once."""
    at_once = expected_regret(job(), observed, Exact())
    monkeypatch.setattr("cprmodel.planning.regret.recoveries_of", lambda model: None)
    one_by_one = expected_regret(job(), observed, Exact())
    assert one_by_one.relative == pytest.approx(at_once.relative, rel=0.005)
    assert one_by_one.interval_s == at_once.interval_s
