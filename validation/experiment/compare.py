"""Measured beside predicted, and whether each prediction holds: all from what an experiment wrote down.

Here its logs are read, and each run is set beside the predictions that were made for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.results import Breakdown
from validation.case import Case
from validation.events import read_log
from validation.experiment.calibration import calibrated
from validation.experiment.checks import checks
from validation.experiment.comparisons import comparisons
from validation.experiment.costs import Costs
from validation.experiment.design import Experiment
from validation.experiment.measure import measure
from validation.experiment.order_checks import orders_found
from validation.experiment.outcome import Outcome, Run
from validation.experiment.predict import Predicted, by_chance, executed, expected
from validation.experiment.runner import LOG

__all__ = ["SPOILED", "compare"]

#: Ways to spoil the predictions, to see that the verdict notices.
SPOILED = ("mtbf", "load")


def compare(folder: Path, spoil: str | None = None, recalibrate: bool = False) -> Outcome:
    """Everything that an experiment's folder tells. ``spoil``: with predictions that are wrong on purpose.

    ``recalibrate``: with costs that are computed anew, as today, from the logs of the calibration runs. What is
    compared then was not written down before the runs, though it knows nothing of them but where failures struck.
    """
    path = folder / LOG
    if not path.is_file():
        raise JobError(str(folder), [Problem("", "", f"a folder with an experiment's {LOG}")])
    events, damaged = read_log(path)
    started = next((event for event in events if event["event"] == "start"), None)
    if started is None:
        raise JobError(str(path), [Problem("", "", "the log of an experiment that was begun")])
    try:
        experiment = Experiment.of_log(started["case"])
    except (KeyError, TypeError, ValueError):
        raise JobError(str(path), [Problem("", "", "a log that begins with the case of an experiment")]) from None
    outcome = Outcome(experiment, started, damaged, spoiled=spoil, recalibrated=recalibrate)
    outcome.ended = any(event["event"] == "end" for event in events)
    predicted = {event["run"]: event for event in events if event["event"] == "predicted"}
    for event in events:
        if event["event"] == "recommended":
            outcome.recommended = event["recovery"], event["interval_steps"]
    anew = _calibrated_anew(experiment, folder) if recalibrate else None
    last = {event["run"]: event for event in events if event["event"] == "run"}
    for event in last.values():
        before = predicted.get(event["run"])
        if before is not None and anew is not None:
            before = {**before, "costs": anew(event["seed"]).to_dict()}
        outcome.runs.append(_run(outcome.experiment, folder, event, before, spoil))
    outcome.runs = _paired(outcome.runs)
    outcome.orders = list(orders_found(outcome))
    outcome.comparisons = list(comparisons(outcome))
    outcome.checks = list(checks(outcome))
    return outcome


def _calibrated_anew(experiment: Experiment, folder: Path) -> Callable[[int], Costs]:
    """By seed; JobError where nothing was calibrated, or what was is not there."""
    if experiment.clock is not None or not experiment.tries:
        raise JobError("--recalibrate", [Problem("", "", "an experiment that calibrates, without [clock]")])
    once = experiment.experiment.calibrate == "once"

    @functools.cache
    def block(seed: int) -> Costs:
        try:
            return calibrated(experiment, folder, seed)
        except (OSError, KeyError, IndexError, TypeError, ValueError, AssertionError):
            expected = f"in {folder} whole logs of the calibration runs of seed {seed + 1}"
            raise JobError("--recalibrate", [Problem("", "", expected)]) from None

    return lambda seed: block(0 if once else seed)


def _run(
    experiment: Experiment, folder: Path, event: dict[str, Any], before: dict[str, Any] | None, spoil: str | None
) -> Run:
    names = ("name", "seed", "role", "recovery", "interval_steps", "status", "reason", "loss")
    run = Run(**{name: event[name] for name in names})
    log = folder / event["run"] / "events.jsonl"
    if run.status != "finished":
        return run
    if not log.is_file():
        return replace(run, status="lost", reason=f"there is no {log}")
    events, damaged = read_log(log)
    if events and "of" in event and events[0].get("run", event["of"]) != event["of"]:
        return replace(run, status="lost", reason=f"{log} is of another run")
    try:
        found = _followed(experiment, run, events, before, spoil)
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError, AssertionError):
        return replace(run, status="lost", reason=f"{log} is not whole, or the prediction made for it")
    return replace(found, damaged=damaged)


def _followed(
    experiment: Experiment, run: Run, events: list[dict[str, Any]], before: dict[str, Any] | None, spoil: str | None
) -> Run:
    """What was measured, and what was predicted."""
    # costs of when that was rescheduling, too, are compared with what was
    run = replace(run, measured=measure(events, goes_on=before is None or "went_on" in before["costs"]))
    if before is None:
        if run.role == "strategy":
            raise ValueError("a strategy is predicted before it runs")
        return run
    assert run.measured is not None
    case = Case.model_validate(events[0]["case"])
    costs = Costs.from_dict(before["costs"])
    mix = experiment.failure_mix
    assert mix is not None
    mix = replace(mix, mtbf_s=before["mtbf_s"])
    luck = by_chance(case, costs, mix, events)
    if spoil == "load":
        costs = costs.with_load_left_out()
    elif spoil == "mtbf":
        mix = replace(mix, mtbf_s=2 * mix.mtbf_s)
    struck, unplaced = executed(case, costs, run.measured.positions)
    return replace(
        run,
        expected=expected(case, costs, mix, experiment.experiment.pls_budget),
        planned=_read(before["planned"]),
        executed=struck,
        by_chance=luck,
        unplaced=unplaced,
    )


def _read(data: Mapping[str, Any]) -> Predicted:
    return Predicted(data["useful_s"], Breakdown(**data["spent_s"]), data["pls"])


def _paired(runs: list[Run]) -> list[Run]:
    """Each run's drop of the metric: that of the same seed and placement without failures, less its own."""
    calm: dict[tuple[int, str], float] = {}
    for run in runs:
        if run.role == "baseline" and run.measured and run.measured.summary.auc is not None:
            placement = run.name.removeprefix("no-failures").removeprefix("-") or "rows"
            calm.setdefault((run.seed, placement), run.measured.summary.auc)
    out = []
    for run in runs:
        placement = str(run.loss["placement"]) if run.loss else "rows"
        base = calm.get((run.seed, placement))
        if run.role in ("strategy", "loss", "order") and run.measured and base is not None:
            auc = run.measured.summary.auc
            if auc is not None:
                run = replace(run, metric_drop=base - auc)
        out.append(run)
    return out
