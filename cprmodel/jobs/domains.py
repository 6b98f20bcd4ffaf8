r"""Where failures strike (``[[failures.component]]``): what of, how often, and what is lost with it.

A component fails with all of its domain: the process, the node, the host, the rack, or all behind one part of the
network. A level of checkpoints in the nodes' memory (``copies``) can be read as long as every node's part has
a copy left. Copies are in neighbouring units of the domain in which they are apart, in groups that hold one
another's: a domain that spans r of these units takes r copies of a group. Of nodes that fail at once wherever they
are, no group may be gone altogether (Wang et al., GEMINI, SOSP'23, whose corollary 1 gives it for fewer than two
groups' worth).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from cprmodel.facts.strategies import FailureSort
from cprmodel.facts.units import count_of, format_share
from cprmodel.formulas.failures import mtbf_from_nodes, mttf_from_fit
from cprmodel.jobs.quantities import Count, Plain, Positive, Section, wrong
from cprmodel.jobs.storage import Level

__all__ = [
    "DOMAINS",
    "Component",
    "Domains",
    "about_components",
    "about_domains",
    "about_levels",
    "check_components",
    "check_placement",
    "group_left",
    "readable",
    "sorts_of",
]

#: What fails together, the smallest first.
DOMAINS = ("process", "node", "host", "rack", "network")
_Domain = Literal["process", "node", "host", "rack", "network"]
_Given = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), Plain]
#: So many kinds of component are named in a note.
_NAMED = 6


class Domains(Section):
    """Nodes that fail together (``[failures.domains]``), for components of a host, a rack or the network."""

    host: Count | None = Field(None, description="nodes on a host; default: 1")
    rack: Count | None = Field(None, description="nodes in a rack")
    network: Count | None = Field(None, description="nodes behind one part of the network")

    @model_validator(mode="after")
    def _nested(self) -> Domains:
        given = [(name, getattr(self, name)) for name in DOMAINS[2:] if getattr(self, name) is not None]
        for (_, small), (name, size) in pairwise(given):
            if size % small:
                raise wrong(name, size, f"a multiple of the {small} nodes of the next smaller domain")
        return self

    def inner(self, domain: str) -> int:
        """Nodes of the next smaller domain that is given, of which a domain has a whole number.

        >>> Domains(host=2, network=64).inner("network"), Domains(rack=16).inner("rack")
        (2, 1)
        """
        smaller = DOMAINS[2 : DOMAINS.index(domain)]
        given = [size for name in smaller if (size := getattr(self, name)) is not None]
        return int(given[-1]) if given else 1

    def size(self, domain: str) -> int | None:
        """Nodes of a domain; None where it is not said.

        >>> Domains(rack=16).size("rack"), Domains(rack=16).size("host"), Domains(rack=16).size("network")
        (16, 1, None)
        """
        if domain in ("process", "node"):
            return 1
        size: int | None = getattr(self, domain)
        return 1 if size is None and domain == "host" else size

    def filled(self, domain: str, nodes: int | None) -> tuple[tuple[int, int], ...]:
        """How many domains have how many of the nodes: the full ones, and a last one with the rest.

        >>> Domains(rack=16).filled("rack", 64), Domains(rack=24).filled("rack", 64)
        (((4, 16),), ((2, 24), (1, 16)))
        """
        size = self.size(domain) or 1
        if nodes is None:
            return ((1, size),)
        full, rest = divmod(nodes, size)
        return tuple(one for one in ((full, size), (1, rest)) if all(one))


class Component(Section):
    """A kind of component whose failure interrupts the job: how many, how often, and what goes with it."""

    may_be_long: ClassVar[frozenset[str]] = frozenset({"mttf_s"})
    name: str = Field("", description="name, for people")
    count: Count = Field(1, description="how many there are in each domain (in each node, by default)")
    fit: Positive | None = Field(None, description="failures of one in 1e9 hours (FIT)")
    mttf_s: float | None = Field(None, description="or: mean time to failure of one")
    share: _Given | None = Field(
        None, description="or: its share of the failures, whose rate is given otherwise (all shares sum to 1)"
    )
    domain: _Domain = Field("node", description="what fails with it: process, node, host, rack or network")
    at_once: Count = Field(1, description="processes or nodes that fail together, wherever they are")

    @model_validator(mode="after")
    def _one_rate(self) -> Component:
        given = [name for name in ("fit", "mttf_s", "share") if getattr(self, name) is not None]
        if len(given) != 1:
            shown = tuple(getattr(self, name) for name in given) or ""
            raise wrong(
                " and ".join(one.removesuffix("_s") for one in given) or "fit", shown, "one of fit, mttf, share"
            )
        if self.share is not None and self.count != 1:
            raise wrong("count", self.count, "fit or mttf of one of them, and not their share")
        if self.at_once > 1 and self.domain not in ("process", "node"):
            raise wrong("at_once", self.at_once, 'domain = "process" or "node": larger domains fail one by one')
        return self

    def mtbf_s(self, domains: Domains, nodes: int) -> float:
        """Mean time between failures of any of them [s]; a domain that the nodes do not fill has its own, too.

        >>> Component(fit=5000, count=8).mtbf_s(Domains(), nodes=125) / 3600
        200.0
        """
        one = self.mttf_s if self.fit is None else float(mttf_from_fit.raw(self.fit))
        assert one is not None
        number = sum(many for many, _ in domains.filled(self.domain, nodes))
        return float(mtbf_from_nodes.raw(one, self.count * number))


def check_components(components: Sequence[Component], domains: Domains, nodes: int | None) -> bool:
    """Whether they give the rate of failures (else their shares); an error where they do not hang together."""
    by_share = [one.share is not None for one in components]
    if any(by_share) and not all(by_share):
        at = by_share.index(not by_share[0])
        raise wrong(f"component.{at}", "", "shares of all components, or fit or mttf of all")
    if all(by_share) and abs(sum(one.share or 0.0 for one in components) - 1) > 1e-6:
        total = sum(one.share or 0.0 for one in components)
        raise wrong("component.share", round(total, 9), "shares that sum to 1")
    names = [one.name for one in components]
    for at, one in enumerate(components):
        first = names.index(one.name)
        if one.name and first < at:
            raise wrong(
                f"component.{at}.name", one.name, f"a name of its own, which failures.component.{first} has"
            )
        size = domains.size(one.domain)
        if size is None:
            raise wrong(f"domains.{one.domain}", "", f"nodes in it, since component.{at} has this domain")
        if nodes is not None and max(size, one.at_once) > nodes:
            key = f"component.{at}.at_once" if one.at_once > 1 else f"domains.{one.domain}"
            raise wrong(key, max(size, one.at_once), f"at most nodes ({nodes})")
    return not all(by_share)


def shares_of(components: Sequence[Component], domains: Domains, nodes: int) -> list[float]:
    """The share of the failures that each kind of component has."""
    if components[0].share is not None:
        return [one.share or 0.0 for one in components]
    rates = [1 / one.mtbf_s(domains, nodes) for one in components]
    return [rate / sum(rates) for rate in rates]


def group_left(nodes: int, copies: int, failed: int) -> float:
    """Probability that no group of ``copies`` nodes is among the nodes that fail at once, any of them.

    The figures of GEMINI (SOSP'23): 16 nodes, two copies, two and three failures.

    >>> round(group_left(16, 2, 2), 3), round(group_left(16, 2, 3), 3)
    (0.933, 0.8)
    """
    groups, among = nodes // copies, math.comb(nodes, failed)
    ways = (
        (-1) ** gone * math.comb(groups, gone) * math.comb(nodes - gone * copies, failed - gone * copies)
        for gone in range(min(groups, failed // copies) + 1)
    )
    return float(sum(ways)) / among


def readable(level: Level, component: Component, domains: Domains, nodes: int | None) -> float:
    """Probability that a level can still be read after a component's failure, in any of its domains."""
    filled = domains.filled(component.domain, nodes)
    total = sum(many for many, _ in filled)
    return sum(many / total * _readable(level, component, domains, nodes, size) for many, size in filled)


def _readable(level: Level, component: Component, domains: Domains, nodes: int | None, size: int) -> float:
    """The same in a domain of so many nodes."""
    if level.copies is None or (component.domain == "process" and level.held_by != "process"):
        return 1.0
    units = math.ceil(size / (domains.size(level.apart or "node") or 1))
    if component.at_once > 1 and level.copies > 1:
        return group_left(nodes or component.at_once, level.copies, component.at_once)
    return float(units < level.copies)


def check_placement(
    levels: Sequence[Level], components: Sequence[Component] | None, domains: Domains, nodes: int | None
) -> None:
    """That a placement of copies has room, and that each level can be read wherever the one below can."""
    placed = [at for at, one in enumerate(levels) if one.copies is not None]
    for at in placed:
        one, key = levels[at], f"checkpoint.level.{at}"
        assert one.copies is not None
        if components is None:
            raise wrong(f"{key}.copies", one.copies, "failures.component, which says what fails together")
        size = domains.size(one.apart or "node")
        if size is None:
            raise wrong(f"failures.domains.{one.apart}", "", f"nodes in it, since {key}.apart names it")
        if nodes is not None and one.copies * size > nodes:
            raise wrong(
                f"{key}.copies", one.copies, f"at most {nodes // size}, so many as there are to be apart in"
            )
        several = any(other.at_once > 1 for other in components)
        if several and (nodes is None or (one.copies > 1 and nodes % one.copies)):
            expected = "failures.nodes that are a multiple of copies, since components fail several at once"
            raise wrong(f"{key}.copies", one.copies, expected)
    if not placed:
        return
    by_hand = [at for at in range(len(levels) - 1) if at not in placed]
    if by_hand:
        expected = "copies in each level but the last, or in none: what both survive isn't known otherwise"
        raise wrong(f"checkpoint.level.{by_hand[0]}.survives", levels[by_hand[0]].survives, expected)
    assert components is not None
    for at in placed:
        above = [readable(levels[at + 1], one, domains, nodes) for one in components]
        here = [readable(levels[at], one, domains, nodes) for one in components]
        worse = [name_of(one) for one, low, high in zip(components, here, above, strict=True) if high < low]
        if worse:
            expected = f"a level that survives all that the one below does (not so: {worse[0]})"
            raise wrong(f"checkpoint.level.{at + 1}.copies", levels[at + 1].copies, expected)


def sorts_of(
    components: Sequence[Component],
    domains: Domains,
    levels: Sequence[Level],
    nodes: int | None,
    shards: int | None,
) -> tuple[FailureSort, ...]:
    """What each kind of component's failures take: shards, and the levels that they leave.

    A domain that the nodes do not fill takes less than the others: a sort of its own, after theirs.
    Shards are spread evenly over the nodes, at most one on each; one is always taken by a failure of a shard.
    """
    often = shares_of(components, domains, nodes or 1)
    most = float(shards or 1)
    a_node = 1.0 if nodes is None or shards is None else min(1.0, shards / nodes)
    found = []
    for one, share in zip(components, often, strict=True):
        filled = domains.filled(one.domain, nodes)
        for many, size in filled:
            left = [0.0, *(_readable(level, one, domains, nodes, size) for level in levels)]
            needs = tuple(high - low for low, high in pairwise(left)) or (1.0,)
            so_often = share * (many / sum(number for number, _ in filled))
            found.append(FailureSort(so_often, min(max(1.0, size * one.at_once * a_node), most), needs))
    return tuple(found)


def name_of(one: Component) -> str:
    """How a note calls a kind of component."""
    where = "" if one.domain == "node" else f" ({one.domain})"
    return f"{one.name or 'component'}{where}"


def about_components(components: Sequence[Component], shares: Sequence[float], mtbf: str) -> str:
    """The MTBF, and which components make it up, the most frequent first."""
    ranked = sorted(zip(shares, components, strict=True), key=lambda pair: -pair[0])
    said = [f"{name_of(one)} {format_share(share)}" for share, one in ranked[:_NAMED]]
    if len(ranked) > _NAMED:
        said.append(f"others {format_share(sum(share for share, _ in ranked[_NAMED:]))}")
    return f"failures.component: an MTBF of {mtbf}; of the failures {', '.join(said)}"


def about_levels(
    levels: Sequence[Level],
    components: Sequence[Component],
    shares: Sequence[float],
    domains: Domains,
    nodes: int | None,
) -> list[str]:
    """What share of the failures each placement of copies survives, and what takes it."""
    said = []
    for at, level in enumerate(levels):
        if level.copies is None:
            continue
        left = [readable(level, one, domains, nodes) for one in components]
        survives = sum(share * one for share, one in zip(shares, left, strict=True))
        takes = [name_of(one) for one, can in zip(components, left, strict=True) if can < 1]
        copies = f"{level.copies} copies on different {level.apart or 'node'}s survive"
        if level.copies == 1:
            copies = "the one copy survives"
        lost = f"; lost with {', '.join(takes[:_NAMED])}" if takes else ""
        name = level.name or f"checkpoint.level.{at}"
        said.append(f"{name}: {copies} {format_share(survives)} of the failures{lost}")
    return said


def about_domains(components: Sequence[Component], domains: Domains, nodes: int | None) -> list[str]:
    """That the nodes of the job do not fill the last host, rack or part of the network."""
    said = []
    for name in DOMAINS[2:]:
        full, *last = domains.filled(name, nodes)
        if last and any(one.domain == name for one in components):
            said.append(
                f"failures.domains.{name} = {full[1]}: {nodes:,} nodes fill {count_of(full[0], name)}, "
                f"and a last one has {last[0][1]}: it fails as often as a full one, and takes what it has"
            )
    return said
