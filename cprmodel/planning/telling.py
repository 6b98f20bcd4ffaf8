"""The answer in words: notes on the strategies, and the recommendation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cprmodel.costing import CostModel, kinds
from cprmodel.costing.models import WHOLE_JOB
from cprmodel.facts.errors import JobError, one_line
from cprmodel.facts.units import count_of, format_chance, format_money, format_share, format_time
from cprmodel.jobs import HOURS_PER_MONTH, Job
from cprmodel.planning.choosing import Chosen
from cprmodel.planning.pricing import ends
from cprmodel.planning.ranking import AS_MUCH, TIE

if TYPE_CHECKING:
    from cprmodel.planning.result import Plan, StrategyPlan

__all__ = [
    "FIRST",
    "about_robust_orders",
    "advice",
    "dollars_saved_per_month",
    "hours_saved_per_month",
    "notes_on",
    "recommendation",
    "why_starred",
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


def advice(one: StrategyPlan, job: Job) -> str:
    """What to do, as the end of a sentence."""
    if one.strategy.saves_every_s >= job.job.work_s:
        return "save only when warned" if _when_warned(one) else "make no save"
    return f"save {_what(one)}{one.strategy.checked}"


def _when_warned(one: StrategyPlan) -> bool:
    return getattr(one.strategy.saving, "warned", None) is not None


def _what(one: StrategyPlan) -> str:
    """What to save, and how often."""
    if one.experts_saved is not None:
        held, of = one.experts_saved
        levels, every_s = one.experts_by_level, one.level_intervals_s
        if levels is not None and every_s is not None:
            (first, _), (last, persisted) = levels.items()
            return (
                f"{held} of {count_of(of, 'expert')} in turn to {first}, and all that is none of theirs, every "
                f"{_interval(one)}, and {persisted} to {last} every {format_time(every_s[last])}"
            )
        return f"{held} of {count_of(of, 'expert')} in turn, and all that is none of theirs, every {_interval(one)}"
    if one.order is None:
        return f"every {_interval(one)}"
    share, first = format_share(one.strategy.saving.fraction), FIRST[one.order]
    steps = "" if one.saves_every_steps is None else f"{count_of(one.saves_every_steps, 'step')}; "
    every = f"every {format_time(one.strategy.saves_every_s)} ({steps}{first})"
    return f"{share} of the rows {every}{one.strategy.beside}"


def _comma(one: StrategyPlan) -> str:
    said = one.strategy.checked
    return f"{said}," if said else ""


#: What an order saves first, in words.
FIRST = {
    "mfu": "those most updated since they were last saved first",
    "ssu": "those on a sampled list of the updated ones",
    "update-age": "those with the largest product of updates and age since they were last saved first",
    "least-harm": "those that would cost the most log loss if they were put back first",
    "best-fixed": "those with the largest product of update rate and squared age first",
}


def recommendation(plan: Plan, today: StrategyPlan | None) -> str:
    """One sentence: what to do, what it costs, what it saves, what it risks."""
    best = plan.best
    recovery = best.strategy.recovers
    if best.name == "current":
        what = f"Keep saving every {_interval(best)} of work{_comma(best)} with {recovery} recovery"
    elif best.strategy.saves_every_s >= plan.job.job.work_s and _when_warned(best):
        what = f"Save only when a failure is announced, with {recovery} recovery"
    elif best.strategy.saves_every_s >= plan.job.job.work_s:
        what = f"Use {recovery} recovery and make no save: the interval would reach the end of the job"
    else:
        what = f"Save {_what(best)} of work{_comma(best)} with {recovery} recovery"
        if best.order is not None:
            what = f"Save {_what(best)}, with partial recovery"
    said = f"{what}: overhead {format_share(best.overhead_fraction)}"
    if best.strategy.saves_every_s >= plan.job.job.work_s and plan.model.name == "first-order":
        said += " (the first-order formula charges one save all the same; --model exact does not)"
    if today and best.name != "current":
        hours = plan.hours_saved_per_month or 0.0
        saved = f"{hours:.3g} hours" if hours >= 1 else f"{60 * hours:.2g} minutes"
        said += f" against {format_share(today.overhead_fraction)} today"
        if hours > 0:
            said += f", {saved} saved a month"
        if not today.feasible:
            said += " (what is done today does not keep the accuracy budget)"
    if best.expected_pls > 0 and best.pls_budget is not None:
        said += f". Expected portion of lost samples (PLS) {best.expected_pls:.3g}"
        said += f" of a budget of {best.pls_budget:.3g}"
        if best.expected_metric_drop is not None:
            said += f" (metric drop {best.expected_metric_drop:.2g}"
            if best.expected_metric_drop_interval_90 is not None:
                low, high = best.expected_metric_drop_interval_90
                said += f", 90% interval {low:.2g} to {high:.2g}"
            said += ")"
    elif recovery == "full" and any(one.name == "partial" for one in plan.strategies):
        said += ". Partial recovery does not pay here: fall back to full"
    return f"{said}.{_money(plan, best, today)}{_how_sure(plan)}"


def _money(plan: Plan, best: StrategyPlan, today: StrategyPlan | None) -> str:
    """What the overhead costs in money: a sentence of its own, or nothing."""
    if plan.job.cost is None or best.dollars_per_month is None:
        return ""
    currency = plan.job.cost.currency
    said = f" The overhead costs {format_money(best.dollars_per_month, currency)} a month"
    if today is None or best.name == "current" or today.dollars_per_month is None:
        return f"{said}."
    said += f" against {format_money(today.dollars_per_month, currency)} today"
    if plan.dollars_saved_per_month is not None and plan.dollars_saved_per_month > 0:
        said += f"; for the same work, {format_money(plan.dollars_saved_per_month, currency)} less"
    return f"{said}."


def why_starred(plan: Plan) -> str:
    """Why this one is recommended where others cost as much as far as figures show; "" where none does."""
    best, rank = plan.best, _RANKED[plan.minimised]
    asked = getattr(best, rank)
    if asked is None or (plan.uncertainty is not None and plan.uncertainty.robust):
        return ""
    paid = plan.job.cost.currency if plan.job.cost and plan.minimised == "dollars" else ""

    def figure(one: StrategyPlan) -> str:
        value = getattr(one, rank)
        return "" if value is None else format_money(value, paid) if paid else format_share(value)

    others = [one for one in plan.strategies if one.feasible and one is not best and figure(one) == figure(best)]
    if not others:
        return ""
    names = " and ".join(one.name for one in others)
    if all(abs(getattr(one, rank) - asked) <= TIE * asked for one in others):
        least = all(best.expected_pls * (1 + AS_MUCH) < one.expected_pls for one in others)
        why = "the star is with what loses fewest samples" if least else "the star is with the first of them"
    else:
        most = max(getattr(one, rank) for one in others) / asked - 1
        why = f"they differ by at most {format_share(most)} of it. Choose what is easier to run"
    return f"{names} {'cost' if len(others) > 1 else 'costs'} as much to the digits shown: {why}."


_RANKED = {"overhead": "overhead_fraction", "dollars": "dollars_to_train"}


def _how_sure(plan: Plan) -> str:
    """What the failures that were seen leave open: a second sentence, or nothing."""
    sure = plan.uncertainty
    if sure is None:
        return ""
    low, high = plan.best.overhead_ci90 or (plan.best.overhead_fraction, None)
    reach = "unbounded" if high is None else format_share(high)
    leave = "leave" if sure.events > 1 else "leaves"
    said = f" {count_of(sure.events)} {leave} the MTBF uncertain: that overhead may be "
    said += f"{format_share(low)} to {reach} (90% interval)"
    if sure.other_recovery_better is not None:
        other = "full" if plan.best.strategy.recovers == "partial" else "partial"
        said += (
            f", and {other} recovery would be better with probability {format_chance(sure.other_recovery_better)}"
        )
    return f"{said}."


def notes_on(job: Job, model: CostModel, chosen: Sequence[Chosen], priced: Sequence[StrategyPlan]) -> list[str]:
    """What a reader of the figures should know, strategy by strategy, and why some are left out."""
    of = {one.name: one for one in priced}
    notes, beyond = [], []
    for candidate, choice in chosen:
        name = candidate.name
        if isinstance(choice, JobError):
            notes.append(f"{name}: left out: {choice.problems[0]}")
            continue
        one = of[name]
        if not ends(one):
            reason = one.refused or f"at an interval of {format_time(choice.interval_s)} it never ends"
            notes.append(f"{name}: left out, for {reason}")
            continue
        if name != "partial-at-full-interval":  # whose saves are those of full, as is said there
            said = (
                *choice.notes,
                *kinds.remarks(job, model, one.strategy),
                *_about_spares(job, model, one),
                *_about_drop(job, one),
            )
            notes += [f"{name}: {note}" for note in said]
            if _may_drop_more(job, one):
                beyond.append(one)
        if choice.set_by == WHOLE_JOB:
            charged = " (the first-order overhead charges one)" if model.name == "first-order" else ""
            notes.append(f"{name}: the interval reaches the end of the job, so no save is needed{charged}")
    return [*notes, *_about_beyond(job, beyond)]


def about_robust_orders(strategies: Sequence[StrategyPlan]) -> list[str]:
    """That the intervals of orders are those for the estimated MTBF, in a plan that asks for robust ones."""
    names = [one.name for one in strategies if one.order is not None]
    if not names:
        return []
    return [
        f"{', '.join(names)}: the interval is that for the estimated MTBF, since beside checkpoint.warning one "
        "over what the MTBF may be would take minutes to find; planned with the lower limit of the MTBF it is on "
        "the safe side"
    ]


def _about_spares(job: Job, model: CostModel, one: StrategyPlan) -> list[str]:
    """What one spare more or less does to what the job costs; looked at only where there may be spares to pay."""
    if job.cost is None or not (job.waits_for_repairs or job.elastic):
        return []
    from cprmodel.planning.spares_paid import about_spares

    return about_spares(job, model, one)


def _may_drop_more(job: Job, one: StrategyPlan) -> bool:
    """Whether the drop's interval reaches above what may be dropped."""
    most, interval = job.accuracy.max_metric_drop if job.accuracy else None, one.expected_metric_drop_interval_90
    return interval is not None and most is not None and interval[1] > most * (1 + 1e-9)


