"""Coverage of the intervals that ``cprmodel fit`` prints, and the speed of its fits.

Coverage: renewal processes in a window (Weibull shapes 0.6 to 1.5; 1 is memoryless), 2,000 replicates a point, 90%
wanted: within 2 points from 10 events up, at least 90 below. Below, the MTBF's interval does not keep that for
failures in bursts: with 0 or 1 event it takes them to have no memory (Garwood), for nothing says otherwise, and the
last column shows that over half of the misses are such windows. What docs/models/failures.md states is held to: the
exit status is 1 where a coverage is below 0.88 (of the MTBF of few failures in bursts: 0.83).

Beside those, laws that a fleet shows: units whose hazard rises (Weibull shapes 2 and 4, most cut short while they
are young), falls (0.5, cut short), or that are a mixture of two rates; and failures that drift over calendar time
(a power law), of which the mean and the rate at the end of the window are asked. Of units the true mean is that of
400,000 of them; wanted within 2 points of 90%. The exit status is 1 where one is below 0.87.

Speed: 600,000 rows with censoring against lifelines, and a parametric bootstrap of Weibull fits against the same
with scipy; ratios in one run.

Run: python benchmarks/fitting.py
"""

from __future__ import annotations

import math
import statistics
import sys
from typing import Any

import numpy as np
from scipy import stats
from timing import seconds

from cprmodel.fitting import analyse, trace_of_durations, trace_of_times
from cprmodel.fitting.analysis import mtbf_interval, scatter_of, shape_interval
from cprmodel.fitting.calendar import power_law_of
from cprmodel.fitting.likelihood import FITTED, fit_weibull, weibull_batch
from cprmodel.jobs.failure_model import FailureModel, PowerLaw

REPLICATES = 2000


def watched(rng: Any, shape: float, expected: int) -> tuple[Any, Any]:
    scale = 1 / math.gamma(1 + 1 / shape)
    ends = np.cumsum(scale * rng.weibull(shape, 20 * expected + 200))
    ends = ends[ends < expected]
    durations = np.diff(np.append(ends, expected), prepend=0.0)
    return durations, np.append(np.ones(len(ends), dtype=bool), False)


def coverage() -> int:
    """Print a row a point; how many are below what is stated."""
    missed = 0
    print(
        f"{'shape':>6}{'events expected':>17}{'MTBF covers':>13}{'shape covers':>14}{'misses at 0, 1 events':>24}"
    )
    for shape in (0.6, 0.7, 0.8, 1.0, 1.5):
        for expected in (3, 5, 10, 20, 50, 200):
            rng = np.random.default_rng([17, expected, int(10 * shape)])
            mtbf = shaped = with_shape = missed_at_few = 0
            for _ in range(REPLICATES):
                durations, observed = watched(rng, shape, expected)
                events = int(observed.sum())
                fitted = fit_weibull(durations, observed) if events > 1 else None
                low, high = mtbf_interval(durations.sum(), events, fitted.shape if fitted else None)
                covers = low < 1 and (high is None or high > 1)
                mtbf += covers
                missed_at_few += not covers and events < 2
                interval = shape_interval(durations, observed) if fitted else None
                if interval:
                    with_shape += 1
                    shaped += interval[0] < shape < interval[1]
            shares = (mtbf / REPLICATES, shaped / with_shape)
            good = [0.88 <= s <= 0.92 if expected >= 10 else s >= 0.9 for s in shares]
            marks = ["" if one else " *" for one in good]
            known = 0.83 if expected < 10 and shape < 1 else 0.88
            missed += (shares[0] < known) + (shares[1] < 0.88)
            where = f"{missed_at_few} of {REPLICATES - mtbf}" if expected < 10 else ""
            print(f"{shape:6}{expected:17}{shares[0]:11.3f}{marks[0]:2}{shares[1]:12.3f}{marks[1]:2}{where:>24}")
    print(f"* outside 0.90 ± 0.02 (below 10 events: less than 0.90); standard error {0.3 / REPLICATES**0.5:.3f}")
    return missed


def units(rng: Any, kind: str, size: int) -> tuple[Any, Any]:
    """Times of units of their own, and whether each ended with a failure."""
    if kind == "mixture":
        life = np.where(rng.random(size) < 0.3, rng.exponential(1, size), rng.exponential(20, size))
        watched = rng.exponential(30, size)
    else:
        shape = float(kind.split()[-1])
        life, watched = 8 * rng.weibull(shape, size), rng.uniform(0.5, 6, size)
    return np.minimum(life, watched), life <= watched


