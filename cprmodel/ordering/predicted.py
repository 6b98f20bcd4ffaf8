"""What an order of saving loses, without simulating it: fluid limits, and counts that scatter.

Time is counted in slots: every slot the same number of rows is saved, a share of all rows. Rows are of one size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cprmodel.formulas.priority import fluid_mfu_interval, fluid_update_age_interval, lost_updates
from cprmodel.rows import Classes

__all__ = ["Predicted", "predict_mfu", "predict_update_age", "predict_whole"]

Floats = NDArray[np.float64]

#: Largest count at which a row is saved that is followed one by one; beyond, counts hardly scatter (3%).
MOST_COUNTS = 1000
_RATES = 512  #: rates at which the counts are followed; between them it is interpolated


@dataclass(frozen=True)
class Predicted:
    """What a failure takes, over the updates of one full-save interval; the share of the budget used; by what."""

    lost_updates_fraction: float
    budget_used: float
    by: str


def predict_whole(classes: Classes, fraction: float, by: str) -> Predicted:
    """Every row once per full-save interval, together or in turn: one half."""
    return Predicted(0.5 if classes.total_updates > 0 else 0.0, 1.0, by)


def predict_update_age(classes: Classes, fraction: float) -> Predicted:
    """Rows with the largest (updates × age) first, in the fluid limit: P = max(δ, √(θ/λ))."""
    return _fluid(classes, fraction, fluid_update_age_interval.raw)


def predict_mfu(classes: Classes, fraction: float, even: bool = False) -> Predicted:
    """Rows with the most updates first, saved in batches: once a slot, those at a count of at least θ.

    Updates are Poisson and followed count by count; where they come evenly (``even``), or a row is saved after more
    than :data:`MOST_COUNTS`, the interval is the fluid limit's rounded up to whole slots. Exact as rows grow many.
    """
    changing = classes.updates > 0
    a, w = classes.updates[changing], classes.count[changing]
    saves = fraction * classes.rows
    if a.size == 0:
        return Predicted(0.0, 0.0, "formula")
    highest = _threshold(lambda theta: fluid_mfu_interval.raw(a, 1.0, theta), w, saves)
    if even or highest > MOST_COUNTS / 1.5:
        return _batched(a, w, saves, fraction)
    return _counted(a, w, saves, fraction, int(1.5 * highest) + 20)


def _threshold(interval: Callable[[float], Floats], w: Floats, saves: float) -> float:
    """θ at which the intervals use the budget; 0 where all that changes can be saved every slot."""

    def excess(theta: float) -> float:
        return float((w / interval(theta)).sum()) - saves

    if excess(0.0) <= 0:
        return 0.0
    high = 1.0
    while excess(high) > 0:
        high *= 4
    from scipy.optimize import brentq

    return float(brentq(excess, 0.0, high, xtol=1e-300, rtol=1e-13))


def _fraction(lost: Floats, a: Floats, w: Floats, fraction: float) -> float:
    """Updates lost, over those of one full-save interval of 1/fraction slots."""
    return float(fraction * (w @ lost) / (w @ a))


def _fluid(classes: Classes, fraction: float, form: Callable[..., Floats]) -> Predicted:
    changing = classes.updates > 0
    a, w = classes.updates[changing], classes.count[changing]
    if a.size == 0:
        return Predicted(0.0, 0.0, "formula")
    saves = fraction * classes.rows
    theta = _threshold(lambda value: form(a, 1.0, value), w, saves)
    interval = form(a, 1.0, theta)
    used = float((w / interval).sum()) / saves
    return Predicted(_fraction(lost_updates.raw(a, interval), a, w, fraction), min(used, 1.0), "formula")


def _batched(a: Floats, w: Floats, saves: float, fraction: float) -> Predicted:
    """Even updates: saved after ⌈θ/λ⌉ slots; of the rows that θ leaves in the balance, as many as fit."""

    def waits(theta: float) -> Floats:
        slots: Floats = np.maximum(np.ceil(fluid_mfu_interval.raw(a, 1.0, theta) * (1 - 1e-12)), 1.0)
        return slots

    def used(theta: float) -> float:
        return float((w / waits(theta)).sum())

    if used(0.0) <= saves:
        return Predicted(_fraction(lost_updates.raw(a, 1.0), a, w, fraction), used(0.0) / saves, "formula")
    low, high = 0.0, 1.0
    while used(high) > saves:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if used(middle) > saves else (low, middle)
        if high - low <= 1e-15 * high:
            break
    many, few = used(low), used(high)
    share = (saves - few) / (many - few)  # of those in the balance, that are saved a slot earlier
    lost = [_fraction(lost_updates.raw(a, waits(theta)), a, w, fraction) for theta in (low, high)]
    return Predicted(share * lost[0] + (1 - share) * lost[1], 1.0, "formula")


def _visits(a: Floats, most: int) -> Floats:
    """Expected slots that begin with n updates unsaved, n up to ``most``, for a row that is not saved meanwhile.

    A walk with Poisson steps: u₀ = 1/(1 − p₀), uₙ = u₀·Σ_{k<n} uₖ pₙ₋ₖ.
    """
    n = np.arange(most + 1)
    p = np.exp(n * np.log(a)[:, None] - a[:, None] - special.gammaln(n + 1))
    u: Floats = np.empty_like(p)
    u[:, 0] = -1 / np.expm1(-a)
    for at in range(1, most + 1):
        u[:, at] = u[:, 0] * np.einsum("rk,rk->r", u[:, :at], p[:, at:0:-1])
    return u


def _counted(a: Floats, w: Floats, saves: float, fraction: float, most: int) -> Predicted:
    """Poisson updates: a row is saved at the end of the first slot that finds θ updates; ties by lot."""
    rates = a
    if a.size > _RATES:
        top = max(min(a.max(), 3.0 * most + 50), a.min())  # rows beyond are saved every slot
        rates = np.geomspace(a.min(), top, _RATES)
    u = _visits(rates, most)
    starts = np.cumsum(u, axis=1)  # slots until a row is saved at count n + 1 or more
    found = np.cumsum(u * np.arange(most + 1), axis=1)  # sum of what they begin with

    def spread(values: Floats) -> Floats:
        return values if rates is a else np.interp(np.log(a), np.log(rates), values)

    def used(slots: Floats) -> float:
        return float((w / spread(slots)).sum())

    if used(starts[:, 0]) <= saves:  # all that has changed is saved every slot
        return Predicted(_fraction(a / 2, a, w, fraction), used(starts[:, 0]) / saves, "formula")
    low, high = 0, most  # saved at low + 1: too many; at high + 1: few enough
    if used(starts[:, high]) > saves:
        return _counted(a, w, saves, fraction, 2 * most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if used(starts[:, middle]) > saves else (low, middle)
    p0, reached = np.exp(-rates), u[:, high] / u[:, 0]

    def tied(stays: float) -> Floats:
        """Visits to the count that is saved by lot, when a row there stays with this probability."""
        visits: Floats = stays * reached / (1 - stays * p0)
        return visits

    few, many = 1.0, 0.0
    for _ in range(60):
        stays = (few + many) / 2
        few, many = (few, stays) if used(starts[:, low] + tied(stays)) > saves else (stays, many)
    visits = tied(few)
    slots, sums = starts[:, low] + visits, found[:, low] + high * visits
    return Predicted(_fraction(spread(sums / slots) + a / 2, a, w, fraction), 1.0, "formula")
