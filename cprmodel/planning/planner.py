"""From a job to strategies side by side and a recommendation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from cprmodel.costing import loses_samples, model_for, saving_of, strategy_of
from cprmodel.costing.models import BUDGET, WHOLE_JOB, Choice, CostModel
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import PrioritySave, Recovery, Strategy
from cprmodel.facts.units import count_of, format_time
from cprmodel.formulas import accuracy, loss
from cprmodel.formulas.overhead import effective_time_ratio
from cprmodel.jobs import FailureModel, Job
from cprmodel.ordering import ORDERS
from cprmodel.planning import advice
from cprmodel.planning.priority import cost_in_order, in_order
from cprmodel.planning.result import Plan, StrategyPlan
from cprmodel.planning.uncertainty import Robust, about_fit, robust_choice, uncertainty_of, with_intervals
from cprmodel.planning.upkeep import cheapest_choice, price_per_s, save_price, upkeep

__all__ = ["MINIMISED", "best_of", "plan", "price", "strategies_and_notes"]

#: What a plan can make least.
MINIMISED = ("overhead", "dollars")

#: Overheads closer than this (relative) are equal; the strategy listed first is taken.
TIE = 1e-14

#: When failures cost more than this many times the useful work, the job never ends.
NEVER = 1e9


def plan(job: Job, model: CostModel | None = None, robust: bool = False, minimise: str = "overhead") -> Plan:
    """Price the strategies for a job and recommend the one with the least overhead that keeps the budget.

    Parameters
    ----------
    job : what is trained, how it fails, what saving costs (see :class:`~cprmodel.Job`)
    model : :class:`~cprmodel.FirstOrder`, :class:`~cprmodel.Exact` or :class:`~cprmodel.SteadyState`; by default
        the first, but the last for storage that only it knows
    robust : choose intervals, and between strategies, by their expected overhead over what the failures seen leave
        open of the MTBF; for a job whose failures are a fit or a trace
    minimise : ``"overhead"``, or ``"dollars"``: choose intervals, and between strategies, by what the job costs in
        money; for a job with prices (``[cost]``)

    Returns
    -------
    A frozen :class:`~cprmodel.Plan`.

    Raises
    ------
    JobError
        when no strategy can finish the job, with ``robust`` where nothing says how sure the MTBF is, or with
        ``minimise="dollars"`` where nothing is priced.

    Examples
    --------
    >>> from cprmodel import Job, plan
    >>> job = Job.from_mapping({
    ...     "job": {"work": "56 h"},
    ...     "cluster": {"embedding_shards": 8},
    ...     "failures": {"mtbf": "28 h"},
    ...     "checkpoint": {"save": "4 min", "load": "4 min", "reschedule": "10 min"},
    ...     "accuracy": {"pls_budget": 0.1},
    ... })
    >>> answer = plan(job)
    >>> answer.recommended, round(answer["partial"].interval_s / 3600, 3)
    ('partial', 44.8)
    """
    if not isinstance(job, Job):
        raise TypeError(f"plan: job = {job!r}: expected a cprmodel.Job")
    if model is not None and (isinstance(model, type) or not hasattr(model, "partial_interval")):
        raise TypeError(f"plan: model = {model!r}: expected a cost model, such as cprmodel.Exact()")
    model = model_for(job, model)
    fit = job.failures.fit_of_job
    if robust and fit is None:
        expected = "a trace or a fit of one, which say how sure the MTBF is, for a robust plan"
        raise JobError("job", [Problem("failures", "", expected)])
    _check_minimise(job, robust, minimise)
    chosen: dict[str, Choice] = {}
    found: tuple[Robust, ...] | None = None
    if robust and fit is not None:
        chosen, found = _robust(job, model, fit)
    strategies, notes = strategies_and_notes(job, model, chosen, minimise)
    if fit is not None:
        choosers = _choosers(job, model, minimise)
        strategies = [with_intervals(one, job, model, fit, choosers.get(one.name)) for one in strategies]
        notes += about_fit(fit)
    best = best_of(strategies, notes, "expected" if robust else minimise)
    today = next((one for one in strategies if one.name == "current"), None)
    step_warnings = [f"{one.name}: {w}" for one in strategies for step in one.steps for w in step.warnings]
    bare = Plan(
        job=job,
        model=model,
        strategies=tuple(strategies),
        recommended=best.name,
        sentence="",
        what_would_change_it=(),
        warnings=tuple(dict.fromkeys([*job.assumptions(), *notes, *step_warnings])),
        hours_saved_per_month=advice.hours_saved_per_month(best, today) if today else None,
        minimised=minimise,
        dollars_saved_per_month=advice.dollars_saved_per_month(best, today) if today else None,
    )
    if fit is not None:
        recovery = best.strategy.recovery.name
        sure = uncertainty_of(job, fit, lambda one: advice.partial_wins(one, model, strategies_of), recovery)
        bare = replace(bare, uncertainty=replace(sure, robust=found))
    return replace(
        bare,
        sentence=advice.recommendation(bare, today),
        what_would_change_it=tuple(advice.what_would_change(bare, strategies_of, price, _in_order)),
    )


def _check_minimise(job: Job, robust: bool, minimise: str) -> None:
    if minimise not in MINIMISED:
        raise ValueError(f"plan: minimise = {minimise!r}: expected one of {', '.join(MINIMISED)}")
    if minimise == "overhead":
        return
    if job.cost is None:
        raise JobError("job", [Problem("cost", "", "a table of prices, for a plan that minimises dollars")])
    if robust:
        expected = "overhead to be minimised: robust intervals are of least expected overhead"
        raise JobError("job", [Problem("robust", "", expected)])


#: What ranks the strategies, by name.
_RANKS: dict[str, Callable[[StrategyPlan], float | None]] = {
    "overhead": lambda one: one.overhead_fraction,
    "expected": lambda one: one.expected_overhead_fraction,
    "dollars": lambda one: one.dollars_to_train,
}


def best_of(strategies: Sequence[StrategyPlan], notes: Sequence[str] = (), rank: str = "overhead") -> StrategyPlan:
    """The feasible strategy with the least overhead (expected overhead, dollars); of equals the first.

    Raises JobError where none is feasible.
    """
    feasible = [one for one in strategies if one.feasible]
    if not feasible:
        reason = "; ".join(f"{one.name}: {one.reason}" for one in strategies) or "; ".join(notes)
        raise JobError("job", [Problem("", "", f"a job that some strategy can finish ({reason})")])
    given = [_RANKS[rank](one) for one in feasible]
    ranks = [math.inf if one is None else one for one in given]
    if math.isinf(min(ranks)):
        ranks = [one.overhead_fraction for one in feasible]
    return next(one for one, value in zip(feasible, ranks, strict=True) if value <= min(ranks) * (1 + TIE))


def strategies_and_notes(
    job: Job,
    model: CostModel,
    chosen: Mapping[str, Choice] = MappingProxyType({}),
    minimise: str = "overhead",
) -> tuple[list[StrategyPlan], list[str]]:
    """All strategies of a plan, those that save some rows first included, priced; and notes on them."""
    extra_s = 0.0
    if minimise == "dollars":
        choosers = _choosers(job, model, minimise)
        chosen = {name: choosers[name](job) for name in ("full", "partial") if name in choosers}
        extra_s = save_price(job) / price_per_s(job)
    strategies, notes = strategies_of(job, model, chosen)
    more, about = _in_order(job, model, extra_s=extra_s)
    return strategies + more, notes + about


def _choosers(job: Job, model: CostModel, minimise: str = "overhead") -> dict[str, Callable[[Job], Choice]]:
    """What chooses the interval of each strategy that has one chosen."""
    budget, dollars = job.pls_budget, minimise == "dollars"

    def full(one: Job) -> Choice:
        return cheapest_choice(one, model, one.full_recovery) if dollars else model.full_interval(one)

    choosers: dict[str, Callable[[Job], Choice]] = {"full": full, "partial-at-full-interval": full}
    if budget is not None and job.cluster.embedding_shards is not None:

        def partial(one: Job) -> Choice:
            if dollars:
                return cheapest_choice(one, model, one.partial_recovery, budget)
            return model.partial_interval(one, budget)

        choosers["partial"] = partial
    return choosers


def _robust(job: Job, model: CostModel, fit: FailureModel) -> tuple[dict[str, Choice], tuple[Robust, ...]]:
    """The robust interval of each recovery, and how it compares with the plain one."""
    chosen, found = {}, []
    choosers = _choosers(job, model)
    recoveries: list[Recovery] = [job.full_recovery]
    if "partial" in choosers:
        recoveries.append(job.partial_recovery)
    for recovery in recoveries:
        try:
            choice, compared = robust_choice(job, model, fit, recovery, choosers[recovery.name])
        except JobError:  # no interval keeps the budget; the strategies say so
            continue
        chosen[recovery.name] = choice
        found.append(compared)
    return chosen, tuple(found)


def strategies_of(
    job: Job, model: CostModel, chosen: Mapping[str, Choice] = MappingProxyType({})
) -> tuple[list[StrategyPlan], list[str]]:
    """The priced strategies, and notes on those left out or capped; ``chosen`` intervals stand by recovery."""
    full, partial = job.full_recovery, job.partial_recovery
    budget = job.pls_budget
    at_optimum = chosen.get("full") or model.full_interval(job)
    wanted: list[tuple[str, Recovery, Choice]] = [("full", full, at_optimum)]
    notes = []
    if job.cluster.embedding_shards is None:
        notes.append("cluster.embedding_shards isn't given: partial recovery is not considered")
    else:
        wanted.append(("partial-at-full-interval", partial, at_optimum))
        if budget is None:
            notes.append("no [accuracy] budget is given: partial recovery cannot be recommended without one")
        else:
            notes += _about_fitted(job)
            try:
                within = chosen.get("partial") or model.partial_interval(job, budget)
            except JobError as error:
                notes.append(f"partial: left out: {error.problems[0]}")
            else:
                wanted.append(("partial", partial, within))
    if job.job.current_interval_s is not None:
        recovery: Recovery = partial if job.job.current_recovery == "partial" else full
        today, said = _today(job)
        notes += [*said, *_about_today(job)]
        wanted.append(("current", recovery, today))
    if job.access is not None and (budget is None or job.cluster.embedding_shards is None):
        notes.append("[access] is not used for ordered saves: they need embedding_shards and an [accuracy] budget")
    if job.access is not None and not job.plain:
        words = job.checkpoint.storage_words() or "storage"
        notes.append(f"saves in an order of the rows are left out: beside {words} they are not modelled")
    if job.scaling is not None and job.scaling.repair_s is not None:
        notes.append("waiting for a repair, and spares, are not part of these overheads (cprmodel sweep says more)")
    strategies = [(strategy_of(job, name, recovery, one), one) for name, recovery, one in wanted]
    priced, more = _priced(job, model, strategies)
    return priced, notes + more


def _in_order(
    job: Job, model: CostModel, orders: Sequence[str] = ORDERS, extra_s: float = 0.0
) -> tuple[list[StrategyPlan], list[str]]:
    """Partial recovery whose saves take some rows before others."""
    return _priced(job, model, in_order(job, model, orders, extra_s))


def _priced(
    job: Job, model: CostModel, strategies: Iterable[tuple[Strategy, Choice]]
) -> tuple[list[StrategyPlan], list[str]]:
    """Strategies that end with their cost; notes on them and on those left out."""
    priced, notes = [], []
    for strategy, choice in strategies:
        name = strategy.name
        one = price(job, model, strategy, choice)
        if one.overhead_fraction - one.breakdown.save < NEVER:  # not so for NaN and infinity either
            priced.append(one)
            if name != "partial-at-full-interval":  # whose saves are those of full, as is said there
                notes += [f"{name}: {note}" for note in (*choice.notes, *one.notes)]
            if choice.set_by == WHOLE_JOB:
                notes.append(
                    f"{name}: the interval reaches the end of the job, so no save is needed"
                    + (" (the first-order overhead charges one)" if model.name == "first-order" else "")
                )
        else:
            reason = next(iter(one.notes), f"at an interval of {format_time(choice.interval_s)} it never ends")
            notes.append(f"{name}: left out, for {reason}")
    return priced, notes


def _today(job: Job) -> tuple[Choice, list[str]]:
    """What is done today, in whole steps, and no longer than the job."""
    assert job.job.current_interval_s is not None
    every, step_s, work_s = job.job.current_interval_s, job.job.step_s, job.job.work_s
    notes = []
    if every > work_s:
        notes.append("job.current_interval is longer than the job: planned as no save at all")
        every = work_s
    elif step_s is not None:
        steps = max(1, round(every / step_s))
        if abs(steps * step_s / every - 1) > 0.01:
            notes.append(
                f"job.current_interval, {format_time(every)}, is not a whole number of steps: planned as "
                f"{count_of(steps, 'step')}"
            )
        every = min(steps * step_s, work_s)
    return Choice(every, "what is done today", saving=saving_of(job)), notes


def _about_today(job: Job) -> list[str]:
    """What the file does not say of today's saves."""
    levels = job.checkpoint.level or ()
    if all(one.every is not None for one in levels[1:]):
        return []
    return ["current: every isn't given for each level: today's saves are taken to go to the higher one, each time"]


