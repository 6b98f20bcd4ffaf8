"""What a run asks of whatever starts its processes, and the one that needs nothing: this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from validation.case import Case
from validation.processes.launcher import Launcher, Process
from validation.processes.warm import on_this_machine
from validation.shards.meeting import Meeting, meeting_place

__all__ = ["Engine", "Local", "engine_of"]


class Engine(Protocol):
    """Starts the processes of one run, and says where they meet."""

    def meeting(self, remembered: Path) -> AbstractContextManager[Meeting]:
        """Where the processes meet while the run goes; ``remembered``: a file of the run's folder."""

    def start(self, name: str, module: str, arguments: Sequence[str], secret: str) -> Process:
        """As ``python -m MODULE ARGUMENTS``, with ``secret`` as the first line of its standard input."""

    def last_line(self, name: str) -> str:
        """The last thing that a process said."""

    def cannot_start(self, process: Process) -> str:
        """Why a process that nobody has reached in its time never will be; nothing where it may yet."""

    def kill_node(self, name: str, processes: Mapping[str, Process]) -> tuple[str, list[str]]:
        """Have the machine die on which a process stands: its name there, and who stood on it."""


class Local:
    """Processes of this machine, by a launcher."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher

    def meeting(self, remembered: Path) -> AbstractContextManager[Meeting]:
        return meeting_place(remembered)

    def start(self, name: str, module: str, arguments: Sequence[str], secret: str) -> Process:
        return self.launcher.start(name, module, arguments, secret)

    def last_line(self, name: str) -> str:
        return self.launcher.last_line(name)

    def cannot_start(self, process: Process) -> str:
        return ""

    def kill_node(self, name: str, processes: Mapping[str, Process]) -> tuple[str, list[str]]:
        raise NotImplementedError("a case refuses it")


def engine_of(case: Case, folder: Path) -> Engine:
    """The engine that a case names, for a run in this folder."""
    if case.engine.name == "ray":
        from validation.engines.on_ray import RayEngine

        return RayEngine(case, folder)
    return Local(on_this_machine(folder / "logs"))
