"""Processes that begin where the imports have been done: forks of one that has loaded PyTorch and waits.

A trainer spends two seconds of a core on imports before it says a word, each time that it is killed. The
:mod:`~validation.processes.nursery` does them once for all runs of this process. (``multiprocessing``'s fork server
would do, but its children run the script of their parent again, and keep the server alive when that is killed.)
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from validation.processes.launcher import LocalLauncher, Process, search_path
from validation.processes.nursery import Wish, ask

__all__ = ["WarmLauncher", "on_this_machine", "warm_up"]

#: What a nursery loads before it forks; the last two a trainer would load with its first optimizer (a second of a
#: core each time) and for its test (another). None of it begins to use a GPU.
_LOADED = ("validation.training.trainer", "validation.shards.server", "torch._dynamo", "sklearn.metrics")


class WarmProcess:
    """A fork: ``told`` is the pipe to its standard input, ``ended`` becomes readable when it is dead."""

    def __init__(self, pid: int, told: int, ended: int) -> None:
        self.pid, self._told, self._ended = pid, told, ended
        self._status: int | None = None

    def fileno(self) -> int:
        return self._ended

    def send_signal(self, number: signal.Signals) -> None:
        if not self.dead:  # its number may be another's by now
            os.kill(self.pid, number)

    def wait(self) -> int:
        if self._status is None:
            said = os.read(self._ended, 16)
            self._status = int(said) if said else -signal.SIGKILL  # with the nursery
            os.close(self._ended)
            os.close(self._told)
            self._ended = -1
        return self._status

    @property
    def dead(self) -> bool:
        return self._status is not None or bool(select.select([self._ended], [], [], 0)[0])


class WarmLauncher(LocalLauncher):
    """Processes on this Linux machine that start in a fiftieth of the time."""

    def start(self, name: str, module: str, arguments: Sequence[str], secret: str) -> Process:
        """Fork one; what it hears, prints and dies of is the same as for one that is started afresh."""
        self.logs.mkdir(parents=True, exist_ok=True)
        (hears, told), (ended, ends) = os.pipe(), os.pipe()
        log = os.open(self.logs / f"{name}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            environment = {**os.environ, "PYTHONPATH": search_path()}
            pid = _nursery.fork(Wish(module, list(arguments), os.getcwd(), environment), (hears, log, ends))
        finally:
            for descriptor in (hears, ends, log):
                os.close(descriptor)
        if pid is None:
            os.close(told)
            os.close(ended)
            return super().start(name, module, arguments, secret)
        with contextlib.suppress(BrokenPipeError):  # it is dead already, which will be seen
            os.write(told, f"{secret}\n".encode())
        return WarmProcess(pid, told, ended)


class _Nursery:
    """The process that forks, of this process; another where it was killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._owner = 0

    def ready(self) -> None:
        """Begin to load, unless it has."""
        with self._lock:
            if not self._line or self._owner != os.getpid():
                self._begin()

    def fork(self, wish: Wish, descriptors: tuple[int, int, int]) -> int | None:
        """The number of the fork; None where no nursery comes to life, or it may not fork."""
        with self._lock:
            for _ in range(2):
                line = self._line if self._line and self._owner == os.getpid() else self._begin()
                try:
                    return ask(line, wish, descriptors)
                except (OSError, EOFError):
                    self.end()
        return None

    def end(self) -> None:
        """With it, whatever it has forked."""
        if self._line and self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
            self._line.close()
            self._line = None

    def _begin(self) -> socket.socket:
        ours, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "validation.processes.nursery", str(its.fileno()), *_LOADED],
                stdin=subprocess.DEVNULL,
                pass_fds=(its.fileno(),),
                env={**os.environ, "PYTHONPATH": search_path()},
                start_new_session=True,  # Ctrl-C is for the parent alone
            )
        self._line, self._owner = ours, os.getpid()
        return ours


_nursery = _Nursery()
atexit.register(_nursery.end)


def warm_up() -> None:
    """Load now, so that the first process starts as quickly as the others; one socket stays open."""
    if sys.platform.startswith("linux"):
        _nursery.ready()


def on_this_machine(logs: Path) -> LocalLauncher:
    """The quickest way to start processes here that is safe: other systems' libraries do not survive a fork."""
    return WarmLauncher(logs) if sys.platform.startswith("linux") else LocalLauncher(logs)
