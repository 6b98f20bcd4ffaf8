"""What the parent of a run knows of it, and how a log is told."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import CprModelError, JobError, Problem
from cprmodel.facts.strategies import FailureKind
from validation.case import Case
from validation.claim import Claim, new_run
from validation.engines.engine import Engine, engine_of
from validation.events import EventLog
from validation.failures import Failure
from validation.processes.launcher import Process
from validation.shards.meeting import Meeting
from validation.supervisor.deaths import Deaths
from validation.supervisor.pace import Pace

__all__ = ["RunError", "State", "host"]


class RunError(CprModelError):
    """A run cannot go on; the text says why, in one line."""


def host() -> dict[str, Any]:
    """The machine, for a log."""
    return {"machine": platform.machine(), "system": platform.platform(), "cpus": os.cpu_count()}


class State:
    """What is known of one run in one folder."""

    log: EventLog  # open while the run goes
    claim: Claim  # to the folder, from then on
    meeting: Meeting  # where its processes do, from then on

    def __init__(
        self,
        case: Case,
        folder: Path,
        *,
        failures: list[Failure] | None = None,
        observe: Callable[[dict[str, Any]], None] = lambda event: None,
        sabotage: Callable[[Failure, dict[str, Process]], None] = lambda failure, processes: None,
        engine: Engine | None = None,
    ) -> None:
        self.case, self.folder = case, folder
        self.strategy = case.planned_strategy()
        self.failures = case.failure_plan() if failures is None else failures
        self.observe, self.sabotage = observe, sabotage
        self.engine = engine or engine_of(case, folder)
        self.run_name = new_run()  # or that of the run that is resumed
        self.damaged_lines = 0  # in its log
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
        self.unplanned = Deaths(case.timeouts.killed_s)
        self.pace = Pace()
        self.begun_at: float | None = None  # when training began, for failures at times
        self.heard_at = time.monotonic()
        self.trained = self.finished = False
        self.standing = False  # a trainer has stood once

    def _note(self, event: str, at: float | None = None, **facts: Any) -> None:
        self.observe(self.log.write(event, at, **facts))

    def _struck(self, kind: str, at: float) -> None:
        """One more failure, for who learns from them."""
        self.strikes.append((kind, self.clock_s if self.case.clock else at))

    def _folder_error(self, expected: str) -> JobError:
        return JobError(str(self.folder), [Problem("", "", expected)])
