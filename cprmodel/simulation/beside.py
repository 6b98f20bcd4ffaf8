"""Waiting for repairs and planned stops, played on top of runs that know of neither.

Failures come at a constant rate in the time in which a job does not wait, whatever it does then. So the repairs of
a run are played over the length of it: nodes break at the job's rate while it runs, are repaired after exponential
times, and while more are broken than there are spares the run stands still. A run begins with all of its nodes.
Planned stops then come by the calendar.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, takewhile
from typing import Any

import numpy as np

from cprmodel.costing.beside import WithStops
from cprmodel.costing.models import CostModel
from cprmodel.facts.compiled import compiled
from cprmodel.jobs import Job
from cprmodel.jobs.planned import planned_calendar
from cprmodel.simulation.result import Estimate, Simulated
from cprmodel.simulation.taken import drawn_mean

__all__ = ["inner_of", "planned_until", "with_stops"]

_MOST_STOPS = 10**6


@compiled
def _waits(lengths: Any, rate: float, taken: Any, repair_s: float, spares: int, rng: Any, waited: Any) -> None:
    """What each run of such a length waits for repairs; ``taken``: nodes that failures break, as drawn."""
    for run in range(len(lengths)):
        left, broken, total = lengths[run], 0, 0.0
        while True:
            if broken > spares:
                total += rng.exponential() * repair_s / broken
                broken -= 1
                continue
            both = rate + broken / repair_s
            passes = rng.exponential() / both
            if passes >= left:
                break
            left -= passes
            if rng.random() * both < rate:
                broken += int(drawn_mean(rng, taken))
            else:
                broken -= 1
        waited[run] = total


def _by_the_calendar(job: Job, length_s: float) -> tuple[int, float]:
    """How many planned stops a run of such a length meets, one after the other, and what they last in all [s]."""
    number, out, until = 0, 0.0, length_s
    for begins, ends in planned_calendar(job.failures.planned or (), job.job.start):
        if begins >= until:
            break
        number, out = number + 1, out + ends - begins
        until += ends - begins + job.load_s + job.save_s / 2
    return number, out


def inner_of(model: CostModel) -> CostModel:
    """The model of what happens between other stops."""
    return model.inner if isinstance(model, WithStops) else model


def planned_until(job: Job, until_s: float) -> list[tuple[float, float]]:
    """When planned stops begin and end [s]: those that begin until then, in order; at most a million.

    Those that overlap are one.
    """
    calendar = planned_calendar(job.failures.planned or (), job.job.start)
    return list(islice(takewhile(lambda one: one[0] <= until_s, calendar), _MOST_STOPS))


def _outages(job: Job, lengths_s: Any) -> Any:
    """What planned stops last in all that begin in times so long with them [s]."""
    begins, ends = np.array(planned_until(job, float(lengths_s.max()))).reshape(-1, 2).T
    return np.concatenate([[0.0], np.cumsum(ends - begins)])[np.searchsorted(begins, lengths_s)]


def with_stops(
    found: Simulated, model: CostModel, streams: np.random.SeedSequence, planned_played: bool
) -> Simulated:
    """A simulation of a job that also waits for repairs and has planned stops.

    ``planned_played``: the planned ones are in it already, as in a chain of jobs.
    """
    job, work = found.job, found.job.job.work_s
    times = found.times_s.copy()
    waited = np.zeros(len(times))
    if job.waits_for_repairs and job.repair_s:
        rng = np.random.default_rng(streams)
        rate, spares = job.repair_share / job.failure_mix.mtbf_s, job.cluster.spares or 0
        fails = times - _outages(job, times) if planned_played else times
        shares, nodes = np.array(job.failures.nodes_taken, dtype=float).T
        taken = np.column_stack([np.cumsum(shares), nodes])
        _waits(fails, rate, taken, job.repair_s, spares, rng, waited)
    times += waited
    calendar = job.failures.planned and not planned_played
    stopped = [_by_the_calendar(job, float(one)) for one in times] if calendar else []
    number, out = np.array(stopped).T if stopped else (np.zeros(len(times)), np.zeros(len(times)))
    times += out + number * (job.load_s + job.save_s / 2)
    parts = found.breakdown
    each = float(number.mean()) / work
    parts = parts._replace(
        save=parts.save + each * job.save_s / 2,
        load=parts.load + each * job.load_s,
        reschedule=parts.reschedule + float((waited + out).mean()) / work,
    )
    cost = WithStops(model).cost(job, found.strategy)
    said = replace(
        found.predicted,
        overhead_fraction=float(cost.breakdown.total),
        model=f"{found.predicted.model}, with other stops",
        overhead_is_approximate=True,
    )
    estimate = Estimate.of(times)
    return replace(found, time_to_train_s=estimate, times_s=times, breakdown=parts, predicted=said)
