"""The processes of a run: started, seen to die, buried, and followed by a successor."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from typing import Any

from cprmodel.facts.files import write_whole
from cprmodel.facts.strategies import FailureKind
from validation.data.tables import num_embeddings_of
from validation.events import sealed
from validation.shards.server import ServerConfig
from validation.supervisor.coming import Coming
from validation.supervisor.state import RunError

__all__ = ["Living"]


class Living(Coming):
    """Who lives, and what the trainer has told."""

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
            folder=self.case.checkpoints_of(self.run_name, self.folder),
            compact_after=self.case.checkpoint.compact_after,
            claim=self.claim,
            doors=self.meeting.place,
            order=self.case.strategy.order,
            fraction=self.case.strategy.fraction,
            bandwidth_bytes_per_s=self.case.checkpoint.bandwidth_bytes_per_s,
        )
        name = f"shard-{shard}"
        self._start(name, "validation.shards", config.to_dict())
        self._note(
            "respawn", what=f"shard-{shard}", incarnation=incarnation, pid=self.processes[f"shard-{shard}"].pid
        )

    def _start_trainer(self) -> None:
        config = {
            "case": self.case.model_dump(mode="json"),
            "claim": self.claim.to_dict(),
            "doors": self.meeting.place,
        }
        self._start("trainer", "validation.training", config)
        self.heard_at = time.monotonic()
        self._note("respawn", what="trainer", pid=self.processes["trainer"].pid)

    def _start(self, name: str, module: str, config: dict[str, Any]) -> None:
        path = self.folder / "logs" / f"{name}.json"
        self.claim.check()
        path.parent.mkdir(exist_ok=True)
        write_whole(path, sealed(config))
        self.started_at[name] = time.monotonic()
        self.processes[name] = self.engine.start(name, module, [str(path)], self.meeting.key)

    def _bury(self, name: str, cause: str, kind: FailureKind | None = None) -> int:
        """A process is dead: see how, and start its successor."""
        process = self.processes.pop(name)
        self.pace.stop(time.monotonic())
        status = process.wait()
        if name == "trainer":
            self._drain()
            if self.finished:
                return status
        self._note("died", what=name, status=status, cause=cause)
        if cause == "on its own":
            last = self.engine.last_line(name)
            reason = self.unplanned.died(name, status, last, time.monotonic())
            if reason:
                raise RunError(reason)
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
        self.pace.hear(event, at, message)
        if event == "step":
            self.executed += 1
            self.highest = max(self.highest, message["step"])
            self.stood = message["step"]
            self.unplanned.stepped()
        elif event in ("ready", "recovered"):
            known = self.covered.get(message["generation"], -1)
            self.unresolved = [(number, kind) for number, kind in self.unresolved if number > known]
            if event == "ready":
                self.standing = True
                if self.begun_at is None:
                    self.begun_at = at
        elif event == "trained":
            self.trained = True
