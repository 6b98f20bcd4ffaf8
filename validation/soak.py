"""Soak: hundreds of failures of every sort in small runs, each run audited to the last bit.

What goes wrong is drawn from a seed: shards (one, two, the same again), trainers, whole jobs; before the lookup,
between lookup and update, while a checkpoint is written, while one is read; killed or stopped; files of
checkpoints cut short or with a bit flipped, the trainer's copy, the run's log; a disk that is full; processes that
sleep a little less or more than the deadline; a wall clock that jumps, and files of any date; a second run in the
folder; the folder deleted, and taken by another.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.errors import CprModelError, JobError
from validation.audit import audit
from validation.drawn import SHARDS, STEPS, drawn_case, drawn_failures
from validation.events import read_events
from validation.jumps import jumping
from validation.processes.warm import warm_up
from validation.sabotage import Saboteur
from validation.summary import summarise
from validation.supervisor import Supervisor

__all__ = ["Soak", "remove", "soak"]


@dataclass
class Soak:
    """What was survived, and what went wrong (which should be nothing)."""

    runs: int = 0
    kills: int = 0  # signals to processes
    failures: int = 0
    hangs: int = 0
    in_save: int = 0  # while one blocks, or drains
    in_recovery: int = 0
    trainers: int = 0
    whole_jobs: int = 0
    several_shards: int = 0
    void_saves: int = 0
    failed_saves: int = 0
    damaged_files: int = 0
    detected_damage: int = 0
    reloads_compared: int = 0
    redone_steps: int = 0
    executed_steps: int = 0
    slept: int = 0  # processes that were stopped for a while
    refused: int = 0  # second runs in a folder
    jumped: int = 0  # runs whose wall clock jumped with every look at it
    aged: int = 0  # times that all files of a run were given other dates
    advised: int = 0  # runs that an advisor tells when to save
    drained: int = 0  # runs whose saves are written while training goes on
    ordered: int = 0  # runs that save some rows before others
    rotated: int = 0  # runs that save some shards in turn
    choices: int = 0  # of rows to save, looked at
    resumed: int = 0  # runs that were interrupted, damaged, and gone on with
    deleted: int = 0  # folders under living runs
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def soak(kills: int, seed: int, keep: Path | None, progress: Callable[[int], None] = lambda kills: None) -> Soak:
    """Run until so many processes have been killed or stopped."""
    out = Soak()
    warm_up()  # what it keeps open is no run's
    for number, stream in enumerate(np.random.SeedSequence([seed, 0x50AC]).spawn(kills)):
        if out.kills >= kills:
            return out
        rng = np.random.default_rng(stream)
        with tempfile.TemporaryDirectory(prefix="cprmodel-soak-") as scratch:
            folder = (keep or Path(scratch)) / f"run-{number:04d}"
            before = len(out.wrong)
            jumps = number % 3 == 1
            out.jumped += jumps
            scenarios = (_one_run, _deleted_run, _one_run, _resumed_run, _one_run)
            with jumping() if jumps else contextlib.nullcontext():
                scenarios[number % len(scenarios)](out, rng, folder, f"run {number}")
            if len(out.wrong) > before and keep is None:
                kept = Path(tempfile.mkdtemp(prefix="cprmodel-soak-wrong-"))
                folder.rename(kept / folder.name)
                out.wrong.append(f"run {number} is kept in {kept}")
        progress(out.kills)
    return out


def _one_run(out: Soak, rng: Any, folder: Path, name: str) -> None:
    case, plan = drawn_case(rng, advised=out.runs % 3 == 2), drawn_failures(rng)
    saboteur = Saboteur(rng, folder, case, SHARDS)
    gc.collect()  # what earlier work in this process left open is not this run's
    before = _open_handles()
    supervisor = Supervisor(case, folder, failures=plan, observe=saboteur.heard, sabotage=saboteur)
    try:
        supervisor.run()
    except Exception as error:
        out.wrong.append(f"{name}: {type(error).__name__}: {error}")
    events = list(read_events(folder / "events.jsonl"))
    found = summarise(events)
    checked = audit(case, folder)
    complain = [
        f"{name}: {text}" for text in (*checked.wrong, *_leftovers(folder, events, supervisor.meeting.place))
    ]
    leaked = _open_handles() - before
    if leaked > 0:
        complain.append(f"{name}: {leaked} file handles leaked")
    if found.unplanned_deaths > saboteur.spoiled_starts or found.wrong_statuses:
        complain.append(f"{name}: {found.unplanned_deaths} deaths unplanned, {found.wrong_statuses} not by SIGKILL")
    if found.steps != STEPS:
        complain.append(f"{name}: {found.steps} steps of {STEPS}")
    lost = {shard: set(range(1, STEPS + 1)) - held for shard, held in checked.held_steps.items()}
    if {shard: set(steps) for shard, steps in found.lost_steps.items()} != lost:
        complain.append(f"{name}: the event log and the journal disagree on what was lost")
    if case.strategy.recovery == "full" and not case.strategy.rotate and found.lost_samples:
        complain.append(f"{name}: full recovery lost samples")
    out.wrong += complain
    out.runs += 1
    out.executed_steps += found.executed
    out.failures += len(found.failures)
    kills_of = {"shard": None, "trainer": 1, "whole_job": SHARDS + 1}
    for failure in found.failures:
        out.kills += kills_of[failure.kind] or len(failure.shards)
        out.hangs += failure.signal == "SIGSTOP"
        out.in_save += failure.phase in ("save", "drain")
        out.in_recovery += failure.phase == "recovery"
        out.trainers += failure.kind == "trainer"
        out.whole_jobs += failure.kind == "whole_job"
        out.several_shards += len(failure.shards) > 1
    out.wrong += [f"{name}: {text}" for text in saboteur.wrong]
    out.slept += saboteur.slept
    out.refused += saboteur.refused
    out.aged += saboteur.aged
    out.advised += case.strategy.advised is not None
    out.drained += case.checkpoint.background
    out.ordered += case.strategy.order is not None
    out.rotated += case.strategy.rotate is not None
    out.choices += checked.choices
    out.void_saves += found.void_saves
    out.failed_saves += len(found.failed_saves)
    out.damaged_files += len(saboteur.damaged)
    out.detected_damage += len({file for file, _ in found.corrupt})
    out.reloads_compared += checked.compared
    out.redone_steps += found.redone
    out.seconds += found.seconds.get("whole", 0.0)


class _Interrupted(KeyboardInterrupt):
    """By the soak itself: who ends the soak is heard."""


def _resumed_run(out: Soak, rng: Any, folder: Path, name: str) -> None:
    """Interrupted anywhere, files that are read back damaged, gone on with: no row may be wrong."""
    case, plan = drawn_case(rng), drawn_failures(rng)[:8]
    at = int(rng.integers(1, STEPS))
    saboteur = Saboteur(rng, folder, case, SHARDS)

    def stop(event: dict[str, Any]) -> None:
        saboteur.heard(event)
        if event["event"] == "step" and event["step"] == at:
            raise _Interrupted

    with contextlib.suppress(_Interrupted):
        Supervisor(case, folder, failures=plan, observe=stop).run()
    for path in (
        *(folder / name for name in ("events.jsonl", "replica.bin", "advisor.json")),
        *(folder / "checkpoints").iterdir(),
    ):
        if rng.random() < 0.3:
            saboteur.harm(path)
    supervisor = Supervisor(case, folder, failures=plan)
    try:
        supervisor.run(resume=True)
    except JobError as error:
        if "a run's event log" not in str(error):  # its first line was hit
            out.wrong.append(f"{name}: {error}")
        return
    except Exception as error:
        out.wrong.append(f"{name}: {type(error).__name__}: {error}")
        return
    events = list(read_events(folder / "events.jsonl"))
    left = _leftovers(folder, events, supervisor.meeting.place)
    out.wrong += [f"{name}: {text}" for text in (*audit(case, folder).wrong, *left)]
    found = summarise(events)
    out.resumed += 1
    out.runs += 1
    out.kills += found.deaths
    out.damaged_files += len(saboteur.damaged)
    out.detected_damage += len({file for file, _ in found.corrupt})


def _deleted_run(out: Soak, rng: Any, folder: Path, name: str) -> None:
    """The folder goes under a living run, and another may take it: the first ends, the second is not disturbed."""
    case, plan = drawn_case(rng), drawn_failures(rng)[:8]
    other = drawn_case(rng)
    taken, at = bool(rng.random() < 0.5), int(rng.integers(1, STEPS // 2))
    second = Supervisor(other, folder, failures=[])
    pids: list[int] = []

    def take(event: dict[str, Any]) -> None:
        if event["event"] == "respawn":
            pids.append(event["pid"])
        if event["event"] == "step" and event["step"] == at:
            remove(folder)
            if taken:
                second.run()

    try:
        Supervisor(case, folder, failures=plan, observe=take).run()
        out.wrong.append(f"{name}: it goes on in a folder that is not its own")
    except CprModelError as error:
        if "in which this run began" not in str(error):
            out.wrong.append(f"{name}: {error}")
    out.deleted += 1
    out.runs += 1
    if not taken:
        out.wrong += [f"{name}: the folder is there again"] if folder.exists() else []
        return
    events = list(read_events(folder / "events.jsonl"))
    events += [{"event": "respawn", "pid": pid} for pid in pids]
    left = _leftovers(folder, events, second.meeting.place)
    out.wrong += [f"{name}: {text}" for text in (*audit(other, folder).wrong, *left)]
    found = summarise(events[: len(events) - len(pids)])
    if found.steps != STEPS or found.corrupt:
        out.wrong.append(
            f"{name}: the run that took the folder was disturbed ({found.steps} steps, {found.corrupt})"
        )


def remove(folder: Path) -> None:
    """A folder in which others still write: a file that they have renamed meanwhile stops nobody."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def _open_handles() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def _leftovers(folder: Path, events: list[dict[str, Any]], doors: str) -> list[str]:
    """Processes, sockets and files that should not be there any more."""
    found = []
    for pid in {event["pid"] for event in events if event["event"] == "respawn"}:
        try:
            os.kill(pid, 0)
            found.append(f"process {pid} still lives")
        except ProcessLookupError:
            continue
    if os.path.exists(doors):
        found.append("the sockets are still there")
    known = {"checkpoints", "events.jsonl", "journal", "lock", "logs", "replica.bin", "advisor.json"}
    names = (path.name for path in folder.iterdir() if not path.name.startswith("advisor.json.damaged-"))
    found += [f"{name} was left" for name in names if name not in known]
    checkpoints = folder / "checkpoints"
    there = checkpoints.iterdir() if checkpoints.is_dir() else ()  # there is none where a run could not begin
    found += [f"{path.name} was left" for path in there if path.name.startswith(".")]
    return found