def _about_fitted(job: Job) -> list[str]:
    """What a fitted slope leaves open, whatever the strategy."""
    fitted = job.accuracy.model if job.accuracy else None
    if fitted is None:
        return []
    notes = []
    if fitted.interval_90 is None:
        notes.append("accuracy.model has no interval: its record has too few seeds to tell how sure the slope is")
    elif fitted.interval_90[0] <= 0:
        notes.append("accuracy.model: the slope's 90% interval contains 0, so a budget in the metric means little")
    if fitted.linear_to_pls is None:
        notes.append("accuracy.model: its record cannot tell up to which PLS the drop follows a line")
    return notes


def price(job: Job, model: CostModel, strategy: Strategy, choice: Choice | None = None) -> StrategyPlan:
    """What one strategy costs and loses."""
    cost, error = model.cost(job, strategy), None
    if isinstance(strategy.saving, PrioritySave):
        cost, error = cost_in_order(job, model, strategy, cost)
    budget = job.pls_budget
    feasible, reason = True, f"interval set by {choice.set_by}" if choice else ""
    if loses_samples(strategy.recovery) and (job.failure_mix.shard_share > 0 or cost.pls > 0):
        if budget is None:
            feasible, reason = False, "it loses samples, and no accuracy budget is given"
        elif cost.pls > budget * (1 + 1e-9):
            feasible, reason = False, f"expected PLS {cost.pls:.3g} is above the budget {budget:.3g}"
        elif choice and choice.set_by == BUDGET:
            reason = f"interval set by the accuracy budget (PLS {budget:.3g})"
    if feasible and cost.refused:
        feasible, reason = False, cost.refused
    spread = cost.pls_standard_deviation or 0.0
    if cost.pls > 0 and cost.pls_standard_deviation is None:
        share = job.failure_mix.shard_share
        spread = cost.pls * float(loss.cpr_2021_pls_spread.raw(job.job.work_s, job.failure_mix.mtbf_s, share))
    slope = job.accuracy.slope if job.accuracy else None
    drops, drop_notes = _fitted_drop(job, cost.pls)
    kept = upkeep(job, model.name, strategy, float(cost.breakdown.total), cost.written_per_s)
    step_s = job.job.step_s
    return StrategyPlan(
        strategy=strategy,
        model=model.name,
        feasible=feasible,
        reason=reason,
        interval_steps=None if step_s is None else max(1, round(strategy.interval_s / step_s)),
        pls_standard_error=error,
        breakdown=cost.breakdown,
        expected_pls=cost.pls,
        pls_standard_deviation=spread,
        expected_metric_drop=_drop(job, slope, cost.pls),
        expected_metric_drop_interval_90=drops,
        effective_time_ratio=float(effective_time_ratio.raw(cost.breakdown.total)),
        work_s=job.job.work_s,
        steps=(*(choice.steps if choice else ()), *cost.steps),
        notes=(*cost.notes, *drop_notes),
        space_kept_bytes=kept.space_kept_bytes,
        write_bytes_per_month=kept.write_bytes_per_month,
        dollars_per_month=kept.dollars_per_month,
        dollars_to_train=kept.dollars_to_train,
    )


