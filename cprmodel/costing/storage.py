r"""Storage as it is: what levels, drains, dirty rows and warnings cost and lose together, exactly.

What exactly happens (the simulator plays the same)
    Training works for τ after a save, then saves. A save first blocks training; the last level's may then drain
    while training goes on at speed ω. What is saved is the state at its beginning; it counts from its end. A
    failure meanwhile makes it void: once repaired, it is taken anew, of the state then, and writes as much as
    before.

    Levels: the saves of a level are counted; in the place of every n₂-th one comes one of the next level. A failure
    needs one level or a higher one: the share ``survives`` of a level says how often it does. Everybody, or the
    failed shards, return to the last save that is of such a level.

    Times that scatter: what blocks takes a new time at each attempt. A save on a warning then begins so long before
    the failure as nearly all need, within the lead; a failure that comes before it is complete takes all, one after
    it what was done since. A false announcement lasts as long as its save.

    Dirty rows: a save writes what was touched since the last save of its level or a higher one. What is written is
    copied while training is blocked, or drained; a level's stall blocks whatever is written. The store keeps the
    last version of every row, so a load reads everything.

    Warnings: at work, a share r of the failures is announced, a share 1 − p of the announcements is false. On an
    announcement everything is saved just in time, to one level; then, if it is true, the failure strikes. A failure
    in such a save makes it void and comes in the place of the announced one. Announcements during other saves and
    during stops are not heeded. The interval, and the count of saves below that level, begin anew; saves of that
    level are counted as before. Announced failures may need other levels than those that are not.

    Recovery, and which failure counts where several are pending: as in the exact makespan.

How it is computed
    Failures, each with all that it brings (:mod:`cprmodel.costing.stops`), are a Poisson process in the time of
    *activity*, which is all time but the stops. A block of level j is a number c of blocks below it, one after the
    other; it begins again where everybody must return to its beginning, and fails where they must return further.
    So its probability of success y and its expected activity follow from those of the block below,

    .. math:: y_j = \frac{p}{1 - q}, \qquad p = y_{j-1}^{c-1} y'_{j-1}, \qquad
              q = (1 - p) \frac{b_j}{\sum_{i \ge j} b_i}

    with bⱼ the probability that a failure sends everybody back to level j, up from a segment of work and a save. A
    unit of work is kept where nothing hits its shard until it is saved in a level that survives; that probability
    has the same recursion with those hits among what ends a block. Warned saves are a third way for a block to end
    (``cprmodel.costing.warned``). The overhead is that of a job much longer than the interval between saves of the
    last level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cprmodel.costing.course import Course, LongRun, save_times_s
from cprmodel.costing.stops import Stops
from cprmodel.costing.warned import warned
from cprmodel.facts.results import Breakdown
from cprmodel.facts.storage import StoredSave

__all__ = ["LongRun", "long_run", "save_times_s"]


def long_run(
    saving: StoredSave, interval_s: Any, mtbf_s: Any, stops: Stops, counts: Sequence[Any] | None = None
) -> LongRun:
    """Overhead and PLS of saving every ``interval_s`` of useful work, in a job much longer than that.

    ``counts``, arrays beside that of the intervals, stand in the place of the saving's own. Of many jobs at once
    where numbers are columns, a row for each (``cprmodel.costing.columns``); a job's come out the same to the
    last bit, alone or among others: all is done with arrays, element by element. A saving that loses more than its
    saves would if they were of everything says so: ``course_of`` is then a course of its own,
    which knows of warnings, too.
    """
    interval = np.asarray(interval_s, dtype=float)
    if interval.ndim == 0:
        found = long_run(saving, interval[None], mtbf_s, stops, counts)
        parts = Breakdown(*(_only(part) for part in found.breakdown))
        return LongRun(parts, *map(_only, (found.pls, found.work_s, found.writes, found.io_s, found.drains)))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        made: type[Course] = getattr(saving, "course_of", Course)
        course = made(saving, interval, mtbf_s, stops, saving.counts if counts is None else counts)
        return warned(course) if saving.warned is not None and made is Course else course.nested()


def _only(value: Any) -> Any:
    """The one number of an array."""
    return np.reshape(value, ())[()]
