"""Checkpoints that are written while training goes on.

Shards copy what they save, and training goes on; threads of theirs, and one of the trainer's, write it. The
checkpoint counts once all parts are written and the manifest is there: whatever fails before makes it void.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from validation.checkpoint.store import Begun, Copied, SaveFailed, Store
from validation.checkpoint.writing import Writing, seconds_of

__all__ = ["BackgroundStore"]


class BackgroundStore(Store):
    """A store in which a save may be complete later: :meth:`finish` says when."""

    _under_way: Begun | None = None
    _trainers: Writing  # the trainer's part of it

    @property
    def drains(self) -> bool:
        """Whether a save is written in the background."""
        return self._under_way is not None

    def _go_on(self, one: Begun, dense: dict[str, Any], copied: Copied, background: bool) -> None:
        """In the background the trainer's part is written by a thread, too."""
        if not background:
            super()._go_on(one, dense, copied, background)
            return
        self._tell_copied(one, copied)
        self._trainers = Writing(
            lambda: self._save_trainer(one.sequence, dense), seconds_of(dense, self.bandwidth_bytes_per_s)
        )
        self._under_way = one
        self.tell("copied", sequence=one.sequence, step=one.step, seconds=time.monotonic() - one.at_s)

    def finish(self, sent: Callable[[], None] = lambda: None) -> bool | None:
        """Complete it, if all parts are written; None where they are not yet, False where one never will be.

        ShardsLost when shards died meanwhile: it is void then.
        """
        one = self._under_way
        assert one
        try:
            for shard, (header, _) in self.clients.broadcast({"op": "drained"}, sent).items():
                if shard in one.waits_for:
                    self._heard(one, shard, header)
            trainer = self._trainers.found()
            if isinstance(trainer, str):
                raise SaveFailed(f"the trainer: {trainer}")
            if trainer is None or one.waits_for:
                return None
            self._complete(one, trainer)
        except (OSError, SaveFailed) as error:
            self._trainers.void()
            self._under_way = None
            self._failed(one, error)
            return False
        self._under_way = None
        return True

    def void(self) -> bool:
        """Nothing of it counts; what shards still write they give up when they hear of a later generation."""
        one, self._under_way = self._under_way, None
        if one is None:
            return False
        self._trainers.void()
        self.tell("save_void", sequence=one.sequence)
        return True
