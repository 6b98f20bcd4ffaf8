"""Measured beside predicted, and whether each prediction holds: all from what an experiment wrote down.

Times are compared as ``cprmodel`` states them, as fractions of the useful time: of the predicted one there, of the
run's own here, so that a machine that was slower in one run than in another does not count as a difference.

A verdict compares the 90% interval of a relative difference with a tolerance of the case file. PASS: the interval
lies inside the tolerance. FAIL: it lies outside. INCONCLUSIVE: neither, the measurements cannot tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.results import Breakdown
from validation.case import Case
from validation.events import read_log
from validation.experiment.design import AGAINST, ALL_AT_ONCE, QUANTITIES, RECOMMENDED, Experiment
from validation.experiment.measure import Measured, measure
from validation.experiment.orders import UNPREDICTED, Struck, predicted_pls, update_rates
from validation.experiment.predict import Costs, Predicted, executed, expected
from validation.experiment.runner import LOG

__all__ = ["SPOILED", "Check", "Comparison", "Outcome", "Run", "Verdict", "compare", "interval_90"]

#: A part smaller than this share of the overhead is compared relative to this share of the overhead.
SMALL = 0.05

#: Ways to spoil the predictions, to see that the verdict notices.
SPOILED = ("mtbf", "load")


class Verdict(StrEnum):
    """What a comparison says."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"

    @classmethod
    def of(cls, low: float, high: float, tolerance: float) -> Verdict:
        """By where the interval of the relative difference lies.

        >>> [Verdict.of(*interval, 0.05).value for interval in ((-0.01, 0.04), (0.06, 0.2), (0.0, 0.2))]
        ['PASS', 'FAIL', 'INCONCLUSIVE']
        """
        if -tolerance <= low and high <= tolerance:
            return cls.PASS
        if low > tolerance or high < -tolerance:
            return cls.FAIL
        return cls.INCONCLUSIVE


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
    def odd(self) -> list[str]:
        """What is unlike other runs."""
        found = list(self.measured.odd) if self.measured else []
        found += [f"failures without a place: {self.unplaced}"] if self.unplaced else []
        return found + ([f"damaged lines in its log: {self.damaged}"] if self.damaged else [])


@dataclass(frozen=True)
class Comparison:
    """One quantity of one recovery's runs, against one prediction; differences are relative to it."""

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

    @property
    def verdict(self) -> Verdict | None:
        """None where nothing was asked."""
        return None if self.tolerance is None else Verdict.of(self.low, self.high, self.tolerance)


@dataclass(frozen=True)
class Check:
    """A hypothesis that is no comparison of a quantity."""

    name: str
    said: str
    verdict: Verdict


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

    def tried(self) -> list[Run]:
        """The finished runs of strategies."""
        return [run for run in self.runs if run.role == "strategy" and run.measured is not None]


def interval_90(differences: Sequence[float], sizes: Sequence[float]) -> tuple[float, float, float]:
    """A ratio of sums, Σd/Σs over the seeds, with its 90% interval (Student's t; linearised ratio).

    >>> [round(x, 3) for x in interval_90([0.1, 0.3, 0.2], [1.0, 1.0, 1.0])]
    [0.2, 0.031, 0.369]
    """
    from scipy import stats

    d, s = np.asarray(differences, dtype=float), np.asarray(sizes, dtype=float)
    ratio = float(d.sum() / s.sum())
    if len(d) < 2:
        return ratio, -math.inf, math.inf
    rest = d - ratio * s
    error = math.sqrt(len(d) / (len(d) - 1) * float(rest @ rest)) / float(s.sum())
    half = float(stats.t.ppf(0.95, len(d) - 1)) * error
    return ratio, ratio - half, ratio + half


def compare(folder: Path, spoil: str | None = None) -> Outcome:
    """Everything that an experiment's folder tells. ``spoil``: with predictions that are wrong on purpose."""
    path = folder / LOG
    if not path.is_file():
        raise JobError(str(folder), [Problem("", "", f"a folder with an experiment's {LOG}")])
    events, damaged = read_log(path)
    started = next((event for event in events if event["event"] == "start"), None)
    if started is None:
        raise JobError(str(path), [Problem("", "", "the log of an experiment that was begun")])
    try:
        experiment = Experiment.model_validate(started["case"])
    except (KeyError, ValueError):
        raise JobError(str(path), [Problem("", "", "a log that begins with the case of an experiment")]) from None
    outcome = Outcome(experiment, started, damaged, spoiled=spoil)
    outcome.ended = any(event["event"] == "end" for event in events)
    predicted = {event["run"]: event for event in events if event["event"] == "predicted"}
    for event in events:
        if event["event"] == "recommended":
            outcome.recommended = event["recovery"], event["interval_steps"]
    last = {event["run"]: event for event in events if event["event"] == "run"}
    for event in last.values():
        outcome.runs.append(_run(outcome.experiment, folder, event, predicted.get(event["run"]), spoil))
    outcome.runs = _paired(outcome.runs)
    outcome.orders = list(_orders(outcome))
    outcome.comparisons = list(_comparisons(outcome))
    outcome.checks = list(_checks(outcome))
    return outcome


