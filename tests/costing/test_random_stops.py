"""A few of the random jobs of :mod:`tests.costing.random_stops`."""

from __future__ import annotations

import pytest

from tests.costing.random_stops import compared


@pytest.mark.parametrize("seed", range(1000, 1016))
def test_frequent_stops_are_as_they_are_played(seed: int) -> None:
    said, predicted, played, error = compared(seed, 1000)
    assert abs(predicted - played) < 3 * error, said


@pytest.mark.parametrize("seed", range(1000, 1012))
def test_so_they_are_where_saves_do_not_simply_block(seed: int) -> None:
    """And .05 points: what is to first order, of failures of lower levels near a stop."""
    said, predicted, played, error = compared(seed, 150, "stored")
    assert abs(predicted - played) < 3 * error + 5e-4, said


@pytest.mark.parametrize("seed", range(1000, 1016))
def test_so_they_are_where_others_follow_warnings(seed: int) -> None:
    """And .05 points: the long run, which this begins with, ends in the middle of an interval."""
    said, predicted, played, error = compared(seed, 400, "warned")
    assert abs(predicted - played) < 3 * error + 5e-4, said
