"""A job with silent errors, each save after a check, played event by event, from what is stated here alone.

Deliberately plain and slow: no formula, no array, no import from cprmodel.

* Work of τ, a check, a save; the end of the job is checked, too. Silent errors come at a constant rate at work.
* A check that finds one sends everybody back to the last save, to load it; without one the save follows.
* A failure that takes everything sends everybody back, too: rescheduling and loading, which failures make begin
  again. So does any failure that strikes the load after a silent error.
* A shard's failure stops everybody until its shards are back, a trainer's until it is replaced; a failure meanwhile
  starts that again for all that is pending, of two kinds for the longer. Then work goes on; a check or a save that
  was struck begins anew.
* A shard loses what it learned since it was last saved or restored; for good, unless everybody goes back before the
  next complete save.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass
class Setting:
    work: float
    interval: float
    verify: float
    save: float
    load: float
    reschedule: float
    mtbf: float
    silent_mtbf: float
    shares: tuple[float, float, float] = (0.0, 0.0, 1.0)
    partial_load: float = 0.0
    partial_reschedule: float = 0.0
    trainer_reschedule: float = 0.0
    shards: int = 8


def play(setting: Setting, rng: random.Random) -> tuple[float, float]:
    """The time to train, and the portion of the samples that was lost for good."""
    time = done = saved = lost = since = 0.0
    kept = [0.0] * setting.shards
    bad, phase = False, "work"
    until, error = rng.expovariate(1 / setting.mtbf), rng.expovariate(1 / setting.silent_mtbf)
    while True:
        lengths = {"work": min(saved + setting.interval, setting.work) - done, "check": setting.verify}
        lengths |= {"save": setting.save, "load": setting.load, "restart": setting.reschedule + setting.load}
        needs = lengths[phase]
        passes = min(needs, until)
        time += passes
        if phase == "work":
            done += passes
            bad = bad or error < passes
            error = error - passes if error > passes else rng.expovariate(1 / setting.silent_mtbf)
        if until > needs:
            until -= needs
            if phase == "work":
                phase = "check"
            elif phase == "check" and bad:
                phase = "load"
            elif phase == "check":
                phase = "save"
                if done >= setting.work * (1 - 1e-12):
                    return time, (lost + since) / (setting.shards * setting.work)
            elif phase == "save":
                lost, since, saved, phase = lost + since, 0.0, done, "work"
                kept = [done] * setting.shards
            else:
                done, since, bad, phase = saved, 0.0, False, "work"
                kept = [saved] * setting.shards
            continue
        pending: set[str] = set()
        back = phase in ("load", "restart")
        while not back:
            kind = rng.choices(["shard", "trainer", "all"], setting.shares)[0]
            if kind == "all":
                back = True
                break
            if kind == "shard":
                shard = rng.randrange(setting.shards)
                since += done - kept[shard]
                kept[shard] = done
            pending.add(kind)
            shard_s = setting.partial_reschedule + setting.partial_load
            stop = max({"shard": shard_s, "trainer": setting.trainer_reschedule}[one] for one in pending)
            until = rng.expovariate(1 / setting.mtbf)
            time += min(stop, until)
            if until > stop:
                until -= stop
                break
        if back:
            phase, until = "restart", rng.expovariate(1 / setting.mtbf)
