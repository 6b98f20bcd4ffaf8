"""Inside an actor of Ray: its process becomes a shard or the trainer, by the same module as on one machine.

The class is all that Ray is told of. It has no other work than to run the module; a thread keeps the line to the
run's desk, over which the supervisor speaks: a signal for this process, or the end of the whole node.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

from validation.shards.places import at_desk
from validation.shards.wire import set_deadline

__all__ = ["NODE", "Guest", "Told"]

#: What the supervisor says instead of a signal's number where the node is to die.
NODE = "node"

#: What a guest is told: everything that a process of its own would find around it.
Told = dict[str, Any]


class Guest:
    """One process of a run. ``run`` returns its exit status, and its last words where something is wrong."""

    def run(self, told: Told) -> tuple[int, str]:
        """Become what is told, and be it to the end."""
        if not os.path.isdir(told["logs"]):
            wanted = "the run's folder on every node, on a file system that all share"
            return 1, f"{told['logs']}: expected {wanted}; there is none on {os.uname().nodename}"
        with contextlib.suppress(OSError):  # relative paths in the case begin there
            os.chdir(told["folder"])
        held = _become(told)
        line = at_desk(told["place"], told["secret"])
        facts = {"life": told["token"], "pid": os.getpid(), "node": _node()}
        line.send_bytes(json.dumps(facts).encode())
        threading.Thread(target=_obey, args=(line, held), daemon=True).start()
        sys.argv[1:] = told["arguments"]
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Ray would have it end by an exit status
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the run's own process
        return _run(told["module"])


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _become(told: Told) -> int:
    """Standard input, output and errors as a launcher gives them; the end that is written into."""
    log = os.open(os.path.join(told["logs"], f"{told['name']}.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    hears, told_by = os.pipe()
    for descriptor, stands_for in ((hears, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, stands_for)
    os.close(hears)
    os.close(log)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.write(told_by, f"{told['secret']}\n".encode())
    return told_by


def _obey(line: Connection, held: int) -> None:
    """Do what is said; where the line ends, the run has, and standard input closes as if its parent had died."""
    try:
        with socket.socket(fileno=os.dup(line.fileno())) as end:
            set_deadline(end, 0.0)  # it may be silent for as long as the run goes
        while True:
            said = json.loads(line.recv_bytes())["kill"]
            if said == NODE:
                _end_node()
            elif said == signal.SIGSTOP:
                _stop(line)
            else:
                os.kill(os.getpid(), said)
    except (EOFError, OSError, ValueError, LookupError):
        os.close(held)


def _stop(line: Connection) -> None:
    """Be stopped by a process that says so afterwards: had a thread said it before, another thread could
    answer the trainer once more."""
    says = "kill -STOP $0 && printf '\\000\\000\\000\\002{}'"  # as a line's messages are written
    subprocess.Popen(["/bin/sh", "-c", says, str(os.getpid())], stdout=line.fileno())


def _end_node() -> None:
    """Kill Ray's own process of this node, all that it has started, and last this process."""
    raylet = os.getppid()
    with open(f"/proc/{raylet}/comm") as file:
        if file.read().strip() != "raylet":
            print(f"expected Ray's process of this node as the parent of this one, not {raylet}", file=sys.stderr)
            return
    others = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{int(name)}/stat") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
            if parent == raylet and int(name) != os.getpid():
                others.append(int(name))
    for pid in (raylet, *others, os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _run(module: str) -> tuple[int, str]:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1, end.code
        return (end.code, "") if isinstance(end.code, int) else (int(bool(end.code)), "")
    except BaseException as error:
        traceback.print_exc()
        return 1, f"{type(error).__name__}: {error}"
    return 0, ""
