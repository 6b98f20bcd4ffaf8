"""What an experiment came to: its runs, what was compared, and the verdict on all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from validation.experiment.design import RECOMMENDED, Experiment
from validation.experiment.measure import Measured
from validation.experiment.predict import Predicted
from validation.experiment.verdict import Check, Verdict

__all__ = ["Comparison", "OrderFound", "Outcome", "Run"]


@dataclass(frozen=True)
class Run:
    """One run: what it was to be, what it was, what was predicted."""

    name: str
    seed: int
    role: str
    recovery: str
    interval_steps: int
    status: str
    reason: str = ""
    loss: Mapping[str, Any] | None = None
    measured: Measured | None = None
    expected: Predicted | None = None  # before the run, from the failure rate
    planned: Predicted | None = None  # before the run, for the planned failures
    executed: Predicted | None = None  # for the failures as they struck
    by_chance: Predicted | None = None  # of what was measured, what is zero on average over runs
    unplaced: int = 0  # failures that found no place in that
    damaged: int = 0  # lines of its log that cannot be read
    metric_drop: float | None = None  # against the run of this seed without failures

    @property
    def group(self) -> str:
        return f"{self.recovery}, every {self.interval_steps} steps"

    @property
    def label(self) -> str:
        """What it was a try of: a strategy of the file, or the recommendation, be they the same or not."""
        return RECOMMENDED if self.name == RECOMMENDED else self.group

    @property
    def pls(self) -> float:
        """The share that was lost; of updates where the run is one of orders, samples for the others."""
        assert self.measured is not None
        summary = self.measured.summary
        return summary.lost_share if self.role == "order" else summary.pls

    @property
    def pls_without_chance(self) -> float:
        """What it would have lost with failures as often, and as late after a save, as they are on average."""
        return self.pls - (self.by_chance.pls if self.by_chance else 0.0)

    @property
    def overhead(self) -> float:
        """Over the useful time."""
        assert self.measured is not None
        return float(self.measured.spent.total) / self.measured.useful_s

    @property
    def overhead_without_chance(self) -> float:
        """What it would have been with failures as often, and as late, as they are on average."""
        luck = self.by_chance
        return self.overhead - (float(luck.spent.total) / luck.useful_s if luck else 0.0)

    @property
    def odd(self) -> list[str]:
        """What is unlike other runs."""
        found = list(self.measured.odd) if self.measured else []
        found += [f"failures without a place: {self.unplaced}"] if self.unplaced else []
        return found + ([f"damaged lines in its log: {self.damaged}"] if self.damaged else [])


@dataclass(frozen=True)
class Comparison:
    """One quantity of one recovery's runs, against one prediction; differences are relative to it.

    ``by_chance``: what of the measured was chance, left out of differences to what was expected from the rate.
    """

    recovery: str
    quantity: str
    against: str
    measured: float
    predicted: float
    difference: float
    low: float
    high: float
    tolerance: float | None
    seeds: int
    by_chance: float = 0.0

    @property
    def verdict(self) -> Verdict | None:
        """None where nothing was asked."""
        return None if self.tolerance is None else Verdict.of(self.low, self.high, self.tolerance)


@dataclass(frozen=True)
class OrderFound:
    """What an order of saving lost, by seed: shares of all updates, measured and predicted; and what it saved."""

    name: str
    seeds: tuple[int, ...]
    measured: tuple[float, ...]
    predicted: tuple[float, ...]
    saved_rows: float  # mean
    drops: tuple[float, ...]  # of the metric, where it is known


@dataclass
class Outcome:
    """What an experiment came to."""

    experiment: Experiment
    started: dict[str, Any]
    damaged: int = 0  # lines of the experiment's log
    runs: list[Run] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    recommended: tuple[str, int] | None = None
    orders: list[OrderFound] = field(default_factory=list)
    spoiled: str | None = None
    recalibrated: bool = False  # costs computed anew, after the runs
    ended: bool = True

    @property
    def verdicts(self) -> list[Verdict]:
        found = [one.verdict for one in self.comparisons]
        return [one for one in found if one is not None] + [check.verdict for check in self.checks]

    @property
    def verdict(self) -> Verdict:
        """The worst of all; where nothing was asked, or nothing came of it, nothing is known."""
        if not self.verdicts:
            return Verdict.INCONCLUSIVE
        for worst in (Verdict.FAIL, Verdict.INCONCLUSIVE):
            if worst in self.verdicts:
                return worst
        return Verdict.PASS

    @property
    def status(self) -> int:
        """The command's exit status."""
        fails = {Verdict.FAIL} | (
            {Verdict.INCONCLUSIVE} if self.experiment.experiment.inconclusive_fails else set()
        )
        return int(self.verdict in fails)

    @property
    def emulated(self) -> bool:
        return self.experiment.clock is not None

    @property
    def calibrated_once(self) -> bool:
        """All seeds are predicted by one calibration, whose chance they share."""
        once = self.experiment.experiment.calibrate == "once"
        return once and not self.emulated and len({run.seed for run in self.tried()}) > 1

    def tried(self) -> list[Run]:
        """The finished runs of strategies."""
        return [run for run in self.runs if run.role == "strategy" and run.measured is not None]
