"""A session on a GPU: one part after the other while there is time, and a report and an archive in any case.

What a part found is in the folder before the next one begins. ``session.json`` tells of every session in it, and
holds what a later one goes on with (a sealed line, as in logs); that one does what is not done.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import CprModelError, JobError, Problem
from cprmodel.facts.files import write_whole
from validation.claim import alone
from validation.data.tables import num_embeddings_of
from validation.events import sealed, timestamp, unsealed
from validation.experiment.design import Experiment
from validation.experiment.verdict import Verdict
from validation.gpu import testing
from validation.gpu.archive import ARCHIVE, pack
from validation.gpu.probe import Probed
from validation.gpu.reporting import outcome_of, report, whole_seeds
from validation.gpu.sizing import memory_needed, sizable, sized
from validation.processes.launcher import search_path
from validation.processes.parent import end_with_parent

__all__ = ["LOG", "Session"]

LOG = "session.json"
#: Kept for the report and the archive, at most this long and this share of the minutes.
_CLOSING_S, _CLOSING = 30.0, 0.12
#: What tests and the probe may take, as shares of the minutes; what the machine's own look may take [s].
_TESTS, _PROBE, _LOOK_S = 0.3, 0.35, 120.0
#: Not worth beginning anything with less [s].
_TOO_SHORT_S = 1.0

DONE, CUT_OFF, NO_TIME = "done", "cut off by the clock", "not begun: the time was over"


class _Over(Exception):
    """Nothing more can be done in this session."""


class Session:
    """One session in one folder. ``clock`` is what the minutes are counted by; ``tests``: files instead of all."""

    def __init__(
        self,
        case: Path,
        folder: Path,
        minutes: float,
        device: str,
        resume: bool = False,
        *,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = print,
        tests: Sequence[Path] | None = None,
    ) -> None:
        self.case, self.folder, self.minutes, self.device, self.resume = case, folder, minutes, device, resume
        self.clock, self.say = clock, say
        self.tests = testing.files() if tests is None else tests
        whole = 60 * minutes
        closing = min(_CLOSING_S, _CLOSING * whole)
        self.grace_s = closing / 3
        begin = clock()
        self.until = begin + whole - closing
        self.tests_s, self.probe_s = _TESTS * whole, _PROBE * whole
        self.parts: list[dict[str, Any]] = []
        self.known: dict[str, Any] = {}

    def run(self) -> int:
        """All that there is time for; the exit status: 1 where anything failed."""
        experiment = self._experiment()
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone(self.folder):
            self._read_past(experiment)
            try:
                with contextlib.suppress(_Over):
                    self._look()
                    self._test()
                    self._size(experiment)
                    self._experiment_itself()
            finally:
                status = self._close()
        return status

    # -- what there is to do --------------------------------------------------------------------------------------

    def _experiment(self) -> Experiment:
        """The case, on this session's device."""
        found = sizable(Experiment.from_file(self.case), str(self.case))
        if found.data.source != "synthetic" and importlib.util.find_spec("polars") is None:
            wanted = "polars to be installed, which reads it"
            raise JobError(str(self.case), [Problem("data.source", found.data.source, wanted)])
        shards = found.shards.model_copy(update={"device": self.device})
        return found.on_device(self.device).model_copy(update={"shards": shards})

    def _read_past(self, experiment: Experiment) -> None:
        asked = json.loads(experiment.model_dump_json())
        path = self.folder / LOG
        if not path.exists():
            others = sorted(one.name for one in self.folder.iterdir() if one.name != "lock")
            if others:
                raise self._wrong(f"a new or empty folder (there is {others[0]})")
            first = dict.fromkeys(("machine", "probe", "sized_case"))
            self.known = {"device": self.device, "case": asked, **first, "sized": "", "sessions": []}
        elif not self.resume:
            raise self._wrong("a new folder, or --resume for the session that is in it")
        else:
            known = unsealed(path.read_text(encoding="utf-8", errors="replace").removesuffix("\n"))
            if known is None or "sessions" not in known:
                raise self._wrong(f"a session's {LOG}, as it was written")
            self.known = known
            if (known["device"], known["case"]) != (self.device, asked):
                raise self._wrong("a session of the same case on the same device, to go on with")
        one = {"date": timestamp(), "minutes": self.minutes, "parts": self.parts}
        self.known["sessions"].append(one)

    def _look(self) -> None:
        """What this machine is. On another card, what was measured would be of two."""
        out = self.folder / f"machine-{len(self.known['sessions'])}.json"
        self._part("machine", ["validation.gpu.machine", self.device, str(out)], _LOOK_S, needed=True)
        found = json.loads(out.read_text(encoding="utf-8"))
        before = self.known["machine"]
        if before is not None and before["name"] != found["name"]:
            self._note("machine", f"failed: expected {before['name']}, as before; this is {found['name']}", 0.0)
            raise _Over
        self.known["machine"] = before or found

    def _test(self) -> None:
        out = (self.folder / "tests.xml").resolve()  # pytest runs elsewhere
        if testing.came_to(out) is not None:
            return
        if not self.tests or importlib.util.find_spec("pytest") is None:
            self._note("tests", "not run: pytest and the project's tests are not here", 0.0)
            return
        self._part("tests", testing.command(self.device, out, self.tests), self.tests_s)

    def _size(self, experiment: Experiment) -> None:
        """A short run of the case, and from what it measured the length of the long ones."""
        if self.known["sized_case"] is not None:
            return
        self._room_for(experiment)
        out, asked = self.folder / "probe.json", self.folder / "case-as-asked.json"
        write_whole(asked, experiment.model_dump_json())
        probe = ["validation.gpu.probe", str(asked), str(self.folder / "probe"), str(out)]
        self._part("probe", probe, self.probe_s, needed=True)
        found = Probed.from_dict(json.loads(out.read_text(encoding="utf-8")))
        self.known["probe"] = found.to_dict()
        began = self.clock()
        try:
            chosen = sized(experiment, found, self.until - began)
        except CprModelError as error:
            self._note("size", f"failed: {error}", 0.0)
            raise _Over from None
        self.known["sized"] = chosen.told()
        self.known["sized_case"] = json.loads(chosen.experiment.model_dump_json())
        self._note("size", chosen.told(), self.clock() - began)

    def _room_for(self, experiment: Experiment) -> None:
        machine = self.known["machine"]
        if machine["free_bytes"] is None:
            return
        needed = memory_needed(experiment, sum(num_embeddings_of(experiment)), machine["context_bytes"])
        if needed > machine["free_bytes"]:
            wanted, free = (f"{one / 2**30:.1f} GiB" for one in (needed, machine["free_bytes"]))
            said = f"expected {wanted} of the GPU's memory, for all processes; {free} are free"
            self._note("memory", f"failed: {said} (model.largest_table, shards.count)", 0.0)
            raise _Over

    def _experiment_itself(self) -> None:
        case = self.folder / "case.json"
        write_whole(case, json.dumps(self.known["sized_case"]))
        words = ["validation.gpu.work", str(case), str(self.folder / "experiment")]
        self._part("experiment", words, self.until - self.clock(), gently=True)

    # -- parts ----------------------------------------------------------------------------------------------------

    def _part(self, name: str, words: list[str], most_s: float, needed: bool = False, gently: bool = False) -> None:
        """Have a process do it, for so long at most. ``needed``: without it there is nothing more to do."""
        began = self.clock()
        until = min(self.until, began + most_s)
        too_late = until - began < _TOO_SHORT_S
        said = NO_TIME if too_late else self._carried_out(name, words, until, gently)
        self._note(name, said, self.clock() - began)
        if needed and said != DONE:
            raise _Over

    def _carried_out(self, name: str, words: list[str], until: float, gently: bool) -> str:
        log = self.folder / f"{name}.log"
        command = words if words[0] == sys.executable else [sys.executable, "-m", *words]
        settings = {"PYTHONPATH": search_path(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUNBUFFERED": "1"}
        write_whole(log, b"")
        output = os.open(log, os.O_WRONLY | os.O_APPEND)
        try:
            process = subprocess.Popen(
                command,
                cwd=testing.ROOT if name == "tests" else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **settings},
                preexec_fn=end_with_parent,
                start_new_session=True,  # what is over is this process's to say
            )
        finally:
            os.close(output)
        try:
            while process.poll() is None and self.clock() < until:
                time.sleep(0.05)
            over = process.poll() is None
            if over and gently:
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(self.grace_s)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        if over:
            return CUT_OFF
        if status == 0:
            return DONE
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"failed: {lines[-1] if lines else f'exit status {status}'}"

    def _note(self, name: str, said: str, seconds: float) -> None:
        self.parts.append({"name": name, "said": said, "seconds": seconds})
        self.say(f"{name}: {said} ({seconds:.1f} s)")
        self._save()

    def _save(self) -> None:
        write_whole(self.folder / LOG, sealed(self.known))

    # -- the end --------------------------------------------------------------------------------------------------

    def _close(self) -> int:
        """Report and archive; the exit status."""
        self._save()
        outcome = outcome_of(self.folder)
        write_whole(self.folder / "report.md", report(self.folder, self.known, outcome))
        left = pack(self.folder)
        tested = testing.came_to(self.folder / "tests.xml")
        failed = [one["name"] for one in self.parts if one["said"].startswith("failed")]
        failed += [f"{len(tested[1])} tests"] if tested and tested[1] and "tests" not in failed else []
        if outcome is not None:
            ended = whole_seeds(outcome)
            self.say(f"{ended} {'seed has' if ended == 1 else 'seeds have'} ended; so far {outcome.verdict.value}")
        self.say(f"Report: {self.folder / 'report.md'}; all of it: {self.folder / ARCHIVE}")
        if left:
            self.say(f"without room in the archive: {len(left)} files, the first of them {left[0]}")
        if failed:
            self.say(f"failed: {', '.join(failed)}")
        wrong = outcome is not None and (outcome.status if outcome.ended else outcome.verdict is Verdict.FAIL)
        return int(bool(failed or wrong))

    def _wrong(self, expected: str) -> JobError:
        return JobError(str(self.folder), [Problem("", "", expected)])
