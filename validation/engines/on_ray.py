"""Shards and trainer as actors of Ray, on as many machines as its cluster has.

Each actor's process is one shard, or the trainer (:mod:`validation.engines.guest`). The run's folder must be on a
file system that all nodes share; numbers pass over TCP, between processes that have greeted each other with the
run's key.

Who is dead. Ray says that an actor is dead as soon as it has been asked to kill it, while its process may still do
what it likes; and it needs some ten seconds to miss a machine. So a process counts as dead when the system has
closed its line to the desk. Where Ray gives one up whose line is open, it is told to kill itself, and counts as
dead when its line closes, or after ten seconds without: its machine is out of reach then.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cprmodel.cli.cluster import RAY_SILENT, first_line, join_ray
from cprmodel.facts.errors import CprModelError, JobError, Problem
from validation.case import Case
from validation.engines.guest import NODE, Guest
from validation.processes.launcher import LocalLauncher, Process, search_path
from validation.shards.desk import Desk, desk
from validation.shards.meeting import Meeting
from validation.shards.places import host_towards

__all__ = ["RayEngine", "RayProcess"]

#: Seconds within which the line of a process that Ray has given up must close, and a process be stopped.
_FENCE_S = 10.0
#: Seconds to wait for what Ray has to say of a process that is dead.
_SAID_S = 2.0
#: Seconds after which a process that was killed counts as dead, whatever is heard of it.
_KILLED_S = 60.0
#: What a cluster that is begun here may hold in memory for objects: none of a run's numbers pass through it.
_OBJECTS = 100_000_000
#: How often an actor is begun that never stood: Ray may put it on a node that it does not know yet to be dead.
_BEGINNINGS = 4
_HEAD = "node:__internal_head__"


class RayProcess:
    """An actor, as a process that can be signalled, waited for, and seen dead."""

    def __init__(
        self, ray: Any, needs: Mapping[str, float], actor: Callable[[], Any], told: dict[str, Any]
    ) -> None:
        self._ray, self.needs, self._new, self._what = ray, needs, actor, told
        self.pid = 0  # until it has come to the desk
        self.node = ""
        self.said = ""  # of its end
        self._actor: Any = None
        self._begun, self._killed = 0, False
        self._line: Connection | None = None
        self._kept: list[int | str] = []  # what it is to be told when it comes
        self._status: int | None = None
        self._lock = threading.Lock()
        self._dead, self._told, self._stopped = threading.Event(), threading.Event(), threading.Event()
        self._ended, self._ends = os.pipe()

    def begin(self) -> None:
        """Have an actor become what it is told."""
        self._begun += 1
        self._actor = self._new()
        self._actor.run.remote(self._what).future().add_done_callback(self._answered)

    def lives(self, line: Connection, facts: dict[str, Any]) -> None:
        with self._lock:
            self.node, self.pid, self._line = facts["node"], facts["pid"], line
            kept, self._kept = self._kept, []
        for one in kept:
            self.tell(one)

    def is_stopped(self) -> None:
        self._stopped.set()

    def is_gone(self) -> None:
        self._stopped.set()
        with self._lock:
            if not self._dead.is_set():
                self._dead.set()
                os.close(self._ends)

    def tell(self, what: int | str) -> None:
        """A signal, or the end of its node, over its line."""
        with self._lock:
            if self._line is None:
                self._kept.append(what)
                return
            line = self._line
        with contextlib.suppress(OSError):  # it is dead, which will be seen
            line.send_bytes(json.dumps({"kill": what}).encode())

    def fileno(self) -> int:
        return self._ended

    def send_signal(self, number: signal.Signals) -> None:
        if number == signal.SIGKILL:
            self._killed = True
            self._ray.kill(self._actor, no_restart=True)
            return
        self.tell(int(number))
        if number == signal.SIGSTOP and self.pid:
            self._stopped.wait(_FENCE_S)  # as on this machine: it answers nobody after this

    def wait(self) -> int:
        """Its exit status; where it did not end by itself, -SIGKILL: Ray does not say by which signal."""
        self._dead.wait(_KILLED_S)
        self._told.wait(_SAID_S)
        self.is_gone()
        if self._ended >= 0:
            os.close(self._ended)
            self._ended = -1
        return -signal.SIGKILL if self._status is None else self._status

    @property
    def dead(self) -> bool:
        return self._dead.is_set()

    def _answered(self, future: Any) -> None:
        """Ray has an answer: what the actor returned, or why it never will."""
        try:
            self._status, self.said = future.result()
        except Exception as error:  # all of Ray's own
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            self.said = " ".join(lines[-2:])
            if self._line is None and not self._killed and self._begun < _BEGINNINGS:
                threading.Thread(target=self.begin, daemon=True).start()
                return
        self._told.set()
        threading.Thread(target=self._end, daemon=True).start()  # Ray wants its thread back

    def _end(self) -> None:
        if self._status is not None:
            self._ray.kill(self._actor, no_restart=True)
        if self._line is None:
            self.is_gone()
        elif self._status is None:
            self.tell(int(signal.SIGKILL))
        if not self._dead.wait(_FENCE_S):
            self.is_gone()


class RayEngine:
    """One run's actors."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.ray = connected(case)
        self._logs = LocalLauncher(Path(os.path.abspath(folder / "logs")))
        self._desk: Desk | None = None
        self._last: dict[str, RayProcess] = {}

    @contextlib.contextmanager
    def meeting(self, remembered: Path) -> Iterator[Meeting]:
        """A desk at this machine's address in the cluster."""
        with desk(self._host(), secrets.token_hex(32)) as self._desk:
            yield self._desk.meeting

    def start(self, name: str, module: str, arguments: Sequence[str], secret: str) -> Process:
        """An actor with what the case says that it needs."""
        assert self._desk
        self._logs.logs.mkdir(parents=True, exist_ok=True)
        needs = self.case.needs_of("trainer" if name == "trainer" else "shard")
        token = secrets.token_hex(16)
        told = {
            "name": name,
            "module": module,
            "arguments": [os.path.abspath(one) for one in arguments],
            "folder": os.getcwd(),
            "logs": str(self._logs.logs),
            "place": self._desk.meeting.place,
            "secret": secret,
            "token": token,
        }
        others = {key: value for key, value in needs.items() if key not in ("CPU", "GPU", "memory")}
        options = {
            "num_cpus": needs.get("CPU", 0),
            "num_gpus": needs.get("GPU", 0),
            "resources": others,
            "max_restarts": 0,
            "scheduling_strategy": "DEFAULT" if name == "trainer" else "SPREAD",
        }
        if "memory" in needs:
            options["memory"] = needs["memory"]
        actor = self.ray.remote(Guest).options(**options)
        process = self._last[name] = RayProcess(self.ray, needs, actor.remote, told)
        self._desk.expect(token, process)
        process.begin()
        return process

    def last_line(self, name: str) -> str:
        return self._last[name].said or self._logs.last_line(name)

    def cannot_start(self, process: Process) -> str:
        assert isinstance(process, RayProcess)
        if process.pid or process.dead:
            return ""
        free = {key: value for key, value in self.ray.available_resources().items() if key in process.needs}
        within = self.case.timeouts.start_s
        return f"expected room in Ray's cluster for {dict(process.needs)} within {within:g} s (free: {free})"

    def kill_node(self, name: str, processes: Mapping[str, Process]) -> tuple[str, list[str]]:
        """Kill the node's Ray, and every process that it has started there."""
        standing = {one: process for one, process in processes.items() if isinstance(process, RayProcess)}
        node = standing[name].node
        kept = [one["NodeID"] for one in self.ray.nodes() if one["Alive"] and _HEAD in one["Resources"]]
        if node in ("", *kept, self.ray.get_runtime_context().get_node_id()):
            where = "the node of Ray's head, or of this command" if node else "no node yet"
            raise CprModelError(
                f"failures.plan.node: expected {name} on a node that can be spared; it stands on {where} "
                "(engine.shard_resources says where shards may stand)"
            )
        standing[name].tell(NODE)
        return node, [one for one, process in standing.items() if process.node == node]

    def _host(self) -> str:
        address = self.case.engine.address or ""
        if address.startswith("ray://"):
            host, _, port = address.removeprefix("ray://").rpartition(":")
            return host_towards(host.strip("[]"), int(port))
        return str(self.ray.util.get_node_ip_address())


