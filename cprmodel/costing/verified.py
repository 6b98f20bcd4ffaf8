"""Jobs whose saves cannot be trusted: silent errors until a check finds them, saves that turn out unreadable.

What happens, and what it costs, is in :mod:`cprmodel.formulas.verified`. How many saves there are to a check, or
checks to a save, is a decision where the job file does not say: the first order tells the neighbourhood, in which
all are priced at once (:mod:`cprmodel.costing.patterns`). What shards lose is counted as if check and save were
one: nothing is safe before its end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.costing.models import BUDGET, OPTIMUM, WHOLE_JOB, Choice, Cost
from cprmodel.costing.patterns import Checked, Pattern, best_pattern
from cprmodel.costing.terms import WITHIN
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import CheckedSave, Recovery, Strategy
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.formulas.latent import kept_for_clean, no_clean_save
from cprmodel.formulas.verified import kept_for_readable
from cprmodel.jobs import Job

__all__ = ["Verified"]

#: A job of fewer intervals than this is not long.
_SHORT = 10


def _pattern_of(strategy: Strategy) -> Pattern:
    return Pattern(*(strategy.pattern or (1, 1)))


@dataclass(frozen=True)
class Verified:
    """What a long job with silent errors costs, per unit of useful work (``[failures.silent]``).

    The same for saves that turn out unreadable (``[checkpoint] unreadable``), with or without such errors.

    >>> Verified().name
    'verified'
    """

    name: str = "verified"
    extra_s: float = 0.0  #: what writing everything once costs besides its time, in seconds of the job

    def full_interval(self, job: Job) -> Choice:
        """The work between saves of least overhead, and how they are checked."""
        return self._chosen(job, job.full_recovery, None)

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """The same with no more than so much expected PLS; JobError where no interval keeps it."""
        return self._chosen(job, job.partial_recovery, pls_budget)

    def _chosen(self, job: Job, recovery: Recovery, budget: float | None) -> Choice:
        pattern, every = best_pattern(job, recovery, self.extra_s, budget)
        if math.isinf(every):
            expected = "a budget that some interval keeps (failures during checks and saves alone take more)"
            raise JobError("job", [Problem("accuracy", "" if budget is None else f"{budget:.3g}", expected)])
        saving = CheckedSave(job.save_s, *pattern)
        checked = Checked(job, recovery, pattern)
        if every >= job.job.work_s * (1 - 1e-12):
            return Choice(every, WHOLE_JOB, saving=saving)
        longer = every + (job.job.step_s or 1e-4 * every)
        bounded = budget is not None and float(checked.pls(longer)) > budget * WITHIN
        if bounded and self._total(checked, longer) < self._total(checked, every):
            return Choice(every, BUDGET, saving=saving)
        return Choice(every, OPTIMUM, checked.ideal(), saving=saving)

    def _total(self, checked: Checked, interval_s: float) -> float:
        return float(checked.values(np.array([interval_s]), self.extra_s, None)[0])

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """Overhead and PLS at the strategy's interval."""
        if strategy.saving.fraction != 1:
            strategy = strategy.in_time
        checked, every = Checked(job, strategy.recovery, _pattern_of(strategy)), strategy.interval_s
        step = checked.step(every)
        parts = step.value.in_floats()
        if not math.isfinite(parts.total):
            parts = parts._replace(lost=math.inf, load=0.0, reschedule=0.0)
        return Cost(parts, float(checked.pls(every)), (step,), written_per_s=1 / every)

    def curve(self, job: Job, strategy: Strategy, intervals_s: Any) -> tuple[Any, Any]:
        """Overhead and PLS of a strategy at each of many intervals."""
        checked = Checked(job, strategy.recovery, _pattern_of(strategy))
        every = np.asarray(intervals_s, dtype=float)
        return checked.values(every, 0.0, None), checked.pls(every)

    def remarks(self, job: Job, strategy: Strategy) -> list[str]:
        """How long an error goes unseen; how many saves to keep."""
        notes = []
        if job.failures.silent is not None and job.failures.silent.latency_s is not None:
            notes.append(_about_late(job, strategy, job.failures.silent.latency_s))
        elif job.failures.silent is not None:
            notes.append(_about_errors(job, strategy))
        if job.checkpoint.unreadable is not None:
            notes.append(_about_kept(job))
        if job.job.work_s < _SHORT * strategy.interval_s:
            long = job.job.work_s / strategy.interval_s
            notes.append(f"the job is only {count_of(long, 'interval')} long, and this is a long one's")
        return notes


