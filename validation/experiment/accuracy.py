"""What the runs say of lost samples and the metric: a record, and the model that ``cprmodel`` fits to it."""

from __future__ import annotations

from typing import Any

from cprmodel.facts.errors import JobError
from cprmodel.fitting import AccuracyFit, PairedRun, fit_accuracy, record_of_runs
from validation.experiment.outcome import Outcome

__all__ = ["fitted", "record"]

METRIC = "AUC"


def _pairs(outcome: Outcome) -> list[dict[str, Any]]:
    """The runs of losses; where there are none, of orders of saving, by updates; or those of partial recovery."""
    drops = [run for run in outcome.runs if run.measured and run.metric_drop is not None]
    roles = [[run for run in drops if run.role == role] for role in ("loss", "order")]
    chosen = roles[0] or roles[1] or [run for run in drops if run.recovery == "partial"]
    return [
        {
            "seed": run.seed + 1,
            "pattern": run.name if run.role in ("loss", "order") else run.group,
            "pls": run.pls,
            "drop": run.metric_drop,
        }
        for run in chosen
        if run.measured
    ]


def record(outcome: Outcome) -> dict[str, Any] | None:
    """Paired runs, as ``cprmodel accuracy`` reads them; None without any."""
    runs = _pairs(outcome)
    if not runs:
        return None
    return {
        "schema_version": 1,
        "metric": METRIC,
        "emulated_clock": outcome.emulated,
        "source": f"{outcome.started['date']}, commit {outcome.started['commit']}",
        "runs": runs,
    }


def fitted(outcome: Outcome) -> AccuracyFit | None:
    """The accuracy model of the record; None where it has nothing to fit."""
    runs = tuple(PairedRun(**run) for run in _pairs(outcome))
    if not runs:
        return None
    try:
        return fit_accuracy(record_of_runs("accuracy.json", runs, METRIC))
    except JobError:
        return None
