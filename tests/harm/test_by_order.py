"""What a lost update costs under each order, where it is known without playing, and by another way of playing."""

from __future__ import annotations

import numpy as np
import pytest

from cprmodel.harm.by_order import PLANNED, slopes_by_order
from cprmodel.harm.orders import harm_of_failure, harm_of_orders
from tests.harm.test_orders import ALIKE, SAMPLES, band, model

#: Rows whose updates cost five times as much, and are a third of all.
UNLIKE = model(band(400, 40.0, 1e-9), band(40, 20.0, 2.5e-9))


def test_where_every_update_costs_the_same_no_order_has_a_slope_of_its_own() -> None:
    """Harm that grows by noise alone, the same for each update: a lost update is a lost update."""
    found = slopes_by_order(ALIKE, 0.25, 0.125, 0.3)
    assert found.keys() == set(PLANNED)
    for order, one in found.items():
        for slope, error, times in zip(one.metric_drop_per_pls, one.standard_error, one.updates_lost, strict=True):
            if order == "least-harm":  # it looks at each row's own harm, so what it leaves has less than others
                assert 0 < slope < 0.3 + 4 * error
            else:
                assert abs(slope - 0.3) < max(4 * error, 0.02 * 0.3)
            assert 0 < error < 0.1
            assert times >= 1 - 1e-9 or order != "mfu"


def test_slope_times_updates_is_what_a_failure_costs() -> None:
    """Of each order over saves of all rows, by plays with more stand-ins, draws of their own, and no pairs."""
    fraction, share = 0.125, 0.15
    found = slopes_by_order(UNLIKE, fraction, 0.125, 1.0)
    every = share * SAMPLES * fraction
    other = harm_of_failure(UNLIKE, fraction, every, 0.125, ["uniform", *PLANNED], draws=30, seed=7)
    mfu, whole = other["mfu"], other["uniform"]
    for order, one in found.items():
        slope, error, times = one.slope_at(share), one.standard_error[1], one.updates_at(share)
        expected = other[order].rise / whole.rise
        lost = mfu.lost_updates / whole.lost_updates
        unsure = np.hypot(
            4 * error / slope,
            4 * np.hypot(other[order].standard_error / other[order].rise, whole.standard_error / whole.rise),
        )
        assert slope * times * lost == pytest.approx(
            expected, rel=unsure + 0.1
        )  # 0.1: of updates, of few stand-ins
        assert unsure < 0.8
    assert found["mfu"].updates_lost == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("order", ["uniform", "mfu", "best-fixed", "least-harm"])
def test_a_failure_at_any_moment_is_the_mean_of_failures_at_given_ones(order: str) -> None:
    """Looks at a play that goes on, against whole runs with one failure each, whose shards are drawn."""
    fraction, every = 0.25, 2000.0
    looked = harm_of_failure(UNLIKE, fraction, every, 0.5, [order], draws=30)[order]
    random = np.random.default_rng(3)
    runs = [
        harm_of_orders(UNLIKE, fraction, every, [moment], 0.5, [order], draws=1, seed=number)[order]
        for number, moment in enumerate((np.arange(60) + random.random(60)) / 60 * SAMPLES)
    ]
    rises = np.array([one.rise for one in runs])
    error = np.hypot(looked.standard_error, rises.std(ddof=1) / 60**0.5)
    assert abs(looked.rise - rises.mean()) < 4 * error < 0.5 * rises.mean()


def test_an_order_by_fixed_intervals_saves_rows_used_or_not() -> None:
    """Alike rows, room for a quarter: each comes when its turn does, so four slots pass between its saves."""
    found = harm_of_failure(ALIKE, 0.25, 1000.0, 1.0, ["best-fixed", "uniform"], draws=20)
    fixed, whole = found["best-fixed"], found["uniform"]
    # ages: half a slot, plus 0, 1, 2 or 3 of them: as with whole saves every four slots
    assert abs(fixed.rise - whole.rise) < 4 * np.hypot(fixed.standard_error, whole.standard_error)
    assert fixed.lost_updates == pytest.approx(whole.lost_updates, rel=0.1)


def test_the_same_seed_gives_the_same_slopes() -> None:
    one, again, other = (slopes_by_order(UNLIKE, 0.125, 0.125, 1.0, ["mfu"], seed=seed) for seed in (1, 1, 2))
    assert one == again != other
