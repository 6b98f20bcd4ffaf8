"""How saves are checked: which pattern of saves and checks, and which interval, costs least.

The cost of a pattern has one valley over the interval. All likely patterns are rows of one array, each closed in on
around its own valley, in whole steps where a step is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cprmodel.costing.blocking import terms_of
from cprmodel.costing.doubts import Doubts
from cprmodel.costing.models import Step, everybody_returns, recovery_arguments, share_sent_back, use
from cprmodel.costing.saving import without_shards
from cprmodel.costing.short_lost import Stands, short_lost
from cprmodel.costing.short_patterns import best_of_few
from cprmodel.costing.short_verified import (
    MOST_DOUBTS,
    Late,
    checked_doubts,
    late_doubts,
    reading,
    short_latent,
    short_verified,
)
from cprmodel.costing.terms import WITHIN
from cprmodel.facts.results import Breakdown
from cprmodel.facts.special import NUMPY
from cprmodel.facts.strategies import Recovery, loses_samples
from cprmodel.formulas.exact_loss import hits_of, lost_behind, lost_of
from cprmodel.formulas.latent import latent_interval, latent_overhead
from cprmodel.formulas.verified import benoit_2016_checks, saves_per_check, verified_interval, verified_overhead
from cprmodel.jobs import Job

__all__ = ["Checked", "Pattern", "best_pattern"]

#: Intervals at once, and how often they are closed in on: of many patterns, and of one.
_COARSE, _FINE = (16, 4), (60, 5)
#: How far from the first-order interval they reach.
_REACH = 200.0
#: Patterns are tried up to so many times more or fewer than the first order says, at most so many at once.
_AROUND, _TRIED = 2.0, 12
#: A pattern must be better than a simpler one by so much.
_BETTER = 1 - 1e-9
#: A job of this many patterns, and of as many delays of errors that show late, is long.
_LONG = 100
#: Jobs of so many saves in all are looked at, at once.
_AT_ONCE = 200_000
#: What is known of doubts, whatever finds an error.
_DOUBTED = ("save_s", "mtbf_s", "silent_mtbf_s", "unreadable")
#: Where there are no silent errors they come at this mean time [s].
_NEVER_S = 1e300


class Pattern(NamedTuple):
    """So many saves to a check, or so many checks to a save: one of the two is 1."""

    saves: Any
    checks: Any


@dataclass(frozen=True)
class Checked:
    """A job whose saves are doubted, under a recovery and a pattern, over intervals."""

    job: Job
    recovery: Recovery
    pattern: Pattern

    @property
    def _given(self) -> dict[str, Any]:
        silent, mix = self.job.failures.silent, self.job.failure_mix
        return {
            "verify_s": self.job.checkpoint.verify_s or 0.0,
            "save_s": self.job.save_s,
            "mtbf_s": mix.mtbf_s,
            "silent_mtbf_s": _NEVER_S if silent is None else silent.mtbf_s,
        }

    @property
    def _patterned(self) -> dict[str, Any]:
        return {"saves_per_check": self.pattern.saves, "checks_per_save": self.pattern.checks}

    @property
    def _again(self) -> float:
        """Loads in vain of one that reads back, on average."""
        bad = self.job.checkpoint.unreadable or 0.0
        return bad / (1 - bad)

    @property
    def whole(self) -> float:
        """Share of the failures that send everybody back."""
        return share_sent_back(self.job.failure_mix, self.recovery)

    @property
    def latency_s(self) -> float | None:
        """Mean time until a silent error shows by itself [s]; None where a check finds it."""
        return None if self.job.failures.silent is None else self.job.failures.silent.latency_s

    def step(self, interval_s: Any) -> Step:
        """The overhead, as the formula that gives it."""
        recovery = recovery_arguments(self.job.failure_mix, self.recovery)
        if "partial_load_s" in recovery:
            recovery["partial_load_s"] *= 1 + self._again
        given = {**self._given, **recovery, "unreadable": self.job.checkpoint.unreadable or 0.0}
        if self.latency_s is not None:
            del given["verify_s"]
            return use(latent_overhead, interval_s=interval_s, latency_s=self.latency_s, **given)
        return use(verified_overhead, interval_s=interval_s, **given, **self._patterned)

    def ideal(self) -> tuple[Step, ...]:
        """The best interval of a long job with silent errors, to first order, and the pattern."""
        if self.job.failures.silent is None:
            return ()
        given = self.first_order
        if self.latency_s is not None:
            del given["verify_s"]
            return (use(latent_interval, **given),)
        found = [use(verified_interval, **given, **self._patterned)]
        if self.pattern.saves > 1:
            found.append(use(saves_per_check, **given))
        if self.pattern.checks > 1:
            found.append(use(benoit_2016_checks, **given))
        return tuple(found)

    @property
    def first_order(self) -> dict[str, Any]:
        """What the first-order formulas are given."""
        return {**self._given, "whole_job_share": self.whole}

    def near_s(self) -> Any:
        """Roughly the best interval [s]."""
        given = {**self._given, "whole_job_share": max(self.whole, 1e-9)}
        if self.latency_s is not None:
            del given["verify_s"]
            return latent_interval.raw(**given)
        return verified_interval.raw(**given, **self._patterned)

    def pls(self, interval_s: Any) -> Any:
        """Expected PLS of partial recovery, of the job of its own length where it is short."""
        every, short, saves, checks = np.broadcast_arrays(interval_s, self.is_short(interval_s), *self.pattern)
        bad, work = self.job.checkpoint.unreadable or 0.0, self.job.job.work_s
        if bad:
            short = short & (work / every < MOST_DOUBTS)
        long = self.long_pls(interval_s)
        if not loses_samples(self.recovery) or not short.any():
            return long
        found = np.array(np.broadcast_to(long, every.shape), dtype=float)

        def lost(few: Any, saves: Any, checks: Any) -> Any:
            losses = reading(terms_of(self.job).losses, bad, NUMPY.intervals(work, np.minimum(few, work)))
            check = hits_of(**{**losses, "save_s": self.job.checkpoint.verify_s or 0.0}).saving
            return short_lost(
                Stands(hits_of(**losses), check), work, few, saves, checks, self._doubts if bad else None
            )

        with np.errstate(all="ignore"):
            found[short] = _in_parts(lost, work, every[short], saves[short], checks[short])
        return found[()]

    def _doubts(self, interval_s: Any, checks: Any) -> Doubts:
        given = {name: one for name, one in self._of_short.items() if name in _DOUBTED}
        given |= {"work_s": self.job.job.work_s, "interval_s": interval_s}
        given["recovery"] = recovery_arguments(self.job.failure_mix, self.recovery)
        if self.latency_s is None:
            return checked_doubts(**given, verify_s=self._given["verify_s"], checks_per_save=checks)
        return late_doubts(**given, latency_s=self.latency_s)[1]

    def long_pls(self, interval_s: Any) -> Any:
        """Expected PLS of a long job: of saves with a check before them, and of those without."""
        if not loses_samples(self.recovery):
            return np.zeros_like(np.asarray(interval_s, dtype=float) * self.pattern.saves)
        losses, verify, work = terms_of(self.job).losses, self.job.checkpoint.verify_s or 0.0, self.job.job.work_s
        losses = {**losses, "partial_load_s": losses["partial_load_s"] * (1 + self._again)}
        with np.errstate(all="ignore"):
            # checks in the middle of the work find less of it to lose
            checked = hits_of(**{**losses, "save_s": self.job.save_s + verify * (self.pattern.checks + 1) / 2})
            silent, bad = self._given["silent_mtbf_s"], self.job.checkpoint.unreadable
            behind = 0.0 if bad is None else lost_behind(checked, interval_s, bad, silent)
            lost = lost_of(checked, work, interval_s, behind)
            if np.any(np.greater(self.pattern.saves, 1)):
                alone = lost_of(hits_of(**losses), work, interval_s)
                lost = alone + (lost - alone) / self.pattern.saves
            return lost

    def values(self, intervals: Any, extra_s: float, budget: float | None) -> Any:
        """What an interval of a long job is chosen by; infinite beyond a budget."""
        with np.errstate(all="ignore"):
            total = self.step(intervals).value.total + extra_s / intervals
            total = np.where(np.isfinite(total), total, np.inf)
            if budget is None:
                return total
            return np.where(self.long_pls(intervals) <= budget * WITHIN, total, np.inf)

    def is_short(self, interval_s: Any) -> Any:
        """Whether a job has so few patterns, or delays of errors, that what its end is spared counts."""
        return self.job.job.work_s < _LONG * (self.pattern.saves * interval_s + (self.latency_s or 0.0))

    def late(self, interval_s: Any) -> Late:
        """The job of its own length, where errors show late."""
        given = {name: one for name, one in self._of_short.items() if name != "verify_s"}
        with np.errstate(all="ignore"):
            return short_latent(self.job.job.work_s, interval_s, latency_s=self.latency_s or 0.0, **given)

    @property
    def _of_short(self) -> dict[str, Any]:
        recovery = recovery_arguments(self.job.failure_mix, self.recovery)
        return {**self._given, **recovery, "unreadable": self.job.checkpoint.unreadable or 0.0}

    def parts(self, interval_s: Any) -> Breakdown:
        """The overhead of the job of its own length, where it is short, and else of a long one."""
        if not np.any(self.is_short(interval_s)):
            long: Breakdown = self.step(interval_s).value
            return long
        if self.latency_s is not None:
            return self.late(interval_s).breakdown
        with np.errstate(all="ignore"):
            return short_verified(self.job.job.work_s, interval_s, **self._of_short, **self._patterned)

    def saves_per_s(self, interval_s: Any) -> Any:
        """Saves in a second of work: none at the end of a short job."""
        work = self.job.job.work_s
        few = (NUMPY.intervals(work, interval_s) - 1) / work
        return np.where(self.is_short(interval_s), few, 1 / interval_s)

    def totals(self, intervals: Any, extra_s: float = 0.0, budget: float | None = None) -> Any:
        """As :meth:`values`, of the job of its own length where it is short."""
        every, short = np.broadcast_arrays(np.asarray(intervals, dtype=float), self.is_short(intervals))
        with np.errstate(all="ignore"):
            own = self.parts(every).total if self.latency_s is None else self._late_totals(every, short)
            total = own if short.all() else np.where(short, own, self.step(every).value.total)
            total = total + extra_s * self.saves_per_s(every)
            total = np.where(np.isfinite(total), total, np.inf)
            return total if budget is None else np.where(self.pls(every) <= budget * WITHIN, total, np.inf)

    def _late_totals(self, every: Any, short: Any) -> Any:
        """Of short jobs whose errors show late: at once, where saves may be unreadable, else one by one."""
        found, work = np.full(every.shape, np.nan), self.job.job.work_s
        few = short & (work / every < MOST_DOUBTS) & (self.job.checkpoint.unreadable is not None)
        if few.any():
            found[few] = _in_parts(lambda some: self.late(some).breakdown.total, work, every[few])
        others = short & ~few
        found[others] = [self.late(float(one)).breakdown.total for one in every[others]]
        return found

    def best(self, extra_s: float, budget: float | None, closing: tuple[int, int] = _FINE) -> tuple[Any, Any]:
        """The interval of least overhead within a budget, and that; of each of several patterns, a row each."""
        points, rounds = closing
        work, step = self.job.job.work_s, self.job.job.step_s
        near = np.atleast_1d(self.near_s())
        rows = np.arange(len(near))
        low, high = np.minimum(near / _REACH, work), np.minimum(near * _REACH, work)
        if step is not None:
            low, high = np.minimum(np.maximum(low, step), work), np.maximum(high, step)
        of = self._in_rows(len(near))
        for _ in range(rounds):
            tried = np.geomspace(low, high, points, axis=-1)
            found = of.values(tried, extra_s, budget)
            some = np.isfinite(found).any(axis=1)
            at = np.argmin(found, axis=1)
            below, above = tried[rows, np.maximum(at - 1, 0)], tried[rows, np.minimum(at + 1, points - 1)]
            # a budget that only shorter intervals keep
            low, high = np.where(some, below, low / _REACH), np.where(some, above, low)
        tried = np.where(some, tried[rows, at], low if step is None else step)[:, None]
        if step is not None:
            tried = np.minimum(step * np.maximum(np.floor(tried / step) + np.arange(-2, 4), 1), work)
        found = of.values(tried, extra_s, budget)
        at = np.argmin(found, axis=1)
        least = found[rows, at]
        return np.where(np.isfinite(least), tried[rows, at], np.inf), least

    def _in_rows(self, rows: int) -> Checked:
        saves, checks = (np.broadcast_to(one, rows)[:, None] for one in self.pattern)
        return replace(self, pattern=Pattern(saves, checks))


def _in_parts(of: Callable[..., Any], work_s: float, interval_s: Any, *others: Any) -> Any:
    """What a function says of intervals and what goes with them, of so many saves at once that they fit."""
    parts = np.cumsum(np.minimum(work_s / interval_s, MOST_DOUBTS)) // _AT_ONCE
    cuts = np.flatnonzero(np.diff(parts)) + 1
    columns = zip(*(np.split(one, cuts) for one in (interval_s, *others)), strict=True)
    return np.concatenate([of(*some) for some in columns])


def best_pattern(job: Job, recovery: Recovery, extra_s: float, budget: float | None) -> tuple[Pattern, float]:
    """The pattern and the interval of least overhead within a budget; an infinite interval where none keeps it.

    >>> from cprmodel import Job
    >>> job = Job.from_mapping({
    ...     "job": {"work": "60 d"}, "failures": {"mtbf": "1 d", "silent": {"mtbf": "10 d"}},
    ...     "checkpoint": {"save": "1 min", "verify": "10 min"},
    ... })
    >>> pattern, every = best_pattern(job, job.full_recovery, 0.0, None)
    >>> pattern, round(every / 60)
    (Pattern(saves=7, checks=1), 53)
    """
    if everybody_returns(recovery):
        job, budget = without_shards(job), None
    known: Any = recovery  # recoveries are frozen
    return _best(job, known, extra_s, budget)


@lru_cache(maxsize=256)
def _best(job: Job, recovery: Any, extra_s: float, budget: float | None) -> tuple[Pattern, float]:
    pattern, every = _best_of_long(job, recovery, extra_s, budget)
    of, work = Checked(job, recovery, pattern), job.job.work_s
    if math.isfinite(every) and not of.is_short(every):
        return pattern, every

    def price(saves: Any, checks: Any, intervals: Any) -> Any:
        return Checked(job, recovery, Pattern(saves, checks)).totals(intervals, extra_s, budget)

    alone = Checked(job, recovery, Pattern(1, 1))
    saves_alone = math.sqrt(2 * (job.save_s + extra_s) * job.failure_mix.mtbf_s / max(alone.whole, 1e-9))
    likely = [every, float(alone.best(extra_s, budget)[0][0]), saves_alone]
    found = best_of_few(
        price,
        work,
        job.job.step_s,
        _given_pattern(job),
        _free(job),
        [work / min(one, work) for one in likely if math.isfinite(one)],
        closing=job.checkpoint.verify_s is not None,
    )
    if math.isfinite(every) and float(of.totals(every, extra_s, budget)) <= found.value:
        return pattern, every
    return Pattern(found.saves, found.checks), found.interval_s if math.isfinite(found.value) else math.inf


def _given_pattern(job: Job) -> Pattern:
    return Pattern(job.checkpoint.verify_every or 1, job.checkpoint.checks_per_save or 1)


def _free(job: Job) -> tuple[bool, bool]:
    """Whether saves to a check, and checks to a save, are to be chosen."""
    point, silent = job.checkpoint, job.failures.silent
    given = point.verify_every is not None or point.checks_per_save is not None
    if given or silent is None or silent.latency_s is not None:
        return False, False
    return point.unreadable is None, True


def _best_of_long(job: Job, recovery: Any, extra_s: float, budget: float | None) -> tuple[Pattern, float]:
    given = _given_pattern(job)
    every, least = (float(one[0]) for one in Checked(job, recovery, given).best(extra_s, budget))
    best = (given, every)
    choose_saves, choose_checks = _free(job)
    if math.isinf(every) or not choose_checks:
        return best

    def look(patterns: Iterable[Pattern]) -> None:
        nonlocal best, least
        rows = sorted(set(patterns))
        if not rows:
            return
        columns = Pattern(*(np.array(column, dtype=float) for column in zip(*rows, strict=True)))
        _, values = Checked(job, recovery, columns).best(extra_s, budget, _COARSE)
        likely = rows[int(np.argmin(values))]
        every, value = (float(one[0]) for one in Checked(job, recovery, likely).best(extra_s, budget))
        if value < least * _BETTER:
            best, least = (likely, every), value

    terms = Checked(job, recovery, given).first_order
    # at their best interval, and at the one that a budget allows
    between = math.sqrt(terms["verify_s"] * terms["silent_mtbf_s"])
    if choose_saves:
        likely = (float(saves_per_check.raw(**terms)), between / every)
        look(Pattern(one, 1) for number in likely for one in _around(number))
    if choose_checks:
        likely = (float(benoit_2016_checks.raw(**terms)), every / (math.sqrt(2) * between))
        look(Pattern(1, one) for number in likely for one in _around(number))
    if best[0] != given:
        look(_beside(best[0]))
    return best


def _around(number: float) -> set[int]:
    """Whole numbers above 1 around one, evenly in ratios."""
    low, high = max(number / _AROUND, 2.0), min(number * _AROUND, 1e6)
    return set() if high < 1.2 else {max(2, round(one)) for one in np.geomspace(low, max(high, low + 1), _TRIED)}


def _beside(pattern: Pattern) -> list[Pattern]:
    """Those within the gaps that were left beside a pattern."""
    number = max(pattern)
    ratio = _AROUND ** (2 / (_TRIED - 1))
    near = {round(one) for one in np.linspace(max(number / ratio, 2), number * ratio + 1, _TRIED)}
    return [Pattern(one, 1) if pattern.saves > 1 else Pattern(1, one) for one in sorted(near - {number})]
