"""A job with stragglers that shrinks while nodes are repaired, played by the clock, from what is stated here alone.

Deliberately plain and slow: no formula, no array, no import from cprmodel. Saves that block.

* ``nodes`` nodes and ``spares`` train in replicas of ``group``, as many whole ones as the healthy nodes make, and
  no more than without failures. The rest stands by, and does not fail. Each node in use fails at the same rate.
  With probability ``repaired`` a failure takes the node for a repair, exponential or of fixed length.
* With fewer replicas than ``fewest`` all wait until a node is back, and nothing fails.
* After a failure: reschedule; then, if there is another number of replicas than before, reshape; then load. A
  failure meanwhile begins the stop again. Under ``full`` recovery everybody returns to the last complete save;
  otherwise a failed shard alone does, for good, and with probability ``whole`` everybody.
* When there is a replica more than the job trains on: a save (if anything is unsaved), reshape, load.
* Slow spells come and go by the clock, and slow work alone.
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
    mtbf: float  # of the job on all nodes
    nodes: int = 1
    group: int = 1
    fewest: int = 1
    spares: int = 0
    repaired: float = 0.0
    repair: float = 1.0
    fixed_repairs: bool = False
    exponent: float = 1.0
    reshape: float = 0.0
    slow_share: float = 0.0
    slow_rate: float = 1.0
    spell: float = 1.0
    full: bool = True
    whole: float = 0.0
    shards: int = 1
    partial_load: float = 0.0
    partial_reschedule: float = 0.0


class Job:
    def __init__(self, of: Setting, rng: random.Random) -> None:
        self.of, self.rng = of, rng
        self.now = self.done = self.saved = self.lost = self.lost_since = 0.0
        self.backs: list[float] = []  # when broken nodes are back
        self.all = of.nodes // of.group
        self.replicas = self.all
        self.kept = [0.0] * of.shards
        self.slow = rng.random() < of.slow_share
        self.turn = self._spell() if of.slow_share else math.inf
        self.waited, self.saves_made = 0.0, 0

    def _spell(self) -> float:
        of = self.of
        mean = of.spell if self.slow else of.spell * (1 - of.slow_share) / of.slow_share
        return self.now + self.rng.expovariate(1 / mean)

    def there(self) -> int:
        return min(self.all, (self.of.nodes + self.of.spares - len(self.backs)) // self.of.group)

    def passes(self, amount: float, works: bool, grows: bool = False) -> tuple[str, float]:
        """Go on until the amount (of work, or of time) is done, a failure, or a replica more; what is left."""
        while True:
            speed = 1.0
            if works:
                speed = (self.replicas * self.of.group / self.of.nodes) ** self.of.exponent
                speed *= self.of.slow_rate if self.slow else 1.0
            ends = self.now + amount / speed
            next_back = self.backs[0] if self.backs else math.inf
            fails = self.now + self.rng.expovariate(self.there() / self.all / self.of.mtbf)
            event = min(ends, next_back, self.turn, fails)
            amount = 0.0 if event == ends else amount - (event - self.now) * speed
            if works:
                self.done += (event - self.now) * speed
            self.now = event
            if event == ends:
                return "done", 0.0
            if event == fails:
                return "failed", amount
            if event == self.turn:
                self.slow = not self.slow
                self.turn = self._spell()
            else:
                heapq.heappop(self.backs)
                if grows and self.there() > self.replicas:
                    return "grows", amount

    def strikes(self) -> str:
        """What a failure takes: its kind."""
        of, rng = self.of, self.rng
        kind = "whole" if of.full or rng.random() < of.whole else "shard"
        if rng.random() < of.repaired:
            heapq.heappush(
                self.backs, self.now + (of.repair if of.fixed_repairs else rng.expovariate(1 / of.repair))
            )
        if kind == "shard":
            shard = rng.randrange(of.shards)
            self.lost_since += self.done - max(self.kept[shard], self.saved)
            self.kept[shard] = self.done
        return kind

    def waits(self) -> None:
        while self.there() < self.of.fewest:
            back = heapq.heappop(self.backs)
            self.waited += back - self.now
            while self.turn < back:
                self.now = self.turn
                self.slow = not self.slow
                self.turn = self._spell()
            self.now = back

    def stops(self) -> None:
        """A failure, and all until it trains again."""
        of, kinds = self.of, {self.strikes()}
        while True:
            self.waits()
            whole = "whole" in kinds
            how, _ = self.passes(of.reschedule if whole else of.partial_reschedule, works=False)
            if how == "done":
                there = self.there()
                load = (of.load if whole else of.partial_load) + (of.reshape if there != self.replicas else 0.0)
                self.replicas = there
                how, _ = self.passes(load, works=False)
            if how == "done":
                break
            kinds.add(self.strikes())
        if whole:
            self.done, self.lost_since = self.saved, 0.0
            self.kept = [self.saved] * of.shards

    def saves(self) -> bool:
        how, _ = self.passes(self.of.save, works=False)
        if how != "done":
            return False
        self.saved, self.lost, self.lost_since = self.done, self.lost + self.lost_since, 0.0
        self.saves_made += 1
        return True

    def grows(self) -> None:
        if (self.done > self.saved or self.lost_since) and not self.saves():
            self.stops()
            return
        self.replicas = self.there()
        how, _ = self.passes(self.of.reshape + self.of.load, works=False)
        if how != "done":
            self.stops()

    def run(self) -> None:
        of = self.of
        while True:
            if self.there() > self.replicas:
                self.grows()
                continue
            due = self.saved + of.interval
            due = of.work if due > of.work * (1 - 1e-9) else due
            how, _ = self.passes(due - self.done, works=True, grows=True)
            if how == "failed":
                self.stops()
            elif how == "done":
                self.done = due
                if due == of.work:
                    self.lost += self.lost_since
                    return
                if not self.saves():
                    self.stops()


def play(of: Setting, rng: random.Random) -> tuple[float, float, float, int]:
    """The time to train, the portion of lost samples, the time spent waiting for nodes, and the saves made."""
    job = Job(of, rng)
    job.run()
    return job.now, job.lost / (of.work * of.shards), job.waited, job.saves_made
