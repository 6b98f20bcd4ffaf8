"""Orders played out over a record's rows, where the answer is known without playing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cprmodel.facts.errors import DomainError
from cprmodel.harm.orders import HARM_ORDERS, harm_of_failure, harm_of_orders
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.record import HarmRecord, OptimizerUsed

SAMPLES, EVERY = 100_000, 1000.0
AGES = [1000.0, 4000.0, 16_000.0]


def band(low: float, high: float, rows: int, accesses: float, noise: float, more: float = 0.0) -> dict[str, Any]:
    """Quadratic harm that grows with the age, ``more`` times as much gradient term; nothing is relearned."""
    return {
        "accesses_from": low,
        "accesses_to": high,
        "rows": rows,
        "accesses": accesses,
        "probed": 100,
        "quadratic": [noise * age for age in AGES],
        "quadratic_error": [0.0] * 3,
        "gradient": [more * noise * age for age in AGES],
        "gradient_error": [0.0] * 3,
        "quadratic_left": [[1.0]] * 3,
        "gradient_left": [[1.0]] * 3,
    }


def model(*bands: dict[str, Any]) -> HarmModel:
    """Two points that are alike, without cross terms."""
    whole = [
        {
            "age_samples": age,
            "quadratic": sum(one["quadratic"][i] for one in bands),
            "gradient": sum(one["gradient"][i] for one in bands),
            "rise": sum(one["quadratic"][i] + one["gradient"][i] for one in bands),
            "auc_per_nat": 1.5,
            **{f"{name}_error": 0.0 for name in ("quadratic", "gradient", "rise")},
        }
        for i, age in enumerate(AGES)
    ]
    table = {
        "name": "users",
        "rows": sum(one["rows"] for one in bands),
        "embedding_dim": 2,
        "curvature_trace": 0.2,
        "curvature_eigenvalues": [0.1, 0.1],
        "bands": list(bands),
    }
    points = [
        {
            "position_samples": at,
            "log_loss": 0.5,
            "ages_samples": AGES,
            "left_samples": [SAMPLES],
            "tables": [table],
            "whole": whole,
        }
        for at in (20_000, SAMPLES)
    ]
    optimizer = {"name": "sgd", "learning_rate": 0.1}
    return HarmModel(
        HarmRecord.model_validate(
            {"samples": SAMPLES, "batch_size": 100, "probe_samples": 100, "optimizer": optimizer, "points": points}
        )
    )


ALIKE = model(band(0.0, 1.0, 1000, 100.0, 1e-9))  # each row once in ten samples
#: 10 rows that take nearly all updates, 990 that take a few.
SKEWED = model(band(0.0, 0.01, 990, 0.99, 1e-10), band(1.0, 4.0, 10, 20.0, 2e-9))


def test_all_rows_saved_every_time_cost_their_age() -> None:
    """A failure 300 samples after a save puts 300 samples' harm back: Na, whatever was before."""
    found = harm_of_orders(ALIKE, 0.25, EVERY, [50_300.0], 1.0, ["everything", "uniform"], draws=40)
    assert found["everything"].rise == pytest.approx(300e-9, rel=0.06)  # 4 errors of 40 × 120 stand-ins' luck
    assert found["uniform"].rise == pytest.approx(2300e-9, rel=0.06)  # the save at 48,000 took all
    assert found["everything"].auc_fall == pytest.approx(1.5 * found["everything"].rise)
    assert found["everything"].lost_updates == pytest.approx(30_000, rel=0.02)
    assert found["uniform"].lost_updates == pytest.approx(230_000, rel=0.02)


def test_a_share_of_the_rows_costs_that_share() -> None:
    all_of_them, some = (
        harm_of_orders(ALIKE, 0.25, EVERY, [50_500.0], share, ["mfu"], draws=20)["mfu"] for share in (1.0, 0.2)
    )
    assert some.rise == pytest.approx(0.2 * all_of_them.rise, rel=0.15)


def test_what_is_put_back_is_not_lost_again() -> None:
    """Twice within one interval: the second failure takes what was learned since the first."""
    found = harm_of_orders(ALIKE, 1.0, EVERY, [50_400.0, 50_900.0], 1.0, ["everything"], draws=40)
    assert found["everything"].rise == pytest.approx((400 + 500) * 1e-9, rel=0.06)


