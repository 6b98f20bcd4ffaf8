"""What the calibration runs of a block measured, from their logs."""

from __future__ import annotations

from pathlib import Path

from cprmodel.facts.strategies import FailureKind
from validation.events import read_events
from validation.experiment.costs import Costs
from validation.experiment.design import Experiment
from validation.experiment.measure import measure

__all__ = ["calibrated"]


def calibrated(experiment: Experiment, folder: Path, seed: int) -> Costs:
    """Of one block; FileNotFoundError where a run of it is not there."""
    killed = {}
    for one in experiment.calibrations(seed):
        strategy = one.case.strategy
        log = folder / f"seed-{seed + 1:02d}" / one.name / "events.jsonl"
        killed[strategy.recovery, strategy.interval_steps] = measure(read_events(log))
    mix = experiment.failure_mix
    assert mix is not None
    return Costs.calibrated(killed, [kind for kind in FailureKind if mix.share(kind) > 0], mix.shards_per_failure)
