"""A chain of jobs under a time limit, played event by event, from the stated semantics and nothing else.

Deliberately plain and slow: no formula, no array, no import from cprmodel. What it is told:

* A job begins by loading the last save, and its clock with it. A failure while it loads ends it.
* It works, and saves after every τ of work. With a save before the limit it begins that one so that it ends at the
  limit (in whole steps: after the last whole step that fits), and begins no regular save that would not be over by
  then; saved, it ends. Ended without notice it is cut off at a moment that is uniform over half a cycle of work and
  save on either side of the limit, and everybody returns to the last save.
* After a limit the next job begins when the queue lets it; nothing fails in the queue.
* A failure of everything sends everybody back, and ends the job: the next begins after it was rescheduled, which
  failures make begin again.
* A shard's failure stops the job until its shards are back, a trainer's until it is replaced; a failure meanwhile
  starts that again for all that is pending. The clock goes on. A save that is struck is void and is taken anew.
* A job whose clock runs out in a stop or in a save is cut off.
* Planned stops come by the clock on the wall, a half to one and a half of a period after the last one ended. A job
  that one would strike ends before it as before a limit that it knows of, and the next job begins after it. One
  that comes while the job is down ends before the next job begins.
* A shard loses what it learned since it was last saved or restored; for good, unless everybody goes back before the
  next complete save.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace


@dataclass
class Setting:
    limit: float
    requeue: float
    interval: float
    save: float
    load: float
    reschedule: float
    mtbf: float
    save_before: bool
    step: float = 0.0
    shares: tuple[float, float, float] = (0.0, 0.0, 1.0)  # of shard, trainer and whole-job failures
    partial_load: float = 0.0
    partial_reschedule: float = 0.0
    trainer_reschedule: float = 0.0
    shards: int = 8
    failed_shards: int = 1
    every: float = math.inf  # from the end of a planned stop to the next one
    lasts: float = 0.0


@dataclass
class Chain:
    time: float = 0.0
    work: float = 0.0  # kept
    lost: float = 0.0  # shard-seconds, for good
    saves: int = 0
    limits: int = 0
    stops: int = 0  # planned ones that are over
    stop: float = math.inf  # when that one begins
    kept: list[float] = field(default_factory=list)  # per shard: since when it has lost nothing
    since: float = 0.0  # shard-seconds lost since the last save


def play(setting: Setting, jobs: int, rng: random.Random) -> Chain:
    """So many jobs, one after the other."""
    chain = Chain(kept=[0.0] * setting.shards, stop=setting.every)
    for _ in range(jobs):
        _job(setting, chain, rng)
    return chain


def _gap(setting: Setting, rng: random.Random) -> float:
    return rng.expovariate(1 / setting.mtbf)


def _job(setting: Setting, chain: Chain, rng: random.Random) -> None:
    if chain.stop <= chain.time:
        chain.time = max(chain.time, chain.stop + setting.lasts)
        chain.stops += 1
        chain.stop += setting.lasts + setting.every
        return None
    limit, cycle, save_before = setting.limit, setting.interval + setting.save, setting.save_before
    if not save_before:
        limit += rng.uniform(-cycle / 2, cycle / 2)
    if chain.stop - chain.time < limit:
        limit, save_before = chain.stop - chain.time, True
        setting = replace(setting, requeue=0.0)  # it is over when the stop is
    if limit < setting.load:
        chain.time += limit
        return None
    clock, until, saved = 0.0, _gap(setting, rng), chain.work
    done = saved
    if until < setting.load:
        chain.time += until
        return _failed(setting, chain, rng, saved)
    clock, until = setting.load, until - setting.load
    due, final = saved + setting.interval, False
    saving = False
    while True:
        if not saving and save_before:
            # how much work fits before the save that ends at the limit; a regular save only where there is room
            fits = limit - setting.save - clock
            final = done + fits <= due or clock + (due - done) + setting.save >= limit - setting.save
            if final and setting.step:
                since = done - saved
                fits = math.floor((since + fits) / setting.step + 1e-9) * setting.step - since
            target = done + max(fits, 0.0) if final else due
        elif not saving:
            target = due
        needs = setting.save if saving else target - done
        if clock + needs > limit * (1 + 1e-12) and until > limit - clock:
            chain.time += limit  # the clock has run out: cut off
            return _ended(setting, chain, saved)
        if until > needs:
            until, clock = until - needs, clock + needs
            if not saving:
                done, saving = target, True
                continue
            saving, saved = False, done
            chain.saves += 1
            chain.lost, chain.since, chain.kept = chain.lost + chain.since, 0.0, [done] * setting.shards
            chain.work = done
            due = done + setting.interval
            if final:
                chain.time += clock
                return _ended(setting, chain, saved)
            continue
        # a failure
        clock += until
        if not saving:
            done += until
        pending: set[str] = set()
        while True:
            kind = rng.choices(["shard", "trainer", "all"], setting.shares)[0]
            if kind == "all":
                chain.time += clock
                return _failed(setting, chain, rng, saved)
            if kind == "shard":
                for shard in rng.sample(range(setting.shards), setting.failed_shards):
                    chain.since += done - chain.kept[shard]
                    chain.kept[shard] = done
            pending.add(kind)
            shard_s = setting.partial_reschedule + setting.partial_load
            times = {"shard": shard_s, "trainer": setting.trainer_reschedule}
            stop = max(times[one] for one in pending)
            until = _gap(setting, rng)
            if clock + min(stop, until) > limit:
                chain.time += limit
                return _ended(setting, chain, saved)
            if until > stop:
                until, clock = until - stop, clock + stop
                break
            clock += until


def _ended(setting: Setting, chain: Chain, saved: float) -> None:
    """At the limit: everybody loads the last save in the next job."""
    chain.time += setting.requeue
    chain.limits += 1
    _back(setting, chain, saved)


def _failed(setting: Setting, chain: Chain, rng: random.Random, saved: float) -> None:
    while True:
        until = _gap(setting, rng)
        if until > setting.reschedule:
            chain.time += setting.reschedule
            break
        chain.time += until
    _back(setting, chain, saved)


def _back(setting: Setting, chain: Chain, saved: float) -> None:
    chain.work, chain.since, chain.kept = saved, 0.0, [saved] * setting.shards


def with_stops(setting: Setting, batches: int, stops: int, seed: int) -> tuple[float, float]:
    """Overhead of chains that each end with as many planned stops, less what the stops last; its standard error."""
    rng, found = random.Random(seed), []
    for _ in range(batches):
        chain = Chain(kept=[0.0] * setting.shards, stop=setting.every)
        while chain.stops < stops:
            _job(setting, chain, rng)
        found.append((chain.time - stops * setting.lasts, chain.work))
    time, work = sum(one[0] for one in found), sum(one[1] for one in found)
    square = sum((one[0] - time / work * one[1]) ** 2 for one in found) / (batches - 1)
    return time / work - 1, math.sqrt(square * batches) / work


def overhead(setting: Setting, batches: int, jobs: int, seed: int) -> tuple[float, float, float]:
    """Overhead of a long chain, its standard error (over batches, of a ratio), and the PLS."""
    rng = random.Random(seed)
    found = [play(setting, jobs, rng) for _ in range(batches)]
    time, work = sum(one.time for one in found), sum(one.work for one in found)
    ratio = time / work
    square = sum((one.time - ratio * one.work) ** 2 for one in found) / (batches - 1)
    lost = sum(one.lost for one in found) / (setting.shards * work)
    return ratio - 1, math.sqrt(square * batches) / work, lost
