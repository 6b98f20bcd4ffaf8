"""What would change the answer of least overhead: where the other recovery would win, what a wrong MTBF costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cprmodel.costing import CostModel, kinds
from cprmodel.costing.blocking import recoveries_of, terms_of
from cprmodel.facts.errors import JobError
from cprmodel.facts.roots import root_between
from cprmodel.facts.units import format_share, format_time
from cprmodel.jobs import Job
from cprmodel.planning.candidates import Candidate, candidates, full_and_partial
from cprmodel.planning.choosing import choose, choose_all, strategy_of
from cprmodel.planning.pricing import NEVER, ends, price
from cprmodel.planning.telling import advice

if TYPE_CHECKING:
    from cprmodel.planning.result import Plan, StrategyPlan

__all__ = ["partial_wins", "what_would_change"]

#: Values tried at once and how often they close in, where the formulas take arrays and where jobs go side by side.
_OF_FORMULAS, _OF_JOBS = (100, 3), (12, 6)
#: What says whether partial recovery wins, for several questions, each at many values.
_Wins = Callable[[Sequence["_Question"], Sequence[Any]], Any]

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
        asked = [_about_budget(plan), _about_reschedule(plan)]
        for one, (here, flips) in zip(asked, _answers(plan, asked), strict=True):
            said += one.words(here, flips)
    return said + _wrong_mtbf(plan)


def partial_wins(job: Job, model: CostModel) -> bool:
    """Whether partial recovery costs less than full, each at its own interval; both must end."""
    return _behind(job, model) < 0


def _behind(job: Job, model: CostModel) -> float:
    """How much more partial recovery costs than full, each at its own interval; both must end."""
    full, one, _ = full_and_partial(job)
    if one is None:
        return math.inf
    try:
        less = _overhead(job, model, one)
    except JobError:  # no interval keeps the budget
        return math.inf
    more = _overhead(job, model, full) * (1 - 1e-12)
    return less - more if less < more else max(less - more, 0.0) if math.isfinite(less) else math.inf


def _overhead(job: Job, model: CostModel, candidate: Any) -> float:
    parts = kinds.cost(job, model, strategy_of(candidate, choose(job, model, candidate))).breakdown
    return float(parts.total) if float(parts.total) - float(parts.save) < NEVER else np.inf


def _wins_many(job: Job, model: CostModel) -> Callable[..., Any] | None:
    """The same for many values of its numbers at once, where the model's formulas take arrays; None elsewhere."""
    which = recoveries_of(model)
    if which is None or not job.plain:
        return None
    base = terms_of(job)
    with_full = float(which.full.overhead(base, which.full_interval(base)).total)

    def wins(pls_budget: Any, **changed: Any) -> Any:
        of = replace(base, **changed)
        every = which.partial_interval(of, pls_budget)[0]
        with np.errstate(all="ignore"):
            return which.partial.overhead(of, np.where(np.isnan(every), 1.0, every)).total < np.where(
                np.isnan(every), -np.inf, with_full * (1 - 1e-12)
            )

    return wins


@dataclass(frozen=True)
class _Question:
    """Whether partial recovery wins at a value of some number, and where that flips."""

    given: float
    if_it_wins: float  #: how far to look for a flip then
    if_not: float  #: and otherwise
    job_at: Callable[[float], Job]
    numbers_at: Callable[[Any], Mapping[str, Any]]  #: what that changes for the formulas
    words: Callable[[bool, float | None], list[str]]  #: of whether it wins, and the value where that flips


def _answers(plan: Plan, asked: Sequence[_Question]) -> list[tuple[bool, float | None]]:
    """To each question: whether partial recovery wins, and the value where it flips; None where it does not."""
    many = _wins_many(plan.job, plan.model)
    if many is not None:
        wins: _Wins = partial(_all_at_once, many, _numbers(plan.job))
        points, closer = _OF_FORMULAS
    elif _side_by_side(plan, asked[:1], [np.array([asked[0].given])]) is not None:
        wins, (points, closer) = partial(_side_by_side, plan), _OF_JOBS
    else:
        return [_one_by_one(plan.model, one) for one in asked]
    ways = [_between(one.given, end, points) for one in asked for end in (one.if_it_wins, one.if_not)]
    found = wins([one for one in asked for _ in range(2)], ways)
    here = [bool(one[0]) for one in found[::2]]
    at = [_flip(ways[2 * i + (not so)], found[2 * i + (not so)]) for i, so in enumerate(here)]
    for _ in range(closer - 1):
        tried = {i: _between(*ends, points) for i, ends in enumerate(at) if ends is not None}
        again = wins([asked[i] for i in tried], list(tried.values()))
        for (i, values), each in zip(tried.items(), again, strict=True):
            at[i] = _flip(values, each)
    return [(so, ends[1] if ends else None) for so, ends in zip(here, at, strict=True)]


