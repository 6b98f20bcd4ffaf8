"""Best intervals of rows: against SciPy's own minimiser, and what a record's classes of rows make of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from cprmodel.facts.errors import DomainError
from cprmodel.formulas import cube_root_row_interval, mean_harm, square_root_interval
from cprmodel.harm.intervals import best_intervals, intervals_of
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.record import HarmRecord
from cprmodel.harm.statistics import classes_of, fit_drift_and_noise, growth_of, terms_of
from tests.harm.small_model import BATCH, DIM, ROWS, STEPS, Setting, record, trained


@pytest.mark.parametrize("seed", range(4))
def test_no_other_intervals_of_the_same_bandwidth_cost_less(seed: int) -> None:
    """SLSQP over the logarithms of the intervals, from elsewhere, finds the same harm."""
    rng = np.random.default_rng(seed)
    drift, noise = 10 ** rng.normal(size=(2, 5)) * (rng.random((2, 5)) < 0.8)
    drift += 1e-6
    sizes, count, budget = rng.uniform(0.5, 4.0, 5), rng.integers(1, 50, 5), 30.0
    best = best_intervals(drift, noise, sizes, count, budget)
    assert (count * sizes / best).sum() == pytest.approx(budget, rel=1e-12)

    def harm(logs: np.ndarray) -> float:
        return float((count * mean_harm.raw(drift, noise, np.exp(logs))).sum())

    same = math.log((count * sizes).sum() / budget)
    found = optimize.minimize(
        harm,
        np.full(5, same),
        method="SLSQP",
        bounds=[(same - 12.0, same + 12.0)] * 5,
        constraints={"type": "eq", "fun": lambda logs: math.log((count * sizes / np.exp(logs)).sum() / budget)},
        options={"maxiter": 500, "ftol": 1e-13},
    )
    assert found.success
    assert harm(np.log(best)) == pytest.approx(found.fun, rel=1e-6)
    assert np.log(best) == pytest.approx(found.x, abs=2e-3)  # flat at its bottom
    for _ in range(20):
        nudged = best * np.exp(0.05 * rng.normal(size=5))
        nudged *= (count * sizes / nudged).sum() / budget
        assert harm(np.log(nudged)) >= harm(np.log(best)) * (1 - 1e-12)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3))
def test_the_ends_are_the_two_laws(seed: int, budget: float) -> None:
    rng = np.random.default_rng(seed)
    growth, sizes = 10 ** rng.uniform(-12, 3, 4), 10 ** rng.uniform(-1, 4, 4)
    root = np.sqrt(growth * sizes).sum()
    square = best_intervals(0.0, growth, sizes, 1, budget)
    assert square == pytest.approx(square_root_interval(sizes, growth, root, budget), rel=1e-9)
    cube = best_intervals(growth, 0.0, sizes, 1, budget)
    third = np.cbrt(growth * sizes**2).sum()
    assert cube == pytest.approx(cube_root_row_interval(sizes, growth, third, budget), rel=1e-9)


def test_rows_that_cost_nothing_need_no_save() -> None:
    assert best_intervals([0.0, 1.0], [0.0, 0.0], 2.0, [3, 4], 8.0).tolist() == [math.inf, pytest.approx(1.0)]
    assert best_intervals([0.0], [0.0], 2.0, [3], 8.0).tolist() == [math.inf]
    for wrong in ((-1.0, 0.0, 1.0, 1, 1.0), (1.0, 0.0, 0.0, 1, 1.0), (1.0, 0.0, 1.0, 1, 0.0)):
        with pytest.raises(DomainError, match="intervals of rows: expected"):
            best_intervals(*wrong)


def test_fits_find_what_they_were_made_of() -> None:
    """Also where one of the two would come out below zero, against SciPy's non-negative least squares."""
    ages, rng = np.array([1.0, 3.0, 8.0, 20.0]), np.random.default_rng(2)
    drift, noise = fit_drift_and_noise(ages, [2.0 * ages**2 + 5.0 * ages, 3.0 * ages, 7.0 * ages**2])
    assert drift == pytest.approx([2.0, 0.0, 7.0], abs=1e-9)
    assert noise == pytest.approx([5.0, 3.0, 0.0], abs=1e-9)
    for _ in range(50):
        values = 10 ** rng.uniform(-1, 1) * ages ** rng.uniform(0.3, 2.6) * np.exp(0.2 * rng.normal(size=4))
        found = [float(one[0]) for one in fit_drift_and_noise(ages, values)]
        slow = optimize.nnls(np.stack([ages**2 / values, ages / values], axis=1), np.ones(4))[0]
        assert found == pytest.approx(slow, rel=1e-8, abs=1e-12)
    assert fit_drift_and_noise([4.0], [[8.0], [0.0]])[1].tolist() == [2.0, 0.0]


