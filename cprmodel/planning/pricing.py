"""A chosen strategy in numbers: what it costs, loses and writes, and whether it may be recommended. No words."""

from __future__ import annotations

import math

from cprmodel.costing import Choice, Cost, CostModel, kinds
from cprmodel.costing.models import lost_samples
from cprmodel.costing.terms import WITHIN
from cprmodel.facts.strategies import Strategy, loses_samples
from cprmodel.formulas import accuracy, loss
from cprmodel.formulas.overhead import effective_time_ratio
from cprmodel.jobs import Job
from cprmodel.planning.result import StrategyPlan, Verdict
from cprmodel.planning.upkeep import upkeep

__all__ = ["NEVER", "ends", "price", "verdict_of"]

#: When failures cost more than this many times the useful work, the job never ends.
NEVER = 1e9


def price(job: Job, model: CostModel, strategy: Strategy, choice: Choice | None = None) -> StrategyPlan:
    """What one strategy costs and loses."""
    cost = kinds.cost(job, model, strategy)
    total, step_s = float(cost.breakdown.total), job.job.step_s
    kept = upkeep(job, model.name, strategy, total, cost.written_per_s, cost.written_beside_per_s)
    return StrategyPlan(
        strategy=strategy,
        model=model.name,
        verdict=verdict_of(job, strategy, cost),
        set_by=choice.set_by if choice else "",
        interval_steps=_steps(strategy.interval_s, step_s),
        saves_every_steps=_steps(strategy.saves_every_s, step_s),
        breakdown=cost.breakdown,
        expected_pls=cost.pls,
        pls_standard_error=cost.pls_standard_error,
        pls_standard_deviation=_spread(job, strategy, cost),
        expected_metric_drop=_drop(job, strategy, cost.pls),
        expected_metric_drop_interval_90=_drop_interval(job, strategy, cost.pls),
        effective_time_ratio=float(effective_time_ratio.raw(total)),
        work_s=job.job.work_s,
        pls_budget=job.pls_budget_under(strategy.order, strategy.interval_s),
        shards_taken=job.failure_mix.taken,
        refused=cost.refused,
        planned_fraction=cost.planned,
        waiting_fraction=cost.waiting,
        fewer_nodes_fraction=cost.fewer,
        stragglers_fraction=cost.slow,
        steps=(*(choice.steps if choice else ()), *cost.steps),
        space_kept_bytes=kept.space_kept_bytes,
        write_bytes_per_month=kept.write_bytes_per_month,
        dollars_per_month=kept.dollars_per_month,
        dollars_to_train=kept.dollars_to_train,
    )


def _steps(every_s: float, step_s: float | None) -> int | None:
    """Steps in so much useful work, at least one; None where none is given."""
    return None if step_s is None else max(1, round(every_s / step_s))


def verdict_of(job: Job, strategy: Strategy, cost: Cost) -> Verdict:
    """Whether a strategy may be recommended."""
    if (loses_samples(strategy.recovery) and job.failure_mix.shard_share > 0) or cost.pls > 0:
        budget = job.pls_budget_under(strategy.order, strategy.interval_s)
        if budget is None:
            return Verdict.NO_BUDGET
        if cost.pls > budget * WITHIN:
            return Verdict.OVER_BUDGET
    return Verdict.REFUSED if cost.refused else Verdict.FEASIBLE


def ends(one: StrategyPlan) -> bool:
    """Whether the job comes to an end so; not so for NaN and infinity either."""
    return bool(one.overhead_fraction - one.breakdown.save < NEVER)


def _spread(job: Job, strategy: Strategy, cost: Cost) -> float:
    """Of one run's PLS; where the model does not say, as that of saves that block, or by CPR's recursion."""
    if cost.pls_standard_deviation is not None or not cost.pls > 0:
        return cost.pls_standard_deviation or 0.0
    mix, saving, work = job.failure_mix, strategy.saving, job.job.work_s
    if strategy.plain or strategy.pattern is not None:
        saves, checks = strategy.pattern or (1, 1)
        save_s = saving.save_s + (job.checkpoint.verify_s or 0.0) * (checks + 1) / 2 / saves
        shards = job.cluster.embedding_shards or 1
        found = lost_samples(work, strategy.interval_s, save_s, mix, shards, strategy.recovery)
        if found is not None and found[0].value > 0:
            return cost.pls * found[1] / float(found[0].value)
    alike = float(loss.cpr_2021_pls_spread.raw(work, mix.mtbf_s, mix.shard_share))
    return cost.pls * alike * math.sqrt(mix.taken_square) / mix.shards_per_failure


def _drop(job: Job, strategy: Strategy, pls: float) -> float | None:
    """The expected drop of the metric: of lost samples, and of quantised checkpoints."""
    slope = job.slope_under(strategy.order, strategy.interval_s)
    quantised = job.checkpoint.quantised_metric_drop or 0.0
    if slope is None:
        return quantised or None
    return float(accuracy.metric_drop.raw(pls, slope)) + quantised


def _drop_interval(job: Job, strategy: Strategy, pls: float) -> tuple[float, float] | None:
    """Its 90% interval under a fitted slope; that of an order is as unsure as that of all."""
    fitted = job.accuracy.model if job.accuracy else None
    if fitted is None or fitted.interval_90 is None:
        return None
    quantised = job.checkpoint.quantised_metric_drop or 0.0
    own = job.slope_under(strategy.order, strategy.interval_s) or fitted.metric_drop_per_pls
    pls = pls * own / fitted.metric_drop_per_pls
    low, high = (float(accuracy.metric_drop.raw(pls, limit)) + quantised for limit in fitted.interval_90)
    return low, high
