"""The least exact overhead over the interval, where the saves to each level are given: of many jobs at once.

A wide look finds the valleys of each job, each of which is closed in on; the best place of all is then compared in
whole steps where the job has steps. Every job goes its own way through this, the same alone and among others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.many import Jobs
from cprmodel.costing.setting import BROKEN, fixed_s, shortest_s
from cprmodel.costing.valleys import beside, between, closed, lowest

__all__ = ["Chosen", "best_intervals", "chosen"]

#: Intervals tried at once at first, and then between the neighbours of the best, again and again.
_WIDE, _CLOSING = 128, (40, 20, 20, 20, 20)
#: Valleys of a job that are looked into; of these, how many in whole steps.
_LOOKED, _BEST = 16, 4
#: A place that is so much dearer is left alone, and a valley whose lowest at a wide look is.
_WORTH, _LIKELY = 1.03, 1.5
#: An interval of so few steps is compared with all shorter ones.
_FEW_STEPS = 6


def best_intervals(jobs: Jobs) -> tuple[Any, Any, Any]:
    """Of each job the best interval, in whole steps if it has steps; its value; whether it is the shortest tried.

    The value is infinite where nothing keeps the limits. The last is so where nothing says why no shorter interval
    were better.
    """
    shortest = np.broadcast_to(
        shortest_s(jobs.setting, jobs.saving, jobs.limits, jobs.stops, jobs.saving.segments), (len(jobs), 1)
    )
    rows, low, high = _valleys(jobs, shortest)
    intervals, values = _closed(jobs, rows, np.maximum(low, shortest[rows, 0]), high)
    if jobs.step_s.any():
        intervals, values = _whole_steps(jobs, rows, intervals, values)
    else:
        at = _cheapest(rows, values, 1)
        intervals, values = intervals[at], values[at]
    values = np.where(values < BROKEN, values, np.inf)
    nothing = jobs.saving.dirty is not None and fixed_s(jobs.saving)[:, 0] == 0
    return intervals, values, nothing & (intervals <= shortest[:, 0] * (1 + 1e-6))


class Chosen(NamedTuple):
    """The best way to save of each job, a column each."""

    interval_s: Any
    counts: tuple[Any, ...]
    bounded: Any  #: whether there is one: not so where the shorter the interval, the better


def chosen(jobs: Jobs) -> Chosen:
    """The best interval, or no save at all where that costs no more and is not forbidden; without warnings."""
    intervals, values, unbounded = (one[:, None] for one in best_intervals(jobs))
    spent, lost = jobs.unsaved()
    none, budget = np.where(np.isfinite(spent.total), spent.total, np.inf), jobs.limits.budget
    if budget is not None:
        none = np.where(lost > budget, np.inf, none)
    never = (none <= values) & np.isfinite(none)
    counts = tuple(np.where(never, 1.0, one) for one in jobs.saving.counts)
    return Chosen(np.where(never, jobs.work_s, intervals), counts, never | ~unbounded | (jobs.step_s > 0))


def _cheapest(rows: Any, values: Any, most: int) -> Any:
    """Numbers of the cheapest few of each row, row by row and the cheapest first; of equals the first."""
    order = np.lexsort((values, rows))
    first = np.flatnonzero(np.diff(rows[order], prepend=-1))
    lengths = np.diff(first, append=len(order))
    return order[np.arange(len(order)) - np.repeat(first, lengths) < most]


def _valleys(jobs: Jobs, shortest: Any) -> tuple[Any, Any, Any]:
    """Rows, and brackets around the lowest of the intervals tried with each."""
    longest = jobs.work_s / jobs.saving.segments
    intervals = between(np.minimum(shortest, longest)[:, 0], longest[:, 0], _WIDE)
    values = jobs.limits.values(jobs.tried(intervals))
    best = values.min(axis=1, keepdims=True)
    likely = lowest(values) & ((values <= _LIKELY * best) | ((values >= BROKEN) & np.isfinite(values)))
    likely[~np.isfinite(best[:, 0]), 0] = True
    row, column = np.nonzero(likely)
    few = _cheapest(row, values[row, column], _LOOKED)
    row, column = row[few], column[few]
    return row, *beside(intervals[row], column)


def _closed(jobs: Jobs, rows: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """The best interval in each bracket, and its value."""
    longest = (jobs.work_s / jobs.saving.segments)[rows, 0]
    step = np.broadcast_to(jobs.step_s, (len(jobs), 1))[rows, 0]
    here, open_ = jobs.at(rows), np.arange(len(rows))

    def values(some: Any, intervals: Any) -> Any:
        nonlocal here, open_
        if len(some) < len(open_):
            here, open_ = jobs.at(rows[some]), some
        return here.limits.values(here.tried(intervals))

    return closed(values, low, np.maximum(np.minimum(high, longest), low), _CLOSING, step / 2)


def _whole_steps(jobs: Jobs, rows: Any, intervals: Any, values: Any) -> tuple[Any, Any]:
    """The best of the whole numbers of steps beside the best intervals; of few steps, of all shorter ones too."""
    few = _cheapest(rows, values, _BEST)
    rows, intervals, values = rows[few], intervals[few], values[few]
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    least = values[first][rows]  # a job's best comes first, and every job has one
    near = values <= _WORTH * least
    rows, intervals = rows[near], intervals[near]
    step = jobs.step_s[:, 0]
    below = np.maximum(np.floor(intervals / step[rows] * (1 + 1e-12)), 1)
    tried_rows, steps = np.repeat(rows, 2), np.stack([below, below + 1], axis=1).ravel()
    fewest = np.full(len(jobs), np.inf)
    np.minimum.at(fewest, rows, below)
    some = np.flatnonzero(fewest <= _FEW_STEPS)
    if len(some):
        tried_rows = np.append(tried_rows, np.repeat(some, _FEW_STEPS + 1))
        steps = np.append(steps, np.tile(np.arange(1.0, _FEW_STEPS + 2), len(some)))
    tried = steps * step[tried_rows]
    here = jobs.at(tried_rows)
    found = here.limits.values(here.tried(tried[:, None]))[:, 0]
    at = _cheapest(tried_rows, found, 1)
    nothing = ~np.isfinite(values[first])
    return np.where(nothing, step, tried[at]), np.where(nothing, np.inf, found[at])