def _about_errors(job: Job, strategy: Strategy) -> str:
    """How saves are checked, and how long an error goes unseen: work, saves and the check that finds it."""
    pattern, every, verify = _pattern_of(strategy), strategy.interval_s, job.checkpoint.verify_s or 0.0
    between = pattern.saves * every / pattern.checks
    unseen = (
        f"a silent error goes unseen for {format_time(between / 2 + (pattern.saves - 1) / 2 * job.save_s + verify)}"
    )
    if pattern.saves > 1:
        return (
            f"a check before one save in {pattern.saves}, after {format_time(between)} of work; {unseen} on "
            "average; the last checked save is kept beside the newest, for after an error it is the one to load"
        )
    if pattern.checks > 1:
        return (
            f"{count_of(pattern.checks, 'check')} to a save, one after every {format_time(between)} of work; "
            f"{unseen} on average; every save is checked, so the last one is clean"
        )
    return f"{unseen} on average; every save is checked, so the last one is clean"


def _none_clean(job: Job, interval_s: float, latency_s: float, kept: int) -> float:
    """How likely it is that none of the saves kept is from before an error, when it shows, and can be read."""
    if job.checkpoint.unreadable is not None:
        return float(no_clean_save.raw(kept, interval_s, job.save_s, latency_s, job.checkpoint.unreadable))
    x = (interval_s + job.save_s) / latency_s
    return -math.expm1(-x) / x * math.exp(-(kept - 1) * x)


def _wanted(job: Job, interval_s: float, latency_s: float) -> int:
    """How many saves to keep so that one is as surely as the job file wants it."""
    point = job.checkpoint
    wanted = max(1, math.ceil(float(kept_for_clean.raw(interval_s, job.save_s, latency_s, point.surely)) - 1e-9))
    if point.unreadable is None:
        return wanted
    low, high = wanted - 1, wanted  # unreadable ones make it more
    while _none_clean(job, interval_s, latency_s, high) > 1 - point.surely:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _none_clean(job, interval_s, latency_s, middle) > 1 - point.surely:
            low = middle
        else:
            high = middle
    return high


def _about_late(job: Job, strategy: Strategy, latency_s: float) -> str:
    """How many saves to keep so that one from before an error is among them when it shows."""
    surely, complete = job.checkpoint.surely, max(job.checkpoint.retained - 1, 1)
    wanted = _wanted(job, strategy.interval_s, latency_s)
    none = _none_clean(job, strategy.interval_s, latency_s, complete)
    good = "" if job.checkpoint.unreadable is None else " that can be read"
    said = (
        f"keep {count_of(wanted, 'complete save')}: when an error shows, one from before it{good} is among them "
        f"with probability {surely:.6g}; of {complete} (checkpoint.retained, less the one being written) none is "
        f"with {format_share(none)}"
    )
    every = job.checkpoint.keep_every
    if every is None or complete >= wanted:
        return said
    return (
        f"{said}; then one is at most {format_time(every * strategy.interval_s)} of work further back (keep_every)"
    )


def _about_kept(job: Job) -> str:
    """How many saves to keep so that one can surely be read."""
    point = job.checkpoint
    assert point.unreadable is not None
    wanted = max(1, math.ceil(float(kept_for_readable.raw(point.unreadable, point.surely)) - 1e-9))
    complete = max(point.retained - 1, 1)  # one is room for that being written
    none = point.unreadable**complete
    said = f"keep {count_of(wanted, 'complete save')}: one of them can be read with probability {point.surely:.6g}"
    return f"{said}; of {complete} (checkpoint.retained, less the one being written) none can with {none:.2g}"
