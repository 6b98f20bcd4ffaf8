"""Harm beside the failures that are planned: damaged files, full disks, processes that sleep, intruders."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import JobError
from validation.case import Case
from validation.checkpoint.manifest import manifests
from validation.failures import Failure
from validation.processes.launcher import Process
from validation.supervisor import Supervisor

__all__ = ["Saboteur"]


class Saboteur:
    """Damages what is read back, fills a shard's disk, has a process sleep, tries a second run, dates files anew.

    Just before some of the failures.
    """

    def __init__(self, rng: Any, folder: Path, case: Case, shards: int) -> None:
        self.case, self.shards = case, shards
        self.slept = self.refused = self.aged = self.spoiled_starts = 0
        self.wrong: list[str] = []
        self.rng, self.run_folder, self.folder = rng, folder, folder / "checkpoints"
        self.run = ""  # its name, from its log
        self.limited: list[int] = []
        self.damaged: set[str] = set()

    def __call__(self, failure: Failure, processes: dict[str, Process]) -> None:
        draw = self.rng.random()
        if draw < 0.15:
            self.damage()
        elif draw < 0.22:
            name = f"shard-{int(self.rng.integers(self.shards))}"
            if name in processes:
                self.limit(processes[name].pid, 256)
        elif draw < 0.32:
            names = sorted(processes)
            self.sleep(processes[names[int(self.rng.integers(len(names)))]].pid)
        elif draw < 0.35:
            self.intrude()
        elif draw < 0.40:
            self.age()

    def damage(self) -> None:
        """One byte of the newest checkpoint, or its end."""
        newest = next(manifests(self.folder, self.run), None)
        if newest is None:
            return
        others = [f"../logs/{path.name}" for path in sorted((self.run_folder / "logs").glob("*.json"))]
        names = [*sorted(newest.files - self.damaged), newest.name, "../replica.bin", "../advisor.json", *others]
        name = str(self.rng.choice(names))
        self.harm(self.folder / name)
        self.spoiled_starts += name in others  # whoever begins with it ends at once, and is begun again

    def harm(self, path: Path) -> None:
        """Flip a bit of a file in its place, or cut the file (but not the trainer's copy, which is mapped: whoever
        looks at what is gone is ended by the system)."""
        try:
            with path.open("r+b") as file:
                where = int(self.rng.integers(max(1, path.stat().st_size)))
                if self.rng.random() < 0.5 and path.name != "replica.bin":
                    file.truncate(where)
                else:
                    file.seek(where)
                    one = file.read(1)
                    file.seek(where)
                    file.write(bytes(byte ^ 1 << int(self.rng.integers(8)) for byte in one))
            self.damaged.add(path.name)
        except OSError:
            return

    def sleep(self, pid: int) -> None:
        """Stop a process, and let it go on a little before or after it would be given up."""

        def wake() -> None:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                return

        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            return
        self.slept += 1
        deadline_s = self.case.timeouts.shard_s
        timer = threading.Timer(deadline_s * float(self.rng.uniform(0.5, 1.3)), wake)
        timer.daemon = True
        timer.start()

    def age(self) -> None:
        """Every file is of another day, before or after today, as where the clock jumped between their writing."""
        for path in self.run_folder.rglob("*"):
            with contextlib.suppress(OSError):  # it is gone
                os.utime(path, (at := float(self.rng.uniform(0, 4e9)), at))
        self.aged += 1

    def intrude(self) -> None:
        """A second run in the folder, new or resumed, is refused."""
        try:
            Supervisor(self.case, self.run_folder).run(resume=bool(self.rng.random() < 0.5))
            self.wrong.append("a second run was let into the folder")
        except JobError as error:
            self.refused += "no run is under way" in str(error)

    def limit(self, pid: int, size: int) -> None:
        """No file of this process may grow beyond ``size``: its next write fails as on a full disk."""
        try:
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
            self.limited.append(pid)
        except (ProcessLookupError, ValueError):
            return

    def heard(self, event: dict[str, Any]) -> None:
        """Once a save has failed, there is room again."""
        self.run = event.get("run", self.run)
        if event["event"] != "save_failed":
            return
        for pid in self.limited:
            try:
                hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            except ProcessLookupError:
                continue
        self.limited.clear()
