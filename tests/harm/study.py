"""How far predictions of harm reach, in the small model: ``python -m tests.harm.study [seeds]``.

Put-backs of one shard of four at moments and to ages all over a run of 600 steps, each measured by a run of its own
against the prediction of a probe of the same run without failures; then what a unit of PLS costs, and what the best
intervals of rows gain.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import numpy as np

from cprmodel.harm.intervals import intervals_of
from cprmodel.harm.predicted import HarmModel
from tests.harm.small_model import BATCH, SHARDS, STEPS, Setting, put_back, record, shard, trained

POINTS, AGES, LEFT = [50, 100, 200, 300, 400, 500, 600], [10, 30, 90, 200], [30, 100, 200, 300, 400, 500]
MOMENTS, BACK = (50, 100, 150, 250, 350, 450, 550), (30, 90)


def measured(setting: Setting, history: Any, position: int, age: int) -> tuple[float, float]:
    """True rise at once and at the end, on average over the shards."""
    state = history[position].copies(SHARDS + 1)
    for number in range(SHARDS):
        put_back(state, number, history[position - age], shard(number))
    at_once = setting.loss(state)
    for number in range(position, STEPS):
        state.step(setting, number)
    at_end = setting.loss(state)
    return float((at_once[:-1] - at_once[-1]).mean()), float((at_end[:-1] - at_end[-1]).mean())


def main(seeds: int) -> None:
    """Sums over seeds."""
    found: dict[tuple[int, int], list[Any]] = defaultdict(list)
    slopes: dict[float, list[float]] = defaultdict(list)
    gains = []
    for seed in range(21, 21 + seeds):
        setting = Setting(seed)
        history = trained(setting)
        model = HarmModel(record(setting, history, POINTS, AGES, LEFT))
        for position in MOMENTS:
            for age in BACK:
                if age <= position:
                    once, end = measured(setting, history, position, age)
                    said = [
                        model.once(position * BATCH, age * BATCH, 1 / SHARDS, at_once=one) for one in (True, False)
                    ]
                    found[position, age].append((once, said[0].rise, end, said[1].rise))
        for share in (0.02, 0.05, 0.1, 0.2, 0.4):
            pls = 1e-3 / SHARDS * share / 2
            slopes[share].append(model.run(1e-3, 1 / SHARDS, share * STEPS * BATCH).rise / pls)
        bytes_per_sample = 16.0 * 4 * 96 / (0.2 * STEPS * BATCH)
        of = intervals_of(model, 16.0, bytes_per_sample)
        gains.append((of.least / of.uniform, of.by_accesses / of.uniform))
    print(f"{seeds} seeds; rise of the log loss in 1e-4, measured (measured over predicted)")
    print("step  steps lost      at once        at the end    at the end, per PLS")
    for (position, age), rows in sorted(found.items()):
        once, once_said, end, end_said = np.mean(rows, axis=0)
        per_pls = end / (age / STEPS / SHARDS)
        print(
            f"{position:4d} {age:8d}     {1e4 * once:6.2f} ({once / once_said:4.2f})  {1e4 * end:6.2f} "
            f"({end / end_said:4.2f})  {per_pls:10.4f}"
        )
    print("interval over run, predicted rise per PLS:")
    for share, values in slopes.items():
        print(f"  {share:.0%}: {np.mean(values):.4f}")
    least, by_accesses = np.mean(gains, axis=0)
    print(
        f"best intervals over one for all rows: {least:.3f}; by the square-root law of accesses: {by_accesses:.3f}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
