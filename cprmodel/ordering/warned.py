"""What an order loses where a save on a warning takes what it left out: all, or as many rows as there is time for.

What lies between two complete saves, planned or on a warning, is a *stretch* (:mod:`cprmodel.costing.warned`). A
shard goes on from stretch to stretch until a failure takes what it has at stake, or until a save on a warning takes
everything; then it begins again with everything saved, as the job did. What a job loses is a renewal sum over the
stretches since its shard began (:class:`_Renewed`). The chances in it come from the steady-state model, and what is
left out from the order without failures: as it goes where a save on a warning takes everything, and with saves on
warnings among the others where it takes the first rows (:mod:`cprmodel.ordering.warned_rows`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cprmodel.costing.course import Course, save_times_s
from cprmodel.costing.models import use
from cprmodel.costing.stops import Stops, stops_of
from cprmodel.costing.storage import long_run
from cprmodel.costing.warned import Stretches, stretches
from cprmodel.costing.warned_scatter import warned_deviation
from cprmodel.facts.ordered import StoredPrioritySave
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.ordered import levelled_priority_pls
from cprmodel.jobs import Access, Job
from cprmodel.ordering.found_loss import OrderLoss, mean_and_error
from cprmodel.ordering.levels import of_lower
from cprmodel.ordering.stale import Unsaved, unsaved
from cprmodel.ordering.warned_rows import Chances, Followed, followed
from cprmodel.ordering.warned_scatter import squares_of
from cprmodel.rows import Floats

__all__ = ["warned_loss"]


def warned_loss(job: Job, strategy: Strategy, saving: StoredPrioritySave, access: Access) -> OrderLoss:
    """Of saves on a warning that go to the last level, or to the only one."""
    mix, shards, work_s = job.failure_mix, job.cluster.embedding_shards or 1, job.job.work_s
    timed = saving.timed
    every = min(strategy.saves_every_s, work_s) / timed.segments
    stops = stops_of(mix, strategy.recovery, timed.levels, shards, timed.warned)
    run, below = (long_run(timed, every, mix.mtbf_s, one) for one in (stops, of_lower(stops)))
    fresh_lost, lost_below = float(run.pls), float(below.pls)
    of, lower = (
        stretches(Course(timed, np.array([every]), mix.mtbf_s, one, timed.counts))
        for one in (stops, of_lower(stops))
    )
    each = min(of.work_s, work_s)
    many = int(NUMPY.intervals(work_s, each))
    if saving.warned_rows < 1:
        chances = _chances(of)
        found = followed(saving.plays, access, of.slot_s, saving.warned_rows, chances, many)
        again = _again_of_some(of)
    else:
        alone = unsaved(saving.plays, access, many * of.slot_s, of.slot_s / saving.fraction)
        found, again = _of_all(alone, of), _again_of_all(of, lower, stops)
    renewed = _Renewed(found, again, many)
    left = renewed.left()
    # what failures took before, that a lower level does not survive, is not left out, too
    (mean, error), (last, last_error) = (
        mean_and_error(one * of.slot_s * (1 - lost_below)) for one in (left.mean, left.last)
    )
    rest_s = work_s - (many - 1) * each
    x = rest_s * of.hit_per_s
    given = {
        "work_s": work_s,
        "interval_s": each,
        "fresh_lost": fresh_lost,
        "stale_lost": left.lost_share,
        "last_fresh_lost": lost_below + x * float(NUMPY.phi2(-x)),
        "last_stale_lost": -math.expm1(-rest_s * of.lost_per_s),
    }
    step = use(levelled_priority_pls, stale_s=mean, last_stale_s=last, **given)
    above = levelled_priority_pls.raw(stale_s=mean + error, last_stale_s=last + last_error, **given)
    blocking, drains = save_times_s(timed, every)
    in_saves = stops.hit[-1] / mix.mtbf_s * float(blocking[-1] + drains)
    of_shard, of_all = (renewed.total(one, rest_s / each) for one in squares_of(found, of, many, in_saves))
    square = of_shard * mix.taken_square / mix.shards_per_failure / shards + of_all
    of_last, of_others = math.sqrt(square) * of.slot_s * (1 - lost_below) / work_s, 0.0
    if len(timed.levels) > 1:
        of_others = warned_deviation(timed, every, work_s, mix, lost_below, run.breakdown, len(timed.levels) - 1)
    return OrderLoss(float(step.value), float(above) - float(step.value), math.hypot(of_last, of_others), step)


def _chances(of: Stretches) -> tuple[Chances, Chances]:
    """After a planned save, and after another one."""
    slot_s, leaves = of.slot_s, of.leaves_per_s * of.slot_s
    carry = min(of.carry_s / slot_s, 1.0)
    planned, other = of.after_planned, of.after_other
    return (
        Chances(planned.done, planned.warned, of.then_lost, leaves, carry),
        Chances(other.done, other.warned, of.then_lost, leaves, 0.0),
    )


def _of_all(alone: Unsaved, of: Stretches) -> Followed:
    """A shard's stretches where a save on a warning takes everything: after it the shard begins again."""
    stale = alone.stale_s / alone.slot_s
    done = np.full(stale.shape[1], of.after_planned.done)  # the beginning of a job is after no drain
    done[0] = of.after_other.done
    weight = np.broadcast_to(np.cumprod(np.concatenate([[1.0], done[:-1]])), stale.shape)
    warned = np.full(stale.shape[1], of.after_planned.warned)
    warned[0] = of.after_other.warned
    struck = weight * (1 - done - warned)
    return Followed(weight, weight * stale, struck * stale, weight * warned, struck)


