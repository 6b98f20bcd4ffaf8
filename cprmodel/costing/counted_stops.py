r"""Planned stops that a job meets, and what each adds, where they are counted one by one.

What is not work at the usual overhead in the time before a stop is what it adds. A stop counts as far as it is
met: when a job ends hangs on how many failures it has, and so does what follows the last stop. [derived here; held
to cprmodel simulate]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.limited_chains import chain_under
from cprmodel.costing.rhythm import STOPS, calendar_of
from cprmodel.costing.until_stops import NORMAL
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.limits import Chain
from cprmodel.jobs import Job

__all__ = ["Counted", "counted"]

#: The most failures that come in a time between two stops on average.
_MANY = 100.0
#: In so many equally probable runs it is looked at what follows the last stop, of luck that is not rarer.
_RUNS, _SELDOM = 16, 1e-4
#: How many times its expected length a job may last.
_LATE = 3.0
#: Beyond so many failures that send everybody back their times are taken to be normal together.
_FEW = 30.0


class Counted(NamedTuple):
    """Planned stops that a job meets on average, and what each adds to the overhead of saves and failures."""

    number: float
    outage_s: float  # how long one lasts
    until_s: float  # when the job ends
    more_saves: float
    more_lost_s: float


def counted(
    job: Job,
    strategy: Strategy,
    base: float,
    costs: Callable[[Any], Breakdown],
    done: Callable[[float, Any, Any], tuple[Any, Any]],
) -> Counted | None:
    """The stops by a calendar that a job meets, and what each adds; None where they are too many, or too rare.

    ``base``: its overhead without them; ``costs``: of such jobs of other lengths without them, and without waiting
    for repairs, by their useful work [s].
    ``done``: useful work that is kept in each of some times between stops, and what saves take of it [s], from the
    usual overhead, the times, and which of them is the first of all.
    """
    of, mix, work = chain_under(job, strategy.recovery), job.failure_mix, job.job.work_s
    usual = Breakdown(*(float(np.ravel(part)[0]) for part in costs(np.array([work]))))
    stops = calendar_of(job)
    none = Counted(0.0, 0.0, work * (1 + base), 0.0, 0.0)
    near = int(np.searchsorted(stops.up_s, _LATE * work * (1 + base)))  # later ones no run comes to
    if near == 0:
        return none
    # waiting stretches all else; and no more is needed than all of the job
    runs = (1 + usual.total) / (1 + base)
    gaps = np.minimum(runs * stops.gaps_s[:near], 2 * work * (1 + usual.total))
    if of.back / of.stretch * gaps.max() > _MANY:
        return None
    first = np.arange(near) == 0
    kept, saving_s = done(usual.total, gaps, first)
    before = np.cumsum(kept)
    left_s, failures = (work - before) * (1 + usual.total), work * (1 + usual.total) / mix.mtbf_s
    luck = _luck(job, strategy, of, failures, float(np.median(gaps)))
    met = _goes_on(left_s, luck)
    if near == STOPS and met[-1] > 1e-9:
        return None
    number = float(met.sum())
    if number < 1e-9:
        return none
    loads = np.where(first, 0.0, job.load_s)
    lost = met @ (gaps - loads - kept * (1 + usual.total))
    saved = met @ (saving_s - kept * usual.save)
    # what follows the last stop ends without a save, as a job does
    lefts = _after_last(left_s / (1 + usual.total), work, luck, 1 + usual.total)
    last = costs(lefts)
    lost += float(np.mean(lefts * (last.total - usual.total)))
    saved += float(np.mean(lefts * (last.save - usual.save)))
    out = float(met @ (stops.ends_s - stops.begins_s)[:near])
    until = work * (1 + base) + out + number * job.load_s + float(lost)
    more = float(saved) / job.save_s / number if job.save_s > 0 else 0.0
    return Counted(number, out / number, until, more, float(lost - saved) / number)


def _luck(job: Job, strategy: Strategy, of: Chain, failures: float, usual_s: float) -> Any:
    """How much longer than on average a job may take: probabilities, means and standard deviations [s].

    Failures that send everybody back come by Poisson's law, and each loses as likely any part of an interval, where
    no save on a warning came before it.
    """
    rolled = failures * of.back / of.rate
    lost = min(strategy.interval_s, usual_s)
    warned, partial = getattr(strategy.saving, "warned", None), job.partial_recovery
    loses = 1.0 if warned is None else 1 - warned.recall * warned.in_time
    each, variance = of.restart + job.load_s + loses * lost / 2, (loses / 3 - loses**2 / 4) * lost**2
    others = (failures - rolled) * (partial.partial_load_s + partial.partial_reschedule_s) ** 2
    least = max(others, (1e-9 * job.job.work_s) ** 2)
    if rolled > _FEW:
        return np.array([[1.0], [0.0], [math.sqrt(rolled * (each**2 + variance) + least)]])
    many = range(int(rolled + 8 * math.sqrt(rolled)) + 10)
    chances = [math.exp(-rolled + (k * math.log(rolled) if k else 0.0) - math.lgamma(k + 1)) for k in many]
    cases = [(one, (k - rolled) * each, math.sqrt(k * variance + least)) for k, one in enumerate(chances)]
    return np.array(cases).T


def _goes_on(left_s: Any, luck: Any) -> Any:
    """Probability that a job which has so much time left on average is not at its end [s]."""
    from scipy.special import ndtr

    chances, more, deviations = luck[:, :, np.newaxis]
    return np.sum(chances * ndtr((left_s + more) / deviations), axis=0)


def _after_last(left: Any, work: float, luck: Any, stretch: float) -> Any:
    """Work after the last stop in equally probable runs, of what is left on average at each stop [s]."""
    chances, more, deviations = luck[:, luck[0] > _SELDOM, np.newaxis]
    later = more + deviations * NORMAL
    order = np.argsort(later, axis=None)
    sums = np.cumsum((chances + 0.0 * later).flat[order])
    at = np.searchsorted(sums, (np.arange(_RUNS) + 0.5) / _RUNS * sums[-1])
    runs = later.flat[order][at] / stretch
    stops = len(left) - np.searchsorted(left[::-1], -runs, side="right")
    mean = np.append(work, left)[stops]
    return np.clip(mean + runs * np.sqrt(1 - mean / work), 1e-9 * work, work)
