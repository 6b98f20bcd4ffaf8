r"""What a job of few patterns costs whose saves are doubted, from its beginning to its end.

The overhead of a long job charges a pattern's share of its check and its errors even where the job ends before that
check, and the delay of errors that its end leaves unseen. Here the whole patterns are counted, and what comes after
them: the end of the job is checked and not saved. Where errors show late nothing is checked at the end, so an error
that has not shown by then stays unseen, and costs nothing.

Patterns begin anew from a clean save, so they add up. A save that turns out unreadable is lost where the next
failure finds all the saves after it bad, too, and nearer the end there are fewer chances for that. Late errors are
summed from the beginning: the nearer the end, the likelier it comes before the error shows. Beside unreadable saves
they are summed from the end (:mod:`cprmodel.costing.doubts`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.doubts import Doubts
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY
from cprmodel.formulas.latent import Attempt, attempt_of, latent_overhead
from cprmodel.formulas.stops import NEVER, Pace, pace_of, shares_of, until_complete
from cprmodel.formulas.verified import Stretch, stretch_of

__all__ = [
    "MOST_DOUBTS",
    "Cut",
    "Late",
    "checked_doubts",
    "cut_of",
    "late_doubts",
    "reading",
    "short_latent",
    "short_verified",
]

#: So many saves from the end of a job the chance that one is lost for being unreadable is that of a long job.
_FROM_END = 256
#: Late errors are looked at so many of their decays before the end, in so many blocks of intervals at most.
_DECAYS, _BLOCKS = 40.0, 100_000
#: Of so many saves what unreadable ones add to late errors is that of a long job, which is hardly more by then.
MOST_DOUBTS = 5_000


def _pace(save_s: Any, mtbf_s: Any, recovery: dict[str, Any]) -> Pace:
    """As the formulas of long jobs have it, which are given the same of a recovery."""
    some = np.maximum(recovery.get("whole_job_share", 1.0), NEVER)
    return pace_of(save_s, mtbf_s, **{**recovery, "whole_job_share": some})


def reading(recovery: dict[str, Any], unreadable: float, intervals: Any) -> dict[str, Any]:
    """Recovery with the loads in vain of failed shards, on average over a job that begins without any save."""
    if not unreadable or "partial_load_s" not in recovery:
        return recovery
    good = 1 - unreadable
    vain = unreadable / good * (1 - (1 - unreadable**intervals) / (intervals * good))
    return {**recovery, "partial_load_s": recovery["partial_load_s"] * (1 + vain)}


def _times_made(saves: Any, unreadable: float, success: Any, at_last: Any) -> Any:
    """How often so many saves are made in all, by how likely an attempt at an interval is to be the last one."""
    if not unreadable:
        return saves
    saves, success, at_last = (np.asarray(one, dtype=float)[..., None] for one in (saves, success, at_last))
    both = success * unreadable
    long = (1 - success) * unreadable / (1 - both)
    after = np.arange(min(float(np.max(saves, initial=0.0)), _FROM_END))  # saves that are to come
    lost = long * (1 - both**after) + both**after * unreadable * (1 - at_last)
    near = np.where(after < saves, 1 / (1 - lost), 0.0).sum(axis=-1)
    return near + (np.maximum(saves - len(after), 0.0) / (1 - long))[..., 0]


class Cut(NamedTuple):
    """A job's work as it is cut: into intervals, patterns of these, and pieces with a check after each."""

    interval_s: Any  #: all of the work at the most
    intervals: Any
    patterns: Any  #: whole ones, before the last interval
    rest_s: Any  #: work of the last interval
    piece_s: Any
    pieces: Any  #: of the last interval, before its last check


def cut_of(work_s: float, interval_s: Any, saves_per_check: Any, checks_per_save: Any) -> Cut:
    """Of so much work, over arrays of intervals and patterns, too.

    >>> [float(one) for one in cut_of(7200.0, 3000.0, 1.0, 2.0)]
    [3000.0, 3.0, 2.0, 1200.0, 1500.0, 0.0]
    """
    interval_s = np.minimum(interval_s, work_s)
    intervals = NUMPY.intervals(work_s, interval_s)
    patterns = NUMPY.intervals(intervals, saves_per_check) - 1
    rest, piece = work_s - (intervals - 1) * interval_s, interval_s / checks_per_save
    return Cut(interval_s, intervals, patterns, rest, piece, NUMPY.intervals(rest, piece) - 1)


