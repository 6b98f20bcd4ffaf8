"""The recommendation in words, and what would change it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cprmodel.facts.storage import StoredSave
from cprmodel.facts.strategies import PartialRecovery
from cprmodel.facts.units import count_of, format_money, format_share, format_time
from cprmodel.jobs import HOURS_PER_MONTH, Job

if TYPE_CHECKING:
    from cprmodel.costing.models import CostModel
    from cprmodel.planning.result import Plan, StrategyPlan

    Strategies = Callable[[Job, CostModel], tuple[list[StrategyPlan], list[str]]]
    Price = Callable[..., StrategyPlan]
    InOrder = Callable[[Job, CostModel, Sequence[str]], tuple[list[StrategyPlan], list[str]]]

__all__ = [
    "FIRST",
    "dollars_saved_per_month",
    "hours_saved_per_month",
    "partial_wins",
    "recommendation",
    "what_would_change",
]


def hours_saved_per_month(best: StrategyPlan, today: StrategyPlan) -> float:
    """Hours of a month of training that the change gives back for the same useful work.

    A month at today's overhead o does 730/(1 + o) hours of useful work; with the recommended overhead the
    same work takes (1 + o_best) times that.
    """
    now = 1 + today.overhead_fraction
    return HOURS_PER_MONTH * (today.overhead_fraction - best.overhead_fraction) / now


def dollars_saved_per_month(best: StrategyPlan, today: StrategyPlan) -> float | None:
    """What a month of today's training costs less with the change, for the same useful work."""
    if best.dollars_to_train is None or today.dollars_to_train is None:
        return None
    return (today.dollars_to_train - best.dollars_to_train) / (today.time_to_train_s / 3600 / HOURS_PER_MONTH)


def _interval(one: StrategyPlan) -> str:
    steps = f" ({count_of(one.interval_steps, 'step')})" if one.interval_steps is not None else ""
    return f"{format_time(one.interval_s)}{steps}"


def _advice(one: StrategyPlan, job: Job) -> str:
    if one.strategy.saves_every_s >= job.job.work_s:
        return "save only when warned" if _when_warned(one) else "make no save"
    return f"save {_what(one)}"


def _when_warned(one: StrategyPlan) -> bool:
    return isinstance(one.strategy.saving, StoredSave) and one.strategy.saving.warned is not None


def _what(one: StrategyPlan) -> str:
    """What to save, and how often."""
    if one.order is None:
        return f"every {_interval(one)}"
    share, first = format_share(one.strategy.saving.fraction), FIRST[one.order]
    return f"{share} of the rows every {format_time(one.strategy.saves_every_s)} ({first})"


#: What an order saves first, in words.
FIRST = {
    "mfu": "those most updated since they were last saved first",
    "ssu": "those on a sampled list of the updated ones",
    "update-age": "those with the largest product of updates and age since they were last saved first",
    "best-fixed": "those with the largest product of update rate and squared age first",
}


def recommendation(plan: Plan, today: StrategyPlan | None) -> str:
    """One sentence: what to do, what it costs, what it saves, what it risks."""
    best = plan.best
    recovery = "partial" if isinstance(best.strategy.recovery, PartialRecovery) else "full"
    if best.name == "current":
        what = f"Keep saving every {_interval(best)} of work with {recovery} recovery"
    elif best.strategy.saves_every_s >= plan.job.job.work_s and _when_warned(best):
        what = f"Save only when a failure is announced, with {recovery} recovery"
    elif best.strategy.saves_every_s >= plan.job.job.work_s:
        what = f"Use {recovery} recovery and make no save: the interval would reach the end of the job"
    else:
        what = f"Save {_what(best)} of work with {recovery} recovery"
        if best.order is not None:
            what = f"Save {_what(best)}, with partial recovery"
    said = f"{what}: overhead {format_share(best.overhead_fraction)}"
    if best.strategy.saves_every_s >= plan.job.job.work_s and plan.model.name == "first-order":
        said += " (the first-order formula charges one save all the same; --model exact does not)"
    if plan.job.cost is not None and best.dollars_per_month is not None:
        said += f", {format_money(best.dollars_per_month, plan.job.cost.currency)} a month"
    if today and best.name != "current":
        hours = plan.hours_saved_per_month or 0.0
        saved = f"{hours:.3g} hours" if hours >= 1 else f"{60 * hours:.2g} minutes"
        said += f" against {format_share(today.overhead_fraction)} today"
        if hours > 0:
            said += f", {saved} saved a month"
        if plan.dollars_saved_per_month is not None and plan.dollars_saved_per_month > 0 and plan.job.cost:
            said += f" ({format_money(plan.dollars_saved_per_month, plan.job.cost.currency)})"
        if not today.feasible:
            said += " (what is done today does not keep the accuracy budget)"
    if best.expected_pls > 0 and plan.job.pls_budget is not None:
        said += f"; expected portion of lost samples (PLS) {best.expected_pls:.3g}"
        said += f" of a budget of {plan.job.pls_budget:.3g}"
        if best.expected_metric_drop is not None:
            said += f" (metric drop {best.expected_metric_drop:.2g}"
            if best.expected_metric_drop_interval_90 is not None:
                low, high = best.expected_metric_drop_interval_90
                said += f", 90% interval {low:.2g} to {high:.2g}"
            said += ")"
    elif recovery == "full" and any(one.name == "partial" for one in plan.strategies):
        said += "; partial recovery does not win here, so fall back to full"
    return f"{said}.{_how_sure(plan)}"