def _run(
    experiment: Experiment, folder: Path, event: dict[str, Any], before: dict[str, Any] | None, spoil: str | None
) -> Run:
    names = ("name", "seed", "role", "recovery", "interval_steps", "status", "reason", "loss")
    run = Run(**{name: event[name] for name in names})
    log = folder / event["run"] / "events.jsonl"
    if run.status != "finished":
        return run
    if not log.is_file():
        return replace(run, status="lost", reason=f"there is no {log}")
    events, damaged = read_log(log)
    try:
        found = _followed(experiment, run, events, before, spoil)
    except (KeyError, IndexError, TypeError, ValueError, AssertionError):
        return replace(run, status="lost", reason=f"{log} is not whole, or the prediction made for it")
    return replace(found, damaged=damaged)


def _followed(
    experiment: Experiment, run: Run, events: list[dict[str, Any]], before: dict[str, Any] | None, spoil: str | None
) -> Run:
    """What was measured, and what was predicted."""
    run = replace(run, measured=measure(events))
    if before is None:
        if run.role == "strategy":
            raise ValueError("a strategy is predicted before it runs")
        return run
    assert run.measured is not None
    case = Case.model_validate(events[0]["case"])
    costs = Costs.from_dict(before["costs"])
    mix = experiment.failure_mix
    assert mix is not None
    mix = replace(mix, mtbf_s=before["mtbf_s"])
    if spoil == "load":
        costs = costs.with_load_left_out()
    elif spoil == "mtbf":
        mix = replace(mix, mtbf_s=2 * mix.mtbf_s)
    struck, unplaced = executed(case, costs, run.measured.positions)
    return replace(
        run,
        expected=expected(case, costs, mix, experiment.experiment.pls_budget),
        planned=_read(before["planned"]),
        executed=struck,
        unplaced=unplaced,
    )


def _read(data: Mapping[str, Any]) -> Predicted:
    return Predicted(data["useful_s"], Breakdown(**data["spent_s"]), data["pls"])


def _paired(runs: list[Run]) -> list[Run]:
    """Each run's drop of the metric: that of the same seed and placement without failures, less its own."""
    calm: dict[tuple[int, str], float] = {}
    for run in runs:
        if run.role == "baseline" and run.measured and run.measured.summary.auc is not None:
            placement = run.name.removeprefix("no-failures").removeprefix("-") or "rows"
            calm.setdefault((run.seed, placement), run.measured.summary.auc)
    out = []
    for run in runs:
        placement = str(run.loss["placement"]) if run.loss else "rows"
        base = calm.get((run.seed, placement))
        if run.role in ("strategy", "loss", "order") and run.measured and base is not None:
            auc = run.measured.summary.auc
            if auc is not None:
                run = replace(run, metric_drop=base - auc)
        out.append(run)
    return out


def _measured(run: Run, quantity: str) -> float:
    assert run.measured is not None
    if quantity == "pls":
        return run.measured.summary.pls
    spent = run.measured.spent.scaled(1 / run.measured.useful_s)
    return float(spent.total if quantity == "total" else getattr(spent, quantity))


def _predicted(run: Run, against: str, quantity: str) -> float:
    one: Predicted | None = getattr(run, against)
    assert one is not None
    if quantity == "pls":
        return one.pls
    spent = one.spent.scaled(1 / one.useful_s)
    return float(spent.total if quantity == "total" else getattr(spent, quantity))


