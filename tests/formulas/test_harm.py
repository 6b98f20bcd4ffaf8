"""What a put-back row costs: SymPy derives it, real optimizer steps of a small model confirm it.

The small model is a row of two weights in a logistic regression: its true loss is known exactly, and thousands of
runs are trained at once, each with and without a put-back on the same data.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy import integrate

from cprmodel.formulas import (
    adagrad_share_left,
    adam_relearning,
    calibrated_rise,
    cube_root_harm,
    cube_root_row_interval,
    exact_pls,
    expected_gradient_square,
    expected_harm,
    harm_at_once,
    harm_of_age,
    harm_per_pls,
    joint_share_left,
    least_harm_interval,
    mean_harm,
    mean_share_left,
    relearning_rate,
    share_left,
)

# ---- at once


def test_sympy_derives_the_curvature_of_a_calibrated_model() -> None:
    """Gauss and Newton: what is left of the second derivative once labels are averaged is σ'JJᵀ."""
    e, f = sp.symbols("e f", real=True)
    z = sp.Function("z")(e, f)
    y = sp.Symbol("y")
    loss = sp.log(1 + sp.exp(z)) - y * z
    sigma = 1 / (1 + sp.exp(-z))
    for one, other in ((e, e), (e, f)):
        second = sp.diff(loss, one, other)
        expected = second.subs(y, sigma)  # linear in y: its mean is the value at the mean
        gauss_newton = sigma * (1 - sigma) * sp.diff(z, one) * sp.diff(z, other)
        assert sp.simplify((expected - gauss_newton).rewrite(sp.exp)) == 0
    assert sp.simplify(sp.diff(loss, e) - (sigma - y) * sp.diff(z, e)) == 0


def test_sympy_expands_the_true_rise_to_the_harm_at_once() -> None:
    """A linear logit, labels of any probability π: the loss at e − Δ less that at e, to second order."""
    moved, x, z, pi, access = sp.symbols("Delta x z pi p", positive=True)
    sigma = 1 / (1 + sp.exp(-z))
    true = access * (sp.log(1 + sp.exp(z - x * moved)) - sp.log(1 + sp.exp(z)) + pi * x * moved)
    stated = harm_at_once(access, sigma * (1 - sigma) * x**2, (sigma - pi) * x, moved)
    assert sp.simplify(sp.series(true, moved, 0, 3).removeO() - stated) == 0


def test_sympy_expands_the_rise_of_a_calibrated_sample() -> None:
    sigma, change = sp.Symbol("sigma", positive=True), sp.Symbol("delta", real=True)
    series = sp.series(calibrated_rise(sigma, change), change, 0, 5).removeO()
    slope = sigma * (1 - sigma)
    expected = slope * change**2 / 2 + slope * (1 - 2 * sigma) * change**3 / 6
    expected += slope * (1 - 6 * slope) * change**4 / 24  # its mean over a normal δ is σ'(1 − 6σ')v²/8
    assert sp.expand(series - expected) == 0


@pytest.mark.parametrize("sigma", [0.003, 0.25, 0.5])
def test_the_rise_of_a_calibrated_sample_is_a_divergence(sigma: float) -> None:
    """The mean of the two labels' losses, summed as they stand."""
    with mpmath.workdps(40):
        one = mpmath.mpf(sigma)
        z = mpmath.log(one / (1 - one))
        for change in (-3.0, -0.01, 1e-5, 0.4, 5.0):
            after = 1 / (1 + mpmath.exp(-z - change))
            slow = one * mpmath.log(one / after) + (1 - one) * mpmath.log((1 - one) / (1 - after))
            assert calibrated_rise(sigma, change) == pytest.approx(float(slow), rel=1e-9, abs=2e-16 * abs(change))


