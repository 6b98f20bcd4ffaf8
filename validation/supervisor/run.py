"""A run from its start to its end: one thing after the other that comes, and what it asks for."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from multiprocessing.connection import Connection, wait
from typing import Any

from cprmodel.facts.strategies import FailureKind, together
from validation.claim import Claim, alone
from validation.events import EventLog, timestamp
from validation.shards.meeting import Door
from validation.supervisor.living import Living
from validation.supervisor.state import RunError, host

__all__ = ["Supervisor"]


class Supervisor(Living):
    """One run in one folder.

    ``observe`` is called with every event. ``sabotage``, for soaks, is called with each failure, just before it is
    carried out.
    """

    def run(self, resume: bool = False) -> None:
        """Train to the last step, whatever is killed meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone(self.folder) as word:
            path = self.folder / "events.jsonl"
            resumed = self._read_past(path, resume)
            self.claim = Claim(str(self.folder), word, self.run_name)
            self.log = EventLog(path)
            status = "error"
            try:
                self._note(
                    "start",
                    run=self.run_name,
                    date=timestamp(),
                    host=host(),
                    case=self.case.model_dump(mode="json"),
                    failures=[failure.to_dict() for failure in self.failures],
                    resumed=resumed,
                    pid=os.getpid(),
                )
                if self.damaged_lines:
                    self._note("corrupt", file=path.name, reason=f"{self.damaged_lines} lines cannot be read")
                with (
                    self.engine.meeting(self.folder / "sockets") as self.meeting,
                    Door(self.meeting, "supervisor") as door,
                ):
                    self._start_everybody()
                    while not self.finished:
                        self._turn(door)
                self._tell_what_never_came()
                status = "finished"
            except KeyboardInterrupt:
                status = "interrupted"
                raise
            finally:
                self._end_everybody()
                self._sweep()
                self._note("stop", status=status)
                self.log.close()

    def _turn(self, door: Door) -> None:
        due = self._due()
        now = time.monotonic()
        timeout = max(0.0, self.heard_at + self.case.timeouts.trainer_s - now)
        if due is not None:
            timeout = min(timeout, max(0.0, due[1] - now))
        handles: dict[Any, str] = {process.fileno(): name for name, process in self.processes.items()}
        waiting: list[Any] = [door, *handles]
        if self.control:
            waiting.append(self.control)
        ready: list[Any] = list(wait(waiting, min(timeout, 3600.0)))
        if due is not None and time.monotonic() >= due[1]:
            self._inject(due[0])
            return
        if self.control in ready:
            self._hear()
            return
        if door in ready:
            connection = door.accept()
            if connection:
                self._welcome(connection)
            return
        for handle in ready:
            name = handles.get(handle)
            if name in self.processes and self.processes[name].fileno() == handle:
                self._bury(name, "on its own")
                return
        if time.monotonic() - self.heard_at > self.case.timeouts.trainer_s and "trainer" in self.processes:
            self._may_start("trainer")
            self._note("hung", what="trainer")
            self.processes["trainer"].send_signal(signal.SIGKILL)
            self._bury("trainer", "hung")

    def _hear(self) -> None:
        """One message of the trainer's; nothing when it is gone (its death is seen elsewhere)."""
        assert self.control
        try:
            message = json.loads(self.control.recv_bytes())
        except (EOFError, OSError):
            self.control.close()
            self.control = None
            return
        self.heard_at = time.monotonic()
        if "ask" in message:
            self._answer(message)
            return
        self._told(message.pop("tell"), message)

    def _welcome(self, connection: Connection) -> None:
        """A trainer is there: tell it where to stand."""
        self.control = connection
        self.heard_at = time.monotonic()
        start = {**self._decision(), "executed": self.executed, "highest": self.highest, "clock_s": self.clock_s}
        start["stood"] = self.stood
        with contextlib.suppress(OSError):
            connection.send_bytes(json.dumps(start).encode())

    def _answer(self, message: dict[str, Any]) -> None:
        assert self.control
        self.clock_s = message.get("clock_s", self.clock_s)
        if message["ask"] == "at":
            self._inject(message["number"])
            reply: dict[str, Any] = {"triggers": self._next_triggers()}
        else:
            for text, facts in message["shards"].items():
                self._look_after(int(text), facts)
            reply = self._decision()
        if self.control:  # the trainer itself may have been the victim
            with contextlib.suppress(OSError):
                self.control.send_bytes(json.dumps(reply).encode())

    def _look_after(self, shard: int, facts: dict[str, Any]) -> None:
        """The trainer lost this shard: if it still is the one that runs, it hangs (or is about to die)."""
        name = f"shard-{shard}"
        process = self.processes[name]
        if facts["incarnation"] is None:  # never reached: the one that runs now, or one that died before it
            timeouts = self.case.timeouts
            until = self.started_at[name] + (timeouts.shard_s if facts["cause"] == "hung" else timeouts.start_s)
            if not process.dead and time.monotonic() < until:
                return  # give it its time; the trainer asks again
        elif facts["incarnation"] != self.incarnations[shard]:
            return  # replaced already
        self._may_start(name)
        cause = "on its own"
        if facts["cause"] in ("hung", "silent") and not process.dead:
            self._note("hung", what=name)
            cause = "hung"
        elif not wait([process.fileno()], 1.0):
            cause = "its connection broke"
        if not process.dead:
            process.send_signal(signal.SIGKILL)
        self._bury(name, cause)

    def _may_start(self, name: str) -> None:
        """RunError where a process that was not reached in time never will be."""
        reason = self.engine.cannot_start(self.processes[name])
        if reason:
            raise RunError(f"{name}: {reason}")

    def _decision(self) -> dict[str, Any]:
        """What everybody does now: the furthest roll-back that any death since the last recovery asks for."""
        known = self.covered.get(self.generation, -1)
        self.generation += 1
        self.covered[self.generation] = self.deaths
        response = together(self.strategy.recovery, {kind for _, kind in self.unresolved})
        return {
            "rolls_back": response.rolls_back.value,
            "generation": self.generation,
            "triggers": self._next_triggers(),
            "new": self.deaths > known,  # whether anybody died since the last decision
            "strikes": self.strikes,
            # nobody pays for the first start
            "reschedule_s": response.reschedule_s if self.standing else 0.0,
            "load_s": response.load_s if self.standing else 0.0,
        }

    def _inject(self, number: int) -> None:
        """Carry out a failure: the signal, and the status that proves what it did."""
        failure = self.failures[number]
        self.done_failures.add(number)
        delay_s = failure.delay_s
        if failure.at_s is None and failure.into is not None:
            delay_s += self.pace.into_reading_s(failure.into)
        if delay_s:
            time.sleep(delay_s)
        self.sabotage(failure, self.processes)
        names = [f"shard-{shard}" for shard in failure.shards]
        if failure.kind is FailureKind.TRAINER:
            names = ["trainer"]
        elif failure.kind is FailureKind.WHOLE_JOB:
            names = ["trainer", *(f"shard-{shard}" for shard in range(self.case.shards.count))]
        on_node: dict[str, Any] = {}
        if failure.node:
            node, names = self.engine.kill_node(names[0], self.processes)
            on_node = {"node": node}
        number_sent = signal.SIGSTOP if failure.stop else signal.SIGKILL
        if not failure.stop:
            self._struck(failure.kind.value, time.monotonic())
        names = [name for name in names if name in self.processes]
        if not failure.node:
            for name in names:
                self.processes[name].send_signal(number_sent)
        self._note(
            "failure",
            number=number,
            kind=failure.kind.value,
            shards=sorted(_shards(names)) if failure.node else list(failure.shards),
            signal=number_sent.name,
            phase=failure.phase if failure.at_s is None else "at a time",
            executed=self.executed,
            **on_node,
            **({"clock_s": self.clock_s} if self.case.clock else {}),
        )
        if failure.stop:
            return  # found by the deadline
        for name in names:
            kind = FailureKind.TRAINER if failure.node and name == "trainer" else failure.kind
            status = self._bury(name, "killed", kind)
            if status != -signal.SIGKILL:
                self._note("remark", text=f"{name} was killed, but its status is {status}")


def _shards(names: list[str]) -> list[int]:
    return [int(name.split("-")[1]) for name in names if name != "trainer"]
