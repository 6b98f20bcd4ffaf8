"""The trainer: from where it stands to the last step, with its saves."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from validation.case import Case
from validation.claim import Claim
from validation.events import told_in
from validation.shards.client import ShardsLost
from validation.shards.meeting import Meeting
from validation.training.advice import Advice
from validation.training.control import Control
from validation.training.recovering import RolledBack
from validation.training.saving import Saving

__all__ = ["Trainer", "main"]


class Trainer(Saving):
    """One life of the trainer process."""

    def run(self, start: dict[str, Any]) -> None:
        """From the supervisor's first message to the last step and the test."""
        self.executed, self.highest = start["executed"], start["highest"]
        self.begin(start)
        while True:
            try:
                self.train()
                if self.clock and self.clock.struck:  # in the last step, after the victim had answered
                    self.robust({shard: ({"op": "hello"}, ()) for shard in self.clients.all()})
                self.control.tell("trained", step=self.step)
                self.look_after_save(wait=True)
                if self.case.training.evaluate:
                    self.evaluate()
                self.tell_digests()
                break
            except RolledBack:  # while testing, too
                continue
        for remark in self.source.remarks():
            self.control.tell("remark", text=remark)

    def begin(self, start: dict[str, Any]) -> None:
        """Stand where the supervisor says: at a checkpoint (or the beginning), or where the peer's copy is."""
        decision, again = start, False
        if self.clock:
            self.clock.now_s = start["clock_s"]
        if self.case.strategy.advised:
            self.advice = Advice(self.case, self.folder, self.now, self.control.tell)
        while True:
            decision = self.obey(decision, again)
            try:
                copy = self.replica.read()
                if copy is not None:
                    self.tell_unheard(copy[0])
                if copy is None or decision["rolls_back"] == "everybody":
                    self.roll_back()
                    if self.store.newest_step < 0 and not self.save(charged=False):
                        self.control.tell("remark", text="no first checkpoint: a roll-back begins at step 0")
                else:
                    self.stand_at(copy[0]["step"], copy[0]["cursor"])
                    self.dense.set_flat(copy[1])
                    self.rejoin()
                if self.advice:
                    self.advice.began(start["stood"], self.step, self.saved_step)
                self.control.tell("ready", generation=self.generation, step=self.step, mode=decision["rolls_back"])
                return
            except ShardsLost as lost:
                decision, again = self.ask_about(lost), True
            except RolledBack:
                self.control.tell("ready", generation=self.generation, step=self.step, mode="everybody")
                return

    def tell_unheard(self, copy: dict[str, Any]) -> None:
        """Steps that were done and, for a process died first, never told."""
        for step in range(self.highest + 1, copy["step"] + 1):
            self.executed += 1
            self.control.tell("step", step=step, samples=copy["samples"], loss=None, replayed=False, unheard=True)
        self.highest = max(self.highest, copy["step"])

    def train(self) -> None:
        """Steps until the last one; a checkpoint after every interval."""
        batches = self.source.train(self.cursor)
        while self.step < self.case.steps:
            self.look_after_save()
            if self.due() and not self.ahead:  # not where shards have done a step that the trainer has not
                self.save()
            if self.step in self.tested_at and self.step > self.tested:
                self.evaluate()
            begin = time.perf_counter()
            batch, cursor = next(batches)
            self.one_step(self.step + 1, batch, cursor, time.perf_counter() - begin)


def main(config_path: str) -> None:
    """The life of a trainer process."""
    from cprmodel.facts.errors import CprModelError
    from validation.processes.memory import one_line_without_memory
    from validation.processes.parent import told_in_secret, watch_parent
    from validation.training.control import SupervisorGone

    config = told_in(config_path)
    meeting = Meeting(config["doors"], told_in_secret())
    watch_parent()
    case = Case.model_validate(config["case"])
    control = Control(meeting, case.timeouts.start_s)
    try:
        with one_line_without_memory("trainer", case.training.device, "smaller layers or batches"):
            trainer = Trainer(case, Claim(**config["claim"]), meeting, control)
            trainer.run(control.receive())
        control.tell("done")  # before any shard ends, which would look like a death
        with contextlib.suppress(ShardsLost):
            trainer.clients.broadcast({"op": "stop"})
    except CprModelError as error:
        control.tell("fatal", text=str(error))
    except OSError as error:
        name = error.filename or "the run's folder"
        control.tell(
            "fatal", text=f"{name}: expected a file that can be read or written ({error.strerror or error})"
        )
    except SupervisorGone:
        os._exit(1)
