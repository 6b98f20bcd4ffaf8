"""Optimal intervals: against SLSQP, the published vectors, and what must hold whatever the rows."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from cprmodel import DomainError
from cprmodel.formulas import cho_2000_age, cho_2000_freshness, marginal_age, square_root_lost_updates
from cprmodel.ordering import Objective, Rows, optimal_intervals, root_sum, rows_of, zipf_rows
from cprmodel.ordering.intervals import age_interval
from tests.conftest import literature

CHO = literature("priority")["cho_2000"]
LOSSES = {
    Objective.LOST_UPDATES: lambda rates, every: rates * every / 2,
    Objective.AGE: cho_2000_age.raw,
    Objective.FRESHNESS: lambda rates, every: -cho_2000_freshness.raw(rates, every),
}


@pytest.mark.parametrize("objective", [Objective.AGE, Objective.FRESHNESS])
def test_the_published_vectors(objective: Objective) -> None:
    every = optimal_intervals(rows_of(CHO["rates"], 1.0), CHO["budget"], objective)
    assert 1 / every == pytest.approx(CHO[objective.value], abs=0.0052)  # the first of age is .8349, printed .84
    assert (1 / every).sum() == pytest.approx(CHO["budget"], rel=1e-9)


@pytest.mark.parametrize("objective", list(Objective))
@pytest.mark.parametrize("seed", range(4))
def test_against_slsqp(objective: Objective, seed: int) -> None:
    """A numerical optimiser over the frequencies finds nothing better, and the same frequencies."""
    rng = np.random.default_rng(seed)
    rates, sizes, budget = rng.uniform(0.3, 3, 6), rng.uniform(0.5, 2, 6), 4.0
    every = optimal_intervals(rows_of(rates, sizes), budget, objective)
    assert (sizes / every).sum() == pytest.approx(budget, rel=1e-9)

    def loss(frequency: np.ndarray) -> float:
        return float(LOSSES[objective](rates, 1 / np.maximum(frequency, 1e-9)).sum())

    start = np.full(6, budget / sizes.sum())
    found = minimize(
        loss,
        start,
        method="SLSQP",
        bounds=[(1e-6, None)] * 6,
        constraints={"type": "eq", "fun": lambda f: sizes @ f - budget},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert loss(1 / every) <= found.fun + 1e-9 * abs(found.fun)
    assert 1 / every == pytest.approx(found.x, rel=2e-3, abs=2e-3)


finite = st.floats(0, 1e6).map(lambda x: 0.0 if x < 1e-3 else x)


@given(rows=st.lists(st.tuples(finite, finite), min_size=1, max_size=30), budget=st.floats(1e-3, 1e9))
def test_never_worse_than_uniform_and_within_the_budget(rows: list[tuple[float, float]], budget: float) -> None:
    rates, sizes = np.array(rows).T
    some = rows_of(rates, sizes)
    every = optimal_intervals(some, budget)
    assert not np.isnan(every).any()
    assert (every[rates == 0] == math.inf).all()
    assert (every[(rates > 0) & (sizes == 0)] == 0).all()
    lost = square_root_lost_updates(root_sum(some), budget)
    assert lost <= some.total_updates_per_s * some.total_bytes / (2 * budget) * (1 + 1e-12)
    does = (rates > 0) & (sizes > 0)
    if does.any():
        assert (sizes[does] / every[does]).sum() == pytest.approx(budget, rel=1e-9)
        assert (rates[does] * every[does] / 2).sum() == pytest.approx(lost, rel=1e-9)


@settings(max_examples=30)
@given(
    rates=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8),
    budget=st.floats(0.01, 100),
    objective=st.sampled_from([Objective.AGE, Objective.FRESHNESS]),
)
def test_other_objectives_use_the_budget(rates: list[float], budget: float, objective: Objective) -> None:
    every = optimal_intervals(rows_of([*rates, 0.0], 2.0), budget, objective)
    assert every[-1] == math.inf
    assert (2.0 / every).sum() == pytest.approx(budget, rel=1e-9)


@given(price=st.floats(-12, 12).map(lambda e: 10.0**e), rate=st.floats(-6, 6).map(lambda e: 10.0**e))
def test_the_age_interval_solves_its_condition(price: float, rate: float) -> None:
    every = float(age_interval(np.array(2.0), np.array(rate), price))
    assert marginal_age.raw(rate, every) == pytest.approx(2.0 * price, rel=1e-12)


@pytest.mark.parametrize("objective", list(Objective))
def test_equal_rates_are_saved_uniformly(objective: Objective) -> None:
    every = optimal_intervals(rows_of(np.full(7, 3.0), 5.0), 10.0, objective)
    assert every == pytest.approx(np.full(7, 7 * 5.0 / 10.0), rel=1e-9)


def test_one_shard_gets_it_all() -> None:
    for objective in Objective:
        assert optimal_intervals(rows_of([3.0], [40.0]), 8.0, objective) == pytest.approx([5.0])


def test_nothing_changes() -> None:
    for objective in Objective:
        assert optimal_intervals(rows_of([0.0, 0.0], 1.0), 1.0, objective).tolist() == [math.inf, math.inf]


def test_theory_s_share_of_the_uniform_loss() -> None:
    zipf = literature("priority")["zipf"]
    rows = zipf_rows(1.05, zipf["rows"], 64.0, 1e6)
    lost = root_sum(rows) ** 2 / (rows.total_bytes * rows.total_updates_per_s)
    assert lost == pytest.approx(zipf["square_root_of_uniform_at_1_05"], abs=5e-4)


@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.0, 1.4, 3.0])
@pytest.mark.parametrize("number", [1, 5000, 300_000])
def test_zipf_s_classes_stand_for_every_rank(exponent: float, number: int) -> None:
    rows = zipf_rows(exponent, number, 64.0, 100.0)
    ranks = np.arange(1, number + 1, dtype=float) ** -exponent
    each = rows_of(ranks * (100.0 / ranks.sum()), 64.0, 64.0)
    assert rows.total_bytes == pytest.approx(64.0 * number)
    assert rows.updates_per_s[0] == pytest.approx(each.updates_per_s[0], rel=1e-6)
    assert root_sum(rows) == pytest.approx(root_sum(each), rel=1e-5)
    classes = each.classes()
    assert classes.rows == pytest.approx(number)
    assert classes.total_updates == pytest.approx(100.0)


def test_blocks_are_seamless_and_memory_is_the_answer_s() -> None:
    rates = np.random.default_rng(2).random(300_001)
    rows = rows_of(rates, 64.0, 64.0)
    tracemalloc.start()
    every = optimal_intervals(rows, 1e6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * rates.nbytes  # beside the input: the answer, and blocks
    root = np.sqrt(64.0 * rates).sum()
    assert np.abs(every / (np.sqrt(64.0 / rates) * root / 1e6) - 1).max() < 1e-12


@pytest.mark.parametrize(
    ("rates", "sizes", "row_bytes"),
    [([], 1.0, None), ([-1.0], 1.0, None), ([math.nan], 1.0, None), ([1.0], [1.0, 2.0], None), ([1.0], 1.0, 0.0)],
)
def test_bad_rows(rates: list[float], sizes: float, row_bytes: float | None) -> None:
    with pytest.raises(DomainError, match=r"rows_of: .*expected"):
        rows_of(rates, sizes, row_bytes)


def test_shards_seen_as_rows() -> None:
    """A shard of 10 rows and one of 30: the updates are spread evenly; what has no bytes is left out."""
    shards = rows_of([20.0, 30.0, 5.0], [640.0, 1920.0, 0.0], row_bytes=64.0)
    classes = shards.classes(seconds=2.0)
    assert classes.count.tolist() == [10.0, 30.0]
    assert classes.updates.tolist() == [4.0, 2.0]
    assert isinstance(shards, Rows)
    assert shards.n == 40.0
