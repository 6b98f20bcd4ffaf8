"""Which pattern of saves and checks, and which interval, costs least in a job of few patterns.

Its cost has a valley for every number of intervals, whose bottom is at pieces of equal work, or a little beyond: a
check that is longer than a save makes a shorter rest better. So patterns are numbers here: saves to a check, checks
to a save, and pieces of work with a check or a save after each. A grid of these is priced at once, the best are
left for their neighbours as long as one of those is better, and the best of all are closed in on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Priced", "best_of_few"]

#: More checks than this are not tried.
_CHECKS = 200
#: All numbers up to this one are tried, beyond so many evenly in ratios; and so far around the likely ones.
_ALL, _MORE, _AROUND = 12, 20, 4
#: The best so many are closed in on, in so many rounds at most.
_BEST, _ROUNDS = 4, 60
#: So many of the best valleys are closed in on, at so many intervals at once, so often.
_VALLEYS, _POINTS, _CLOSING = 8, 17, 5
#: A pattern must be better than a simpler one by so much.
_BETTER = 1 - 1e-13


class Priced(NamedTuple):
    """A pattern, its interval, and what it is chosen by; infinite where nothing will do."""

    saves: int
    checks: int
    interval_s: float
    value: float


def _lengths(rows: Any, work_s: float, step_s: float | None) -> Any:
    """Work before a save of each row (saves, checks, pieces): equal pieces, as far as whole steps allow."""
    every = np.minimum(rows[:, 1] * work_s / rows[:, 2], work_s)
    if step_s is None:
        return every
    return np.minimum(np.maximum(np.ceil(every / step_s * (1 - 1e-12)), 1) * step_s, work_s)


def _numbers(likely: Iterable[float], most: float) -> list[int]:
    """Numbers to try of what is likely to be one of these, and no more than ``most``."""
    around = [round(one) + more for one in likely for more in range(-_AROUND, _AROUND + 1)]
    found = {*range(1, _ALL + 1), *around, *(round(one) for one in np.geomspace(_ALL, max(most, _ALL), _MORE))}
    return sorted(one for one in found if 1 <= one <= max(most, 1))


def _grid(given: tuple[int, int], saves: bool, checks: bool, likely: list[float], most: float) -> Any:
    """Rows of the pattern that is given, or of those that there may be: all saves, all checks."""
    intervals, many = _numbers(likely, most), _numbers((), _CHECKS)
    rows = {(*given, given[1] * one) for one in intervals}
    if saves:
        rows |= {(math.ceil(one / number), 1, one) for one in intervals for number in many if number <= one}
    if checks:
        rows |= {(1, number, number * one) for one in intervals for number in many}
    return np.array(sorted(rows), dtype=float)


def _beside(row: Any, saves: bool, checks: bool) -> Any:
    """Neighbours of a row: a piece more or less, a save or a check more or less in the pattern, or both."""
    near = range(-3, 4)
    many, in_a_save, pieces = (int(one) for one in row)
    rows = {(many, in_a_save, pieces + more) for more in (*near, in_a_save, -in_a_save)}
    if saves and in_a_save == 1:
        rows |= {(many + other, 1, pieces + more) for other in near for more in near}
        patterns = math.ceil(pieces / many)
        rows |= {(many + other, 1, (many + other) * (patterns + more)) for other in near for more in near}
    if checks and many == 1:
        intervals = math.ceil(pieces / in_a_save)
        rows |= {
            (1, in_a_save + other, (in_a_save + other) * (intervals + more)) for other in near for more in near
        }
    kept = [one for one in rows if one[0] >= 1 and one[1] >= 1 and one[2] >= one[1]]
    return np.array(sorted(kept), dtype=float)


def best_of_few(
    price: Callable[[Any, Any, Any], Any],
    work_s: float,
    step_s: float | None,
    given: tuple[int, int],
    choose: tuple[bool, bool],
    likely: list[float],
    closing: bool,
) -> Priced:
    """The pattern and the interval of least value.

    ``price``: of arrays of saves to a check, checks to a save, and intervals; ``given``: the pattern where neither
    is to be chosen (``choose``: saves to a check, checks to a save); ``likely``: numbers of intervals;
    ``closing``: whether a valley's bottom may lie beyond equal pieces.
    """
    most = 4 * max(likely) + _ALL
    if step_s is not None:
        most = min(most, math.ceil(work_s / step_s))

    known: dict[tuple[float, ...], float] = {}

    def priced(rows: Any) -> Any:
        keys = [tuple(row) for row in rows.tolist()]
        new = np.array([key for key in keys if key not in known], dtype=float)
        if len(new):
            found = price(new[:, 0], new[:, 1], _lengths(new, work_s, step_s))
            known.update(zip(map(tuple, new.tolist()), found.tolist(), strict=True))
        return np.array([known[key] for key in keys])

    rows = _grid(given, *choose, likely, most)
    values = priced(rows)
    for start in rows[np.argsort(values, kind="stable")[:_BEST]]:
        at, here = start, math.inf
        for _ in range(_ROUNDS):
            near = _beside(at, *choose)
            found = priced(near)
            if not found.min() < here:
                break
            at, here = near[int(np.argmin(found))], float(found.min())
    rows = np.array(sorted(known, key=lambda row: (known[row], row))[:_VALLEYS])
    if closing:
        return _closed(price, rows, work_s, step_s)
    best = rows[0]
    every = float(_lengths(rows[:1], work_s, step_s)[0])
    return Priced(int(best[0]), int(best[1]), every, known[tuple(best.tolist())])


def _closed(price: Callable[[Any, Any, Any], Any], rows: Any, work_s: float, step_s: float | None) -> Priced:
    """The best of what each row's valley holds; of equals the simplest, at equal pieces."""
    low = _lengths(rows, work_s, step_s)
    high = np.where(rows[:, 2] > rows[:, 1], rows[:, 1] * work_s / np.maximum(rows[:, 2] - 1, 1), work_s)
    saves, checks = (np.repeat(rows[:, at, None], _POINTS, axis=1) for at in (0, 1))
    best = Priced(1, 1, work_s, math.inf)
    each = np.arange(len(rows))
    for _ in range(_CLOSING):
        every = np.linspace(low, np.maximum(high, low), _POINTS, axis=1)
        if step_s is not None:
            every = np.minimum(np.maximum(np.round(every / step_s), 1) * step_s, work_s)
        values = np.reshape(price(saves.ravel(), checks.ravel(), every.ravel()), every.shape)
        at = np.argmin(values, axis=1)
        for row, one in enumerate(at):
            if values[row, one] < best.value * _BETTER:
                number, in_a_save = (int(many) for many in rows[row, :2])
                best = Priced(number, in_a_save, float(every[row, one]), float(values[row, one]))
        low, high = every[each, np.maximum(at - 1, 0)], every[each, np.minimum(at + 1, _POINTS - 1)]
    return best
