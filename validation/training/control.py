"""What trainer and supervisor say to each other: small JSON messages over one socket.

All times are of the supervisor's clock: on another machine a monotonic clock began at another moment.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from validation.shards.meeting import Meeting, connect

__all__ = ["Control", "SupervisorGone"]


class SupervisorGone(Exception):
    """The harness is dead; so is this run."""


class Control:
    """The trainer's end: it tells events, and asks what to do."""

    def __init__(self, meeting: Meeting, within_s: float) -> None:
        self._connection: Connection = connect(meeting, "supervisor", within_s, deadline_s=24 * 3600.0)
        self._ahead_s = meeting.ways.clock_ahead_s()
        self.stamp: Callable[[], dict[str, Any]] = dict  #: what every message carries

    def now(self) -> float:
        """By the supervisor's monotonic clock [s]."""
        return time.monotonic() + self._ahead_s

    def tell(self, event: str, **facts: Any) -> None:
        """Something happened, now."""
        self._send({"tell": event, "at": self.now(), **self.stamp(), **facts})

    def ask(self, what: str, **facts: Any) -> dict[str, Any]:
        """Ask and wait for the answer."""
        self._send({"ask": what, **self.stamp(), **facts})
        return self.receive()

    def receive(self) -> dict[str, Any]:
        try:
            return json.loads(self._connection.recv_bytes())  # type: ignore[no-any-return]
        except (EOFError, OSError):
            raise SupervisorGone from None

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._connection.send_bytes(json.dumps(message).encode())
        except OSError:
            raise SupervisorGone from None
