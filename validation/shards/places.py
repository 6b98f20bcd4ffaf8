"""Where the processes of a run can be reached: sockets in a folder of one machine, or ports of several.

On one machine a name is a file in a folder that nobody else may enter. Between machines a name is looked up at a
*desk* (:mod:`validation.shards.desk`), which the run's supervisor keeps: who listens says so there, and who wants
to reach him asks there. Both are greeted with the run's key first. What follows the greeting is in the clear: a run
on several machines wants a network that strangers cannot listen to, as Ray itself does.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from validation.shards.greeting import greet
from validation.shards.wire import set_deadline

__all__ = ["DESK", "Afar", "Here", "Place", "at_desk", "host_towards", "place_at", "soon"]

#: The name of the desk, at its own door.
DESK = "desk"
_SCHEME = "tcp://"
#: Of the round trips to the desk that tell how far its clock is off, the quickest counts.
_TRIPS = 10


class Place(Protocol):
    """How a name is listened to and reached; what fails is an OSError."""

    pause_s: float  #: before one tries again to reach somebody who does not listen
    changes: bool  #: whether whoever is found under a name may be another, who is to be asked for again

    def listen(self, name: str) -> socket.socket: ...

    def leave(self, name: str) -> None:
        """It listens no more."""

    def reach(self, name: str, deadline_s: float) -> socket.socket: ...

    def is_us(self, end: socket.socket) -> bool:
        """Whether the other end is a process of our user, as far as the system says."""

    def clock_ahead_s(self) -> float:
        """By how much the supervisor's monotonic clock is ahead of this machine's."""


def place_at(where: str, key: str) -> Place:
    """The place that is meant: a folder, or ``tcp://HOST:PORT`` of a desk.

    >>> place_at("/tmp/run", "key"), place_at("tcp://10.0.0.7:4321", "key")
    (Here(folder='/tmp/run'), Afar(host='10.0.0.7', port=4321))
    """
    if not where.startswith(_SCHEME):
        return Here(where)
    host, _, port = where.removeprefix(_SCHEME).rpartition(":")
    return Afar(host.strip("[]"), int(port), key)


def at_desk(where: str, key: str) -> Connection:
    """A line to the desk at ``tcp://HOST:PORT``."""
    found = place_at(where, key)
    assert isinstance(found, Afar)
    return found.at_desk()


def host_towards(host: str, port: int) -> str:
    """The address of this machine as another one sees it; nothing is sent."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as end:
        end.connect((host, port))
        return str(end.getsockname()[0])


@dataclass(frozen=True)
class Here:
    """A folder of sockets."""

    folder: str
    pause_s = 0.001
    changes = False

    def address(self, name: str) -> str:
        """Where a process of the run listens."""
        return os.path.join(self.folder, name)

    def listen(self, name: str) -> socket.socket:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.address(name))  # of a dead process
        end = socket.socket(socket.AF_UNIX)
        try:
            end.bind(self.address(name))
        except FileNotFoundError:
            end.close()
            raise ConnectionError(
                f"{self.folder}: expected the folder in which this run's processes meet; it was removed"
            ) from None
        return end

    def leave(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.address(name))

    def reach(self, name: str, deadline_s: float) -> socket.socket:
        end = socket.socket(socket.AF_UNIX)
        try:
            end.settimeout(deadline_s)
            end.connect(self.address(name))
        except BaseException:
            end.close()
            raise
        return end

    def is_us(self, end: socket.socket) -> bool:
        if not sys.platform.startswith("linux"):
            return True  # the folder keeps others
        found = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, user, _ = struct.unpack("3i", found)
        return bool(user == os.geteuid())

    def clock_ahead_s(self) -> float:
        return 0.0


@dataclass(frozen=True)
class Afar:
    """Ports of several machines, and the desk that knows them."""

    host: str  #: of the desk
    port: int
    key: str = ""
    pause_s = 0.02
    changes = True

    def __repr__(self) -> str:
        return f"Afar(host={self.host!r}, port={self.port!r})"

    def listen(self, name: str) -> socket.socket:
        host = host_towards(self.host, self.port)
        end = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            end.bind((host, 0))
            end.listen(16)  # before anybody can be told of it
            self.ask({"here": name, "address": end.getsockname()[:2]})
        except BaseException:
            end.close()
            raise
        return end

    def leave(self, name: str) -> None:
        """Whoever comes finds nobody."""

    def reach(self, name: str, deadline_s: float) -> socket.socket:
        address = self.ask({"where": name}, deadline_s)["address"]
        if address is None:
            raise ConnectionRefusedError(f"nobody listens as {name}")
        return _connected(address[0], address[1], deadline_s)

    def is_us(self, end: socket.socket) -> bool:
        return True  # whoever knows the key is

    def clock_ahead_s(self) -> float:
        """Half of the quickest of some round trips is the most that it can be wrong."""
        best, ahead = float("inf"), 0.0
        with self.at_desk() as desk:
            for _ in range(_TRIPS):
                begin = time.monotonic()
                desk.send_bytes(json.dumps({"clock": True}).encode())
                theirs = json.loads(desk.recv_bytes())["at"]
                took = time.monotonic() - begin
                if took < best:
                    best, ahead = took, theirs - (begin + took / 2)
        return ahead

    def ask(self, question: dict[str, Any], deadline_s: float = 10.0) -> Any:
        """The desk's answer; OSError where it gives none."""
        with self.at_desk(deadline_s) as desk:
            try:
                desk.send_bytes(json.dumps(question).encode())
                return json.loads(desk.recv_bytes())
            except EOFError:
                raise ConnectionError("the desk hung up") from None

    def at_desk(self, deadline_s: float = 10.0) -> Connection:
        """A line to the desk."""
        end = _connected(self.host, self.port, deadline_s)
        try:
            greet(end, self.key, DESK, time.monotonic() + deadline_s)
            end.setblocking(True)
            set_deadline(end, deadline_s)
            return Connection(end.detach())
        except BaseException:
            end.close()
            raise


def _connected(host: str, port: int, deadline_s: float) -> socket.socket:
    end = socket.create_connection((host, port), deadline_s)
    soon(end)
    return end


def soon(end: socket.socket) -> None:
    """Small messages leave at once; a machine that is gone, and cannot say so, is missed within half a minute."""
    if end.family == socket.AF_UNIX:
        return
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            end.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
