"""What a plan says of stragglers and fewer nodes: what they cost, and where a spare, or waiting, is better."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from cprmodel.costing.fewer import Fleet
from cprmodel.costing.models import Cost
from cprmodel.costing.pace import course_of, fleet_at
from cprmodel.facts.roots import root_between
from cprmodel.facts.strategies import FailureKind, Strategy
from cprmodel.facts.units import format_share, format_time
from cprmodel.jobs import Job

__all__ = ["about_pace"]

#: A job shorter than so many repairs is not long; nor is a repair that is shorter than so many stops and reshapes.
_SHORT, _STOPS = 20, 2.0
#: Shares that are smaller are not told.
_TOLD = 1e-6
#: How far from the given repair a break-even is looked for, either way.
_FAR = 1e4
#: How closely it is found (relative).
_CLOSE = 1e-4


class _Model(Protocol):
    def cost(self, job: Job, strategy: Strategy) -> Cost: ...

    def lost_on(self, job: Job, strategy: Strategy, fleet: Fleet) -> float: ...


def about_pace(model: _Model, job: Job, strategy: Strategy) -> list[str]:
    """Sentences for a strategy."""
    cost = model.cost(job, strategy)
    if not math.isfinite(float(cost.breakdown.total)):
        return []
    said = _about_stragglers(job, strategy, cost)
    return said + (_about_fewer(model, job, strategy, cost) if job.elastic else [])


def _about_stragglers(job: Job, strategy: Strategy, cost: Cost) -> list[str]:
    slow, pace = job.cluster.stragglers, course_of(job).pace
    if slow is None or pace == 1:
        return []
    taken = format_share(cost.slow)
    every = strategy.saves_every_s
    if every >= job.job.work_s:
        return [f"stragglers take {taken} of the work's time"]
    return [
        f"stragglers take {taken} of the work's time; by the clock its interval lasts {format_time(every / pace)} "
        f"on average, {format_time(every / slow.rate)} in a slow spell. Stragglers leave the best time between two "
        "saves as it is, so it holds fewer steps"
    ]


def _about_fewer(model: _Model, job: Job, strategy: Strategy, cost: Cost) -> list[str]:
    elastic, course = job.job.elastic, course_of(job)
    assert elastic is not None
    assert course.fleet is not None
    fleet, spares, nodes = course.fleet, job.cluster.spares or 0, job.nodes or 0
    elapsed = job.job.work_s * (1 + float(cost.breakdown.total))
    fewer = 1 - fleet.waits - fleet.share_of(nodes // elastic.replica_nodes)

    def lost(least: int | None = None, spares: int | None = None, repair_s: float | None = None) -> float:
        of = job if repair_s is None else _repaired_in(job, repair_s)
        return model.lost_on(of, strategy, fleet_at(of, least, spares))

    waits = f" and waits for {format_share(fleet.waits)}" if fleet.waits > _TOLD else ""
    here, waiting, more = lost(), lost(least=nodes), lost(spares=spares + 1)
    said = (
        f"{fleet.broken:.3g} nodes are out at once on average: it trains on fewer nodes for {format_share(fewer)} "
        f"of its time{waits}, which takes {format_share(here)} of the work's time; "
        f"to wait for every repair would take {format_share(waiting)}{_break_even(job, lost)}"
    )
    together = nodes + spares
    gained = (here - more) / (1 + float(cost.breakdown.total))
    worth = "worth it" if gained * together > 1 - gained else "not worth it"
    what = "a spare" if spares == 0 else f"one spare more than {spares}"
    spare = (
        f"{what} would make that {format_share(more)}: it saves {format_share(gained)} of the time of {together} "
        f"nodes, which is {gained * together:.2g} of a node: by node-hours it is {worth}"
    )
    notes = [said, spare]
    most = max(nodes for share, nodes in job.failures.nodes_taken if share > 0)
    if most > 1:
        notes.append(
            f"a failure sends one node to repair here, also one that breaks {most} at once: fewer nodes then cost "
            "more than this says (without job.elastic it waits for each of them)"
        )
    repairs = elapsed / (job.repair_s or math.inf)
    if repairs < _SHORT:
        notes.append(
            f"the job lasts only {repairs:.3g} repairs: fewer nodes are those of a long one, and one that begins "
            "with all its nodes loses less (cprmodel simulate plays it)"
        )
    stop = strategy.recovery.response(FailureKind.WHOLE_JOB).total_s + elastic.reshape_s
    if (job.repair_s or 0.0) < _STOPS * stop:
        notes.append(
            f"a repair of {format_time(job.repair_s or 0.0)} is not much longer than a stop that reshapes, "
            f"{format_time(stop)}: what fewer nodes cost is then only roughly known (cprmodel simulate plays it)"
        )
    return notes


def _repaired_in(job: Job, repair_s: float) -> Job:
    failures = job.failures.model_copy(update={"repair_s": repair_s})
    return job.model_copy(update={"failures": failures})


def _break_even(job: Job, lost: Callable[..., float]) -> str:
    """The repair from which on fewer nodes are better than waiting, if there is one."""
    nodes, repair = job.nodes, job.repair_s or 0.0
    if not repair > 0:
        return ""

    def better(logarithm: float) -> float:
        at = repair * math.exp(logarithm)
        less, more = lost(repair_s=at), lost(least=nodes, repair_s=at)
        return (less - more) / (less + more) if math.isfinite(less + more) and less + more > 0 else -1.0

    here, end = better(0.0), math.log(_FAR)
    end = -end if here < 0 else end
    if here == 0 or better(end) * here > 0:
        return ""
    # counted from beyond the given value, so that what is close to a root is close in ratio
    root = root_between(lambda x: better(x - end), end, 2 * end, _CLOSE) - end
    at = format_time(repair * math.exp(root))
    return f" (less, for repairs of less than {at})" if here < 0 else f", which is less, up to repairs of {at}"