def test_a_row_on_its_way_costs_what_it_gained_and_one_that_jitters_nothing() -> None:
    """Relaxation e = −ue^(−κt), and a stationary row of variance v and correlation e^(−κa)."""
    access, h, ahead, rate, age, v = sp.symbols("p h u kappa a v", positive=True)
    moved = ahead * (sp.exp(rate * age) - 1)  # how far it was from its best value, less how far it is
    gained = access * h / 2 * (ahead**2 * sp.exp(2 * rate * age) - ahead**2)
    assert sp.simplify(harm_at_once(access, h, -h * ahead, moved) - gained) == 0
    kept = v * sp.exp(-rate * age)
    quadratic = access * h / 2 * (2 * v - 2 * kept)  # E[Δ²]
    gradient = -access * h * (v - kept)  # E[eΔ], e = what it is off its best value
    assert sp.simplify(quadratic + gradient) == 0


def test_drift_and_noise_are_what_a_row_does_in_short_times() -> None:
    """Monte-Carlo of a row that relaxes under noise: E[Δ²]h/2 is Da² + Na while κa is small."""
    rng, rate, ahead, h, runs = np.random.default_rng(5), 2e-4, 1.0, 0.2, 40_000
    spread = 0.3 * math.sqrt(2 * rate)  # of a step, so that the stationary standard deviation is 0.3
    off = ahead + 0.3 * rng.normal(size=runs)
    start, found = off.copy(), {}
    for age in range(1, 201):
        off = off - rate * off + spread * rng.normal(size=runs)
        if age in (20, 200):
            each = h / 2 * (start - off) ** 2
            found[age] = each.mean(), each.std() / math.sqrt(runs)
    drift, noise = h / 2 * (rate * ahead) ** 2, h / 2 * spread**2
    for age, (mean, error) in found.items():
        assert abs(mean - harm_of_age(drift, noise, age)) < 4 * error + rate * age * mean


# ---- learned again


def test_sympy_derives_what_is_left() -> None:
    """Δ' = −lΔ per access; under Adagrad l falls as 1/√(G + γi); both terms of the harm go with e^(−2ln)."""
    h, eta, batch, total, gamma, n, i, moved, ahead = sp.symbols("h eta B G gamma n i Delta u", positive=True)
    rate = relearning_rate(eta, h, batch, sp.sqrt(total + gamma * i))
    exponent = sp.integrate(rate, (i, 0, n))
    stated = adagrad_share_left(eta, h, batch, total, gamma, n)
    assert sp.simplify(sp.log(stated) + 2 * exponent) == 0
    constant = share_left(relearning_rate(eta, h, batch, sp.sqrt(total)), n)
    assert sp.simplify(adagrad_share_left(eta, h, batch, total, 0, n) - constant) == 0
    rest = sp.exp(-relearning_rate(eta, h, batch) * n)  # of Δ, and of what the row has still to go
    before, after = (harm_at_once(1, h, -h * ahead * one, moved * one) for one in (1, rest))
    assert sp.simplify(after / before - share_left(relearning_rate(eta, h, batch), n)) == 0
    settled = harm_at_once(1, h, -h * ahead, moved * rest)  # a best value that moves on keeps u
    assert sp.simplify((settled - h * (moved * rest) ** 2 / 2) / (h * ahead * moved) - rest) == 0


def test_constant_sums_err_as_the_docstring_says() -> None:
    for x, factor in ((1.0, 1.21), (8.0, 2.0)):
        grown, constant = (math.log(adagrad_share_left(0.02, 0.2, 512, 1e-6, g, 64)) for g in (x * 1e-6 / 64, 0.0))
        assert constant / grown == pytest.approx(factor, abs=0.005)


KINDS = 12
BATCH, TOGETHER = 16, 2  # samples of a step, and how many of them are accesses of the row


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    inputs = 0.8 * rng.normal(size=(KINDS, 2)) + np.array([0.5, 0.0])
    best = np.array([0.6, -0.4])
    clicks = 1 / (1 + np.exp(-(inputs @ best)))
    curvature = (inputs * (clicks * (1 - clicks))[:, None]).T @ inputs / KINDS
    return {"inputs": inputs, "best": best, "clicks": clicks, "curvature": curvature}


