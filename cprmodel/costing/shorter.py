r"""What is lost less for good where planned stops cut intervals short.

A failure of a shard takes what was done since the last save: half an interval on average, and half of the last
piece before a stop, r, where it strikes that. One that strikes the save before the stop takes nothing for good:
there is no time for another save, so everybody returns to the one before, and all of the piece is done again. Of
the expected PLS

.. math:: \frac{\sum \left( u\, r (\tau - r) / 2 + (1 - u)\, \tau^2 / 12
          + r\, E \right)}{T\, (\tau / 2 + C)}

is left out, summed over the stops; to first order. u is the probability that nobody had to return since the stop
before; after a failure the piece is as likely any part of an interval. Levels are summed, by what failures read of
each: a level's piece is the work since its last save. [derived here; held to cprmodel simulate]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cprmodel.costing.course import save_times_s
from cprmodel.costing.pace import course_of, slower
from cprmodel.costing.saving import as_stored
from cprmodel.costing.setting import Setting
from cprmodel.facts.strategies import Strategy
from cprmodel.jobs import Job

__all__ = ["kept_share", "spared"]


def spared(piece_s: Any, rest_s: Any, calm: Any) -> Any:
    """Work times work that failures take less of where the last piece before a stop is ``rest_s`` long [s²].

    ``calm``: probability that nobody had to return since the stop before; else it is as likely any part of a piece.
    """
    return calm * rest_s * (piece_s - rest_s) / 2 + (1 - calm) * piece_s**2 / 12


def kept_share(job: Job, strategy: Strategy, gaps: Sequence[float], number: float) -> float:
    """Share of the PLS without planned stops that is left with them.

    ``gaps``: times without a stop before each of them, as far as they are listed; ``number``: how many a job
    meets.
    """
    if not gaps or number <= 0:
        return 1.0
    if job.paced:
        pace = course_of(job).pace
        job, strategy = slower(job, pace), replace(strategy, interval_s=strategy.interval_s / pace)
    saving = as_stored(strategy.saving, strategy.recovery)
    tau, work = strategy.interval_s, job.job.work_s
    stops, rate = Setting.of(job, strategy.recovery).stops(saving), 1 / job.failure_mix.mtbf_s
    blocking, drain = (np.asarray(one, dtype=float) for one in save_times_s(saving, tau))
    takes, load = float(blocking[-1] + drain), saving.levels[-1].load_s
    last, segments = takes - float(saving.overlap * drain), saving.segments
    low = float(np.mean(blocking[:-1])) if segments > 1 else 0.0
    cycle = segments * tau + (segments - 1) * low + last
    times = np.array(gaps)
    left = np.maximum(times - load * (np.arange(len(times)) > 0) - takes, 0.0)
    part = np.mod(left, cycle)
    part = np.clip(part - low * np.floor(part / (tau + low)), 0.0, segments * tau)
    calm = np.exp(-rate * sum(float(one) for one in stops.back) * times)
    less, all_of_it = 0.0, 0.0
    for at, (hit, period) in enumerate(zip(stops.hit, saving.periods, strict=True)):
        piece = tau * period
        rest = np.mod(part, piece) if at < len(stops.hit) - 1 else part
        before = calm * part + (1 - calm) * segments * tau / 2
        less += float(hit) * float(np.mean(spared(piece, rest, calm) + takes * np.minimum(rest, before)))
        all_of_it += float(hit) * (piece / 2 + (last if at == len(stops.hit) - 1 else float(blocking[at])))
    if all_of_it <= 0:
        return 1.0
    found = number * less / (work * all_of_it)
    return max(1.0 - found, 0.0) if math.isfinite(found) else 1.0
