r"""How many time limits a chain of jobs does not reach since planned stops begin its clock anew.

After a fresh start a limit is reached when a time T has passed without a failure that sends everybody back; the
next start comes when the queue is over. With fresh starts m(t) of that kind in a time t, in units of T, x failures
in a limit and a queue of q,

.. math:: m(t) = e^{-x} \left(1 + m(t - 1 - q)\right) + \int_0^1 x\, e^{-x s}\, m(t - s)\, ds

from 1 + q on, and 0 before. In a long chain without stops they come at a rate; what a time between two stops has
fewer of them, each of these stops spares. [renewal equation; followed on a grid]
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from cprmodel.facts.special import NUMPY
from cprmodel.jobs import Job
from cprmodel.jobs.planned import planned_calendar, times_between

__all__ = ["Spared", "spared_by", "without_limit"]

#: Points in a limit; limits in a time up to which it is followed; and stops whose distances are counted.
_POINTS, _MOST, _STOPS = 200, 40.0, 10_000
#: Of these limits the first that a time does not exceed are followed.
_FOLLOWED = (2.5, 5.0, 10.0, 20.0, _MOST)


class Spared(NamedTuple):
    """What one planned stop spares a chain, on average."""

    spared_starts: float
    spared_limits: float
    spared_queues: float


def without_limit(job: Job) -> Job:
    """The same without a time limit where planned stops come so often that it is never reached."""
    limit = job.job.time_limit_s
    often = (one.every_s for one in job.failures.planned or () if one.every_s is not None)
    if limit is None or min(often, default=math.inf) > limit:
        return job
    return job.model_copy(update={"job": job.job.model_copy(update={"time_limit_s": None, "requeue_s": None})})


def spared_by(job: Job, number: int, back_share: float) -> Spared:
    """By each of so many planned stops; ``back_share``: of the failures that send everybody back.

    >>> from cprmodel import load_preset
    >>> preset = load_preset("cpr-dlrm").model_dump(exclude_none=True)
    >>> nights = {"every_s": 86400.0, "lasts_s": 3600.0}
    >>> job = Job.from_mapping({**preset, "job": {"work_s": 1e7, "time_limit_s": 72000.0},
    ...                         "failures": {"mtbf_s": 1e12, "planned": [nights]}})
    >>> [round(one, 3) for one in spared_by(job, 100, 1.0)]  # 23 h between two: one limit of 20 h, where 1.15 go
    [0.151, 0.151, 0.0]
    """
    limit = job.job.time_limit_s or math.inf
    x, queue = back_share * limit / job.failure_mix.mtbf_s, (job.job.requeue_s or 0.0) / limit
    found = np.zeros(3)
    times = _times(job, number)
    for time_s, many in times.items():
        found += many * np.array(_spared(round(x, 9), round(queue, 9), round(time_s / limit, 6)))
    return Spared(*(found / max(sum(times.values()), 1)).tolist())


def _times(job: Job, number: int) -> Counter[float]:
    """Times without a planned stop before each of so many [s]."""
    kinds = job.failures.planned or ()
    if len(kinds) == 1 and kinds[0].every_s is not None and number:
        every = kinds[0].every_s
        return Counter({every: 1, every - kinds[0].lasts_s: number - 1})
    return Counter(times_between(islice(planned_calendar(kinds, job.job.start), min(number, _STOPS))))


@lru_cache(maxsize=1024)
def _spared(x: float, queue: float, time: float) -> tuple[float, float, float]:
    """By a stop after so many limits' time: starts, limits, and time in the queue, over a queue."""
    apart = float(NUMPY.exprel(x)) + queue
    if time > _MOST:  # where in a limit it comes is not known any more: as on average over one
        each = [_spared(x, queue, _MOST - apart * share) for share in (np.arange(64) + 0.5) / 64]
        starts, limits, queues = np.mean(each, axis=0)
        return float(starts), float(limits), float(queues)
    counted = _counted(x, queue, next(one for one in _FOLLOWED if time <= one))
    usual, later = time / apart, np.linspace(time, time + queue, 257)
    starts, limits = usual - float(counted(time)), usual - float(counted(time + queue))
    waits = usual - float(np.trapezoid(counted(later), later) / queue) if queue > 0 else 0.0
    return starts, limits, waits


@lru_cache(maxsize=64)
def _counted(x: float, queue: float, limits: float) -> Any:
    """Fresh starts after limits, m, by the time, up to so many limits."""
    many = math.ceil((limits + queue + 1) * _POINTS)
    step, first = 1.0 / _POINTS, (1 + queue) * _POINTS
    edges = np.exp(-x * np.arange(_POINTS + 1) * step)
    falls = edges[:-1] - edges[1:]  # a failure in each piece of a limit, the latest first in the past
    middles = np.zeros(many)  # of each point and the next
    reached, listed, own = math.exp(-x), [0.0] * (many + 1), float(1 - falls[0] / 2)
    for at in range(math.ceil(first - 1e-9), many + 1):
        past = at - first
        low = math.floor(past + 1e-9)
        before = listed[low] + (past - low) * (listed[low + 1] - listed[low]) if low + 1 < at else listed[low]
        start = max(at - _POINTS, 0)
        middles[at - 1] = listed[at - 1] / 2  # the other half is what is looked for
        past_ones = float(middles[start:at][::-1] @ falls[: at - start])
        listed[at] = (reached * (1 + before) + past_ones) / own
        middles[at - 1] = (listed[at - 1] + listed[at]) / 2
    times, found = np.arange(many + 1) * step, np.array(listed)
    jump = 1 + queue

    def counted(at: Any) -> Any:
        """Steps lie between two points of the grid; before the first one there is nothing."""
        return np.where(np.asarray(at) < jump * (1 - 1e-12), 0.0, np.interp(at, times, found))

    return counted