def test_a_record_s_classes_gain_from_intervals_of_their_own() -> None:
    """Best intervals cost less than others, meet the budget, and the gain is the harm's, recomputed here."""
    setting = Setting(5)
    model = HarmModel(record(setting, trained(setting), [150, 300, 450, 600], [10, 30, 90], [100, 300, 500]))
    row_bytes, every = 4.0 * (DIM + 1), 0.2 * STEPS * BATCH
    budget = row_bytes * 4 * ROWS / every
    found = intervals_of(model, row_bytes, budget)
    assert found.least < found.by_accesses
    assert found.least < found.uniform
    rows = np.mean([one.rows for one in model.terms], axis=0)
    assert (rows * row_bytes / found.interval_samples).sum() == pytest.approx(budget)
    assert found.uniform == pytest.approx((rows * mean_harm(found.drift, found.noise, every)).sum())
    quadratic, gradient = model.left_by_age([every / 2])
    at_half = (rows * (found.drift * (every / 2) ** 2 + found.noise * every / 2)).sum()
    assert at_half == pytest.approx((quadratic + gradient).sum(), rel=0.15)  # two numbers a class for all ages


def test_growth_is_told_by_band() -> None:
    setting = Setting(6)
    of = record(setting, trained(setting), [300], [10, 30, 90], [100])
    point = of.points[0]
    grown = growth_of(point)
    assert len(grown) == sum(len(table.bands) for table in point.tables)
    for one, band in zip(grown, [band for table in point.tables for band in table.bands], strict=True):
        fitted = one.drift * np.array(point.ages_samples) ** 2 + one.noise * np.array(point.ages_samples)
        assert np.abs(fitted / np.array(band.quadratic) - 1).max() == pytest.approx(one.misfit)
        assert one.drift_error == one.noise_error == 0.0  # every label's probability is known


def test_classes_join_what_only_some_points_tell_apart() -> None:
    """The rarest band of a late point is two: then the two are one class, and nothing is lost."""
    setting = Setting(6)
    data = record(setting, trained(setting), [300, 600], [30], [100]).model_dump(mode="json")
    band = data["points"][1]["tables"][0]["bands"][0]
    half = {name: [one / 2 for one in band[name]] for name in ("quadratic", "gradient")}
    data["points"][0]["tables"][0]["bands"][0]["accesses_from"] = 0.0
    low = {**band, **half, "rows": band["rows"] - 5, "accesses_from": 0.0, "accesses_to": band["accesses_from"]}
    high = {**band, **half, "rows": 5}
    data["points"][1]["tables"][0]["bands"][:1] = [low, high]
    of = HarmRecord.model_validate(data)
    classes = classes_of(of)
    assert len(classes) == len([one for table in of.points[0].tables for one in table.bands])
    terms = terms_of(of.points[1], classes)
    assert terms.quadratic[0, 0] == pytest.approx(band["quadratic"][0])
    assert terms.rows[0] == band["rows"]
    assert terms.quadratic_left[0] == pytest.approx(np.array(band["quadratic_left"]))
