"""An experiment in parts, on as many machines as there are parts (a Slurm array, say); and one again.

Part I of N takes every N-th seed with its calibration, and every N-th of the runs whose time does not matter. It is
kept in ``parts/I-of-N`` of the experiment's folder, which all machines share, like an experiment of its own: it
goes on where it was cut off. What is decided once for all seeds is decided by part 1.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.files import write_whole
from cprmodel.facts.parts import Part
from validation.claim import alone
from validation.events import read_log, sealed
from validation.experiment.design import Experiment

__all__ = ["LOG", "decided", "folder_of", "merge"]

#: Of what was begun, predicted and done.
LOG = "experiment.jsonl"


def folder_of(part: Part, whole: Path) -> Path:
    """Where a part is kept in the folder of the experiment.

    >>> folder_of(Part(3, 8), Path("out")).as_posix()
    'out/parts/3-of-8'
    """
    return whole / "parts" / f"{part.number}-of-{part.of}"


def decided(part: Part, whole: Path, event: str) -> dict[str, Any]:
    """What part 1 has decided for all of them; JobError where it has not yet."""
    first = Part(1, part.of)
    path = folder_of(first, whole) / LOG
    if path.is_file():
        for one in read_log(path)[0]:
            if one["event"] == event and one.get("seed", 0) == 0:
                return one
    told = {
        "recommended": "what plan recommends, which all seeds try",
        "calibrated": "its calibration, which all use",
    }
    expected = f"part {first} to have come to {told[event]}; this part goes on then, with --resume"
    raise JobError(f"--part {part}", [Problem("", "", expected)])


def merge(experiment: Experiment, whole: Path, of: int) -> None:
    """Make one experiment of its parts, as if one machine had done all of it; the runs move into its folder."""
    parts = [Part(number, of) for number in range(1, of + 1)]
    with ExitStack() as held:
        whole.mkdir(parents=True, exist_ok=True)
        held.enter_context(alone(whole))
        if (whole / LOG).exists():
            raise JobError(str(whole), [Problem("", "", f"parts that are not merged yet (there is {LOG})")])
        logs = []
        for part in parts:
            folder = folder_of(part, whole)
            if not (folder / LOG).is_file():
                raise _wrong(part, folder, "the log of this part, which has not begun")
            held.enter_context(alone(folder))
            logs.append(_log_of(part, folder, experiment))
        runs = {event["run"] for events in logs for event in events if event["event"] == "run"}
        if len(runs) != experiment.total:
            expected = f"{experiment.total} runs in all parts, not {len(runs)} (--resume does what is missing)"
            raise JobError(f"--merge {of}", [Problem("", "", expected)])
        for part, events in zip(parts, logs, strict=True):
            for name in {event["run"] for event in events if event["event"] == "run"}:
                _move(folder_of(part, whole) / name, whole / name)
        write_whole(whole / LOG, "".join(sealed(event, allow_nan=False) for event in _as_one(logs)))


def _log_of(part: Part, folder: Path, experiment: Experiment) -> list[dict[str, Any]]:
    events, _ = read_log(folder / LOG)
    start = next((event for event in events if event["event"] == "start"), None)
    if start is None or start["case"] != experiment.model_dump(mode="json"):
        raise _wrong(part, folder, "a part of the same case file")
    if not any(event["event"] == "end" for event in events):
        raise _wrong(part, folder, "a part that is complete (--resume goes on with it)")
    return events


def _as_one(logs: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The start (with all machines), then what each seed has to tell, seed after seed, then the end."""
    starts = [next(event for event in events if event["event"] == "start") for events in logs]
    machines = list({json.dumps(start["machine"], sort_keys=True): start["machine"] for start in starts}.values())
    first = {**starts[0], "parts": len(logs)} | ({"machines": machines} if len(machines) > 1 else {})
    recommended = [event for events in logs for event in events if event["event"] == "recommended"]
    told = [
        event
        for events in logs
        for event in events
        if event["event"] in ("calibrated", "predicted", "run", "corrupt")
    ]
    told.sort(key=lambda event: (_rank(event), _seed(event)))  # stable: of one seed in the order of its part
    end = max(
        (event for events in logs for event in events if event["event"] == "end"), key=lambda one: one["date"]
    )
    return [first, *recommended[:1], *told, end]


def _rank(event: dict[str, Any]) -> int:
    """Blocks of strategies come before losses, these before orders."""
    name = event["run"].rpartition("/")[2] if "run" in event else ""
    role = event.get("role", "strategy")
    return {"loss": 1, "order": 2}.get(role, 1 if name.startswith("no-failures-") and role == "baseline" else 0)


def _seed(event: dict[str, Any]) -> int:
    if "seed" in event:
        return int(event["seed"])
    found = re.match(r"seed-([0-9]+)/", event.get("run", ""))
    return int(found[1]) - 1 if found else 0


def _move(source: Path, target: Path) -> None:
    if source.is_dir() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(source, target)


def _wrong(part: Part, folder: Path, expected: str) -> JobError:
    return JobError(f"--merge {part.of}", [Problem("", "", f"in {folder} {expected}")])