def _about_beyond(job: Job, some: Sequence[StrategyPlan]) -> list[str]:
    """One sentence for all strategies whose drop may be above the budget."""
    if not some or job.accuracy is None:
        return []
    most = max(one.expected_metric_drop_interval_90[1] for one in some if one.expected_metric_drop_interval_90)
    return [
        f"{', '.join(one.name for one in some)}: the expected drop may be up to {most:.2g}, above max_metric_drop "
        f"{job.accuracy.max_metric_drop:.3g}, within the 90% interval of accuracy.model's slope"
    ]


def _about_drop(job: Job, one: StrategyPlan) -> list[str]:
    """What a fitted slope does not bear out."""
    fitted = job.accuracy.model if job.accuracy else None
    if job.accuracy is None or fitted is None:
        return []
    notes, pls = [], one.expected_pls
    reach = fitted.linear_to_pls
    if reach is not None and pls > reach * (1 + 1e-9):
        notes.append(
            f"expected PLS {pls:.3g} lies beyond {reach:.3g}, up to which accuracy.model is known to hold within "
            "10%: the drop is an extrapolation"
        )
    age = one.interval_s / job.job.work_s
    if fitted.largest_age is not None and pls > 0 and age > fitted.largest_age * (1 + 1e-9):
        notes.append(
            f"rows go back by up to {format_share(min(age, 1.0))} of the run, and accuracy.model's record looked "
            f"at no more than {format_share(fitted.largest_age)}: the drop is an extrapolation"
        )
    if pls > 0:
        notes += [f"the drop is of accuracy.model: {one_line(said)}" for said in fitted.notes]
    return notes
