"""Predictions: theory's figures, another program's simulations, and this one's with the real trackers."""

from __future__ import annotations

import numpy as np
import pytest

from cprmodel import DomainError
from cprmodel.formulas import fluid_mfu_interval
from cprmodel.ordering import Setting, play, play_intervals, predict, rows_of, zipf_rows
from cprmodel.ordering.played import PLAYED, pieces
from cprmodel.ordering.policies import POLICIES
from cprmodel.ordering.predicted import _fluid, predict_mfu, predict_update_age
from cprmodel.rows import Classes
from tests.conftest import literature

ZIPF = literature("priority")["zipf"]


def classes(exponent: float, rows: int = ZIPF["rows"], per_slot: float = ZIPF["updates"] / 8) -> Classes:
    """Rows with so many updates a slot on average."""
    return zipf_rows(exponent, rows, 1.0, rows * per_slot).classes()


@pytest.mark.parametrize(("at", "exponent"), [*enumerate(ZIPF["exponents"])])
def test_theory_s_figures(at: int, exponent: float) -> None:
    some, r = classes(exponent), ZIPF["fraction"]
    fluid = _fluid(some, r, fluid_mfu_interval.raw).lost_updates_fraction
    assert fluid == pytest.approx(ZIPF["fluid_mfu"][at], abs=6e-4)
    rounded = predict_mfu(some, r, even=True).lost_updates_fraction
    assert rounded == pytest.approx(ZIPF["rounded_mfu"][at], abs=6e-4)
    age = predict_update_age(some, r).lost_updates_fraction
    assert age == pytest.approx(ZIPF["fluid_update_age"][at], abs=6e-4)


@pytest.mark.parametrize(("at", "exponent"), [*enumerate(ZIPF["exponents"])])
def test_mfu_against_the_simulations_of_theory(at: int, exponent: float) -> None:
    """Printed to three digits; counted updates are nearer than the fluid limit (7% to 10% high) or its rounding."""
    found = predict_mfu(classes(exponent), ZIPF["fraction"]).lost_updates_fraction
    assert found == pytest.approx(ZIPF["mfu"][at], rel=0.005)


def test_all_rows_alike_lose_as_uniform_does() -> None:
    """MFU then is a round robin: the longest unsaved has the most updates."""
    alike = Classes(np.full(3, 12.5), np.full(3, 100.0))
    assert predict_mfu(alike, 0.125, even=True).lost_updates_fraction == pytest.approx(0.5)
    assert predict_update_age(alike, 0.125).lost_updates_fraction == pytest.approx(0.5)


def test_what_changed_fits_the_budget() -> None:
    """Few updates a slot, of few rows: all are saved, a failure takes half a slot's, and bandwidth is left."""
    few = Classes(np.array([0.01, 0.05]), np.array([900.0, 100.0]))
    found = predict_mfu(few, 0.125)
    assert found.lost_updates_fraction == pytest.approx(0.125 / 2)
    changed = 900 * -np.expm1(-0.01) + 100 * -np.expm1(-0.05)
    assert found.budget_used == pytest.approx(changed / 125)
    for policy in ("mfu", "update-age", "scar"):
        played = play(policy, np.repeat(few.updates, few.count.astype(int)), 0.125, slots=400, warm_up=50)
        assert abs(played.lost_updates_fraction - 0.0625) < 4 * played.standard_error
        assert played.budget_used == pytest.approx(found.budget_used, rel=0.1)


def test_everything_is_saved_every_slot() -> None:
    some = classes(1.05, 1000)
    assert predict_mfu(some, 1.0).lost_updates_fraction == pytest.approx(0.5)
    assert predict_update_age(some, 1.0).lost_updates_fraction == pytest.approx(0.5)


def test_rows_without_updates() -> None:
    none = Classes(np.zeros(2), np.ones(2))
    assert predict_mfu(none, 0.5).lost_updates_fraction == 0
    assert predict_update_age(none, 0.5).lost_updates_fraction == 0
    some = Classes(np.array([4.0, 0.0]), np.array([100.0, 300.0]))
    assert predict_mfu(some, 0.25).lost_updates_fraction == pytest.approx(0.125)  # the hundred are all saved


