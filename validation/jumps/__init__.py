"""A wall clock that jumps by years with every look at it: set by hand, by a time server, or for want of a battery.

Nothing in a run may go by it but the date in its log. What waits, or is measured, goes by the monotonic clock,
which nobody can set.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from validation.processes.launcher import LocalLauncher

__all__ = ["jumping", "patch"]

#: How far it may be off [s].
_MOST_S = 10 * 365 * 86_400.0
_true_time = time.time


def _time() -> float:
    return _true_time() + random.SystemRandom().uniform(-_MOST_S, _MOST_S)


class _Date(datetime.datetime):
    """Of that clock."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.datetime.fromtimestamp(_time(), tz)


def patch() -> None:
    """This process has such a clock from here on."""
    time.time = _time
    time.time_ns = lambda: int(_time() * 1e9)
    datetime.datetime = _Date  # type: ignore[misc]


@contextlib.contextmanager
def jumping() -> Iterator[None]:
    """This process's log, and all Python processes that it starts meanwhile, have such a clock.

    >>> import subprocess, sys
    >>> with jumping():
    ...     said = subprocess.run([sys.executable, "-c", "import time; print(time.time())"], capture_output=True)
    >>> abs(float(said.stdout) - time.time()) > 3600
    True
    """
    path = os.environ.get("PYTHONPATH")
    search = os.pathsep.join(
        [str(Path(__file__).parent / "site"), str(Path(__file__).parents[2]), *filter(None, [path])]
    )
    with (
        mock.patch.dict(os.environ, {"PYTHONPATH": search}),
        mock.patch("validation.events.datetime", _Date),
        mock.patch("validation.engines.engine.on_this_machine", LocalLauncher),  # forks have their server's clock
        mock.patch.object(time, "time", _time),
    ):
        yield
