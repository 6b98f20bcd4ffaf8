"""What an order loses where everything is saved to some levels, and its rows to the last one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cprmodel.costing.course import Course
from cprmodel.costing.models import recovery_arguments, use
from cprmodel.costing.spread import of_either, pls_variance
from cprmodel.costing.stops import Stops, severities, stops_of
from cprmodel.costing.storage import long_run
from cprmodel.costing.warned import stretches
from cprmodel.costing.warned_scatter import warned_deviation
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.ordered import levelled_priority_pls, priority_pls_deviation
from cprmodel.jobs import Access, Job
from cprmodel.ordering.found_loss import OrderLoss, mean_and_error
from cprmodel.ordering.stale import unsaved

__all__ = ["levelled_loss", "of_lower", "sparing"]


def of_lower(stops: Stops, level: int = -1) -> Stops:
    """The same stops, of which those that need a level (the last one) or a higher one take nothing from a shard."""
    return sparing(stops, slice(level, None))


def sparing(stops: Stops, levels: slice) -> Stops:
    """The same stops, of which those that need one of these levels take nothing from a shard."""
    told, other = (None if one is None else sparing(one, levels) for one in (stops.announced, stops.unannounced))
    spared = range(len(stops.hit))[levels]
    hit = tuple(0.0 if at in spared else one for at, one in enumerate(stops.hit))
    return replace(stops, hit=hit, announced=told, unannounced=other)


def levelled_loss(job: Job, strategy: Strategy, saving: StoredPrioritySave, access: Access) -> OrderLoss:
    """Fresh updates as with saves of everything, and what saves to the last level leave out.

    Saves on a warning go to a lower level, if there are any.
    """
    mix, shards, work_s = job.failure_mix, job.cluster.embedding_shards or 1, job.job.work_s
    timed, recovery = saving.timed, strategy.recovery
    every = min(strategy.saves_every_s, work_s) / timed.segments
    stops = stops_of(mix, recovery, timed.levels, shards, timed.warned)
    run, below = (long_run(timed, every, mix.mtbf_s, one) for one in (stops, of_lower(stops)))
    fresh_lost, slot_s = float(run.pls), min(float(run.work_s), work_s)
    course = Course(timed, np.array([every]), mix.mtbf_s, stops, timed.counts)
    hit_per_s, lost_per_s = stops.hit[-1] / mix.mtbf_s, (stops.hit[-1] + stops.back[-1]) / mix.mtbf_s
    if timed.warned is None:
        with np.errstate(all="ignore"):
            stale_lost = float(np.broadcast_to(course.stale_lost(), 1)[0])
    else:
        each = stretches(course)
        stale_lost, hit_per_s, lost_per_s = 1 - each.after_planned.done, each.hit_per_s, each.lost_per_s
    lost_below = float(below.pls)
    kept = max(stale_lost - (fresh_lost - lost_below), 0.0) / stale_lost if stale_lost else 0.0
    alone = unsaved(saving.plays, access, work_s, slot_s / saving.fraction)
    found = alone.struck(stale_lost, kept)
    # what failures took before is not left out, too
    (mean, error), (last, last_error) = (
        mean_and_error(one * (1 - lost_below)) for one in (found.mean_s, found.last_s)
    )
    rest_s = work_s - (float(NUMPY.intervals(work_s, slot_s)) - 1) * slot_s
    x = rest_s * hit_per_s
    given = {
        "work_s": work_s,
        "interval_s": slot_s,
        "fresh_lost": fresh_lost,
        "stale_lost": stale_lost,
        "last_fresh_lost": lost_below + x * float(NUMPY.phi2(-x)),
        "last_stale_lost": -math.expm1(-rest_s * lost_per_s),
    }
    step = use(levelled_priority_pls, stale_s=mean, last_stale_s=last, **given)
    above = float(levelled_priority_pls.raw(stale_s=mean + error, last_stale_s=last + last_error, **given))
    of_last = _of_last(job, strategy, saving, alone.squares_s2(stale_lost, kept), slot_s)
    if timed.warned is None:
        either = of_either(mix, shards)
        lower, of_two = (of_lower(stops_of(one, recovery, timed.levels, shards)) for one in (mix, either))
        of_others = math.sqrt(pls_variance(timed, every, work_s, mix, shards, lower, of_two))
    else:
        of_others = warned_deviation(timed, every, work_s, mix, lost_below, run.breakdown, len(timed.levels) - 1)
    return OrderLoss(float(step.value), above - float(step.value), math.hypot(of_last, of_others), step)


def _of_last(
    job: Job, strategy: Strategy, saving: StoredPrioritySave, squares: tuple[float, float, float], slot_s: float
) -> float:
    """Standard deviation of one run's PLS: failures that need the last level, as if there were no others."""
    mix, shards, timed = job.failure_mix, job.cluster.embedding_shards or 1, saving.timed
    recovery, work_s = strategy.recovery, job.job.work_s
    left_out = ("load_s", "reschedule_s", "whole_job_share")
    named = {name: value for name, value in recovery_arguments(mix, recovery).items() if name not in left_out}
    last, needs = timed.levels[-1], severities(timed.levels)[-1]
    of_squares = dict(zip(("work_square_s2", "save_square_s2", "stale_square_s2"), squares, strict=True))
    found = priority_pls_deviation.raw(
        **of_squares,
        **named,
        work_s=work_s,
        interval_s=slot_s,
        save_s=last.blocks_s + timed.drain_s,
        mtbf_s=mix.mtbf_s / max(needs, 1e-12),
        shards=shards,
        failed_shards=mix.shards_per_failure,
        failed_scatter=mix.failed_scatter,
    )
    return float(found)
