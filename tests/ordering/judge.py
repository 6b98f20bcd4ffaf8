"""A judge of orders of saving that shares no code with the package: rows, counts, and failures, played out.

``steady`` plays an order without failures and measures what is unsaved. ``jobs`` plays many jobs at once, slot by
slot; a job that a failure strikes in a slot is played on its own from event to event. Every shard has its rows and
its own share of what is saved. Ties go by lot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


def zipf(exponent: float, rows: int) -> Any:
    """Rates whose mean is 1."""
    weights = 1.0 / np.arange(1, rows + 1) ** exponent
    return weights / weights.mean()


class Rule:
    """An order over rows of any number of tables: the last axis is the rows of one table."""

    def __init__(self, name: str, rates: Any, fraction: float, random: np.random.Generator) -> None:
        self.name, self.rates, self.fraction, self.random = name, rates, fraction, random
        self.ages = np.zeros(rates.shape)
        self.left = 0.0  # of a row that is due
        self.position = np.random.default_rng(0).permuted(
            np.broadcast_to(np.arange(rates.shape[-1]), rates.shape), axis=-1
        )
        self.turn = 0
        if name == "scar":
            self.moved = np.zeros((*rates.shape, 16))

    def learn(self, counts: Any) -> None:
        if self.name == "scar":
            self.moved += self.random.standard_normal(self.moved.shape) * np.sqrt(counts)[..., None]

    def forget(self, where: Any) -> None:
        """These rows are as they were saved."""
        self.ages[where] = 0
        if self.name == "scar":
            self.moved[where] = 0

    def choose(self, counts: Any) -> Any:
        """Which rows are saved now."""
        rows = counts.shape[-1]
        self.ages += 1
        self.left += self.fraction * rows
        due = int(self.left + 1e-9)
        self.left -= due
        if self.name == "round-robin":
            offset = (self.position - self.turn) % rows
            self.turn += due
            return offset < due
        worth = {
            "mfu": lambda: counts,
            "update-age": lambda: counts * self.ages,
            "best-fixed": lambda: self.rates * self.ages**2,
            "scar": lambda: (self.moved**2).sum(-1),
        }[self.name]().astype(float)
        chosen = np.zeros(worth.shape, dtype=bool)
        if due:
            close = 0.5 if self.name in ("mfu", "update-age") else 1e-12 * worth.max()
            by_lot = worth + close * self.random.random(worth.shape)
            np.put_along_axis(chosen, np.argpartition(by_lot, rows - due, -1)[..., rows - due :], True, -1)
        return chosen & (worth > 0)


class Listing:
    """CPR-SSU on one table: every second update puts its row on a list that gives up rows at random."""

    def __init__(self, rates: Any, fraction: float, random: np.random.Generator) -> None:
        self.rows, self.random, self.room = rates.size, random, int(np.ceil(fraction * rates.size))
        self.names: list[int] = []
        self.odd = 0

    def learn(self, counts: Any) -> None:
        stream = np.repeat(np.arange(self.rows), counts)
        self.random.shuffle(stream)
        for row in stream[self.odd :: 2].tolist():
            if row in self.names:
                continue
            if len(self.names) < self.room:
                self.names.append(row)
            else:
                self.names[int(self.random.integers(self.room))] = row
        self.odd = (self.odd + stream.size) % 2

    def choose(self, counts: Any) -> Any:
        chosen = np.zeros(self.rows, dtype=bool)
        chosen[self.names] = True
        self.names = []
        return chosen


def steady(name: str, rates: Any, fraction: float, slots: int, warm_up: int, seed: int) -> tuple[float, float]:
    """What a failure takes over the updates of a full-save interval, with its standard error; ``rates`` a slot."""
    random = np.random.default_rng(seed)
    rule: Any = Listing(rates, fraction, random) if name == "ssu" else Rule(name, rates, fraction, random)
    unsaved = np.zeros(rates.size, dtype=int)
    found = np.empty(slots)
    for slot in range(-warm_up, slots):
        counts = random.poisson(rates)
        if slot >= 0:
            found[slot] = unsaved.sum() + counts.sum() / 2
        unsaved += counts
        rule.learn(counts)
        chosen = rule.choose(unsaved)
        unsaved[chosen] = 0
        if name != "ssu":
            rule.forget(chosen)
    share = found * fraction / rates.sum()
    parts = np.array([part.mean() for part in np.array_split(share, 10)])
    return float(share.mean()), float(parts.std(ddof=1) / 10**0.5)


@dataclass(frozen=True)
class Struck:
    """A job in numbers [s]; ``rates``: shards × rows, updates a second."""

    work: float
    every: float  # useful work between two saves
    save: float
    fraction: float
    mtbf: float
    rates: Any
    shard: float
    trainer: float
    failed: int
    shard_stop: float
    trainer_stop: float


def jobs(order: str, job: Struck, runs: int, seed: int) -> Any:
    """The share of all updates that each of so many jobs loses for good."""
    random = np.random.default_rng(seed)
    shape = (runs, *job.rates.shape)
    rates = np.broadcast_to(job.rates, shape).copy()
    rule = Rule(order, rates, job.fraction, random)
    stale = np.zeros(shape, dtype=int)
    lost = np.zeros(runs)
    clock = random.exponential(job.mtbf, runs)
    done = 0.0
    while done < job.work * (1 - 1e-9):
        length = min(job.every, job.work - done)
        if length < job.every * 1e-9:
            break
        ends = done + length >= job.work * (1 - 1e-9)
        save = 0.0 if ends else job.save
        fresh = random.poisson(rates * length)
        calm = clock > length + save
        clock[calm] -= length + save
        for run in np.flatnonzero(~calm):
            _struck(job, run, length, save, ends, rates, stale, fresh, lost, clock, rule, random)
        stale += fresh
        done += length
        if not ends:
            chosen = rule.choose(stale)
            stale[chosen] = 0
            rule.forget(chosen)
    return lost / (job.rates.sum() * job.work)


def _struck(
    job: Struck,
    run: int,
    length: float,
    save: float,
    ends: bool,
    rates: Any,
    stale: Any,
    fresh: Any,
    lost: Any,
    clock: Any,
    rule: Rule,
    random: np.random.Generator,
) -> None:
    """One slot of one job, from event to event; on return the slot is over and its save complete."""
    fresh[run] = 0
    worked, since_save = 0.0, 0.0  # work done; updates lost since the last save, which a roll-back makes again
    while True:
        working = worked < length * (1 - 1e-12)
        if not working and ends:
            break
        span = length - worked if working else save
        step = min(span, clock[run])
        clock[run] -= step
        if working:
            fresh[run] += random.poisson(rates[run] * step)
            worked += step
        if step == span:
            if working:
                continue
            break
        back, since_save = _stop(job, run, stale, fresh, lost, clock, rule, random, since_save)
        if back:
            lost[run] += stale[run].sum()
            stale[run] = fresh[run] = 0
            rule.forget(run)
            worked, since_save = 0.0, 0.0
    lost[run] += since_save


def _stop(
    job: Struck,
    run: int,
    stale: Any,
    fresh: Any,
    lost: Any,
    clock: Any,
    rule: Rule,
    random: np.random.Generator,
    since_save: float,
) -> tuple[bool, float]:
    """A failure and its stop, again from its beginning whenever it is struck; whether everybody rolls back."""
    pending = ""
    while True:
        clock[run] = random.exponential(job.mtbf)
        kind = random.random()
        if kind >= job.shard + job.trainer:
            # the whole job's recovery may be struck too; nothing is left that could be lost
            return True, since_save
        if kind < job.shard:
            gone = random.permutation(job.rates.shape[0])[: job.failed]
            lost[run] += stale[run, gone].sum()
            since_save += fresh[run, gone].sum()
            stale[run, gone] = fresh[run, gone] = 0
            for shard in gone:
                rule.forget((run, shard))
        pending += "s" if kind < job.shard else "t"
        stop = max(job.shard_stop if "s" in pending else 0.0, job.trainer_stop if "t" in pending else 0.0)
        if clock[run] >= stop:
            clock[run] -= stop
            return False, since_save
