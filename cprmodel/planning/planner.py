"""From a job to strategies side by side and a recommendation.

Top to bottom: candidates (which strategies the job can have), choosing (the interval of each, within its limits),
pricing (each in numbers), ranking (the best), telling (words, once, on the answer).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from cprmodel.costing import Choice, CostModel, model_for
from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.journal import detail, note
from cprmodel.jobs import FailureModel, Job
from cprmodel.planning import telling
from cprmodel.planning.candidates import Candidate, candidates
from cprmodel.planning.changes import partial_wins, what_would_change
from cprmodel.planning.choosing import Chosen, choose, choose_all, strategy_of
from cprmodel.planning.pricing import ends, price
from cprmodel.planning.ranking import MINIMISED, best_of
from cprmodel.planning.result import Plan, StrategyPlan

if TYPE_CHECKING:
    from cprmodel.planning.uncertainty import Robust

__all__ = ["Priced", "answered", "plan", "priced"]


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
    >>> answer.recommended, round(answer["partial"].interval_s / 3600, 1)
    ('partial', 47.7)
    """
    found = answered(job, model, robust, minimise)
    return replace(found, what_would_change_it=tuple(what_would_change(found)))


def answered(job: Job, model: CostModel | None = None, robust: bool = False, minimise: str = "overhead") -> Plan:
    """As :func:`plan`, but for what would change the answer: that takes several times as long as the answer.

    >>> from cprmodel import load_preset
    >>> answered(load_preset("cpr-dlrm")).recommended
    'partial'
    """
    if not isinstance(job, Job):
        raise TypeError(f"plan: job = {job!r}: expected a cprmodel.Job")
    if model is not None and (isinstance(model, type) or not hasattr(model, "partial_interval")):
        raise TypeError(f"plan: model = {model!r}: expected a cost model, such as cprmodel.Exact()")
    model = model_for(job, model)
    fit = job.failures.fit_of_job
    _check(job, fit, robust, minimise)
    fixed, compared = _robust(job, model, fit) if robust and fit is not None else ({}, None)
    found = priced(job, model, minimise, fixed)
    strategies = list(found.strategies)
    said = []
    if fit is not None:
        from cprmodel.planning.uncertainty import about_fit, uncertainty_of

        said = about_fit(fit)
        strategies = [_with_intervals(one, job, model, fit, found, minimise) for one in strategies]
    notes = found.notes(job, model)
    if robust and any(one.order is not None and one.name not in fixed for one in strategies):
        notes += telling.about_robust_orders(strategies)
    best = best_of(strategies, notes, "expected" if robust else minimise)
    today = next((one for one in strategies if one.name == "current"), None)
    bare = Plan(
        job=job,
        model=model,
        strategies=tuple(strategies),
        recommended=best.name,
        sentence="",
        what_would_change_it=(),
        warnings=_warnings(job, [*notes, *said], strategies),
        hours_saved_per_month=telling.hours_saved_per_month(best, today) if today else None,
        minimised=minimise,
        dollars_saved_per_month=telling.dollars_saved_per_month(best, today) if today else None,
    )
    if fit is not None:
        sure = uncertainty_of(job, fit, lambda one: partial_wins(one, model), best.strategy.recovery.name)
        bare = replace(bare, uncertainty=replace(sure, robust=compared))
    for one in strategies:
        detail("planning", "%s every %.6g s: overhead %.6g, PLS %.6g", *_of(one))
    note("planning", "%d strategies by the %s model: %s, overhead %.6g", *_answer(bare))
    return replace(bare, sentence=telling.recommendation(bare, today))


def _of(one: StrategyPlan) -> tuple[object, ...]:
    return one.name, one.interval_s, one.overhead_fraction, one.expected_pls


def _answer(found: Plan) -> tuple[object, ...]:
    return len(found.strategies), found.model.name, found.recommended, found.best.overhead_fraction


