"""How checkpoints are really written: levels, and the storage that jobs share."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from cprmodel.jobs.quantities import Count, Flag, OpenShare, Plain, Section, wrong
from cprmodel.jobs.scattering import Scattering

__all__ = ["Level", "Neighbour", "Rotating", "Storage", "dirty_points"]


def _rotating_number(value: Any) -> Any:
    """``true``, or a number of experts; ``false`` says nothing."""
    if value is None or value is False:
        return None
    if value is True:
        return True
    if not isinstance(value, int) or not 1 <= value <= 10**9:
        expected = "true, or a whole number of experts (or shards), at least 1 and at most all of them"
        raise wrong("", value, expected)
    return value


#: How many experts a save holds in turn.
Rotating = Annotated[
    bool | int | None,
    BeforeValidator(_rotating_number),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1}]}),
]
_Survives = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), Plain]


class Level(Scattering):
    """A place to save to (``[[checkpoint.level]]``): the cheapest first, the last one survives every failure."""

    may_be_zero: ClassVar[frozenset[str]] = frozenset({"load_s", "partial_load_s", "stall_s"})
    name: str = Field("", description="name, for people")
    save_s: float | None = Field(None, description="time a save there blocks training; or P50 and P90 of it")
    save_shrinks: Flag | None = Field(
        None,
        description="incremental: save is the copy of everything, and shrinks with what is written; default: true, "
        "but false in a last level that drains, where save is a snapshot",
    )
    stall_s: float | None = Field(
        None,
        description="incremental: time a save there blocks besides, whatever it writes (a snapshot, a barrier)",
    )
    bandwidth_bytes_per_s: float | None = Field(None, description="or: bandwidth to it, with checkpoint.size")
    load_s: float | None = Field(
        None, description="time to read everything back from it; default: as it takes to copy or drain"
    )
    partial_load_s: float | None = Field(None, description="time to load the failed shards; default: load/shards")
    survives: _Survives = Field(
        1.0, description="share of the failures after which what is there can still be read; the last level: 1"
    )
    copies: Count | None = Field(
        None, description="or: copies in the nodes' memory or disks; failures.component then says what survives"
    )
    apart: Literal["node", "host", "rack", "network"] | None = Field(
        None, description="the copies are on different ones of these; default: node"
    )
    held_by: Literal["process", "node"] | None = Field(
        None, description="what must live for a copy to be read: the process, or (default) the node"
    )
    every: Count | None = Field(
        None, description="every how many saves of the level below one goes here instead; default: the best"
    )
    rotating: Rotating = Field(
        None,
        description="a save there holds so many of the experts (or shards) in turn, and all that is no expert's; "
        "true: the best number; default: all",
    )

    ordered: Flag | None = Field(
        None,
        description="saves there take the first rows of an order ([access]), those to other levels everything; "
        "default: the last level",
    )

    @model_validator(mode="after")
    def _one_cost(self) -> Level:
        if (self.save_s is None) == (self.bandwidth_bytes_per_s is None):
            shown = "" if self.save_s is None else (self.save_s, self.bandwidth_bytes_per_s)
            raise wrong("save and bandwidth" if shown else "save", shown, "one of save and bandwidth")
        for key, value in (("apart", self.apart), ("held_by", self.held_by)):
            if value is not None and self.copies is None:
                raise wrong(key, value, "copies beside it")
        if self.copies is not None and self.survives != 1:
            raise wrong("survives and copies", (self.survives, self.copies), "only one of the two")
        return self


class Neighbour(Section):
    """Other jobs that write to the same storage (``[[storage.jobs]]``)."""

    name: str = Field("", description="name, for people")
    count: Count = Field(1, description="how many such jobs there are")
    nodes: Count = Field(description="nodes of each")
    save_s: float | None = Field(None, description="time of a save at the full bandwidth")
    size_bytes: float | None = Field(None, description="or: size of its checkpoint, with storage.bandwidth")

    @model_validator(mode="after")
    def _one_cost(self) -> Neighbour:
        if (self.save_s is None) == (self.size_bytes is None):
            shown = "" if self.save_s is None else (self.save_s, self.size_bytes)
            raise wrong("save and size" if shown else "save", shown, "one of save and size")
        return self


class Storage(Section):
    """Storage that the jobs of a machine share, one writing after the other (``[storage]``)."""

    nodes: Count = Field(description="nodes of this job")
    node_mtbf_s: float | None = Field(None, description="MTBF of a node; default: this job's MTBF x its nodes")
    bandwidth_bytes_per_s: float | None = Field(None, description="full bandwidth (for jobs given by size)")
    share: OpenShare | None = Field(
        None, description="or: share of the time in which this job alone may write, without a word about others"
    )
    jobs: tuple[Neighbour, ...] = Field((), description="the other jobs")

    @model_validator(mode="after")
    def _hangs_together(self) -> Storage:
        if (self.share is None) == (not self.jobs):
            shown = "" if self.share is None else self.share
            raise wrong("jobs" if self.share is None else "share", shown, "one of share and jobs")
        for at, one in enumerate(self.jobs):
            if one.size_bytes is not None and self.bandwidth_bytes_per_s is None:
                raise wrong(f"jobs.{at}.size", one.size_bytes, "storage.bandwidth beside it")
        return self

    def save_of(self, one: Neighbour) -> float:
        """Time of a neighbour's save at the full bandwidth [s]."""
        if one.save_s is not None:
            return one.save_s
        assert one.size_bytes is not None
        assert self.bandwidth_bytes_per_s is not None
        return one.size_bytes / self.bandwidth_bytes_per_s


def dirty_points(value: Any) -> Any:
    """``[["10 min", 0.2], ["1 h", 0.45]]`` as ((600.0, 0.2), (3600.0, 0.45)): both rising, shares at most 1."""
    from cprmodel.facts.units import QuantityError, parse_quantity

    if value is None:
        return None
    expected = 'pairs of useful work and share touched, both rising, such as [["10 min", 0.2], ["1 h", 0.45]]'
    if not isinstance(value, (list, tuple)) or not value:
        raise wrong("", value, expected)
    points: list[tuple[float, float]] = []
    for pair in value:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise wrong("", pair, expected)
        time, share = pair
        if isinstance(time, str):
            try:
                time = parse_quantity(time, "time")
            except QuantityError as error:
                raise wrong("", pair[0], str(error)) from None
        if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in (time, share)):
            raise wrong("", list(pair), expected)
        before = points[-1] if points else (0.0, 0.0)
        if not (before[0] < time <= 1e12 and before[1] < share <= 1):
            raise wrong("", list(pair), expected)
        points.append((float(time), float(share)))
    return tuple(points)
