"""What would change the answer of least overhead: where the other recovery would win, what a wrong MTBF costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cprmodel.costing import CostModel, Exact, FirstOrder, kinds
from cprmodel.costing.blocking import terms_of
from cprmodel.costing.terms import EXACT, FIRST_ORDER
from cprmodel.facts.errors import JobError
from cprmodel.facts.units import format_share, format_time
from cprmodel.jobs import Job
from cprmodel.planning.candidates import candidates, full_and_partial
from cprmodel.planning.choosing import choose, choose_all, strategy_of
from cprmodel.planning.pricing import NEVER, ends, price
from cprmodel.planning.telling import advice

if TYPE_CHECKING:
    from cprmodel.planning.result import Plan, StrategyPlan

__all__ = ["partial_wins", "what_would_change"]

#: Values tried at once where the formulas take arrays, and how often they close in.
_TRIED, _CLOSER = 160, 3
#: A stop of so many MTBFs hardly ever ends.
_ENDLESS = 20.0
#: How closely a threshold is found otherwise (relative).
_CLOSE = 1e-5


def what_would_change(plan: Plan) -> list[str]:
    """Sentences, for a plan that makes the overhead least."""
    said: list[str] = []
    if plan.minimised != "overhead":
        return said
    if any(one.name == "partial" for one in plan.strategies):
        said += _budget_threshold(plan)
        said += _reschedule_threshold(plan)
    return said + _wrong_mtbf(plan)


def partial_wins(job: Job, model: CostModel) -> bool:
    """Whether partial recovery costs less than full, each at its own interval; both must end."""
    full, partial, _ = full_and_partial(job)
    if partial is None:
        return False
    try:
        less = _overhead(job, model, partial)
    except JobError:  # no interval keeps the budget
        return False
    return less < _overhead(job, model, full) * (1 - 1e-12)


def _overhead(job: Job, model: CostModel, candidate: Any) -> float:
    parts = kinds.cost(job, model, strategy_of(candidate, choose(job, model, candidate))).breakdown
    return float(parts.total) if float(parts.total) - float(parts.save) < NEVER else np.inf


def _wins_many(job: Job, model: CostModel) -> Callable[..., Any] | None:
    """The same for many values of a number at once, where the model's formulas take arrays; None elsewhere."""
    which = {FirstOrder: FIRST_ORDER, Exact: EXACT}.get(type(model))
    if which is None or not job.plain:
        return None
    base = terms_of(job)
    with_full = float(which.full.overhead(base, which.full_interval(base)).total)

    def wins(budget: Any, **changed: Any) -> Any:
        of = replace(base, **changed)
        every = which.partial_interval(of, budget)[0]
        with np.errstate(all="ignore"):
            return which.partial.overhead(of, np.where(np.isnan(every), 1.0, every)).total < np.where(
                np.isnan(every), -np.inf, with_full * (1 - 1e-12)
            )

    return wins


@dataclass(frozen=True)
class _Question:
    """Whether partial recovery wins at a value of some number, and where that flips."""

    one: Callable[[float], bool]
    many: Callable[[Any], Any] | None  #: of an array, where the formulas take one

    def holds(self, value: float) -> bool:
        return self.one(value) if self.many is None else bool(self.many(np.array([value]))[0])

    def crossing(self, here: bool, inside: float, outside: float) -> float | None:
        """The value between the two where it flips; None where it does not. ``here``: how it is inside."""
        if self.many is None:
            if here == self.one(outside):
                return None
            while abs(outside / inside - 1) > _CLOSE:
                middle = (inside * outside) ** 0.5
                inside, outside = (middle, outside) if self.one(middle) == here else (inside, middle)
            return outside
        for _ in range(_CLOSER):
            tried = np.geomspace(inside, outside, _TRIED)
            other = np.flatnonzero(self.many(tried) != here)
            if not len(other):
                return None
            at = max(int(other[0]), 1)
            inside, outside = float(tried[at - 1]), float(tried[at])
        return outside


def _of_everything(plan: Plan) -> str:
    """What the thresholds are about, where other ways to save compete: they look at saves of everything alone."""
    return " with saves of everything" if any(one.order for one in plan.strategies) else ""


