"""Checkpointed training played event by event, written from the stated semantics and nothing else.

Deliberately plain and slow: no formula, no array, no import from cprmodel. What it is told:

* Useful work T is cut by a save of C after every τ of work; no save follows the end of the job.
* A failure during a save makes it void; the last complete one counts.
* Failures strike detection, rescheduling and loading too, and these then start again; where kinds are pending
  together the larger counts (whole job over shard over trainer; of shard and trainer the longer time).
* Saves by age: the work before a save depends on how many there were since the last failure.
* Full recovery: every failure sends everybody back to the last complete save.
* Partial recovery: a shard's failure stops everybody for D' + L' and rolls its k shards back; a trainer's stops
  everybody for Dₜ; a whole-job failure sends everybody back.
* A shard loses what it learned since it was last saved or restored; for good, unless everybody rolls back
  before the next complete save, for then these samples are replayed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Setting:
    work: float
    interval: float
    save: float
    full: bool
    reschedule: float = 0.0
    load: float = 0.0
    partial_reschedule: float = 0.0
    partial_load: float = 0.0
    trainer_reschedule: float = 0.0
    shards: int = 8
    failed_shards: int = 1
    free_of_failures_while_rescheduling: bool = False
    works_by_age: tuple[float, ...] = ()  # in the place of the interval: by the saves since the last failure


@dataclass
class Outcome:
    time: float = 0.0
    saves: int = 0
    failures: int = 0
    lost_samples: float = 0.0  # shard-samples
    parts: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("save", "load", "lost", "reschedule"), 0.0)
    )


def play(
    setting: Setting, next_gap: Callable[[], float], next_kind: Callable[[], str], pick: random.Random
) -> Outcome:
    """One job, from its first step to its last."""
    out = Outcome()
    done = saved = 0.0  # work done, and work in the last complete save
    kept = [0.0] * setting.shards  # per shard: since when it has lost nothing
    lost_since_save = 0.0
    until_failure = next_gap()
    saves_since_failure = 0

    while True:
        interval = setting.interval
        if setting.works_by_age:
            interval = setting.works_by_age[min(saves_since_failure, len(setting.works_by_age) - 1)]
        due = saved + interval
        if due > setting.work * (1 - 1e-9):  # whole intervals end with the job, whatever their sum rounds to
            due = setting.work
        working = done < due
        needs = due - done if working else setting.save
        if until_failure > needs:
            until_failure -= needs
            out.time += needs
            if working:
                done = due
                if done >= setting.work:
                    out.lost_samples += lost_since_save
                    return out
            else:
                saved = done
                kept = [done] * setting.shards
                out.lost_samples += lost_since_save
                lost_since_save = 0.0
                out.saves += 1
                saves_since_failure += 1
                out.parts["save"] += setting.save
            continue

        # a failure: what was going on counts until now
        saves_since_failure = 0
        out.time += until_failure
        if working:
            done += until_failure
        else:
            out.parts["lost"] += until_failure  # a void save
        kind, lost = strike(setting, out, next_kind, kept, done, pick)
        pending = {kind}
        lost_since_save += lost
        while True:
            reschedule, load = recovery_of(setting, pending)
            until_failure = next_gap()
            if setting.free_of_failures_while_rescheduling:
                out.time += reschedule
                out.parts["reschedule"] += reschedule
                needs = load
            else:
                needs = reschedule + load
            if until_failure > needs:
                until_failure -= needs
                out.time += needs
                if not setting.free_of_failures_while_rescheduling:
                    out.parts["reschedule"] += reschedule
                out.parts["load"] += load
                break
            out.time += until_failure
            if setting.free_of_failures_while_rescheduling:
                out.parts["load"] += until_failure
            else:
                out.parts["reschedule"] += min(until_failure, reschedule)
                out.parts["load"] += max(0.0, until_failure - reschedule)
            kind, lost = strike(setting, out, next_kind, kept, done, pick)
            pending.add(kind)
            lost_since_save += lost
        if "whole_job" in pending:
            out.parts["lost"] += done - saved
            done = saved
            lost_since_save = 0.0
            kept = [saved] * setting.shards  # everybody is as saved; what was lost since is replayed


def strike(
    setting: Setting,
    out: Outcome,
    next_kind: Callable[[], str],
    kept: list[float],
    done: float,
    pick: random.Random,
) -> tuple[str, float]:
    out.failures += 1
    kind = "whole_job" if setting.full else next_kind()
    lost = 0.0
    if kind == "shard":
        for shard in pick.sample(range(setting.shards), setting.failed_shards):
            lost += done - kept[shard]
            kept[shard] = done
    return kind, lost


def recovery_of(setting: Setting, pending: set[str]) -> tuple[float, float]:
    if "whole_job" in pending:
        return setting.reschedule, setting.load
    if pending == {"trainer"}:
        return setting.trainer_reschedule, 0.0
    if pending == {"shard"}:
        return setting.partial_reschedule, setting.partial_load
    longer = max(setting.partial_reschedule, setting.trainer_reschedule - setting.partial_load)
    return longer, setting.partial_load


def many(setting: Setting, runs: int, seed: int, mtbf: float, shares: tuple[float, float, float]) -> list[Outcome]:
    """Runs with exponential failures; shares are those of shard, trainer and whole-job failures."""
    rng = random.Random(seed)
    kinds = ["shard", "trainer", "whole_job"]
    return [
        play(
            setting,
            lambda: rng.expovariate(1 / mtbf),
            lambda: rng.choices(kinds, shares)[0],
            rng,
        )
        for _ in range(runs)
    ]
