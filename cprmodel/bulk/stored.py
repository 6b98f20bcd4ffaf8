"""Plans of many jobs whose storage is as it is: the long run of all of them at once.

The decision is that of :func:`cprmodel.planning.planner.plan`, strategy by strategy, through the same search and
the same recursion; tests hold each job to it, to the last digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.costing import CostModel, SteadyState, kinds
from cprmodel.costing.columns import rows_of, side_by_side
from cprmodel.costing.given import chosen
from cprmodel.costing.many import Jobs, Priced
from cprmodel.costing.saving import as_stored, saving_of
from cprmodel.costing.setting import Limits, Setting
from cprmodel.costing.steady import at_once
from cprmodel.costing.terms import WITHIN
from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import loses_samples
from cprmodel.formulas import accuracy
from cprmodel.formulas.overhead import effective_time_ratio
from cprmodel.jobs import Job
from cprmodel.planning.candidates import Candidate, candidates
from cprmodel.planning.pricing import NEVER
from cprmodel.planning.ranking import AS_MUCH, TIE
from cprmodel.planning.upkeep import Prices, with_prices

__all__ = ["Answers", "answers"]

#: Jobs that are computed together: enough that what is done once for them does not count, few enough for the cache.
_TOGETHER = 128


@dataclass(frozen=True)
class Answers:
    """What is recommended to some of the jobs; columns as :func:`~cprmodel.plan_many` has them."""

    rows: Any  #: numbers of the jobs that are answered
    names: list[str]
    recoveries: list[str]
    numbers: Mapping[str, Any]


@dataclass(frozen=True)
class _Numbers:
    """What planning asks of a job besides how it saves."""

    work_s: Any
    shard_share: Any
    budget: Any
    slope: Any
    quantised: Any
    prices: Prices


@dataclass(frozen=True)
class _Case:
    """A job with its strategies."""

    row: int
    numbers: _Numbers
    found: tuple[Candidate, ...]
    ways: tuple[tuple[Setting, StoredSave, Limits], ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        """What must be alike in jobs that are computed together."""
        saving, of = self.ways[0][1], self.ways[0][0]
        mix, numbers, prices = of.mix, self.numbers, self.numbers.prices
        return (
            tuple((one.name, type(one.recovery)) for one in self.found),
            (len(saving.levels), saving.dirty, saving.drain_s > 0, saving.overlap > 0, of.step_s > 0),
            (mix.shard_share > 0, mix.trainer_share > 0, mix.whole_job_share > 0, len(mix.sorts)),
            tuple(one is None for one in (numbers.budget, numbers.slope, prices.size_bytes, prices.per_s)),
        )


def _case(row: int, job: Job, model: CostModel, minimise: str) -> _Case | None:
    """None where jobs must be planned one by one: levels to choose, warnings, shared storage, other savings."""
    if type(model) is not SteadyState or not at_once(job):
        return None
    if any(kind.candidates(job)[0] for kind in kinds.registered()):
        return None
    saving = as_stored(saving_of(job), job.partial_recovery)
    if minimise == "dollars":
        model = with_prices(job, model)
        assert isinstance(model, SteadyState)
    mix, steps = job.failure_mix, job.job.step_s or 0.0
    found = tuple(candidates(job, registered=False)[0])
    ways = []
    for one in found:
        budget = job.pls_budget if one.within_budget and mix.shard_share > 0 else None
        setting = Setting(job.job.work_s, steps, mix, job.cluster.embedding_shards or 1, one.recovery)
        stored = saving if one.given_s is None else as_stored(one.saving, one.recovery)
        ways.append((setting, stored, Limits(budget, model.extra_s)))
    slope = job.accuracy.slope if job.accuracy else None
    quantised = job.checkpoint.quantised_metric_drop or 0.0
    numbers = _Numbers(job.job.work_s, mix.shard_share, job.pls_budget, slope, quantised, Prices.of(job))
    return _Case(row, numbers, found, tuple(ways))


def answers(jobs: Sequence[tuple[int, Job, CostModel]], minimise: str) -> list[Answers]:
    """Answers to as many jobs, by their numbers, as can be planned at once and have a strategy to recommend."""
    groups: dict[tuple[Any, ...], list[_Case]] = {}
    for row, job, model in jobs:
        case = _case(row, job, model, minimise)
        if case is not None:
            groups.setdefault(case.shape, []).append(case)
    return [
        _answered(cases[at : at + _TOGETHER], minimise)
        for cases in groups.values()
        for at in range(0, len(cases), _TOGETHER)
    ]


def _answered(cases: Sequence[_Case], minimise: str) -> Answers:
    with np.errstate(all="ignore"):
        numbers = side_by_side([case.numbers for case in cases])
        found = cases[0].found
        intervals, priced, known = _strategies(cases)
        feasible = [_feasible(numbers, one, each) for one, each in zip(found, priced, strict=True)]
        totals = [each.breakdown.total for each in priced]
        kept = [
            numbers.prices.upkeep(numbers.work_s, each.breakdown.total, each.writes * numbers.work_s)
            for each in priced
        ]
        ranks = totals if minimise == "overhead" else [one.dollars_to_train for one in kept]
        best, some = _best(feasible, ranks, totals, [each.pls for each in priced])
        answered = np.flatnonzero((known & some)[:, 0])
        best = best[answered, 0]

        def of_best(columns: Sequence[Any]) -> Any:
            return np.hstack(columns)[answered, best]

        total, pls = of_best(totals), of_best([each.pls for each in priced])
        picked = rows_of(numbers, answered)
        columns = {"interval_s": of_best(intervals), "overhead_fraction": total}
        for part in ("save", "load", "lost", "reschedule"):
            columns[f"overhead_{part}"] = of_best([getattr(each.breakdown, part) for each in priced])
        columns["effective_time_ratio"] = effective_time_ratio.raw(total)
        columns["expected_pls"] = pls
        columns["expected_metric_drop"] = _drop(picked, pls)
        columns["time_to_train_s"] = picked.work_s[:, 0] * (1 + total)
        for name in ("space_kept_bytes", "write_bytes_per_month", "dollars_per_month", "dollars_to_train"):
            values = [getattr(one, name) for one in kept]
            if values[0] is not None:
                columns[name] = of_best(values)
        if found[-1].given_s is not None:
            ended = _ends(priced[-1])[answered, 0]
            columns["current_overhead_fraction"] = np.where(ended, totals[-1][answered, 0], np.nan)
            columns["current_expected_pls"] = np.where(ended, priced[-1].pls[answered, 0], np.nan)
    names, recoveries = [one.name for one in found], [one.recovery.name for one in found]
    rows = np.array([cases[at].row for at in answered.tolist()], dtype=np.intp)
    return Answers(rows, [names[at] for at in best], [recoveries[at] for at in best], columns)


def _strategies(cases: Sequence[_Case]) -> tuple[list[Any], list[Priced], Any]:
    """Interval and cost of each strategy, a column each, and whether each has an interval."""
    found = cases[0].found
    intervals: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    known, priced = np.ones((len(cases), 1), dtype=bool), []
    for at, one in enumerate(found):
        jobs = Jobs.of([case.ways[at] for case in cases])
        if one.given_s is not None:
            intervals[one.name] = np.array([[case.found[at].given_s] for case in cases])
            counts[one.name] = jobs.saving.counts
        elif one.like:
            intervals[one.name], counts[one.name] = intervals[one.like], counts[one.like]
        else:
            choice = chosen(jobs)
            intervals[one.name], counts[one.name] = choice.interval_s, choice.counts
            known &= choice.bounded
        priced.append(jobs.priced(intervals[one.name], counts[one.name]))
    return list(intervals.values()), priced, known


def _ends(one: Priced) -> Any:
    return one.breakdown.total - one.breakdown.save < NEVER


def _feasible(numbers: _Numbers, one: Candidate, priced: Priced) -> Any:
    """As :func:`cprmodel.planning.pricing.verdict_of`."""
    found = priced.drains & _ends(priced)
    if not loses_samples(one.recovery):
        return found
    loses = (numbers.shard_share > 0) | (priced.pls > 0)
    return found & ~loses if numbers.budget is None else found & ~(loses & (priced.pls > numbers.budget * WITHIN))


def _best(
    feasible: Sequence[Any], ranks: Sequence[Any], totals: Sequence[Any], losses: Sequence[Any]
) -> tuple[Any, Any]:
    """As :func:`cprmodel.planning.ranking.best_of`: the number of the best strategy, and whether there is one."""
    may, by, total, lost = (np.hstack(columns) for columns in (feasible, ranks, totals, losses))
    least = np.where(may, by, np.inf).min(axis=1, keepdims=True)
    by = np.where(np.isinf(least), total, by)
    least = np.where(may, by, np.inf).min(axis=1, keepdims=True)
    lost = np.where(may & (by <= least * (1 + TIE)), lost, np.inf)
    least = lost.min(axis=1, keepdims=True)
    return np.argmax(lost <= least * (1 + AS_MUCH), axis=1, keepdims=True), may.any(axis=1, keepdims=True)


def _drop(numbers: _Numbers, pls: Any) -> Any:
    """The expected drop of the metric: of lost samples, and of quantised checkpoints."""
    quantised = numbers.quantised[:, 0]
    if numbers.slope is None:
        return np.where(quantised > 0, quantised, np.nan)
    return accuracy.metric_drop.raw(pls, numbers.slope[:, 0]) + quantised
