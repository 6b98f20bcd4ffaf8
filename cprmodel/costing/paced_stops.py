r"""What is done between two planned stops by a job that stragglers slow down for a while.

A spell changes how much is done until a stop, and with it the rest after the last regular save. The share F of a
time t that is slow is 0 or 1 with the probabilities

.. math:: (1 - \zeta)\, e^{-\zeta t / (t_\zeta (1 - \zeta))}, \qquad \zeta\, e^{-t / t_\zeta}

and has the mean ζ and the variance

.. math:: \zeta (1 - \zeta)\, h, \qquad h = \frac{2 (x - 1 + e^{-x})}{x^2}, \qquad x = \frac{t}{t_\zeta (1 - \zeta)}

Between 0 and 1 it is taken to have a beta law, which is followed by some points. The job is taken to be at one
speed, 1 − F(1 − ψ_ζ), in all of the time: as one whose work is so much longer. What a save stops beyond the mean
speed (:func:`~cprmodel.formulas.straggling_overhead`) is in this as far as the speeds of such times differ; the
rest of it, the share 1 − h, makes regular saves longer. [derived here; held to cprmodel simulate, and both to a
clock that is played]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.limited_chains import chain_under
from cprmodel.costing.pace import course_of, slower
from cprmodel.costing.saving import as_stored
from cprmodel.costing.setting import Setting
from cprmodel.costing.terms import steps_within
from cprmodel.costing.until_stops import Until, fitting, half_a_step_less
from cprmodel.costing.warned_stops import UntilWarned
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Strategy
from cprmodel.formulas.limits import saves_of
from cprmodel.jobs import Job

__all__ = ["at_speeds"]

#: Intervals, with their saves, that a slow spell lasts where a job does not say.
_SPELL = 10.0
#: Times between stops that differ by less than this are alike.
_ALIKE = 1.3
#: Where work until a stop scatters by so much of a step, half of one is lost.
_EVENLY = 0.4
#: Shares of the time in slow spells are followed by so many points; a probability, or variance, below this is none.
_POINTS, _NONE = 8, 1e-4


class _Speed(NamedTuple):
    often: float
    speed: float
    evenly: bool = False  # a stop comes as likely anywhere in a step


def _spell_s(job: Job, strategy: Strategy) -> float:
    """How long a slow spell lasts on average [s]; ten intervals where the job does not say."""
    slow = job.cluster.stragglers
    lasts = None if slow is None else slow.lasts_s
    return lasts or _SPELL * (strategy.saving.save_s + strategy.interval_s)


def at_speeds(
    job: Job,
    strategy: Strategy,
    times: Any,
    first: Any,
    until: Callable[[Job, Strategy, float], Until | UntilWarned],
) -> tuple[Any, Any]:
    """Useful work that is kept in each time between stops, and what saves take of it [s].

    ``until``: what a job at one speed keeps until a failure, by its overhead without stops.
    """
    slow = job.cluster.stragglers
    assert slow is not None
    pace = course_of(job).pace
    if not job.plain:
        one, at = slower(job, pace), replace(strategy, interval_s=strategy.interval_s / pace)
        usual = Setting.of(one, strategy.recovery).run(as_stored(at.saving, at.recovery), at.interval_s)
        kept, saving = until(one, at, float(usual.breakdown.total)).kept_in(times, first)
        return kept * pace, saving
    lasts = _spell_s(job, strategy) * (1 - slow.share)
    kept, saving = np.zeros_like(times), np.zeros_like(times)
    left = np.ones(len(times), dtype=bool)
    while left.any():
        alike = left & (times <= _ALIKE * times[left].min())
        left &= ~alike
        mean_s = float(times[alike].mean())
        x = mean_s / lasts
        among = 2 * float(NUMPY.phi2(-x))  # of the variance
        longer = (1 - among) * slow.share * (1 - slow.share) * ((1 - slow.rate) / pace) ** 2
        longer *= float(NUMPY.exprel(-strategy.saving.save_s / lasts))
        apart = _EVENLY * (job.job.step_s or math.inf) / (mean_s * (1 - slow.rate))
        shares = _slow_shares(slow.share, x, among, apart)
        speeds = [one._replace(speed=1 - one.speed * (1 - slow.rate)) for one in shares]
        kept[alike], saving[alike] = _mixed(job, strategy, speeds, longer).kept_in(times[alike], first[alike])
    return kept, saving


@lru_cache(maxsize=1024)
def _slow_shares(share: float, x: float, among: float, apart: float) -> tuple[_Speed, ...]:
    """Shares of a time that are slow; where they scatter by more than ``apart``, evenly over steps."""
    from scipy.special import betaincinv

    never, always = (1 - share) * math.exp(-share * x), share * math.exp(-(1 - share) * x)
    found = [_Speed(weight, one) for weight, one in ((never, 0.0), (always, 1.0)) if weight > _NONE]
    rest = 1 - sum(one.often for one in found)
    if rest < _NONE:
        return tuple(one._replace(often=one.often / (1 - rest)) for one in found)
    sums = sum(one.often * one.speed for one in found)
    mean = (share - sums) / rest
    variance = (share**2 + share * (1 - share) * among - sums) / rest - mean**2
    spread = mean * (1 - mean)
    if not _NONE * spread < variance < spread * (1 - _NONE):
        return (*found, _Speed(rest, mean, variance > apart**2))
    both, deviation = spread / variance - 1, math.sqrt(variance)
    points = betaincinv(mean * both, (1 - mean) * both, (np.arange(_POINTS) + 0.5) / _POINTS)
    points = mean + (points - points.mean()) * deviation / max(float(points.std()), 1e-12)
    return (*found, *(_Speed(rest / _POINTS, float(one), deviation > apart) for one in points))


def _mixed(job: Job, strategy: Strategy, speeds: Sequence[_Speed], longer: float) -> Until:
    """At each of some speeds so often; regular saves are so much longer, but not the one before a stop."""
    of, save_s = chain_under(job, strategy.recovery), job.save_s
    often, speed, evenly = np.array(speeds, dtype=float).T[:, :, np.newaxis]
    every, step = strategy.interval_s / speed, (job.job.step_s or 0.0) / speed
    regular = of._replace(save=of.save * (1 + longer))

    def alone(time_s: Any, load_s: Any) -> Any:
        saves, last = fitting(time_s / of.stretch - load_s - save_s, every + regular.save)
        if job.job.step_s:
            last = np.where(evenly > 0, half_a_step_less(last, step), steps_within(last, step))
        complete, saved = saves_of(regular, every, last, saves, save_s, load_s)
        saved = np.where(last > 0, saved, 0.0)
        work = speed * (every * complete + last * saved)
        return np.sum(often * np.array([work, (1 + longer) * save_s * complete + save_s * saved]), axis=1)

    return Until(alone, of.back / of.stretch, of.restart, job.load_s)