def _between(first: float, last: float, points: int) -> Any:
    """Values in equal ratios; the ends are as given."""
    values = first * (last / first) ** np.linspace(0.0, 1.0, points)
    values[-1] = last
    return values


def _side_by_side(plan: Plan, asked: Sequence[_Question], values: Sequence[Any]) -> Any:
    """As :func:`_all_at_once`, for a model that looks at many jobs at once; None for another, or for such jobs."""
    look = getattr(plan.model, "partial_at_best", None)
    jobs = [each.job_at(float(one)) for each, tried in zip(asked, values, strict=True) for one in tried]
    found = look(jobs) if look is not None and jobs else None
    if found is None:
        return None if jobs else []
    parts, known = found
    with np.errstate(invalid="ignore"):  # of overheads without an end
        ends = parts.total - parts.save < NEVER
    less = np.where(known & ends, parts.total, np.inf)
    wins = less < _overhead(plan.job, plan.model, full_and_partial(plan.job)[0]) * (1 - 1e-12)
    return np.split(wins, np.cumsum([len(tried) for tried in values])[:-1])


def _numbers(job: Job) -> dict[str, Any]:
    """What questions change, as it is."""
    of = terms_of(job)
    return {
        "pls_budget": job.pls_budget,
        "partial_reschedule_s": of.partial_reschedule_s,
        "trainer_reschedule_s": of.trainer_reschedule_s,
    }


def _all_at_once(
    many: Callable[..., Any], given: Mapping[str, Any], asked: Sequence[_Question], values: Sequence[Any]
) -> list[Any]:
    """The answers to several questions, each at many values: the formulas are gone through once."""
    if not asked:
        return []
    changed = [
        {name: np.broadcast_to(one, tried.shape) for name, one in {**given, **each.numbers_at(tried)}.items()}
        for each, tried in zip(asked, values, strict=True)
    ]
    found = many(**{name: np.concatenate([one[name] for one in changed]) for name in given})
    return np.split(found, np.cumsum([len(tried) for tried in values])[:-1])


def _flip(tried: Any, wins: Any) -> tuple[float, float] | None:
    """The neighbours of which the second is the first whose answer differs from that at the beginning."""
    other = np.flatnonzero(wins != wins[0])
    return (float(tried[other[0] - 1]), float(tried[other[0]])) if len(other) else None


def _one_by_one(model: CostModel, one: _Question) -> tuple[bool, float | None]:
    """By how far partial recovery is ahead, at values that close in on where it is level; in logarithms."""

    @cache
    def behind(logarithm: float) -> float:
        by = _behind(one.job_at(one.given * math.exp(logarithm)), model)
        return math.copysign(1.0, by) if math.isinf(by) else by / (1 + abs(by))

    here = behind(0.0) < 0
    end = math.log((one.if_it_wins if here else one.if_not) / one.given)
    if (behind(end) < 0) == here:
        return here, None
    # counted from beyond the given value, so that what is close to a root is close in ratio
    root = root_between(lambda x: behind(x - end), end, 2 * end, _CLOSE / abs(2 * end)) - end
    return here, one.given * math.exp(root) * (1 + math.copysign(_CLOSE, end))


def _of_everything(plan: Plan) -> str:
    """What the thresholds are about, where other ways to save compete: they look at saves of everything alone."""
    return " with saves of everything" if any(one.order for one in plan.strategies) else ""


