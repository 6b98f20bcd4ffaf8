r"""What is done between two planned stops where saves block, and others follow warnings.

A save on a warning that is complete begins all anew, as a failure that sends everybody back does: nothing is at
risk, and the next regular save comes after τ. So with W(t) the work that is kept in what is left of a time,

.. math:: W(t) = w(t) + \int_0^t k(s)\, W(t - s)\, ds

with w what is kept until the first of these, what that save keeps included, and k the density of how long after
one of them the next work begins: regular saves come in between, and the wait after a failure begins anew when
another strikes. All of k hangs on the time since alone, but for work in the last save's place, so this is a
convolution, which is solved by a transform. A cycle of work and a regular save is a whole number of points.

The save before a stop ends just as the stop begins. A save on a warning that a stop interrupts is void, and what
was done since the last save is lost. Failures that a part repairs slow work down; how many there are is counted
where a time ends at a stop, as in :mod:`cprmodel.costing.until_stops`. [derived here; held to cprmodel simulate,
and both to a clock that is played]
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.announced import announcement
from cprmodel.costing.saving import as_stored
from cprmodel.costing.setting import Setting
from cprmodel.costing.terms import steps_within
from cprmodel.costing.until_stops import Stopped, differing, fitting, longest_of
from cprmodel.costing.warned import ahead_of
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import FailureKind, Strategy
from cprmodel.jobs import Job

__all__ = ["UntilWarned", "until_warned"]

#: Points of the grid of times, and the least of them in a cycle.
_POINTS, _LEAST = 4096, 40
#: Times of so many cycles are followed; what is beyond keeps as much as in the long run.
_CYCLES = 400.0
#: Points are weighed so that what a transform wraps around is e to the power of −2 times this.
_DAMPED = 16.0


def _until_struck(rate: float, lasts_s: float) -> float:
    """Mean time to a failure that comes within so much."""
    x = rate * lasts_s
    return lasts_s * (1 - float(NUMPY.phi2(-x) / NUMPY.exprel(-x)))


class _Again(NamedTuple):
    """Failures and warnings; rates in a second of work, times in seconds."""

    interval_s: float
    save_s: float
    load_s: float
    restart_s: float  # after a failure that sends everybody back, with its load
    step_s: float
    rate: float  # of all failures
    back: float  # share of them that send everybody back
    others_s: float  # what another one stops
    unwarned: float
    void: float  # warnings whose save another failure strikes
    missed: float  # … whose failure comes before the save is complete
    saved: float  # … whose save is complete
    warned_s: float  # that save
    ahead_s: float  # a missed one's failure comes so long after the warning
    then: float  # share of complete saves that a failure follows
    then_s: float  # … so much later

    @property
    def ends(self) -> float:
        """What ends work since the last save: it is saved, or lost."""
        return self.saved + self.back * (self.unwarned + self.void + self.missed)

    @property
    def stretch(self) -> float:
        """Seconds of the clock for one of work."""
        each = self.unwarned * self.others_s + self.void * (self.others_s + self.void_s)
        return 1 + (1 - self.back) * (each + self.missed * (self.others_s + self.ahead_s))

    @property
    def until_complete(self) -> tuple[float, float]:
        """Probability that a regular save is complete before everybody must go back, and how long it then takes."""
        each = _until_struck(self.rate, self.save_s) + self.others_s
        survives = math.exp(-self.rate * self.save_s)
        return survives / (self.back + (1 - self.back) * survives), self.save_s + self.tries_more * each

    @property
    def tries_more(self) -> float:
        """How often a regular save begins anew after a failure that a part repairs."""
        again = (1 - self.back) * math.exp(-self.rate * self.save_s)
        return (1 - self.back - again) / (self.back + again)

    @property
    def void_s(self) -> float:
        """Mean time after which a save on a warning is struck."""
        return _until_struck(self.rate, self.warned_s)

    @property
    def complete(self) -> float:
        """Probability that work and a regular save follow one another without such an end, as a logarithm."""
        return math.log(self.until_complete[0]) - self.ends * self.interval_s

    @property
    def cycle_s(self) -> float:
        """Work and a regular save, by the clock."""
        return self.stretch * self.interval_s + self.until_complete[1]

    @property
    def stopped(self) -> Stopped:
        """Failures that a part repairs, in work and in regular saves, by the clock."""
        number = (1 - self.back) * (self.unwarned + self.void + self.missed) * self.interval_s + self.tries_more
        longer = self.cycle_s - self.interval_s - self.save_s
        return Stopped(number / self.cycle_s, longer / number if number > 0 else 0.0)

    @property
    def waits_s(self) -> float:
        """Mean time after a failure that sends everybody back until work goes on."""
        return math.expm1(self.rate * self.restart_s) / self.rate

    def alone(self, room_s: Any) -> Any:
        """What is kept until such an end in so much time before the last save, and what saves take of it [s]."""
        cycles, last = fitting(room_s, self.cycle_s)
        last = np.where(room_s > 0, last, 0.0) / self.stretch
        work = steps_within(last, self.step_s) if self.step_s else last
        whole = cycles * NUMPY.exprel(cycles * self.complete) / NUMPY.exprel(np.array(self.complete))
        reached, done = np.exp(cycles * self.complete), math.exp(self.complete)
        idle = self.back * self.stretch * (last - work)  # in which there is time for a part's repair
        there = np.exp(-self.ends * work - self.rate * (idle + self.save_s)) / self.stretch
        there = reached * there * (work > 0)
        # a save on a warning that would end after the stop is void, in the piece before the last one, too
        late = self.warned_s - self.save_s - self.stretch * last
        in_time = np.clip(-late / self.stretch, 0.0, work)
        every, before = (
            np.array(self.interval_s),
            (cycles > 0) * np.exp(np.maximum(cycles - 1, 0.0) * self.complete),
        )
        then = np.clip(every - (late - self.until_complete[1]) / self.stretch, 0.0, every)
        kept, saves = (
            self.saved * ((whole - before) * of(every) + before * of(then) + reached * of(in_time))
            for of in (self._ahead, self._busy)
        )
        return np.array(
            [
                self.interval_s * done * whole + work * there + kept,
                self.save_s * (done * whole + there) + self.warned_s * saves,
            ]
        )

    def _busy(self, work_s: Any) -> Any:
        """Mean time until work ends, up to so much of it."""
        return work_s * NUMPY.exprel(-self.ends * work_s)

    def _ahead(self, work_s: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):  # of what is not chosen
            return ahead_of(self.ends, work_s, np.exp(-self.ends * work_s))

    def in_the_long_run(self) -> Any:
        """Work that is kept in a second of the clock, and what saves take of it."""
        done, (complete, _) = math.exp(self.complete), self.until_complete
        every = np.array(self.interval_s)
        busy, ahead, reached = self._busy(every), self._ahead(every), done / complete
        backs = self.back * (self.unwarned + self.void + self.missed) + self.saved * self.then * self.back
        waits = (self.void * self.void_s + self.missed * self.ahead_s) * self.back
        waits += self.saved * (self.warned_s + self.then * (self.then_s + (1 - self.back) * self.others_s))
        struck = reached * (1 - complete)
        in_save = self.cycle_s - self.stretch * self.interval_s
        hazard = -math.log(complete) / in_save if in_save > 0 else 0.0
        lasts = self.stretch * self.ends * ahead + waits * busy + backs * busy * self.waits_s + done * self.cycle_s
        lasts += struck * (self.stretch * self.interval_s + self.waits_s)
        lasts += reached * (in_save * float(NUMPY.exprel(-hazard * in_save)) - in_save * complete)
        kept = self.interval_s * done + self.saved * ahead
        return np.array([kept, self.save_s * done + self.saved * self.warned_s * busy]) / lasts


class _Grid(NamedTuple):
    """Times from 0 on."""

    of: _Again
    each_s: float
    points: int
    cycle: int  # points in one

    def window(self, begins_s: float, lasts_s: float, rate: float) -> Any:
        """Masses at its points of a density, 1 at first, that falls at a rate; means are right."""
        since = self.each_s * np.arange(-1, self.points + 1) - begins_s
        inside = np.clip(since, 0.0, lasts_s)
        sums = inside**2 * NUMPY.phi2(-rate * inside)
        sums += np.maximum(since - lasts_s, 0.0) * lasts_s * float(NUMPY.exprel(-rate * lasts_s))
        return np.diff(sums, 2) / self.each_s

    def at(self, time_s: float) -> Any:
        """The same of one time."""
        since = self.each_s * np.arange(-1, self.points + 1) - time_s
        return np.diff(np.maximum(since, 0.0), 2) / self.each_s

    def work(self, later_s: float) -> Any:
        """The same of what ends work at a rate of 1, so much later."""
        stretch = self.of.stretch
        return self.window(later_s, stretch * self.of.interval_s, self.of.ends / stretch) / stretch


@lru_cache(maxsize=16)
def _later(grid: _Grid) -> tuple[Any, Any]:
    """What is kept after the first end, and where the load before is struck, by the time until the last save."""
    of, n = grid.of, grid.points
    size, weights = 1 << (2 * n - 1).bit_length(), np.exp(-_DAMPED / n * np.arange(n))

    def hat(values: Any) -> Any:
        return np.fft.rfft(values * weights, size)

    def found(values: Any) -> Any:
        return np.fft.irfft(values, size)[..., :n] / weights

    wait = math.exp(-of.rate * of.restart_s) * hat(grid.at(of.restart_s))
    wait = wait / (1 - of.rate * hat(grid.window(0.0, of.restart_s, of.rate)))
    complete, until = of.until_complete
    hazard = -math.log(complete) / until if until > 0 else 0.0
    back = of.unwarned * grid.work(0.0) + of.void * grid.work(of.void_s)
    if of.missed:
        back += of.missed * grid.work(of.ahead_s)
    follows = of.warned_s + of.then_s
    back = of.back * (back + of.saved * of.then * grid.work(follows))
    in_save = grid.window(of.stretch * of.interval_s, until, hazard)
    back += math.exp(-of.ends * of.interval_s) * hazard * in_save
    on = of.saved * (1 - of.then) * grid.work(of.warned_s)
    if of.back < 1:
        on += of.saved * of.then * (1 - of.back) * grid.work(follows + of.others_s)
    again = hat(back) * wait + hat(on)
    cycle = math.exp(of.complete) * hat(np.eye(1, n, grid.cycle)[0])
    room = grid.each_s * np.arange(n)
    alone = hat((of.alone(room * (1 - 1e-9)) + of.alone(room * (1 + 1e-9))) / 2)  # where a save more fits, the mean
    all_of_it = alone * (1 - cycle) / (1 - cycle - again)
    struck = of.rate * hat(grid.window(0.0, of.load_s, of.rate))
    loaded = math.exp(-of.rate * of.load_s) * hat(grid.at(of.load_s))
    begins = (loaded + of.back * struck * wait) / (1 - (1 - of.back) * struck * hat(grid.at(of.others_s)))
    return found(all_of_it - alone), found((begins - loaded) * all_of_it)


class UntilWarned(NamedTuple):
    """What is kept in times between planned stops, by a job with saves on warnings."""

    of: _Again

    def kept_in(self, times: Any, first: Any) -> tuple[Any, Any]:
        """Useful work that is kept in each of some times, and what saves take; the first of all has no load [s]."""
        of, cycle_s = self.of, self.of.cycle_s
        times, loads, which = differing(times, first, of.load_s)
        whole = np.ceil(np.maximum(times / cycle_s - _CYCLES, 0.0))
        times = times - whole * cycle_s
        longest = max(longest_of(times), 1e-6 * cycle_s)
        cycle = math.ceil(max(_POINTS * cycle_s / longest, _LEAST))
        grid = _Grid(of, cycle_s / cycle, math.ceil(longest / cycle_s * cycle) + 2, cycle)
        rooms, points = times - loads - of.save_s, grid.each_s * np.arange(grid.points)
        after, struck = _later(grid)
        chances, more = of.stopped.in_times(np.maximum(rooms, 0.0))
        found = np.sum(chances * of.alone(rooms - more), axis=1)
        found = found + [np.interp(rooms, points, one) for one in after]
        found = found * np.exp(-of.rate * loads) + [
            np.interp(rooms + loads, points, one) * (loads > 0) for one in struck
        ]
        work, saves = (found + whole * cycle_s * of.in_the_long_run()[:, np.newaxis])[:, which]
        return work, saves


def until_warned(job: Job, strategy: Strategy) -> UntilWarned:
    """What such a job keeps between two planned stops."""
    saving = as_stored(strategy.saving, strategy.recovery)
    warned, (level,), rate = saving.warned, saving.levels, 1 / job.failure_mix.mtbf_s
    assert warned is not None
    stops, each = Setting.of(job, strategy.recovery).stops(saving), announcement(warned, rate)
    warnings, back = warned.recall * rate / warned.precision, min(float(stops.back[0]), 1.0)
    whole = strategy.recovery.response(FailureKind.WHOLE_JOB)
    restart = whole.reschedule_s + level.load_s
    waits, total = math.expm1(rate * restart) / rate, float(stops.total_s)
    warned_s = float(each.saving_s / each.saved)
    ahead = warned_s if warned.scatter is None or warned.ahead_s is None else warned.ahead_s
    of = _Again(
        interval_s=float(strategy.interval_s),
        save_s=level.blocks_s,
        load_s=level.load_s,
        restart_s=restart,
        step_s=job.job.step_s or 0.0,
        rate=rate,
        back=back,
        others_s=max(total - back * waits, 0.0) / (1 - back) if back < 1 else 0.0,
        unwarned=(1 - warned.recall) * rate,
        void=float(warnings * each.void),
        missed=float(warnings * each.missed),
        saved=float(warnings * each.saved),
        warned_s=warned_s,
        ahead_s=ahead,
        then=float((each.then_told + each.then_other) / each.saved),
        then_s=max(ahead - warned_s, 0.0),
    )
    return UntilWarned(of)
