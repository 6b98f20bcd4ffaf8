r"""The best saves under a fitted law with memory, when failures renew the clock.

Equal spacing: the greatest :func:`~cprmodel.formulas.renewal_efficiency` over τ.

By age: at the best times x₁ < x₂ < … of complete saves each derivative of Σ(x_j − x_{j−1} − C)F̄(x_j) is 0,

.. math:: \bar F(x_j) + (x_j - x_{j-1} - C) \bar F'(x_j) - \bar F(x_{j+1}) = 0,

which Newton's method solves (the second derivatives are tridiagonal), from saves that lie with the density √(y/2C),
y the hazard (after Ling, Mi & Lin 2001). A step that does not raise the sum is halved, so the end is never worse
than the start.

Both, and what they gain, are played beside (:mod:`cprmodel.simulation.renewals`), and priced for failures that
have no memory after all.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from cprmodel.formulas.interval import exact_interval
from cprmodel.formulas.renewal import renewal_efficiency, schedule_efficiency
from cprmodel.jobs import FailureModel, Job
from cprmodel.simulation.renewals import Share, play_renewals

__all__ = ["Renewal", "renewal_of"]

#: Saves beyond those that a job comes to with less than this probability are not placed.
LAST = 1e-9
MOST_SAVES = 5000
#: Saves by age that are reported.
SHOWN = 8
#: Failures that are played.
FAILURES = 250_000


@dataclass(frozen=True)
class Renewal:
    """Full recovery under a law with memory: at equal spacing, as without memory, and by age.

    Efficiencies are shares of the time that are useful work.
    """

    law: str
    shape: float
    mtbf_s: float  #: the law's mean
    interval_s: float  #: best equal spacing
    efficiency: float
    memoryless_interval_s: float  #: best without memory, at the same MTBF
    memoryless_efficiency: float  #: of that interval under the law
    works_s: tuple[float, ...] = field(repr=False)  #: by age: work before each save since the last failure
    by_age_efficiency: float
    simulated_interval_gain: Share  #: played, in FAILURES failures
    simulated_by_age_gain: Share
    by_age_loss_without_memory: float  #: what these saves lose against the memoryless interval without memory
    aic_ahead: float | None  #: how far the exponential law's AIC is above this law's

    @property
    def interval_gain(self) -> float:
        """What equal spacing for the law gains over that without memory, a share of the time."""
        return self.efficiency - self.memoryless_efficiency

    @property
    def by_age_gain(self) -> float:
        """What saving by age gains over the best equal spacing, a share of the time."""
        return self.by_age_efficiency - self.efficiency

    def to_dict(self) -> dict[str, Any]:
        """Plain data; of the works the first ones."""
        gains = {
            "interval_gain": self.interval_gain,
            "by_age_gain": self.by_age_gain,
            "simulated_failures": FAILURES,
        }
        return {**asdict(self), "works_s": list(self.works_s[:SHOWN]), **gains}


def renewal_of(job: Job, fit: FailureModel) -> Renewal | None:
    """The best saves of full recovery under the fitted law; None where it has no memory, or no mean to speak of."""
    from cprmodel.fitting import Fit

    if not job.plain or fit.law == "exponential" or fit.shape is None or fit.scale_s is None:
        return None
    law = Fit(fit.law, fit.shape, fit.scale_s, 0.0).distribution
    mean = float(law.mean())
    if not job.save_s < mean < 1e12:
        return None
    costs = (job.save_s, mean, law.sf, job.full_recovery.load_s, job.full_recovery.reschedule_s)
    memoryless = float(exact_interval.raw(job.save_s, mean))
    interval = _best_spacing(memoryless, costs)
    starts = [_by_density(law, job.save_s), _by_spacing(law, job.save_s, interval)]
    # equal spacing, too, is a way to save by age: the best is never worse
    candidates = [*(_climb(law, job.save_s, start) for start in starts), starts[1]]
    rated = [(schedule_efficiency(works, *costs), works) for works in (_works(x, job.save_s) for x in candidates)]
    by_age, works = max(rated, key=lambda pair: pair[0])
    stops = costs[3:]
    played = play_renewals([works, [interval], [memoryless]], job.save_s, law.ppf, *stops, failures=FAILURES)
    without = (job.save_s, mean, lambda t: np.exp(-t / mean), *stops)
    return Renewal(
        fit.law,
        fit.shape,
        mean,
        interval,
        renewal_efficiency(interval, *costs),
        memoryless,
        renewal_efficiency(memoryless, *costs),
        tuple(map(float, works)),
        by_age,
        played.gain(1, over=2),
        played.gain(0, over=1),
        renewal_efficiency(memoryless, *without) - schedule_efficiency(works, *without),
        fit.aic_ahead,
    )


def _best_spacing(near_s: float, costs: tuple[Any, ...]) -> float:
    """The greatest efficiency: the best of a coarse grid, refined between its neighbours."""
    from scipy.optimize import minimize_scalar

    grid = near_s * np.geomspace(1 / 50, 50, 60)
    at = int(np.argmax([renewal_efficiency(float(tau), *costs) for tau in grid]))
    low, high = math.log(grid[max(at - 1, 0)]), math.log(grid[min(at + 1, len(grid) - 1)])
    found = minimize_scalar(
        lambda x: -renewal_efficiency(math.exp(x), *costs),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-7},
    )
    return math.exp(float(found.x))


def _works(times: Any, save_s: float) -> Any:
    return np.maximum(np.diff(times, prepend=0.0) - save_s, 0.0)  # against rounding


def _by_spacing(law: Any, save_s: float, interval_s: float) -> Any:
    cycle = interval_s + save_s
    count = min(MOST_SAVES, max(2, math.ceil(float(law.isf(LAST)) / cycle)))
    return cycle * np.arange(1, count + 1)


def _by_density(law: Any, save_s: float) -> Any:
    """∫₀^x √(h/2C) dt = 1, 2, …, by the trapezoid rule on a grid that is even in log t; at least 2C apart."""
    mean, last = float(law.mean()), float(law.isf(LAST))
    grid = np.geomspace(min(save_s, mean) * 1e-4, last, 20_000)
    with np.errstate(all="ignore"):
        root = np.sqrt(np.nan_to_num(law.pdf(grid) / law.sf(grid), posinf=0.0) / (2 * save_s))
    steps = (root[1:] + root[:-1]) / 2 * np.diff(grid)
    count = np.concatenate([[0.0], np.cumsum(steps)])
    total = min(int(count[-1]), MOST_SAVES)
    times = np.interp(np.arange(1, total + 1), count, grid)
    kept: list[float] = []
    for time in map(float, times):
        if time >= (kept[-1] if kept else 0.0) + 2 * save_s:
            kept.append(time)
    return np.array(kept or [max(mean, 2 * save_s)])


def _committed(law: Any, save_s: float, times: Any) -> float:
    """Σ y_j F̄(x_j): the work that is saved before a failure, on average [s]; −∞ where two saves overlap."""
    works = np.diff(times, prepend=0.0) - save_s
    return float(np.sum(works * law.sf(times))) if np.all(works > 0) else -math.inf


def _climb(law: Any, save_s: float, times: Any) -> Any:
    """Newton's method with halved steps, from these times to the nearest maximum."""
    value = _committed(law, save_s, times)
    for _ in range(60):
        works = np.diff(times, prepend=0.0) - save_s
        survival, density = law.sf(times), law.pdf(times)
        small = 1e-5 * times
        slope = (law.pdf(times + small) - law.pdf(times - small)) / (2 * small)
        gradient = survival - works * density - np.append(survival[1:], 0.0)
        bands = np.zeros((2, len(times)))  # minus the second derivatives: above the diagonal, and on it
        bands[0, 1:] = -density[1:]
        bands[1] = 2 * density + works * slope
        step = _newton_step(bands, density, gradient)
        for _ in range(40):
            found = _committed(law, save_s, times + step)
            if found > value:
                break
            step = step / 2
        if not found > value:
            return times
        times, gained, value = times + step, found - value, found
        if gained <= 1e-12 * value:
            return times
    return times


def _newton_step(bands: Any, density: Any, gradient: Any) -> Any:
    """Towards the maximum; where the sum is not concave, with as much added to the diagonal as makes it so."""
    from scipy.linalg import LinAlgError, solveh_banded

    for more in (0.0, 0.1, 1.0, 10.0):
        try:
            step = solveh_banded(bands + np.array([[0.0], [more]]) * density, gradient)
        except (LinAlgError, ValueError):
            continue
        if np.all(np.isfinite(step)):
            return step
    return gradient / np.maximum(density, 1e-300)