def true_loss(model: dict[str, Any], rows: Any) -> Any:
    z = rows @ model["inputs"].T
    return (np.logaddexp(0, z) - model["clicks"] * z).mean(-1)


def step(name: str, rate: float, row: Any, g: Any, state: dict[str, Any]) -> Any:
    """One step of each optimizer, as its authors wrote it down."""
    if name == "sgd":
        return row - rate * g
    if name == "momentum":
        state["m"] = 0.9 * state["m"] + g
        return row - rate * state["m"]
    if name in ("adagrad", "rowwise"):
        state["G"] = state["G"] + (g * g if name == "adagrad" else (g * g).mean(-1, keepdims=True))
        return row - rate * g / np.sqrt(state["G"])
    state["t"] += 1
    state["m"], state["v"] = 0.9 * state["m"] + 0.1 * g, 0.999 * state["v"] + 0.001 * g * g
    return row - rate * (state["m"] / (1 - 0.9 ** state["t"])) / np.sqrt(state["v"] / (1 - 0.999 ** state["t"]))


def train(model: dict[str, Any], name: str, rate: float, rows: list[Any], states: list[Any], steps: int) -> None:
    """All rows of the list see the same samples, a step of which holds two accesses of the row."""
    rng = np.random.default_rng(steps)
    runs = len(rows[0])
    for _ in range(steps):
        kind = rng.integers(0, KINDS, (runs, TOGETHER))
        label, x = rng.random((runs, TOGETHER)) < model["clicks"][kind], model["inputs"][kind]
        for at, row in enumerate(rows):
            z = np.einsum("rmd,rd->rm", x, row)
            g = np.einsum("rm,rmd->rd", 1 / (1 + np.exp(-z)) - label, x) / BATCH
            rows[at] = step(name, rate, row, g, states[at])


def left_by_spectrum(curvature: Any, moved: Any, each: Any) -> float:
    """ΔᵀHΔ after Δ' = −diag(each)·HΔ went on for one unit, as a share: eigenvectors of the scaled curvature."""
    root = np.sqrt(each)
    values, vectors = np.linalg.eigh(root[:, None] * curvature * root)
    part = vectors.T @ (moved / root)
    return float((values * (np.exp(-values) * part) ** 2).sum() / (values * part**2).sum())


