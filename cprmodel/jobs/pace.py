"""Training at less than full speed: stragglers (``[cluster] stragglers``), fewer nodes (``[job] elastic``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from cprmodel.jobs.quantities import Count, Plain, Section, wrong

if TYPE_CHECKING:
    from cprmodel.jobs.scaling import Scaling

__all__ = ["Elastic", "Stragglers", "check_elastic"]

#: Of more nodes the states of a fleet are not listed.
_MOST_NODES = 10**6

_SlowShare = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), Plain]
_SlowRate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), Plain]


class Stragglers(Section):
    """Spells in which the slowest node holds all others up (``[cluster] stragglers``)."""

    share: _SlowShare = Field(description="share of the time in which the job trains slower")
    rate: _SlowRate = Field(description="at this rate of its speed then")
    lasts_s: float | None = Field(
        None, description="how long such a spell lasts on average; default: much longer than a save"
    )


class Elastic(Section):
    """Training on with fewer replicas while nodes are repaired (``[job] elastic``)."""

    min_nodes: Count = Field(description="fewest nodes on which it trains; below, it waits for a repair")
    replica_nodes: Count = Field(
        1, description="nodes of one model replica: it trains on whole replicas, and what is left stands by"
    )
    reshape_s: float = Field(
        0.0, description="time to shrink to fewer replicas, or to grow again, beside rescheduling and loading"
    )
    may_be_zero: ClassVar[frozenset[str]] = frozenset({"reshape_s"})


def check_elastic(
    elastic: Elastic | None, nodes: int | None, scaling: Scaling | None, repair_s: float | None, others: str
) -> None:
    """That it is known how fast fewer nodes are, and for how long; ``others``: what isn't modelled with them."""
    if elastic is None:
        return
    least, group = elastic.min_nodes, elastic.replica_nodes
    if nodes is None:
        raise wrong("failures.nodes", "", "the nodes of the job, since job.elastic says on how few it trains")
    if nodes > _MOST_NODES:
        raise wrong("job.elastic.min_nodes", least, f"a job of at most {_MOST_NODES:,} nodes beside it")
    if scaling is None or not scaling.grows:
        raise wrong(
            "scaling.exponent", "", "exponent or points: how fast fewer nodes train, since job.elastic is given"
        )
    if repair_s is None:
        raise wrong("failures.repair", "", "the mean time of a repair, since job.elastic is given")
    if nodes % group:
        raise wrong("job.elastic.replica_nodes", group, f"a number that divides the job's nodes ({nodes})")
    if least > nodes or least % group:
        of = f", a multiple of replica_nodes ({group})" if group > 1 else ""
        raise wrong("job.elastic.min_nodes", least, f"at most the job's nodes ({nodes}){of}")
    if least < scaling.range[0]:
        raise wrong("job.elastic.min_nodes", least, f"at least {scaling.range[0]:g}, the fewest of scaling.points")
    if others:
        expected = (
            f"no such key beside {others}: fewer nodes are modelled with saves that block and failures that are "
            "seen at once (without job.elastic the job waits for repairs, which is about what it comes to at most)"
        )
        raise wrong("job.elastic", "...", expected)