class _Split(NamedTuple):
    """A job's whole patterns, and what comes after them."""

    intervals: Any
    patterns: Any
    pieces: Any  #: of the last interval, before its last check
    pace: Pace
    whole: Stretch
    last: Stretch


def _split(
    work_s: float,
    interval_s: Any,
    save_s: float,
    mtbf_s: float,
    silent_mtbf_s: float,
    verify_s: float,
    saves_per_check: Any,
    checks_per_save: Any,
    unreadable: float,
    recovery: dict[str, Any],
) -> _Split:
    interval_s, intervals, patterns, rest, piece, pieces = cut_of(
        work_s, interval_s, saves_per_check, checks_per_save
    )
    pace = _pace(save_s, mtbf_s, reading(recovery, unreadable, intervals))
    of = (pace, silent_mtbf_s, verify_s, interval_s)
    whole: Stretch = stretch_of(*of, saves_per_check - 1, checks_per_save - 1, piece, piece, 1)
    last = stretch_of(*of, intervals - 1 - patterns * saves_per_check, pieces, piece, rest - pieces * piece, 0)
    return _Split(intervals, patterns, pieces, pace, whole, last)


def _whole(numbers: Any) -> Any:
    return np.asarray(numbers).astype(int)[()]


def checked_doubts(
    work_s: float,
    interval_s: Any,
    save_s: float,
    mtbf_s: float,
    silent_mtbf_s: float,
    verify_s: float,
    checks_per_save: Any,
    unreadable: float,
    recovery: dict[str, Any],
) -> Doubts:
    """What goes on where each save is checked: how attempts at an interval and at the last one end."""
    given = (
        work_s,
        interval_s,
        save_s,
        mtbf_s,
        silent_mtbf_s,
        verify_s,
        1.0,
        checks_per_save,
        unreadable,
        recovery,
    )
    intervals, *_, whole, last = _split(*given)
    one, end = (Attempt(each.success, 0.0, 0.0) for each in (whole, last))
    return Doubts(_whole(intervals - 1), one, end, unreadable)


def short_verified(
    work_s: float,
    interval_s: Any,
    save_s: float,
    mtbf_s: float,
    silent_mtbf_s: float,
    verify_s: float,
    saves_per_check: Any = 1.0,
    checks_per_save: Any = 1.0,
    unreadable: float = 0.0,
    **recovery: Any,
) -> Breakdown:
    """Overhead of a job of so much work, over arrays of intervals and patterns, too.

    >>> parts = short_verified(7200.0, 1800.0, 60.0, 1e12, 5 * 86400.0, 120.0, saves_per_check=8.0, load_s=60.0)
    >>> round(7200 * parts.save)  # three saves, and the check at the end
    300
    """
    given = (save_s, mtbf_s, silent_mtbf_s, verify_s, saves_per_check, checks_per_save, unreadable, recovery)
    intervals, patterns, pieces, pace, whole, last = _split(work_s, interval_s, *given)
    made = _times_made(patterns, unreadable, whole.success, last.success)
    activity, backs, errors = (
        np.where(patterns > 0, made * one, 0.0) + more for one, more in zip(whole[:3], last[:3], strict=True)
    )
    checks = patterns * checks_per_save + pieces + 1
    spent = (intervals - 1) * save_s + checks * verify_s
    again = errors + made - patterns  # loads that follow no failure
    return shares_of(pace, work_s, spent, activity, backs, again, recovery.get("load_s", 0.0))


