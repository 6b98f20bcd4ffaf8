"""What the trainer does when a shard is lost.

Exactly once. An update carries its step and the trainer's generation. A shard applies a step once; a shard of a
later generation refuses it. When a shard is lost in the middle of a step, the others keep what they did, and the
lost one, loaded, gets this step's update before anybody goes on: nobody misses a step unknowingly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from validation.data.batch import Cursor
from validation.shards.client import Request, ShardsLost
from validation.training.life import Life

__all__ = ["Recovering", "RolledBack"]


class RolledBack(Exception):
    """Everybody returned to a checkpoint: training goes on from there."""


class Recovering(Life):
    """A life that asks its shards until all have answered."""

    def robust(
        self,
        requests: dict[int, Request],
        announce: Callable[[Mapping[int, Any]], None] = lambda shards: None,
        sent: Callable[[], None] | None = None,
    ) -> dict[int, tuple[dict[str, Any], list[Any]]]:
        """Ask until every shard has answered; shards that are lost meanwhile are recovered, and asked again."""
        done: dict[int, tuple[dict[str, Any], list[Any]]] = {}
        while True:
            left = {
                shard: ({**header, "generation": self.generation}, arrays)
                for shard, (header, arrays) in requests.items()
                if shard not in done
            }
            announce(left)
            begin = time.monotonic()
            try:
                done |= self.clients.exchange(left, sent)
                return done
            except ShardsLost as lost:
                done |= lost.replies
                self.waited_s += time.monotonic() - begin  # a silent shard's deadline, too
                reloaded = self.recover(lost)
                done = {shard: reply for shard, reply in done.items() if shard not in reloaded}

    def recover(self, lost: ShardsLost) -> set[int]:
        """Ask what to do about lost shards and do it; those that were loaded. RolledBack when everybody was."""
        begin = time.monotonic()
        self.store.claim.check()
        if self.store.void():
            self.saved_step = self.saved_before
        reloaded: set[int] = set()
        again = False
        while True:
            decision = self.ask_about(lost)
            decision = self.obey(decision, again)
            try:
                if decision["rolls_back"] == "everybody":
                    self.roll_back()
                else:
                    self.rejoin(reloaded)
            except ShardsLost as more:
                lost, again = more, True
                continue
            self.waited_s += time.monotonic() - begin
            self.control.tell(
                "recovered",
                rolls_back=decision["rolls_back"],
                generation=self.generation,
                step=self.step,
                seconds=time.monotonic() - begin,
            )
            if self.advice:
                self.advice.overcome()
            if decision["rolls_back"] == "everybody":
                raise RolledBack
            if self.clock:
                self.clock.recovered()
            return reloaded

    def obey(self, decision: dict[str, Any], again: bool) -> dict[str, Any]:
        """Begin what the supervisor has decided; ``again``: what it decided before did not come to its end.

        In emulated time the stop passes first. A failure that strikes it is known at once, for whoever it takes may
        not be connected yet; the supervisor decides anew, for all that is pending.
        """
        while True:
            self.generation, self.triggers = decision["generation"], decision["triggers"]
            if self.advice:
                self.advice.strikes = decision["strikes"]
            if self.clock is None:
                return decision
            self.clock.triggers = self.triggers
            if not decision["new"]:  # a loss that was noticed late: the stop has passed already
                return decision
            if decision["rolls_back"] == "everybody":
                self.clock.drop()
            stop = {"reschedule_s": decision["reschedule_s"], "load_s": decision["load_s"]}
            self.control.tell("recovering", **stop)
            self.clock.recovering(sum(stop.values()), again)
            if not self.clock.struck:
                return decision
            decision, again = self.control.ask("lost", shards={}), True

    def ask_about(self, lost: ShardsLost) -> dict[str, Any]:
        causes = {
            shard: {"cause": cause, "incarnation": self.clients.incarnations.get(shard)}
            for shard, cause in lost.causes.items()
        }
        return self.control.ask("lost", shards=causes)

    def connect(self) -> dict[int, dict[str, Any]]:
        """Reach all shards; the journal learns which step each has applied."""
        found = self.clients.connect(self.generation)
        if self.journal:
            here = {shard: header for shard, header in found.items() if not header["empty"]}
            steps = {shard: header["step"] for shard, header in here.items()}
            checkpoints = {shard: header["checkpoint"] for shard, header in here.items()}
            self.journal.write("hello", steps=steps, checkpoints=checkpoints)
        return found

    def rejoin(self, reloaded: set[int] | None = None) -> None:
        """Reach all shards; those that are empty return to their last checkpoint, nobody else does."""
        found = self.connect()
        empty = [shard for shard, header in found.items() if header["empty"]]
        self.ahead = self.ahead or any(header["step"] > self.step for header in found.values())
        if not empty:
            return
        if reloaded is not None:
            reloaded |= set(empty)
        loaded = self.store.load_shards(empty, self.generation, lambda: self.hook("recovery"))
        if self.journal:
            for shard, (sequence, digest) in loaded.items():
                self.journal.write("load", shard=shard, sequence=sequence, digest=digest)
        self.clients.exchange({shard: ({"op": "settle"}, ()) for shard in empty})

    def roll_back(self) -> None:
        """Everybody returns to the last complete checkpoint, and the data to where it was."""
        self.connect()
        self.replica.clear()
        found = self.store.load_everybody(self.generation, lambda: self.hook("recovery"))
        if found is None:
            self.stand_at(0, None)
            self.dense.set_flat(self.first_dense)
        else:
            manifest, arrays = found
            self.stand_at(manifest.step, manifest.cursor or None)
            self.dense.set_named(arrays)
        self.replica.write({"step": self.step, "cursor": self.cursor, "samples": 0}, self.dense.flat())
        if self.journal:
            digests = {
                shard: header["digest"] for shard, (header, _) in self.clients.broadcast({"op": "digest"}).items()
            }
            self.journal.write("load_all", sequence=found[0].sequence if found else None, digests=digests)
        self.clients.broadcast({"op": "settle"})

    def stand_at(self, step: int, cursor: Cursor | None) -> None:
        self.step, self.cursor, self.ahead = step, cursor, False
        self.saved_step = max(self.store.newest_step, 0)
