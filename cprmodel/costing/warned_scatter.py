r"""How one run's PLS scatters where saves follow warnings, to first order: few failures take anything.

A failure takes what was done since the last save that it leaves, its age. So the PLS of a run is a compound Poisson
sum, whose standard deviation is its mean times

.. math:: \sqrt{\frac{\mathrm{E}[k^2]}{\mathrm{E}[k]^2}\,
          \frac{\sum_i \lambda_i \mathrm{E}[a_i^2]}{T \left(\sum_i \lambda_i \mathrm{E}[a_i]\right)^2}}

over the levels that failures need, at work, in saves and in stops [derived here; tests/costing/test_spread.py plays
it]. Failures that were announced in time take nothing but from levels above that of the warned save. Warned saves
come at a rate c of work: the age of a level that they reach has the density :math:`e^{-c a}` up to its period; the
period of one above is longer, since each begins the interval below anew. That a shard may be hit twice in a period
is left out.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cprmodel.costing.course import save_times_s
from cprmodel.costing.stops import severities, told_apart
from cprmodel.facts.results import Breakdown
from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import FailureMix

__all__ = ["warned_deviation"]

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(24)
#: Ages so many times the mean time between warned saves are not met.
_OLDEST = 40.0


class _Age(NamedTuple):
    """Work since the last save that a failure leaves: mean, and mean square."""

    mean: float
    square: float

    def later(self, by_s: float) -> _Age:
        return _Age(self.mean + by_s, self.square + 2 * by_s * self.mean + by_s**2)


def _age(period_s: float, rate: float) -> _Age:
    """At a random moment of work between saves after every period, and others at a rate."""
    longest = period_s if rate * period_s < _OLDEST else _OLDEST / rate
    ages = longest * (1 + _POINTS) / 2
    often = _WEIGHTS * np.exp(-rate * ages)
    return _Age(*(float((often * ages**power).sum() / often.sum()) for power in (1, 2)))


def warned_deviation(
    saving: StoredSave,
    interval_s: float,
    work_s: float,
    mix: FailureMix,
    pls: float,
    parts: Breakdown,
    without: int | None = None,
) -> float:
    """Standard deviation of the PLS of one run, of which the mean is known; ``parts``: of the useful time.

    ``without``: failures that need just this level take nothing.

    >>> from cprmodel.facts.storage import SaveLevel, WarnedSave
    >>> one, mix = SaveLevel("remote", 0.001, 0.0, 0.0), FailureMix(mtbf_s=1e5)
    >>> saving = StoredSave((one,), warned=WarnedSave(0.001, recall=0.75, precision=1.0))
    >>> ratio = warned_deviation(saving, 100.0, 1e7, mix, 1.0, Breakdown(0.0, 0.0, 0.0, 0.0))
    >>> round(ratio / (2 / (3 * 25) ** 0.5), 2)  # of 100 failures 25 come without warning
    1.0
    """
    warned = saving.warned
    assert warned is not None
    at = saving.warned_level
    needs = severities(saving.levels)
    announced, others = told_apart(needs, warned)
    struck = -math.expm1(-warned.save_s / mix.mtbf_s)
    late = struck + (1 - struck) * (1 - warned.in_time)  # announced, and all the same as if it had not been
    rate = warned.recall / warned.precision * (1 - struck) / mix.mtbf_s  # of warned saves, at work
    carry = min(saving.overlap * float(save_times_s(saving, interval_s)[1]), interval_s)
    begun_anew = rate * interval_s * saving.periods[at]
    mean = square = 0.0
    for level, (every, told, untold) in enumerate(zip(needs, announced, others, strict=True)):
        if level == without:
            continue
        period = interval_s * saving.periods[level]
        if level > at:
            period *= math.expm1(min(begun_anew, _OLDEST)) / begun_anew if begun_anew > 0 else 1.0
        old = _age(period, rate if level <= at else 0.0)
        old = old.later(carry) if level == len(needs) - 1 else old
        missed = late if level <= at else 1.0
        at_work = (1 - warned.recall) * untold + warned.recall * told * missed
        stopped = every * (parts.load + parts.reschedule)
        for often, age in ((at_work + stopped, old), (every * parts.save, old.later(interval_s / 2))):
            mean, square = mean + often * age.mean, square + often * age.square
    if not mean > 0:
        return 0.0
    failures = mix.shard_share * work_s / mix.mtbf_s
    return pls * math.sqrt(square * mix.taken_square / failures) / (mean * mix.shards_per_failure)
