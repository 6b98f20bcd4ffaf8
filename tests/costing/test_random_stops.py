"""A few of the random jobs of :mod:`tests.costing.random_stops`."""

from __future__ import annotations

import pytest

from tests.costing.random_stops import compared


@pytest.mark.parametrize("seed", range(1000, 1016))
def test_frequent_stops_are_as_they_are_played(seed: int) -> None:
    said, predicted, played, error = compared(seed, 1000)
    assert abs(predicted - played) < 3 * error, said
