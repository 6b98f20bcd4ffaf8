"""Predictions: theory's figures, another program's simulations, and this one's with the real trackers."""

from __future__ import annotations

import numpy as np
import pytest

from cprmodel import DomainError
from cprmodel.ordering import Setting, play, play_intervals, predict, rows_of, zipf_rows
from cprmodel.ordering.played import PLAYED, pieces
from cprmodel.ordering.policies import POLICIES
from cprmodel.ordering.predicted import predict_fluid, predict_mfu, predict_whole
from cprmodel.rows import Classes
from tests.conftest import literature

ZIPF = literature("priority")["zipf"]


def classes(exponent: float, rows: int = ZIPF["rows"], per_slot: float = ZIPF["updates"] / 8) -> Classes:
    """Rows with so many updates a slot on average."""
    return zipf_rows(exponent, rows, 1.0, rows * per_slot).classes()


def counted(some: Classes, fraction: float) -> float:
    """MFU's loss where it is counted."""
    found = predict_mfu(some, fraction)
    assert found is not None
    return found.lost_updates_fraction


@pytest.mark.parametrize(("at", "exponent"), [*enumerate(ZIPF["exponents"])])
def test_theory_s_figures(at: int, exponent: float) -> None:
    some, r = classes(exponent), ZIPF["fraction"]
    assert predict_fluid(some, r, "mfu").lost_updates_fraction == pytest.approx(ZIPF["fluid_mfu"][at], abs=6e-4)
    age = predict_fluid(some, r, "update-age").lost_updates_fraction
    assert age == pytest.approx(ZIPF["fluid_update_age"][at], abs=6e-4)


@pytest.mark.parametrize(("at", "exponent"), [*enumerate(ZIPF["exponents"])])
def test_mfu_against_the_simulations_of_theory(at: int, exponent: float) -> None:
    """Printed to three digits; counted updates are nearer than the fluid limit (7% to 10% high) or its rounding."""
    found = counted(classes(exponent), ZIPF["fraction"])
    assert found == pytest.approx(ZIPF["mfu"][at], rel=0.005)


def test_all_rows_alike_lose_as_uniform_does() -> None:
    """Where updates come evenly MFU then is a round robin: the longest unsaved has the most updates."""
    alike = Classes(np.full(3, 12.5), np.full(3, 100.0))
    for order in ("mfu", "update-age"):
        assert predict_fluid(alike, 0.125, order).lost_updates_fraction == pytest.approx(0.5)
    assert predict_mfu(alike, 0.125) is None  # few rates go round together: they are simulated


@pytest.mark.parametrize("fraction", [1.0, 0.5, 0.4, 0.3, 0.125, 0.07])
def test_in_turn_a_row_waits_whole_slots(fraction: float) -> None:
    """A cursor, written out: rows are saved every so many slots or one more, and lose E P²/(2 E P)."""
    rows = 1000
    waits, last, at = [], np.full(rows, -1), 0
    for slot in range(4000):
        due = int((slot + 1) * fraction * rows + 1e-9) - int(slot * fraction * rows + 1e-9)
        chosen = (at + np.arange(due)) % rows
        at += due
        if slot > 1000:
            waits.append(slot - last[chosen])
        last[chosen] = slot
    every = np.concatenate(waits).astype(float)
    expected = (every**2).mean() / (2 * every.mean()) * fraction
    some = Classes(np.ones(rows), np.ones(rows))
    assert predict_whole(some, fraction).lost_updates_fraction == pytest.approx(expected, rel=2e-3)


def test_what_changed_fits_the_budget() -> None:
    """Few updates a slot, of few rows: all are saved, a failure takes half a slot's, and bandwidth is left."""
    few = Classes(np.array([0.01, 0.05]), np.array([900.0, 100.0]))
    found = predict_mfu(few, 0.125)
    assert found is not None
    assert found.lost_updates_fraction == pytest.approx(0.125 / 2)
    changed = 900 * -np.expm1(-0.01) + 100 * -np.expm1(-0.05)
    assert found.budget_used == pytest.approx(changed / 125)
    for policy in ("mfu", "update-age", "scar"):
        played = play(policy, np.repeat(few.updates, few.count.astype(int)), 0.125, slots=400, warm_up=50)
        assert abs(played.lost_updates_fraction - 0.0625) <= 4 * played.standard_error + 1e-12
        assert played.budget_used == pytest.approx(found.budget_used, rel=0.1)


def test_everything_is_saved_every_slot() -> None:
    some = classes(1.05, 1000)
    assert counted(some, 1.0) == pytest.approx(0.5)
    assert predict_fluid(some, 1.0, "update-age").lost_updates_fraction == pytest.approx(0.5)


def test_rows_without_updates() -> None:
    none = Classes(np.zeros(2), np.ones(2))
    assert counted(none, 0.5) == 0
    assert predict_fluid(none, 0.5, "update-age").lost_updates_fraction == 0
    some = Classes(np.array([4.0, 0.0]), np.array([100.0, 300.0]))
    assert counted(some, 0.25) == pytest.approx(0.125)  # the hundred are all saved


@pytest.mark.parametrize(("exponent", "fraction"), [(0.6, 0.25), (1.05, 0.125), (1.4, 0.05)])
def test_mfu_against_the_real_tracker(exponent: float, fraction: float) -> None:
    """2,000 rows, 40 updates of a row and full save: within 1%."""
    rows = classes(exponent, 2000, 40 * fraction)
    updates = pieces(rows, 2000)
    found = play("mfu", updates, fraction, slots=round(60 / fraction), warm_up=round(40 / fraction))
    apart = abs(counted(rows, fraction) - found.lost_updates_fraction)
    assert apart < 0.01 * found.lost_updates_fraction + 4 * found.standard_error
    assert found.budget_used == pytest.approx(1.0, abs=0.01)


def test_a_round_robin_loses_one_half() -> None:
    played = play("round-robin", pieces(classes(1.05, 1000), 1000), 0.125, slots=160, warm_up=16)
    assert abs(played.lost_updates_fraction - 0.5) < 4 * played.standard_error + 1e-3


def test_the_heuristics_stand_between_uniform_and_the_best_fixed_intervals() -> None:
    rows = zipf_rows(1.05, 2000, 64.0, 100 * 2000 / (2000 * 64.0 / 1e6))
    found = {one.name: one for one in predict(rows, Setting(1e6))}
    assert tuple(found) == POLICIES
    best = found["best-fixed"].lost_updates_fraction
    for name in ("mfu", "ssu", "scar", "update-age"):
        assert best < found[name].lost_updates_fraction < 0.5
    assert found["update-age"].lost_updates_fraction < found["mfu"].lost_updates_fraction
    assert found["mfu"].tracker_bytes == 8000
    assert found["ssu"].tracker_bytes == 2000 + 4 * 250 + 64
    assert found["scar"].tracker_bytes == 2000 * 64
    assert found["update-age"].tracker_bytes == 12_000
    simulated = {one.name for one in found.values() if one.standard_error is not None}
    assert simulated == {"scar", "update-age"}
    assert {found[name].predicted_by for name in simulated} == {"simulation"}


def test_the_square_root_law_at_random_moments() -> None:
    rng = np.random.default_rng(5)
    rates = rng.pareto(1.5, 500) + 0.01
    rows = rows_of(rates, 1.0)
    from cprmodel.ordering import optimal_intervals

    every = optimal_intervals(rows, 10.0)
    played = play_intervals(rates, every, full_save_s=50.0, moments=2000)
    (predicted,) = predict(rows, Setting(10.0), ["best-fixed"])
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
