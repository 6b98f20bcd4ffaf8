"""``python -m validation.processes.nursery FD MODULE…``: import the modules, then fork for whoever asks on FD.

It ends with the process that asks, and its forks end with it. It runs nothing of its own besides, so that a fork
finds no thread and no lock but the imports'. Nor does it fork once anything in it has begun to use a GPU, by
whatever library: CUDA does not survive a fork, and a child would find a driver that was begun for another process.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from dataclasses import asdict, dataclass

from validation.processes.parent import end_with_parent

__all__ = ["Wish", "ask", "gpu_in_use"]

_LENGTH = 8


@dataclass(frozen=True)
class Wish:
    """What ``python -m MODULE ARGUMENTS`` would be told."""

    module: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]


def ask(line: socket.socket, wish: Wish, descriptors: tuple[int, int, int]) -> int | None:
    """Have a process forked: its standard input, what it prints to, and where its exit status is to be written.

    The number of the process; None where it may not fork. OSError or EOFError where the nursery is dead.
    """
    body = json.dumps(asdict(wish)).encode()
    socket.send_fds(line, [len(body).to_bytes(_LENGTH, "big")], descriptors)
    line.sendall(body)
    return int.from_bytes(_exactly(line, _LENGTH), "big") or None


def gpu_in_use(descriptors: str = "/proc/self/fd") -> bool:
    """Whether this process has begun to use a GPU; by torch, or past it, where only the open devices tell.

    ``torch.cuda.is_available()`` is enough to begin the driver, and leaves ``torch.cuda.is_initialized()`` false.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return True
    for name in os.listdir(descriptors):
        with contextlib.suppress(OSError):  # that of the listing itself is closed by now
            if os.readlink(os.path.join(descriptors, name)).startswith("/dev/nvidia"):
                return True
    return False


def _exactly(line: socket.socket, count: int) -> bytes:
    heard = b""
    while len(heard) < count:
        part = line.recv(count - len(heard))
        if not part:
            raise EOFError
        heard += part
    return heard


def _serve(line: socket.socket) -> Wish:
    """Fork as asked; returns in the forks alone."""
    parent, nursery = os.getppid(), os.getpid()
    reads, writes = os.pipe()
    for end in (reads, writes):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    statuses: dict[int, int] = {}  # process → where its exit status goes
    while os.getppid() == parent:
        ready = select.select([line.fileno(), reads], [], [], 1.0)[0]
        if reads in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(reads, 4096)
            _bury(statuses)
        if line.fileno() in ready:
            try:
                header, passed, _, _ = socket.recv_fds(line, _LENGTH, 3)
                if not header:
                    break
                wish = Wish(**json.loads(_exactly(line, int.from_bytes(header, "big"))))
            except (OSError, EOFError):
                break  # whoever asks is gone
            if gpu_in_use():
                for descriptor in passed:
                    os.close(descriptor)
                _answer(line, 0)
                continue
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (reads, writes, *statuses.values()):
                    os.close(descriptor)
                line.close()
                _become(wish, nursery, *passed)
                return wish
            statuses[pid] = passed[2]
            for descriptor in passed[:2]:
                os.close(descriptor)
            _answer(line, pid)
    os._exit(0)


def _answer(line: socket.socket, pid: int) -> None:
    with contextlib.suppress(OSError):  # nobody waits for it: the next look at the line ends this process
        line.sendall(pid.to_bytes(_LENGTH, "big"))


def _bury(statuses: dict[int, int]) -> None:
    """Say of each that is dead how it died."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        where = statuses.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it
            os.write(where, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(where)


def _become(wish: Wish, nursery: int, hears: int, prints: int, ends: int) -> None:
    """A process of its own, which hears and prints where it was told."""
    end_with_parent()
    if os.getppid() != nursery:  # it was dead before
        os._exit(1)
    os.setsid()
    for descriptor, stands_for in ((hears, 0), (prints, 1), (prints, 2)):
        os.dup2(descriptor, stands_for)
    for descriptor in (hears, prints, ends):
        os.close(descriptor)
    os.chdir(wish.folder)
    os.environ.clear()
    os.environ.update(wish.environment, CPRMODEL_PARENT=str(nursery))
    search = [path for path in wish.environment["PYTHONPATH"].split(os.pathsep) if path not in sys.path]
    sys.path[:0] = search


def _run(module: str) -> int:
    """The exit status; nothing is taken down piece by piece, for the pages are the nursery's."""
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else bool(end.code)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def main() -> None:
    """Forks return from here as what they were asked to be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the parent, and the forks take this over
    line = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what is imported is shared with the forks, and stays so
    wish = _serve(line)
    sys.argv[1:] = wish.arguments
    os._exit(_run(wish.module))


if __name__ == "__main__":
    main()