@dataclass(frozen=True)
class Priced:
    """Candidates with their choices, and those of them that end, priced."""

    chosen: tuple[Chosen, ...]
    all_priced: tuple[StrategyPlan, ...]
    about: tuple[str, ...]  #: the candidates: why others are left out

    @property
    def strategies(self) -> tuple[StrategyPlan, ...]:
        """Those that end."""
        return tuple(one for one in self.all_priced if ends(one))

    def notes(self, job: Job, model: CostModel) -> list[str]:
        """All notes, in words."""
        return [*map(str, self.about), *telling.notes_on(job, model, self.chosen, self.all_priced)]


def priced(
    job: Job,
    model: CostModel,
    minimise: str = "overhead",
    fixed: Mapping[str, Choice] = MappingProxyType({}),
    registered: bool = True,
    only: Collection[str] | None = None,
) -> Priced:
    """The strategies of a job in numbers; the choices in ``fixed``, by name, stand.

    ``registered``: with those of registered kinds of saving policy; ``only``: those of these names (and those
    of which they take the interval).

    >>> from cprmodel import Exact, load_preset
    >>> [one.name for one in priced(load_preset("cpr-dlrm"), Exact()).strategies]
    ['full', 'partial-at-full-interval', 'partial']
    """
    found, about = candidates(job, registered)
    if only is not None:
        wanted = {*only, *(one.like for one in found if one.name in only)}
        found = [one for one in found if one.name in wanted]
    chosen = choose_all(job, model, found, minimise, fixed)
    numbers = [
        price(job, model, strategy_of(one, choice), choice)
        for one, choice in chosen
        if not isinstance(choice, JobError)
    ]
    return Priced(tuple(chosen), tuple(numbers), tuple(about))


def _check(job: Job, fit: FailureModel | None, robust: bool, minimise: str) -> None:
    if robust and fit is None:
        expected = "a trace or a fit of one, which say how sure the MTBF is, for a robust plan"
        raise JobError("job", [Problem("failures", "", expected)])
    if minimise not in MINIMISED:
        raise ValueError(f"plan: minimise = {minimise!r}: expected one of {', '.join(MINIMISED)}")
    if minimise == "overhead":
        return
    if job.cost is None:
        raise JobError("job", [Problem("cost", "", "a table of prices, for a plan that minimises dollars")])
    if robust:
        expected = "overhead to be minimised: robust intervals are of least expected overhead"
        raise JobError("job", [Problem("robust", "", expected)])


def _robust(job: Job, model: CostModel, fit: FailureModel) -> tuple[dict[str, Choice], tuple[Robust, ...]]:
    """The robust interval of each recovery, and how it compares with the plain one."""
    from cprmodel.planning.uncertainty import robust_choice

    fixed, compared = {}, []
    for one in (one for one in candidates(job, registered=False)[0] if one.name in ("full", "partial")):
        try:
            choice, said = robust_choice(job, model, fit, one)
        except JobError:  # no interval keeps the budget; the strategies say so
            continue
        fixed[one.name] = choice
        compared.append(said)
    if job.access is None:
        return fixed, tuple(compared)
    from cprmodel.planning.robust_orders import beyond_robust, robust_order

    ordered = [] if beyond_robust(job) else candidates(job)[0]
    for one in (one for one in ordered if one.at(job.job.work_s).order is not None):
        fixed[one.name], said = robust_order(job, model, fit, one)
        compared.append(said)
    return fixed, tuple(compared)


def _with_intervals(
    one: StrategyPlan, job: Job, model: CostModel, fit: FailureModel, found: Priced, minimise: str
) -> StrategyPlan:
    """90% intervals; of the best interval where one is chosen for the MTBF."""
    from cprmodel.planning.uncertainty import with_intervals

    of: dict[str, Candidate] = {candidate.name: candidate for candidate, _ in found.chosen}
    by = of.get(of[one.name].like, of[one.name])
    fixed = by.given_s is not None or by.name not in ("full", "partial")
    return with_intervals(one, job, model, fit, None if fixed else lambda other: choose(other, model, by, minimise))


def _warnings(job: Job, notes: Sequence[str], strategies: Sequence[StrategyPlan]) -> tuple[str, ...]:
    """What the file leaves out, notes, and formulas that are used outside their ranges."""
    steps = [f"{one.name}: {w}" for one in strategies for step in one.steps for w in step.warnings]
    return tuple(dict.fromkeys([*job.assumptions(), *notes, *steps]))
