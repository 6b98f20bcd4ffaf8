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
from validation.shards.client import ShardsLost

__all__ = ["BackgroundStore"]


class BackgroundStore(Store):
    """A store in which a save can be begun, and is complete later."""

    _under_way: Begun | None = None
    _trainers: Writing  # the trainer's part of it
    _begun_at = 0.0

    @property
    def drains(self) -> bool:
        """Whether a save is written in the background."""
        return self._under_way is not None

    def begin(
        self,
        step: int,
        generation: int,
        cursor: dict[str, Any],
        dense: dict[str, Any],
        sent: Callable[[], None],
        copied: Copied = lambda save: None,
    ) -> bool:
        """As :meth:`Store.save`, which returns when all is copied; whether it has begun."""
        begin = time.monotonic()
        one = self._begin(step, generation, cursor)
        try:
            self._ask(one, sent, background=True)
        except ShardsLost:
            self.tell("save_void", sequence=one.sequence)
            raise
        except (OSError, SaveFailed) as error:
            self._failed(one, error)
            return False
        self._tell_copied(one, copied)
        self._trainers = Writing(
            lambda: self._save_trainer(one.sequence, dense), seconds_of(dense, self.bandwidth_bytes_per_s)
        )
        self._under_way, self._begun_at = one, begin
        self.tell("copied", sequence=one.sequence, step=step, seconds=time.monotonic() - begin)
        return True

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
            self._complete(one, trainer, time.monotonic() - self._begun_at)
        except (OSError, SaveFailed) as error:
            self._trainers.void()
            self._under_way = None
            self._failed(one, error)
            return False
        self._under_way = None
        self._after(one)
        return True

    def void(self) -> bool:
        """Nothing of it counts; what shards still write they give up when they hear of a later generation."""
        one, self._under_way = self._under_way, None
        if one is None:
            return False
        self._trainers.void()
        self.tell("save_void", sequence=one.sequence)
        return True
