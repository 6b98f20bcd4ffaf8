"""Plans by the million, as ratios in one run; medians of several, the limit beside each.

* a million first-order plans against a loop over ``scipy.optimize.minimize_scalar``, which finds the best interval
  of both recoveries row by row (timed on a sample of rows and scaled to a million);
* the same columns against the same columns computed by hand in NumPy, whole arrays at a time;
* ``cprmodel sweep --out rows.parquet``: peak memory of 1e7 rows, and of ten times fewer and more;
* the second core, where rows are planned one by one (the exact model).

Run: python benchmarks/bulk.py [--quick]
"""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

sys.path.insert(0, str(Path(__file__).parent.parent))

from timing import REPEATS, ratio, seconds

from cprmodel import Exact, Job, plan_many

SAMPLE = 200  # rows of the loop
ROOT = Path(__file__).parent.parent
JOB = ROOT / "examples" / "production-dlrm.toml"


def report(what: str, value: float, limit: float, at_most: bool) -> bool:
    good = value <= limit if at_most else value >= limit
    word = "at most" if at_most else "at least"
    print(f"{what:70} {value:10.2f}   {word} {limit:g}: {'yes' if good else 'NO'}", flush=True)
    return good


def what_varies(rows: int) -> dict[str, Any]:
    side = round(rows ** (1 / 3))
    return {
        "cluster.embedding_shards": np.arange(4, 4 + side),
        "checkpoint.save": np.geomspace(10.0, 1000.0, side),
        "failures.mtbf": np.geomspace(1e4, 1e6, side),
    }


def by_loop(rows: list[tuple[float, float, float]]) -> list[float]:
    """The least overhead of each row, as one would write it: the example job's other figures are constants."""
    found = []
    work, load, stop = 201600.0, 240.0, 600.0
    for shards, save, mtbf in rows:

        def full(log_interval: float, save: float = save, mtbf: float = mtbf) -> float:
            interval = math.exp(log_interval)
            return save / interval + (load + stop + interval / 2) / mtbf

        def partial(log_interval: float, save: float = save, mtbf: float = mtbf) -> float:
            interval = math.exp(log_interval)
            return save / interval + (0.9 * 210 + 0.05 * 180 + 0.05 * (load + stop + interval / 2)) / mtbf

        budget = min(2 * 0.1 * shards * mtbf / 0.9, work)
        one = minimize_scalar(full, bounds=(0.0, math.log(work)), method="bounded")
        other = minimize_scalar(partial, bounds=(0.0, math.log(budget)), method="bounded")
        found.append(min(one.fun, other.fun))
    return found


def by_hand(vary: dict[str, Any]) -> dict[str, np.ndarray]:
    """The columns of plan_many for the example job, written out over whole arrays."""
    mesh = np.meshgrid(*vary.values(), indexing="ij")
    shards, save, mtbf = (one.ravel() for one in mesh)
    work, load, stop, today = 201600.0, 240.0, 600.0, 1800.0
    s, t, w, slope, budget = 0.9, 0.05, 0.05, 0.005, 0.1

    def full(tau: Any) -> tuple[Any, ...]:
        return save / tau, load / mtbf, tau / (2 * mtbf), stop / mtbf

    def partial(tau: Any) -> tuple[Any, ...]:
        loads, stops = s * 30.0 + w * load, s * 180.0 + t * 180.0 + w * stop
        return save / tau, loads / mtbf, w * tau / (2 * mtbf), stops / mtbf

    young = np.sqrt(2 * save * mtbf)
    tau_full = np.minimum(young, work)
    by_budget, best = 2 * budget * shards * mtbf / s, np.sqrt(2 * save * mtbf / w)
    tau_partial = np.minimum(np.minimum(by_budget, best), work)
    taus = [tau_full, tau_full, tau_partial, np.full(len(mtbf), today)]
    parts = [full(taus[0]), partial(taus[1]), partial(taus[2]), full(taus[3])]
    totals = [sum(one) for one in parts]
    pls = [np.zeros(len(mtbf)), *(s * tau / (2 * mtbf * shards) for tau in taus[1:3]), np.zeros(len(mtbf))]
    keeps = [lost <= budget * (1 + 1e-9) for lost in pls]
    rank = np.stack([np.where(kept, one, np.inf) for one, kept in zip(totals, keeps, strict=True)])
    code = np.argmin(rank, axis=0)

    def chosen(of: Any) -> np.ndarray:
        return np.choose(code, of)

    reach_full = [(tau + save + load + stop) / mtbf <= 0.1 for tau in (taus[0], taus[3])]
    young_ok = (save / mtbf <= 0.08) | (young > work)
    within = [
        reach_full[0] & young_ok,
        ((w * taus[1] + save + load + stop) / mtbf <= 0.1) & (s * taus[1] / (mtbf * shards) <= 0.29) & young_ok,
        ((w * taus[2] + save + load + stop) / mtbf <= 0.1) & (s * taus[2] / (mtbf * shards) <= 0.29),
        reach_full[1],
    ]
    good = save <= mtbf
    total, lost, interval = chosen(totals), chosen(pls), chosen(taus)
    names = np.array(["full", "partial-at-full-interval", "partial", "current"], dtype=object)
    recoveries = np.array(["full", "partial", "partial", "full"], dtype=object)
    found = {
        "cluster.embedding_shards": shards,
        "checkpoint.save": save,
        "failures.mtbf": mtbf,
        "recommended": np.where(good, names[code], ""),
        "recovery": np.where(good, recoveries[code], ""),
        "interval_s": np.where(good, interval, np.nan),
        "overhead_fraction": np.where(good, total, np.nan),
    }
    for index, name in enumerate(("save", "load", "lost", "reschedule")):
        found[f"overhead_{name}"] = np.where(good, chosen([one[index] for one in parts]), np.nan)
    found["effective_time_ratio"] = 1 / (1 + found["overhead_fraction"])
    found["expected_pls"] = np.where(good, lost, np.nan)
    found["expected_metric_drop"] = slope * found["expected_pls"]
    found["time_to_train_s"] = work * (1 + found["overhead_fraction"])
    found["within_validity"] = chosen(within) & good
    found["feasible"] = good
    found["reason"] = np.where(good, "", "the save is longer than the MTBF").astype(object)
    return found


