r"""A chain of jobs under a recovery, over intervals: what it costs and loses, and the interval that is best.

The overhead has a valley for every number of saves, so intervals all over the range are looked at at once, with
each valley's likely bottom (pieces of equal work), and the best few valleys are closed in on. A chain of few jobs
is summed from its beginning to its end, and a few intervals are tried with that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from cprmodel.costing.blocking import terms_of
from cprmodel.costing.models import Step, recovery_arguments, use
from cprmodel.costing.short_chain import Limits, Summed, short_chain
from cprmodel.costing.terms import WITHIN, steps_within
from cprmodel.costing.valleys import beside, closed, lowest
from cprmodel.facts.results import Breakdown
from cprmodel.facts.roots import root_between
from cprmodel.facts.strategies import Recovery, loses_samples
from cprmodel.formulas.exact_loss import Hits, lost_of, lost_rest, lost_whole
from cprmodel.formulas.limits import (
    Chain,
    chain_of,
    limit_reach,
    saves_of,
    time_limited_overhead,
    unannounced_limit_overhead,
)
from cprmodel.jobs import Job

__all__ = ["SHORT", "Chains", "chain_under"]

#: Intervals that are looked at all over, and then between the neighbours of the best few, again and again.
_WIDE, _CLOSING, _BEST = 160, (12,) * 7, 24
#: Of fewer saves than this each number's likely bottom is looked at.
_FEW_SAVES = 250
#: Up to so many whole steps all are tried; beyond, so many on each side of the best few.
_ALL_STEPS, _BESIDE = 3000, 4
#: A chain of fewer jobs than this is not long: it is summed from its beginning to its end.
SHORT = 30
#: In a short one intervals are tried with up to so many saves in a job, beside those best for a long one, on a
#: coarse grid, and the best of these on the fine one.
_TRIED, _COARSE, _FINE = 8, 16, 4
#: The longest within a budget is found so closely, from such shares of a long chain's down.
_CLOSE, _SHORTER = 1e-9, (1.0, 0.5, 0.1, 0.01, 0.001)


def chain_under(job: Job, recovery: Recovery) -> Chain:
    """What a job of a chain is subject to under a recovery, whatever the interval."""
    mix = job.failure_mix
    given = {name: one for name, one in recovery_arguments(mix, recovery).items() if name != "load_s"}
    return Chain(*(float(one) for one in chain_of(job.save_s, mix.mtbf_s, **given)))


@dataclass(frozen=True)
class Chains:
    """A job's chain under a recovery, over intervals."""

    job: Job
    recovery: Recovery
    free: dict[float, float] = field(default_factory=dict, compare=False, repr=False)  #: best without a budget

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """What the formulas take beside the interval and what follows from it."""
        job, mix = self.job, self.job.failure_mix
        found = {"save_s": job.save_s, "mtbf_s": mix.mtbf_s, **recovery_arguments(mix, self.recovery)}
        # a job of the chain loads everything, whatever the recovery
        return {**found, "load_s": job.load_s, "requeue_s": job.job.requeue_s or 0.0}

    @cached_property
    def chain(self) -> Chain:
        """What a job of it is subject to, whatever the interval."""
        return chain_under(self.job, self.recovery)

    @cached_property
    def hits(self) -> Hits:
        """What takes work from a shard, whatever the interval."""
        return terms_of(self.job).hits

    @cached_property
    def reach(self) -> tuple[float, float]:
        """What of the limit is left for work and saves, and what a save takes of it [s]."""
        given = {name: value for name, value in self.arguments.items() if name != "requeue_s"}
        room, save = limit_reach(limit_s=self.job.job.time_limit_s, **given)
        return float(room), float(save)

    def regular(self, interval_s: Any) -> Any:
        """Regular saves of a job before its last one; or complete at its earliest end, without one."""
        room, save = self.reach
        cycle = np.asarray(interval_s, dtype=float) + save
        if self.job.saves_before_limit:
            return np.maximum(np.ceil((room - self.job.save_s) / cycle * (1 - 1e-12)) - 1, 0.0)
        return np.maximum(np.floor(room / cycle - 0.5), 0.0)

    def last_s(self, interval_s: Any) -> Any:
        """Work before the last save, in whole steps: beyond an interval where a regular save has no room [s]."""
        room, save = self.reach
        left = room - self.job.save_s - self.regular(interval_s) * (interval_s + save)
        left = np.maximum(left, 0.0)
        step = self.job.job.step_s
        return left if step is None else steps_within(left, step)

    def step(self, interval_s: Any) -> Step:
        """The overhead, as the formula that gives it."""
        saves = self.regular(interval_s)
        if self.job.saves_before_limit:
            last = self.last_s(interval_s)
            given = {"interval_s": interval_s, "last_s": last, "saves": saves, **self.arguments}
            return use(time_limited_overhead, **given)
        room, save = self.reach
        more = np.clip(room / (interval_s + save) + 0.5 - (saves + 1), 0.0, 1.0)
        given = {"interval_s": interval_s, "limit_s": self.job.job.time_limit_s, "saves": saves, "more": more}
        return use(unannounced_limit_overhead, **given, **self.arguments)

    def jobs(self, interval_s: float) -> float:
        """How many jobs that reach their limit the work takes."""
        regular = float(self.regular(interval_s))
        if self.job.saves_before_limit:
            keeps = regular * interval_s + float(self.last_s(interval_s))
        else:
            keeps = (regular + 1) * interval_s
        return self.job.job.work_s / keeps if keeps > 0 else math.inf

    def parts(self, interval_s: float, points: int | None = None) -> Breakdown:
        """The overhead of the job's own chain, from its beginning to its end; on a grid of so many points."""
        return self.summed(interval_s, points).breakdown

    def summed(self, interval_s: float, points: int | None = None) -> Summed:
        """The same, and its PLS."""
        if not self.jobs(interval_s) < SHORT:
            loses = loses_samples(self.recovery)
            return Summed(self.step(interval_s).value.in_floats(), float(self.pls(interval_s)) if loses else 0.0)
        limits = Limits(
            chain=self.chain,
            limit_s=(self.job.job.time_limit_s or math.inf) / self.chain.stretch,
            interval_s=interval_s,
            save_s=self.job.save_s,
            load_s=self.job.load_s,
            requeue_s=self.job.job.requeue_s or 0.0,
            announced=self.job.saves_before_limit,
            step_s=self.job.job.step_s or 0.0,
            hits=Hits(*(float(one) for one in self.hits)) if loses_samples(self.recovery) else None,
        )
        return short_chain(limits, self.job.job.work_s, **({} if points is None else {"points": points}))

    def pls(self, interval_s: Any) -> Any:
        """Expected PLS of partial recovery in a long chain; not every job comes to its last save."""
        work = self.job.job.work_s
        with np.errstate(all="ignore"):
            if not self.job.saves_before_limit:
                return lost_of(self.hits, work, np.minimum(interval_s, work))
            last, saves = self.last_s(interval_s), self.regular(interval_s)
            given = self.arguments["save_s"], self.arguments["load_s"]
            complete, saved = saves_of(self.chain, interval_s, last, saves, *given)
            lost = complete * interval_s * lost_whole(self.hits, interval_s) + saved * lost_rest(self.hits, last)
            return lost / (complete * interval_s + saved * last)

    def written(self, parts: Breakdown) -> Any:
        """Complete saves in a second of useful work."""
        return parts.save / self.job.save_s

    def best(self, extra_s: float, budget: float | None) -> float:
        """The interval of least overhead within a budget; infinite where none keeps it."""

        def unbound(intervals: Any) -> Any:
            parts = self.step(intervals).value
            with np.errstate(invalid="ignore"):
                total = parts.total + extra_s * self.written(parts)
            total = np.where(np.isfinite(total), total, np.inf)
            # ended without notice, a job must be able to complete a save
            return np.where(self.regular(intervals) + self.job.saves_before_limit > 0, total, np.inf)

        def values(intervals: Any) -> Any:
            total = unbound(intervals)
            return total if budget is None else np.where(self.pls(intervals) <= budget * WITHIN, total, np.inf)

        def least(intervals: Any) -> float:
            found = _least(values, intervals)
            if not (math.isfinite(found) and self.jobs(found) < SHORT):
                return found
            if budget is None:
                return self._least_of_short(found, values, extra_s)
            free = self.best_free(extra_s)
            if self.summed(free).pls <= budget * WITHIN:
                return free
            longest = self._longest_of_short(found, free, budget * WITHIN)
            return self._least_of_short(longest, unbound, extra_s, budget * WITHIN)

        room, save = self.reach
        step, longest = self.job.job.step_s, min(room - self.job.save_s, self.job.job.work_s)
        if longest < (step or 1e-12):
            return math.inf
        if step is not None and longest / step <= _ALL_STEPS:
            return least(step * np.arange(1.0, max(math.floor(longest / step * (1 + 1e-12)), 1) + 1))
        shortest = min(step or 0.0, longest) or max(longest * 1e-7, min(1e-3 * longest, self.job.save_s / 10))
        tried = np.geomspace(shortest, longest, _WIDE)
        saves = np.unique(np.concatenate([self.regular(tried), np.arange(_FEW_SAVES)]))
        even = room / (saves + 0.5) - save  # where one more save begins to be complete at times
        if self.job.saves_before_limit:
            even = (room - self.job.save_s - saves * save) / (saves + 1)
        tried = np.unique(np.clip(np.concatenate([tried, even]), shortest, longest))
        best = _valleys(values(tried))
        if not len(best):
            return math.inf
        bottoms, _ = closed(lambda _, intervals: values(intervals), *beside(tried, best), _CLOSING)
        bottoms = np.concatenate([bottoms, tried[best]])
        if step is None:
            return least(bottoms)
        around = np.floor(bottoms[:, None] / step) + np.arange(-_BESIDE, _BESIDE + 2)
        return least(step * np.unique(np.clip(around, 1, math.floor(longest / step))))

    def best_free(self, extra_s: float) -> float:
        """The interval of least overhead, whatever is lost."""
        if extra_s not in self.free:
            self.free[extra_s] = self.best(extra_s, None)
        return self.free[extra_s]

    def _longest_of_short(self, long: float, free: float, most: float) -> float:
        """The longest interval of a short chain of which no more is lost for good; infinite where each loses more.

        ``long``: what a long one would have; ``free``: an interval that loses more.
        """
        step, high = self.job.job.step_s or 0.0, free

        def beyond(every: float) -> float:
            return self.summed(every).pls - most

        for share in _SHORTER:
            low = max(float(steps_within(share * long, step)), step) if step else share * long
            if beyond(low) <= 0:
                break
            high = low
        else:
            return math.inf
        if high <= low:
            return low
        found = root_between(beyond, low, high, _CLOSE) * (1 - 2 * _CLOSE)
        if step:
            found = float(steps_within(found, step))
        return found if found > low and beyond(found) <= 0 else low

    def _least_of_short(
        self, found: float, values: Callable[[Any], Any], extra_s: float, most_pls: float | None = None
    ) -> float:
        """The best interval of a short chain, in which a job more or less counts; ``found``: a long one's.

        ``most_pls``: of its own; then ``found`` is the longest that keeps it.
        """
        if math.isinf(found):
            return found

        def own(intervals: Any, points: int | None = None) -> Any:
            totals = []
            for one in intervals:
                parts, pls = self.summed(float(one), points)
                total = parts.total + extra_s * self.written(self.step(one).value)
                beyond = most_pls is not None and points is None and pls > most_pls
                totals.append(math.inf if beyond else total)
            return np.array(totals, dtype=float)

        room, save = self.reach
        step, most = self.job.job.step_s, min(room - self.job.save_s, self.job.job.work_s)
        number = np.arange(min(2 * int(self.regular(found)) + 3, _TRIED) + 1.0)
        even = (room - self.job.save_s * self.job.saves_before_limit - number * save) / (number + 1)
        tried = np.unique(
            np.concatenate([[found], even, even * (1 + 0.25 / (number + 1)), even * (1 + 0.5 / (number + 1))])
        )
        tried = np.minimum(tried, most if most_pls is None else found)
        if step is not None:
            tried = np.maximum(np.floor(tried / step * (1 + 1e-12)), 1) * step
        tried = np.unique(tried[tried > 0])
        tried = tried[np.isfinite(values(tried))]
        few = tried[np.argsort(own(tried, _COARSE), kind="stable")[:_FINE]]
        return _least(own, np.unique([found, *few]))


def _least(values: Callable[[Any], Any], intervals: Any) -> float:
    """The best of some intervals, of equals the longest; infinite where none is any good."""
    found = values(intervals)
    least = found.min(initial=math.inf)
    return float(intervals[found <= least * (1 + 1e-14)].max()) if math.isfinite(least) else math.inf


def _valleys(values: Any) -> Any:
    """Where the lowest few values lie that no neighbour is below."""
    found = np.flatnonzero(lowest(values) & np.isfinite(values))
    return found[np.argsort(values[found], kind="stable")[:_BEST]]
