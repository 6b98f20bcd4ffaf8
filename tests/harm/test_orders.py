"""Orders played out over a record's rows, where the answer is known without playing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cprmodel.facts.errors import DomainError
from cprmodel.harm.orders import HARM_ORDERS, harm_of_failure, harm_of_orders
from cprmodel.harm.predicted import HarmModel
from cprmodel.harm.record import HarmRecord, OptimizerUsed
from cprmodel.harm.saved_rows import paces

SAMPLES, EVERY = 100_000, 1000.0
AGES = [1000.0, 4000.0, 16_000.0]


def band(rows: int, accesses: float, noise: float, more: float = 0.0, spread: float = 1.001) -> dict[str, Any]:
    """Quadratic harm that grows with the age, ``more`` times as much gradient term; nothing is relearned.

    Rows are used about equally often: within ``spread`` of their mean, on both sides.
    """
    return {
        "accesses_from": accesses / rows / spread,
        "accesses_to": accesses / rows * spread,
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


ALIKE = model(band(1000, 100.0, 1e-9))  # each row once in ten samples
#: 10 rows that take nearly all updates, 990 that take a few.
SKEWED = model(band(990, 0.99, 1e-10), band(10, 20.0, 2e-9))


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
    rows = model(band(1000, 100.0, 1e-9, more))
    # what Taylor leaves out is none here
    found = harm_of_orders(rows, 1.0, EVERY, [50_500.0], 1.0, ["everything"], draws=40)["everything"]
    assert found.rise == pytest.approx(expected * 500e-9, rel=0.06, abs=1e-12)


def test_what_was_put_back_to_the_same_copy_costs_once() -> None:
    """Saved at 48,000 and put back twice: at the end both failures together have cost what the second one did."""
    twice = harm_of_orders(ALIKE, 0.25, EVERY, [49_200.0, 50_300.0], 1.0, ["uniform"], draws=40)["uniform"]
    assert twice.rise == pytest.approx(2300e-9, rel=0.06)
    assert twice.lost_updates == pytest.approx((120 + 110) * 1000, rel=0.02)  # what training did is lost each time
    apart = harm_of_orders(ALIKE, 0.25, EVERY, [47_200.0, 50_300.0], 1.0, ["uniform"], draws=40)["uniform"]
    assert apart.rise == pytest.approx((3200 + 2300) * 1e-9, rel=0.06)  # saved in between, as they were put back


def test_rows_of_a_class_are_used_more_or_less_often() -> None:
    """Where all rows are saved that changes nothing; an order that takes those used most leaves less behind."""
    spread = model(band(1000, 100.0, 1e-9, spread=10.0))
    for rows in (ALIKE, spread):
        found = harm_of_orders(rows, 0.25, EVERY, [50_300.0], 1.0, ["uniform"], draws=40)["uniform"]
        assert found.rise == pytest.approx(2300e-9, rel=0.06)
    one, other = (harm_of_failure(rows, 0.25, EVERY, 1.0, ["mfu"], draws=40)["mfu"] for rows in (spread, ALIKE))
    assert one.rise < other.rise - 4 * np.hypot(one.standard_error, other.standard_error)


@given(
    low=st.one_of(st.just(0.0), st.floats(1e-6, 1.0)),
    width=st.floats(1.001, 1e3),
    at=st.floats(0.01, 0.99),
    many=st.integers(1, 200),
)
def test_paces_lie_between_the_edges_and_have_the_mean(low: float, width: float, at: float, many: int) -> None:
    high = width if low == 0 else low * width
    mean = low + at * (high - low)
    found = paces(low, high, mean, many)
    assert found.shape == (many,)
    assert found.mean() == pytest.approx(mean, rel=1e-9)
    assert (np.diff(found) >= 0).all()
    assert found.min() > 0


def test_a_drifting_row_is_as_far_behind_as_its_updates_squared() -> None:
    """E[k²] = m² + m of a Poisson law: the mean of a class stays what its record says at each age."""
    drifting = band(1000, 100.0, 1e-9)
    drifting |= {"quadratic": [1e-12 * age**2 for age in AGES]}
    found = harm_of_orders(model(drifting), 1.0, 5.0, [50_004.0], 1.0, ["everything"], draws=40)["everything"]
    # of the youngest age, by the law's own power: a row has 0.4 updates on average, and a few have two or three
    assert found.rise == pytest.approx(1e-12 * 4.0**2, rel=0.25)
    found = harm_of_orders(model(drifting), 1.0, EVERY, [50_900.0], 1.0, ["everything"], draws=40)["everything"]
    assert found.rise == pytest.approx(1e-12 * 900.0**2, rel=0.06)


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


def test_of_adam_of_which_it_is_not_known_whether_it_is_lazy_progress_and_jitter_are_not_told_apart() -> None:
    """What records of earlier versions say of them rests on sums that only grow: there it can be anything."""
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
        for one in (model(band(1000, 100.0, 1e-9)), model(band(1000, 100.0, 1e-9) | more))
    ]
    plain, odd = (one.once(50_000, 2000.0, 0.5).rise for one in of)
    assert odd == plain > 0
    found = [harm_of_failure(one, 0.25, EVERY, 0.5, ["mfu"], draws=2)["mfu"].rise for one in of]
    assert found[0] == found[1] > 0
