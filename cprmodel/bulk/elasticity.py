"""What the overhead hangs on: d log(O/T) / d log x for each number of a job, from the formulas themselves.

They are differences over numbers of 50 digits, between two points 2e-15 apart: what that leaves out (the third
derivative times 1e-30) and what it rounds (1e-35) no float can hold. The symbolic derivative of a PLS has a hundred
thousand terms. Jobs that these formulas do not describe are planned anew (:mod:`cprmodel.bulk.differences`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cprmodel.bulk.derived import derived, fields_of, is_plain
from cprmodel.bulk.differences import slopes
from cprmodel.costing import CostModel, FirstOrder, model_for
from cprmodel.facts.errors import JobError, Problem
from cprmodel.formulas import exact_loss, interval, overhead
from cprmodel.jobs import Job
from cprmodel.jobs.quantities import quantity_key
from cprmodel.planning.planner import priced
from cprmodel.planning.ranking import best_of
from cprmodel.planning.result import StrategyPlan

__all__ = ["Elasticity", "elasticities"]

_DIGITS = 50
_PLACES = 15  #: of the relative step
_NONE = 1e-6  #: what planning anew finds where nothing changes


@dataclass(frozen=True)
class Elasticity:
    """Per cent by which the overhead grows when a number of the job file grows by one per cent."""

    key: str  #: as in the job file
    value: float  #: in SI units
    elasticity: float


def elasticities(job: Job, strategy: str | None = None) -> tuple[Elasticity, ...]:
    """Of a strategy's overhead (the recommended one's), the largest first; those of 0 are left out.

    The interval follows what sets it: the least overhead, the accuracy budget, the length of the job, or what is
    done today. Where one share of failures grows, that of shard failures makes room.

    Of a job that the first-order formulas describe they are these formulas' derivatives. Any other job is planned
    anew with each number 1% less and 1% more, which takes a while: a second or so for each, and several where rows
    are saved in an order. Losses of an order are simulated: there it is 5%, and two hundredths are noise.

    >>> from cprmodel import load_preset
    >>> found = elasticities(load_preset("bloom-176b"))
    >>> [(one.key, round(one.elasticity, 3)) for one in found][:1]
    [('failures.mtbf', -0.672)]
    """
    if not is_plain(job):
        return _planned_anew(job, strategy)
    import mpmath

    one = _named(job, FirstOrder(), strategy)
    fields = fields_of(job)
    if "failures.fit" in fields:
        fields["failures.mtbf_s"] = fields.pop("failures.fit").mtbf_s
    fields.pop("failures.shard_share", None)  # the rest of the other two
    numbers = {
        name: float(value)
        for name, value in fields.items()
        if isinstance(value, (int, float)) and value > 0 and not isinstance(value, bool)
    }
    found = []
    with mpmath.workdps(_DIGITS):
        step = mpmath.mpf(10) ** -_PLACES
        exact = {name: mpmath.mpf(value) for name, value in numbers.items()}

        def cost(name: str, factor: Any) -> Any:
            return _overhead(job, {**fields, **exact, name: exact[name] * factor}, one)

        for name, value in numbers.items():
            change = cost(name, 1 + step) - cost(name, 1 - step)
            slope = float(change / (2 * step * one.overhead_fraction))
            if abs(slope) > 1e-12:
                found.append(Elasticity(_file_key(name), value, slope))
    return _sorted(found)


def _named(job: Job, model: CostModel, strategy: str | None) -> StrategyPlan:
    """The strategy of that name, or the recommended one."""
    strategies = priced(job, model).strategies
    named = [one for one in strategies if one.name == strategy]
    if strategy is not None and not named:
        raise JobError("job", [Problem("strategy", f'"{strategy}"', ", ".join(one.name for one in strategies))])
    return named[0] if named else best_of(strategies)


def _sorted(found: Sequence[Elasticity]) -> tuple[Elasticity, ...]:
    return tuple(sorted(found, key=lambda one: (-round(abs(one.elasticity), 9), one.key)))


def _planned_anew(job: Job, strategy: str | None) -> tuple[Elasticity, ...]:
    model = model_for(job, None)
    one = _named(job, model, strategy)

    def overhead(other: Job) -> float | None:
        found = priced(other, model, only=(one.name,)).strategies
        return next((each.overhead_fraction for each in found if each.name == one.name), None)

    simulated = one.order is not None
    slopes_of = slopes(job, overhead, simulated)
    return _sorted([Elasticity(*three) for three in slopes_of if abs(three[2]) > _NONE])


def _file_key(name: str) -> str:
    table, _, field = name.partition(".")
    known = quantity_key(field)
    return f"{table}.{known[0] if known else field}"


def _overhead(job: Job, fields: Mapping[str, Any], one: StrategyPlan) -> Any:
    """The overhead of a strategy as an expression in the fields that are symbols."""
    of = derived(job.model_copy(update={"scaling": None}), fields)
    losses = {
        "mtbf_s": of.mtbf_s,
        "shards": of.shards,
        "shard_share": of.shard_share,
        "failed_shards": of.failed_shards,
        "save_s": of.save_s,
        "partial_load_s": of.partial_load_s,
        "partial_reschedule_s": of.partial_reschedule_s,
        "trainer_share": of.trainer_share,
        "whole_job_share": of.whole_job_share,
        "trainer_reschedule_s": of.trainer_reschedule_s,
    }
    chosen: Any = of.work_s
    by = one.steps[0].formula.__name__
    if one.name == "current" and one.interval_s < job.job.work_s:
        chosen = fields["job.current_interval_s"]
    elif by == "young_1974":
        chosen = interval.young_1974.raw(of.save_s, of.mtbf_s)
    elif by == "exact_pls_interval":
        chosen = exact_loss.exact_pls_interval.raw(of.pls_budget, **losses)
    elif by == "partial_recovery_interval":
        chosen = interval.partial_recovery_interval.raw(of.save_s, of.mtbf_s, of.whole_job_share)
    if one.strategy.recovery.name == "full":
        formula = overhead.full_recovery_overhead
        parts = formula.raw(chosen, of.save_s, of.mtbf_s, of.load_s, of.reschedule_s)
        return parts.total
    return overhead.partial_recovery_overhead.raw(
        chosen,
        of.save_s,
        of.mtbf_s,
        partial_load_s=of.partial_load_s,
        partial_reschedule_s=of.partial_reschedule_s,
        shard_share=of.shard_share,
        trainer_share=of.trainer_share,
        whole_job_share=of.whole_job_share,
        trainer_reschedule_s=of.trainer_reschedule_s,
        load_s=of.load_s,
        reschedule_s=of.reschedule_s,
    ).total
