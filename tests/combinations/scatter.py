"""How one run's PLS scatters where saves in an order follow warnings: as it is planned, and as it is played."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cprmodel import SteadyState
from cprmodel.ordering import simulate
from cprmodel.planning.pricing import price
from tests.combinations import drawn
from tests.combinations.levelled import drawn_levels
from tests.combinations.topped import drawn_topped
from tests.combinations.warned import warned

__all__ = ["Scatter", "scatter_beside_warnings"]


@dataclass(frozen=True)
class Scatter:
    """Standard deviation of the PLS of one run."""

    words: str
    pls: float
    planned: float
    played: float
    error: float  #: of what was played
    coarse: bool  #: a failure takes less than one played row's updates: the play scatters by itself

    @property
    def ratio(self) -> float:
        """Planned over played."""
        return self.planned / self.played


def scatter_beside_warnings(seed: int, runs: int = 400) -> Scatter | None:
    """Of the random combination with this seed; None where it has no warnings, or hardly ever ends."""
    random = np.random.default_rng(seed)
    which = drawn_levels if seed % 6 == 1 else drawn_topped if seed % 12 == 7 else drawn
    words, job, strategy = warned(seed, *which(random))
    if "warned" not in words or "none" in words or strategy.order == "ssu":  # a list is played few times
        return None
    one = price(job, SteadyState(), strategy)
    if one.overhead_fraction > 3 or one.expected_pls == 0:
        return None
    plays = np.asarray(simulate(job, strategy, runs, seed=seed, workers=1).pls_of_runs)
    played = float(plays.std(ddof=1))
    far = np.mean((plays - plays.mean()) ** 4) / np.mean((plays - plays.mean()) ** 2) ** 2  # the kurtosis
    error = played * float(np.sqrt((far - 1) / (4 * plays.size)))
    coarse = job.checkpoint.incremental and (job.cluster.embedding_shards or 1) > 1 and one.expected_pls < 1e-3
    return Scatter(words, one.expected_pls, one.pls_standard_deviation, played, error, bool(coarse))
