"""The trainer's saves: when one is due, and what passes until it is complete."""

from __future__ import annotations

import time

from validation.checkpoint.background import BackgroundStore
from validation.checkpoint.store import Begun
from validation.shards.client import ShardsLost
from validation.training.stepping import Stepping

__all__ = ["Saving"]

_LOOKS_S = 1e-3  # between two looks at a save that is waited for


class Saving(Stepping):
    """A life that saves what it has learned."""

    def due(self) -> bool:
        """Whether there is something to save that a save was planned for."""
        strategy = self.case.strategy
        if self.advice:
            return self.step > self.saved_step and self.advice.due
        if strategy.save_steps is not None:
            return any(self.saved_step < step <= self.step for step in strategy.save_steps)
        every = strategy.saves_every_steps
        if isinstance(self.store, BackgroundStore):  # from the last one that counts: at once, where one was void
            return self.step - self.saved_step >= every
        return self.step // every > self.saved_step // every

    def save(self, charged: bool = True) -> bool:
        """A checkpoint of what stands now; begun again when shards die meanwhile."""
        while True:
            begin = self.now()
            try:
                self.control.tell("begin_save")
                if self.clock and self.charged and charged:
                    self.clock.spend(self.case.planned_strategy().saving.save_s)
                what = self.step, self.generation, self.cursor or {}, self.dense.named()
                later = charged and isinstance(self.store, BackgroundStore)
                self.drain(wait=True)  # the one before
                saved = self.store.save(*what, lambda: self.hook("save"), self.write_down, later)
                if later:
                    self.saved_before = self.saved_step
                else:
                    self.completed(saved)
            except ShardsLost as lost:
                if self.clock:
                    self.clock.drop()
                self.recover(lost)
                continue
            self.saved_step = self.step  # or tried to, which is as good until the next
            if self.advice and saved and charged:
                self.advice.saved(self.now() - begin)
            return saved

    def drain(self, wait: bool = False) -> None:
        """Complete the save that is written in the background, if there is one and all of it is there.

        ShardsLost when shards died.
        """
        while isinstance(self.store, BackgroundStore) and self.store.drains:
            self.hook("drain")
            found = self.store.finish()
            if found is not None:
                self.completed(found)
            elif wait:
                time.sleep(_LOOKS_S)
            else:
                return

    def look_after_save(self, wait: bool = False) -> None:
        """As :meth:`drain`; shards that died are recovered."""
        try:
            self.drain(wait)
        except ShardsLost as lost:
            self.recover(lost)

    def write_down(self, save: Begun) -> None:
        """Tell the journal of a checkpoint: what it builds on where saves rotate, which rows an order takes."""
        if self.journal:
            before = None if save.before is None else save.before.sequence
            facts = {"rows_of": sorted(save.rows), "on": save.on} if self.case.strategy.order else {}
            rows = [save.rows[shard] for shard in sorted(save.rows)] if facts else []
            self.journal.write("saving", *rows, sequence=save.sequence, after=before, **facts)

    def completed(self, saved: bool) -> None:
        """Tell the journal that the last save is complete, or failed."""
        if self.journal and self.case.strategy.order:
            self.journal.write("saved" if saved else "void")
