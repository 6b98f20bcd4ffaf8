"""What ordering costs, as ratios in one run, and how far its predictions are from simulations.

* best fixed intervals of 1e8 rates against ``numpy.sqrt`` over the same array plus one sum; peak memory;
* ``select(n)`` of each tracker against ``numpy.argpartition`` of its priorities (the copy's comparison is exempt),
  and of least harm against that of the largest change;
* ``record`` of a batch against ``numpy.add.at`` of the same rows into counters of the same type;
* MFU counted, and both orders in their fluid limit, against simulated with the real trackers, Zipf 0.6 to 1.4,
  three budgets, 20,000 rows, 100 updates of a row and full save; every policy at the setting of
  docs/models/priority.md.

Run: python benchmarks/priority.py [--quick]
"""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from timing import ratio

from cprmodel.ordering import optimal_intervals, play, root_sum, rows_of, zipf_rows
from cprmodel.ordering.played import pieces
from cprmodel.ordering.predicted import predict_fluid, predict_mfu
from cprmodel.trackers import (
    GrownSums,
    LargestChange,
    LeastHarm,
    MostFrequentlyUpdated,
    SubSampledUpdated,
    UpdateAge,
)


def report(what: str, value: float, limit: float | None) -> bool:
    good = limit is None or value <= limit
    held = "" if limit is None else f"   at most {limit:g}: {'yes' if good else 'NO'}"
    print(f"{what:66} {value:9.3f}{held}", flush=True)
    return good


def intervals(number: int) -> list[bool]:
    rates = np.random.default_rng(1).random(number) + 1e-3
    rows = rows_of(rates, 64.0, 64.0)

    def bare() -> float:
        return float(np.sqrt(rates).sum())

    met = [
        report(
            f"best fixed intervals of {number:.0e} rates over sqrt and sum",
            ratio(lambda: optimal_intervals(rows, 1e9), bare),
            3,
        )
    ]
    tracemalloc.start()
    optimal_intervals(rows, 1e9)
    peak = 1 + tracemalloc.get_traced_memory()[1] / rates.nbytes
    tracemalloc.stop()
    return [*met, report("  peak memory, input included, over the input", peak, 3)]


