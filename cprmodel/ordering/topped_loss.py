"""What a job loses whose ordered saves go to a level above which everything is saved, now and then."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cprmodel.costing.models import recovery_arguments, use
from cprmodel.costing.spread import of_either, pls_variance
from cprmodel.costing.stops import Stops, severities, stops_of, told_apart
from cprmodel.costing.storage import long_run
from cprmodel.costing.warned_scatter import warned_deviation
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.special import NUMPY
from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.ordered import levelled_priority_pls, priority_pls_deviation
from cprmodel.jobs import Access, Job
from cprmodel.ordering.found_loss import OrderLoss, mean_and_error
from cprmodel.ordering.levels import sparing
from cprmodel.ordering.stale import unsaved
from cprmodel.ordering.topped import Left, ToppedCourse, ToppedSave, at_slot

__all__ = ["topped_loss"]


def topped_loss(job: Job, strategy: Strategy, saving: StoredPrioritySave, access: Access) -> OrderLoss:
    """Of saves of everything, as often and as long, and what saves of the first rows left out."""
    mix, shards, work_s, timed = job.failure_mix, job.cluster.embedding_shards or 1, job.job.work_s, saving.timed
    slot_s = min(strategy.saves_every_s, work_s)
    every = slot_s / saving.segments
    stops = stops_of(mix, strategy.recovery, timed.levels, shards, timed.warned)
    of = ToppedSave.of(timed, Left(saving.at, work_s, at_slot(saving.plays, access)))
    with np.errstate(all="ignore"):
        course = ToppedCourse(of, np.array([every]), mix.mtbf_s, stops, timed.counts)
        given, error = _given(course, work_s)
        deviation = _deviation(job, strategy, saving, slot_s, course, stops) if given["fresh_lost"] < 1 else 0.0
    step = use(levelled_priority_pls, work_s=work_s, **given)
    return OrderLoss(float(step.value), error, deviation, step)


def _given(course: ToppedCourse, work_s: float) -> tuple[dict[str, float], float]:
    """What the formula is told, and the standard error of what it says.

    Updates that were lost before, or will be all the same, are not lost because they were left out.
    """
    found, slots = course.nested(), course.typical
    if not np.isfinite(_one(found.work_s)) or not np.isfinite(found.pls).all():  # it never ends
        return {
            "interval_s": float(np.ravel(course.slot_s)[0]),
            "fresh_lost": 1.0,
            "last_fresh_lost": 1.0,
            **dict.fromkeys(("stale_s", "last_stale_s", "stale_lost", "last_stale_lost"), 0.0),
        }, 0.0
    fresh = _one(course.fresh_pls)
    each_s = _one(course.each_s(found.work_s))
    saves = int(NUMPY.intervals(work_s, each_s)) - 1
    *_, blocks, rest, ends = course.slots_of_job(found.work_s)
    whole, part = int(_one(blocks)), int(_one(rest))
    many = slots.left.shape[-1] - 1
    counted = np.minimum(np.arange(int(_one(slots.count))), many)  # after the last of them nothing changes any more
    left = slots.left[..., counted].sum(axis=-1) * whole + slots.left[..., counted[: part - 1]].sum(axis=-1)
    last, last_lost = slots.left[..., counted[part - 1]], 0.0
    lost = (np.broadcast_to(found.pls, np.shape(left)) - fresh) * work_s  # because it was left out, of each play
    kept = _one(1 - course.lost_below) * float(np.ravel(course.slot_s)[0])
    last_s = float(np.mean(last)) * kept
    in_blocks = float(np.mean(whole * slots.lost() + slots.lost(ends, part))) * kept
    if in_blocks > 0:
        last_lost = _one(ends.taken) * float(np.mean(lost)) / in_blocks
    stale_s = float(np.mean(left)) * kept / max(saves, 1)
    share = (float(np.mean(lost)) - last_s * last_lost) / (saves * stale_s) if saves and stale_s else 0.0
    error = mean_and_error(np.ravel(lost) / work_s)[1]
    return {
        "interval_s": each_s,
        "stale_s": stale_s,
        "last_stale_s": last_s,
        "fresh_lost": fresh,
        "stale_lost": share,
        "last_fresh_lost": fresh,
        "last_stale_lost": last_lost,
    }, error


def _one(value: Any) -> float:
    return float(np.ravel(value)[0])


def _deviation(
    job: Job,
    strategy: Strategy,
    saving: StoredPrioritySave,
    slot_s: float,
    course: ToppedCourse,
    stops: Stops,
) -> float:
    """Of one run: failures that need just the level of the ordered saves, as if there were no others, and those."""
    mix, shards, timed, work_s = job.failure_mix, job.cluster.embedding_shards or 1, saving.timed, job.job.work_s
    at, recovery, slots, access = saving.at, strategy.recovery, course.typical, job.access
    assert access is not None
    number = min(_one(slots.count), math.ceil(work_s / slot_s))
    q = _one(slots.each.untaken)
    alone = unsaved(saving.plays, access, number * slot_s, slot_s / saving.fraction)
    squares = alone.squares_s2(1 - q, _one(course.made(slots.each)))
    left_out = ("load_s", "reschedule_s", "whole_job_share")
    named = {name: value for name, value in recovery_arguments(mix, recovery).items() if name not in left_out}
    needs = severities(timed.levels)[at]
    of_level = priority_pls_deviation.raw(
        **dict(zip(("work_square_s2", "save_square_s2", "stale_square_s2"), squares, strict=True)),
        **named,
        work_s=work_s,
        interval_s=slot_s,
        save_s=timed.levels[at].blocks_s,
        mtbf_s=mix.mtbf_s / max(needs * _unsaved(timed, at), 1e-12),
        shards=shards,
        failed_shards=mix.shards_per_failure,
        failed_scatter=mix.failed_scatter,
    )
    every, own = slot_s / saving.segments, slice(at, at + 1)
    if timed.warned is None:
        both = (stops, stops_of(of_either(mix, shards), recovery, timed.levels, shards))
        of_others = math.sqrt(pls_variance(timed, every, work_s, mix, shards, *(sparing(one, own) for one in both)))
    else:
        run = long_run(timed, every, mix.mtbf_s, sparing(stops, own))
        of_others = warned_deviation(timed, every, work_s, mix, float(run.pls), run.breakdown, at)
    return math.hypot(float(of_level), of_others)


def _unsaved(timed: StoredSave, level: int) -> float:
    """Of the failures that need a level so many as no save on a warning has saved them from."""
    warned = timed.warned
    if warned is None or timed.warned_level < level:
        return 1.0
    needs = severities(timed.levels)
    told, _ = told_apart(needs, warned)
    return float(1 - warned.recall * told[level] / max(needs[level], 1e-12) * warned.in_time)