@pytest.mark.parametrize(
    ("exponent", "fraction", "fluid"), [(0.6, 0.25, 0.06), (1.05, 0.125, 0.06), (1.4, 0.05, 0.13)]
)
def test_mfu_and_update_age_against_the_real_trackers(exponent: float, fraction: float, fluid: float) -> None:
    """2,000 rows, 40 updates of a row and full save: MFU within 1%; the fluid form is worse for few updates."""
    rows = classes(exponent, 2000, 40 * fraction)
    updates = pieces(rows, 2000)
    for policy, predicted, allowed in (
        ("mfu", predict_mfu(rows, fraction), 0.01),
        ("update-age", predict_update_age(rows, fraction), fluid),
    ):
        played = play(policy, updates, fraction, slots=round(60 / fraction), warm_up=round(40 / fraction))
        apart = abs(predicted.lost_updates_fraction - played.lost_updates_fraction)
        assert apart < allowed * played.lost_updates_fraction + 4 * played.standard_error
        assert played.budget_used == pytest.approx(1.0, abs=0.01)


def test_a_round_robin_loses_one_half() -> None:
    played = play("round-robin", pieces(classes(1.05, 1000), 1000), 0.125, slots=160, warm_up=16)
    assert abs(played.lost_updates_fraction - 0.5) < 4 * played.standard_error + 1e-3


def test_the_heuristics_stand_between_uniform_and_optimal() -> None:
    rows = zipf_rows(1.05, 2000, 64.0, 100 * 2000 / (2000 * 64.0 / 1e6))
    found = {one.name: one for one in predict(rows, Setting(1e6))}
    assert tuple(found) == POLICIES
    best = found["optimal"].lost_updates_fraction
    for name in ("mfu", "ssu", "scar", "update-age"):
        assert best < found[name].lost_updates_fraction < 0.5
    assert found["update-age"].lost_updates_fraction < found["mfu"].lost_updates_fraction
    assert found["mfu"].tracker_bytes == 8000
    assert found["ssu"].tracker_bytes == 2000 + 4 * 250 + 64
    assert found["scar"].tracker_bytes == 2000 * 64
    assert found["update-age"].tracker_bytes == 12_000
    assert {one.predicted_by for one in found.values() if one.standard_error is not None} == {"simulation"}


def test_the_square_root_law_at_random_moments() -> None:
    rng = np.random.default_rng(5)
    rates = rng.pareto(1.5, 500) + 0.01
    rows = rows_of(rates, 1.0)
    from cprmodel.ordering import optimal_intervals

    every = optimal_intervals(rows, 10.0)
    played = play_intervals(rates, every, full_save_s=50.0, moments=2000)
    (predicted,) = predict(rows, Setting(10.0), ["optimal"])
    assert abs(played.lost_updates_fraction - predicted.lost_updates_fraction) < 4 * played.standard_error


def test_pieces_keep_the_mean_and_the_order() -> None:
    some = classes(1.05, 20_000)
    updates = pieces(some, 500)
    assert updates.mean() == pytest.approx(some.total_updates / some.rows)
    assert (np.diff(updates) <= 1e-12).all()
    assert pieces(Classes(np.array([2.0, 1.0]), np.array([3.0, 2.0])), 100).tolist() == [2, 2, 2, 1, 1]


def test_a_seed_is_a_run() -> None:
    updates = np.linspace(0, 4, 100)
    for policy in PLAYED:
        one, same = (play(policy, updates, 0.1, slots=40, warm_up=10, seed=3) for _ in range(2))
        assert one == same


def test_bad_input() -> None:
    with pytest.raises(DomainError, match="policy = 'best': expected one of round-robin, mfu"):
        play("best", np.ones(3), 0.5)
    with pytest.raises(DomainError, match="fraction = 0: expected"):
        play("mfu", np.ones(3), 0)
    with pytest.raises(DomainError, match="expected a bandwidth"):
        predict(rows_of([1.0], 1.0), Setting(0.0))
    with pytest.raises(DomainError, match="policy = 'x': expected one of uniform"):
        predict(rows_of([1.0], 1.0), Setting(1.0), ["x"])