def trackers(rows: int) -> list[bool]:
    met = []
    rng = np.random.default_rng(2)
    weights = np.arange(1, rows + 1) ** -1.05
    drawn = rng.permutation(rows)[rng.choice(rows, 2**20, p=weights / weights.sum())]
    n = rows // 8
    for batch in (2**12, 2**16):
        batches = np.split(drawn, len(drawn) // batch)[:32]
        bare = np.zeros(rows, dtype=np.uint32)

        def base(batches: Any = batches, bare: Any = bare) -> None:
            for one in batches:
                np.add.at(bare, one, np.uint32(1))

        for tracker in (MostFrequentlyUpdated(rows), UpdateAge(rows), SubSampledUpdated(rows, n)):

            def record(tracker: Any = tracker, batches: Any = batches) -> None:
                for one in batches:
                    tracker.record(one)

            name = type(tracker).__name__
            met.append(report(f"{name}.record of {batch:,} over add.at", ratio(record, base), 3))
    for made in (MostFrequentlyUpdated(rows), UpdateAge(rows), SubSampledUpdated(rows, n)):
        tracker: Any = made
        for part in np.split(drawn, 16):
            tracker.record(part)
            tracker.tick()
        priority = tracker.updates if hasattr(tracker, "updates") else np.bincount(drawn, minlength=rows)
        if hasattr(tracker, "age"):
            priority = (priority * tracker.age).astype(np.float32)
        value = ratio(lambda t=tracker: t.select(n), lambda p=priority: np.argpartition(p, rows - n))
        met.append(report(f"{type(tracker).__name__}.select over argpartition", value, 2))
    table = rng.random((rows, 16), dtype=np.float32)
    scar = LargestChange(table)
    table += rng.random((rows, 16), dtype=np.float32)
    value = ratio(lambda: scar.select(n), lambda: np.argpartition(table[:, 0], rows - n))
    met.append(report("LargestChange.select over argpartition (exempt)", value, None))
    root = rng.random((16, 16))
    harm = LeastHarm(scar.copy.copy(), curvature=root @ root.T)
    harm.values += table - scar.copy
    harm.record(drawn)
    value = ratio(lambda: harm.select(n), lambda: scar.select(n))
    met.append(report("LeastHarm.select over LargestChange.select", value, 3))
    value = (harm.nbytes - scar.nbytes) / rows
    met.append(report("  memory a row beyond LargestChange's [B]", value, 4))
    sums = GrownSums(np.zeros(rows, dtype=np.float32))
    sums.sums += rng.random(rows, dtype=np.float32)
    value = ratio(lambda: sums.select(n), lambda: scar.select(n))
    met.append(report("GrownSums.select over LargestChange.select", value, 1))
    return [*met, report("  memory a row [B]", sums.nbytes / rows, 4)]


def predictions(rows: int, exponents: tuple[float, ...], fractions: tuple[float, ...]) -> list[bool]:
    print(f"\n{rows:,} rows, 100 updates of a row and full save; lost updates over those of a full-save interval")
    head = ("MFU", "± SE", "fluid", "counted", "age", "± SE", "fluid", "fixed")
    print(f"{'Zipf':>5}{'share':>7}" + "".join(f"{one:>10}" for one in head))
    worst = {"counted": 0.0, "fluid": 0.0, "age": 0.0}
    for exponent in exponents:
        for r in fractions:
            some = zipf_rows(exponent, rows, 1.0, rows * 100.0 * r)
            classes = some.classes()
            updates = pieces(classes, rows)
            slots = {"slots": round(50 / r), "warm_up": round(40 / r)}
            mfu, age = (play(policy, updates, r, **slots) for policy in ("mfu", "update-age"))
            known = predict_mfu(classes, r)
            counted = known.lost_updates_fraction if known else float("nan")
            fluid = predict_fluid(classes, r, "mfu").lost_updates_fraction
            aged = predict_fluid(classes, r, "update-age").lost_updates_fraction
            best = root_sum(some) ** 2 / (2 * some.total_bytes * some.total_updates_per_s)
            cells = (mfu.lost_updates_fraction, mfu.standard_error, fluid, counted)
            cells = (*cells, age.lost_updates_fraction, age.standard_error, aged, best)
            print(f"{exponent:5}{r:7.3f}" + "".join(f"{cell:10.4f}" for cell in cells), flush=True)
            for name, value, played in (("counted", counted, mfu), ("fluid", fluid, mfu), ("age", aged, age)):
                worst[name] = max(worst[name], abs(value / played.lost_updates_fraction - 1))
    met = [report("\nworst error of the counted prediction of MFU [%]", 100 * worst["counted"], 1)]
    met.append(report("worst error of its fluid limit [%]", 100 * worst["fluid"], None))
    return [*met, report("worst error of the fluid limit of updates x age [%]", 100 * worst["age"], 10)]


def policies(rows: int, exponents: tuple[float, ...]) -> None:
    print(f"\nsimulated, {rows:,} rows, an eighth at a time")
    print(f"{'Zipf':>5}" + "".join(f"{name:>20}" for name in ("round-robin", "mfu", "ssu", "scar", "update-age")))
    for exponent in exponents:
        updates = pieces(zipf_rows(exponent, rows, 1.0, rows * 12.5).classes(), rows)
        cells = []
        for name in ("round-robin", "mfu", "ssu", "scar", "update-age"):
            one = play(name, updates, 0.125, slots=320, warm_up=320)
            cells.append(f"{one.lost_updates_fraction:.4f} ± {one.standard_error:.4f}")
        print(f"{exponent:5}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


def main() -> int:
    """Print; the exit status is the number of limits that are not met."""
    quick = "--quick" in sys.argv
    met = intervals(10**7 if quick else 10**8)
    met += trackers(10**6)
    exponents = (1.05,) if quick else (0.6, 0.8, 1.05, 1.2, 1.4)
    met += predictions(2_000 if quick else 20_000, exponents, (0.05, 0.125, 0.25))
    policies(2_000 if quick else 20_000, (1.05,) if quick else (0.8, 1.05, 1.2))
    return met.count(False)


if __name__ == "__main__":
    sys.exit(main())
