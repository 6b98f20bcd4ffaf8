r"""What is done between two planned stops, where saves block: regular saves, a rest, and time that no step fits.

Stops that come by a period leave the same time between any two of them, with so many saves and a rest. Those by
dates, or of several kinds, do not. There the work is counted that a time t between two stops is expected to keep.
The job is a chain's whose limit is announced (:mod:`cprmodel.formulas.limits`), and after a failure that sends
everybody back it begins anew in what is left of the time,

.. math:: W(t) = w(t) + \int_0^{t - D} \frac{\rho}{g} e^{-\rho (t - D - u) / g}\, W(u)\, du

with w what is kept until the first such failure; so for saves. It is followed on a grid, failure by failure. What
is not work at the usual overhead in that time is what a stop adds. A stop counts as far as it is met: when a job
ends hangs on how many failures it has. [derived here; held to cprmodel simulate]
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.limited_chains import chain_under
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.limits import Chain, saves_of
from cprmodel.jobs import Job
from cprmodel.jobs.planned import Planned, planned_calendar, times_between

__all__ = [
    "Between",
    "Counted",
    "between",
    "by_calendar",
    "counted",
    "filled",
    "frequent",
    "gaps_of",
    "kept_over",
    "longest_of",
    "pieces",
]

#: Up to so many stops are counted one by one.
_STOPS = 4096
#: Of different times between stops so many, the most frequent, are cut into equal pieces.
_FREQUENT = 3
#: Points of the grid of times, failures in one of them, and the most that come in one on average.
_POINTS, _FAILURES, _MANY = 1001, 400, 100.0
#: How many times its expected length a job may last.
_LATE = 3.0
#: Beyond so many failures that send everybody back their times are taken to be normal together.
_FEW = 30.0


class Between(NamedTuple):
    """What is done between two planned stops that come by a period."""

    interval_s: float  # useful work before each regular save, at most all that there is
    saves: int  # regular saves
    last_s: float  # useful work before the one that ends at a stop
    idle_s: float  # what is left of the time where nothing fails


class Counted(NamedTuple):
    """Planned stops that a job meets on average, and what each adds to the overhead of saves and failures."""

    number: float
    outage_s: float  # how long one lasts
    until_s: float  # when the job ends
    more_saves: float
    more_lost_s: float


def _blocks(job: Job) -> bool:
    """Whether saves block, and all of the job is at one speed."""
    return job.plain and not job.paced


def between(job: Job, interval_s: float) -> Between | None:
    """Between two planned stops of one kind, where saves block; None where they come otherwise. No work: 0."""
    kinds = job.failures.planned or ()
    if len(kinds) != 1 or kinds[0].every_s is None or not _blocks(job):
        return None
    return filled(job, interval_s, kinds[0].every_s - kinds[0].lasts_s - job.load_s - job.save_s)


def by_calendar(job: Job) -> bool:
    """Whether planned stops come by dates, or in several kinds, where saves block."""
    kinds = job.failures.planned or ()
    return bool(kinds) and (len(kinds) > 1 or kinds[0].every_s is None) and _blocks(job)


def filled(job: Job, interval_s: float, room_s: float) -> Between:
    """So much time for work and regular saves."""
    step = job.job.step_s
    saves = int(NUMPY.intervals(room_s, interval_s + job.save_s)) - 1
    last, idle = max(room_s - saves * (interval_s + job.save_s), 0.0), 0.0
    if step is not None:
        whole = math.floor(last / step * (1 + 1e-12)) * step
        last, idle = whole, last - whole
        if last == 0 and saves:
            saves, last, idle = saves - 1, interval_s, idle + job.save_s
    every, last = (interval_s, min(last, interval_s)) if saves else (min(interval_s, last), last)
    return Between(every, saves, last, max(idle, 0.0))


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
    return times_between(_listed(job.failures.planned or (), job.job.start)[:number])


@lru_cache(maxsize=64)
def _listed(kinds: tuple[Planned, ...], start: str | None) -> tuple[tuple[float, float], ...]:
    return tuple(islice(planned_calendar(kinds, start), _STOPS))


def longest_of(job: Job) -> float:
    """The most work that is done without a planned stop, were there no failures and no regular saves [s]."""
    gaps = np.array(gaps_of(job, _STOPS))
    rooms = np.maximum(gaps - job.save_s - job.load_s * (np.arange(len(gaps)) > 0), 0.0)
    before = np.cumsum(rooms)
    met = int(np.searchsorted(before, job.job.work_s))
    rest = job.job.work_s - (before[met - 1] if met else 0.0)
    return float(max(rooms[:met].max(initial=0.0), 0.0 if met == _STOPS else rest))


def counted(
    job: Job,
    strategy: Strategy,
    base: float,
    costs: Callable[[Job], Breakdown],
    done: Callable[[float, tuple[float, ...]], tuple[Any, Any]] | None = None,
) -> Counted | None:
    """The stops by a calendar that a job meets, and what each adds; None where they are too many, or too rare.

    ``base``: its overhead without them; ``costs``: of such a job without them, and without waiting for repairs.
    ``done``: useful work that is kept in each of some times between stops, and what saves take of it [s], where
    saves do not simply block; from the usual overhead.
    """
    usual, of, mix, work = costs(job), chain_under(job, strategy.recovery), job.failure_mix, job.job.work_s
    stops = _listed(job.failures.planned or (), job.job.start)
    none = Counted(0.0, 0.0, work * (1 + base), 0.0, 0.0)
    if not stops:
        return none
    begins, ends = np.array(stops).T
    up = begins - np.concatenate([[0.0], np.cumsum(ends - begins)[:-1]])
    near = int(np.searchsorted(up, _LATE * work * (1 + base)))  # later ones no run comes to
    begins, ends = begins[:near], ends[:near]
    if near == 0:
        return none
    # waiting stretches all else; and no more is needed than all of the job
    runs = (1 + usual.total) / (1 + base)
    gaps = np.minimum(runs * (begins - np.concatenate([[0.0], ends[:-1]])), 2 * work * (1 + usual.total))
    if of.back / of.stretch * gaps.max() > _MANY:
        return None
    apart = tuple(gaps.tolist())
    if done is None:
        kept, saves = _done(of, strategy.interval_s, job.save_s, job.load_s, job.job.step_s or 0.0, apart)
        saving_s = saves * job.save_s
    else:
        kept, saving_s = done(usual.total, apart)
    before = np.cumsum(kept)
    left_s, failures = (work - before) * (1 + usual.total), work * (1 + usual.total) / mix.mtbf_s
    met = _goes_on(left_s, job, strategy, of, failures, float(np.median(gaps)))
    if near == _STOPS and met[-1] > 1e-9:
        return None
    number = float(met.sum())
    if number < 1e-9:
        return none
    loads = job.load_s * (np.arange(len(gaps)) > 0)
    lost = met @ (gaps - loads - kept * (1 + usual.total))
    saved = met @ (saving_s - kept * usual.save)
    count = round(number)
    left = work - (before[count - 1] if count else 0.0)
    if left > 0:  # what follows the last stop ends without a save, as a job does
        last = costs(job.model_copy(update={"job": job.job.model_copy(update={"work_s": float(left)})}))
        lost, saved = lost + left * (last.total - usual.total), saved + left * (last.save - usual.save)
    out = float(met @ (ends - begins))
    until = work * (1 + base) + out + number * job.load_s + float(lost)
    more = float(saved) / job.save_s / number if job.save_s > 0 else 0.0
    return Counted(number, out / number, until, more, float(lost - saved) / number)


def _goes_on(left_s: Any, job: Job, strategy: Strategy, of: Chain, failures: float, usual_s: float) -> Any:
    """Probability that a job which has so much time left on average is not at its end [s].

    Failures that send everybody back come by Poisson's law, and each loses as likely any part of an interval.
    """
    rolled = failures * of.back / of.rate
    lost = min(strategy.interval_s, usual_s)
    each, partial = of.restart + job.load_s + lost / 2, job.partial_recovery
    others = (failures - rolled) * (partial.partial_load_s + partial.partial_reschedule_s) ** 2
    least = max(others, (1e-9 * job.job.work_s) ** 2)
    if rolled > _FEW:
        cases = [(1.0, 0.0, math.sqrt(rolled * (each**2 + lost**2 / 12) + least))]
    else:
        many = range(int(rolled + 8 * math.sqrt(rolled)) + 10)
        chances = [math.exp(-rolled + (k * math.log(rolled) if k else 0.0) - math.lgamma(k + 1)) for k in many]
        cases = [(one, (k - rolled) * each, math.sqrt(k * lost**2 / 12 + least)) for k, one in enumerate(chances)]

    found = np.zeros(len(left_s))
    for chance, more, deviation in cases:
        apart = np.clip((left_s + more) / deviation / math.sqrt(2), -6.0, 6.0)
        below = np.array([math.erf(one) if abs(one) < 6 else math.copysign(1.0, one) for one in apart.tolist()])
        found += chance * (0.5 + 0.5 * below)
    return found


@lru_cache(maxsize=256)
def _done(
    of: Chain, interval_s: float, save_s: float, load_s: float, step_s: float, gaps: tuple[float, ...]
) -> tuple[Any, Any]:
    """Useful work that is kept, and complete saves, in each time between stops; the first one needs no load."""

    def alone(time_s: Any, load: Any) -> Any:
        """Until the stop, or a failure that sends everybody back."""
        room, cycle = time_s / of.stretch - load - save_s, interval_s + of.save
        saves = np.maximum(NUMPY.intervals(np.maximum(room, 1e-9), cycle) - 1, 0.0)
        last = np.maximum(room - saves * cycle, 0.0)
        last = np.floor(last / step_s * (1 + 1e-12)) * step_s if step_s else last
        complete, saved = saves_of(of, interval_s, last, saves, save_s, load)
        saved = np.where(last > 0, saved, 0.0)
        return np.array([interval_s * complete + last * saved, complete + saved])

    return kept_over(alone, of.back / of.stretch, of.restart, load_s, gaps)


def kept_over(
    alone: Callable[[Any, Any], Any], rate: float, restart_s: float, load_s: float, gaps: tuple[float, ...]
) -> tuple[Any, Any]:
    """What is done in each time between stops; the first one needs no load.

    ``alone``: of times and loads, what is done until the stop or a failure that sends everybody back, two numbers
    that add up; such failures come at the ``rate``, and after ``restart_s`` what is left begins with a load.
    """
    times = np.array(gaps)
    loads = load_s * (np.arange(len(gaps)) > 0)
    grid = np.linspace(0.0, times.max(), _POINTS)
    each = max(rate * grid[1], 1e-12)
    grown, falls = np.exp(rate * grid), -math.expm1(-each) / each
    weights = falls - math.exp(-each), 1 - falls  # of the beginning and the end of a piece where it is a line

    def after_failures(found: Any, at: Any) -> Any:
        """What is still done after the first failure, where so much time is left and then ``found`` is."""
        pieces = (weights[0] * found[:, :-1] + weights[1] * found[:, 1:]) * grown[1:]
        sums = np.concatenate([np.zeros((2, 1)), np.cumsum(pieces, axis=1)], axis=1) / grown
        left = np.maximum(at - restart_s, 0.0)
        return np.array([np.interp(left, grid, one) for one in sums])

    first = found = alone(grid, load_s)
    for _ in range(_FAILURES):
        more = first + after_failures(found, grid)
        if np.all(np.abs(more - found) <= 1e-10 * np.abs(more).max()):
            break
        found = more
    work, saves = alone(times, loads) + after_failures(found, times)
    return work, saves


def pieces(job: Job, near_s: float, room_s: float) -> list[float]:
    """Intervals near one that leave no rest of so much time for work and saves, or half a piece; in whole steps."""
    many = int(min(room_s / (near_s + job.save_s), 1e6))
    number = range(max(many - 2, 1), many + 5)
    found = [room_s / one - job.save_s for whole in number for one in (whole, whole + 0.5)]
    step = job.job.step_s
    if step is not None:
        found = [math.ceil(every / step * (1 - 1e-12)) * step for every in found]
    return [every for every in found if every > 0]


def frequent(job: Job, number: int) -> list[float]:
    """The most frequent times for work and saves before so many stops [s]."""
    rooms = Counter(round(one - job.load_s, 3) for one in gaps_of(job, number)[1:])
    often = rooms.most_common(_FREQUENT)
    return [room for room, many in often if room > job.save_s and (many > 1 or len(rooms) <= _FREQUENT)]
