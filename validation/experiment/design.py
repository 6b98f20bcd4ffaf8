"""What an experiment's file says: what is tried, on how many seeds, and how far predictions may be off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from cprmodel.facts.strategies import FailureKind
from cprmodel.jobs.quantities import Budget, Count, Positive, Section, Share, wrong
from validation.case import Case
from validation.failures import Failure
from validation.sections import ORDERS, Whole, check_whole_steps

__all__ = ["AGAINST", "ALL_AT_ONCE", "QUANTITIES", "RECOMMENDED", "Experiment", "Loss", "Try", "a_fifth_of"]

#: What is compared: the parts of the overhead, their sum, and what was lost.
QUANTITIES = ("save", "load", "lost", "reschedule", "total", "pls")

#: Predictions: expected from the failure rate alone, or for the failures as they struck.
AGAINST = ("expected", "executed")

#: The name of the runs of what ``plan`` recommends.
RECOMMENDED = "recommended"

#: Saves that take everything, beside the orders.
ALL_AT_ONCE = "uniform"
_TRIED = (ALL_AT_ONCE, *ORDERS)

#: Deltas of priority saves after which a shard writes a base.
ORDERED_DELTAS = 64


Names = Annotated[str, Field(min_length=1, max_length=60, pattern="^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]


class Try(Section):
    """A recovery and the intervals to try (``[[experiment.strategies]]``)."""

    recovery: str = Field(pattern="^(full|partial)$", description="full or partial")
    interval_steps: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(description="steps between two saves")


class Tolerances(Section):
    """How far a measurement may be from a prediction, as a share of it; nothing is asked of what is not named."""

    save: Positive | None = None
    load: Positive | None = None
    lost: Positive | None = None
    reschedule: Positive | None = None
    total: Positive | None = None
    pls: Positive | None = None


class ToleranceSection(Section):
    """Hypotheses, written down before the run (``[experiment.tolerances]``)."""

    expected: Tolerances = Field(Tolerances(), description="against what is expected from the failure rate")
    executed: Tolerances = Field(Tolerances(), description="against the prediction for the failures as they struck")
    recommendation: Positive | None = Field(
        None, description="what plan recommends may cost so much more than the best that was tried"
    )


class Loss(Section):
    """A way to lose samples, for the metric's drop against PLS (``[[experiment.losses]]``).

    So many failures, evenly spread over a window of the training, of as many shards each, each losing as much.
    """

    name: Names = Field(description="what the report calls it")
    pls: Budget = Field(description="the portion of samples to lose")
    failures: Count = Field(description="in so many failures")
    window: Annotated[tuple[Share, Share], Field()] = Field((0.0, 1.0), description="within this part of training")
    shards_per_failure: Count = Field(1, description="shards that fail together")
    shards: tuple[Whole, ...] = Field((), description="which shards may fail; default: any; drawn from the seed")
    placement: str = Field("rows", pattern="^(rows|tables)$", description="shards.placement in these runs")

    @model_validator(mode="after")
    def _check(self) -> Loss:
        if not self.window[0] < self.window[1]:
            raise wrong("window", list(self.window), "its beginning before its end")
        return self

    def each(self, steps: int, shards: int) -> int:
        """Steps that each failure loses."""
        return max(1, round(self.pls * shards * steps / (self.failures * self.shards_per_failure)))

    def check(self, steps: int, shards: int) -> None:
        if any(shard >= shards for shard in self.shards):
            raise wrong("losses.shards", list(self.shards), f"shards from 0 to {shards - 1}")
        if self.shards_per_failure > (len(self.shards) or shards):
            most = len(self.shards) or shards
            raise wrong("losses.shards_per_failure", self.shards_per_failure, f"at most {most}")
        room = int((self.window[1] - self.window[0]) * steps) - 1
        if self.each(steps, shards) * self.failures > room:
            largest = room * self.shards_per_failure / steps / shards
            raise wrong(
                "losses.pls", self.pls, f"at most {largest:.3g}, what a window of {room} steps has room for"
            )

    def plan(self, steps: int, shards: int, seed: int) -> tuple[list[int], list[Failure]]:
        """The steps to save after, and the failures: each so many steps after a save."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, 0x1055]))
        each = self.each(steps, shards)
        begin, end = (round(share * steps) for share in self.window)
        edges = np.linspace(begin, end - 1, self.failures + 1).astype(int)
        saves, failures = [], []
        for start, room in zip(edges, np.diff(edges) - each, strict=False):
            saved = int(start + rng.integers(0, max(1, room)))
            drawn = rng.choice(self.shards or range(shards), self.shards_per_failure, replace=False)
            victims = tuple(sorted(int(shard) for shard in drawn))
            if saved > 0:
                saves.append(saved)
            failures.append(Failure(FailureKind.SHARD, victims, at_step=saved + each + 1))
        return saves, failures


