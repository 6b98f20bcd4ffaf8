"""Jobs whose saves cannot be trusted: silent errors until a check finds them, saves that turn out unreadable.

What happens, and what it costs, is in :mod:`cprmodel.formulas.verified`. How many saves there are to a check, or
checks to a save, is a decision where the job file does not say: the first order tells the neighbourhood, in which
all are priced at once (:mod:`cprmodel.costing.patterns`). What shards lose in a long job is counted as if check
and save were one: nothing is safe before its end.
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
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import CheckedSave, Recovery, Strategy
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.formulas.latent import kept_for_clean, no_clean_save
from cprmodel.formulas.verified import kept_for_readable
from cprmodel.jobs import Job

__all__ = ["Verified", "counts_its_end"]


def _pattern_of(strategy: Strategy) -> Pattern:
    return Pattern(*(strategy.pattern or (1, 1)))


def counts_its_end(job: Job, strategy: Strategy) -> bool:
    """Whether a job is so short under a strategy that it is priced to its end, and not as a long one."""
    return bool(Checked(job, strategy.recovery, _pattern_of(strategy)).is_short(strategy.interval_s))


@dataclass(frozen=True)
class Verified:
    """What a job with silent errors costs, per unit of useful work (``[failures.silent]``).

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
            raise self._nothing(job, recovery, budget)
        saving = CheckedSave(job.save_s, *pattern)
        checked = Checked(job, recovery, pattern)
        if every >= job.job.work_s * (1 - 1e-12):
            return Choice(every, WHOLE_JOB, saving=saving)
        if budget is not None and self._bounded(checked, every, budget):
            return Choice(every, BUDGET, saving=saving)
        return Choice(every, OPTIMUM, checked.ideal(), saving=saving)

    def _bounded(self, checked: Checked, every: float, budget: float) -> bool:
        """Whether it would cost less, were it not for the budget."""
        work, step = checked.job.job.work_s, checked.job.job.step_s
        longer = every + (step or 1e-4 * every)
        if checked.is_short(every):  # one interval fewer
            longer = max(work / max(float(NUMPY.intervals(work, every)) - 1, 1), longer)
            longer = longer if step is None else math.ceil(longer / step * (1 - 1e-12)) * step
        costs_less = self._total(checked, longer) < self._total(checked, every)
        return costs_less and float(checked.pls(longer)) > budget * WITHIN

    def _nothing(self, job: Job, recovery: Recovery, budget: float | None) -> JobError:
        """No interval will do: for the budget, or whatever is lost."""
        if budget is not None and math.isfinite(best_pattern(job, recovery, self.extra_s, None)[1]):
            expected = "a budget that some interval keeps (failures during checks and saves alone take more)"
            return JobError("job", [Problem("accuracy", f"{budget:.3g}", expected)])
        many, silent = job.checkpoint.verify_every or 1, job.failures.silent
        work = format_time(job.job.work_s)
        if many > 1 and silent is not None:
            errors = f"silent errors come every {format_time(silent.mtbf_s)} (failures.silent.mtbf)"
            expected = f"fewer saves to a check: a job of {work} would never end, for {errors}"
            return JobError("job", [Problem("checkpoint.verify_every", f"{many}", expected)])
        key, mtbf = job.failures.rate_key, job.failure_mix.mtbf_s
        if silent is not None and silent.mtbf_s < mtbf:
            key, mtbf = "failures.silent.mtbf", silent.mtbf_s
        expected = f"a time in which some work can be saved: at no interval would the job of {work} end"
        return JobError("job", [Problem(key, format_time(mtbf), expected)])

    def _total(self, checked: Checked, interval_s: float) -> float:
        return float(checked.totals(interval_s, self.extra_s))

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """Overhead and PLS at the strategy's interval."""
        if strategy.saving.fraction != 1:
            strategy = strategy.in_time
        checked, every = Checked(job, strategy.recovery, _pattern_of(strategy)), strategy.interval_s
        step, parts = checked.step(every), checked.parts(every).in_floats()
        if not math.isfinite(parts.total):
            parts = parts._replace(lost=math.inf, load=0.0, reschedule=0.0)
        return Cost(parts, float(checked.pls(every)), (step,), written_per_s=float(checked.saves_per_s(every)))

    def curve(self, job: Job, strategy: Strategy, intervals_s: Any) -> tuple[Any, Any]:
        """Overhead and PLS of a strategy at each of many intervals."""
        checked = Checked(job, strategy.recovery, _pattern_of(strategy))
        every = np.asarray(intervals_s, dtype=float)
        return checked.totals(every), checked.pls(every)

    def remarks(self, job: Job, strategy: Strategy) -> list[str]:
        """How long an error goes unseen; how many saves to keep; what the end of a short job changes."""
        notes = []
        if job.failures.silent is not None and job.failures.silent.latency_s is not None:
            notes.append(_about_late(job, strategy, job.failures.silent.latency_s))
        elif job.failures.silent is not None:
            notes.append(_about_errors(job, strategy))
        if job.checkpoint.unreadable is not None:
            notes.append(_about_kept(job))
        checked = Checked(job, strategy.recovery, _pattern_of(strategy))
        if checked.is_short(strategy.interval_s):
            notes.append(_about_end(checked, strategy.interval_s))
        return notes


