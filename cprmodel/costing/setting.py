"""What is asked of a search over intervals and levels: of which job, within what, and what one try comes to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.models import exact_makespan, lost_samples
from cprmodel.costing.shared import Shared
from cprmodel.costing.stops import Stops, stops_of
from cprmodel.costing.storage import LongRun, long_run, save_times_s
from cprmodel.facts.results import Breakdown
from cprmodel.facts.storage import StoredSave, WarnedSave
from cprmodel.facts.strategies import FailureMix, Recovery
from cprmodel.jobs import Job

__all__ = ["BROKEN", "Known", "Limits", "Setting", "drains_in", "fixed_s", "shortest_s", "tried"]


#: Values from here on break a limit.
BROKEN = 1e100
_JUST = 1 + 1e-9
#: Widest ratio of the longest interval to the shortest that is tried where nothing bounds it from below.
_RANGE = 1e3


@dataclass(frozen=True)
class Setting:
    """What the long run depends on, besides how to save."""

    work_s: float
    step_s: float  #: 0 where not given
    mix: FailureMix
    shards: int
    recovery: Recovery

    @classmethod
    def of(cls, job: Job, recovery: Recovery) -> Setting:
        """That of a job."""
        shards = job.cluster.embedding_shards or 1
        return cls(job.job.work_s, job.job.step_s or 0.0, job.failure_mix, shards, recovery)

    def run(self, saving: StoredSave, interval_s: Any, counts: Any = None, stops: Stops | None = None) -> LongRun:
        """The long run of a saving, or of other numbers of saves in their place; ``stops``: if known."""
        known = self.stops(saving) if stops is None else stops
        return long_run(saving, interval_s, self.mix.mtbf_s, known, counts)

    def stops(self, saving: StoredSave) -> Stops:
        """What a failure comes to."""
        return _stops(self.mix, self.recovery, saving.levels, self.shards, saving.warned)  # type: ignore[arg-type]

    def unsaved(self) -> tuple[Breakdown, float, float]:
        """The exact overhead and PLS of the job as it is, without any save, and how a run's PLS scatters."""
        spent = exact_makespan(self.work_s, self.work_s, 0.0, self.mix, self.recovery).value
        lost = lost_samples(self.work_s, self.work_s, 0.0, self.mix, self.shards, self.recovery)
        parts = Breakdown(*(float(part) / self.work_s for part in spent))
        return (parts, 0.0, 0.0) if lost is None else (parts, float(lost[0].value), lost[1])


@lru_cache(maxsize=256)
def _stops(mix: FailureMix, recovery: Recovery, levels: Any, shards: int, warned: WarnedSave | None) -> Stops:
    return stops_of(mix, recovery, levels, shards, warned)


@dataclass(frozen=True)
class Limits:
    """What is minimised besides the overhead, and within what."""

    budget: float | None = None  #: of expected PLS
    extra_s: float = 0.0  #: what writing everything once costs besides its time
    shared: Shared | None = None

    @property
    def most(self) -> float:
        """Share of the time in which this job may write to the last level."""
        return math.inf if self.shared is None else self.shared.storage.share or 1.0

    def values(self, known: Known) -> Any:
        """The objective; from BROKEN on where a limit is, the higher the more; infinite where that says nothing."""
        total = known.total + self.extra_s * known.writes
        over = known.drains / _JUST
        if self.shared is not None:
            loss = self.shared.loss(known.io_s)
            total = total + np.where(np.isfinite(loss), loss, 0.0)
            over = np.maximum(over, np.where(np.isfinite(loss), 0.0, np.maximum(known.io_s / self.most, _JUST)))
        if self.budget is not None:
            over = np.maximum(over, known.pls / self.budget)
        values = np.where(over <= 1 + 1e-12, total, BROKEN * over)
        # where stops are so long that numbers end, overheads come out below 0: such a job never ends
        return np.where(known.fits & ~np.isnan(values) & (known.total >= 0), values, np.inf)


class Known(NamedTuple):
    """Rows of numbers of saves, intervals tried with each, and what each comes to."""

    counts: Any
    intervals: Any
    total: Any
    pls: Any
    io_s: Any
    writes: Any
    drains: Any  #: as in the long run
    fits: Any  #: whether a save of the last level fits into the job


def drains_in(saving: StoredSave, interval_s: Any, periods: Any = None) -> Any:
    """Whether a save can drain before the next one begins."""
    return saving.overlap * save_times_s(saving, interval_s, periods)[1] <= np.multiply(interval_s, _JUST)


def fixed_s(saving: StoredSave) -> Any:
    """What a save to the first level takes from training however little it writes [s]."""
    first = saving.levels[0]
    always = 1.0 if saving.dirty is None else saving.always
    drains = (1 - saving.overlap) * saving.drain_s if len(saving.levels) == 1 else 0.0
    return first.stall_s + always * (first.save_s + drains)


def shortest_s(setting: Setting, saving: StoredSave, limits: Limits, stops: Stops, segments: Any = 1) -> Any:
    """No shorter interval is tried [s]; ``segments``: saves of any level to one of the last, where given."""
    if np.any(setting.step_s):
        return setting.step_s
    mtbf, fixed = setting.mix.mtbf_s, fixed_s(saving)
    takes = saving.drain_s + sum(level.blocks_s for level in saving.levels)
    young = np.sqrt(2 * np.maximum(takes, 1e-9) * mtbf)
    low = np.where(np.greater(fixed, 0), np.sqrt(2 * fixed * mtbf) / 100, young / _RANGE / segments)
    hits = np.asarray(sum(stops.hit))
    if limits.budget is not None:  # what keeps the budget, to first order, is shorter than that
        within = limits.budget * mtbf / np.where(hits > 0, hits, 1.0) / 10
        low = np.where(hits > 0, np.minimum(low, within), low)
    exponent = np.floor(np.log2(np.maximum(low, 1e-9)) / 2)
    return np.ldexp(1.0, 2 * exponent.astype(int))  # the same for budgets not far apart


def tried(setting: Setting, saving: StoredSave, counts: Any, intervals: Any, stops: Stops | None = None) -> Known:
    """What rows of numbers of saves come to, each at its row of intervals."""
    columns = [counts[:, at, None] for at in range(counts.shape[1])]
    struck = setting.stops(saving) if stops is None else stops
    run = long_run(saving, intervals, setting.mix.mtbf_s, struck, columns)
    fits = intervals * np.prod(counts, axis=1)[:, None] <= setting.work_s * _JUST
    parts = (run.breakdown.total, run.pls, run.io_s, run.writes, run.drains, fits)
    return Known(counts, intervals, *(np.broadcast_to(part, intervals.shape) for part in parts))
