"""Saves by age, played: full recovery from failure to failure, when failures renew the clock.

The setting of :mod:`cprmodel.formulas.renewal`, and none of its algebra. After each failure the job recovers, which
no failure strikes, and starts on its schedule anew; the gap to the next failure is drawn from the law; what counts
of it is the work before the last save that was complete. Several schedules play through the same gaps, so what one
gains over another is known far better than either.

The gaps are drawn in replicates. Within one, the k-th of n has a probability drawn between k/n and (k + 1)/n
(stratified sampling): each gap follows the law within its stratum, sums keep their expectation, and scatter is left
only where a save ends within a stratum. Standard errors come from the replicates, which are independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cprmodel.facts.errors import DomainError

__all__ = ["PlayedRenewals", "Share", "play_renewals", "work_kept"]

#: Independent replicates, from which the standard errors come.
REPLICATES = 25


@dataclass(frozen=True)
class Share:
    """A share of the time, with its standard error."""

    mean: float
    standard_error: float


@dataclass(frozen=True)
class PlayedRenewals:
    """What each schedule kept in each replicate, and how long the replicate took: the same for all."""

    kept_s: Any = field(repr=False)  #: work kept [s], a row a replicate, a column a schedule
    time_s: Any = field(repr=False)  #: gaps and recoveries [s], one a replicate

    def efficiency(self, schedule: int) -> Share:
        """Share of the time that is useful work."""
        return self._share(self.kept_s[:, schedule])

    def gain(self, schedule: int, over: int) -> Share:
        """What a schedule gains over another in the same gaps, a share of the time."""
        return self._share(self.kept_s[:, schedule] - self.kept_s[:, over])

    def _share(self, work_s: Any) -> Share:
        """Work over time, a ratio of means: its error is that of what is left beside the ratio."""
        share = float(np.sum(work_s) / np.sum(self.time_s))
        left = work_s - share * self.time_s
        error = float(np.std(left, ddof=1)) / math.sqrt(len(left)) / float(np.mean(self.time_s))
        return Share(share, error)


def play_renewals(
    schedules: Sequence[Sequence[float] | Any],
    save_s: float,
    quantile: Callable[[Any], Any],
    load_s: float = 0.0,
    reschedule_s: float = 0.0,
    failures: int = 250_000,
    seed: int = 1,
) -> PlayedRenewals:
    """Play schedules of saves through the same failures.

    Parameters
    ----------
    schedules : for each, the useful work before each save since the last failure [s]; the last work repeats for
        ever, so one number is equal spacing
    save_s : time a save blocks training, C [s]
    quantile : the time that a share of the gaps falls short of [s]; takes arrays, such as a scipy ``law.ppf``
    load_s, reschedule_s : L and D [s], which no failure strikes
    failures : how many, in 25 replicates
    seed : of the random numbers

    Raises
    ------
    DomainError
        for schedules without work, negative times, or fewer than two failures a replicate

    Examples
    --------
    Without memory, saving by age gains nothing over the best interval:

    >>> import numpy as np
    >>> found = play_renewals([[7003.0], [6000.0, 7003.0]], 300, lambda p: -86400 * np.log1p(-p))
    >>> round(found.efficiency(0).mean, 4), found.gain(1, over=0).mean < 0
    (0.919, True)
    """
    works = [_checked(schedule) for schedule in schedules]
    for name, value in (("save_s", save_s), ("load_s", load_s), ("reschedule_s", reschedule_s)):
        if not 0 <= value < math.inf:
            raise DomainError(f"play_renewals: {name} = {value!r}: expected a number of at least 0")
    each = failures // REPLICATES
    if each < 2:
        raise DomainError(f"play_renewals: failures = {failures!r}: expected at least {2 * REPLICATES}")
    rng = np.random.default_rng(seed)
    kept, time = np.empty((REPLICATES, len(works))), np.empty(REPLICATES)
    for at in range(REPLICATES):
        shares = (np.arange(each) + rng.random(each)) / each
        gaps = np.asarray(quantile(np.minimum(shares, 1 - 2**-53)), dtype=float)
        kept[at] = [np.sum(work_kept(one, save_s, gaps)) for one in works]
        time[at] = np.sum(gaps) + each * (load_s + reschedule_s)
    return PlayedRenewals(kept, time)


def work_kept(works_s: Any, save_s: float, gaps_s: Any) -> Any:
    """Work of each gap that a complete save kept when it ended [s].

    >>> work_kept([10.0, 20.0], 1.0, np.array([10.9, 11.0, 31.9, 32.0, 53.0])).tolist()
    [0.0, 10.0, 10.0, 30.0, 50.0]
    """
    works = np.asarray(works_s, dtype=float)
    ends = np.cumsum(works + save_s)
    saves = np.searchsorted(ends, gaps_s, side="right")
    kept = np.concatenate([[0.0], np.cumsum(works)])[saves]
    beyond = np.maximum(gaps_s - ends[-1], 0.0)
    return kept + works[-1] * np.floor(beyond / (works[-1] + save_s)) if works[-1] > 0 else kept


def _checked(schedule: Any) -> Any:
    works = np.atleast_1d(np.asarray(schedule, dtype=float))
    if works.ndim != 1 or not works.size or not np.all(np.isfinite(works)) or np.min(works) < 0 or not works.any():
        raise DomainError("play_renewals: schedules: expected lists of numbers of at least 0, not all 0")
    return works
