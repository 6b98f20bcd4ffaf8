"""Brute force against the search: random jobs of several levels, and every number of saves in a box.

``python -m tests.costing.judge 0 100`` judges jobs 0 to 99, of two to four levels, and prints where the search is
dearer.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from cprmodel.costing.searching import Found, search
from cprmodel.costing.setting import Limits, Setting
from cprmodel.costing.shared import Shared
from cprmodel.costing.stops import stops_of
from cprmodel.costing.storage import long_run
from cprmodel.facts.storage import MeasuredDirty, SaveLevel, StoredSave
from cprmodel.facts.strategies import FailureMix, FullRecovery, PartialRecovery, Recovery
from cprmodel.jobs import Storage

__all__ = ["BOXES", "Case", "brute_force", "drawn", "excess"]

#: Numbers of saves that are tried, by how many are free.
BOXES = {0: 1, 1: 400, 2: 70, 3: 24, 4: 10}
#: So much dearer than brute force is too dear.
TOO_DEAR = 1e-3


@dataclass(frozen=True)
class Case:
    """A job to search."""

    setting: Setting
    saving: StoredSave
    limits: Limits

    def found(self) -> Found:
        """What the search finds."""
        return search(self.setting, self.saving, self.limits)


def drawn(seed: int, levels: int | None = None) -> Case:
    """A job at random: dirty rows, stalls, drains, budgets, shares of a bandwidth, steps, given levels."""
    random = np.random.default_rng(seed)

    def perhaps(share: float) -> bool:
        return bool(random.random() < share)

    mtbf = float(10 ** random.uniform(3.3, 6))
    count = levels or int(random.integers(2, 5))
    survives = [*(float(one) for one in np.sort(random.uniform(0.1, 0.99, count - 1))), 1.0]
    saves = [float(one) for one in np.sort(10 ** random.uniform(-4.5, -1.5, count)) * mtbf]

    def part(most: float) -> float:
        return float(random.uniform(0, most)) * mtbf

    dirty, always = None, 0.0
    if perhaps(0.6):
        times = np.sort(10 ** random.uniform(-3, 0, 4)) * mtbf
        shares = np.sort(random.uniform(0.02, 1, 4))
        dirty = MeasuredDirty(tuple((float(at), float(share)) for at, share in zip(times, shares, strict=True)))
        always = float(10 ** random.uniform(-3, -1))
    places = []
    for at in range(count):
        stall = saves[at] * float(random.uniform(0, 0.3)) if perhaps(0.3) else 0.0
        every = int(random.integers(1, 6)) if at > 0 and perhaps(0.15) else None
        places.append(SaveLevel(str(at), saves[at], part(0.02), part(0.005), survives[at], every, stall))
    overlap = float(random.uniform(0.3, 1)) if perhaps(0.5) else 0.0
    drain = saves[-1] * float(random.uniform(0.2, 2)) if overlap else 0.0
    if overlap:
        copies = saves[-1] if perhaps(0.5) else 0.0
        places[-1] = replace(places[-1], save_s=copies, stall_s=saves[-1] * float(random.uniform(0, 0.2)))
    counts = tuple(level.every or 1 for level in places[1:])
    saving = StoredSave(tuple(places), counts, drain, overlap, dirty, always)
    _, trainer, whole = (float(one) for one in random.dirichlet([2, 1, 0.5]))
    lost = float(random.choice([1.0, random.uniform(1, 2)]))
    mix = FailureMix(mtbf, 1 - trainer - whole, trainer, whole, lost)
    full = perhaps(0.5)
    recovery: Recovery = FullRecovery(part(0.02), part(0.02))
    if not full:
        recovery = PartialRecovery(*(part(0.02) for _ in range(5)))
    work = mtbf * float(random.uniform(20, 500))
    step = float(10 ** random.uniform(-4, -1.5)) * mtbf if perhaps(0.3) else 0.0
    budget = None if full or perhaps(0.3) else float(10 ** random.uniform(-3, -1))
    shared = None
    if perhaps(0.2):
        shared = Shared(Storage(nodes=4, share=float(10 ** random.uniform(-2.5, -0.5))), mtbf * 4)
    setting = Setting(work, step, mix, int(random.integers(2, 20)), recovery)
    return Case(setting, saving, Limits(budget, 0.0, shared))


def _values(case: Case, counts: Any, intervals: Any) -> Any:
    """The overhead; infinite where a limit is broken."""
    setting, limits = case.setting, case.limits
    stops = stops_of(setting.mix, setting.recovery, case.saving.levels, setting.shards)
    columns = [counts[:, at, None] for at in range(counts.shape[1])]
    run = long_run(case.saving, intervals, setting.mix.mtbf_s, stops, columns)
    keeps = np.broadcast_to(run.drains <= 1 + 1e-9, intervals.shape)
    keeps = keeps & (intervals * counts.prod(axis=1)[:, None] <= setting.work_s * (1 + 1e-9))
    if limits.budget is not None:
        keeps = keeps & (run.pls <= limits.budget)
    if limits.shared is not None:
        keeps = keeps & (run.io_s <= limits.shared.storage.share)
    return np.where(keeps & ~np.isnan(run.breakdown.total), run.breakdown.total, np.inf)


def brute_force(case: Case, box: int | None = None, points: int = 60) -> tuple[float, tuple[int, ...], float]:
    """The least overhead over a box of numbers of saves and a grid of intervals, closed in on at the end."""
    free = [level.every is None for level in case.saving.levels[1:]]
    most = BOXES[sum(free)] if box is None else box
    ranges = [
        range(1, most + 1) if chosen else [count] for chosen, count in zip(free, case.saving.counts, strict=True)
    ]
    rows = np.array(list(product(*ranges)), dtype=float)
    low, high = 1e-4 * case.setting.mix.mtbf_s, min(30 * case.setting.mix.mtbf_s, case.setting.work_s)
    grid, step = np.geomspace(low, high, points), case.setting.step_s
    if step:
        grid = np.unique(np.concatenate([np.arange(1, 30), np.round(grid / step)])) * step
        grid = grid[grid > 0]
    best: tuple[float, tuple[int, ...], float] = (np.inf, (), 0.0)
    for some in np.array_split(rows, max(1, len(rows) * len(grid) // 100_000)):
        values = _values(case, some, np.broadcast_to(grid, (len(some), len(grid))))
        at = np.unravel_index(int(np.argmin(values)), values.shape)
        if values[at] < best[0]:
            best = float(values[at]), tuple(int(one) for one in some[at[0]]), float(grid[at[1]])
    if not best[1]:
        return best
    near = np.geomspace(best[2] / 1.4, best[2] * 1.4, 3000)
    if step:
        near = np.maximum(np.unique(np.round(near / step)), 1) * step
    values = _values(case, np.array([best[1]], dtype=float), near[None, :])
    at_best = int(np.argmin(values))
    return min(best, (float(values[0, at_best]), best[1], float(near[at_best])))


def excess(found: Found, judged: float) -> float:
    """How much dearer than brute force the search is; infinite where it found nothing and brute force did."""
    if not np.isfinite(judged):
        return 0.0
    return found.value / judged - 1


def main(first: int, beyond: int, levels: int | None = None) -> int:
    """Judge jobs from one seed to another; the number of those that are too dear."""
    dear, took = 0, []
    for seed in range(first, beyond):
        case = drawn(seed, levels)
        began = time.process_time()
        found = case.found()
        took.append(time.process_time() - began)
        judged = brute_force(case)
        over = excess(found, judged[0])
        if over > TOO_DEAR:
            dear += 1
            print(f"{seed}: {over:+.3%}: {found} against {judged}", flush=True)
    slowest = max(took) / np.median(took)
    print(f"{dear} of {beyond - first} dearer by over {TOO_DEAR:.1%}; slowest {slowest:.3g} medians")
    return dear


if __name__ == "__main__":
    sys.exit(bool(main(*(int(one) for one in sys.argv[1:]))))
