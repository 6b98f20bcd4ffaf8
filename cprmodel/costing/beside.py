r"""What stops a job beside its failures and their recoveries: maintenance by the calendar, waiting for a repair.

Neither changes which interval is best, to the order of a save per stop: both lengthen all of the time alike. So
they come on top of any cost model, and with it of any storage and any order of saving.

Waiting: a failure sends a node to repair and takes a spare; where all spares are in repair the job waits, and
nothing fails meanwhile. Failures come at the job's rate whenever it does not wait, so waiting is Erlang's system
beside all else that the job does (:mod:`cprmodel.formulas.spares`), exactly. Planned stops are counted in the time
that this leaves: as many as come before the job's expected end. In a chain of jobs with a time limit each begins
a clock anew, and spares a part of a limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from cprmodel.costing.models import Choice, Cost, CostModel, Step, everybody_returns, one_by_one, use, with_extra
from cprmodel.facts.results import Breakdown
from cprmodel.facts.strategies import Strategy
from cprmodel.facts.units import count_of, format_share, format_time
from cprmodel.formulas.planned import chain_planned_overhead, planned_overhead
from cprmodel.formulas.spares import nodes_in_repair, waiting_overhead
from cprmodel.jobs import Job
from cprmodel.jobs.planned import about_dates, planned_calendar

__all__ = ["WithStops", "in_repair_of", "planned_stops"]


#: A job shorter than so many repairs is not long.
_SHORT = 20
#: More planned stops than this are not counted.
_MOST_STOPS = 10**6


def planned_stops(job: Job, elapsed_s: float, save_s: float) -> tuple[int, float]:
    """How many planned stops a job meets that would take so long without them, and their mean length [s].

    >>> planned_stops(Job.from_mapping({
    ...     "job": {"work": "30 d"}, "checkpoint": {"save": "1 min"},
    ...     "failures": {"mtbf": "1 d", "planned": [{"every": "7 d", "lasts": "4 h"}]},
    ... }), 31 * 86400.0, 60.0)
    (4, 14400.0)

    Those that overlap are one.
    """
    number, out, _ = _met(job, elapsed_s, save_s)
    return number, out / number if number else 0.0


def _met(job: Job, elapsed_s: float, save_s: float) -> tuple[int, float, float]:
    """How many planned stops, what they last in all, and when the job ends with them [s]."""
    number, out, until = 0, 0.0, elapsed_s
    for begins, ends in planned_calendar(job.failures.planned or (), job.job.start):
        if begins >= until or number >= _MOST_STOPS:
            break
        number, out = number + 1, out + ends - begins
        until += ends - begins + job.load_s + save_s / 2  # each stop makes room for more
    return number, out, until


def in_repair_of(job: Job) -> float:
    """Nodes in repair on average while the job does not wait."""
    return float(nodes_in_repair.raw(1, job.failure_mix.mtbf_s, job.repair_s or 0.0)) * job.repair_share


def _of_chain(job: Job, strategy: Strategy, overhead: float) -> dict[str, Any] | None:
    """What a planned stop meets of the time limits of a chain of jobs; None where there is no chain."""
    from cprmodel.costing.limited import fits_into_one

    if job.job.time_limit_s is None or fits_into_one(job, strategy.interval_s):
        return None
    return {
        "overhead": overhead,
        "limit_s": job.job.time_limit_s,
        "mtbf_s": job.failure_mix.mtbf_s,
        "requeue_s": job.job.requeue_s or 0.0,
        "unsaved_s": 0.0 if job.saves_before_limit else strategy.interval_s / 2,
        "whole_job_share": 1.0 if everybody_returns(strategy.recovery) else job.failure_mix.whole_job_share,
    }


def _waiting(job: Job, overhead: float, spares: int) -> Step:
    return use(waiting_overhead, overhead=overhead, spares=spares, in_repair=max(in_repair_of(job), 1e-300))


@dataclass(frozen=True)
class WithStops:
    """A cost model, for jobs that also stop for other things than their failures."""

    inner: CostModel
    extra_s: float = 0.0  #: what writing everything once costs besides its time, in seconds of the job

    @property
    def name(self) -> str:
        """That of the model inside."""
        return self.inner.name

    @property
    def _inner(self) -> CostModel:
        return with_extra(self.inner, self.extra_s)

    def full_interval(self, job: Job) -> Choice:
        """As the model inside has it."""
        return self._inner.full_interval(job)

    def partial_interval(self, job: Job, pls_budget: float) -> Choice:
        """As the model inside has it."""
        return self._inner.partial_interval(job, pls_budget)

    def cost(self, job: Job, strategy: Strategy) -> Cost:
        """The cost of the model inside, and of what stops the job besides."""
        return self._with_stops(job, strategy, self._inner.cost(job, strategy))

    def _with_stops(self, job: Job, strategy: Strategy, cost: Cost) -> Cost:
        parts, steps, waiting, planned = cost.breakdown, list(cost.steps), 0.0, 0.0
        written = cost.written_beside_per_s
        if not math.isfinite(parts.total):
            return cost
        if job.waits_for_repairs:
            step = _waiting(job, float(parts.total), job.cluster.spares or 0)
            waiting = float(step.value)
            parts = parts._replace(reschedule=parts.reschedule + waiting)
            steps.append(step)
        if job.failures.planned and math.isfinite(parts.total):
            work = job.job.work_s
            number, lasts = planned_stops(job, work * (1 + float(parts.total)), job.save_s)
            given: dict[str, Any] = {
                "planned": number,
                "outage_s": lasts,
                "save_s": job.save_s,
                "load_s": job.load_s,
            }
            chain = _of_chain(job, strategy, float(parts.total))
            formula = planned_overhead if chain is None else chain_planned_overhead
            step = use(formula, work_s=work, **given, **(chain or {}))
            planned = float(step.value.reschedule)
            parts = Breakdown(*(one + more for one, more in zip(parts, step.value, strict=True)))
            steps.append(step)
            a_save = 1.0 if cost.written_per_s is None else cost.written_per_s * strategy.saves_every_s
            more = float(step.value.save) / job.save_s if job.save_s > 0 else number / work / 2
            written += more * min(a_save, 1.0)
        return replace(
            cost,
            breakdown=parts,
            steps=tuple(steps),
            planned=planned,
            waiting=waiting,
            written_beside_per_s=written,
        )

    def curve(self, job: Job, strategy: Strategy, intervals_s: Any) -> tuple[Any, Any]:
        """Overhead and PLS of a strategy at each of many intervals."""
        return one_by_one(self, job, strategy, intervals_s)

    def remarks(self, job: Job, strategy: Strategy) -> list[str]:
        """What a reader of the figures should know; what one spare more or less would do."""
        said = getattr(self._inner, "remarks", None)
        notes = list(said(job, strategy)) if said is not None else []
        base = float(self._inner.cost(job, strategy).breakdown.total)
        if job.waits_for_repairs and math.isfinite(base):
            notes.append(_about_spares(job, base))
            repairs = job.job.work_s * (1 + base) / (job.repair_s or math.inf)
            if repairs < _SHORT:
                notes.append(
                    f"the job lasts only {repairs:.3g} repairs: this waiting is that of a long one, and one that "
                    "begins with all its nodes waits less (cprmodel simulate plays it)"
                )
        if job.failures.planned and math.isfinite(base):
            cost = self.cost(job, strategy)
            elapsed = job.job.work_s * (1 + base + cost.waiting)
            number, out, until = _met(job, elapsed, job.save_s)
            lasts = out / number if number else 0.0
            stops = count_of(number, "planned stop")
            each = f" of {format_time(lasts)}" if number else ""
            notes.append(f"{stops}{each} in its time, {format_share(cost.planned)} of the work")
            notes += about_dates(job.failures.planned, job.job.start, until)
        return notes


def _about_spares(job: Job, base: float) -> str:
    spares = job.cluster.spares or 0

    def waits(number: int) -> float:
        return float(_waiting(job, base, number).value)

    now, more = format_share(waits(spares)), format_share(waits(spares + 1))
    said = (
        f"{in_repair_of(job):.3g} nodes are in repair on average; with {count_of(spares, 'spare')} it waits for "
        f"one {now} of the work; one more would make that {more}"
    )
    return said if spares == 0 else f"{said}, one less {format_share(waits(spares - 1))}"
