"""The parent of a run: starts its processes, kills them as planned, sees them die, and says what is to be done.

It knows nothing of models or rows. Which failure leads to which roll-back it asks of the strategy's recovery, the
object that ``cprmodel`` plans with.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import secrets
import shutil
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import CprModelError, JobError, Problem
from cprmodel.facts.strategies import FailureKind, together
from validation.case import Case
from validation.data.tables import num_embeddings_of
from validation.events import EventLog, read_events, timestamp
from validation.failures import Failure
from validation.processes.launcher import Launcher, LocalLauncher, Process
from validation.shards.server import ServerConfig
from validation.shards.wire import Door

__all__ = ["RunError", "Supervisor", "host"]

#: Deaths that nobody planned, without one step between them, after which a run is given up.
MOST_UNPLANNED = 5


class Supervisor:
    """One run in one folder.

    ``observe`` is called with every event. ``sabotage``, for soaks, is called with each failure, just before it is
    carried out.
    """

    def __init__(
        self,
        case: Case,
        folder: Path,
        *,
        failures: list[Failure] | None = None,
        observe: Callable[[dict[str, Any]], None] = lambda event: None,
        sabotage: Callable[[Failure, dict[str, Process]], None] = lambda failure, processes: None,
        launcher: Launcher | None = None,
    ) -> None:
        self.case, self.folder = case, folder
        self.strategy = case.planned_strategy()
        self.failures = case.failure_plan() if failures is None else failures
        self.observe, self.sabotage = observe, sabotage
        self.launcher = launcher or LocalLauncher(folder / "logs")
        self.key = secrets.token_hex(16)
        self.processes: dict[str, Process] = {}  # "trainer" and "shard-0" to "shard-N"
        self.started_at: dict[str, float] = {}
        self.incarnations: dict[int, int] = {}
        self.control: Connection | None = None
        self.generation = 0
        self.executed = self.highest = 0
        self.done_failures: set[int] = set()
        self.unresolved: list[tuple[int, FailureKind]] = []  # deaths whose recovery is not finished
        self.clock_s = 0.0  # emulated time
        self.strikes: list[tuple[str, float]] = []  # failures so far: kind, and when by the run's clock
        self.stood = 0  # the step that was told last
        self.covered: dict[int, int] = {}  # generation → the last death that its decision knew of
        self.deaths = 0
        self.unplanned = 0
        self.begun_at: float | None = None  # when training began, for failures at times
        self.heard_at = time.monotonic()
        self.trained = self.finished = False
        self.standing = False  # a trainer has stood once

    # -- a run, from its start to its end ------------------------------------------------------------------------

    def run(self, resume: bool = False) -> None:
        """Train to the last step, whatever is killed meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            path = self.folder / "events.jsonl"
            resumed = self._read_past(path, resume)
            self.log = EventLog(path)
            status = "error"
            try:
                self._note(
                    "start",
                    date=timestamp(),
                    host=host(),
                    case=self.case.model_dump(mode="json"),
                    failures=[failure.to_dict() for failure in self.failures],
                    resumed=resumed,
                    pid=os.getpid(),
                )
                with Door(self.key, "supervisor") as door:
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

    @contextlib.contextmanager
    def _alone(self) -> Any:
        with open(self.folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise self._folder_error("a folder in which no run is under way") from None
            yield

    def _read_past(self, path: Path, resume: bool) -> bool:
        """What an earlier start left in the folder; whether there was one."""
        if not path.exists():
            others = sorted(one.name for one in self.folder.iterdir() if one.name != "lock")
            if others:
                raise self._folder_error(f"a new or empty folder (there is {others[0]})")
            return False
        if not resume:
            raise self._folder_error("a new folder, or --resume for the run that is in it")
        try:
            events = list(read_events(path))
            self._same_case(next(event["case"] for event in events if event["event"] == "start"))
            for event in events:
                self._remember(event)
        except JobError:
            raise
        except (KeyError, TypeError, ValueError, StopIteration):
            raise self._folder_error("a run's event log in events.jsonl") from None
        return True

    def _remember(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "step":
            self.executed += 1
            self.highest = max(self.highest, event["step"])
        elif kind == "failure":
            self.done_failures.add(event["number"])
            if event["signal"] == signal.SIGKILL.name:
                self.strikes.append((event["kind"], event.get("clock_s", event["at"])))
        elif kind == "died" and event["cause"] != "killed":
            self._struck("trainer" if event["what"] == "trainer" else "shard", event["at"])
        elif kind == "ready":
            self.generation = max(self.generation, event["generation"])
        elif kind == "respawn" and event["what"] != "trainer":
            self.incarnations[int(event["what"].split("-")[1])] = event["incarnation"]
        elif kind == "stop" and event["status"] == "finished":
            raise self._folder_error("a run that is not finished")

    def _same_case(self, before: dict[str, Any]) -> None:
        """A run goes on as it began; only how long to wait, and where to compute, may change."""
        now = self.case.model_dump(mode="json")
        for table in now:
            old, new = before.get(table), now[table]
            if table == "timeouts" or old == new:
                continue
            if not isinstance(new, dict) or not isinstance(old, dict):
                raise self._folder_error(f"a run of the same case ({table} was {old})")
            for key in new:
                if old.get(key) != new[key] and (table, key) != ("training", "device"):
                    raise self._folder_error(f"a run of the same case ({table}.{key} was {old.get(key)})")

    def _folder_error(self, expected: str) -> JobError:
        return JobError(str(self.folder), [Problem("", "", expected)])

    def _start_everybody(self) -> None:
        for shard in range(self.case.shards.count):
            self._start_shard(shard)
        self.unresolved.append((self.deaths, FailureKind.WHOLE_JOB))
        self._start_trainer()

    def _end_everybody(self) -> None:
        for name, process in list(self.processes.items()):
            if not process.dead:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGKILL)
            process.wait()
            del self.processes[name]
        if self.control:
            self.control.close()
            self.control = None

    def _tell_what_never_came(self) -> None:
        """Failures planned by hand that the run was over before (drawn ones go on for ever)."""
        left = [n for n in range(len(self.case.failures.plan)) if n not in self.done_failures]
        if left and len(self.failures) == len(self.case.failures.plan):
            shown = ", ".join(str(number + 1) for number in left)
            self._note("remark", text=f"planned failures that never came: number {shown} of {len(self.failures)}")

    def _sweep(self) -> None:
        """Remove what killed processes were writing."""
        for path in (self.folder / "checkpoints").glob(".*.tmp"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    # -- one turn: wait for the next thing, and do what it asks ---------------------------------------------------

    def _turn(self, door: Door) -> None:
        planned = None if self.case.clock else self._next_timed()
        now = time.monotonic()
        timeout = max(0.0, self.heard_at + self.case.timeouts.trainer_s - now)
        if planned is not None and self.begun_at is not None:
            due = self.begun_at + (self.failures[planned].at_s or 0.0)
            timeout = min(timeout, max(0.0, due - now))
        handles: dict[Any, str] = {process.fileno(): name for name, process in self.processes.items()}
        waiting: list[Any] = [door, *handles]
        if self.control:
            waiting.append(self.control)
        ready: list[Any] = list(wait(waiting, min(timeout, 3600.0)))
        if planned is not None and self.begun_at is not None and time.monotonic() >= due:
            self._inject(planned)
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

    def _told(self, event: str, message: dict[str, Any]) -> None:
        """Something that the trainer says has happened."""
        if event == "done":
            self.finished = True
            return
        if event == "fatal":
            raise RunError(message["text"])
        at = message.pop("at")
        if event == "alive":
            return
        self.clock_s = message.get("clock_s", self.clock_s)
        self._note(event, at, **message)
        if event == "step":
            self.executed += 1
            self.highest = max(self.highest, message["step"])
            self.stood = message["step"]
            self.unplanned = 0
        elif event in ("ready", "recovered"):
            known = self.covered.get(message["generation"], -1)
            self.unresolved = [(number, kind) for number, kind in self.unresolved if number > known]
            if event == "ready":
                self.standing = True
                if self.begun_at is None:
                    self.begun_at = at
        elif event == "trained":
            self.trained = True

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
        cause = "on its own"
        if facts["cause"] in ("hung", "silent") and not process.dead:
            self._note("hung", what=name)
            cause = "hung"
        elif not wait([process.fileno()], 1.0):
            cause = "its connection broke"
        if not process.dead:
            process.send_signal(signal.SIGKILL)
        self._bury(name, cause)

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

    # -- processes ------------------------------------------------------------------------------------------------

    def _start_shard(self, shard: int) -> None:
        incarnation = self.incarnations.get(shard, -1) + 1
        self.incarnations[shard] = incarnation
        config = ServerConfig(
            shard=shard,
            incarnation=incarnation,
            num_embeddings=num_embeddings_of(self.case),
            shards=self.case.shards.count,
            placement=self.case.shards.placement,
            dim=self.case.model.embedding_dim,
            optimizer=self.case.training.embedding_optimizer,
            lr=self.case.training.embedding_lr,
            seed=self.case.training.seed,
            device=self.case.shards.device,
            folder=str(self.folder / "checkpoints"),
            compact_after=self.case.checkpoint.compact_after,
            order=self.case.strategy.order,
            fraction=self.case.strategy.fraction,
        )
        name = f"shard-{shard}"
        self._start(name, "validation.shards", config.to_json())
        self._note(
            "respawn", what=f"shard-{shard}", incarnation=incarnation, pid=self.processes[f"shard-{shard}"].pid
        )

    def _start_trainer(self) -> None:
        config = {"case": self.case.model_dump(mode="json"), "folder": str(self.folder)}
        self._start("trainer", "validation.training", json.dumps(config))
        self.heard_at = time.monotonic()
        self._note("respawn", what="trainer", pid=self.processes["trainer"].pid)

    def _start(self, name: str, module: str, config: str) -> None:
        path = self.folder / "logs" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(config)
        self.started_at[name] = time.monotonic()
        self.processes[name] = self.launcher.start(name, module, [str(path)], {"CPRMODEL_RUN_KEY": self.key})

    def _welcome(self, connection: Connection) -> None:
        """A trainer is there: tell it where to stand."""
        self.control = connection
        self.heard_at = time.monotonic()
        start = {**self._decision(), "executed": self.executed, "highest": self.highest, "clock_s": self.clock_s}
        start["stood"] = self.stood
        with contextlib.suppress(OSError):
            connection.send_bytes(json.dumps(start).encode())

    def _bury(self, name: str, cause: str, kind: FailureKind | None = None) -> int:
        """A process is dead: see how, and start its successor."""
        process = self.processes.pop(name)
        status = process.wait()
        if name == "trainer":
            self._drain()
            if self.finished:
                return status
        self._note("died", what=name, status=status, cause=cause)
        if cause == "on its own":
            self.unplanned += 1
            if self.unplanned > MOST_UNPLANNED:
                last = self.launcher.last_line(name) if isinstance(self.launcher, LocalLauncher) else ""
                raise RunError(f"{name}: it dies again and again on its own, last with status {status} ({last})")
        if kind is None:
            kind = FailureKind.TRAINER if name == "trainer" else FailureKind.SHARD
            self._struck(kind.value, time.monotonic())
        self.deaths += 1
        self.unresolved.append((self.deaths, kind))
        if name == "trainer":
            self._start_trainer()
        else:
            self._start_shard(int(name.split("-")[1]))
        return status

    def _drain(self) -> None:
        """Hear what the dead trainer said last; it gets no answers."""
        control, self.control = self.control, None
        if control is None:
            return
        with control, contextlib.suppress(EOFError, OSError, ValueError):
            while control.poll():
                message = json.loads(control.recv_bytes())
                if "tell" in message:
                    self._told(message.pop("tell"), message)

    # -- failures -------------------------------------------------------------------------------------------------

    def _next_triggers(self) -> list[dict[str, Any]]:
        """For each phase the next failure that waits for a step, as the trainer needs to know it."""
        found: dict[str, dict[str, Any]] = {}
        waiting = [
            (failure.at_step, number, failure.phase)
            for number, failure in enumerate(self.failures)
            if number not in self.done_failures and failure.at_step is not None and not self.trained
        ]
        for at_step, number, phase in sorted(waiting):
            found.setdefault(phase, {"number": number, "at_step": at_step, "phase": phase})
        triggers = list(found.values())
        timed = self._next_timed() if self.case.clock else None
        if timed is not None:
            triggers.append({"number": timed, "at_clock_s": self.failures[timed].at_s})
        return triggers

    def _next_timed(self) -> int | None:
        if self.trained:
            return None
        timed = [
            (failure.at_s, number)
            for number, failure in enumerate(self.failures)
            if failure.at_s is not None and number not in self.done_failures
        ]
        return min(timed)[1] if timed else None

    def _inject(self, number: int) -> None:
        """Carry out a failure: the signal, and the status that proves what it did."""
        failure = self.failures[number]
        self.done_failures.add(number)
        if failure.delay_s:
            time.sleep(failure.delay_s)
        self.sabotage(failure, self.processes)
        names = [f"shard-{shard}" for shard in failure.shards]
        if failure.kind is FailureKind.TRAINER:
            names = ["trainer"]
        elif failure.kind is FailureKind.WHOLE_JOB:
            names = ["trainer", *(f"shard-{shard}" for shard in range(self.case.shards.count))]
        number_sent = signal.SIGSTOP if failure.stop else signal.SIGKILL
        if not failure.stop:
            self._struck(failure.kind.value, time.monotonic())
        names = [name for name in names if name in self.processes]
        for name in names:
            self.processes[name].send_signal(number_sent)
        self._note(
            "failure",
            number=number,
            kind=failure.kind.value,
            shards=list(failure.shards),
            signal=number_sent.name,
            phase=failure.phase if failure.at_s is None else "at a time",
            executed=self.executed,
            **({"clock_s": self.clock_s} if self.case.clock else {}),
        )
        if failure.stop:
            return  # found by the deadline
        for name in names:
            status = self._bury(name, "killed", failure.kind)
            if status != -signal.SIGKILL:
                self._note("remark", text=f"{name} was killed, but its status is {status}")

    def _struck(self, kind: str, at: float) -> None:
        """One more failure, for who learns from them."""
        self.strikes.append((kind, self.clock_s if self.case.clock else at))

    # -- the log --------------------------------------------------------------------------------------------------

    def _note(self, event: str, at: float | None = None, **facts: Any) -> None:
        self.observe(self.log.write(event, at, **facts))


class RunError(CprModelError):
    """A run cannot go on; the text says why, in one line."""


def host() -> dict[str, Any]:
    """The machine, for a log."""
    return {"machine": platform.machine(), "system": platform.platform(), "cpus": os.cpu_count()}
