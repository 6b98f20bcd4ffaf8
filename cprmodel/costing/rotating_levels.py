"""What saves that rotate at two levels cost and lose, as planning asks for it."""

from __future__ import annotations

from dataclasses import replace

from cprmodel.costing.models import Cost, Step, use
from cprmodel.costing.rotated_levels import deviation, updates_lost
from cprmodel.costing.setting import Setting
from cprmodel.facts.rotation import RotatingLevelSave
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.rotating import rotating_levels_pls
from cprmodel.jobs import Job

__all__ = ["cost_of"]


def cost_of(job: Job, timed: Cost, strategy: Strategy) -> Cost:
    """Of the cost of saves as long, with what is lost and written."""
    saving, work, mtbf = strategy.saving, job.job.work_s, job.failure_mix.mtbf_s
    assert isinstance(saving, RotatingLevelSave)
    every = min(strategy.interval_s, work)
    stops = Setting.of(job, strategy.recovery).stops(saving.timed)
    lost = 0.0 if every >= work else float(updates_lost(saving, work, mtbf, stops, every))
    steps: tuple[Step, ...] = ()
    if every < work and lost > 0:
        steps = (
            use(
                rotating_levels_pls,
                experts=saving.experts,
                rotated=saving.rotated[0],
                rotated_last=saving.rotated[1],
                last_every=saving.counts[0],
                interval_s=every,
                mtbf_s=mtbf,
                survives=float(stops.back[0]),
            ),
        )
    written = (timed.written_per_s or 0.0) * saving.shares[1]
    spread = deviation(saving, work, mtbf, stops, every, lost)
    known = replace(timed, steps=(*timed.steps, *steps))
    return replace(known, pls=lost, written_per_s=written, pls_standard_deviation=spread)