def connected(case: Case) -> Any:
    """Ray, connected to the case's cluster; JobError where that is not to be had."""
    field, address = "engine.address", case.engine.address
    try:
        import ray
    except ImportError:
        raise JobError(
            "case", [Problem("engine.name", '"ray"', "Ray, which is not installed (pip install ray)")]
        ) from None
    if ray.is_initialized():
        return ray
    begun: dict[str, Any] = {"address": address or "local"}
    if address is None:
        count = case.shards.count
        shard, trainer = case.needs_of("shard"), case.needs_of("trainer")
        needs = {key: count * shard.get(key, 0) + trainer.get(key, 0) for key in {*shard, *trainer} - {"memory"}}
        begun |= {"num_cpus": math.ceil(needs.pop("CPU", 0)), "include_dashboard": False}
        begun |= {"object_store_memory": _OBJECTS, "resources": {k: v for k, v in needs.items() if k != "GPU"}}
    try:
        join_ray(ray, search_path(), **begun)
    except RAY_SILENT as error:
        shown = "" if address is None else f'"{address}"'
        raise JobError(
            "case", [Problem(field, shown, f"a cluster of Ray that answers ({first_line(error)})")]
        ) from None
    _say_less(ray)
    return ray


def _say_less(ray: Any) -> None:
    """Ray prints what it thinks of each death on standard output, where a command's JSON is to stand, and knows no
    setting against it. The run's own log tells of every death."""
    worker: Any = getattr(getattr(ray, "_private", None), "worker", None)
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda data, ignore_prefix=False: None