def _about_end(checked: Checked, interval_s: float) -> str:
    """What is counted of a job that is short, and what a long one's overhead would be."""
    work, many = checked.job.job.work_s, checked.pattern.saves
    long = float(checked.step(interval_s).value.total)
    would = (
        f"a long job's overhead would be {format_share(long)}" if math.isfinite(long) else "a long job never ends"
    )
    if checked.latency_s is not None:
        unseen = format_share(checked.late(interval_s).unseen)
        delays = format_time(checked.latency_s)
        return (
            f"the job is only {work / checked.latency_s:.3g} times as long as an error takes to show ({delays}): "
            f"errors that it ends before are not counted, and with probability {unseen} it ends with one in its "
            f"result; {would}"
        )
    end = "nothing is saved at its end"
    if checked.job.failures.silent is not None:
        end = "its end is checked and not saved"
    patterns = work / (many * interval_s)
    if many > 1 and patterns <= 1:
        return f"the job ends before a save is checked: only its end is; {would}"
    of = "patterns" if many > 1 else "intervals"
    return f"the job is only {patterns:.3g} {of} long, and is counted to its end: {end}; {would}"


def _about_errors(job: Job, strategy: Strategy) -> str:
    """How saves are checked, and how long an error goes unseen: work, saves and the check that finds it."""
    pattern, every, verify = _pattern_of(strategy), strategy.interval_s, job.checkpoint.verify_s or 0.0
    work, many = job.job.work_s, min(pattern.saves, int(NUMPY.intervals(job.job.work_s, every)))
    between = min(many * every, work) / pattern.checks
    unseen = f"a silent error goes unseen for {format_time(between / 2 + (many - 1) / 2 * job.save_s + verify)}"
    if pattern.saves > 1 and many * every >= work:
        return (
            f"no save is checked before the end of the job, after {format_time(between)} of work; {unseen} on "
            "average, and all is begun anew"
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
        return float(no_clean_save.raw(float(kept), interval_s, job.save_s, latency_s, job.checkpoint.unreadable))
    x = (interval_s + job.save_s) / latency_s
    return -math.expm1(-x) / x * math.exp(-(kept - 1) * x)


def _so_many(saves: float) -> int:
    """The next whole number, and at least 1; what is above one by no more than is rounded is that one."""
    return max(1, math.ceil(saves * (1 - 1e-12)))


def _wanted(job: Job, interval_s: float, latency_s: float) -> int:
    """How many saves to keep so that one is as surely as the job file wants it."""
    point = job.checkpoint
    wanted = _so_many(float(kept_for_clean.raw(interval_s, job.save_s, latency_s, point.good_surely)))
    if point.unreadable is None:
        return wanted
    low, high = wanted - 1, wanted  # unreadable ones make it more
    while _none_clean(job, interval_s, latency_s, high) > 1 - point.good_surely:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _none_clean(job, interval_s, latency_s, middle) > 1 - point.good_surely:
            low = middle
        else:
            high = middle
    return high


def _about_late(job: Job, strategy: Strategy, latency_s: float) -> str:
    """How many saves to keep so that one from before an error is among them when it shows."""
    surely, complete = job.checkpoint.good_surely, max(job.checkpoint.retained - 1, 1)
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
    wanted = _so_many(float(kept_for_readable.raw(point.unreadable, point.good_surely)))
    complete = max(point.retained - 1, 1)  # one is room for that being written
    none = point.unreadable**complete
    surely = f"{point.good_surely:.6g}"
    said = f"keep {count_of(wanted, 'complete save')}: one of them can be read with probability {surely}"
    return f"{said}; of {complete} (checkpoint.retained, less the one being written) none can with {none:.2g}"
