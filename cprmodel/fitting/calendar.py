r"""A rate that changes with calendar time: the power-law process of Crow and AMSAA.

The expected number of failures by time x is :math:`n_F (x/T_F)^c` for n_F failures in a window T_F: c below 1 where
they become rarer (the first weeks of a cluster), above 1 where they become more frequent. For a window of given
length its estimate is n_F/Σ log(T_F/xᵢ), less its bias (n_F − 1)/n_F of it, and 2n_F times c over the estimate is
χ² with 2n_F degrees of freedom; for one that ends with a failure n_F − 1 and n_F − 2 take the places of n_F in the
sum and the bias (Crow 1974; MIL-HDBK-189) [mem].

The rate at x is :math:`n_F c x^{c−1}/T_F^c`; its logarithm scatters by √((1 + (1 + cu)²)/n_F), u = log(x/T_F)
[derived here, to first order]: at the end of the window it is known as well as n_F/2 failures without drift would
tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.facts.laws import power_law_mtbf_s

__all__ = ["PowerLaw", "power_law_of"]

FEWEST = 6


@dataclass(frozen=True)
class PowerLaw:
    """The process that fits the times of failures in a window."""

    shape: float
    shape_ci90: tuple[float, float]
    events: int
    window_s: float

    def mtbf_s(self, at_s: float) -> float:
        """Reciprocal of the rate at a time since the window's beginning [s]."""
        return power_law_mtbf_s(self.window_s, self.events, self.shape, at_s)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "shape": self.shape,
            "shape_ci90": list(self.shape_ci90),
            "events": self.events,
            "window_s": self.window_s,
            "mtbf_at_end_s": self.mtbf_s(self.window_s),
        }


def power_law_of(times_s: Any, window_s: float) -> PowerLaw | None:
    """Maximum likelihood; None with fewer than FEWEST failures."""
    times = np.asarray(times_s, dtype=float)
    times = times[times > 0]
    n = len(times)
    ends_with_one = bool(n and times[-1] >= window_s)
    free = n - 1 if ends_with_one else n
    if free < FEWEST:
        return None
    total = float(np.sum(np.log(window_s / times[:free])))
    if not total > 0:
        return None
    from scipy import special

    limits = [float(special.gammaincinv(free, tail)) / total for tail in (0.05, 0.95)]
    return PowerLaw((free - 1) / total, (limits[0], limits[1]), n, float(window_s))
