r"""How often units of an age fail: failures over exposure in bands of age.

Units that began together do not superpose to a process without memory while they age together: a job of i of them,
all of age x, fails at i times one's hazard. Exposure over failures, T_F/n_F, is the mean over the ages that were
watched, most of which may be young. The bands are the tenths of the longest time, put together until each has
FEWEST failures; one rate for all is tested by the likelihood ratio of piecewise exponential laws, Σ yᵢ
log(yᵢT_F/(xᵢn_F)), yᵢ failures in the time xᵢ [standard].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["AgeBand", "Ages", "ages_of"]

BANDS = 10
#: Failures that a band has at least.
FEWEST = 10
#: From so many times as often the rate is said to rise with age, at this level.
FOLD, LEVEL = 3.0, 0.01


@dataclass(frozen=True)
class AgeBand:
    """Failures of units between two ages, and how long units were watched in it."""

    from_s: float
    to_s: float
    events: int
    exposure_s: float

    @property
    def mtbf_s(self) -> float:
        """Of one unit of that age [s]."""
        return self.exposure_s / self.events

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"from_s": self.from_s, "to_s": self.to_s, "events": self.events, "exposure_s": self.exposure_s}


@dataclass(frozen=True)
class Ages:
    """The rate by age."""

    bands: tuple[AgeBand, ...]
    p_value: float  #: of one rate at all ages

    @property
    def fold(self) -> float:
        """How many times as often units fail in the oldest band as in the youngest."""
        return self.bands[0].mtbf_s / self.bands[-1].mtbf_s

    @property
    def rises(self) -> bool:
        """Threefold or more from the youngest band to the oldest, and surely."""
        return self.fold >= FOLD and self.p_value < LEVEL

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"bands": [one.to_dict() for one in self.bands], "p_value": self.p_value, "fold": self.fold}


def ages_of(durations_s: Any, observed: Any) -> Ages | None:
    """Bands of age; None with fewer failures than two bands need.

    >>> found = ages_of(np.arange(1.0, 41.0), np.ones(40, dtype=bool))
    >>> [(one.to_s, one.events) for one in found.bands]
    [(12.0, 11), (24.0, 12), (40.0, 17)]
    """
    if np.count_nonzero(observed) < 2 * FEWEST:
        return None
    edges = np.linspace(0.0, float(np.max(durations_s)), BANDS + 1)
    events, _ = np.histogram(durations_s[observed], edges)
    ordered = np.sort(durations_s)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    counts = np.searchsorted(ordered, edges)
    lived = sums[counts] + edges * (len(ordered) - counts)  # Σ min(duration, edge)
    exposure = np.diff(lived)
    bands: list[AgeBand] = []
    begin, seen, watched = 0.0, 0, 0.0
    for at in range(BANDS):
        seen, watched = seen + int(events[at]), watched + float(exposure[at])
        if seen >= FEWEST:
            bands.append(AgeBand(begin, float(edges[at + 1]), seen, watched))
            begin, seen, watched = float(edges[at + 1]), 0, 0.0
    if watched and bands:  # too few failures at the end: part of the band before
        last = bands.pop()
        bands.append(AgeBand(last.from_s, float(edges[-1]), last.events + seen, last.exposure_s + watched))
    if len(bands) < 2:
        return None
    from scipy import special

    n, total = sum(one.events for one in bands), sum(one.exposure_s for one in bands)
    ratio = 2 * sum(one.events * math.log(one.events * total / (one.exposure_s * n)) for one in bands)
    return Ages(tuple(bands), float(special.chdtrc(len(bands) - 1, max(ratio, 0.0))))
