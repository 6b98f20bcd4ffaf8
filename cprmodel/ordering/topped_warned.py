r"""What an order loses at a level above which everything is saved now and then, beside failures that are announced.

A save on a warning takes everything. Where it goes below the level of the ordered saves, it makes slots longer, and
what was left out stays so. Where it goes to that level, nothing is left out after it, and its slot begins anew:
what it takes with probability v, before something else does, is not lost, and u - q - v stands for u - q in
:mod:`cprmodel.ordering.topped`. Where it goes higher, it ends the slot and the block that this lies in: of a block
that is ended so in slot k is lost

.. math:: \sum_{j<k} z_j (u - q) u^{k-1-j} u' + z_k (u' - q')

with u' and q' those of the slot that it ends. It is taken from what the shard keeps of such a block. [derived here;
played row by row in tests/combinations]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cprmodel.costing.warned import Block, WarnedRun
from cprmodel.ordering.topped_slots import Chances

if TYPE_CHECKING:
    from cprmodel.ordering.topped import ToppedCourse

__all__ = ["ToppedRun", "chances_beside"]


def chances_beside(run: WarnedRun, at: int, end: int, head: bool) -> Chances:
    """Of a slot that is done: it ends in a save to a level, and begins after a drain or not (``head``)."""
    done = run.block(at, end, head, None).done
    once = run.attempt(at, end, head, at)
    unhit = run.block(at, end, False, at + 1).done
    saved = once.warned * unhit if run.level == at else 0.0
    held = 1.0 + 0.0 * done if head else unhit / done  # nothing is held before the first
    return Chances(once.done / done, held, saved / done)


class ToppedRun(WarnedRun):
    """The recursion of saves to levels, with what those of the first rows leave out."""

    def __init__(self, course: ToppedCourse) -> None:
        super().__init__(course)
        self.of = course

    def blocks(self, level: int, end: int, first: bool, unhit: int | None) -> Block:
        """One attempt at a block of a level but the first."""
        found, at = super().blocks(level, end, first, unhit), self.of.at
        if unhit is not None or level != at + 1 or not self.of.loses:
            return found
        slots, each_s = self.of.slots(end, first), self.of.slot_s * (1 - self.of.lost_below)
        found = found._replace(kept=found.kept - found.done * slots.lost() * each_s)
        if self.level <= at:
            return found
        head, each = (self.block(at, at, start, None).done for start in (first, False))
        lost = slots.lost_then(head, each, self._then(at), self._then(end))
        return found._replace(kept_then=found.kept_then - lost * each_s)

    def _then(self, end: int) -> Chances:
        """That a save on a warning ends a slot, which was to end in a save to some level."""
        at = self.of.at
        untaken, unhit = self.attempt(at, end, False, at), self.block(at, end, False, at + 1)
        return Chances(untaken.warned, unhit.warned)
