"""Coverage of the intervals that ``cprmodel accuracy`` prints, and how often its test of patterns errs.

Records are simulated: 4 to 10 seeds, drops = β·PLS plus what all runs of a seed share (their failure-free run)
plus each run's own noise. Balanced: every seed the same PLS; unequal: 2 to 8 runs of a seed, PLS at random. Noise
the same for all, growing with PLS, or a slope that differs by seed. 2,000 replicates a point, 90% wanted. Beside
the interval printed (CR2 with Bell-McCaffrey degrees of freedom) stands the usual one of least squares, blind to
seeds; "bounded" is how often the record can bound the bend at all, "test drops" the share inside their 90%
prediction intervals.

Held to, with four standard errors of 2,000 replicates (2.7 points): the slope's coverage 90% for balanced records,
at least 90% for others and for the bend; patterns alike told apart in at most 5% (1.9 points).

Run: python benchmarks/accuracy.py
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from scipy import stats

from cprmodel.fitting import PairedRun, Record, fit_accuracy, record_of_runs

REPLICATES = 2000
SLOPE = 0.005
PLS = (0.02, 0.05, 0.1, 0.2, 0.4)
OWN, SHARED = 2e-4, 2e-4  #: noise of a run, and of the failure-free run that its seed shares
KINDS = ("alike", "grows with PLS", "slope by seed")


def drawn(rng: Any, seeds: int, balanced: bool, kind: str, bend: float = 0.0) -> Record:
    """A record whose slope is known; the pattern says nothing of the drop."""
    runs = []
    for seed in range(seeds):
        pls = np.array(PLS) if balanced else rng.uniform(0.02, 0.4, rng.integers(2, 9))
        slope = SLOPE * (1 + (0.2 * rng.normal() if kind == "slope by seed" else 0))
        own = OWN * (pls / 0.2 if kind == "grows with PLS" else 1) * rng.normal(size=len(pls))
        drops = slope * pls * (1 + bend * pls) + SHARED * rng.normal() + own
        names = rng.permutation(len(pls)) % 2
        pairs = zip(pls, drops, names, strict=True)
        runs += [PairedRun(seed=seed, pls=p, drop=d, pattern="ab"[name]) for p, d, name in pairs]
    return record_of_runs("drawn", tuple(runs))


def blind(record: Record) -> tuple[float, float]:
    """The usual interval of least squares through zero, each run taken for independent."""
    p, d = record.pls, record.drops
    slope = p @ d / (p @ p)
    error = np.sqrt(np.sum((d - slope * p) ** 2) / (len(p) - 1) / (p @ p))
    half = stats.t.ppf(0.95, len(p) - 1) * error
    return slope - half, slope + half


def point(seeds: int, balanced: bool, kind: str, replicates: int = REPLICATES) -> dict[str, float]:
    """Shares over the replicates."""
    rng = np.random.default_rng([23, seeds, int(balanced), KINDS.index(kind)])
    covered = usual = bent = bounded = apart = told = 0
    inside, half_widths = [], []
    for _ in range(replicates):
        record = drawn(rng, seeds, balanced, kind)
        found = fit_accuracy(record)
        low, high = found.slope.interval_90 or (-np.inf, np.inf)
        covered += low < SLOPE < high
        half_widths.append((high - low) / 2 / SLOPE)
        low, high = blind(record)
        usual += low < SLOPE < high
        limits = found.bend.interval_90
        bounded += limits is not None
        bent += limits is None or limits[0] < 0 < limits[1]
        if found.held_out is not None and found.held_out.inside_90 is not None:
            inside.append(found.held_out.inside_90)
        if found.patterns is not None and found.patterns.p_value is not None:
            told += 1
            apart += found.patterns.differ
    return {
        "slope": covered / replicates,
        "half_width": float(np.median(half_widths)),
        "blind": usual / replicates,
        "bend": bent / replicates,
        "bounded": bounded / replicates,
        "inside": float(np.mean(inside)),
        "apart": apart / told,
    }


def main() -> int:
    missed = 0
    headings = ("slope", "± width", "blind", "bend", "bounded", "test drops", "told apart")
    head = "".join(f"{heading:>12}" for heading in headings)
    print(f"{'seeds':>6}  {'runs':12}{'noise':16}{head}")
    for seeds in (4, 6, 10):
        for balanced in (True, False):
            for kind in KINDS:
                one = point(seeds, balanced, kind)
                good = (
                    0.873 <= one["slope"] <= (0.927 if balanced else 1),
                    one["bend"] >= 0.873,
                    one["apart"] <= 0.069,
                )
                mark = ["" if fine else "*" for fine in good]
                missed += good.count(False)
                cells = (
                    f"{one['slope']:.3f}{mark[0]}",
                    f"{100 * one['half_width']:.0f}%",
                    f"{one['blind']:.3f}",
                    f"{one['bend']:.3f}{mark[1]}",
                    f"{one['bounded']:.2f}",
                    f"{one['inside']:.3f}",
                    f"{one['apart']:.3f}{mark[2]}",
                )
                name = f"{seeds:6}  {'balanced' if balanced else 'unequal':12}{kind:16}"
                print(name + "".join(f"{cell:>12}" for cell in cells), flush=True)
    print(f"* outside what it is held to; standard error of a coverage {0.3 / REPLICATES**0.5:.3f}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
