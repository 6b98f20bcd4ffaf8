"""The seam between the harness and the machines it runs on: how a process is started, reached and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from validation.processes.parent import end_with_parent

__all__ = ["Launcher", "LocalLauncher", "Process", "search_path"]


class Process(Protocol):
    """A process that was started, here or elsewhere."""

    @property
    def pid(self) -> int:
        """0 where it is not known yet."""

    def fileno(self) -> int:
        """A handle that becomes readable when the process is dead (for ``multiprocessing.connection.wait``)."""

    def send_signal(self, number: signal.Signals) -> None: ...

    def wait(self) -> int:
        """Wait until it is dead; the exit status, negative: the signal that ended it."""

    @property
    def dead(self) -> bool: ...


class Launcher(Protocol):
    """Starts ``python -m MODULE ARGUMENTS`` somewhere; the first line of its standard input is ``secret``.

    It is for one machine; what reaches others is an engine (:mod:`validation.engines`).
    """

    def start(self, name: str, module: str, arguments: Sequence[str], secret: str) -> Process: ...

    def last_line(self, name: str) -> str:
        """The last thing that a process said."""


class LocalProcess:
    """A child of this process."""

    def __init__(self, popen: subprocess.Popen[bytes], death: int) -> None:
        self._popen, self._death = popen, death

    @property
    def pid(self) -> int:
        return self._popen.pid

    def fileno(self) -> int:
        return self._death

    def send_signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def wait(self) -> int:
        status = self._popen.wait()
        if self._death >= 0:
            os.close(self._death)
            self._death = -1
            if self._popen.stdin:
                self._popen.stdin.close()
        return status

    @property
    def dead(self) -> bool:
        return self._popen.poll() is not None


class LocalLauncher:
    """Processes on this machine; what they print goes to one file each in ``logs``."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs

    def start(self, name: str, module: str, arguments: Sequence[str], secret: str) -> Process:
        """Start a process that holds the write end of a pipe: when it dies, the read end closes."""
        self.logs.mkdir(parents=True, exist_ok=True)
        read, write = os.pipe()
        try:
            with open(self.logs / f"{name}.log", "ab") as log:
                popen = subprocess.Popen(
                    [sys.executable, "-m", module, *arguments],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=(write,),
                    env={
                        **os.environ,
                        "PYTHONPATH": search_path(),
                        "CPRMODEL_PARENT": str(os.getpid()),
                    },
                    preexec_fn=_begin,
                    start_new_session=True,  # Ctrl-C is for the parent alone
                )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        assert popen.stdin
        with contextlib.suppress(BrokenPipeError):  # it is dead already, which will be seen
            popen.stdin.write(f"{secret}\n".encode())
            popen.stdin.flush()
        return LocalProcess(popen, read)

    def last_line(self, name: str) -> str:
        """The last thing that a process said."""
        path = self.logs / f"{name}.log"
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        return lines[-1] if lines else ""


def _begin() -> None:
    """Between fork and exec: SIGINT is for the parent, also where somebody sends it to all; Python would end by it
    with status 1 while it loads, as by a fault of its own."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def search_path() -> str:
    """Where ``validation`` is imported from, whatever folder this process stands in."""
    here = str(Path(__file__).parents[2])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
