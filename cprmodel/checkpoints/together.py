"""The processes of a job that save and go back together: what each says to all."""

from __future__ import annotations

from typing import Any

from torch import distributed

from cprmodel.checkpoints.saving import SaveFailed, said
from cprmodel.facts.errors import DomainError

__all__ = ["Processes"]


class Processes:
    """This one, of how many (left out: as ``torch.distributed`` has it), over gloo, whatever the backend."""

    def __init__(self, shard: int | None, shards: int | None) -> None:
        many = shards is None and distributed.is_available() and distributed.is_initialized()
        self.shard = shard if shard is not None else distributed.get_rank() if many else 0
        self.shards = shards if shards is not None else distributed.get_world_size() if many else 1
        if not 0 <= self.shard < self.shards:
            raise DomainError(f"PartialCheckpoints: shard = {self.shard}: expected one of {self.shards}")
        self.regroup()

    def regroup(self) -> None:
        """They meet in new groups, which are made where all come."""
        self._group: Any = None
        self._behind: Any = None

    def gather(self, own: Any) -> list[Any]:
        """Everybody's, by number of process."""
        if self.shards == 1:
            return [own]
        if self._group is None:
            self._group = distributed.new_group(backend="gloo")
        return self._all(own, self._group)

    def prepare_behind(self) -> None:
        """Before threads talk, in a group that nobody else uses: called by all."""
        if self.shards > 1 and self._behind is None:
            self._behind = distributed.new_group(backend="gloo")

    def gather_behind(self, own: Any) -> list[Any]:
        """As :meth:`gather`, in the threads that write: SaveFailed where a process is gone."""
        if self.shards == 1:
            return [own]
        try:
            return self._all(own, self._behind)
        except Exception as error:
            raise SaveFailed(said(error, "another process was lost")) from error

    def _all(self, own: Any, group: Any) -> list[Any]:
        found: list[Any] = [None] * self.shards
        distributed.all_gather_object(found, own, group=group)
        return found
