"""Carry an experiment out: calibrate, predict, run; everything written down as it happens.

The folder holds ``experiment.jsonl`` (what was begun, predicted, done) and a folder for each run with its event
log. Nothing else is needed to tell what came out. Whatever of it is damaged, or another run's, is as good as not
there: an experiment that goes on does that run again.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import CprModelError, JobError, Problem
from cprmodel.facts.parts import Part
from cprmodel.facts.strategies import FailureMix
from cprmodel.facts.version import __version__
from validation.case import Case
from validation.checkpoint.manifest import clear
from validation.claim import Claim, FolderTaken, alone, new_run
from validation.events import end_torn_line, read_log, sealed, timestamp
from validation.experiment.calibration import calibrated
from validation.experiment.costs import Costs
from validation.experiment.design import Experiment, Planned
from validation.experiment.parts import LOG, decided, folder_of
from validation.experiment.predict import expected, planned, recommend
from validation.failures import Failure, draw_failures
from validation.processes.pool import Submit, workers
from validation.supervisor import Supervisor, host

__all__ = ["LOG", "Runner", "draw"]

Progress = Callable[[str, int, int], None]


def draw(experiment: Experiment, costs: Costs, mix: FailureMix, seed: int) -> tuple[Failure, ...]:
    """Failures at times, for the runs of a block: of the seed alone, for ten times the work."""
    horizon = 20 * mix.mtbf_s + 10 * experiment.steps * costs.step_s
    entropy = [experiment.failures.seed, seed]
    return tuple(draw_failures(mix, experiment.shards.count, horizon, entropy, in_steps=False))


class Runner:
    """One experiment in one folder."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        progress: Progress = lambda what, done, of: None,
        part: Part | None = None,
        submit: Submit | None = None,
    ) -> None:
        """``part``: that one alone; ``submit``: hands runs whose time does not matter to a cluster."""
        self.experiment, self.progress, self.whole = experiment, progress, folder
        self.part, self.submit = part or Part(1, 1), submit
        self.folder = folder if part is None else folder_of(part, folder)
        self.done: dict[str, dict[str, Any]] = {}  # runs by name
        self.costs: dict[int, Costs] = {}
        self.chosen: tuple[str, int] | None = None
        self.claim: Claim  # to the folder, once it is held

    def run(self, resume: bool = False) -> None:
        """Everything that is not done yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone(self.folder) as word:
            self.claim = Claim(str(self.folder), word, new_run())
            self._read_past(resume)
            self._check_devices()
            self._run()

    def _run(self) -> None:
        section = self.experiment.experiment
        self._note(
            "start",
            date=timestamp(),
            machine=_machine(),
            commit=_commit(),
            version=__version__,
            case=self.experiment.model_dump(mode="json"),
        )
        if section.strategies:
            for seed in filter(self.part.takes, range(section.seeds)):
                self._block(seed)
        if section.losses:
            runs = [
                (seed, one)
                for seed in range(section.loss_seeds or section.seeds)
                for one in self.experiment.losses(seed)
            ]
            self._all(self._mine(runs), "losses")
        if section.orders:
            ordered = [
                (seed, one) for seed in range(self.experiment.order_seeds) for one in self.experiment.orders(seed)
            ]
            self._all(self._mine(ordered), "orders")
        self._note("end", date=timestamp())

    def _mine(self, runs: list[tuple[int, Planned]]) -> list[tuple[int, Planned]]:
        return [run for number, run in enumerate(runs) if self.part.takes(number)]

    def _check_devices(self) -> None:
        """A GPU that is not there is missed before anything runs."""
        experiment = self.experiment
        wanted = {"training.device": experiment.training.device, "shards.device": experiment.shards.device}
        if "cuda" in wanted.values():
            from validation.placement import resolve_device

            for field, device in wanted.items():
                resolve_device(device, field)

    # -- a block: one seed ----------------------------------------------------------------------------------------

    def _block(self, seed: int) -> None:
        experiment, section = self.experiment, self.experiment.experiment
        baseline = experiment.baseline(seed)
        if experiment.clock:
            costs = Costs.charged(experiment)
            before: list[Planned] = []
        else:
            before = [baseline] if section.paired else []
            if section.calibrate == "each" or seed == 0:
                before += experiment.calibrations(seed)
            for one in before:
                self._one(seed, one)
            costs = self._calibrated(seed)
        mix = self._mix(costs)
        runs = list(experiment.tried(seed))
        if section.recommended:
            if self.chosen is None and self.part.number > 1 and not experiment.clock:
                known = decided(self.part, self.whole, "recommended")
                self.chosen = known["recovery"], known["interval_steps"]
            if self.chosen is None:  # for good, before the first run
                best = recommend(experiment, costs, mix, section.pls_budget)
                steps = min(experiment.steps, max(1, round(best.interval_s / costs.step_s)))
                self.chosen = best.name, steps
                self._note("recommended", recovery=best.name, interval_steps=steps, overhead=best.overhead_fraction)
            runs.append(experiment.recommended(seed, *self.chosen))
        failures = draw(experiment, costs, mix, seed)
        runs = [replace(one, failures=failures) for one in runs]
        for one in runs:
            if self._name(seed, one) not in self.done:
                self._predict(seed, one, costs, mix)
        if experiment.clock:
            calm = [baseline] if section.paired else []
            self._all([(seed, one) for one in (*calm, *runs)], f"seed {seed + 1}")
        else:
            for one in runs:
                self._one(seed, one)

    def _predict(self, seed: int, one: Planned, costs: Costs, mix: FailureMix) -> None:
        budget = self.experiment.experiment.pls_budget
        self._note(
            "predicted",
            run=self._name(seed, one),
            costs=costs.to_dict(),
            mtbf_s=mix.mtbf_s,
            expected=expected(one.case, costs, mix, budget).to_dict(),
            planned=planned(one.case, costs, one.failures or ()).to_dict(),
        )

    def _mix(self, costs: Costs) -> FailureMix:
        """The failure rate in time; one given in steps is turned into time by the calibrated step."""
        mix = self.experiment.failure_mix
        assert mix is not None
        if self.experiment.failures.mtbf_steps is not None:
            return replace(mix, mtbf_s=mix.mtbf_s * costs.step_s)
        return mix

    def _calibrated(self, seed: int) -> Costs:
        """What this block's calibration runs measured; of the first block's where only that one calibrates."""
        once = self.experiment.experiment.calibrate == "once"
        of = 0 if once else seed
        if of not in self.costs and once and self.part.number > 1:
            self.costs[of] = Costs.from_dict(decided(self.part, self.whole, "calibrated")["costs"])
        if of not in self.costs:
            for one in self.experiment.calibrations(of):
                run = self.done.get(self._name(of, one))
                if run is None or run["status"] != "finished":
                    what = f"a calibration run that ends ({one.name} did not)"
                    raise JobError(str(self.folder), [Problem("", "", what)])
            self.costs[of] = calibrated(self.experiment, self.folder, of)
            self._note("calibrated", seed=of, costs=self.costs[of].to_dict())
        return self.costs[of]

    # -- runs -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _name(seed: int, one: Planned) -> str:
        return f"seed-{seed + 1:02d}/{one.name}"

    def _one(self, seed: int, one: Planned) -> None:
        name = self._name(seed, one)
        if name in self.done:
            return
        self.progress(name, len(self.done), self.experiment.total)
        self._heard(seed, one, carry_out(one.case, self.folder / name, list(one.failures or ())))

    def _all(self, runs: Iterable[tuple[int, Planned]], what: str) -> None:
        """Runs whose time does not matter: several at once."""
        waiting = [(seed, one) for seed, one in runs if self._name(seed, one) not in self.done]
        count = self.experiment.experiment.workers
        if count == 1 and self.submit is None:
            for seed, one in waiting:
                self._one(seed, one)
            return
        with workers(count) if self.submit is None else contextlib.nullcontext(self.submit) as submit:
            futures = {}
            for seed, one in waiting:
                folder = Path(os.path.abspath(self.folder / self._name(seed, one)))
                futures[submit(carry_out, one.case, folder, list(one.failures or ()))] = seed, one
            self.progress(what, len(self.done), self.experiment.total)
            for future in as_completed(futures):  # those that are not done when it ends are done on a resume
                seed, one = futures[future]
                self._heard(seed, one, future.result())
                self.progress(what, len(self.done), self.experiment.total)

    def _heard(self, seed: int, one: Planned, outcome: tuple[str, str, str]) -> None:
        status, reason, run_name = outcome
        name = self._name(seed, one)
        self.done[name] = self._note(
            "run",
            run=name,
            of=run_name,
            seed=seed,
            name=one.name,
            role=one.role,
            recovery=one.case.strategy.recovery,
            interval_steps=one.case.strategy.interval_steps,
            status=status,
            reason=reason,
            loss=one.loss.model_dump(mode="json") if one.loss else None,
        )

    # -- the log --------------------------------------------------------------------------------------------------

    def _note(self, event: str, **facts: Any) -> dict[str, Any]:
        entry = {"event": event, **facts}
        self.claim.check()
        with open(self.folder / LOG, "a", encoding="utf-8") as file:
            file.write(sealed(entry, allow_nan=False))
        return entry

    def _read_past(self, resume: bool) -> None:
        path = self.folder / LOG
        if not path.exists():
            others = sorted(one.name for one in self.folder.iterdir() if one.name != "lock")
            if others:
                raise self._wrong(f"a new or empty folder (there is {others[0]})")
            return
        if not resume:
            raise self._wrong("a new folder, or --resume for the experiment that is in it")
        end_torn_line(path)
        events, damaged = read_log(path)
        before = next((event["case"] for event in events if event["event"] == "start"), None)
        if before != self.experiment.model_dump(mode="json"):
            raise self._wrong("an experiment of the same case file, to go on with")
        if damaged:
            self._note("corrupt", file=LOG, reason=f"{damaged} lines cannot be read")
        predicted = {event["run"] for event in events if event["event"] == "predicted"}
        for event in events:
            if event["event"] == "run" and event["status"] == "finished":
                self.done[event["run"]] = event
            elif event["event"] == "recommended":
                self.chosen = event["recovery"], event["interval_steps"]
        for name, event in list(self.done.items()):
            reason = (
                "its prediction cannot be read" if event["role"] == "strategy" and name not in predicted else ""
            )
            reason = reason or what_is_wrong(self.folder / name / "events.jsonl", event["of"])
            if reason:
                self._note("corrupt", file=f"{name}/events.jsonl", reason=reason)
                del self.done[name]

    def _wrong(self, expected: str) -> JobError:
        return JobError(str(self.folder), [Problem("", "", expected)])


def what_is_wrong(log: Path, run: str) -> str:
    """Why a run's log cannot be used; nothing where it is whole and that run's."""
    try:
        events, damaged = read_log(log)
    except OSError as error:
        return f"{log} cannot be read ({(error.strerror or str(error)).lower()})"
    if damaged:
        return f"{damaged} lines of {log} cannot be read"
    if not events or "run" not in events[0]:
        return f"{log} is not whole"
    return "" if events[0]["run"] == run else f"{log} is of another run"


def carry_out(case: Case, folder: Path, failures: list[Failure]) -> tuple[str, str, str]:
    """One run: its status, why it is not "finished", its name. A run that was cut off is kept, and begun anew."""
    if folder.exists():
        number = 1
        while (aside := folder.with_name(f"{folder.name}.cut-off-{number}")).exists():
            number += 1
        folder.rename(aside)
    supervisor = Supervisor(case, folder, failures=failures)
    try:
        supervisor.run()
        status = "finished", "", supervisor.run_name
    except FolderTaken as error:
        return "failed", str(error), supervisor.run_name
    except CprModelError as error:
        status = "failed", str(error), supervisor.run_name
    if case.checkpoint.folder is not None:
        clear(case.checkpoints_of(supervisor.run_name, folder))
    for heavy in ("checkpoints", "journal", "replica.bin"):
        path = folder / heavy
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return status


def _machine() -> dict[str, Any]:
    """What a reader of the figures should know of it."""
    found = {**host(), "python": platform.python_version()}
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found["cpu"] = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        kilobytes = Path("/proc/meminfo").read_text().split()[1]
        found["memory_bytes"] = int(kilobytes) * 1024
    except (OSError, StopIteration, IndexError, ValueError):
        pass
    return found


def _commit() -> str:
    here = Path(__file__).parent
    try:
        said = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()
