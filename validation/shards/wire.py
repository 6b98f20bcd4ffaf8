"""Messages over a socket: a JSON header, then arrays as raw bytes. No pickle crosses it.

Both ends prove that they know the run's key (``multiprocessing.connection``). A peer that is silent for longer
than the deadline, in sending or in answering, raises :class:`PeerHung`; one that is gone, :class:`PeerGone`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
import tempfile
import time
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener, answer_challenge, deliver_challenge
from typing import Any

import numpy as np

__all__ = ["Door", "PeerGone", "PeerHung", "address_of", "connect", "listen", "receive", "send"]


class PeerGone(ConnectionError):
    """The process at the other end died or closed the connection."""


class PeerHung(TimeoutError):
    """The process at the other end did not move within the deadline."""


def address_of(run_key: str, name: str) -> str:
    """Where a process of a run listens. On Linux an abstract name, which leaves no file behind."""
    if sys.platform.startswith("linux"):
        return f"\0cprmodel-{run_key[:16]}-{name}"
    return os.path.join(tempfile.gettempdir(), f"cprmodel-{run_key[:16]}-{name}")


def listen(address: str, run_key: str) -> Listener:
    """Listen, where a dead process may have listened before."""
    if not address.startswith("\0"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address)
    return Listener(address, family="AF_UNIX", authkey=run_key.encode())


class Door:
    """Where a process listens while it waits for other things, too (it has a ``fileno``)."""

    def __init__(self, run_key: str, name: str) -> None:
        self._listener = listen(address_of(run_key, name), run_key)

    def fileno(self) -> int:
        return int(self._listener._listener._socket.fileno())  # type: ignore[attr-defined]

    def accept(self) -> Connection | None:
        """Who knocks, or None: somebody who left at once, or without the key."""
        try:
            return self._listener.accept()
        except (OSError, EOFError, AuthenticationError):
            return None

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


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
            answer_challenge(connection, run_key.encode())
            deliver_challenge(connection, run_key.encode())
        except BlockingIOError:
            connection.close()
            raise PeerHung from None
        except (OSError, EOFError, AuthenticationError) as error:
            connection.close()
            raise PeerGone(str(error)) from None
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
    try:
        connection.send_bytes(json.dumps(header).encode())
        for array in arrays:
            if array.size:
                connection.send_bytes(array.data.cast("B"))
    except BlockingIOError:
        raise PeerHung from None
    except (OSError, EOFError) as error:
        raise PeerGone(str(error)) from None


def receive(connection: Connection) -> tuple[dict[str, Any], list[Any]]:
    """The next message."""
    try:
        header = json.loads(connection.recv_bytes())
        arrays = [np.empty(shape, dtype=np.dtype(code)) for code, shape in header.pop("arrays")]
        for array in arrays:
            if array.size:
                connection.recv_bytes_into(array.data.cast("B"))
    except BlockingIOError:
        raise PeerHung from None
    except (OSError, EOFError) as error:
        raise PeerGone(str(error)) from None
    return header, arrays