class OrdersSection(Section):
    """Which rows to save first (``[experiment.orders]``): the same failures and bandwidth for every order."""

    names: Annotated[tuple[Annotated[str, Field(pattern=f"^({'|'.join(_TRIED)})$")], ...], Field(min_length=1)] = (
        Field(_TRIED, description="orders; uniform: everything at once")
    )
    interval_steps: Count = Field(description="steps in which as much as everything is saved once")
    fraction: Annotated[float, Field(gt=0, le=1)] = Field(0.125, description="share of the rows that a save takes")
    failures: Count = Field(8, description="failures of a run, at random steps")
    shards_per_failure: Count = Field(1, description="shards that fail together")
    seeds: Annotated[int, Field(ge=2, le=1000)] | None = Field(None, description="default: the experiment's")
    tolerance: Positive = Field(
        0.1, description="how far lost updates may be from the prediction, as a share of it"
    )

    def strategy(self, order: str) -> dict[str, Any]:
        """The ``[strategy]`` of a run."""
        found = {"recovery": "partial", "interval_steps": self.interval_steps}
        return found if order == ALL_AT_ONCE else {**found, "order": order, "fraction": self.fraction}

    def struck(self, steps: int, shards: int, seed: int) -> tuple[Failure, ...]:
        """Failures at random steps, the same for every order."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, 0x0DE5]))
        at = np.sort(rng.choice(np.arange(1, steps + 1), self.failures, replace=False))
        drawn = [rng.choice(shards, self.shards_per_failure, replace=False) for _ in at]
        return tuple(
            Failure(FailureKind.SHARD, tuple(sorted(int(shard) for shard in who)), at_step=int(step))
            for step, who in zip(at, drawn, strict=True)
        )


class ExperimentSection(Section):
    """The experiment (``[experiment]``)."""

    seeds: Annotated[int, Field(ge=2, le=1000)] = Field(5, description="how many seeds (blocks of runs)")
    calibrate: str = Field("each", pattern="^(each|once)$", description="before each block, or the first one only")
    calibration_failures: Annotated[int, Field(ge=1, le=200)] = Field(
        8,
        description="shard failures in a calibration run (and a third as many trainers and whole jobs, and a "
        "fifth as many of each while shards read, and of one shard more)",
    )
    calibration_gap_s: float = Field(1.0, description="about so long between them")
    calibration_restart_s: float = Field(
        5.0, description="and so long more after one that takes the trainer, which starts again meanwhile"
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="runs at a time, where their time is emulated or not asked for"
    )
    pls_budget: Budget = Field(0.1, description="accuracy budget of the recommendation")
    paired: bool = Field(True, description="also run each seed without failures, for the metric's drop")
    recommended: bool = Field(False, description="try what plan recommends, too")
    inconclusive_fails: bool = Field(False, description="exit status 1 for INCONCLUSIVE, too")
    strategies: tuple[Try, ...] = ()
    losses: tuple[Loss, ...] = ()
    loss_seeds: Annotated[int, Field(ge=2, le=1000)] | None = Field(
        None, description="seeds of losses; default: seeds"
    )
    orders: OrdersSection | None = None
    learning_curve: Count = Field(10, description="tests on the way of the runs that losses are paired with")
    tolerances: ToleranceSection = ToleranceSection()


#: Keys that were known once: until when a failure in a reading came. It is by the reading that was before.
_NO_LONGER = ("calibration_reading_s",)


def a_fifth_of(failures: int) -> int:
    """How many more strike shards that read, and at most take a shard more, where so many of a kind are calibrated.

    >>> [a_fifth_of(failures) for failures in (1, 5, 6, 30)]
    [1, 1, 2, 6]
    """
    return -(-failures // 5)


@dataclass(frozen=True)
class Planned:
    """A run to do: its folder's name, its case, its failures (None: drawn at the calibrated failure rate)."""

    name: str
    case: Case
    role: str  # baseline, calibration, strategy, loss, order
    failures: tuple[Failure, ...] | None = ()
    loss: Loss | None = None


