"""No process outlives the one that started it, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

__all__ = ["end_with_parent", "told_in_secret", "watch_parent"]

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


def end_with_parent() -> None:
    """On Linux: have the system kill this process when its parent dies, even if it is stopped.

    Called between fork and exec, so that there is no moment at which it does not hold.
    """
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def watch_parent() -> None:
    """Elsewhere, and for good measure: end when the pipe from the parent closes."""
    if os.getppid() != int(os.environ.get("CPRMODEL_PARENT", os.getppid())):
        os._exit(1)
    threading.Thread(target=_watch, daemon=True).start()


def told_in_secret() -> str:
    """The line that the parent has written to our standard input, where nobody else can read it."""
    heard = b""
    while not heard.endswith(b"\n"):
        part = os.read(sys.stdin.fileno(), 1)
        if not part:
            os._exit(1)  # the parent is gone
        heard += part
    return heard.decode().strip()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
