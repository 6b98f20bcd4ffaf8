"""What an order of saving loses, without simulating it: fluid limits, and counts that scatter.

Time is counted in slots: every slot the same number of rows is saved, a share of all rows. Rows are of one size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cprmodel.facts.roots import root_between
from cprmodel.formulas.priority import fluid_mfu_interval, fluid_update_age_interval, lost_updates
from cprmodel.ordering.sampled import listed
from cprmodel.rows import Classes

__all__ = ["FLUID", "Predicted", "fluid_intervals", "predict_fluid", "predict_mfu", "predict_ssu", "predict_whole"]

Floats = NDArray[np.float64]

#: Largest count at which a row is saved that is followed one by one.
MOST_COUNTS = 300
_RATES = 512  #: rates at which the counts are followed; between them it is interpolated
_SMOOTH = 64  #: fewer rates than this go round together, and the count at which rows are saved goes up and down
_ROOM = 0.8  #: of what a save may take: so much is hardly ever exceeded by chance
_MANY = 1000  #: rows of which that count hardly fluctuates

#: Where updates come evenly, the interval of a row by its updates in a slot, the slot, and a threshold.
FLUID: dict[str, Callable[..., Floats]] = {
    "mfu": fluid_mfu_interval.raw,
    "update-age": fluid_update_age_interval.raw,
}


@dataclass(frozen=True)
class Predicted:
    """What a failure takes, over the updates of one full-save interval; the share of the budget used; by what."""

    lost_updates_fraction: float
    budget_used: float
    by: str


def predict_whole(classes: Classes, in_turn_of: float = 1.0) -> Predicted:
    """Every row once per full-save interval, together or in turn, a fraction of them at a time: one half.

    In turn a row waits a whole number of slots: where these are not all alike, a little more.
    """
    slots = 1 / in_turn_of
    fewer = math.floor(slots * (1 + 1e-12))
    square = (2 * fewer + 1) * slots - fewer * (
        fewer + 1
    )  # mean of P², for P = fewer or one more, on average slots
    lost = in_turn_of**2 * square / 2
    return Predicted(lost if classes.total_updates > 0 else 0.0, 1.0, "formula")


def fluid_intervals(order: str, updates: Floats, count: Floats, fraction: float) -> Floats:
    """Slots between two saves of a row if updates came evenly; infinite without updates."""
    saves = fraction * float(count.sum())
    changing = updates > 0
    form = FLUID[order]
    theta = _threshold(lambda value: form(updates[changing], 1.0, value), count[changing], saves)
    return np.where(changing, form(np.where(changing, updates, 1.0), 1.0, theta), np.inf)


def predict_fluid(classes: Classes, fraction: float, order: str) -> Predicted:
    """Rows by an order in the fluid limit, where no update scatters: not what is lost where updates are few."""
    changing = classes.updates > 0
    a, w = classes.updates[changing], classes.count[changing]
    if a.size == 0:
        return Predicted(0.0, 0.0, "formula")
    interval = fluid_intervals(order, classes.updates, classes.count, fraction)[changing]
    used = float((w / interval).sum()) / (fraction * classes.rows)
    return Predicted(_fraction(lost_updates.raw(a, interval), a, w, fraction), min(used, 1.0), "formula")


def predict_ssu(classes: Classes, fraction: float, slots: int | None = None) -> Predicted | None:
    """The rows on a sampled list, whose makings are followed through a slot; None where rows are few.

    ``slots``: so many after everything was saved, in the place of very many.
    """
    if classes.rows < _MANY:
        return None
    if not classes.total_updates:
        return Predicted(0.0, 0.0, "count")
    found = listed(classes, fraction, classes.rows)
    stale = found.steady if slots is None else found.stale(slots + 1)[:, -1]
    lost = _fraction(stale + classes.updates / 2, classes.updates, classes.count, fraction)
    used = float(classes.count @ found.saved) / (fraction * classes.rows)
    return Predicted(lost, min(used, 1.0), "count")


def predict_mfu(classes: Classes, fraction: float) -> Predicted | None:
    """Rows with the most updates first, saved in batches: once a slot, those at a count of at least θ.

    Updates are Poisson and followed count by count. Exact as rows grow many, of many rates. None where they are
    few, or are saved after so many updates that these are better simulated.
    """
    changing = classes.updates > 0
    a, w = classes.updates[changing], classes.count[changing]
    saves = fraction * classes.rows
    if a.size == 0:
        return Predicted(0.0, 0.0, "count")
    fits = float(w.sum()) <= saves * (1 + 1e-9)  # whatever happens; or as good as always
    if fits or float(-np.expm1(-a) @ w) <= saves * _ROOM:  # all that has changed is saved every slot
        return _counted(a, w, saves, fraction, 0)
    highest = _threshold(lambda theta: fluid_mfu_interval.raw(a, 1.0, theta), w, saves)
    if highest > MOST_COUNTS / 1.5 or a.size < _SMOOTH or classes.rows < _MANY:
        return None
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
    return root_between(excess, 0.0, high)


def _fraction(lost: Floats, a: Floats, w: Floats, fraction: float) -> float:
    """Updates lost, over those of one full-save interval of 1/fraction slots."""
    return float(fraction * (w @ lost) / (w @ a))


def _visits(a: Floats, most: int) -> Floats:
    """Expected slots that begin with j updates unsaved, j up to ``most``, for a row that is not saved meanwhile.

    A walk with Poisson steps: u₀ = 1/(1 − p₀), uⱼ = u₀·Σ_{c<j} u_c p_{j−c}.
    """
    from scipy.special import gammaln

    n = np.arange(most + 1)
    p = np.exp(n * np.log(a)[:, None] - a[:, None] - gammaln(n + 1))
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
        return Predicted(_fraction(a / 2, a, w, fraction), used(starts[:, 0]) / saves, "count")
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
    return Predicted(_fraction(spread(sums / slots) + a / 2, a, w, fraction), 1.0, "count")