@pytest.mark.parametrize("order", ["mfu", "update-age", "least-harm"])
def test_with_room_for_all_that_changed_an_order_is_as_good_as_everything(order: str) -> None:
    found = harm_of_orders(SKEWED, 1.0, EVERY, [50_500.0], 1.0, ["everything", order], draws=40)
    both = np.hypot(found[order].standard_error, found["everything"].standard_error)
    assert abs(found[order].rise - found["everything"].rise) < 4 * both < 0.3 * found["everything"].rise


def test_orders_that_take_the_rows_of_most_harm_cost_least() -> None:
    """Room for the ten rows that are used: 2e-9 of a rise a sample is theirs, 1e-10 all others'."""
    found = harm_of_orders(SKEWED, 0.01, EVERY, [50_500.0], 1.0, draws=6)
    for order in ("mfu", "least-harm"):
        assert found["everything"].rise < found[order].rise < 0.5 * found["uniform"].rise
    # the ten rows are half an interval old, the others' age is that of the run, or since a lucky save
    assert found["mfu"].rise == pytest.approx(500 * 2e-9 + 50_500 * 1e-10, rel=0.15)
    assert found["scar"].rise > found["mfu"].rise  # rows that move far, though hardly anybody sees them


@pytest.mark.parametrize(("more", "expected"), [(2.0, 3.0), (0.0, 1.0), (-0.5, 0.5), (-3.0, 0.0)])
def test_the_gradient_term_counts_and_jitter_costs_nothing(more: float, expected: float) -> None:
    rows = model(band(0.0, 1.0, 1000, 100.0, 1e-9, more))
    # what Taylor leaves out is none here
    found = harm_of_orders(rows, 1.0, EVERY, [50_500.0], 1.0, ["everything"], draws=40)["everything"]
    assert found.rise == pytest.approx(expected * 500e-9, rel=0.06, abs=1e-12)


def test_a_failure_at_a_random_moment_is_half_an_interval_old() -> None:
    found = harm_of_failure(ALIKE, 0.25, EVERY, 0.5, ["everything", "uniform"], draws=60)
    for order, interval in (("everything", EVERY), ("uniform", 4 * EVERY)):
        expected = 0.5 * 1e-9 * interval / 2
        assert abs(found[order].rise - expected) < 4 * found[order].standard_error
        assert 0 < found[order].standard_error < 0.1 * expected


def test_it_is_the_same_again_and_other_draws_are_others() -> None:
    one, again, other = (
        harm_of_failure(SKEWED, 0.1, EVERY, 0.5, ["mfu"], draws=3, seed=seed)["mfu"] for seed in (1, 1, 2)
    )
    assert one == again != other
    assert np.isinf(harm_of_failure(SKEWED, 0.1, EVERY, 0.5, ["mfu"], draws=1)["mfu"].standard_error)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fraction": 0.0}, "fraction = 0, .*expected shares of at most 1"),
        ({"fraction": 1.5}, "fraction = 1.5"),
        ({"every_samples": 0.0}, "every_samples = 0"),
        ({"lost_share": 1.2}, "lost_share = 1.2"),
        ({"draws": 0}, "draws = 0"),
        ({"orders": ["mru"]}, f"order = 'mru': expected one of {', '.join(HARM_ORDERS)}"),
    ],
)
def test_what_makes_no_sense(change: dict[str, Any], said: str) -> None:
    given = {"fraction": 0.1, "every_samples": EVERY, "lost_share": 0.5, **change}
    with pytest.raises(DomainError, match=said):
        harm_of_failure(ALIKE, **given)


def test_under_adam_progress_and_jitter_are_not_told_apart() -> None:
    """What a record says of them rests on sums that only grow: there it can be anything."""
    more = {
        "progress_fixed": [[1e6]] * 3,
        "progress_moving": [[1e6]] * 3,
        "jitter": [[3.0]] * 3,
        "jitter_quadratic": [5.0] * 3,
        "jitter_gradient": [-5.0] * 3,
    }
    adam = {"name": "adam", "learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.999}
    of = [
        HarmModel(one.record.model_copy(update={"optimizer": OptimizerUsed.model_validate(adam)}))
        for one in (model(band(0.0, 1.0, 1000, 100.0, 1e-9)), model(band(0.0, 1.0, 1000, 100.0, 1e-9) | more))
    ]
    plain, odd = (one.once(50_000, 2000.0, 0.5).rise for one in of)
    assert odd == plain > 0
    found = [harm_of_failure(one, 0.25, EVERY, 0.5, ["mfu"], draws=2)["mfu"].rise for one in of]
    assert found[0] == found[1] > 0
