"""A run's folder: one run at a time in it, what an earlier start left there, what the dead left half-written."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import JobError
from cprmodel.facts.files import remove
from validation.claim import FolderTaken
from validation.events import read_log
from validation.supervisor.state import State

__all__ = ["Folder"]


class Folder(State):
    """A run that is alone in its folder, and goes on where it was left."""

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
            events, self.damaged_lines = read_log(path)
            start = next(event for event in events if event["event"] == "start")
            self._same_case(start["case"])
            self.run_name = start["run"]
            for event in events:
                self._remember(event)
        except JobError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError, OverflowError, StopIteration):
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
            if table in ("timeouts", "engine") or old == new:
                continue
            if not isinstance(new, dict) or not isinstance(old, dict):
                raise self._folder_error(f"a run of the same case ({table} was {old})")
            for key in new:
                if old.get(key) != new[key] and (table, key) != ("training", "device"):
                    raise self._folder_error(f"a run of the same case ({table}.{key} was {old.get(key)})")

    def _sweep(self) -> None:
        """Remove what killed processes were writing; what is in a folder that another run took is not ours."""
        try:
            self.claim.check()
        except FolderTaken:
            return
        for room in (self.folder, self.folder / "checkpoints", self.folder / "logs"):
            for path in room.glob(".*.tmp"):
                remove(path)
