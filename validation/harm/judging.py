"""Predicted against measured, by what losses have in common; and whether a prediction holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.fitting.clusters import student
from validation.harm.case import HarmCase
from validation.harm.lab import measured, predictions
from validation.harm.patterns import Pattern, patterns_of

__all__ = ["WHEN", "AgainstLine", "Compared", "Judged", "against_line", "judge", "mean_and_half", "verdict_of"]

#: When it was measured, and where that stands in a prediction.
WHEN = {"at_once": 0, "at_end": 1}
_AUC = {"at_once": 2, "at_end": 3}


@dataclass(frozen=True)
class Compared:
    """The rises of the log loss of losses that have something in common, summed over them, mean over seeds."""

    name: str
    when: str
    losses: int  #: of each seed
    predicted: float
    measured: float
    apart: float  #: (measured − predicted) over predicted
    half: float  #: half its 90% interval's width, from the scatter over seeds
    verdict: str  #: PASS; FAIL, when the interval lies outside the tolerance; or "not resolved"


@dataclass(frozen=True)
class Judged:
    """Everything that is compared, under one way to predict."""

    how: str  #: "": as the theory has it; else how it was spoiled
    compared: tuple[Compared, ...]
    rms: float  #: of the AUC's fall at the end, over all runs: predicted against measured
    rms_nothing: float  #: and of the prediction that nothing is lost
    rms_most: float | None
    runs: int
    seeds: int

    @property
    def verdict(self) -> str:
        """FAIL when anything fails, PASS when something passes, else INCONCLUSIVE."""
        said = [one.verdict for one in self.compared]
        if self.rms_most is not None:
            said.append("PASS" if self.rms <= self.rms_most else "FAIL")
        if "FAIL" in said:
            return "FAIL"
        return "PASS" if any(one.verdict == "PASS" for one in self.compared) else "INCONCLUSIVE"


@dataclass(frozen=True)
class AgainstLine:
    """Falls of the AUC at the end where a PLS is known (shards, all rows): predicted, and by a fitted line."""

    runs: int
    slope: float  #: of the line through zero fitted to all of them
    line: float  #: RMS error of the lines fitted to the other seeds' runs
    predicted: float  #: of what was predicted with nothing fitted


def against_line(case: HarmCase, folder: Path) -> AgainstLine | None:
    """None where fewer than two seeds have such runs."""
    told, found = predictions(folder)[""], measured(folder, case)
    rows = np.array(
        [
            (seed, _pls(case, line), line["at_end"]["auc_fall"], told[str(seed)][line["pattern"]][_AUC["at_end"]])
            for seed, lines in found.items()
            for line in lines
            if _pls(case, line)
        ]
    )
    if len(found) < 2 or not rows.size:
        return None
    seeds, pls, falls, expected = rows.T
    misses = [
        falls[seeds == seed] - _slope(pls[seeds != seed], falls[seeds != seed]) * pls[seeds == seed]
        for seed in found
    ]
    line = float(np.sqrt(np.mean(np.concatenate(misses) ** 2)))
    return AgainstLine(len(rows), _slope(pls, falls), line, float(np.sqrt(np.mean((falls - expected) ** 2))))


def _slope(pls: Any, falls: Any) -> float:
    return float(pls @ falls / (pls @ pls))


def _pls(case: HarmCase, line: Mapping[str, Any]) -> float:
    """Share of samples that a loss takes; 0 for rows chosen by how often they are used, or by table."""
    share = {"shard": 1 / case.shards, "three shards": 3 / case.shards, "all rows": 1.0}.get(line["group"], 0.0)
    return share * float(line["lost"]) * len(line["at"]) / case.steps


def judge(case: HarmCase, folder: Path, how: str = "") -> Judged:
    """Of the seeds whose runs are complete."""
    told, found = predictions(folder)[how], measured(folder, case)
    patterns = list(patterns_of(case))
    compared = [
        _compare(case, name, when, [one for one in patterns if belongs(one)], told, found)
        for when in WHEN
        for name, belongs in _sets(case, patterns)
    ]
    pairs = np.array(
        [
            (told[str(seed)][line["pattern"]][_AUC["at_end"]], line["at_end"]["auc_fall"])
            for seed, lines in found.items()
            for line in lines
        ]
    )
    return Judged(
        how,
        tuple(compared),
        float(np.sqrt(np.mean((pairs[:, 0] - pairs[:, 1]) ** 2))),
        float(np.sqrt(np.mean(pairs[:, 1] ** 2))),
        case.losses.rms,
        len(pairs),
        len(found),
    )


def _sets(case: HarmCase, patterns: Sequence[Pattern]) -> Iterator[tuple[str, Callable[[Pattern], bool]]]:
    """Losses by the rows that are put back, by how far, by when; several losses by themselves."""
    for group in case.losses.groups:
        yield group, lambda one, group=group: one.group == group and len(one.at) == 1  # type: ignore[misc]
    for lost in case.losses.lost:
        yield f"{lost} steps lost", lambda one, lost=lost: one.lost == lost and len(one.at) == 1  # type: ignore[misc]
    for moment in case.losses.moments:
        yield f"after {moment} steps", lambda one, moment=moment: one.at == (moment,)  # type: ignore[misc]
    for several in case.losses.repeated:
        yield several.name, lambda one, several=several: one.name == several.name  # type: ignore[misc]


def _compare(
    case: HarmCase,
    name: str,
    when: str,
    patterns: Sequence[Pattern],
    told: Mapping[str, Any],
    found: Mapping[int, list[dict[str, Any]]],
) -> Compared:
    names = {one.name for one in patterns}
    predicted = np.array([sum(told[str(seed)][one][WHEN[when]] for one in names) for seed in found])
    seen = np.array(
        [sum(line[when]["rise"] for line in lines if line["pattern"] in names) for lines in found.values()]
    )
    scale = float(predicted.mean())
    apart = (seen - predicted) / abs(scale)
    middle, half = mean_and_half(apart)
    verdict = verdict_of(middle, half, case.losses.tolerance, case.losses.interval)
    return Compared(name, when, len(names), scale, float(seen.mean()), middle, half, verdict)


def mean_and_half(each: Any) -> tuple[float, float]:
    """A mean, and half its 90% interval's width; infinite where there is one alone."""
    number = len(each)
    half = student(number - 1) * float(each.std(ddof=1)) / math.sqrt(number) if number > 1 else math.inf
    return float(each.mean()), half


def verdict_of(apart: float, half: float, tolerance: float, interval: float) -> str:
    """FAIL: the interval lies outside the tolerance; PASS: within it, and the ends within their limit."""
    if abs(apart) - half > tolerance:
        return "FAIL"
    return "PASS" if abs(apart) <= tolerance and abs(apart) + half <= interval else "not resolved"
