"""Quantities measured beside predicted: for each recovery and prediction, with the interval of the difference.

Times are compared as ``cprmodel`` states them, as fractions of the useful time: of the predicted one there, of the
run's own here, so that a machine that was slower in one run than in another does not count as a difference.
What is expected from the failure rate is compared with what was measured without chance (``chance.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from cprmodel.facts.results import Breakdown
from cprmodel.simulation import Activity
from validation.experiment.design import AGAINST, QUANTITIES, RECOMMENDED
from validation.experiment.outcome import Comparison, Outcome, Run
from validation.experiment.predict import Predicted
from validation.experiment.verdict import interval_90

__all__ = ["comparisons"]

#: A part smaller than this share of the overhead is compared relative to this share of the overhead.
SMALL = 0.05


def _measured(run: Run, quantity: str) -> float:
    assert run.measured is not None
    return _figure(quantity, run.measured.summary.pls, run.measured.spent, run.measured.useful_s)


def _predicted(run: Run, against: str, quantity: str) -> float:
    one: Predicted | None = getattr(run, against)
    assert one is not None
    return _figure(quantity, one.pls, one.spent, one.useful_s)


def _luck(run: Run, against: str, quantity: str) -> float:
    """What chance had in it; nothing where failures are taken as they struck."""
    one = run.by_chance if against == "expected" else None
    return 0.0 if one is None else _figure(quantity, one.pls, one.spent, one.useful_s)


def _figure(quantity: str, pls: float, spent: Breakdown, useful_s: float) -> float:
    """The PLS, or a part of the overhead (or all of it) over the useful time."""
    if quantity == "pls":
        return pls
    parts = spent.scaled(1 / useful_s)
    return float(parts.total if quantity == "total" else getattr(parts, quantity))


def _wider(outcome: Outcome, recovery: str, runs: list[Run]) -> dict[str, float]:
    """By how much intervals are wider that hold the chance of one calibration, which all seeds share.

    What n saves or stops of the runs take, less n times the mean of c that were calibrated, varies as n (1 + n/c)
    of them do, of which seeds show the n alone.
    """
    calibrated = [run for run in outcome.runs if run.role == "calibration" and run.recovery == recovery]

    def events(of: list[Run]) -> dict[str, int]:
        found = [run.measured for run in of if run.measured is not None]
        stops = [stop for one in found for stop in one.stops if stop.complete]
        at_work = sum(stop.struck.activity is Activity.WORK for stop in stops)
        saves = sum(len(one.saves_s) for one in found)
        return {"save": saves, "load": len(stops), "reschedule": at_work or len(stops)}

    there, here = events(runs), events(calibrated)
    factors = {part: math.sqrt(1 + many / max(here[part], 1)) for part, many in there.items()}
    return {**factors, "total": max(factors.values())}


def comparisons(outcome: Outcome) -> Iterator[Comparison]:
    """For each recovery and prediction every quantity, over all intervals, seeds being what scatters."""
    tolerances = outcome.experiment.experiment.tolerances
    for recovery in sorted({run.recovery for run in outcome.tried()}):
        runs = [run for run in outcome.tried() if run.recovery == recovery and run.label != RECOMMENDED]
        seeds = sorted({run.seed for run in runs})
        wider = _wider(outcome, recovery, runs) if outcome.calibrated_once else {}
        for against in AGAINST:
            for quantity in QUANTITIES:
                by_seed = [[run for run in runs if run.seed == seed] for seed in seeds]
                found = [sum(_measured(run, quantity) for run in some) for some in by_seed]
                luck = [sum(_luck(run, against, quantity) for run in some) for some in by_seed]
                said = [sum(_predicted(run, against, quantity) for run in some) for some in by_seed]
                sizes = list(said)
                if quantity not in ("total", "pls"):
                    totals = [sum(_predicted(run, against, "total") for run in some) for some in by_seed]
                    if sum(said) < SMALL * sum(totals):
                        sizes = [SMALL * total for total in totals]
                if sum(sizes) == 0:
                    if sum(found) == 0:
                        continue  # nothing was to be lost, and nothing was
                    sizes = found
                differences = [m - c - p for m, c, p in zip(found, luck, said, strict=True)]
                ratio, low, high = interval_90(differences, sizes)
                low, high = (ratio + wider.get(quantity, 1.0) * (end - ratio) for end in (low, high))
                tolerance = getattr(getattr(tolerances, against), quantity)
                yield Comparison(
                    recovery,
                    quantity,
                    against,
                    sum(found),
                    sum(said),
                    ratio,
                    low,
                    high,
                    tolerance,
                    len(seeds),
                    sum(luck),
                )
