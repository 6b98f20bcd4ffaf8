r"""What is lost less for good where planned stops cut intervals short.

A failure of a shard takes what was done since the last save: half an interval on average, and half of the last
piece before a stop, r, where it strikes that. One that strikes the save before the stop takes nothing for good:
there is no time for another save, so everybody returns to the one before, and all of the piece is done again. Of
the expected PLS

.. math:: \frac{\sum \left( u\, r (\tau - r) / 2 + (1 - u)\, \tau^2 / 12
          + r\, E \right)}{T\, (\tau / 2 + C)}

is left out, summed over the stops; to first order. u is the probability that nobody had to return since the stop
before; after a failure the piece is as likely any part of an interval. Levels are summed, by what failures read of
each: a level's piece is the work since its last save. One run's PLS scatters by the squares of what single
failures take, of which

.. math:: \frac{\sum \left( u\, r (\tau^2 - r^2) / 3 + (1 - u)\, \tau^3 / 12
          + r\, \tau\, E \right)}{T\, (\tau^2 / 3 + \tau\, C)}

is left out. [derived here; held to cprmodel simulate]
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

__all__ = ["kept_shares", "spared"]


def spared(piece_s: Any, rest_s: Any, calm: Any) -> Any:
    """Work times work that failures take less of where the last piece before a stop is ``rest_s`` long [s²].

    ``calm``: probability that nobody had to return since the stop before; else it is as likely any part of a piece.
    """
    return calm * rest_s * (piece_s - rest_s) / 2 + (1 - calm) * piece_s**2 / 12


def _spared_squares(piece_s: Any, rest_s: Any, calm: Any) -> Any:
    """The same of the work's square [s³]."""
    return calm * rest_s * (piece_s**2 - rest_s**2) / 3 + (1 - calm) * piece_s**3 / 12


def kept_shares(job: Job, strategy: Strategy, gaps: Sequence[float], number: float) -> tuple[float, float]:
    """Shares of the PLS without planned stops, and of how one run's scatters, that are left with them.

    ``gaps``: times without a stop before each of them, as far as they are listed; ``number``: how many a job
    meets.
    """
    if not gaps or number <= 0:
        return 1.0, 1.0
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
    less, all_of_it = np.zeros(2), np.zeros(2)
    for at, (hit, period) in enumerate(zip(stops.hit, saving.periods, strict=True)):
        piece, to_last = tau * period, at == len(stops.hit) - 1
        rest = part if to_last else np.mod(part, piece)
        before = calm * part + (1 - calm) * segments * tau / 2
        struck = takes * np.minimum(rest, before)
        blocks = last if to_last else float(blocking[at])
        squares = _spared_squares(piece, rest, calm) + struck * piece
        less += float(hit) * np.array([np.mean(spared(piece, rest, calm) + struck), np.mean(squares)])
        all_of_it += float(hit) * np.array([piece / 2 + blocks, piece**2 / 3 + blocks * piece])
    if not np.all(all_of_it > 0):
        return 1.0, 1.0
    mean, square = (max(1.0 - one, 0.0) if math.isfinite(one) else 1.0 for one in number / work * less / all_of_it)
    return mean, math.sqrt(square)
