"""A job that waits for repairs and stops for maintenance, played event by event, from what is stated here alone.

Deliberately plain and slow: no formula, no array, no import from cprmodel. Full recovery, saves that block.

* Every failure sends everybody back to the last complete save. With probability ``share`` it takes a node, which
  comes back after a repair; a spare takes its place. While more nodes are in repair than there are spares, all
  wait, and nothing fails; then it is rescheduled and loads, which failures make begin again.
* At every multiple of the maintenance's period, by the clock on the wall, training stops: a save is made first
  where training is going on (a save under way is made anew). Then everybody loads.
* Maintenance that comes while the job is down waits until it is up again.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass


@dataclass
class Setting:
    work: float
    interval: float
    save: float
    load: float
    reschedule: float
    mtbf: float
    spares: int = 10**6
    repair: float = 0.0
    share: float = 1.0
    fixed_repairs: bool = False
    every: float = math.inf
    lasts: float = 0.0


def play(setting: Setting, rng: random.Random) -> tuple[float, float, int]:
    """The time to train, what of it was spent waiting for a node, and how many saves were made."""
    now = done = saved = waited = 0.0
    broken: list[float] = []  # when each comes back
    saves, gap = 0, rng.expovariate(1 / setting.mtbf)
    phase, left = "work", 0.0
    due = setting.every
    while True:
        if phase == "work":
            left = min(saved + setting.interval, setting.work) - done
        training = phase in ("work", "save")
        if training and now + left > due and gap > due - now:
            passes = max(due - now, 0.0)
            now, gap = now + passes, gap - passes
            done += passes if phase == "work" else 0.0
            phase, left, due = "last save", setting.save, due + setting.every
            continue
        if gap > left:
            now, gap = now + left, gap - left
            if phase == "work":
                done += left
                if done >= setting.work * (1 - 1e-12):
                    return now, waited, saves
                phase, left = "save", setting.save
            elif phase in ("save", "last save"):
                saved, saves = done, saves + 1
                if phase == "last save":
                    now += setting.lasts
                    phase, left = "load", setting.load
                else:
                    phase = "work"
            else:
                phase = "work"
            continue
        # a failure
        now += gap
        done = saved
        while broken and broken[0] <= now:
            heapq.heappop(broken)
        if rng.random() < setting.share and setting.repair:
            back = setting.repair if setting.fixed_repairs else rng.expovariate(1 / setting.repair)
            heapq.heappush(broken, now + back)
        while len(broken) > setting.spares:
            waited += broken[0] - now
            now = heapq.heappop(broken)
        phase, left, gap = "load", setting.reschedule + setting.load, rng.expovariate(1 / setting.mtbf)
