r"""What is done between two planned stops, where saves block: regular saves, a rest, and time that no step fits.

The work is counted that a time t between two stops is expected to keep; by a period all of them but the first are
of one length. The job is a chain's whose limit is announced (:mod:`cprmodel.formulas.limits`), and after a failure
that sends everybody back it begins anew in what is left of the time,

.. math:: W(t) = w(t) + \int_0^{t - D} \frac{\rho}{g} e^{-\rho (t - D - u) / g}\, W(u)\, du

with w what is kept until the first such failure; so for saves. It is followed on a grid, failure by failure, once
for all w: it is a convolution with w. What is not work at the usual overhead in that time is what a stop adds. A
stop counts as far as it is met: when a job ends hangs on how many failures it has, and so does what follows the
last stop. w is the mean over how many failures a part repairs in t. [derived here; held to cprmodel simulate]
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
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
    "after_failures",
    "between",
    "by_calendar",
    "counted",
    "frequent",
    "gaps_of",
    "in_whole_steps",
    "longest_of",
    "pieces",
]

#: Up to so many stops are counted one by one.
_STOPS = 32768
#: Of different times between stops so many, the most frequent, are cut into equal pieces.
_FREQUENT = 3
#: Points of the grid of times, failures in one of them, and the most that come in one on average.
_POINTS, _FAILURES, _MANY = 1001, 400, 100.0
#: In so many equally probable runs it is looked at what follows the last stop, of luck that is not rarer.
_RUNS, _SELDOM = 16, 1e-4
#: Normal quantiles at the middle of eight equal shares.
_NORMAL = np.array([-1.5341, -0.8871, -0.4888, -0.1573, 0.1573, 0.4888, 0.8871, 1.5341])
#: Stops that take less of the time are none; up to so many in a time are counted, more are normal together.
_NO_TIME, _SOME = 1e-9, 8.0
_NONE = np.ones((1, 1)), np.zeros((1, 1))
#: How many times its expected length a job may last.
_LATE = 3.0
#: Beyond so many failures that send everybody back their times are taken to be normal together.
_FEW = 30.0


class Between(NamedTuple):
    """What is done between two planned stops that come by a period."""

    interval_s: float  # useful work before each regular save, at most all that there is
    saves: int  # regular saves
    last_s: float  # useful work before the one that ends at a stop


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
    room_s, step = kinds[0].every_s - kinds[0].lasts_s - job.load_s - job.save_s, job.job.step_s
    saves = int(NUMPY.intervals(room_s, interval_s + job.save_s)) - 1
    last = max(room_s - saves * (interval_s + job.save_s), 0.0)
    if step is not None:
        last = math.floor(last / step * (1 + 1e-12)) * step
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
    return times_between(_listed(job.failures.planned or (), job.job.start)[:number])


@lru_cache(maxsize=64)
def _listed(kinds: tuple[Planned, ...], start: str | None) -> tuple[tuple[float, float], ...]:
    return tuple(islice(planned_calendar(kinds, start), _STOPS))


@lru_cache(maxsize=64)
def _begins_and_ends(kinds: tuple[Planned, ...], start: str | None) -> Any:
    """Of planned stops, and how long a job has been up when each begins [s]."""
    begins, ends = np.array(_listed(kinds, start)).reshape(-1, 2).T
    return begins, ends, begins - np.concatenate([[0.0], np.cumsum(ends - begins)])[: len(begins)]


def longest_of(job: Job) -> float:
    """The most work that is done without a planned stop, were there no failures and no regular saves [s]."""
    begins, ends, _ = _begins_and_ends(job.failures.planned or (), job.job.start)
    gaps = begins - np.concatenate([[0.0], ends])[: len(begins)]
    rooms = np.maximum(gaps - job.save_s - job.load_s * (np.arange(len(gaps)) > 0), 0.0)
    before = np.cumsum(rooms)
    met = int(np.searchsorted(before, job.job.work_s))
    rest = job.job.work_s - (before[met - 1] if met else 0.0)
    return float(max(rooms[:met].max(initial=0.0), 0.0 if met == _STOPS else rest))


def counted(
    job: Job,
    strategy: Strategy,
    base: float,
    costs: Callable[[Any], Breakdown],
    done: Callable[[float, tuple[float, ...]], tuple[Any, Any]] | None = None,
) -> Counted | None:
    """The stops by a calendar that a job meets, and what each adds; None where they are too many, or too rare.

    ``base``: its overhead without them; ``costs``: of such jobs of other lengths without them, and without waiting
    for repairs, by their useful work [s].
    ``done``: useful work that is kept in each of some times between stops, and what saves take of it [s], where
    saves do not simply block; from the usual overhead.
    """
    of, mix, work = chain_under(job, strategy.recovery), job.failure_mix, job.job.work_s
    usual = Breakdown(*(float(np.ravel(part)[0]) for part in costs(np.array([work]))))
    begins, ends, up = _begins_and_ends(job.failures.planned or (), job.job.start)
    none = Counted(0.0, 0.0, work * (1 + base), 0.0, 0.0)
    if not len(begins):
        return none
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
    luck = _luck(job, strategy, of, failures, float(np.median(gaps)))
    met = _goes_on(left_s, luck)
    if near == _STOPS and met[-1] > 1e-9:
        return None
    number = float(met.sum())
    if number < 1e-9:
        return none
    loads = job.load_s * (np.arange(len(gaps)) > 0)
    lost = met @ (gaps - loads - kept * (1 + usual.total))
    saved = met @ (saving_s - kept * usual.save)
    # what follows the last stop ends without a save, as a job does
    lefts = _after_last(left_s / (1 + usual.total), work, luck, 1 + usual.total)
    last = costs(lefts)
    lost += float(np.mean(lefts * (last.total - usual.total)))
    saved += float(np.mean(lefts * (last.save - usual.save)))
    out = float(met @ (ends - begins))
    until = work * (1 + base) + out + number * job.load_s + float(lost)
    more = float(saved) / job.save_s / number if job.save_s > 0 else 0.0
    return Counted(number, out / number, until, more, float(lost - saved) / number)


def _luck(job: Job, strategy: Strategy, of: Chain, failures: float, usual_s: float) -> Any:
    """How much longer than on average a job may take: probabilities, means and standard deviations [s].

    Failures that send everybody back come by Poisson's law, and each loses as likely any part of an interval.
    """
    rolled = failures * of.back / of.rate
    lost = min(strategy.interval_s, usual_s)
    each, partial = of.restart + job.load_s + lost / 2, job.partial_recovery
    others = (failures - rolled) * (partial.partial_load_s + partial.partial_reschedule_s) ** 2
    least = max(others, (1e-9 * job.job.work_s) ** 2)
    if rolled > _FEW:
        return np.array([[1.0], [0.0], [math.sqrt(rolled * (each**2 + lost**2 / 12) + least)]])
    many = range(int(rolled + 8 * math.sqrt(rolled)) + 10)
    chances = [math.exp(-rolled + (k * math.log(rolled) if k else 0.0) - math.lgamma(k + 1)) for k in many]
    cases = [(one, (k - rolled) * each, math.sqrt(k * lost**2 / 12 + least)) for k, one in enumerate(chances)]
    return np.array(cases).T


def _goes_on(left_s: Any, luck: Any) -> Any:
    """Probability that a job which has so much time left on average is not at its end [s]."""
    chances, more, deviations = luck[:, :, np.newaxis]
    apart = (left_s + more) / deviations / math.sqrt(2)
    below, near = np.sign(apart), np.abs(apart) < 6
    below[near] = [math.erf(one) for one in apart[near].tolist()]
    return np.sum(chances * (0.5 + 0.5 * below), axis=0)


def _after_last(left: Any, work: float, luck: Any, stretch: float) -> Any:
    """Work after the last stop in equally probable runs, of what is left on average at each stop [s]."""
    chances, more, deviations = luck[:, luck[0] > _SELDOM, np.newaxis]
    later = more + deviations * _NORMAL
    order = np.argsort(later, axis=None)
    sums = np.cumsum((chances + 0.0 * later).flat[order])
    at = np.searchsorted(sums, (np.arange(_RUNS) + 0.5) / _RUNS * sums[-1])
    runs = later.flat[order][at] / stretch
    stops = len(left) - np.searchsorted(left[::-1], -runs, side="right")
    mean = np.append(work, left)[stops]
    return np.clip(mean + runs * np.sqrt(1 - mean / work), 1e-9 * work, work)


@lru_cache(maxsize=256)
def _done(
    of: Chain, interval_s: float, save_s: float, load_s: float, step_s: float, gaps: tuple[float, ...]
) -> tuple[Any, Any]:
    """Useful work that is kept, and complete saves, in each time between stops; the first one needs no load."""

    def alone(time_s: Any, load: Any, luck: Any = _NONE) -> Any:
        """Until the stop, or a failure that sends everybody back."""
        chances, more = luck
        room, cycle = time_s / of.stretch - more - load - save_s, interval_s + of.save
        saves = np.maximum(NUMPY.intervals(np.maximum(room, 1e-9), cycle) - 1, 0.0)
        last = np.maximum(room - saves * cycle, 0.0)
        last = np.floor(last / step_s * (1 + 1e-12)) * step_s if step_s else last
        complete, saved = saves_of(of, interval_s, last, saves, save_s, load)
        saved = np.where(last > 0, saved, 0.0)
        return np.sum(chances * np.array([interval_s * complete + last * saved, complete + saved]), axis=1)

    times, loads = np.array(gaps), load_s * (np.arange(len(gaps)) > 0)
    found = alone(times, loads, _stopped(of, times))
    work, saves = found + after_failures(alone, of.back / of.stretch, of.restart, load_s, times)
    return work, saves


def _stopped(of: Chain, time_s: Any) -> tuple[Any, Any]:
    """Probabilities of numbers of failures in a time that do not send everybody back, and by how much more than on
    average they stop training then [s].
    """
    others = of.rate - of.back
    if of.stretch - 1 < _NO_TIME or others <= 0:
        return _NONE
    mean, each = others * time_s / of.stretch, (of.stretch - 1) / others
    most = float(np.max(mean))
    if most > _SOME:
        return np.full((len(_NORMAL), 1), 1 / len(_NORMAL)), each * np.sqrt(mean) * _NORMAL[:, np.newaxis]
    number = np.arange(int(most + 4 * math.sqrt(most)) + 4)[:, np.newaxis]
    factorials = np.cumprod(np.maximum(number, 1.0))[:, np.newaxis]
    chances = np.exp(-mean) * mean**number / factorials
    return chances / chances.sum(axis=0), each * (number - mean)


def after_failures(
    alone: Callable[[Any, Any], Any], rate: float, restart_s: float, load_s: float, times: Any
) -> Any:
    """What is still done in times between stops after a first failure that sends everybody back.

    ``alone``: of times and loads, what is done until the stop or such a failure, two numbers that add up; they come
    at the ``rate``, and after ``restart_s`` what is left begins with a load.
    """
    longest = float(f"{times.max():.5e}") * (1 + 1e-5)  # the same for times that differ by their rounding
    grid = np.linspace(0.0, longest, _POINTS)
    undisturbed = np.fft.rfft(alone(grid, load_s), 2 * _POINTS)
    left, again = np.maximum(times - restart_s, 0.0), _failing(rate, restart_s, longest)
    rest = np.fft.irfft(undisturbed * again, 2 * _POINTS)[:, :_POINTS]
    return np.array([np.interp(left, grid, one) for one in rest])


@lru_cache(maxsize=4096)
def _failing(rate: float, restart_s: float, longest_s: float) -> Any:
    """What is done after failures where without any a unit is done in one time of the grid alone, transformed.

    In all times it is linear in what is done without failures, and hangs on the time between alone: a convolution.
    So this is found once, whatever the interval.
    """
    grid = longest_s / (_POINTS - 1) * np.arange(_POINTS + 1)
    each = max(rate * grid[1], 1e-12)
    grown, falls = np.exp(rate * grid), -math.expm1(-each) / each
    weights = falls - math.exp(-each), 1 - falls  # of the beginning and the end of a piece where it is a line
    first, later, left = np.zeros(len(grid)), np.zeros(len(grid)), np.maximum(grid - restart_s, 0.0)
    first[1], sums = 1.0, np.zeros(len(grid))
    for _ in range(_FAILURES):
        found = first + later
        np.cumsum((weights[0] * found[:-1] + weights[1] * found[1:]) * grown[1:], out=sums[1:])
        more = np.interp(left, grid, sums / grown)
        done = np.all(np.abs(more - later) <= 1e-10)
        later = more
        if done:
            break
    return np.fft.rfft((sums / grown)[1:], 2 * _POINTS)


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
