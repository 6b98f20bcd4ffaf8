"""Jobs side by side, and what their saves cost: one job alone is many of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.columns import rows_of, side_by_side
from cprmodel.costing.models import exact_makespan, loss_arguments
from cprmodel.costing.setting import Known, Limits, Setting, drains_in, tried
from cprmodel.costing.stops import Stops, stops_of
from cprmodel.costing.storage import long_run
from cprmodel.facts.results import Breakdown
from cprmodel.facts.storage import StoredSave
from cprmodel.formulas.exact_loss import exact_pls

__all__ = ["Jobs", "Priced"]

#: No save is made at an interval this close to the length of the job.
_ALL = 1 - 1e-9


class Priced(NamedTuple):
    """What saving at an interval comes to; fractions of the useful time, a column each."""

    breakdown: Breakdown
    pls: Any
    writes: Any  #: whole checkpoints' worth of bytes to the last level, per second of useful work
    io_s: Any  #: time of writing to the last level, per second of useful work
    unsaved: Any  #: whether no save is made at all
    drains: Any  #: whether a save can drain before the next one; otherwise the overhead is infinite


@dataclass(frozen=True)
class Jobs:
    """Jobs of one shape: as many levels, failures, drains and dirty rows of the same kinds; numbers are columns.

    >>> from cprmodel.facts.storage import SaveLevel
    >>> from cprmodel.facts.strategies import FailureMix, FullRecovery
    >>> saving = StoredSave((SaveLevel("remote", save_s=60.0, load_s=60.0, partial_load_s=10.0),))
    >>> settings = [Setting(1e6, 0.0, FailureMix(mtbf), 8, FullRecovery(0.0, 60.0)) for mtbf in (1e4, 1e5)]
    >>> jobs = Jobs.of([(one, saving, Limits()) for one in settings])
    >>> jobs.priced(np.array([[1000.0], [1000.0]])).breakdown.total.round(4)
    array([[0.1249],
           [0.0663]])
    """

    setting: Setting
    saving: StoredSave
    limits: Limits
    stops: Stops

    @classmethod
    def of(cls, cases: Sequence[tuple[Setting, StoredSave, Limits]]) -> Jobs:
        """From jobs one by one."""
        setting, saving, limits = side_by_side(cases)
        of = (setting.mix, setting.recovery, saving.levels, setting.shards, saving.warned)
        return cls(setting, saving, limits, stops_of(*of))

    def __len__(self) -> int:
        return len(self.work_s)

    @property
    def work_s(self) -> Any:
        """Useful time of each."""
        return self.setting.work_s

    @property
    def step_s(self) -> Any:
        """Time of a step of each; 0 where not given."""
        return self.setting.step_s

    def at(self, rows: Any) -> Jobs:
        """Some of them, as often as they are named."""
        return self if np.array_equal(rows, np.arange(len(self))) else rows_of(self, rows)

    def tried(self, intervals: Any) -> Known:
        """What each job comes to at its row of intervals, with the numbers of saves as given."""
        counts = np.hstack([np.empty((len(self), 0)), *self.saving.counts])
        return tried(self.setting, self.saving, counts, intervals, self.stops)

    def unsaved(self) -> tuple[Breakdown, Any]:
        """The exact overhead and PLS of the jobs as they are, without any save."""
        of = self.setting
        with np.errstate(all="ignore"):
            spent = exact_makespan(of.work_s, of.work_s, 0.0, of.mix, of.recovery).value.scaled(1 / of.work_s)
            losses = loss_arguments(of.work_s, of.work_s, 0.0, of.mix, of.shards, of.recovery)
            lost = np.zeros(self.work_s.shape) if losses is None else exact_pls.raw(**losses)
        return spent, lost

    def priced(self, interval_s: Any, counts: Sequence[Any] | None = None) -> Priced:
        """What a column of intervals costs; with other numbers of saves than their own where given."""
        saving, of = self.saving, self.setting
        saves = saving.counts if counts is None else tuple(counts)
        run = long_run(saving, interval_s, of.mix.mtbf_s, self.stops, saves)
        none = interval_s >= of.work_s * _ALL if saving.warned is None else np.zeros(interval_s.shape, dtype=bool)
        spent, lost = self.unsaved() if none.any() else (run.breakdown, run.pls)
        parts = [np.where(none, one, other) for one, other in zip(spent, run.breakdown, strict=True)]
        ends = none | (run.breakdown.total >= 0)  # else stops are so long that numbers end: it never ends
        parts = [np.where(ends, one, never) for one, never in zip(parts, (0.0, 0.0, np.inf, 0.0), strict=True)]
        drains = np.asarray(drains_in(saving, interval_s, _periods(saves)))
        parts = [np.where(drains, one, never) for one, never in zip(parts, (np.inf, 0.0, 0.0, 0.0), strict=True)]
        pls = np.where(drains, np.where(none, lost, run.pls), 0.0)
        return Priced(Breakdown(*parts), pls, np.where(none, 0.0, run.writes), run.io_s, none, drains)


def _periods(counts: Sequence[Any]) -> list[Any]:
    """As those of a saving."""
    found: list[Any] = [1]
    for one in counts:
        found.append(found[-1] * one)
    return found
