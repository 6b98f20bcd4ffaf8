"""Predicted against measured, order by order; which order costs less; and whether the predictions hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from validation.harm.judging import mean_and_half, verdict_of
from validation.harm_orders.case import OrdersCase, SettingSection
from validation.harm_orders.lab import measured, predictions

__all__ = ["Compared", "Pairs", "SettingJudged", "judge"]


@dataclass(frozen=True)
class Compared:
    """One order: rises of the log loss at the end, mean over seeds [nat]."""

    order: str
    predicted: float | None  #: None: an order that is only measured
    measured: float
    half: float  #: half its 90% interval's width, from the scatter over seeds
    auc_fall: float
    lost_updates: float
    against: float  #: measured, less that of the order it is compared with, paired
    against_half: float
    against_predicted: float | None
    apart: float | None  #: (measured − predicted) over predicted
    apart_half: float | None
    verdict: (
        str  #: PASS; FAIL, when the interval lies outside the tolerance; "not resolved"; "" where not predicted
    )


@dataclass(frozen=True)
class Pairs:
    """Pairs of orders whose measured difference is larger than its 90% interval: is the cheaper one predicted?"""

    right: int
    wrong: tuple[tuple[str, str], ...]  #: said to be cheaper, and is not
    open: int

    @property
    def resolved(self) -> int:
        """All that the runs tell apart."""
        return self.right + len(self.wrong)


@dataclass(frozen=True)
class SettingJudged:
    """Everything of one setting, under one way to predict."""

    setting: SettingSection
    seeds: int
    compared: tuple[Compared, ...]
    pairs: Pairs

    @property
    def verdict(self) -> str:
        """FAIL when an order or the ranking fails, PASS when something passes, else INCONCLUSIVE."""
        said = [one.verdict for one in self.compared]
        if "FAIL" in said or self.pairs.wrong:
            return "FAIL"
        return "PASS" if "PASS" in said else "INCONCLUSIVE"


def judge(case: OrdersCase, folder: Path, how: str = "") -> list[SettingJudged]:
    """Of every setting with at least two complete seeds."""
    told = predictions(folder)
    found = []
    for setting in case.settings:
        seen = measured(folder, case, setting)
        if len(seen) >= 2:
            found.append(_of_setting(case, setting, seen, told[setting.name][how]))
    return found


def _of_setting(
    case: OrdersCase, setting: SettingSection, seen: dict[int, Any], told: dict[str, Any]
) -> SettingJudged:
    rises = {order: np.array([lines[order]["rise"] for lines in seen.values()]) for order in setting.orders}
    predicted = {
        order: np.array([told[str(seed)][order][0] for seed in seen])
        for order in setting.orders
        if order in told[str(next(iter(seen)))]
    }
    compared = []
    for order in setting.orders:
        middle, half = mean_and_half(rises[order])
        against, against_half = mean_and_half(rises[order] - rises[case.against])
        expected = predicted.get(order)
        said = apart = apart_half = None
        verdict = ""
        if expected is not None:
            said = float(expected.mean())
            apart, apart_half = mean_and_half((rises[order] - expected) / abs(said))
            verdict = verdict_of(apart, apart_half, case.tolerance, case.interval)
        compared.append(
            Compared(
                order=order,
                predicted=said,
                measured=middle,
                half=half,
                auc_fall=float(np.mean([lines[order]["auc_fall"] for lines in seen.values()])),
                lost_updates=float(np.mean([lines[order]["lost_updates"] for lines in seen.values()])),
                against=against,
                against_half=against_half,
                against_predicted=None if said is None else said - float(predicted[case.against].mean()),
                apart=apart,
                apart_half=apart_half,
                verdict=verdict,
            )
        )
    return SettingJudged(setting, len(seen), tuple(compared), _pairs(list(predicted), rises, predicted))


def _pairs(orders: Sequence[str], rises: dict[str, Any], predicted: dict[str, Any]) -> Pairs:
    """A pair that is predicted to be alike (within a twentieth) is wrong about neither."""
    right, wrong, left = 0, [], 0
    for one, other in combinations(orders, 2):
        middle, half = mean_and_half(rises[one] - rises[other])
        if abs(middle) <= half:
            left += 1
            continue
        said = float((predicted[one] - predicted[other]).mean())
        alike = abs(said) <= 0.05 * float(max(predicted[one].mean(), predicted[other].mean()))
        if alike or (said < 0) == (middle < 0):
            right += 1
        else:
            wrong.append((one, other) if said < 0 else (other, one))
    return Pairs(right, tuple(wrong), left)