class Experiment(Case):
    """A case with ``[experiment]``."""

    experiment: ExperimentSection

    @classmethod
    def of_log(cls, case: dict[str, Any]) -> Experiment:
        """As it stands in an experiment's log, be that an older one; ValueError and the like where it does not."""
        section = {key: value for key, value in case["experiment"].items() if key not in _NO_LONGER}
        return cls.model_validate({**case, "experiment": section})

    @model_validator(mode="after")
    def _tried(self) -> Experiment:
        section = self.experiment
        if not (section.strategies or section.losses or section.orders):
            raise wrong("experiment.strategies", "", "at least one of strategies, losses and orders")
        if self.checkpoint.background and (section.strategies or section.losses):
            other = "strategies" if section.strategies else "losses"
            raise wrong(
                "checkpoint.background", True, f"orders alone in the experiment: {other} want saves that block"
            )
        if section.orders:
            self._check_orders(section.orders)
        if section.strategies and self.failure_mix is None:
            raise wrong("failures.mtbf", "", "a failure rate (mtbf, mtbf_steps, or that of the clock's job)")
        names = [loss.name for loss in section.losses]
        for loss in section.losses:
            loss.check(self.steps, self.shards.count)
            if names.count(loss.name) > 1:
                raise wrong("experiment.losses.name", loss.name, "a name for one of them only")
        for one in section.strategies:
            if max(one.interval_steps) > self.steps:
                raise wrong(
                    "experiment.strategies.interval_steps", max(one.interval_steps), f"at most {self.steps}"
                )
        return self

    def _check_orders(self, orders: OrdersSection) -> None:
        for key, most in (("shards_per_failure", self.shards.count), ("failures", self.steps)):
            if getattr(orders, key) > most:
                raise wrong(f"experiment.orders.{key}", getattr(orders, key), f"at most {most}")
        check_whole_steps("experiment.orders.fraction", orders.interval_steps, orders.fraction)

    def one(self, seed: int, **tables: dict[str, Any]) -> Case:
        """A case of one run: this one with another seed, and with these keys of its tables."""
        data = self.model_dump(exclude={"experiment"})
        tables["training"] = {"seed": self.training.seed + seed, **tables.get("training", {})}
        tables["data"] = {"seed": self.data.seed + seed, **tables.get("data", {})}
        for name, keys in tables.items():
            data[name] = {**data[name], **keys}
        if self.clock is not None:
            data["clock"] = self.clock  # as it was read
        return Case.model_validate(data)

    def saving(self, seed: int, recovery: str, interval_steps: int, **tables: dict[str, Any]) -> Case:
        """A case of one run with this recovery and interval."""
        return self.one(seed, strategy={"recovery": recovery, "interval_steps": interval_steps}, **tables)

    @property
    def tries(self) -> list[tuple[str, int]]:
        """(recovery, interval) in the order of the file."""
        return [(one.recovery, steps) for one in self.experiment.strategies for steps in one.interval_steps]

    def baseline(self, seed: int) -> Planned:
        """Without failures: what the metric's drop is counted from, and what a step and a save cost."""
        shortest = min((steps for _, steps in self.tries), default=self.steps)
        return Planned("no-failures", self.saving(seed, "partial", shortest), "baseline")

    def calibrations(self, seed: int) -> Iterator[Planned]:
        """A run for each recovery and interval, with failures of each kind, at times, far enough apart.

        One of each kind comes first: a run may be over before its last failure. A fifth as many take a shard more,
        where shards read alone, for what it takes when several read together. And a fifth as many strike stops of
        others, at some moment after shards have begun to read.

        Those of a kind are spread evenly over a step, and those in readings over a reading: where the trainer
        computes for long, who failed is noticed late early in a step, and a few strikes at random moments of it
        would tell more of these moments than of a stop.
        """
        mix, section = self.failure_mix, self.experiment
        assert mix is not None
        counts = dict.fromkeys(FailureKind, -(-section.calibration_failures // 3))
        counts[FailureKind.SHARD] = section.calibration_failures
        known = [kind for kind in FailureKind if mix.share(kind) > 0]
        few = max(1, round(mix.shards_per_failure))
        alone = [(kind, few) for kind in known for _ in range(counts[kind] - 1)]
        in_readings = [kind for kind in known for _ in range(a_fifth_of(counts[kind]))]
        together = [(FailureKind.SHARD, few + 1)] if FailureKind.SHARD in known and few < self.shards.count else []
        for number, (recovery, steps) in enumerate(self.tries):
            rng = np.random.default_rng(np.random.SeedSequence([self.training.seed, seed, number, 0xCA11]))

            def victims(kind: FailureKind, many: int, rng: np.random.Generator = rng) -> tuple[int, ...]:
                drawn = rng.choice(self.shards.count, many, replace=False) if kind is FailureKind.SHARD else ()
                return tuple(sorted(int(shard) for shard in drawn))

            def spread(many: int, rng: np.random.Generator = rng) -> Iterator[float]:
                return ((place + rng.random()) / many for place in rng.permutation(many))

            timed, failures, at = [(kind, few) for kind in known], [], 0.0
            for place, one in enumerate(alone):
                timed.append(one)
                if recovery == "partial" and one[0] is FailureKind.SHARD and place % 5 == 0:
                    timed += together
            into = {one: spread(timed.count(one)) for one in dict.fromkeys(timed)}
            for kind, many in timed:
                at += section.calibration_gap_s * float(rng.uniform(0.75, 1.25))
                failures.append(Failure(kind, victims(kind, many), at_s=at, into=next(into[kind, many])))
                at += section.calibration_restart_s if kind is not FailureKind.SHARD else 0.0
            steps_of = np.linspace(1, self.steps, len(in_readings), endpoint=False)
            part = {kind: spread(in_readings.count(kind)) for kind in known}
            for kind, step in zip(in_readings, rng.permutation(steps_of), strict=True):
                struck = victims(kind, few)
                failures.append(Failure(kind, struck, at_step=int(step), phase="recovery", into=next(part[kind])))
            case = self.saving(seed, recovery, steps, training={"evaluate": False})
            yield Planned(f"calibrate-{recovery}-{steps}", case, "calibration", tuple(failures))

    def tried(self, seed: int) -> Iterator[Planned]:
        """Each strategy at each interval; within a seed all at the same failures, so that they compare."""
        for recovery, steps in self.tries:
            yield Planned(f"{recovery}-{steps}", self.saving(seed, recovery, steps), "strategy", None)

    def recommended(self, seed: int, recovery: str, steps: int) -> Planned:
        """What plan recommends."""
        return Planned(RECOMMENDED, self.saving(seed, recovery, steps), "strategy", None)

    def losses(self, seed: int) -> Iterator[Planned]:
        """The runs for the metric's drop, and those without failures that they are paired with."""
        for placement in sorted({loss.placement for loss in self.experiment.losses}):
            never = {"recovery": "partial", "interval_steps": self.steps}
            shards = {"placement": placement}
            often = {"tests": self.experiment.learning_curve}
            case = self.one(seed, strategy=never, shards=shards, training=often)
            yield Planned(f"no-failures-{placement}", case, "baseline")
            for loss in self.experiment.losses:
                if loss.placement == placement:
                    saves, failures = loss.plan(self.steps, self.shards.count, self.training.seed + seed)
                    strategy = {**never, "save_steps": tuple(saves)}
                    case = self.one(seed, strategy=strategy, shards=shards)
                    yield Planned(loss.name, case, "loss", tuple(failures), loss)

    def orders(self, seed: int) -> Iterator[Planned]:
        """A run for each order, all with the same failures, and the one without that they are paired with."""
        section = self.experiment.orders
        assert section is not None
        whole = {"compact_after": ORDERED_DELTAS}
        if not self.experiment.losses:
            case = self.one(seed, strategy=section.strategy(ALL_AT_ONCE), checkpoint=whole)
            yield Planned("no-failures-rows", case, "baseline")
        failures = section.struck(self.steps, self.shards.count, self.training.seed + seed)
        for order in section.names:
            case = self.one(seed, strategy=section.strategy(order), checkpoint=whole)
            yield Planned(f"order-{order}", case, "order", failures)

    @property
    def order_seeds(self) -> int:
        section = self.experiment.orders
        return 0 if section is None else section.seeds or self.experiment.seeds

    @property
    def total(self) -> int:
        """Runs of the whole experiment."""
        section, tries = self.experiment, len(self.tries)
        tried = section.paired + tries + section.recommended if tries else 0
        calibrated = 0 if self.clock else tries * (section.seeds if section.calibrate == "each" else 1)
        losses = len(section.losses) + len({loss.placement for loss in section.losses})
        ordered = len(section.orders.names) + (not section.losses) if section.orders else 0
        lossy = (section.loss_seeds or section.seeds) * losses
        return section.seeds * tried + calibrated + lossy + self.order_seeds * ordered
