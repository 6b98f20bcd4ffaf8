"""Where a cost is least over the interval, valley by valley: many looked at at once, each closed in on.

Costs over the interval have valleys where saves are counted, take turns, or write dirty rows. Searches differ in
what a cost is and where they look first; how they find valleys and close in on them is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["beside", "between", "closed", "lowest"]


def lowest(values: Any) -> Any:
    """Whether no neighbour is below, in a row of values or in each of several.

    >>> lowest(np.array([3.0, 1.0, 2.0, 2.0, 5.0]))
    array([False,  True, False,  True, False])
    """
    wall = [(0, 0)] * (values.ndim - 1) + [(1, 1)]
    walled = np.pad(values, wall, constant_values=np.inf)
    return (values <= walled[..., :-2]) & (values <= walled[..., 2:])


def beside(intervals: Any, at: Any) -> tuple[Any, Any]:
    """The neighbours of one interval of each row, or of several of one row; at an end that itself.

    >>> beside(np.array([1.0, 2.0, 3.0]), np.array([0, 1]))
    (array([1., 1.]), array([2., 3.]))
    """
    last = intervals.shape[-1] - 1
    rows = (np.arange(len(intervals)),) if intervals.ndim > 1 else ()
    return intervals[(*rows, np.maximum(at - 1, 0))], intervals[(*rows, np.minimum(at + 1, last))]


def between(low: Any, high: Any, points: int) -> Any:
    """Rows of intervals in equal ratios; the ends are as given."""
    share = np.linspace(0, 1, points)
    intervals = low[:, None] ** (1 - share) * high[:, None] ** share
    intervals[:, 0], intervals[:, -1] = low, high
    return intervals


def closed(
    values: Callable[[Any, Any], Any], low: Any, high: Any, rounds: Sequence[int], enough: Any = 0.0
) -> tuple[Any, Any]:
    """The best interval in each of several brackets, and its value; of equals the later found.

    Parameters
    ----------
    values : of the numbers of some brackets, and a row of intervals for each, what they cost
    low, high : the brackets
    rounds : how many intervals are tried at once, each time between the neighbours of the best
    enough : a bracket that is narrower is left
    """
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    where, best = low.copy(), np.full(len(low), np.inf)
    enough, rows = np.broadcast_to(enough, len(low)), np.arange(len(low))
    for points in rounds:
        intervals = between(low[rows], high[rows], points)
        tried = values(rows, intervals)
        at, each = np.argmin(tried, axis=1), np.arange(len(rows))
        found = tried[each, at]
        better = found <= best[rows]
        best[rows[better]], where[rows[better]] = found[better], intervals[each, at][better]
        low[rows], high[rows] = beside(intervals, at)
        rows = rows[(high - low)[rows] >= enough[rows]]
        if not len(rows):
            break
    return where, best
