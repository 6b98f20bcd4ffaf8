"""Messages over a socket: a JSON header, then arrays as raw bytes. No pickle crosses it.

A peer that is silent for longer than the deadline, in sending or in answering, raises :class:`PeerHung`; one that
is gone, :class:`PeerGone`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

__all__ = ["PeerGone", "PeerHung", "receive", "send", "set_deadline"]


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
    except (OSError, EOFError) as error:
        raise PeerGone(str(error)) from None


def set_deadline(end: socket.socket, deadline_s: float) -> None:
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
