r"""What is done between two planned stops where a save drains, goes to levels, or writes only changed rows.

The save before a stop is one to the last level, complete with its drain when the stop begins: the other levels are
gone after it. So τ is the work P between two saves to that level, and with k of them, and saves to other levels in
the rest as in any such time, a time t between two stops keeps, until a failure needs the last level,

.. math:: w(t) = P \sum_{i=1}^{k} e^{-\rho (L + E - C + i g (P + C_P))}
          + \frac{r\, e^{-\rho t - \rho' E}}{g'}, \qquad r = \frac{t - L - E}{g} - k (P + C_P) - C_r

with E the time of a save to the last level with its drain, C what it takes from training, and C_P and C_r what all
saves take in P and in the rest r; ρ is the rate of failures that need the last level, ρ' that of the others, and g'
what these stop. They and their repairs slow everything down by g: so much that without stops the overhead is the
usual one, as :mod:`cprmodel.costing.storage` has it exactly. After a failure it goes on as in
:mod:`cprmodel.costing.until_stops`. [derived here; held to cprmodel simulate]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from cprmodel.costing.course import save_times_s
from cprmodel.costing.paced_stops import at_speeds
from cprmodel.costing.saving import as_stored, timed_saves, warned_saves
from cprmodel.costing.scattered_stops import Scattered, scattered
from cprmodel.costing.setting import Setting
from cprmodel.costing.shorter import spared
from cprmodel.costing.terms import steps_within
from cprmodel.costing.until_stops import Stopped, Until
from cprmodel.costing.warned_stops import UntilWarned, until_warned
from cprmodel.facts.special import NUMPY
from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import FailureKind, SavingPolicy, Strategy
from cprmodel.jobs import Job

__all__ = ["around", "counts_stops", "cut_evenly", "done_between", "least_save_s"]

#: What a save writes hangs on the work before it, which hangs on how long the save is: so often it is asked.
_TRIES = 8
#: How many intervals are looked at first, and how many times shorter or longer than the one without stops.
_SCANNED, _AROUND = 24, 4.0
#: Then so many more and fewer patterns between two stops, with such rests, found among so many intervals.
_NEAR, _RESTS, _FINE = 2, (0.0, 0.1, 0.5), 200


def counts_stops(job: Job, strategy: Strategy) -> bool:
    """Whether planned stops are counted one by one beside storage that is more than one plain blocking copy.

    And beside stragglers, and saves on warnings to one level; not beside other saves on warnings, rows in an order
    or in turn, and fewer nodes.
    """
    apart = job.elastic or job.doubts_saves or job.job.time_limit_s is not None
    stored = timed_saves(strategy.saving) is not None or warned_saves(strategy.saving) is not None
    return bool(job.failures.planned) and not apart and (stored or (job.paced and strategy.plain))


def least_save_s(policy: SavingPolicy) -> float:
    """Time of a save to the last level before a planned stop, with its drain, of as little as it may write [s]."""
    saving = timed_saves(policy)
    if saving is None:
        return policy.save_s
    last, share = saving.levels[-1], 1.0 if saving.dirty is None else saving.always
    return last.stall_s + share * (last.save_s + saving.drain_s)


def _pattern(saving: StoredSave, tau: Any) -> tuple[Any, Any, Any, Any]:
    """Work between two saves to the last level; what a save to a lower one and one to the last take of it [s].

    And what that drains beside training [s].
    """
    blocking, drain = save_times_s(saving, tau)
    many = saving.segments
    numbers = [many // one - many // over for one, over in pairwise(saving.periods)]
    low = sum(n * one for n, one in zip(numbers, blocking, strict=False)) / max(many - 1, 1)
    return tau * many, low, blocking[-1] + (1 - saving.overlap) * drain, saving.overlap * drain


def _takes(saving: StoredSave, rest: Any) -> Any:
    """The save before a planned stop, with its drain, of so much work [s]."""
    last = saving.levels[-1]
    return last.stall_s + saving.written(rest) * (last.save_s + saving.drain_s)


def around(interval_s: float) -> list[float]:
    """Intervals that are shorter and longer than one [s]."""
    return [float(one) for one in np.geomspace(interval_s / _AROUND, interval_s * _AROUND, _SCANNED)]


def cut_evenly(strategy: Strategy, rooms: Sequence[float]) -> list[float]:
    """Intervals near one that leave little rest of so much time for work and saves, or half a pattern of saves.

    Without a rest a save is spared; with one, a failure that strikes the save before a stop takes less.
    """
    saving, tau = as_stored(strategy.saving, strategy.recovery), strategy.interval_s
    taus = np.geomspace(tau / 2, tau * 2, _FINE)
    pattern, low, save, _ = _pattern(saving, taus)
    cycle, ends = pattern + (saving.segments - 1) * low + save, _takes(saving, pattern)
    found = []
    for room in rooms:
        many = np.maximum.accumulate(((room - ends + save) / cycle)[::-1])
        near = round(float(np.interp(tau, taus, many[::-1])))
        whole = np.arange(max(near - _NEAR, 1), near + _NEAR + 1)
        cut = (whole + np.array(_RESTS)[:, np.newaxis]).ravel()
        cut = cut[(cut > many[0]) & (cut < many[-1])]
        found += (np.interp(cut, many, taus[::-1]) * (1 + 1e-5)).tolist()
    return found


def done_between(job: Job, strategy: Strategy, usual: float, times: Any, first: Any) -> tuple[Any, Any]:
    """Useful work that is kept in each time between stops, and what saves take of it [s].

    ``usual``: the overhead without stops; ``first``: which time is the first of all, that has nothing to load.
    """
    if job.paced:
        return at_speeds(job, strategy, times, first, _until_failure)
    return _until_failure(job, strategy, usual).kept_in(times, first)


def _until_failure(job: Job, strategy: Strategy, usual: float) -> Until | UntilWarned:
    """What is kept until a stop or a failure that sends everybody back, by a job at full speed."""
    saving = as_stored(strategy.saving, strategy.recovery)
    if saving.warned is not None:
        return until_warned(job, strategy)
    tau, many, last = strategy.interval_s, saving.segments, saving.levels[-1]
    pattern, low, save, carry = _pattern(saving, tau)
    cycle = pattern + (many - 1) * low + save
    stops, rate = Setting.of(job, strategy.recovery).stops(saving), 1 / job.failure_mix.mtbf_s
    whole = strategy.recovery.response(FailureKind.WHOLE_JOB)
    back = float(max(rate * stops.back[-1], 1e-12 / job.job.work_s))
    others = float(rate - back) if back < rate else 0.0
    lower = [(float(rate * one), n) for one, n in zip(stops.back[:-1], saving.periods[:-1], strict=True)]
    load, step = last.load_s, job.job.step_s or 0.0
    waits = 1 + others * float(stops.total_s)
    kept_s = (1 + usual) * pattern * math.exp(-back * (load + carry)) / (1 + back * whole.reschedule_s)
    slower = math.log1p(back * kept_s) / (back * cycle)

    takes = partial(_takes, saving)

    def alone(time_s: Any, load_s: Any, more_s: Any = 0.0) -> Any:
        all_of_it = takes(pattern)
        room = np.maximum((time_s - load_s - all_of_it) / slower - more_s, 0.0)
        # a regular save is not begun that would not be drained when the last one must begin
        cycles = np.maximum(NUMPY.intervals(np.maximum(room - carry, 1e-9), cycle) - 1, 0.0)
        rest, few, ends = room, 0.0 * room, all_of_it
        for _ in range(_TRIES if saving.dirty is not None else 1):
            left = np.maximum((time_s - load_s - ends) / slower - more_s - cycles * cycle, 0.0)
            few = np.zeros_like(left)
            if many > 1:
                few = np.clip(NUMPY.intervals(np.maximum(left, 1e-9), tau + low) - 1, 0.0, many - 1)
            rest = np.maximum(left - few * low, 0.0)
            ends = takes(rest)
        if step:
            rest = steps_within(rest, step)
        less = np.zeros_like(rest)  # a failure that needs a lower level loses less in a shorter piece, too
        for often, segments in lower:
            piece, calm = tau * segments, np.exp(-sum(one for one, _ in lower) * time_s)
            less += often / slower * spared(piece, np.mod(rest, piece), calm)
        less *= rest > 0
        x = back * slower * cycle
        first = np.exp(-back * (load_s + carry) - x)
        complete = first * cycles * NUMPY.exprel(-x * cycles) / NUMPY.exprel(-x)
        saved = np.where(rest > 0, np.exp(-back * time_s - others * ends) / waits, 0.0)
        in_last = ends - saving.overlap * saving.written(rest) * saving.drain_s
        saves = complete * ((many - 1) * low + save) + saved * (few * low + in_last)
        return np.array([pattern * complete + (rest + less) * saved, saves])

    if last.scatter is not None and many == 1 and saving.dirty is None:
        takes_s = float(last.blocks_s), float(saving.drain_s), float(carry)
        kept: Callable[[Any, Any], Any] = scattered(
            Scattered(last.scatter, tau, *takes_s, slower, back, others, waits, step)
        )
        return Until(kept, back, whole.reschedule_s, load)
    stopped = None
    if others > 0 and slower > 1:
        loses = tuple((often / others, tau * segments) for often, segments in lower)
        stopped = Stopped(others / slower, (slower - 1) / others, loses)
    return Until(alone, back, whole.reschedule_s, load, stopped)