def coverage_of_units() -> int:
    """Print a row a law; how many are below what is stated."""
    missed = 0
    print(f"\n{'units':>14}{'units watched':>15}{'failures, mean':>16}{'MTBF covers':>13}")
    for kind in ("rises, 4", "rises, 2", "falls, 0.5", "mixture"):
        many, ended = units(np.random.default_rng(1), kind, 400_000)
        true = many.sum() / ended.sum()
        for size in (200, 2000):
            rng = np.random.default_rng([5, size])
            covered, failures = 0, 0
            for _ in range(REPLICATES):
                durations, observed = units(rng, kind, size)
                fitted = fit_weibull(durations, observed)
                scatter = scatter_of(durations, observed)
                events = int(observed.sum())
                low, high = mtbf_interval(
                    durations.sum(), events, fitted.shape if fitted else None, scatter=scatter
                )
                covered += low < true and (high is None or high > true)
                failures += events
            share = covered / REPLICATES
            missed += share < 0.87
            mark = "" if abs(share - 0.9) <= 0.02 else " *"
            print(f"{kind:>14}{size:15}{failures / REPLICATES:16.1f}{share:11.3f}{mark}")
    return missed


def coverage_of_drift() -> int:
    """Print a row a power law; how many are below what is stated."""
    missed = 0
    heading = ("power law", "failures, mean", "mean covers", "shape covers", "rate at the end covers")
    print(f"\n{heading[0]:>10}{heading[1]:>16}{heading[2]:>13}{heading[3]:>14}{heading[4]:>24}")
    for shape in (0.5, 0.8, 1.0, 1.5, 2.0):
        for mean in (20, 100):
            rng = np.random.default_rng([7, mean, int(10 * shape)])
            mtbf = shaped = at_end = 0
            for _ in range(REPLICATES):
                n = max(int(rng.poisson(mean)), 7)
                times = np.sort(rng.random(n) ** (1 / shape))
                trace = trace_of_times("", times, 1.0)
                fitted = fit_weibull(trace.durations_s, trace.observed)
                low, high = mtbf_interval(1.0, n, fitted.shape if fitted else None)
                mtbf += low < 1 / mean and (high is None or high > 1 / mean)
                law = power_law_of(times, 1.0)
                shaped += law.shape_ci90[0] < shape < law.shape_ci90[1]
                known = PowerLaw(shape=law.shape, events=n, window_s=1.0)
                fit = FailureModel(events=n, exposure_s=1.0, power_law=known).at_time(1.0)
                low, high = mtbf_interval(fit.exposure_s, fit.events, None)
                at_end += low < 1 / (mean * shape) and (high is None or high > 1 / (mean * shape))
            shares = [count / REPLICATES for count in (mtbf, shaped, at_end)]
            missed += sum(share < 0.87 for share in shares)
            a, b, c = (f"{share:.3f}{'' if abs(share - 0.9) <= 0.02 else ' *'}" for share in shares)
            print(f"{shape:10}{mean:16}{a:>13}{b:>14}{c:>24}")
    return missed


def speed() -> None:
    """Print ratios."""
    from lifelines import LogNormalFitter, WeibullFitter

    rng = np.random.default_rng(1)
    times, limits = rng.weibull(0.7, 600_000) * 100, rng.exponential(150, 600_000)
    observed, durations = times <= limits, np.minimum(times, limits)
    for name, fitter in (("weibull", WeibullFitter), ("lognormal", LogNormalFitter)):
        ratios = [
            seconds(lambda f=fitter: f().fit(durations, observed))
            / seconds(lambda n=name: FITTED[n](durations, observed))
            for _ in range(3)
        ]
        print(f"600,000 rows, {name}: lifelines takes {statistics.median(ratios):.1f} times as long")
    took = {name: seconds(lambda f=fit: f(durations, observed)) for name, fit in FITTED.items()}
    print("600,000 rows: " + ", ".join(f"{name} {value:.2g} s" for name, value in took.items()) + " (one run)")

    many, cut = 100 * rng.weibull(0.7, 1_000_000), rng.exponential(150, 1_000_000)
    trace = trace_of_durations("", np.minimum(many, cut), many <= cut)
    all_of_it = seconds(lambda: analyse(trace))
    print(f"1,000,000 rows, everything that cprmodel fit says: at most 10 s: {'yes' if all_of_it <= 10 else 'NO'}")

    size, replicates = 60, 200
    drawn = 100 * rng.weibull(0.7, (replicates, size))

    def ours() -> None:
        weibull_batch(np.log(drawn), np.ones_like(drawn, dtype=bool))

    def theirs() -> None:
        for row in drawn[:20]:
            stats.weibull_min.fit(stats.CensoredData(uncensored=row), floc=0)

    ours()
    ratio = statistics.median(seconds(theirs) * (replicates / 20) / seconds(ours) for _ in range(5))
    met = "yes" if ratio >= 20 else "NO"
    print(f"bootstrap of Weibull fits: scipy takes {ratio:.0f} times as long   at least 20: {met}")


def main() -> int:
    missed = coverage() + coverage_of_units() + coverage_of_drift()
    speed()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
