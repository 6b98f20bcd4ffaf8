"""``python -m validation.gpu.probe CASE.json FOLDER OUT.json``: what a step, a save, a stop and a start take here.

Two short runs of the case itself, one for each recovery, with the processes, the saves and the kills of the long
ones; and one kill of a trainer, which tells how long a trainer takes to start again.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import CprModelError
from cprmodel.facts.files import write_whole
from cprmodel.facts.strategies import FailureKind
from validation.events import read_events
from validation.experiment.costs import Costs
from validation.experiment.design import Experiment
from validation.experiment.measure import Measured, measure
from validation.failures import Failure
from validation.supervisor import Supervisor

__all__ = ["Probed", "probe"]

#: Steps between two kills, and between two saves.
_APART, _SAVES = 8, 5


@dataclass(frozen=True)
class Probed:
    """Seconds: of a step, a save and the stops (``costs``); until training begins, for the test, for a restart."""

    costs: Costs
    start_s: float
    test_s: float
    restart_s: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "costs": self.costs.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Probed:
        """What ``to_dict`` gave."""
        return cls(**{**data, "costs": Costs.from_dict(data["costs"])})


def probe(experiment: Experiment, folder: Path) -> Probed:
    """Run, and measure; whatever an earlier probe left in the folder is taken away."""
    mix = experiment.failure_mix
    assert mix is not None
    kinds = [kind for kind in FailureKind if mix.share(kind) > 0]
    starts, tests, restarts = [], [], []
    killed: dict[str, Measured] = {}
    for recovery in dict.fromkeys(name for name, _ in experiment.tries):
        strikes = [kind for kind in kinds for _ in range(1 + (kind is FailureKind.SHARD))]
        if recovery == "partial" and FailureKind.TRAINER not in kinds:
            strikes.append(FailureKind.TRAINER)
        failures = [
            Failure(kind, (0,) if kind is FailureKind.SHARD else (), at_step=_APART * (number + 1))
            for number, kind in enumerate(strikes)
        ]
        # steps that are done again count, too: the last failure comes in any case
        samples = _APART * (len(strikes) + 1) * experiment.data.batch_size
        case = experiment.saving(0, recovery, _SAVES, data={"samples": samples})
        shutil.rmtree(folder / recovery, ignore_errors=True)
        Supervisor(case, folder / recovery, failures=failures).run()
        events = list(read_events(folder / recovery / "events.jsonl"))
        found = killed[recovery] = measure(events)
        at = {event["event"]: event["at"] for event in reversed(events)}  # the first of each
        starts.append(at["ready"] - at["start"])
        tests.append(at["stop"] - at["trained"])
        restarts += [stop.reschedule_s for stop in found.stops if stop.kinds == (FailureKind.TRAINER,)]
        shutil.rmtree(folder / recovery / "checkpoints", ignore_errors=True)
    # the first start loads what all later ones share
    return Probed(_costs(killed, kinds), min(starts), min(tests), max(restarts, default=max(starts)))


def _costs(killed: dict[str, Measured], kinds: list[FailureKind]) -> Costs:
    """Medians: so short a run has first times of everything in it."""
    saves: dict[str, dict[int, float]] = {}
    stops: dict[str, dict[FailureKind, tuple[float, float]]] = {}
    for recovery, found in killed.items():
        saves[recovery] = {_SAVES: statistics.median(found.saves_s)}
        stops[recovery] = {}
        for kind in kinds:
            mine = [stop for stop in found.stops if stop.complete and stop.kinds == (kind,)]
            stops[recovery][kind] = (
                statistics.median(stop.reschedule_s for stop in mine),
                statistics.median(stop.load_s for stop in mine),
            )
    steps = [seconds for found in killed.values() for seconds in found.steps_s]
    return Costs(statistics.median(steps), saves, stops)


def main(case: str, folder: str, out: str) -> None:
    """Write it down."""
    experiment = Experiment.model_validate_json(Path(case).read_text(encoding="utf-8"))
    try:
        found = probe(experiment, Path(folder))
    except CprModelError as error:
        sys.exit(str(error))
    write_whole(Path(out), json.dumps(found.to_dict(), indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
