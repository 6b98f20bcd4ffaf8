"""What saving and recovering cost (``[checkpoint]``)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from cprmodel.facts.units import format_time
from cprmodel.formulas.cost import transfer_time
from cprmodel.formulas.storage import quantised_share
from cprmodel.jobs.quantities import Count, Flag, Number, OpenShare, Plain, Share, wrong
from cprmodel.jobs.scattering import Scattering
from cprmodel.jobs.storage import Level, Rotating, dirty_points
from cprmodel.jobs.warned import Warnings, check_warning

__all__ = ["Checkpoint"]

_Bits = Annotated[float, Field(ge=1, lt=32, allow_inf_nan=False), Plain]
_Drop = Annotated[Number, Field(ge=0)]
_Curve = Annotated[
    tuple[tuple[float, float], ...] | None,
    BeforeValidator(dirty_points),
    WithJsonSchema({"type": "array", "items": {"type": "array"}}),
]

#: A good checkpoint is to be among those kept with this probability, where the file does not say.
_SURELY = 0.9999


class Checkpoint(Scattering):
    """What saving and recovering cost (``[checkpoint]``)."""

    may_be_zero: ClassVar[frozenset[str]] = frozenset(
        {
            "load_s",
            "detect_s",
            "reschedule_s",
            "partial_load_s",
            "partial_reschedule_s",
            "trainer_reschedule_s",
            "stall_s",
        }
    )
    save_s: float | None = Field(None, description="time a save blocks training; or P50 and P90 of it")
    save_shrinks: Flag | None = Field(
        None,
        description="incremental: save is the copy of everything, and shrinks with what is written; default: true, "
        "but false beside overlap, where save is a snapshot",
    )
    stall_s: float | None = Field(
        None, description="incremental: time a save blocks besides, whatever it writes (a snapshot, a barrier)"
    )
    size_bytes: float | None = Field(None, description="size of a checkpoint (with bandwidth, instead of save)")
    bandwidth_bytes_per_s: float | None = Field(None, description="bandwidth to checkpoint storage")
    load_s: float | None = Field(None, description="time to read a checkpoint back; default: as long as a save")
    detect_s: float = Field(0.0, description="time to notice a failure")
    reschedule_s: float = Field(0.0, description="time to get a node and restart")
    partial_load_s: float | None = Field(None, description="time to load the failed shards; default: load/shards")
    partial_reschedule_s: float | None = Field(None, description="the same for one shard; default: reschedule")
    trainer_reschedule_s: float | None = Field(None, description="the same for a trainer; default: as a shard")
    retained: Count = Field(
        2, description="checkpoints kept; default: the last complete one, and room for the one being written"
    )
    save_before_limit: Flag | None = Field(
        None,
        description="a last save just before job.time_limit; default: where job.limit_lead is long enough for it",
    )
    verify_s: float | None = Field(
        None, description="time of a check before each save, which finds silent errors (failures.silent)"
    )
    verify_every: Count | None = Field(
        None, description="every how many saves there is a check before it; default: the best"
    )
    checks_per_save: Count | None = Field(
        None, description="or: checks in the work before each save, evenly; default: the best"
    )
    unreadable: OpenShare | None = Field(
        None, description="share of the checkpoints that turn out unreadable: those who recover take the one before"
    )
    surely: OpenShare | None = Field(
        None,
        description="probability with which a good one is to be among those kept (the plan says how many); "
        "default: 0.9999",
    )
    keep_every: Count | None = Field(
        None, description="every how many saves one is kept until the job ends, besides those of retained"
    )
    overlap: Share | None = Field(
        None, description="a save drains in the background: share of the compute that goes on meanwhile"
    )
    drain_s: float | None = Field(None, description="time it drains (after save); default: size/bandwidth")
    rotating: Rotating = Field(
        None,
        description="a save holds so many of the experts (or shards) in turn, and all that is no expert's; "
        "true: the best number",
    )
    incremental: Flag | None = Field(None, description="a save writes only the rows touched since the last one")
    dirty_curve: _Curve = Field(
        None,
        description="measured share of the checkpoint that is touched within some useful work; default: [access]",
    )
    always_written: Share | None = Field(
        None, description="share of the checkpoint that every incremental or rotating save writes; default: none"
    )
    quantised_bits: _Bits | None = Field(None, description="bits of a saved number, of 32 (with embedding_dim)")
    embedding_dim: Count | None = Field(None, description="numbers in an embedding row")
    quantised_metric_drop: _Drop | None = Field(None, description="metric that quantised checkpoints cost, in all")
    level: Annotated[tuple[Level, ...] | None, Field(min_length=1)] = Field(
        None, description="several places to save to, the cheapest first"
    )
    warning: Warnings | None = Field(None, description="failures that are announced")

    @model_validator(mode="after")
    def _one_cost(self) -> Checkpoint:
        if self.level is not None:
            self._check_levels(self.level)
            return self
        by_size = self.size_bytes is not None or self.bandwidth_bytes_per_s is not None
        drains = self.overlap is not None
        if self.save_s is not None and by_size and not drains:
            other = "size" if self.size_bytes is not None else "bandwidth"
            shown = (self.save_s, self.size_bytes if other == "size" else self.bandwidth_bytes_per_s)
            raise wrong(f"save and {other}", shown, "either save, or size with bandwidth")
        if drains and self.drain_s is None and not (self.size_bytes and self.bandwidth_bytes_per_s):
            raise wrong("drain", "", "the time that a save drains, or size with bandwidth, since overlap is given")
        if not drains and self.save_s is None and (self.size_bytes is None or self.bandwidth_bytes_per_s is None):
            missing = "bandwidth" if self.size_bytes is not None else "size" if by_size else "save"
            raise wrong(missing, "", "either save, or size with bandwidth")
        return self

    def _check_levels(self, levels: tuple[Level, ...]) -> None:
        alone = ("save_s", "save_shrinks", "stall_s", "bandwidth_bytes_per_s", "load_s", "partial_load_s")
        for name in (*alone, "rotating"):
            if getattr(self, name) is not None:
                key = name.removesuffix("_s").removesuffix("_bytes_per")
                raise wrong(key, getattr(self, name), "it with each level, since there are levels")
        before = 0.0
        for at, one in enumerate(levels):
            if one.bandwidth_bytes_per_s is not None and self.size_bytes is None:
                raise wrong(f"level.{at}.bandwidth", one.bandwidth_bytes_per_s, "checkpoint.size beside it")
            if not one.survives > before and one.copies is None:
                raise wrong(
                    f"level.{at}.survives",
                    one.survives,
                    f"more than the level below survives ({before:g}; default: 1)",
                )
            if at == 0 and one.every is not None:
                raise wrong("level.0.every", one.every, "no such key in the first level: every save goes there")
            before = one.survives if one.copies is None else 0.0
        if levels[-1].copies is not None:
            raise wrong(
                f"level.{len(levels) - 1}.copies",
                levels[-1].copies,
                "no such key in the last level: what is there survives every failure",
            )
        if before != 1:
            raise wrong(f"level.{len(levels) - 1}.survives", before, "1: the last level survives every failure")
        if self.overlap is not None and self.drain_s is None:
            raise wrong("drain", "", "the time that a save to the last level drains, since overlap is given")
        ordered = [at for at, one in enumerate(levels) if one.ordered]
        if len(ordered) > 1:
            first = levels[ordered[0]].name or f"level {ordered[0] + 1}"
            expected = f'one level at most that takes the first rows, which "{first}" does'
            raise wrong(f"level.{ordered[1]}.ordered", True, expected)

    @model_validator(mode="after")
    def _storage_fits(self) -> Checkpoint:
        if self.drain_s is not None and self.overlap is None:
            raise wrong("overlap", "", "the share of the compute that goes on, since drain is given")
        if (self.quantised_bits is None) != (self.embedding_dim is None):
            missing = "embedding_dim" if self.embedding_dim is None else "quantised_bits"
            raise wrong(missing, "", "both quantised_bits and embedding_dim")
        if self.quantised_bits is not None and self.size_bytes is None:
            raise wrong("quantised_bits", self.quantised_bits, "size with bandwidth: a save is given by its bytes")
        if self.quantised_metric_drop and self.quantised_bits is None:
            raise wrong("quantised_metric_drop", self.quantised_metric_drop, "quantised_bits beside it")
        if not self.incremental and self.dirty_curve is not None:
            raise wrong("dirty_curve", "...", "incremental = true beside it")
        if not self.shrinks and self.always_written:
            raise wrong("always_written", self.always_written, "incremental = true (or rotating) beside it")
        self._check_stalls()
        check_warning(self)
        return self

    def _check_stalls(self) -> None:
        """``save_shrinks`` and ``stall``, in the table itself or in each level."""
        tables: tuple[Checkpoint | Level, ...] = self.level or (self,)
        for at, one in enumerate(tables):
            place = "" if self.level is None else f"level.{at}."
            drains = self.overlap is not None and (self.level is None or at == len(self.level) - 1)
            for key, value in (("save_shrinks", one.save_shrinks), ("stall", one.stall_s)):
                if value is not None and not self.shrinks:
                    expected = "incremental = true (or rotating) beside it: else save is all that blocks"
                    raise wrong(place + key, value, expected)
            if one.save_shrinks is not None and one.save_s is None:
                expected = "save beside it (a bandwidth gives a copy, which shrinks)"
                raise wrong(place + "save_shrinks", one.save_shrinks, expected)
            shrinks = not drains if one.save_shrinks is None else one.save_shrinks
            if one.stall_s is not None and one.save_s is not None and not shrinks:
                how = "drains in the background" if one.save_shrinks is None else "has save_shrinks = false"
                expected = f"save_shrinks = true beside it: save is itself a stall where a save {how}"
                raise wrong(place + "stall", one.stall_s, expected)

    @property
    def good_surely(self) -> float:
        """Probability with which a good checkpoint is to be among those kept."""
        return _SURELY if self.surely is None else self.surely

    @property
    def ordered_level(self) -> int | None:
        """The level that the file has take the first rows of an order; None where it does not say."""
        return next((at for at, one in enumerate(self.level or ()) if one.ordered), None)

    @property
    def shrinks(self) -> bool:
        """Whether some saves write less than everything."""
        return bool(self.incremental) or self.rotates

    @property
    def rotates(self) -> bool:
        """Whether some saves hold some of the experts in turn."""
        return bool(self.rotating) or any(one.rotating for one in self.level or ())

    def stall_and_copy_s(self, level: Level | None = None) -> tuple[float, float]:
        """What blocks training in a save (to a level), whatever it writes, and while everything is copied [s].

        A time is a copy, which an incremental save makes shorter, and so is what size and bandwidth give; where the
        save drains in the background, a time is that of the snapshot before. The file may say otherwise.

        >>> Checkpoint(save_s=7.0, overlap=0.9, drain_s=500.0).stall_and_copy_s()
        (7.0, 0.0)
        >>> Checkpoint(save_s=300.0, stall_s=2.0, incremental=True).stall_and_copy_s()
        (2.0, 300.0)
        """
        one = self if level is None else level
        drains = self.overlap is not None and (level is None or level is (self.level or (None,))[-1])
        stall = one.stall_s or 0.0
        if one.save_s is None:
            copied = level is not None or not drains
            return stall, self.transfer_s(one.bandwidth_bytes_per_s) if copied else 0.0
        shrinks = not drains if one.save_shrinks is None else one.save_shrinks
        return (stall, one.save_s) if shrinks else (one.save_s, 0.0)

    @property
    def plain(self) -> bool:
        """Whether a save is one blocking copy of everything."""
        alone = self.overlap is None and self.level is None and self.warning is None
        return alone and not self.incremental and not self.scatters

    @property
    def stored_bytes(self) -> float | None:
        """Size of a checkpoint as it is written [B]."""
        if self.size_bytes is None or self.quantised_bits is None:
            return self.size_bytes
        return self.size_bytes * min(1.0, float(quantised_share.raw(self.quantised_bits, self.embedding_dim)))

    def transfer_s(self, bandwidth_bytes_per_s: float | None) -> float:
        """Time to move all of it [s]."""
        return float(transfer_time.raw(self.stored_bytes, bandwidth_bytes_per_s))

    @property
    def blocking_s(self) -> float:
        """Time that a save of everything (to one level) blocks training, ``stall`` apart [s]."""
        if self.save_s is not None:
            return self.save_s
        return 0.0 if self.overlap is not None else self.transfer_s(self.bandwidth_bytes_per_s)

    @property
    def drains_s(self) -> float:
        """Time that a save drains [s]."""
        if self.overlap is None:
            return 0.0
        return self.transfer_s(self.bandwidth_bytes_per_s) if self.drain_s is None else self.drain_s

    @property
    def save_key(self) -> str:
        """The key (or keys) of the job file that say how long a save takes."""
        if self.level is not None:
            return "checkpoint.level"
        if self.save_s is not None and (self.drain_s is None or self.overlap is None):
            return "checkpoint.save"
        return "checkpoint.drain" if self.drain_s is not None else "checkpoint.size / bandwidth"

    @property
    def nominal_save_s(self) -> float:
        """What a save of everything to the last level takes from training [s]."""
        blocking = sum(self.stall_and_copy_s(None if self.level is None else self.level[-1]))
        return blocking + (1 - (self.overlap or 0.0)) * self.drains_s

    @property
    def nominal_load_s(self) -> float:
        """Time to read everything back from the last level [s]; as long as moving it there where not given."""
        if self.level is not None:
            return self.level_load_s(self.level[-1])
        return self._moving_s(None) if self.load_s is None else self.load_s

    def _moving_s(self, level: Level | None) -> float:
        """Time that everything takes to be copied and drained; of a save that only stalls, its stall [s]."""
        stall, copy = self.stall_and_copy_s(level)
        last = level is None or level is (self.level or (None,))[-1]
        return copy + (self.drains_s if last else 0.0) or stall

    def level_save_s(self, level: Level) -> float:
        """Time that a save of everything to a level blocks training, ``stall`` apart [s]."""
        return self.transfer_s(level.bandwidth_bytes_per_s) if level.save_s is None else level.save_s

    def level_load_s(self, level: Level) -> float:
        """Time to read everything back from a level [s]."""
        return self._moving_s(level) if level.load_s is None else level.load_s

    def storage_words(self) -> str:
        """What makes it more than one blocking copy of everything."""
        words = {
            "overlap": self.overlap is not None,
            "incremental": self.incremental,
            "level": self.level is not None,
            "warning": self.warning is not None,
            "save (it scatters)": self.scatters,
        }
        return ", ".join(f"checkpoint.{name}" for name, given in words.items() if given)

    def stall_words(self) -> list[str]:
        """What is taken of a save's time where an incremental job does not say what of it shrinks."""
        if not self.shrinks:
            return []
        said = []
        tables: tuple[Checkpoint | Level, ...] = self.level or (self,)
        for at, one in enumerate(tables):
            if one.save_s is None or one.save_shrinks is not None or not (self.incremental or one.rotating):
                continue
            field = "checkpoint.save" if self.level is None else f"checkpoint.level.{at}.save"
            _, copy = self.stall_and_copy_s(None if self.level is None else self.level[at])
            parts = "rows" if self.incremental else "experts"
            kind = "a stall, whatever is written" if not copy else f"the copy of everything, less for fewer {parts}"
            said.append(f"{field} ({format_time(one.save_s)}) is taken to be {kind}: save_shrinks says otherwise")
        return said

    def scattering_words(self) -> list[str]:
        """Where a save and the measured times beside it are not of one mean."""
        levels = enumerate(self.level or ())
        tables: list[tuple[str, Scattering | None]] = [("checkpoint", self), ("checkpoint.warning", self.warning)]
        tables += [(f"checkpoint.level.{at}", one) for at, one in levels]
        said = [one.scatter_words(name) for name, one in tables if one is not None]
        return [one for one in said if one is not None]