def late_doubts(
    work_s: float,
    interval_s: Any,
    save_s: float,
    mtbf_s: float,
    silent_mtbf_s: float,
    latency_s: float,
    unreadable: float,
    recovery: dict[str, Any],
) -> tuple[Pace, Doubts]:
    """What goes on while errors show late: attempts at an interval and at the last one."""
    interval_s = np.minimum(interval_s, work_s)
    intervals = NUMPY.intervals(work_s, interval_s)
    pace = _pace(save_s, mtbf_s, reading(recovery, unreadable, intervals))
    rho, saves = pace.stop_rate * pace.rolled_back, until_complete(pace, pace.voids)
    rest = work_s - (intervals - 1) * interval_s
    one, end = (
        attempt_of(rho, work, save, silent_mtbf_s, latency_s) for work, save in ((interval_s, saves), (rest, 0.0))
    )
    return pace, Doubts(_whole(intervals - 1), one, end, unreadable, (interval_s + saves, rest), rho, 1 / latency_s)


class Late(NamedTuple):
    """A job whose errors show late."""

    breakdown: Breakdown
    unseen: Any  #: probability that it ends with an error that has not shown


def short_latent(
    work_s: float,
    interval_s: Any,
    save_s: float,
    mtbf_s: float,
    silent_mtbf_s: float,
    latency_s: float,
    unreadable: float = 0.0,
    **recovery: Any,
) -> Late:
    """Overhead of a job of so much work; beyond many saves, what unreadable ones add is that of a long job.

    Of unreadable saves over arrays of intervals, too, none of which has so many.

    >>> found = short_latent(5 * 86400.0, 5000.0, 60.0, 1e12, 5 * 86400.0, 8 * 3600.0, load_s=60.0)
    >>> round(found.unseen, 3)  # about the delay over the mean time between errors
    0.064
    """
    given = (work_s, interval_s, save_s, mtbf_s, silent_mtbf_s, latency_s, unreadable)
    pace, of = late_doubts(*given, recovery)
    load_s = recovery.get("load_s", 0.0)
    if unreadable and np.all(of.saves < MOST_DOUBTS):
        taken = of.taken()
        spent = (of.saves * save_s, taken.activity, of.rho * taken.activity, taken.again)
        return Late(shares_of(pace, work_s, *spent, load_s), taken.unseen)
    before, one, end, rho, shows = int(of.saves), of.whole, of.last, float(of.rho), of.shows
    whole, rest = map(float, of.lengths)

    def stays(length: float) -> float:
        """log of how likely an error that is there does not show before so much is complete, whatever fails."""
        with np.errstate(over="ignore"):
            return -float(np.log1p(shows / (rho + shows) * np.expm1((rho + shows) * length)))

    # intervals before the last one, blocks of them, from where the end begins to be felt
    decay = stays(whole)
    near = min(before, math.ceil(_DECAYS / -decay))
    size = max(math.ceil(near / _BLOCKS), 1)
    blocks = int(near // size)
    to_end = size * (np.arange(blocks)[::-1] + 0.5) - 0.5  # whole intervals that are to come
    until_end = np.exp(stays(rest) + (to_end * decay if blocks else to_end))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = one.dirty / one.clean
        goes_on = -size * np.log1p(ratio * until_end)
        begun = np.concatenate([[0.0], np.cumsum(goes_on)])
        tried = size * np.exp(begun[:-1] + goes_on * (size + 1) / (2 * size)) / one.clean
        attempts = (before - size * blocks) / one.clean + float(tried.sum())
        unseen, reached = one.dirty * float((tried * until_end).sum()), math.exp(begun[-1])
        shown = one.dirty * attempts - unseen
        last = reached / (end.clean + end.dirty)
        activity = attempts * one.activity + shown * latency_s + last * end.activity
        at_once = 1 - one.clean - one.dirty - rho * one.activity, 1 - end.clean - end.dirty - rho * end.activity
        again = attempts * at_once[0] + shown + last * at_once[1]
        parts = shares_of(pace, work_s, before * save_s, activity, rho * activity, again, load_s)
    if unreadable:
        some, none = (latent_overhead.raw(*given[1:-1], unreadable=one, **recovery) for one in (unreadable, 0.0))
        parts = Breakdown(*(b + s - n for b, s, n in zip(parts, some, none, strict=True)))
    return Late(parts.in_floats(), float(unseen + last * end.dirty))
