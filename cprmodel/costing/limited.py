r"""Chains of jobs that a scheduler ends at a time limit: saves that block while everything is written.

What happens, and what it costs, is in :mod:`cprmodel.formulas.limits`: a job makes regular saves, and a last one
just before the limit where it knows of it. The regular saves are counted, and the best interval between them is
found, in :mod:`cprmodel.costing.limited_chains`.

A job whose work fits into one job, saves included, never sees its limit: it is the exact model's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cprmodel.costing.blocking import Exact
from cprmodel.costing.limited_chains import SHORT, Chains
from cprmodel.costing.models import BUDGET, OPTIMUM, WHOLE_JOB, Choice, Cost, one_by_one
from cprmodel.costing.saving import without_shards
from cprmodel.costing.terms import WITHIN
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import Recovery, Strategy, loses_samples
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.jobs import Job

__all__ = ["LIMIT", "TimeLimited", "counts_its_jobs", "fits_into_one"]

LIMIT = "the time limit"


def fits_into_one(job: Job, interval_s: float) -> bool:
    """Whether all of the work, with its saves, ends before the first limit.

    >>> from cprmodel import load_preset
    >>> preset = load_preset("cpr-dlrm")
    >>> limited = preset.model_copy(update={"job": preset.job.model_copy(update={"time_limit_s": 60 * 3600.0})})
    >>> fits_into_one(limited, 36000.0), fits_into_one(limited, 600.0)
    (True, False)
    """
    limit, work = job.job.time_limit_s, job.job.work_s
    saves = math.ceil(work / interval_s * (1 - 1e-12)) - 1
    return limit is None or work + saves * job.save_s <= limit


def counts_its_jobs(job: Job, strategy: Strategy) -> bool:
    """Whether the chain is so short that it is counted to its end, not taken for one without end."""
    return fits_into_one(job, strategy.interval_s) or (
        Chains(job, strategy.recovery).jobs(strategy.interval_s) < SHORT
    )


@lru_cache(maxsize=256)
def _best_of_full(job: Job, extra_s: float) -> float:
    return Chains(job, job.full_recovery).best(extra_s, None)


@dataclass(frozen=True)
class TimeLimited:
    """What a long chain of jobs costs that each end at a time limit (``[job] time_limit``), per useful second.

    >>> TimeLimited().name
    'time-limited'
    """

    name: str = "time-limited"
    extra_s: float = 0.0  #: what writing everything once costs besides its time, in seconds of the job

    def full_interval(self, job: Job) -> Choice:
        """The best interval between saves; with the last save, all pieces of a job are nearly alike."""
        if fits_into_one(job, job.job.work_s):
            alone = Exact(extra_s=self.extra_s).full_interval(job)
            if fits_into_one(job, alone.interval_s):
                return alone
        return self._chosen(job, job.full_recovery, None)

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """The same with no more than so much expected PLS; JobError where no interval keeps it."""
        if fits_into_one(job, job.job.work_s):
            alone = Exact(extra_s=self.extra_s).partial_interval(job, pls_budget)
            if fits_into_one(job, alone.interval_s):
                return alone
        return self._chosen(job, job.partial_recovery, pls_budget)

    def _chosen(self, job: Job, recovery: Recovery, budget: float | None) -> Choice:
        chains = Chains(job, recovery)
        if budget is None:
            every = _best_of_full(without_shards(job), self.extra_s)
        else:
            every = chains.best(self.extra_s, budget)
        if math.isinf(every) and budget is None:
            expected = "a limit that leaves room for work and a save (stops and loads take all of it)"
            raise JobError("job", [Problem("job.time_limit", format_time(job.job.time_limit_s or 0.0), expected)])
        if math.isinf(every):
            least = float(chains.pls(job.job.step_s or 1e-6 * (job.job.time_limit_s or 1.0)))
            expected = f"a budget of more than {least:.3g} of the samples (PLS), which the shortest interval loses"
            raise JobError("job", [Problem("accuracy", f"{budget:.3g}", expected)])
        if every >= job.job.work_s * (1 - 1e-12):
            return Choice(every, WHOLE_JOB)
        if budget is not None and self._bounded(job, chains, every, budget):
            return Choice(every, BUDGET)
        alone = job.saves_before_limit and float(chains.regular(every)) == 0
        return Choice(every, LIMIT if alone else OPTIMUM)

    def _bounded(self, job: Job, chains: Chains, every: float, budget: float) -> bool:
        """Whether a longer interval would cost less, a little so or in a short chain any, but for the budget."""
        if chains.jobs(every) < SHORT:
            return chains.summed(chains.best_free(self.extra_s)).pls > budget * WITHIN
        longer = every + (job.job.step_s or 1e-6 * every)
        here, there = (float(chains.step(one).value.total) for one in (every, longer))
        return there < here and float(chains.pls(longer)) > budget * WITHIN

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """Overhead and PLS at the strategy's interval."""
        if strategy.saving.fraction != 1:
            strategy = strategy.in_time
        if fits_into_one(job, strategy.interval_s):
            return Exact().cost(job, strategy)
        chains = Chains(job, strategy.recovery)
        if chains.reach[0] < chains.reach[1]:
            nothing = Breakdown(0.0, 0.0, math.inf, 0.0)
            return Cost(nothing, 0.0, refused="its stops take so much of the time limit that nothing can be saved")
        step = chains.step(strategy.interval_s)
        parts, lost = step.value.in_floats(), 0.0
        if math.isfinite(parts.total):
            parts, lost = chains.summed(strategy.interval_s)
        elif loses_samples(strategy.recovery):
            lost = float(chains.pls(strategy.interval_s))
        refused = ""
        if not math.isfinite(parts.total):
            refused = (
                f"with an interval of {format_time(strategy.interval_s)} no job completes a save before its limit"
            )
        return Cost(parts, lost, (step,), written_per_s=float(chains.written(parts)), refused=refused)

    def curve(self, job: Job, strategy: Strategy, intervals_s: Any) -> tuple[Any, Any]:
        """Overhead and PLS of a strategy at each of many intervals."""
        return one_by_one(self, job, strategy, intervals_s)

    def remarks(self, job: Job, strategy: Strategy) -> list[str]:
        """How a job of the chain goes; :mod:`cprmodel.costing.against` says what the limit costs."""
        limit = format_time(job.job.time_limit_s or 0.0)
        if fits_into_one(job, strategy.interval_s):
            return [f"all of the work fits into one job: its time limit of {limit} is never reached"]
        chains = Chains(job, strategy.recovery)
        notes = [_about_jobs(job, chains, strategy.interval_s, limit)]
        if counts_its_jobs(job, strategy):
            many = chains.jobs(strategy.interval_s)
            long = format_share(float(chains.step(strategy.interval_s).value.total))
            notes.append(
                f"the work takes {many:.3g} such jobs: its requeues are counted to its end; a long chain's "
                f"overhead would be {long}"
            )
        return notes


def _about_jobs(job: Job, chains: Chains, interval_s: float, limit: str) -> str:
    saves = int(chains.regular(interval_s))
    if not job.saves_before_limit:
        return f"a job of {limit} completes {saves} to {count_of(saves + 1, 'save')}, and what follows is lost"
    last = format_time(float(chains.last_s(interval_s)))
    return f"a job of {limit} makes {count_of(saves, 'save')}, and a last one {last} of work later, at its limit"
