"""Where the processes of a run meet, and how they know one another.

Sockets stand in a folder of their own that nobody else may enter (mode 0700). Whoever knocks must be of the same
user, as the system says, and both ends prove that they know the run's key, within one deadline for the whole
greeting. The one who listens never waits for anybody: a greeting goes on when the next part of it has come.

The greeting: the door sends a number that it drew; the guest sends one of his own and a code of both; the door
sends its code. Both codes are HMAC-SHA256 under the run's key, each with a word that says who sends it.
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
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from cprmodel.facts.files import write_whole
from validation.shards.wire import PeerGone, PeerHung, set_deadline

__all__ = ["GREETING_S", "Door", "Meeting", "connect", "meeting_place"]

#: Seconds that somebody who connects may take for his whole greeting.
GREETING_S = 2.0
#: Guests whose greeting is under way; one more, and the first of them is sent away.
_MOST = 64
_NONCE = 32
_PREFIX = "cprmodel-run-"
_LONGEST = 40  # of the folder that a run's own is in: the address of a socket has room for some hundred letters


@dataclass(frozen=True)
class Meeting:
    """A folder of sockets, and the key that those who meet there know."""

    folder: str
    key: str = field(repr=False)

    def address(self, name: str) -> str:
        """Where a process of the run listens."""
        return os.path.join(self.folder, name)

    def code(self, role: str, door: bytes, guest: bytes) -> bytes:
        """What proves that one knows the key, and has seen both numbers."""
        return hmac.digest(self.key.encode(), role.encode() + door + guest, "sha256")


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


def _is_us(end: socket.socket) -> bool:
    """Whether the other end is a process of our user; where the system does not say, the folder keeps others."""
    if not sys.platform.startswith("linux"):
        return True
    found = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", found)
    return bool(user == os.geteuid())


@dataclass
class _Guest:
    """A greeting that is under way."""

    end: socket.socket
    nonce: bytes
    until: float
    heard: bytes = b""


class Door:
    """Where a process listens, also while it waits for other things (it has a ``fileno``)."""

    def __init__(self, meeting: Meeting, name: str) -> None:
        self._meeting = meeting
        self._path = meeting.address(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)  # of a dead process
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.bind(self._path)
        except FileNotFoundError:
            self._socket.close()
            raise ConnectionError(
                f"{meeting.folder}: expected the folder in which this run's processes meet; it was removed"
            ) from None
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
        if not _is_us(end):
            end.close()
            return
        if len(self._guests) >= _MOST:
            self._dismiss(next(iter(self._guests.values())))
        end.setblocking(False)
        guest = _Guest(end, secrets.token_bytes(_NONCE), now + GREETING_S)
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
            part = guest.end.recv(2 * _NONCE - len(guest.heard))
        except BlockingIOError:
            return None
        except OSError:
            return False
        if not part:
            return False
        guest.heard += part
        if len(guest.heard) < 2 * _NONCE:
            return None
        theirs, code = guest.heard[:_NONCE], guest.heard[_NONCE:]
        if not hmac.compare_digest(code, self._meeting.code("guest", guest.nonce, theirs)):
            return False
        try:
            guest.end.send(self._meeting.code("door", guest.nonce, theirs))
        except OSError:
            return False
        return True

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
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def _connection(end: socket.socket) -> Connection:
    end.setblocking(True)
    return Connection(end.detach())


def connect(meeting: Meeting, name: str, within_s: float, deadline_s: float) -> Connection:
    """Connect to a process that may still be starting; ``deadline_s``: for the greeting, and each answer later."""
    until = time.monotonic() + within_s
    while True:
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(deadline_s)
            try:
                end.connect(meeting.address(name))
            except (TimeoutError, BlockingIOError):
                raise PeerHung from None
            except OSError:
                if time.monotonic() > until:
                    raise PeerGone(f"nobody listens at {meeting.address(name)}") from None
                time.sleep(0.001)
                continue
            try:
                _greet(end, meeting, time.monotonic() + deadline_s)
            except TimeoutError:
                raise PeerHung from None
            except OSError as error:
                raise PeerGone(str(error)) from None
            end.setblocking(True)
            set_deadline(end, deadline_s)
            return Connection(end.detach())


def _greet(end: socket.socket, meeting: Meeting, until: float) -> None:
    """The guest's side."""
    if not _is_us(end):
        raise ConnectionError("another user listens there")
    theirs = _receive(end, until)
    ours = secrets.token_bytes(_NONCE)
    end.sendall(ours + meeting.code("guest", theirs, ours))
    if not hmac.compare_digest(_receive(end, until), meeting.code("door", theirs, ours)):
        raise ConnectionError("it does not know the run's key")


def _receive(end: socket.socket, until: float) -> bytes:
    heard = b""
    while len(heard) < _NONCE:
        end.settimeout(max(until - time.monotonic(), 1e-3))
        part = end.recv(_NONCE - len(heard))
        if not part:
            raise ConnectionError("it hung up")
        heard += part
    return heard
