"""How two processes of a run know one another, whatever socket is between them.

The door sends a number that it drew; the guest sends one of his own and a code of both; the door sends its code.
Both codes are HMAC-SHA256 under the run's key, each with a word that says who sends it and at whose door: where a
port of a dead process was given to another, the guest finds that it is not the one that he meant.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import time

__all__ = ["NONCE", "code", "greet"]

#: Bytes of a number that is drawn, and of a code.
NONCE = 32


def code(key: str, role: str, name: str, door: bytes, guest: bytes) -> bytes:
    """What proves that one knows the key and has seen both numbers; ``role``: "door" or "guest", of ``name``."""
    return hmac.digest(key.encode(), f"{role} {name} ".encode() + door + guest, "sha256")


def greet(end: socket.socket, key: str, name: str, until: float) -> None:
    """The guest's side, at the door of ``name``; TimeoutError, or another OSError where it ends badly."""
    theirs = _receive(end, until)
    ours = secrets.token_bytes(NONCE)
    end.sendall(ours + code(key, "guest", name, theirs, ours))
    if not hmac.compare_digest(_receive(end, until), code(key, "door", name, theirs, ours)):
        raise ConnectionError("it does not know the run's key")


def _receive(end: socket.socket, until: float) -> bytes:
    heard = b""
    while len(heard) < NONCE:
        end.settimeout(max(until - time.monotonic(), 1e-3))
        part = end.recv(NONCE - len(heard))
        if not part:
            raise ConnectionError("it hung up")
        heard += part
    return heard
