"""Where the processes of a run meet, and how they know one another.

Sockets stand in a folder of their own that nobody else may enter (mode 0700), and whoever knocks must be of the
same user, as the system says; or, between machines, at ports that the run's desk knows
(:mod:`~validation.shards.places`). Both ends prove that they know the run's key, within one deadline for the whole
greeting (:mod:`~validation.shards.greeting`). The one who listens never waits for anybody: a greeting goes on when
the next part of it has come.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import os
import secrets
import selectors
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from cprmodel.facts.files import write_whole
from validation.shards.greeting import NONCE, code, greet
from validation.shards.places import Here, Place, place_at, soon
from validation.shards.wire import PeerGone, PeerHung, set_deadline

__all__ = ["GREETING_S", "Door", "Meeting", "connect", "meeting_place"]

#: Seconds that somebody who connects may take for his whole greeting.
GREETING_S = 2.0
#: Guests whose greeting is under way; one more, and the first of them is sent away.
_MOST = 64
_PREFIX = "cprmodel-run-"
_LONGEST = 40  # of the folder that a run's own is in: the address of a socket has room for some hundred letters


@dataclass(frozen=True)
class Meeting:
    """A place, and the key that those who meet there know."""

    place: str  #: a folder of sockets, or ``tcp://HOST:PORT`` of a desk
    key: str = field(repr=False)

    def address(self, name: str) -> str:
        """Where a process of the run listens, on one machine."""
        return Here(self.place).address(name)

    @property
    def ways(self) -> Place:
        """How names are listened to and reached there."""
        return place_at(self.place, self.key)


@contextlib.contextmanager
def meeting_place(remembered: Path) -> Iterator[Meeting]:
    """A folder of sockets for a run, gone at the end; what a run that was killed has left there is taken away.

    ``remembered`` is the file in which its path is kept until then. A run that lives holds its folder (flock): who
    copied ``remembered`` takes nothing away, nor does systemd-tmpfiles.
    """
    _take_away(remembered)
    places = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp")
    base = next((one for one in places if len(one) < _LONGEST and _is_kept(one)), None)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=base)  # of mode 0700
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_whole(remembered, folder)
        yield Meeting(folder, secrets.token_hex(32))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)
        with contextlib.suppress(OSError):
            if remembered.read_text() == folder:  # nobody else's
                remembered.unlink()


def _is_kept(place: str) -> bool:
    """Whether a folder is one to write into in which no other user can rename or remove what is ours."""
    try:
        found = os.stat(place)
    except OSError:
        return False
    alone = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_mode & stat.S_ISVTX
    return bool(os.path.isabs(place) and alone and found.st_uid in (0, os.geteuid()) and os.access(place, os.W_OK))


def _take_away(remembered: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        folder = Path(remembered.read_text())
        held = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        try:
            if folder.name.startswith(_PREFIX) and os.fstat(held).st_uid == os.geteuid():
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else its run lives
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)


@dataclass
class _Guest:
    """A greeting that is under way."""

    end: socket.socket
    nonce: bytes
    until: float
    heard: bytes = b""


class Door:
    """Where a process listens, also while it waits for other things (it has a ``fileno``)."""

    def __init__(self, meeting: Meeting, name: str, listening: socket.socket | None = None) -> None:
        self._meeting, self._name, self._ways = meeting, name, meeting.ways
        self._socket = listening or self._ways.listen(name)
        self._socket.listen(16)
        self._socket.setblocking(False)
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(self._socket, selectors.EVENT_READ)
        self._guests: dict[int, _Guest] = {}

    def fileno(self) -> int:
        """Readable when somebody knocks, or a greeting goes on."""
        return self._waiting.fileno()

    def accept(self) -> Connection | None:
        """Who has been greeted, or None, for now; it never waits."""
        now = time.monotonic()
        for late in [one for one in self._guests.values() if now > one.until]:
            self._dismiss(late)
        for key, _ in self._waiting.select(0):
            if key.fileobj is self._socket:
                self._admit(now)
                continue
            guest = self._guests.get(key.fd)
            if guest is None:  # sent away meanwhile
                continue
            done = self._listen(guest)
            if done is not None:
                self._forget(guest)
                if done:
                    return _connection(guest.end)
                guest.end.close()
        return None

    def _admit(self, now: float) -> None:
        try:
            end, _ = self._socket.accept()
        except OSError:  # gone again
            return
        if not self._ways.is_us(end):
            end.close()
            return
        if len(self._guests) >= _MOST:
            self._dismiss(next(iter(self._guests.values())))
        soon(end)
        end.setblocking(False)
        guest = _Guest(end, secrets.token_bytes(NONCE), now + GREETING_S)
        try:
            end.send(guest.nonce)  # the first bytes on a new socket: there is room
        except OSError:
            end.close()
            return
        self._guests[end.fileno()] = guest
        self._waiting.register(end, selectors.EVENT_READ)

    def _listen(self, guest: _Guest) -> bool | None:
        """Whether the greeting ended well; None: it goes on."""
        try:
            part = guest.end.recv(2 * NONCE - len(guest.heard))
        except BlockingIOError:
            return None
        except OSError:
            return False
        if not part:
            return False
        guest.heard += part
        if len(guest.heard) < 2 * NONCE:
            return None
        theirs, code = guest.heard[:NONCE], guest.heard[NONCE:]
        if not hmac.compare_digest(code, self._code("guest", guest.nonce, theirs)):
            return False
        try:
            guest.end.send(self._code("door", guest.nonce, theirs))
        except OSError:
            return False
        return True

    def _code(self, role: str, door: bytes, guest: bytes) -> bytes:
        return code(self._meeting.key, role, self._name, door, guest)

    def _forget(self, guest: _Guest) -> None:
        self._waiting.unregister(guest.end)
        del self._guests[guest.end.fileno()]

    def _dismiss(self, guest: _Guest) -> None:
        self._forget(guest)
        guest.end.close()

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        for guest in list(self._guests.values()):
            self._dismiss(guest)
        self._waiting.close()
        self._socket.close()
        self._ways.leave(self._name)


def _connection(end: socket.socket) -> Connection:
    end.setblocking(True)
    return Connection(end.detach())


def connect(meeting: Meeting, name: str, within_s: float, deadline_s: float) -> Connection:
    """Connect to a process that may still be starting; ``deadline_s``: for the greeting, and each answer later."""
    until = time.monotonic() + within_s
    ways = meeting.ways
    while True:
        try:
            end = ways.reach(name, deadline_s)
        except (TimeoutError, BlockingIOError):
            raise PeerHung from None
        except OSError:
            if time.monotonic() > until:
                raise PeerGone(f"nobody listens as {name} at {meeting.place}") from None
            time.sleep(ways.pause_s)
            continue
        with end:
            try:
                if not ways.is_us(end):
                    raise ConnectionError("another user listens there")
                greet(end, meeting.key, name, time.monotonic() + deadline_s)
            except TimeoutError:
                raise PeerHung from None
            except OSError as error:
                if ways.changes and time.monotonic() <= until:  # another listens there by now
                    time.sleep(ways.pause_s)
                    continue
                raise PeerGone(str(error)) from None
            end.setblocking(True)
            set_deadline(end, deadline_s)
            return Connection(end.detach())
