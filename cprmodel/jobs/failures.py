"""How a job fails (``[failures]``): a rate however it is known, and what its failures take."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema, model_validator

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.strategies import FailureSort
from cprmodel.facts.units import LONGEST_S, QuantityError, count_of, format_time, parse_quantity
from cprmodel.formulas.failures import (
    mtbf_from_groups,
    mtbf_from_node_days,
    mtbf_from_nodes,
    node_mtbf_from_probability,
    nodes_per_failure,
)
from cprmodel.jobs.domains import Component, Domains, about_components, check_components, shares_of
from cprmodel.jobs.failure_model import FailureModel, read_failure_model
from cprmodel.jobs.planned import Planned, Silent
from cprmodel.jobs.quantities import AtLeastOne, Count, OpenShare, Positive, Section, Share, wrong

__all__ = ["RATES", "READ_BY_LOAD_JOB", "TRACE_OPTIONS", "Failures"]

_FailureModelFile = Annotated[
    FailureModel | None, BeforeValidator(read_failure_model), WithJsonSchema({"type": "string"})
]


def _in_a_list(value: Any) -> Any:
    """One text stands for a list of it."""
    return (value,) if isinstance(value, str) else value


_Texts = Annotated[tuple[str, ...] | None, BeforeValidator(_in_a_list)]

#: The keys that say how often one node fails.
OF_NODES = ("node_mtbf_s", "per_1000_node_days", "node_failure_probability")
#: The keys of which exactly one says how often it fails.
RATES = ("mtbf_s", *OF_NODES, "trace", "fit")
#: How to read a trace: the options of ``cprmodel fit``.
TRACE_OPTIONS = (
    "format",
    "time_column",
    "event_column",
    "unit",
    "window",
    "servers",
    "system",
    "since",
    "node_column",
    "until",
    "column",
    "where",
    "rows",
    "clock",
    "dates",
    "time_zone",
)
READ_BY_LOAD_JOB = "a job read by cprmodel.load_job, which fits the trace (or fit = a file of cprmodel fit --json)"


class Failures(Section):
    """How it fails (``[failures]``)."""

    mtbf_s: float | None = Field(None, description="mean time between failures that interrupt the job")
    node_mtbf_s: float | None = Field(None, description="mean time between failures of one node (with nodes)")
    nodes: Count | None = Field(
        None, description="nodes of the job; with a trace or a fit: it is of one node (or of its servers)"
    )
    per_1000_node_days: Positive | None = Field(None, description="failures per 1,000 node-days (with nodes)")
    node_failure_probability: OpenShare | None = Field(
        None, description="probability that one node fails within node_period (with nodes)"
    )
    node_period_s: float | None = Field(None, description="period of node_failure_probability")
    group_mtbf_s: float | None = Field(
        None, description="besides nodes alone, groups of them fail: mean time between failures of one group"
    )
    group_nodes: Count | None = Field(None, description="nodes (shards) of a group, which fail at once")
    fit: _FailureModelFile = Field(
        None, description="or: file that cprmodel fit --json printed (path relative to the job file)"
    )
    trace: str | None = Field(None, description="or: trace to fit (path relative to the job file)")
    format: str | None = Field(
        None, description="of the trace: csv, infinitehbd, lanl or fta; default: by what its columns say"
    )
    time_column: str | None = Field(None, description="of the trace: column of the times")
    event_column: str | None = Field(None, description="of the trace: column that is 0 where a time was cut short")
    unit: str | None = Field(None, description="of the trace: unit of its numbers; default: by their column, or s")
    window: str | None = Field(None, description="of the trace: its times are moments in so long an observation")
    servers: Count | None = Field(None, description="of the trace: the job spans so many of the servers")
    system: Count | None = Field(None, description="of the trace: number of the LANL system")
    since: str | None = Field(None, description="of the trace: it was observed from this date on")
    node_column: str | None = Field(None, description="of the trace: column of the nodes, for servers")
    until: str | None = Field(None, description="of the trace: it was observed until this date")
    column: _Texts = Field(None, description="of the trace: columns by what they say, such as start=Began")
    where: _Texts = Field(
        None, description="of the trace: states that are interruptions (state=FAILED,NODE_FAIL), or rows to read"
    )
    rows: str | None = Field(None, description="of the trace: what its rows are, runs or incidents")
    clock: str | None = Field(None, description="of the trace: what its numbers are, durations or moments")
    dates: str | None = Field(None, description="of the trace: day-first or month-first")
    time_zone: str | None = Field(None, description="of the trace: zone of moments without one; default: UTC")
    node_age_s: float | None = Field(
        None,
        description="age of the nodes (with nodes, and a trace or a fit of single units): they fail as those do",
    )
    rate_at: str | None = Field(
        None, description='of a trace or a fit with dates: the rate at "end", or a time since the beginning'
    )
    shard_share: Share | None = Field(None, description="share of failures that take a shard; default: the rest")
    trainer_share: Share = Field(0.0, description="share that take a trainer (loses no embedding)")
    whole_job_share: Share = Field(0.0, description="share that take everything (partial recovery can't help)")
    shards_per_failure: AtLeastOne = Field(1.0, description="shards lost per shard failure (its mean)")

    repair_s: float | None = Field(None, description="mean time until a failed node can be used again")
    repair_share: Share | None = Field(
        None, description="share of the failures after which a node must be repaired; default: all"
    )
    component: Annotated[tuple[Component, ...] | None, Field(min_length=1)] = Field(
        None, description="or: kinds of component, each with its rate (or share), and what fails with it"
    )
    domains: Domains | None = Field(None, description="nodes that fail together, for component")
    silent: Silent | None = Field(None, description="errors that are not seen when they strike")
    planned: tuple[Planned, ...] | None = Field(
        None, description="stops that are known beforehand, such as maintenance"
    )

    _together: tuple[FailureSort, ...] = PrivateAttr(())

    @model_validator(mode="after")
    def _one_rate(self) -> Failures:
        given = [key for key in RATES if getattr(self, key) is not None]
        given += ["component"] if self._check_components() else []
        names = [key.removesuffix("_s") for key in given]
        if len(given) != 1:
            raise wrong(
                " and ".join(names) or "mtbf",
                tuple("..." if key in ("fit", "component") else getattr(self, key) for key in given) or "",
                "exactly one of mtbf, node_mtbf (with nodes), per_1000_node_days (with nodes), "
                "node_failure_probability (with nodes and node_period), component (with nodes), trace and fit",
            )
        if given[0] in (*OF_NODES, "component") and self.nodes is None:
            raise wrong("nodes", "", f"the number of nodes, since {names[0]} is given")
        self._check_nodes(given[0])
        self._check_age_and_time()
        if self.trace is None:
            for key in TRACE_OPTIONS:
                if getattr(self, key) is not None:
                    raise wrong(key, getattr(self, key), "a trace beside it, which it would tell how to read")
        rest = 1 - self.trainer_share - self.whole_job_share
        total = 1.0 if self.shard_share is None else self.shard_share + 1 - rest
        if rest < -1e-9 or abs(total - 1) > 1e-9:
            shown = 1 - rest + (self.shard_share or 0)
            raise wrong("shard_share + trainer_share + whole_job_share", shown, "shares that sum to 1")
        return self

    def _check_components(self) -> bool:
        """Whether components say how often the job fails; what they leave no room for."""
        if self.component is None:
            return False
        for key, value in (("group_nodes", self.group_nodes), ("shards_per_failure", self.shards_per_failure)):
            if value not in (None, 1):
                raise wrong(key, value, "no such key beside component, whose domains say what fails together")
        return check_components(self.component, self.domain_sizes, self.nodes)

    @property
    def domain_sizes(self) -> Domains:
        """Nodes that fail together, as far as they are given."""
        return Domains() if self.domains is None else self.domains

    @property
    def component_shares(self) -> list[float]:
        """Share of the failures that each kind of component has; none where components aren't given."""
        return [] if self.component is None else shares_of(self.component, self.domain_sizes, self.nodes or 1)

    def components_data(self) -> list[dict[str, Any]] | None:
        """Name, domain, share and MTBF of each kind of component [s], as plain data; None without any."""
        if self.component is None:
            return None
        pairs = zip(self.component, self.component_shares, strict=True)
        job = self.mtbf_of_job_s
        return [
            {"name": one.name, "domain": one.domain, "share": share, "mtbf_s": job / share} for one, share in pairs
        ]

    def with_shares(self) -> tuple[Component, ...] | None:
        """The components, with their shares of the failures in the place of their rates."""
        if self.component is None:
            return None
        gone = {"fit": None, "mttf_s": None, "count": 1}
        pairs = zip(self.component, self.component_shares, strict=True)
        return tuple(one.model_copy(update={**gone, "share": share}) for one, share in pairs)

    def _check_nodes(self, given: str) -> None:
        """What belongs together about single nodes and groups of them."""
        if (self.node_failure_probability is None) != (self.node_period_s is None):
            missing = "node_period" if self.node_period_s is None else "node_failure_probability"
            raise wrong(missing, "", "both node_failure_probability and node_period")
        if (self.group_mtbf_s is None) != (self.group_nodes is None):
            missing = "group_nodes" if self.group_nodes is None else "group_mtbf"
            raise wrong(missing, "", "both group_mtbf and group_nodes")
        if self.group_nodes is None:
            return
        if given not in OF_NODES:
            expected = "node_mtbf, per_1000_node_days or node_failure_probability beside it"
            raise wrong("group_nodes", self.group_nodes, expected)
        if self.group_nodes > (self.nodes or 0):
            raise wrong("group_nodes", self.group_nodes, f"at most nodes ({self.nodes})")

    @property
    def _groups(self) -> dict[str, float]:
        """The arguments of the formulas about groups of nodes; none where no groups fail."""
        if self.group_mtbf_s is None or self.group_nodes is None or self.nodes is None:
            return {}
        return {
            "node_mtbf_s": self.mtbf_of_node_s,
            "nodes": self.nodes,
            "group_mtbf_s": self.group_mtbf_s,
            "groups": self.nodes / self.group_nodes,
        }

    @property
    def mtbf_of_node_s(self) -> float:
        """MTBF of one node alone [s], from whichever of its rates is given."""
        if self.node_mtbf_s is not None:
            return self.node_mtbf_s
        if self.node_failure_probability is not None:
            return float(node_mtbf_from_probability.raw(self.node_failure_probability, self.node_period_s))
        return float(mtbf_from_node_days.raw(1, self.per_1000_node_days))

    @property
    def shards_lost(self) -> float:
        """Shards lost per shard failure (its mean), failures of whole groups included."""
        if not self._groups:
            return self.shards_per_failure
        return float(
            nodes_per_failure.raw(**self._groups, group_nodes=self.group_nodes, alone=self.shards_per_failure)
        )

    def sorts_of_groups(self) -> tuple[FailureSort, ...]:
        """What failures of single nodes and of whole groups take; none without groups."""
        of = self._groups
        if not of or self.group_nodes is None:
            return self._together
        often = self.mtbf_of_job_s * of["groups"] / of["group_mtbf_s"]
        taken = ((1 - often, self.shards_per_failure), (often, float(self.group_nodes)))
        return tuple(FailureSort(share, shards, (1.0,)) for share, shards in taken)

    @property
    def nodes_taken(self) -> tuple[tuple[float, int], ...]:
        """Share of each sort of failures, and the nodes that one breaks: one where nothing says more."""
        most = self.nodes or 1
        if self.component is None:
            sorts = self.sorts_of_groups()
            pairs = [(sorts[0].share, 1), (sorts[1].share, int(sorts[1].shards))] if sorts else [(1.0, 1)]
        else:
            pairs = []
            for one, share in zip(self.component, self.component_shares, strict=True):
                filled = self.domain_sizes.filled(one.domain, self.nodes)
                each = share / sum(many for many, _ in filled)
                pairs += [(many * each, size * one.at_once) for many, size in filled]
        return tuple((share, max(1, min(nodes, most))) for share, nodes in pairs)

    def take_together(self, sorts: tuple[FailureSort, ...]) -> None:
        """What groups took stays so where an MTBF stands in their place."""
        self._together = sorts

    @property
    def fit_of_job(self) -> FailureModel | None:
        """The fit, at the nodes' age or at the time that is asked for; of so many nodes as the job has."""
        if self.fit is None:
            return None
        found = self.fit
        if self.node_age_s is not None:
            found = found.at_age(self.node_age_s)
        elif self._rate_at_s is not None:
            found = found.at_time(self._rate_at_s)
        return found if self.nodes is None else found.of_nodes(self.nodes)

    @property
    def _rate_at_s(self) -> float | None:
        """The time since the beginning of the observation at which the rate is wanted [s]."""
        if self.rate_at is None or self.fit is None or self.fit.power_law is None:
            return None
        return self.fit.power_law.window_s if self.rate_at == "end" else parse_quantity(self.rate_at, "time")

    @property
    def drift(self) -> tuple[float, float] | None:
        """Shape of the power law of a rate that changes, and the time at which it is wanted [s]; None: no such."""
        at = self._rate_at_s
        if at is None or self.fit is None or self.fit.power_law is None:
            return None
        return self.fit.power_law.shape, at

    def _check_age_and_time(self) -> None:
        """What the log must say for an age or a time to be asked about."""
        if self.node_age_s is not None:
            if self.trace is None and self.fit is None:
                raise wrong("node_age", format_time(self.node_age_s), "a trace or a fit beside it")
            if self.nodes is None:
                raise wrong("nodes", "", "the number of nodes, since node_age is given")
            if self.fit is not None and not self.fit.ages:
                expected = "a log with at least 20 failures of single units, in at least two bands of age"
                raise wrong("node_age", format_time(self.node_age_s), expected)
            if self.fit is not None and self.fit.ages and self.node_age_s > self.fit.ages[-1].to_s:
                oldest = format_time(self.fit.ages[-1].to_s)
                raise wrong("node_age", format_time(self.node_age_s), f"an age that the log has: at most {oldest}")
        if self.rate_at is None:
            return
        if self.trace is None and self.fit is None:
            raise wrong("rate_at", self.rate_at, "a trace or a fit, which says how the rate changes")
        if self.node_age_s is not None:
            raise wrong("rate_at", self.rate_at, "one of rate_at and node_age")
        if self.rate_at != "end":
            try:
                good = 0 < parse_quantity(self.rate_at, "time") <= LONGEST_S
            except QuantityError:
                good = False
            if not good:
                raise wrong("rate_at", self.rate_at, '"end", or a time since the beginning such as "300 d"')
        if self.fit is not None and self.fit.power_law is None:
            raise wrong("rate_at", self.rate_at, "a log of one job over time, with at least 6 failures")

    def about_nodes(self) -> list[str]:
        """How the log was understood, and what is assumed where it is of other nodes or times than the job."""
        read = []
        if self.fit is not None and self.fit.read_as:
            read = [f"failures: {PurePath(self.fit.source).name} is {self.fit.read_as}"]
        if self.component is not None:
            mtbf = format_time(self.mtbf_of_job_s)
            read.append(about_components(self.component, self.component_shares, mtbf))
        return [*self._about_age_and_time(), *self._about_number(), *read]

    def _about_age_and_time(self) -> list[str]:
        if self.fit is None:
            return []
        said = []
        if self.node_age_s is not None and self.fit.ages:
            band = next(one for one in self.fit.ages if one.from_s <= self.node_age_s <= one.to_s)
            said.append(
                f"failures.node_age: of units from {format_time(band.from_s)} to {format_time(band.to_s)} old, "
                f"{count_of(band.events)} in {format_time(band.exposure_s)}; over all ages the MTBF is "
                f"{format_time(self.fit.mtbf_s)}"
            )
        at = self._rate_at_s
        if at is not None and self.fit.power_law is not None and self.node_age_s is None:
            beyond = " (beyond the observation: extrapolated)" if at > self.fit.power_law.window_s else ""
            said.append(
                f"failures.rate_at: the MTBF {format_time(at)} after the beginning{beyond}, by a power law of "
                f"shape {self.fit.power_law.shape:.3g}; over all the time it is {format_time(self.fit.mtbf_s)}"
            )
        mean = self.fit.law_mean_s
        if not said and mean is not None and not 0.5 < mean / self.fit.mtbf_s < 2:
            why = (
                "most times were cut short before the age at which it puts failures (node_age: how old nodes are)"
                if mean < self.fit.mtbf_s
                else "it hangs on times longer than any that was seen"
            )
            said.append(
                f"the MTBF planned for is exposure over failures, {format_time(self.fit.mtbf_s)}; the mean of the "
                f"{self.fit.law} law that fits best is {format_time(mean)}: {why}"
            )
        return said

    def _about_number(self) -> list[str]:
        """What is assumed where the log of some nodes stands for a job of others."""
        if self.fit is None or self.nodes is None or self.nodes == (self.fit.servers or 1):
            return []
        watched = "one node's" if self.fit.servers is None else f"that of {self.fit.servers:,} servers"
        return [
            f"failures.nodes: the trace is taken for {watched}, with an MTBF of {format_time(self.fit.mtbf_s)}; "
            f"the job's {self.nodes:,} nodes are taken to fail alike and independently, so that their rates add",
            "failures.nodes: independent failures of many nodes together tend to have no memory, whatever the law "
            "of each, and are taken to have none",
        ]

    @property
    def rate_key(self) -> str:
        """The key of the job file that says how often the job fails."""
        if self.component is not None and self.component[0].share is None:
            return "failures.component"
        given = next(key for key in RATES if getattr(self, key) is not None)
        return f"failures.{given.removesuffix('_s')}"

    @property
    def mtbf_of_job_s(self) -> float:
        """MTBF of the whole job [s], from whichever rate is given."""
        if self.mtbf_s is not None:
            return self.mtbf_s
        if self.fit_of_job is not None:
            return self.fit_of_job.mtbf_s
        if self.trace is not None:
            raise JobError("job", [Problem("failures.trace", f'"{self.trace}"', READ_BY_LOAD_JOB)])
        if self.component is not None and self.component[0].share is None:
            return 1 / sum(1 / one.mtbf_s(self.domain_sizes, self.nodes or 1) for one in self.component)
        if self._groups:
            return float(mtbf_from_groups.raw(**self._groups))
        return float(mtbf_from_nodes.raw(self.mtbf_of_node_s, self.nodes))
