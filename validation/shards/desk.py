"""The desk of a run on several machines: who listens where, what time it is, and who is alive.

A thread of the supervisor's process. Whoever comes knows the run's key, and asks one thing after the other:

``{"here": NAME, "address": [HOST, PORT]}``
    From now on NAME listens there.
``{"where": NAME}``
    Answered with that address, or null.
``{"clock": true}``
    Answered with the supervisor's monotonic clock, now.
``{"life": TOKEN, …}``
    This line stays open as long as the process lives: the system closes it when the process dies, however it dies.
    From here on the supervisor speaks, and the other end does as it is told (:mod:`validation.engines.guest`);
    it says ``{}`` once it has been stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from validation.shards.meeting import Door, Meeting
from validation.shards.places import DESK
from validation.shards.wire import set_deadline

__all__ = ["Alive", "Desk", "desk"]

#: Seconds that a question, once begun, may take to arrive.
_PATIENCE_S = 2.0


class Alive(Protocol):
    """Whoever waits for the line of a process."""

    def lives(self, line: Connection, facts: dict[str, Any]) -> None:
        """The process has come to the desk."""

    def is_stopped(self) -> None:
        """It was told to be stopped, and is."""

    def is_gone(self) -> None:
        """Its line has closed: it is dead."""


class Desk:
    """Answers until it is closed."""

    def __init__(self, meeting: Meeting, door: Door, now: Callable[[], float]) -> None:
        self.meeting = meeting
        self._door, self._now = door, now
        self._known: dict[str, list[Any]] = {}
        self._expected: dict[str, Alive] = {}  # by token
        self._lines: dict[Connection, Alive | None] = {}  # who is alive, or who asks
        self._woken, self._wakes = os.pipe()
        self._thread = threading.Thread(target=self._answer, name="desk", daemon=True)
        self._thread.start()

    def expect(self, token: str, who: Alive) -> None:
        """Before a process that has been told this token can come."""
        self._expected[token] = who

    def close(self) -> None:
        """Nobody is answered any more; who has a line finds it closed."""
        os.write(self._wakes, b"x")
        self._thread.join()
        for line in self._lines:
            line.close()
        os.close(self._woken)
        os.close(self._wakes)

    def _answer(self) -> None:
        while True:
            ready = wait([self._woken, self._door.fileno(), *self._lines])
            if self._woken in ready:
                return
            for one in ready:
                if isinstance(one, Connection):
                    self._hear(one)
                elif (line := self._door.accept()) is not None:
                    _set_patience(line)
                    self._lines[line] = None

    def _hear(self, line: Connection) -> None:
        who = self._lines[line]
        try:
            question = json.loads(line.recv_bytes())
            if who is not None:
                who.is_stopped()  # the living have nothing else to say
                return
            if "life" in question:
                found = self._expected.pop(question["life"])
                self._lines[line] = found
                found.lives(line, question)
                return
            line.send_bytes(json.dumps(self._found(question)).encode())
        except (EOFError, OSError, ValueError, LookupError, TypeError):
            del self._lines[line]
            line.close()
            if who is not None:
                who.is_gone()

    def _found(self, question: dict[str, Any]) -> dict[str, Any]:
        if "here" in question:
            self._known[question["here"]] = question["address"]
            return {}
        if "where" in question:
            return {"address": self._known.get(question["where"])}
        if question["clock"]:
            return {"at": self._now()}
        raise ValueError(question)


@contextlib.contextmanager
def desk(host: str, key: str, now: Callable[[], float] = time.monotonic) -> Iterator[Desk]:
    """A desk at a port of this machine, at the address by which the others reach it."""
    end = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        end.bind((host, 0))
    except BaseException:
        end.close()
        raise
    shown = f"[{host}]" if ":" in host else host
    meeting = Meeting(f"tcp://{shown}:{end.getsockname()[1]}", key)
    with Door(meeting, DESK, end) as door:
        opened = Desk(meeting, door, now)
        try:
            yield opened
        finally:
            opened.close()


def _set_patience(line: Connection) -> None:
    """Who begins a question and does not end it keeps the others for so long, and not longer."""
    end = socket.socket(fileno=os.dup(line.fileno()))
    with end:
        set_deadline(end, _PATIENCE_S)
