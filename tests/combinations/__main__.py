"""Many random combinations: ``python -m tests.combinations --jobs 200``.

Searches by force of saves that rotate: ``--search 100``, at two levels ``--search-levels 100``, and of thousands of
experts there ``--search-many 40``; of saves in an order to a level below the last, ``--search-topped 100``, and
beside warnings ``--search-warned 100``. How one run's PLS scatters beside warnings: ``--scatter 240``.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from tests.combinations import compared
from tests.combinations.scatter import scatter_beside_warnings
from tests.combinations.search import worse_than_by_force
from tests.combinations.search_levels import levels_worse_than_by_force
from tests.combinations.search_many_experts import many_experts_worse_than_by_force
from tests.combinations.search_topped import topped_worse_than_by_force
from tests.combinations.search_warned import warned_worse_than_by_force


def main() -> int:
    """Print each that is more than three standard errors off; 1 where more are than chance allows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--first", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=32, help="row by row, of each, at most")
    parser.add_argument("--search", type=int, default=0)
    parser.add_argument("--search-levels", type=int, default=0)
    parser.add_argument("--search-many", type=int, default=0)
    parser.add_argument("--search-topped", type=int, default=0)
    parser.add_argument("--search-warned", type=int, default=0)
    parser.add_argument("--scatter", type=int, default=0)
    given = parser.parse_args()
    if given.scatter:
        return _scatters(range(given.first, given.first + given.scatter))
    for many, worse_than, jobs in (
        (given.search, worse_than_by_force, "jobs whose saves rotate"),
        (given.search_levels, levels_worse_than_by_force, "jobs whose saves rotate at two levels"),
        (
            given.search_many,
            many_experts_worse_than_by_force,
            "jobs whose thousands of experts rotate at two levels",
        ),
        (given.search_topped, topped_worse_than_by_force, "jobs whose first rows go to a level below the last"),
        (given.search_warned, warned_worse_than_by_force, "jobs whose first rows are saved beside warnings"),
    ):
        if many:
            worst = max(worse_than(seed) for seed in range(given.first, given.first + many))
            print(f"{many} {jobs}: by force at most {max(worst, 0):.3%} better")
            return int(worst > 0.001)
    far = []
    for seed in range(given.first, given.first + given.jobs):
        one = compared(seed, given.runs)
        if max(one.overhead, one.pls) > 3:
            far.append(one)
            print(f"{seed}: {one.words}: overhead {one.overhead:.2f}, PLS {one.pls:.2f} standard errors")
    # of 2n normal numbers 0.27% lie beyond three; twice that and two more hardly ever do
    most = 2 * 2 * given.jobs * 0.0027 + 2
    print(f"{given.jobs} combinations, {len(far)} beyond three standard errors (chance allows {most:.1f})")
    return int(len(far) > most)


def _scatters(seeds: range) -> int:
    """Standard deviations as planned over those played; 1 where the middle one is a tenth off."""
    found = [one for seed in seeds if (one := scatter_beside_warnings(seed)) and not one.coarse]
    for one in found:
        print(f"{one.words}: PLS {one.pls:.4f}, SD {one.planned:.5f}, played {one.played:.5f} ± {one.error:.5f}")
    ratios = np.array([one.ratio for one in found])
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    print(
        f"{ratios.size} combinations: planned over played {middle:.2f}, eight tenths from {low:.2f} to {high:.2f}"
    )
    return int(abs(middle - 1) > 0.1)


if __name__ == "__main__":
    sys.exit(main())
