"""Jobs whose errors are silent until a check finds them: saves that block, each after a check.

What happens, and what it costs, is in :mod:`cprmodel.formulas.verified`. The cost has one valley over the interval;
the first-order interval tells the place, which is closed in on, in whole steps where a step is given. What shards
lose is counted as if check and save were one: nothing is safe before its end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from cprmodel.costing.blocking import Exact, terms_of
from cprmodel.costing.models import (
    BUDGET,
    OPTIMUM,
    WHOLE_JOB,
    Choice,
    Cost,
    Step,
    everybody_returns,
    loses_samples,
    recovery_arguments,
    use,
)
from cprmodel.costing.terms import WITHIN
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import Recovery, Strategy
from cprmodel.facts.units import format_share, format_time
from cprmodel.formulas.exact_loss import hits_of, lost_of
from cprmodel.formulas.verified import verified_interval, verified_overhead
from cprmodel.jobs import Job

__all__ = ["Verified"]

#: Intervals at once, and how often they are closed in on; how far from the first-order one they reach.
_POINTS, _ROUNDS, _REACH = 60, 5, 200.0
#: A job of fewer intervals than this is not long.
_SHORT = 10


@dataclass(frozen=True)
class _Checked:
    """A job with silent errors under a recovery, over intervals."""

    job: Job
    recovery: Recovery

    @property
    def _given(self) -> dict[str, Any]:
        silent, mix = self.job.failures.silent, self.job.failure_mix
        assert silent is not None
        return {
            "verify_s": self.job.checkpoint.verify_s,
            "save_s": self.job.save_s,
            "mtbf_s": mix.mtbf_s,
            "silent_mtbf_s": silent.mtbf_s,
        }

    def step(self, interval_s: Any) -> Step:
        """The overhead, as the formula that gives it."""
        recovery = recovery_arguments(self.job.failure_mix, self.recovery)
        return use(verified_overhead, interval_s=interval_s, **self._given, **recovery)

    def ideal(self) -> Step:
        """The best interval of a long job, to first order."""
        whole = 1.0 if everybody_returns(self.recovery) else self.job.failure_mix.whole_job_share
        return use(verified_interval, **self._given, whole_job_share=whole)

    def pls(self, interval_s: Any) -> Any:
        """Expected PLS of partial recovery."""
        if not loses_samples(self.recovery):
            return np.zeros_like(np.asarray(interval_s, dtype=float))
        losses = {**terms_of(self.job).losses, "save_s": self.job.save_s + (self.job.checkpoint.verify_s or 0.0)}
        with np.errstate(all="ignore"):
            return lost_of(hits_of(**losses), self.job.job.work_s, interval_s)

    def values(self, intervals: Any, extra_s: float, budget: float | None) -> Any:
        """What an interval is chosen by; infinite beyond a budget."""
        total = self.step(intervals).value.total + extra_s / intervals
        total = np.where(np.isfinite(total), total, np.inf)
        return total if budget is None else np.where(self.pls(intervals) <= budget * WITHIN, total, np.inf)

    def best(self, extra_s: float, budget: float | None) -> float:
        """The interval of least overhead within a budget; infinite where none keeps it."""
        work, step = self.job.job.work_s, self.job.job.step_s
        near = float(self.ideal().value)
        low, high = min(near / _REACH, work), min(near * _REACH, work)
        if step is not None:
            low, high = min(max(low, step), work), max(high, step)
        for _ in range(_ROUNDS):
            tried = np.geomspace(low, high, _POINTS)
            found = self.values(tried, extra_s, budget)
            if not np.isfinite(found).any():
                low, high = low / _REACH, low  # a budget that only shorter intervals keep
                continue
            at = int(np.argmin(found))
            low, high = tried[max(at - 1, 0)], tried[min(at + 1, _POINTS - 1)]
        if not np.isfinite(found).any():
            tried, at = np.array([step or low]), 0
        if step is not None:
            steps = step * np.maximum(np.floor(tried[at] / step) + np.arange(-2, 4), 1)
            tried = np.minimum(np.unique(steps), work)
        found = self.values(tried, extra_s, budget)
        return float(tried[int(np.argmin(found))]) if np.isfinite(found).any() else math.inf


@lru_cache(maxsize=256)
def _best(checked: _Checked, extra_s: float, budget: float | None) -> float:
    return checked.best(extra_s, budget)


@dataclass(frozen=True)
class Verified:
    """What a long job with silent errors costs, per unit of useful work (``[failures.silent]``).

    >>> Verified().name
    'verified'
    """

    name: str = "verified"
    extra_s: float = 0.0  #: what writing everything once costs besides its time, in seconds of the job

    def full_interval(self, job: Job) -> Choice:
        """The work between checks of least overhead."""
        return self._chosen(job, job.full_recovery, None)

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """The same with no more than so much expected PLS; JobError where no interval keeps it."""
        return self._chosen(job, job.partial_recovery, pls_budget)

    def _chosen(self, job: Job, recovery: Recovery, budget: float | None) -> Choice:
        checked = _Checked(job, recovery)
        every = _best(checked, self.extra_s, budget)
        if math.isinf(every):
            expected = "a budget that some interval keeps (failures during checks and saves alone take more)"
            raise JobError("job", [Problem("accuracy", "" if budget is None else f"{budget:.3g}", expected)])
        if every >= job.job.work_s * (1 - 1e-12):
            return Choice(every, WHOLE_JOB)
        longer = every + (job.job.step_s or 1e-4 * every)
        bounded = budget is not None and float(checked.pls(longer)) > budget * WITHIN
        if bounded and float(self._total(checked, longer)) < float(self._total(checked, every)):
            return Choice(every, BUDGET)
        return Choice(every, OPTIMUM, (checked.ideal(),))

    def _total(self, checked: _Checked, interval_s: float) -> Any:
        return checked.values(np.array([interval_s]), self.extra_s, None)[0]

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """Overhead and PLS at the strategy's interval."""
        if strategy.saving.fraction != 1:
            strategy = strategy.in_time
        checked, every = _Checked(job, strategy.recovery), strategy.interval_s
        step = checked.step(every)
        return Cost(step.value.in_floats(), float(checked.pls(every)), (step,), written_per_s=1 / every)

    def curve(self, job: Job, strategy: Strategy, intervals_s: Any) -> tuple[Any, Any]:
        """Overhead and PLS of a strategy at each of many intervals."""
        checked, every = _Checked(job, strategy.recovery), np.asarray(intervals_s, dtype=float)
        return checked.step(every).value.total, checked.pls(every)

    def remarks(self, job: Job, strategy: Strategy) -> list[str]:
        """What the errors cost, and how long one goes unseen."""
        silent, every = job.failures.silent, strategy.interval_s
        assert silent is not None
        here = float(self.cost(job, strategy).breakdown.total)
        free = job.model_copy(
            update={
                "failures": job.failures.model_copy(update={"silent": None}),
                "checkpoint": job.checkpoint.model_copy(update={"verify_s": None}),
            }
        )
        unseen = format_time(every / 2 + (job.checkpoint.verify_s or 0.0))
        notes = [
            f"a silent error goes unseen for {unseen} on average; every save is checked, so the last one is clean"
        ]
        try:
            full = everybody_returns(strategy.recovery)
            alone = Exact().full_interval(free) if full else Exact().partial_interval(free, free.pls_budget or 1.0)
        except JobError:
            return notes
        without = float(Exact().cost(free, replace(strategy, interval_s=alone.interval_s)).breakdown.total)
        notes.append(
            f"silent errors and their checks cost {format_share(here - without)}: without them the overhead is "
            f"{format_share(without)}, with a save every {format_time(alone.interval_s)}"
        )
        if job.job.work_s < _SHORT * every:
            notes.append(f"the job is only {job.job.work_s / every:.3g} intervals long, and this is a long one's")
        return notes
