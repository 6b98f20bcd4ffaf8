"""Levels against a clock in plain Python, which shares nothing with formula and simulator."""

from __future__ import annotations

import pytest

from tests.costing.random_levels import compared

#: Of three standard errors each.
WITHIN = 3.0


@pytest.mark.parametrize("seed", range(6))
def test_levels_are_as_a_clock_of_its_own_plays_them(seed: int) -> None:
    """Two and three levels, both recoveries, jobs of 20 and of 150 MTBFs: overhead and PLS."""
    one = compared(seed)
    assert max(map(abs, one.simulated_off)) < WITHIN, one
    assert max(map(abs, one.off)) < WITHIN, one


@pytest.mark.parametrize("seed", range(4))
def test_the_end_of_a_short_job_is_played_and_costs_less_than_is_planned(seed: int) -> None:
    """A job that ends after three or six MTBFs: its last saves are never made, which the plan leaves out."""
    one = compared(seed, (3, 6))
    assert max(map(abs, one.simulated_off)) < WITHIN, one
    assert max(one.off) > -WITHIN, one