def _budget_threshold(plan: Plan) -> list[str]:
    job, model, budget = plan.job, plan.model, plan.job.pls_budget
    if job.accuracy is None or budget is None:
        return []
    accuracy, what = job.accuracy, _of_everything(plan)

    def one_by_one(pls: float) -> bool:
        varied = accuracy.model_copy(update={"pls_budget": pls, "max_metric_drop": None})
        return partial_wins(job.model_copy(update={"accuracy": varied}), model)

    wins = _Question(one_by_one, _wins_many(job, model))
    if wins.holds(budget):
        low = wins.crossing(True, budget, max(budget * 1e-6, 1e-12))
        if low is None:
            return [f"At any PLS budget partial recovery{what} costs less than full."]
        return [f"Below a PLS budget of {low:.3g} full recovery costs less than partial{what}."]
    high = wins.crossing(False, budget, 1.0)
    if high is None:
        return [f"At no PLS budget does partial recovery{what} cost less than full."]
    return [f"Above a PLS budget of {high:.3g} partial recovery{what} costs less than full."]


def _reschedule_threshold(plan: Plan) -> list[str]:
    job, model, budget, what = plan.job, plan.model, plan.job.pls_budget, _of_everything(plan)
    detect_s = job.checkpoint.detect_s
    given = job.partial_recovery.partial_reschedule_s - detect_s
    trainer_too = job.checkpoint.trainer_reschedule_s is None  # which then takes as long as a shard
    at, many = max(given, 1.0), _wins_many(job, model)
    longest = min(at * 1e4, _ENDLESS * job.failure_mix.mtbf_s)

    def one_by_one(seconds: float) -> bool:
        point = job.checkpoint.model_copy(update={"partial_reschedule_s": seconds})
        return partial_wins(job.model_copy(update={"checkpoint": point}), model)

    def all_at_once(seconds: Any) -> Any:
        assert many is not None
        changed: Mapping[str, Any] = {"partial_reschedule_s": seconds + detect_s}
        if trainer_too:
            changed = {**changed, "trainer_reschedule_s": seconds + detect_s}
        return many(budget, **changed)

    wins = _Question(one_by_one, None if many is None else all_at_once)
    if wins.holds(at):
        high = wins.crossing(True, at, longest) if at < longest else None
        if high is None:
            return []
        than = f" than partial{what}" if what else ""
        return [
            f"If replacing a shard took over {format_time(high)} (now {format_time(given)}), "
            f"full recovery would cost less{than}."
        ]
    low = wins.crossing(False, at, at * 1e-4)
    if low is None:
        return []
    return [
        f"If replacing a shard took under {format_time(low)} (now {format_time(given)}), "
        f"partial recovery{what} would cost less."
    ]


def _wrong_mtbf(plan: Plan) -> list[str]:
    """What this very strategy costs, and the best then, when the job fails twice as often."""
    job, model, best = plan.job, plan.model, plan.best
    half = job.failure_mix.mtbf_s / 2
    if job.save_s > half:
        return []
    worse = job.with_mtbf(half)
    kept = price(worse, model, best.strategy)
    try:
        chosen = choose_all(worse, model, candidates(worse)[0])
    except JobError:  # there is no best interval then
        return []
    found = [strategy_of(one, choice) for one, choice in chosen if not isinstance(choice, JobError)]
    priced = [price(worse, model, one) for one in found]
    again: list[StrategyPlan] = [one for one in priced if one.feasible and ends(one)]
    if not again or not kept.overhead_fraction < NEVER:
        return []
    new = min(again, key=lambda one: one.overhead_fraction)
    said = (
        f"If failures come twice as often (MTBF {format_time(half)}), this interval costs "
        f"{format_share(kept.overhead_fraction)}"
    )
    then = f"{advice(new, job)} ({new.name}, {format_share(new.overhead_fraction)})"
    if not kept.feasible and kept.expected_pls <= (job.pls_budget or 1.0):
        return [f"{said}, but {kept.reason}; then {then}."]
    if not kept.feasible:
        return [f"{said} and breaks the accuracy budget (PLS {kept.expected_pls:.3g}); then {then}."]
    return [f"{said}; the best then is to {then}."]