@pytest.mark.parametrize(
    ("name", "rate", "before"),
    [("sgd", 0.3, 0), ("momentum", 0.03, 0), ("adagrad", 0.05, 30), ("rowwise", 0.05, 30), ("adam", 0.01, 150)],
)
def test_optimizers_learn_again_as_they_should(model: dict[str, Any], name: str, rate: float, before: int) -> None:
    """True loss of put-back runs less that of their twins, after 100 steps, against the formulas' exponents.

    Δ is small, so that the third order is below 2% of the harm. Sums are not given: they are expected from h.
    """
    runs, steps, curvature = 3000, 100, model["curvature"]
    wide = 2 if name == "adagrad" else 1
    fresh = {"G": np.full((runs, wide), 1e-12), "m": np.zeros((runs, 2)), "v": np.zeros((runs, 2)), "t": 0}
    rows, states = [np.tile(model["best"], (runs, 1))], [fresh]
    train(model, name, rate, rows, states, before)
    moved = np.array([0.12, 0.10])
    rows, states = [rows[0], rows[0] - moved], [states[0], copy.deepcopy(states[0])]
    at_once = (true_loss(model, rows[1]) - true_loss(model, rows[0])).mean()
    z = rows[0] @ model["inputs"].T
    gradient = ((1 / (1 + np.exp(-z)) - model["clicks"]) @ model["inputs"]).mean(0) / KINDS
    quadratic, length = 0.5 * moved @ curvature @ moved, math.hypot(*moved)
    stated = harm_at_once(1.0, 2 * quadratic / length**2, float(gradient @ moved) / length, length)
    assert at_once == pytest.approx(stated, rel=0.04)  # rows scatter: so does their curvature
    train(model, name, rate, rows, states, steps)
    apart = rows[0] - rows[1]  # the gradient's part is as large as its noise: the quadratic tells how it went
    each = 0.5 * np.einsum("ri,ij,rj->r", apart, curvature, apart)

    accesses, diagonal = steps * TOGETHER, np.diag(curvature)
    if name == "sgd":
        exponent = np.full(2, relearning_rate(rate, 1.0, BATCH) * accesses)
    elif name == "momentum":
        exponent = np.full(2, relearning_rate(rate / (1 - 0.9), 1.0, BATCH) * accesses)
    elif name == "adam":
        each_sample = adam_relearning(rate, diagonal, TOGETHER / BATCH, BATCH) / diagonal  # h of the spectrum
        exponent = each_sample * steps * BATCH
    else:
        gamma = expected_gradient_square(diagonal if name == "adagrad" else np.full(2, diagonal.mean()), BATCH)
        seen = before * TOGETHER
        exponent = -0.5 * np.log(adagrad_share_left(rate, 1.0, BATCH, gamma * seen, gamma, accesses))
        assert states[0]["G"].mean() == pytest.approx(gamma.mean() * (seen + accesses), rel=0.03)
    expected = left_by_spectrum(curvature, moved, exponent)
    if name in ("momentum", "adam"):  # answers nine steps late, and then the faster for it: first order in κ
        kappa = -math.log(expected) / (2 * steps)
        expected *= 1 + 18 * kappa * (1 - kappa * steps)
    found, error = each.mean() / quadratic, each.std() / math.sqrt(runs) / quadratic
    assert abs(found - expected) < 4 * error + 0.04 * expected
    assert 0.2 < expected < 0.8


def test_constant_sums_fail_early_in_a_run(model: dict[str, Any]) -> None:
    """The test above could tell: 30 steps in, a constant G says that a third is left where a half is."""
    curvature, moved = model["curvature"], np.array([0.12, 0.10])
    gamma = np.full(2, expected_gradient_square(np.diag(curvature), BATCH).mean())
    grown, constant = (
        left_by_spectrum(curvature, moved, -0.5 * np.log(adagrad_share_left(0.05, 1.0, BATCH, gamma * 60, g, 200)))
        for g in (gamma, 0.0)
    )
    assert grown - constant > 0.1


def test_the_mean_share_is_the_integral() -> None:
    kappa, left, total = sp.symbols("kappa S T", positive=True)
    mean = sp.integrate(share_left(kappa, left), (left, 0, total)) / total
    assert sp.simplify(mean - mean_share_left(kappa, total)) == 0


# ---- intervals


def test_sympy_derives_the_mean_over_an_interval() -> None:
    drift, noise, age, interval = sp.symbols("D N a tau", positive=True)
    mean = sp.integrate(harm_of_age(drift, noise, age), (age, 0, interval)) / interval
    assert sp.simplify(mean - mean_harm(drift, noise, interval)) == 0


def test_sympy_proves_the_interval_of_least_harm() -> None:
    """Lagrange in the frequency f, in which cost is convex: d/df of harm + ν(bytes a sample) is 0 at the root."""
    drift, noise, size, price, f = sp.symbols("D N s nu f", positive=True)
    cost = mean_harm(drift, noise, 1 / f) + price * size * f
    assert sp.diff(cost, f, 2).is_positive
    cubic = f**3 - noise / (2 * price * size) * f - 2 * drift / (3 * price * size)
    assert sp.simplify(sp.diff(cost, f) * f**3 - price * size * cubic) == 0
    root = 1 / least_harm_interval(size, drift, noise, price)
    a, b = root.args
    assert sp.expand(f**3 - a * f - b - cubic) == 0
    assert sp.simplify(least_harm_interval(size, 0, noise, price) - sp.sqrt(2 * price * size / noise)) == 0