def _drop(job: Job, slope: float | None, pls: float) -> float | None:
    """The expected drop of the metric: of lost samples, and of quantised checkpoints."""
    quantised = job.checkpoint.quantised_metric_drop or 0.0
    if slope is None:
        return quantised or None
    return float(accuracy.metric_drop.raw(pls, slope)) + quantised


def _fitted_drop(job: Job, pls: float) -> tuple[tuple[float, float] | None, list[str]]:
    """The 90% interval of the expected drop under a fitted slope, and what the fit does not bear out."""
    fitted = job.accuracy.model if job.accuracy else None
    if job.accuracy is None or fitted is None:
        return None, []
    notes = []
    reach, most = fitted.linear_to_pls, job.accuracy.max_metric_drop
    if reach is not None and pls > reach * (1 + 1e-9):
        notes.append(
            f"expected PLS {pls:.3g} lies beyond {reach:.3g}, up to which accuracy.model is known to hold within "
            "10%: the drop is an extrapolation"
        )
    if fitted.interval_90 is None:
        return None, notes
    quantised = job.checkpoint.quantised_metric_drop or 0.0
    low, high = (float(accuracy.metric_drop.raw(pls, limit)) + quantised for limit in fitted.interval_90)
    if most is not None and high > most * (1 + 1e-9):
        notes.append(
            f"the expected drop may be up to {high:.2g}, above max_metric_drop {most:.3g}, within the 90% interval "
            "of accuracy.model's slope"
        )
    return (low, high), notes