def _comparisons(outcome: Outcome) -> Iterator[Comparison]:
    """For each recovery and prediction every quantity, over all intervals, seeds being what scatters."""
    tolerances = outcome.experiment.experiment.tolerances
    for recovery in sorted({run.recovery for run in outcome.tried()}):
        runs = [run for run in outcome.tried() if run.recovery == recovery and run.label != RECOMMENDED]
        seeds = sorted({run.seed for run in runs})
        for against in AGAINST:
            for quantity in QUANTITIES:
                by_seed = [[run for run in runs if run.seed == seed] for seed in seeds]
                found = [sum(_measured(run, quantity) for run in some) for some in by_seed]
                said = [sum(_predicted(run, against, quantity) for run in some) for some in by_seed]
                sizes = list(said)
                if quantity not in ("total", "pls"):
                    totals = [sum(_predicted(run, against, "total") for run in some) for some in by_seed]
                    if sum(said) < SMALL * sum(totals):
                        sizes = [SMALL * total for total in totals]
                if sum(sizes) == 0:
                    if sum(found) == 0:
                        continue  # nothing was to be lost, and nothing was
                    sizes = found
                differences = [m - p for m, p in zip(found, said, strict=True)]
                ratio, low, high = interval_90(differences, sizes)
                tolerance = getattr(getattr(tolerances, against), quantity)
                yield Comparison(
                    recovery, quantity, against, sum(found), sum(said), ratio, low, high, tolerance, len(seeds)
                )


def _orders(outcome: Outcome) -> Iterator[OrderFound]:
    """The runs of each order beside the prediction for their failures."""
    section = outcome.experiment.experiment.orders
    runs = [run for run in outcome.runs if run.role == "order" and run.measured]
    if section is None or not runs:
        return
    rates: dict[int, Any] = {}
    for name in section.names:
        mine = sorted((run for run in runs if run.name == f"order-{name}"), key=lambda run: run.seed)
        said = []
        for run in mine:
            experiment = outcome.experiment
            if run.seed not in rates:  # synthetic data follow one law, whatever the seed
                synthetic = experiment.data.source == "synthetic"
                rates[run.seed] = rates[0] if synthetic and 0 in rates else update_rates(experiment.one(run.seed))
            case = experiment.one(run.seed, strategy=section.strategy(name))
            at = section.struck(experiment.steps, experiment.shards.count, experiment.training.seed + run.seed)
            struck = [Struck((one.at_step or 1) - 1, one.shards) for one in at]
            said.append(predicted_pls(case, rates[run.seed], struck, run.seed))
        summaries = [run.measured.summary for run in mine if run.measured]
        if mine:
            yield OrderFound(
                name,
                tuple(run.seed for run in mine),
                tuple(one.lost_share for one in summaries),
                tuple(said),
                float(np.mean([one.saved_rows for one in summaries])),
                tuple(run.metric_drop for run in mine if run.metric_drop is not None),
            )


def _span(low: float, high: float) -> str:
    return f" ({100 * low:+.1f}% to {100 * high:+.1f}%)" if math.isfinite(low) else " (one seed, no interval)"


def _order_checks(outcome: Outcome) -> Iterator[Check]:
    section = outcome.experiment.experiment.orders
    assert section is not None
    uniform = next((one for one in outcome.orders if one.name == ALL_AT_ONCE), None)
    for one in outcome.orders:
        if one.name in UNPREDICTED or not sum(one.predicted):
            continue
        apart = [m - p for m, p in zip(one.measured, one.predicted, strict=True)]
        ratio, low, high = interval_90(apart, one.predicted)
        said = f"{100 * ratio:+.1f}%{_span(low, high)}, ±{100 * section.tolerance:g}% asked"
        verdict = Verdict.of(low, high, section.tolerance)
        yield Check(f"{one.name}: lost updates are as predicted", said, verdict)
    for one in outcome.orders:
        if uniform is None or one.name in (ALL_AT_ONCE, *UNPREDICTED):
            continue
        mine, theirs = (dict(zip(of.seeds, of.measured, strict=True)) for of in (one, uniform))
        seeds = [seed for seed in one.seeds if seed in theirs]
        if not sum(theirs[seed] for seed in seeds) or not sum(uniform.predicted):
            continue
        ratio, low, high = interval_90(
            [mine[seed] - theirs[seed] for seed in seeds], [theirs[seed] for seed in seeds]
        )
        before = float(np.mean(one.predicted) / np.mean(uniform.predicted)) - 1
        said = f"{100 * ratio:+.1f}%{_span(low, high)}, predicted {100 * before:+.1f}%"
        fewer = Verdict.PASS if high < 0 else Verdict.FAIL if low > 0 else Verdict.INCONCLUSIVE
        if before < 0:
            yield Check(f"{one.name} loses fewer updates than saving everything at once", said, fewer)


