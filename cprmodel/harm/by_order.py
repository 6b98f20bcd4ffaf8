"""What a lost update costs in the metric under each order of saving: its slope, and how many it loses.

An order decides which rows are old, so the metric lost for an update that is lost differs between orders. A plan
takes each order's own slope from here, beside its portion of lost updates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cprmodel.harm.orders import plays_of_failure
from cprmodel.harm.predicted import HarmModel
from cprmodel.jobs.accuracy_model import OrderSlope

__all__ = ["PLANNED", "slopes_by_order"]

#: Orders that a plan weighs by their own slopes; the first is what the updates lost of others are compared with.
PLANNED = ("mfu", "update-age", "best-fixed", "least-harm")

#: Full-save intervals that are looked at, as shares of the run, and how many plays of each with how many stand-ins.
_SHARES, _DRAWS, _STAND_INS = (0.03, 0.15, 0.75), 4, 16

#: All rows at once, where their turn comes: the saves that a slope is known for.
_ALL_AT_ONCE = "uniform"


def slopes_by_order(
    model: HarmModel,
    fraction: float,
    lost_share: float,
    slope: float,
    orders: Sequence[str] = PLANNED,
    seed: int = 1,
) -> dict[str, OrderSlope]:
    """Metric lost per unit of PLS under each order, at three intervals between full saves.

    Parameters
    ----------
    model : predictions from a record
    fraction : share of the rows that a save takes
    lost_share : share of the rows that a failure puts back, k/N
    slope : metric lost per unit of PLS where saves take all rows (:func:`cprmodel.harm.slope.accuracy_model`)
    orders : of ``cprmodel.harm.orders.HARM_ORDERS``
    seed : of the plays, the same for each order

    Notes
    -----
    Plays tell by how much an update lost under an order costs more or less than one lost where all rows are saved
    at once, whose slope is known. Both are of the same plays, so much of their scatter is common.
    """
    found: dict[str, list[tuple[float, float, float]]] = {order: [] for order in orders}
    for share in _SHARES:
        every = share * model.record.samples * fraction
        given = (model, fraction, every, lost_share, (_ALL_AT_ONCE, *orders), _DRAWS, seed, _STAND_INS)
        plays = {order: np.array(runs).T for order, runs in plays_of_failure(*given).items()}
        for order in orders:
            more, error = _ratio_of_slopes(plays[order], plays[_ALL_AT_ONCE])
            found[order].append((more, error, float(plays[order][1].sum() / plays[orders[0]][1].sum())))
    return {
        order: OrderSlope(
            interval_shares=_SHARES,
            metric_drop_per_pls=tuple(slope * more for more, _, _ in ones),
            standard_error=tuple(slope * error for _, error, _ in ones),
            updates_lost=tuple(times for _, _, times in ones),
        )
        for order, ones in found.items()
        if all(0 < more < math.inf and 0 < times < math.inf for more, _, times in ones)
    }


def _ratio_of_slopes(one: Any, other: Any) -> tuple[float, float]:
    """Rise per update lost over the other's, and its standard error by leaving out a play at a time."""

    def of(some: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            (rise, lost), (rise_of_all, lost_of_all) = ((part[:, some]).sum(axis=1) for part in (one, other))
            return (rise / lost) / (rise_of_all / lost_of_all)

    plays = np.arange(one.shape[1])
    left_out = np.array([of(plays != play) for play in plays])
    scatter = (len(plays) - 1) * left_out.var()
    return float(of(plays >= 0)), math.sqrt(scatter)