def _again_of_all(of: Stretches, lower: Stretches, stops: Stops) -> float:
    """Of a stretch in which a failure took what was left out, the share made afterwards, were it to end as planned.

    What failures that need the last level took of the stretch's own updates is the difference between all and those
    that need a lower level.
    """
    one, low = of.after_planned, lower.after_planned
    struck = 1 - one.done - one.warned
    held = low.kept_s / of.slot_s if sum(of_lower(stops).hit) else one.planned
    return _share(one.planned - (held - one.kept_s / of.slot_s) - one.done, struck)


def _again_of_some(of: Stretches) -> float:
    """The same whichever save ends it, over the work of a stretch that nothing took."""
    one = of.after_planned
    struck, unhit = 1 - one.done - one.warned, one.done * of.slot_s + one.ahead_s
    return _share((one.kept_s + one.kept_then_s - unhit) * (one.done + one.warned), struck * unhit)


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0) if whole > 0 else 0.0


class _Left(NamedTuple):
    """What saves left out over a job, in slots: of each play."""

    mean: Floats  #: when a stretch begins that a save ends
    last: Floats  #: when the last one begins
    lost_share: float  #: share of it that is lost before the next save


class _Renewed:
    """Over so many stretches of a job, the last of which no save ends.

    A shard begins with everything saved at the beginning of a stretch; or in one, and then has a share of what it
    would have left out (``again``) at the next: it is, with that probability, one that began at its beginning.
    After the stretches that were followed nothing changes any more.
    """

    def __init__(self, of: Followed, again: float, many: int) -> None:
        self._of, self._many, self._known = of, many, of.weight.shape[1]
        self._length = min(many, self._known + 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            first = self._with_steady(of.weight)[:, 1]
            self._over = np.where(first > 0, 1 / first, 0.0)
        self._begun, self._within = (np.zeros((len(of.weight), self._length + 1)) for _ in range(2))
        self._begun[:, 0] = 1.0
        told, struck = self._with_steady(of.told), self._with_steady(of.struck)
        for at in range(self._length):
            renewed = self._summed(struck, at)
            self._begun[:, at + 1] = self._summed(told, at) + (1 - again) * renewed
            self._within[:, at] = again * renewed

    def _with_steady(self, part: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return _with_steady(part, self._of.weight)

    def _summed(self, part: Floats, at: int) -> Floats:
        """Over shards by when they began; those that began within a stretch had nothing at stake in it."""
        back = part[:, at::-1] if at else part[:, :1]
        within = self._over * (self._within[:, :at] * back[:, :at]).sum(1)
        found: Floats = within + (self._begun[:, : at + 1] * back).sum(1)
        return found

    def _of_stretches(self, part: Floats) -> Floats:
        """By the stretches of the job, of what is known by those since a shard began."""
        known = self._with_steady(part)
        return np.stack([self._summed(known, at) for at in range(self._length)], axis=1)

    def _mean(self, values: Floats) -> Floats:
        """Over all stretches that a save ends."""
        saves = self._many - 1
        first = values[:, : min(saves, self._known)]
        total = first.sum(1) + (saves - first.shape[1]) * values[:, -1]
        found: Floats = total / max(saves, 1)
        return found

    def total(self, part: Floats, last: float) -> float:
        """Over the job, with so much of the last stretch."""
        values = self._of_stretches(part)
        return float((self._mean(values) * (self._many - 1) + last * values[:, -1]).mean())

    def left(self) -> _Left:
        """What saves left out, and what was lost of it."""
        stale = self._of_stretches(self._of.stale)
        of_left, of_lost = self._mean(stale), self._mean(self._of_stretches(self._of.lost))
        share = float(of_lost.mean() / of_left.mean()) if of_left.mean() > 0 else 0.0
        return _Left(of_lost / share if share else of_left, stale[:, -1], share)


def _with_steady(part: Floats, weight: Floats) -> Floats:
    """And what comes after the last stretch: as on average in the later half, of shards that have come so far."""
    half = weight.shape[1] // 2
    found = np.where(weight[:, half:] > 0, part[:, half:] / weight[:, half:], 0.0).mean(1)
    goes_on = np.where(weight[:, -2:-1] > 0, weight[:, -1:] / weight[:, -2:-1], 1.0)[:, :1]
    ends = goes_on[:, 0] if goes_on.size else 1.0
    return np.concatenate([part, (weight[:, -1] * ends * found)[:, None]], axis=1)
