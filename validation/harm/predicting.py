"""From what a probe saw in one run: what putting rows back costs in another, at once and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cprmodel.harm.record import HarmRecord, Point

__all__ = ["Predicted", "Shares", "auc_slope", "predict"]

#: For each table its bands by where they begin, and the share of the band's accesses that a group's rows have.
Shares = Sequence[Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Predicted:
    """Rise of the log loss at once and at the end of training, and the fall of the AUC."""

    at_once: float
    at_end: float
    auc_at_once: float
    auc_at_end: float

    def __add__(self, other: Predicted) -> Predicted:
        return Predicted(*(a + b for a, b in zip(self.numbers, other.numbers, strict=True)))

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        return self.at_once, self.at_end, self.auc_at_once, self.auc_at_end


def predict(record: HarmRecord, position: int, age: int, left: int, shares: Shares) -> Predicted:
    """Of one loss: rows that hold ``shares`` of each band's accesses, put back to their state of ``age`` ago.

    The sum over bands of the quadratic and the gradient term, each times what relearning leaves; cross terms
    between rows of a sample grow with the square of the share. The AUC falls in proportion to the log loss, as it
    does where the probe put all rows back.
    """
    point = next(one for one in record.points if one.position_samples == position)
    number = point.ages_samples.index(float(age))
    after = point.left_samples.index(float(left))
    once = end = harm = whole = 0.0
    for table, of_table in zip(point.tables, shares, strict=True):
        for band in table.bands:
            # another run may have a band more: the one that begins nearest
            _, share = min(of_table, key=lambda one: abs(one[0] - band.accesses_from))
            quadratic, gradient = band.quadratic[number], band.gradient[number]
            remain, drift = band.quadratic_left[number][after], band.gradient_left[number][after]
            once += share * (quadratic + gradient)
            end += share * (quadratic * remain + gradient * drift)
            harm += share * quadratic
            whole += quadratic
    state = point.whole[number]
    cross = (state.quadratic - whole) * (harm / whole) ** 2 if whole > 0 else 0.0
    remains = end / once if once else 0.0
    slope, last = auc_slope(point), auc_slope(record.points[-1])
    once, end = once + cross, end + cross * min(1.0, max(0.0, remains))
    return Predicted(once, end, slope * once, last * end)


def auc_slope(point: Point) -> float:
    """Fall of the AUC over the rise of the log loss, were all rows put back."""
    known = [one for one in point.whole if one.auc_fall is not None]
    rise = sum(one.rise for one in known)
    return sum(one.auc_fall or 0.0 for one in known) / rise if rise > 0 else 0.0