def _checks(outcome: Outcome) -> Iterator[Check]:
    """What can be said without a tolerance, and the recommendation."""
    failed = [run for run in outcome.runs if run.status != "finished"]
    if failed:
        said = f"{len(failed)} of {len(outcome.runs)} did not"
        yield Check("every run comes to its end", said, Verdict.INCONCLUSIVE)
    if not outcome.ended:
        yield Check("the experiment comes to its end", "it was cut off, or is under way", Verdict.INCONCLUSIVE)
    if outcome.damaged:
        yield Check("the log is whole", f"{outcome.damaged} of its lines cannot be read", Verdict.INCONCLUSIVE)
    full = [run for run in outcome.tried() if run.recovery == "full"]
    if full:
        lost = sum(run.measured.summary.lost_samples for run in full if run.measured)
        yield Check(
            "full recovery loses nothing", f"{lost:,} shard-samples lost in {len(full)} runs", _passes(lost == 0)
        )
    paired = [run for run in full if run.metric_drop is not None]
    if paired:
        worst = max(abs(run.metric_drop or 0.0) for run in paired)
        said = f"largest difference of the metric from the run without failures: {worst:g} ({len(paired)} runs)"
        yield Check("full recovery changes nothing", said, _passes(worst == 0))
    if outcome.orders:
        yield from _order_checks(outcome)
    tolerance = outcome.experiment.experiment.tolerances.recommendation
    if outcome.recommended and tolerance is not None:
        yield from _recommendation(outcome, tolerance)


def _passes(right: bool) -> Verdict:
    return Verdict.PASS if right else Verdict.FAIL


def overheads(outcome: Outcome) -> dict[str, dict[int, float]]:
    """For each strategy that was tried, by seed: overhead over useful time."""
    found: dict[str, dict[int, float]] = {}
    for run in outcome.tried():
        assert run.measured is not None
        found.setdefault(run.label, {})[run.seed] = float(run.measured.spent.total) / run.measured.useful_s
    return found


def within_budget(outcome: Outcome, name: str) -> bool:
    """Whether a strategy's mean PLS keeps the accuracy budget."""
    runs = [run for run in outcome.tried() if run.label == name]
    mean = float(np.mean([run.measured.summary.pls for run in runs if run.measured]))
    return mean <= outcome.experiment.experiment.pls_budget


def _mean(by_seed: Mapping[int, float]) -> float:
    return float(np.mean(list(by_seed.values())))


def _at_most(low: float, high: float, tolerance: float) -> Verdict:
    return Verdict.PASS if high <= tolerance else Verdict.FAIL if low > tolerance else Verdict.INCONCLUSIVE


def _recommendation(outcome: Outcome, tolerance: float) -> Iterator[Check]:
    best_of, keeps = "plan's recommendation is the best, or nearly", "plan's recommendation keeps the budget"
    all_of = overheads(outcome)
    mine = all_of.pop(RECOMMENDED, None)
    if not mine:
        yield Check(best_of, "no run of it came to its end", Verdict.INCONCLUSIVE)
        return
    budget = outcome.experiment.experiment.pls_budget
    allowed = {name: found for name, found in all_of.items() if within_budget(outcome, name)}
    if allowed:
        yield _against_the_best(outcome, best_of, mine, allowed, tolerance)
    else:
        yield Check(best_of, f"nothing else that was tried keeps the budget of {budget:g}", Verdict.INCONCLUSIVE)
    lost = [run.measured.summary.pls for run in outcome.tried() if run.label == RECOMMENDED and run.measured]
    ratio, low, high = interval_90([pls - budget for pls in lost], [budget] * len(lost))
    said = (
        f"PLS {(1 + ratio) * budget:.3g} of a budget of {budget:g}: {100 * ratio:+.0f}% of it{_span(low, high)}, "
        f"at most {100 * tolerance:g}% more asked"
    )
    yield Check(keeps, said, _at_most(low, high, tolerance))


def _against_the_best(
    outcome: Outcome,
    name: str,
    mine: Mapping[int, float],
    allowed: Mapping[str, Mapping[int, float]],
    tolerance: float,
) -> Check:
    best = min(allowed, key=lambda one: _mean(allowed[one]))
    seeds = sorted(set(mine) & set(allowed[best]))
    if not seeds:
        return Check(name, f"no seed has a run of it and of the best that was tried ({best})", Verdict.INCONCLUSIVE)
    differences = [mine[seed] - allowed[best][seed] for seed in seeds]
    ratio, low, high = interval_90(differences, [allowed[best][seed] for seed in seeds])
    assert outcome.recommended is not None
    recovery, steps = outcome.recommended
    said = (
        f"{recovery} recovery, every {steps} steps: overhead {100 * _mean(mine):.1f}%; the best of those tried "
        f"within the accuracy budget ({best}): {100 * _mean(allowed[best]):.1f}%; difference {100 * ratio:+.1f}% "
        f"of it{_span(low, high)}, at most {100 * tolerance:g}% asked"
    )
    return Check(name, said, _at_most(low, high, tolerance))
