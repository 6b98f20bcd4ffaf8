"""When planned stops come, what work and saves the times between them have room for, and intervals that fit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.terms import steps_within
from cprmodel.facts.special import NUMPY
from cprmodel.jobs import Job
from cprmodel.jobs.planned import Planned, planned_calendar

__all__ = [
    "RARE",
    "STOPS",
    "Between",
    "between",
    "by_calendar",
    "calendar_of",
    "frequent",
    "gaps_of",
    "in_whole_steps",
    "longest_of",
    "pieces",
]

#: Up to so many stops are counted one by one.
STOPS = 32768
#: Stops so many intervals apart are rare.
RARE = 10
#: Of different times between stops so many, the most frequent, are cut into equal pieces.
_FREQUENT = 3


class Between(NamedTuple):
    """What is done between two planned stops that come by a period."""

    interval_s: float  # useful work before each regular save, at most all that there is
    saves: int  # regular saves
    last_s: float  # useful work before the one that ends at a stop


def _blocks(job: Job) -> bool:
    """Whether saves block, and all of the job is at one speed."""
    return job.plain and not job.paced


def between(job: Job, interval_s: float) -> Between | None:
    """Between two planned stops of one kind, where saves block; None where they come otherwise. No work: 0."""
    kinds = job.failures.planned or ()
    if len(kinds) != 1 or kinds[0].every_s is None or not _blocks(job):
        return None
    room_s, step = kinds[0].every_s - kinds[0].lasts_s - job.load_s - job.save_s, job.job.step_s
    saves = int(NUMPY.intervals(room_s, interval_s + job.save_s)) - 1
    last = max(room_s - saves * (interval_s + job.save_s), 0.0)
    if step is not None:
        last = float(steps_within(last, step))
        if last == 0 and saves:
            saves, last = saves - 1, interval_s
    every, last = (interval_s, min(last, interval_s)) if saves else (min(interval_s, last), last)
    return Between(every, saves, last)


def by_calendar(job: Job) -> bool:
    """Whether there are planned stops, and saves block."""
    return bool(job.failures.planned) and _blocks(job)


def gaps_of(job: Job, number: int) -> list[float]:
    """Times without a planned stop before each of so many, the first ones of them at the most [s].

    >>> gaps_of(Job.from_mapping({
    ...     "job": {"work": "30 d"}, "checkpoint": {"save": "1 min"},
    ...     "failures": {
    ...         "mtbf": "1 d", "planned": [{"every": "2 d", "lasts": "1 h"}, {"every": "3 d", "lasts": "2 h"}]
    ...     },
    ... }), 3)
    [172800.0, 82800.0, 79200.0]
    """
    found: list[float] = calendar_of(job).gaps_s[:number].tolist()
    return found


class Calendar(NamedTuple):
    """Planned stops one after the other, as far as they are listed [s]."""

    begins_s: Any
    ends_s: Any
    gaps_s: Any  # times without a stop before each
    up_s: Any  # how long a job has been up when each begins


def calendar_of(job: Job) -> Calendar:
    """The planned stops of a job, those of which none is met among them."""
    return _calendar(job.failures.planned or (), job.job.start)


@lru_cache(maxsize=64)
def _calendar(kinds: tuple[Planned, ...], start: str | None) -> Calendar:
    begins, ends = np.array(list(islice(planned_calendar(kinds, start), STOPS))).reshape(-1, 2).T
    up = begins - np.concatenate([[0.0], np.cumsum(ends - begins)])[: len(begins)]
    return Calendar(begins, ends, begins - np.concatenate([[0.0], ends])[: len(begins)], up)


def longest_of(job: Job) -> float:
    """The most work that is done without a planned stop, were there no failures and no regular saves [s]."""
    gaps = calendar_of(job).gaps_s
    rooms = np.maximum(gaps - job.save_s - job.load_s * (np.arange(len(gaps)) > 0), 0.0)
    before = np.cumsum(rooms)
    met = int(np.searchsorted(before, job.job.work_s))
    rest = job.job.work_s - (before[met - 1] if met else 0.0)
    return float(max(rooms[:met].max(initial=0.0), 0.0 if met == STOPS else rest))


def pieces(job: Job, near_s: float, room_s: float) -> list[float]:
    """Intervals near one that leave no rest of so much time for work and saves, or half a piece [s]."""
    many = int(min(room_s / (near_s + job.save_s), 1e6))
    number = range(max(many - 2, 1), many + 5)
    return [room_s / one - job.save_s for whole in number for one in (whole, whole + 0.5)]


def in_whole_steps(job: Job, intervals: Iterable[float]) -> list[float]:
    """Intervals that are not shorter, in whole steps where there are any; those that are work [s]."""
    step = job.job.step_s
    found = intervals if step is None else [math.ceil(every / step * (1 - 1e-12)) * step for every in intervals]
    return [every for every in found if every > 0]


def frequent(job: Job, number: int) -> list[float]:
    """The most frequent times for work and saves before so many stops [s]."""
    rooms = Counter(round(one - job.load_s, 3) for one in gaps_of(job, number)[1:])
    often = rooms.most_common(_FREQUENT)
    return [room for room, many in often if room > job.save_s and (many > 1 or len(rooms) <= _FREQUENT)]