def speed(rows: int) -> list[bool]:
    job, vary = Job.from_file(JOB), what_varies(rows)
    found, hand = plan_many(job, vary), by_hand(vary)
    assert set(found.columns) == set(hand)
    for name, column in hand.items():
        if column.dtype.kind == "f":
            np.testing.assert_allclose(found[name], column, rtol=1e-12)
        elif name != "reason":
            np.testing.assert_array_equal(found[name], column)
    rng = np.random.default_rng(1)
    picked = rng.choice(len(found), SAMPLE, replace=False)
    sample = list(zip(*(hand[name][picked].tolist() for name in vary), strict=True))
    least = np.array(by_loop(sample))
    best = found["overhead_fraction"][picked]
    known = ~np.isnan(best)
    np.testing.assert_array_less(best[known], least[known] * (1 + 1e-4))  # the loop finds nothing better
    plan_many(job, vary), by_loop(sample)
    pairs = [(seconds(lambda: by_loop(sample)), seconds(lambda: plan_many(job, vary))) for _ in range(2 * REPEATS)]
    scale = len(found) / SAMPLE
    loop, many = (statistics.median(one) for one in zip(*pairs, strict=True))
    print(f"{len(found):,} first-order plans in {many:.3f} s; the loop: {SAMPLE} rows in {loop:.4f} s", flush=True)
    value = statistics.median(scale * one / other for one, other in pairs)
    side = {name: hand[name] for name in vary}
    met = [report("a loop over minimize_scalar, scaled to as many, over this", value, 1000, at_most=False)]
    value = ratio(lambda: plan_many(job, vary), lambda: by_hand(vary))
    met.append(report("this over the same columns by hand in NumPy", value, 3, at_most=True))
    value = ratio(lambda: plan_many(job, side, zipped=True), lambda: by_hand(vary))
    met.append(report("  the same rows side by side (zipped) over it", value, 3, at_most=True))
    return met


#: The command in a process of its own; its peak memory to standard error.
CHILD = """
import sys
from cprmodel.cli import main
try:
    main()
finally:
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1], file=sys.stderr)
"""


def peak_of(rows: int, folder: str) -> tuple[float, float, float]:
    """Peak memory [MiB], time [s] and file [MB] of ``cprmodel sweep --out rows.parquet``."""
    sides = [round(rows ** (1 / 3))] * 2
    sides.append(math.ceil(rows / math.prod(sides)))
    keys = ("failures.mtbf=1h:1000h:log", "checkpoint.save=1s:1000s:log", "checkpoint.load=1s:1000s:log")
    out = Path(folder) / "rows.parquet"
    command = [sys.executable, "-c", CHILD, "sweep", str(JOB), "--out", str(out)]
    for key, side in zip(keys, sides, strict=True):
        command += ["--vary", f"{key}{side}"]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    took, size = time.perf_counter() - begin, out.stat().st_size / 1e6
    out.unlink()
    return int(done.stderr.split()[-1]) / 1024, took, size


def memory(sizes: tuple[int, ...]) -> list[bool]:
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            peaks[rows], took, size = peak_of(rows, folder)
            said = f"{rows:.0e} rows to Parquet: peak {peaks[rows]:.0f} MiB, {took:.1f} s, {size:.0f} MB"
            print(said, flush=True)
    first = sizes[0]
    return [
        report(f"peak memory of {rows:.0e} rows over that of {first:.0e}", peaks[rows] / peaks[first], 1.1, True)
        for rows in sizes[1:]
    ]


def cores(rows: int) -> list[bool]:
    job, vary = Job.from_file(JOB), what_varies(rows)
    plan_many(job, vary, Exact(), workers=2)  # its processes stay
    value = statistics.median(
        seconds(lambda: plan_many(job, vary, Exact(), workers=1))
        / seconds(lambda: plan_many(job, vary, Exact(), workers=2))
        for _ in range(3)
    )
    shared = report(f"{rows:,} exact plans: one core over two", value, 1.5, at_most=False)
    print(f"{'  (two halves that share nothing gain on this machine)':70} {two_halves():10.2f}", flush=True)
    return [shared]


def spin() -> float:
    """Work for one core."""
    return math.fsum(math.sqrt(at) for at in range(8_000_000))


def two_halves() -> float:
    """What a second core is worth here at this moment: processes with nothing to say to each other."""

    def both() -> None:
        halves = [subprocess.Popen([sys.executable, __file__, "--spin"]) for _ in range(2)]
        assert [one.wait() for one in halves] == [0, 0]

    def after_each_other() -> None:
        for _ in range(2):
            subprocess.run([sys.executable, __file__, "--spin"], check=True)

    return statistics.median(seconds(after_each_other) / seconds(both) for _ in range(3))


def main() -> int:
    """Print; the exit status is the number of limits that are not met."""
    if "--spin" in sys.argv:
        spin()
        return 0
    quick = "--quick" in sys.argv
    met = speed(1_000_000)
    met += memory((10**6, 4 * 10**6) if quick else (10**7, 10**8))
    met += cores(1_000 if quick else 8_000)
    return met.count(False)


if __name__ == "__main__":
    sys.exit(main())