def _about_budget(plan: Plan) -> _Question:
    what = _of_everything(plan)
    job, budget, accuracy = plan.job, plan.job.pls_budget, plan.job.accuracy
    assert budget is not None
    assert accuracy is not None

    def job_at(pls: float) -> Job:
        varied = accuracy.model_copy(update={"pls_budget": pls, "max_metric_drop": None})
        return job.model_copy(update={"accuracy": varied})

    def words(wins: bool, flips: float | None) -> list[str]:
        if wins and flips is None:
            return [f"At any PLS budget partial recovery{what} costs less than full."]
        if wins:
            return [f"Below a PLS budget of {flips:.3g} full recovery costs less than partial{what}."]
        if flips is None:
            return [f"At no PLS budget does partial recovery{what} cost less than full."]
        return [f"Above a PLS budget of {flips:.3g} partial recovery{what} costs less than full."]

    return _Question(budget, max(budget * 1e-6, 1e-12), 1.0, job_at, lambda pls: {"pls_budget": pls}, words)


def _about_reschedule(plan: Plan) -> _Question:
    what = _of_everything(plan)
    than = f" than partial{what}" if what else ""
    job, detect_s = plan.job, plan.job.checkpoint.detect_s
    given = job.partial_recovery.partial_reschedule_s - detect_s
    trainer_too = job.checkpoint.trainer_reschedule_s is None  # which then takes as long as a shard
    at = max(given, 1.0)

    def job_at(seconds: float) -> Job:
        point = job.checkpoint.model_copy(update={"partial_reschedule_s": seconds})
        return job.model_copy(update={"checkpoint": point})

    def numbers_at(seconds: Any) -> Mapping[str, Any]:
        names = ("partial_reschedule_s", *(("trainer_reschedule_s",) if trainer_too else ()))
        return dict.fromkeys(names, seconds + detect_s)

    def words(wins: bool, flips: float | None) -> list[str]:
        if flips is None:
            return []
        if wins:
            over = f"If replacing a shard took over {format_time(flips)} (now {format_time(given)}), "
            return [f"{over}full recovery would cost less{than}."]
        under = f"If replacing a shard took under {format_time(flips)} (now {format_time(given)}), "
        return [f"{under}partial recovery{what} would cost less."]

    longest = max(at * 1.001, min(at * 1e4, _ENDLESS * job.failure_mix.mtbf_s))
    return _Question(at, longest, at * 1e-4, job_at, numbers_at, words)


def _wrong_mtbf(plan: Plan) -> list[str]:
    """What this very strategy costs, and the best then, when the job fails twice as often."""
    job, model, best = plan.job, plan.model, plan.best
    half = job.failure_mix.mtbf_s / 2
    if job.save_s > half:
        return []
    worse = job.with_mtbf(half)
    kept = price(worse, model, best.strategy)
    try:
        again = _best_first(worse, model, plan)
    except JobError:  # there is no best interval then
        return []
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


def _best_first(worse: Job, model: CostModel, plan: Plan) -> list[StrategyPlan]:
    """The strategies that may be recommended for another job, as they stand in plans; the best is among them.

    Of kinds whose search takes long those that cost least in the plan are looked for first, and those that cannot
    cost less than what was found are left out.
    """
    found = candidates(worse)[0]
    before = {one.name: one.overhead_fraction for one in plan.strategies}
    alike = {one.like for one in found} | {one.name for one in found if one.like or one.given_s is not None}
    slow = [one for one in found if kinds.is_registered(one.saving) and one.name not in alike]
    slow.sort(key=lambda one: before.get(one.name, math.inf))
    again: dict[str, StrategyPlan] = {}
    for some in ([one for one in found if one not in slow], *([one] for one in slow)):
        least = min((one.overhead_fraction for one in again.values()), default=math.inf)
        likely = [one for one in some if _may_cost_less(worse, model, one, least)]
        for one, choice in choose_all(worse, model, likely):
            if isinstance(choice, JobError):
                continue
            priced = price(worse, model, strategy_of(one, choice))
            if priced.feasible and ends(priced):
                again[one.name] = priced
    return [again[one.name] for one in found if one.name in again]


def _may_cost_less(job: Job, model: CostModel, candidate: Candidate, least: float) -> bool:
    """Whether a candidate may cost less, where its budget does not hang on its interval."""
    budget = job.pls_budget
    if not candidate.within_budget or budget is None or job.accuracy is None or job.accuracy.pls_budget is None:
        return True
    return kinds.may_cost_less(job, model, candidate.at(job.job.work_s), budget, least)