def test_sympy_proves_the_cube_root_law() -> None:
    drifts, sizes = sp.symbols("D1:4", positive=True), sp.symbols("s1:4", positive=True)
    budget = sp.Symbol("B", positive=True)
    pairs = list(zip(sizes, drifts, strict=True))
    root = sum(sp.cbrt(drift) * size ** sp.Rational(2, 3) for size, drift in pairs)
    stated = [cube_root_row_interval(size, drift, root, budget) for size, drift in pairs]
    assert sp.simplify(sum(size / one for (size, _), one in zip(pairs, stated, strict=True)) - budget) == 0
    price = 2 * root**3 / (3 * budget**3)
    for (size, drift), one in zip(pairs, stated, strict=True):
        again = least_harm_interval(size, drift, 0, price)
        assert sp.simplify(sp.expand_power_base(again**3 - one**3, force=True)) == 0
    loss = sum(mean_harm(drift, 0, one) for (_, drift), one in zip(pairs, stated, strict=True))
    assert sp.simplify(sp.expand(sp.expand_power_base(loss - cube_root_harm(root, budget), force=True))) == 0


# ---- runs


def test_the_slope_per_pls_is_harm_over_pls() -> None:
    drift, noise, tau, kappa, total, failures, share = sp.symbols("D N tau kappa T F q", positive=True)
    pls = failures * share * tau / (2 * total)
    slope = expected_harm(drift, noise, tau, failures, share, kappa, total) / pls
    assert sp.simplify(slope - harm_per_pls(drift, noise, tau, kappa, total)) == 0


def test_expected_harm_against_failures_played() -> None:
    """Monte-Carlo: Poisson failures at random moments of a run, saves at fixed ones, each harm contracted since."""
    rng, total, interval, kappa = np.random.default_rng(3), 1e6, 5e4, 2e-6
    drift, noise, share, mean = 4e-14, 1e-9, 0.125, 3.0
    played = []
    for _ in range(4000):
        moments = rng.random(rng.poisson(mean)) * total
        ages = np.mod(moments, interval)
        played.append((share * harm_of_age(drift, noise, ages) * np.exp(-2 * kappa * (total - moments))).sum())
    error = np.std(played) / math.sqrt(len(played))
    assert abs(np.mean(played) - expected_harm(drift, noise, interval, mean, share, kappa, total)) < 4 * error


@pytest.mark.parametrize("x", [1e-3, 0.4, 3.0])
def test_ages_of_shards_that_fail_again_give_the_exact_pls(x: float) -> None:
    """The density of the age that predictions use, with a harm that is the age: lost samples."""
    mean = integrate.quad(lambda u: u * math.exp(-x * u) * (1 + x * (1 - u)), 0, 1)[0]
    assert integrate.quad(lambda u: math.exp(-x * u) * (1 + x * (1 - u)), 0, 1)[0] == pytest.approx(1)
    assert x * mean == pytest.approx(exact_pls(1.0, 1.0, 1 / x, 1.0), rel=1e-9)


def test_what_rows_of_a_sample_lack_alike_they_make_good_together() -> None:
    """SGD on ½δᵀHδ, H = h on the diagonal and ch beside it: its quadratic and χ, in symbols, and step by step."""
    rows, h, c, step = 5, 0.2, 0.6, 1e-3
    curvature = h * ((1 - c) * np.eye(rows) + c * np.ones((rows, rows)))
    lacks = np.ones(rows)
    crossed = (lacks @ curvature @ lacks - h * rows) / (h * rows)
    before = lacks @ curvature @ lacks
    for _ in range(1000):
        lacks = lacks - step * curvature @ lacks
    assert lacks @ curvature @ lacks / before == pytest.approx(joint_share_left(1000 * step * h, crossed), rel=1e-3)
    assert joint_share_left(0.7, 0.0) == pytest.approx(share_left(0.7, 1.0))
