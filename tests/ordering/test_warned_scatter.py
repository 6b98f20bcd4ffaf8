"""How one run's PLS scatters where saves in an order follow warnings, against plays row by row."""

from __future__ import annotations

import pytest

from tests.combinations.scatter import scatter_beside_warnings

#: Relative: what the compound Poisson sum leaves out.
ROOM = 0.1


@pytest.mark.parametrize(
    "seed",
    [
        1055,  # drains, first rows on warnings, 200 shards, roll-backs
        1072,  # everything on warnings, 200 shards
        1068,  # everything on warnings, one shard
        1075,  # three levels, warned to the middle one
    ],
)
def test_the_scatter_is_as_it_is_played(seed: int) -> None:
    """Within a tenth and three standard errors of the played standard deviation.

    CPR's recursion, which had been shown, is .73, .37, 1.34 and .51 of it.
    """
    one = scatter_beside_warnings(seed)
    assert one is not None
    assert abs(one.planned - one.played) < ROOM * one.played + 3 * one.error, one
