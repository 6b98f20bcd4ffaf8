"""The long run of saves to one level where failures are announced: from one complete save to the next, of any kind.

Another derivation than that of :mod:`cprmodel.costing.warned`, which has any number of levels: a Markov renewal
process of two states, after a drain and without one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.course import Course, LongRun
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY

__all__ = ["one_level_warned"]


def one_level_warned(course: Course) -> LongRun:
    """From a complete save (or after a drain) until the next one, by plan or on a warning, or a roll-back."""
    fresh = _stretch(course, course.tau, 0.0)
    after = _stretch(course, course.tau - course.carry, course.carry)
    # the share of stretches that begin after a drain
    share = fresh.drained / (1 - after.drained + fresh.drained)
    mean = _Stretch(*(one + share * (other - one) for one, other in zip(fresh, after, strict=True)))
    lost = mean.activity - mean.work - mean.saves
    writes, io_s = course.written_to_last(mean.drained, mean.on_warning, course.saving.warned.save_s)
    return _found(course, mean, lost, writes, io_s)


def _found(course: Course, mean: _Stretch, lost: Any, writes: Any, io_s: Any) -> LongRun:
    stops = course.stops
    spent = Breakdown(mean.saves, mean.failures * stops.load_s, lost, mean.failures * stops.reschedule_s)
    return course.found(mean.work, spent, mean.kept, writes, io_s)


class _Stretch(NamedTuple):
    activity: Any
    failures: Any
    work: Any  # progress that is saved
    kept: Any
    saves: Any  # time of complete saves
    on_warning: Any  # complete saves on a warning
    drained: Any  # probability that it ends with a planned save


def _stretch(course: Course, work: Any, carry: Any) -> _Stretch:
    announced, rate, hits = course.saving.warned, course.rate, course.hits
    assert announced is not None
    back = sum(course.stops.back)
    unwarned = (1 - announced.recall) * rate
    warnings = announced.recall * rate / announced.precision
    struck_warned = -np.expm1(-rate * announced.save_s)
    failing = unwarned + warnings * struck_warned  # failures in a second of work, but those after a warned save
    saved = warnings * (1 - struck_warned)
    leaves = back * failing + saved
    reached = np.exp(-leaves * work)
    busy = work * NUMPY.exprel(-leaves * work)
    struck, again = course.struck(0), 1 - back
    tries = 1 / (1 - struck + back * struck)
    unhit = 1 / (1 - struck + (back + hits) * struck)
    drained = reached * (1 - struck) * tries
    saving = reached * struck / rate * tries
    void = course.void
    more = drained * again * void * tries
    x = leaves * work  # the integral of u e^(−leaves u), next
    far = (1 - reached * (1 + x)) / np.where(leaves == 0, 1.0, leaves) ** 2
    ahead = np.where(x < 1, work**2 * reached * NUMPY.phi2(x), far)
    hitting = hits * failing
    held = carry * np.exp(-hitting * work) + work * NUMPY.exprel(-hitting * work)
    unhit_busy = work * NUMPY.exprel(-(leaves + hitting) * work)
    few = ahead - hitting * work**3 * reached * NUMPY.phi3(leaves * work)
    many = (busy - unhit_busy) / np.where(hitting == 0, 1.0, hitting)
    gone = np.where(hitting * work < 1e-4, few, many)  # … of (1 − e^(−hu))/h
    kept = reached * (1 - struck) * unhit * held + saved * (carry * unhit_busy + gone)
    kept = kept + reached * (1 - struck) * tries * unhit * (again - hits) * void
    done = drained * (work + carry) + more + saved * (carry * busy + ahead)
    return _Stretch(
        activity=busy * (1 + warnings * struck_warned / rate) + saving,
        failures=busy * (failing + saved * announced.precision) + rate * saving,
        work=done,
        kept=kept,
        saves=drained * (course.blocking[0] + course.drain - course.carry) + saved * busy * announced.save_s,
        on_warning=saved * busy,
        drained=drained,
    )
