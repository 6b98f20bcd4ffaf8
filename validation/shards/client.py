"""The trainer's side of the shards: one message to each, answers from all, and who was lost meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from validation.shards.meeting import Meeting, connect
from validation.shards.wire import PeerGone, PeerHung, receive, send

__all__ = ["Request", "ShardClients", "ShardsLost", "Timeouts"]

Request = tuple[dict[str, Any], tuple[Any, ...]]  # header, arrays
Reply = tuple[dict[str, Any], list[Any]]


@dataclass(frozen=True)
class Timeouts:
    """Seconds that a shard may take to start listening, and to answer."""

    start_s: float = 30.0
    answer_s: float = 10.0


class ShardsLost(Exception):
    """Shards died or hung; ``replies`` are those of the others."""

    def __init__(self, causes: dict[int, str], replies: dict[int, Reply]) -> None:
        self.causes, self.replies = causes, replies
        super().__init__(f"shards {sorted(causes)} lost")


class ShardClients:
    """Connections to all shards of a run."""

    def __init__(self, shards: int, meeting: Meeting, timeouts: Timeouts) -> None:
        self.shards, self.meeting, self.timeouts = shards, meeting, timeouts
        self._connections: dict[int, Connection] = {}
        self._dropped: dict[int, Exception] = {}  # why shards that are not connected are not
        self.incarnations: dict[int, int] = {}
        self.pids: dict[int, int] = {}

    def connect(self, generation: int) -> dict[int, dict[str, Any]]:
        """Reach every shard that is not reached, and say hello to all: whether it is empty, its last step."""
        lost: dict[int, str] = {}
        for shard in range(self.shards):
            if shard in self._connections:
                continue
            self.incarnations.pop(shard, None)  # whoever answers there now
            try:
                self._connections[shard] = connect(
                    self.meeting, f"shard-{shard}", self.timeouts.start_s, self.timeouts.answer_s
                )
            except (PeerGone, PeerHung) as error:
                # nobody listens: it is starting, or stopped before it could
                lost[shard] = "silent" if isinstance(error, PeerGone) else "hung"
        if lost:
            raise ShardsLost(lost, {})
        found = self.exchange({shard: ({"op": "hello", "generation": generation}, ()) for shard in self.all()})
        for shard, (header, _) in found.items():
            self.incarnations[shard], self.pids[shard] = header["incarnation"], header["pid"]
        return {shard: header for shard, (header, _) in found.items()}

    def all(self) -> range:
        return range(self.shards)

    def exchange(self, requests: Mapping[int, Request], sent: Callable[[], None] | None = None) -> dict[int, Reply]:
        """Ask all at once; ShardsLost when one does not answer. ``sent`` is called before the first answer."""
        lost: dict[int, str] = {}
        for shard, (header, arrays) in requests.items():
            try:
                send(self._connection(shard), header, *arrays)
            except (PeerGone, PeerHung) as error:
                lost[shard] = self._drop(shard, error)
        if sent:
            sent()
        replies: dict[int, Reply] = {}
        for shard in requests:
            if shard in lost:
                continue
            try:
                replies[shard] = receive(self._connection(shard))
            except (PeerGone, PeerHung) as error:
                lost[shard] = self._drop(shard, error)
        if lost:
            raise ShardsLost(lost, replies)
        return replies

    def broadcast(self, header: dict[str, Any], sent: Callable[[], None] | None = None) -> dict[int, Reply]:
        """The same message to all."""
        return self.exchange(dict.fromkeys(self.all(), (header, ())), sent)

    def _connection(self, shard: int) -> Connection:
        if shard not in self._connections:
            raise self._dropped.get(shard, PeerGone(f"shard {shard} is not connected"))
        return self._connections[shard]

    def _drop(self, shard: int, error: Exception) -> str:
        self._dropped[shard] = error
        connection = self._connections.pop(shard, None)
        if connection:
            connection.close()
        return "hung" if isinstance(error, PeerHung) else "gone"
