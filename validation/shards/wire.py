"""Messages over a socket: a JSON header, then arrays as raw bytes. No pickle crosses it.

Both ends prove that they know the run's key (``multiprocessing.connection``). A peer that is silent for longer
than the deadline, in sending or in answering, raises :class:`PeerHung`; one that is gone, :class:`PeerGone`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Any

import numpy as np

#: Seconds that somebody who connects may take to prove that he knows the key.
GREETING_S = 2.0

__all__ = ["Door", "PeerGone", "PeerHung", "address_of", "connect", "receive", "send"]


class PeerGone(ConnectionError):
    """The process at the other end died or closed the connection."""


class PeerHung(TimeoutError):
    """The process at the other end did not move within the deadline."""


@contextlib.contextmanager
def _in_our_words() -> Iterator[None]:
    """What went wrong with the other end: it hangs, or it is gone."""
    try:
        yield
    except BlockingIOError:
        raise PeerHung from None
    except (OSError, EOFError, AuthenticationError) as error:
        raise PeerGone(str(error)) from None


def address_of(run_key: str, name: str) -> str:
    """Where a process of a run listens. On Linux an abstract name, which leaves no file behind."""
    public = hashlib.sha256(run_key.encode()).hexdigest()[:16]
    if sys.platform.startswith("linux"):
        return f"\0cprmodel-{public}-{name}"
    return os.path.join(tempfile.gettempdir(), f"cprmodel-{public}-{name}")


class Door:
    """Where a process listens, also while it waits for other things (it has a ``fileno``)."""

    def __init__(self, run_key: str, name: str) -> None:
        self._key = run_key.encode()
        address = address_of(run_key, name)
        if not address.startswith("\0"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(address)  # of a dead process
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(address)
        self._socket.listen(16)
        self._path = None if address.startswith("\0") else address

    def fileno(self) -> int:
        return self._socket.fileno()

    def accept(self) -> Connection | None:
        """Who knocks, or None: somebody who left at once, was silent, or does not know the key."""
        end, _ = self._socket.accept()
        _set_deadline(end, GREETING_S)
        connection = Connection(end.detach())
        try:
            deliver_challenge(connection, self._key)
            answer_challenge(connection, self._key)
        except (OSError, EOFError, AuthenticationError):
            connection.close()
            return None
        with socket.socket(fileno=os.dup(connection.fileno())) as end:
            _set_deadline(end, 0.0)  # none
        return connection

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        if self._path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)


def connect(address: str, run_key: str, within_s: float, deadline_s: float) -> Connection:
    """Connect to a process that may still be starting."""
    until = time.monotonic() + within_s
    while True:
        with socket.socket(socket.AF_UNIX) as end:
            _set_deadline(end, deadline_s)
            try:
                end.connect(address)
            except BlockingIOError:
                raise PeerHung from None
            except OSError:
                if time.monotonic() > until:
                    raise PeerGone(f"nobody listens at {address!r}") from None
                time.sleep(0.001)
                continue
            connection = Connection(end.detach())
        try:
            with _in_our_words():
                answer_challenge(connection, run_key.encode())
                deliver_challenge(connection, run_key.encode())
        except (PeerHung, PeerGone):
            connection.close()
            raise
        return connection


def _set_deadline(end: socket.socket, deadline_s: float) -> None:
    """Let every send and receive fail after this long without progress."""
    value = struct.pack("ll", int(deadline_s), int(deadline_s % 1 * 1e6))
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)


def send(connection: Connection, header: dict[str, Any], *arrays: Any) -> None:
    """Send a header and arrays."""
    arrays = tuple(np.asarray(array, order="C") for array in arrays)
    header = {**header, "arrays": [[array.dtype.str, array.shape] for array in arrays]}
    with _in_our_words():
        connection.send_bytes(json.dumps(header).encode())
        for array in arrays:
            if array.size:
                connection.send_bytes(array.data.cast("B"))


def receive(connection: Connection) -> tuple[dict[str, Any], list[Any]]:
    """The next message."""
    with _in_our_words():
        header = json.loads(connection.recv_bytes())
        arrays = [np.empty(shape, dtype=np.dtype(code)) for code, shape in header.pop("arrays")]
        for array in arrays:
            if array.size:
                connection.recv_bytes_into(array.data.cast("B"))
    return header, arrays