def _how_sure(plan: Plan) -> str:
    """What the failures that were seen leave open: a second sentence, or nothing."""
    sure = plan.uncertainty
    if sure is None:
        return ""
    low, high = plan.best.overhead_ci90 or (plan.best.overhead_fraction, None)
    reach = "unbounded" if high is None else format_share(high)
    make = "make" if sure.events > 1 else "makes"
    said = f" With the MTBF as sure as {count_of(sure.events)} {make} it, that overhead is "
    said += f"{format_share(low)} to {reach} (90% interval)"
    if sure.other_recovery_better is not None:
        other = "full" if isinstance(plan.best.strategy.recovery, PartialRecovery) else "partial"
        said += f", and {other} recovery would be better with probability {_chance(sure.other_recovery_better)}"
    return f"{said}."


def _chance(share: float) -> str:
    return "under 1%" if share < 0.01 else "over 99%" if share > 0.99 else f"{100 * share:.0f}%"


def what_would_change(plan: Plan, strategies_of: Strategies, price: Price, in_order: InOrder) -> list[str]:
    """Where the other recovery would win, and what a wrong MTBF costs; for least overhead."""
    said: list[str] = []
    if plan.minimised != "overhead":
        return said
    if any(one.name == "partial" for one in plan.strategies):
        said += _budget_threshold(plan, strategies_of)
        said += _reschedule_threshold(plan, strategies_of)
    said += _wrong_mtbf(plan, strategies_of, price, in_order)
    return said


def partial_wins(job: Job, model: CostModel, strategies_of: Strategies) -> bool:
    """Whether partial recovery costs less than full, each at its own interval."""
    priced = {one.name: one for one in strategies_of(job, model)[0]}
    partial, full = priced.get("partial"), priced.get("full")
    if partial is None or full is None:
        return partial is not None
    return partial.overhead_fraction < full.overhead_fraction * (1 - 1e-12)


def _crossing(wins: Callable[[float], bool], inside: float, outside: float) -> float | None:
    """The value between the two where ``wins`` flips, by bisection on the ratio; None where it does not."""
    here = wins(inside)
    if here == wins(outside):
        return None
    for _ in range(40):
        middle = (inside * outside) ** 0.5
        if wins(middle) == here:
            inside = middle
        else:
            outside = middle
    return outside


def _budget_threshold(plan: Plan, strategies_of: Strategies) -> list[str]:
    job, budget = plan.job, plan.job.pls_budget
    if job.accuracy is None or budget is None:
        return []
    accuracy = job.accuracy

    def wins(pls: float) -> bool:
        varied = accuracy.model_copy(update={"pls_budget": pls, "max_metric_drop": None})
        return partial_wins(job.model_copy(update={"accuracy": varied}), plan.model, strategies_of)

    if wins(budget):
        low = _crossing(wins, budget, max(budget * 1e-6, 1e-12))
        if low is None:
            return ["At any PLS budget partial recovery costs less than full."]
        return [f"Below a PLS budget of {low:.3g} full recovery costs less than partial."]
    high = _crossing(wins, budget, 1.0)
    if high is None:
        return ["At no PLS budget does partial recovery cost less than full."]
    return [f"Above a PLS budget of {high:.3g} partial recovery costs less than full."]


def _reschedule_threshold(plan: Plan, strategies_of: Strategies) -> list[str]:
    job = plan.job
    given = job.partial_recovery.partial_reschedule_s - job.checkpoint.detect_s
    at = max(given, 1.0)

    def wins(seconds: float) -> bool:
        point = job.checkpoint.model_copy(update={"partial_reschedule_s": seconds})
        return partial_wins(job.model_copy(update={"checkpoint": point}), plan.model, strategies_of)

    if wins(at):
        high = _crossing(wins, at, at * 1e4)
        if high is None:
            return []
        return [
            f"If replacing a shard took over {format_time(high)} (now {format_time(given)}), "
            "full recovery would cost less."
        ]
    low = _crossing(wins, at, at * 1e-4)
    if low is None:
        return []
    return [
        f"If replacing a shard took under {format_time(low)} (now {format_time(given)}), "
        "partial recovery would cost less."
    ]


def _wrong_mtbf(plan: Plan, strategies_of: Strategies, price: Price, in_order: InOrder) -> list[str]:
    """What this very strategy costs, and the best then, when the job fails twice as often."""
    job, best = plan.job, plan.best
    half = job.failure_mix.mtbf_s / 2
    if job.save_s > half:
        return []
    worse = job.with_mtbf(half)
    kept = price(worse, plan.model, replace(best.strategy, name=best.name))
    others = strategies_of(worse, plan.model)[0]
    if best.order is not None:
        others += in_order(worse, plan.model, [best.order])[0]
    again = [one for one in others if one.feasible]
    if not again or not kept.overhead_fraction < 1e9:
        return []
    new = min(again, key=lambda one: one.overhead_fraction)
    said = (
        f"If failures come twice as often (MTBF {format_time(half)}), this interval costs "
        f"{format_share(kept.overhead_fraction)}"
    )
    if not kept.feasible and kept.expected_pls <= (job.pls_budget or 1.0):
        then = f"{_advice(new, job)} ({new.name}, {format_share(new.overhead_fraction)})"
        return [f"{said}, but {kept.reason}; then {then}."]
    if not kept.feasible:
        return [
            f"{said} and breaks the accuracy budget (PLS {kept.expected_pls:.3g}); "
            f"then {_advice(new, job)} ({new.name}, {format_share(new.overhead_fraction)})."
        ]
    return [f"{said}; the best then is to {_advice(new, job)} ({new.name}, {format_share(new.overhead_fraction)})."]
