"""A session's report: the machine, the tests, what was measured and sized, how far it came, and what that says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cprmodel.facts.errors import CprModelError
from cprmodel.facts.tables import in_markdown
from cprmodel.facts.units import format_time
from validation.experiment.compare import compare
from validation.experiment.outcome import Outcome
from validation.experiment.report import markdown, tables
from validation.experiment.runner import LOG
from validation.gpu import testing
from validation.gpu.sizing import LEAST_SEEDS

__all__ = ["outcome_of", "report", "whole_seeds"]

_GIGA = 2**30


def outcome_of(folder: Path) -> Outcome | None:
    """What the experiment came to so far; None where it has not begun."""
    if not (folder / "experiment" / LOG).is_file():
        return None
    try:
        return compare(folder / "experiment")
    except CprModelError:
        return None


def whole_seeds(outcome: Outcome) -> int:
    """Seeds of which every strategy and the recommendation came to an end."""
    wanted = len(outcome.experiment.tries) + outcome.experiment.experiment.recommended
    ended: dict[int, int] = {}
    for run in outcome.tried():
        ended[run.seed] = ended.get(run.seed, 0) + 1
    return sum(number == wanted for number in ended.values())


def report(folder: Path, session: dict[str, Any], outcome: Outcome | None) -> str:
    """As Markdown."""
    machine = session["machine"] or {}
    rehearsed = session["device"] == "cpu"
    lines = [f"# Validation on {'a CPU, as a rehearsal' if rehearsed else machine.get('name', 'a GPU')}", ""]
    if rehearsed:
        lines += ["**A rehearsal: no GPU was used, and nothing here says anything of one.**", ""]
    lines += [*_parts(session), *_machine(machine), *_tests(folder), *_costs(session)]
    if outcome is None:
        return "\n".join([*lines, "## The experiment", "", "It has not begun.", ""])
    done = sum(run.status == "finished" for run in outcome.runs)
    total, seeds = outcome.experiment.total, outcome.experiment.experiment.seeds
    lines += [
        "## How far it came",
        "",
        f"{done} of {total} runs are done. Of {seeds} seeds, {whole_seeds(outcome)} have ended with every recovery "
        f"and the recommended interval ({LEAST_SEEDS} are asked for). What is not done, `--resume` does.",
        "",
    ]
    shown = markdown(outcome, "the experiment so far" if done < total else "the experiment", tables(outcome))
    return "\n".join([*lines, ""]) + shown.replace("\n## ", "\n### ").replace("# Predicted", "## Predicted", 1)


def _parts(session: dict[str, Any]) -> list[str]:
    lines = ["## What was done", "", "| session | part | came to | seconds |", "| --- | --- | --- | ---: |"]
    for number, one in enumerate(session["sessions"], 1):
        for part in one["parts"]:
            where = f"{number}: {one['date']}, {one['minutes']:g} minutes"
            lines.append(f"| {where} | {part['name']} | {in_markdown(part['said'])} | {part['seconds']:.1f} |")
    return [*lines, ""]


def _machine(machine: dict[str, Any]) -> list[str]:
    if not machine:
        return ["## The machine", "", "Nothing was learned of it.", ""]
    rows = [("device", f"{machine['name']} ({machine['device']})"), ("processors of the host", machine["cpus"])]
    rows += [
        (name, machine[name]) for name in ("driver", "cuda", "capability", "system", "python") if name in machine
    ]
    rows += list(machine["versions"].items())
    if machine["memory_bytes"]:
        rows.append(
            ("memory", f"{machine['memory_bytes'] / _GIGA:.1f} GiB, {machine['free_bytes'] / _GIGA:.1f} free")
        )
        rows.append(("a process's context", f"{machine['context_bytes'] / _GIGA:.2f} GiB"))
    rows.append(("a new process stands on it after", format_time(machine["start_s"])))
    copied = machine["copies"]
    said = ", ".join(f"{key[:-2].replace('_', ' ')} {format_time(copied[key])}" for key in copied if key != "bytes")
    rows.append((f"a step's rows to it ({copied['bytes'] / 2**20:.2f} MiB)", said))
    table = ["| | |", "| --- | --- |", *(f"| {name} | {in_markdown(value)} |" for name, value in rows)]
    return ["## The machine", "", *table, ""]


def _tests(folder: Path) -> list[str]:
    found = testing.came_to(folder / "tests.xml")
    if found is None:
        return ["## The tests marked gpu", "", "They have no result.", ""]
    passed, wrong = found
    said = f"{passed} passed, {len(wrong)} did not."
    return ["## The tests marked gpu", "", said, "", *(f"- {name}" for name in wrong), *([""] if wrong else [])]


def _costs(session: dict[str, Any]) -> list[str]:
    found = session["probe"]
    if found is None:
        return []
    costs = found["costs"]
    saves = {name: next(iter(by.values())) for name, by in costs["saves"].items()}
    rows = [("a step", costs["step_s"]), *((f"a save, {name} recovery", one) for name, one in saves.items())]
    for name, kinds in costs["stops"].items():
        for kind, (reschedule, load) in kinds.items():
            rows += [(f"{name}: restart after a {kind} failure", reschedule), (f"{name}: load", load)]
    rows += [
        ("a run, until it trains", found["start_s"]),
        ("its test", found["test_s"]),
        ("a trainer, until it trains again", found["restart_s"]),
    ]
    table = ["| | |", "| --- | ---: |", *(f"| {name} | {format_time(seconds)} |" for name, seconds in rows)]
    sized = ["Sized by it: " + session["sized"] + ".", ""] if session["sized"] else []
    return ["## What a short run measured", "", *table, "", *sized]
