"""CPR-SSU's list, counted: who is on it when a slot ends, as rows grow many.

The list begins each slot empty, for the save has taken all of it. Sampled updates are followed in pieces of an
eighth of the list, within which new rows do not push out one another, as they may in the tracker, which takes them
one by one; a full list gives up rows at random. Lost updates come out within 0.6% of those that finer pieces find.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cprmodel.rows import Classes, Floats

__all__ = ["Listed", "listed"]

_PIECES = 400  #: of the list's eighths: what came before them has long been pushed out
_EVERY = 2


@dataclass(frozen=True)
class Listed:
    """Of each class of rows: whether a row is saved in a slot, and what it has learned when it is not."""

    saved: Floats  #: probability
    left: Floats  #: mean of the slot's updates where it is not saved, 0 where it is

    def stale(self, slots: int) -> Floats:
        """Updates of a row that are not saved when each slot begins, classes × slots; what came before is saved."""
        chance = np.where(self.saved > 0, np.minimum(self.saved, 1 - 1e-16), 0.5)[:, None]
        age = np.arange(slots)
        rounds = -np.expm1(age * np.log1p(-chance)) / chance
        found: Floats = self.left[:, None] * np.where(self.saved[:, None] > 0, rounds, age)
        return found

    @property
    def steady(self) -> Floats:
        """The same after many slots."""
        return np.divide(self.left, self.saved, out=np.zeros(self.left.shape), where=self.left > 0)


def listed(classes: Classes, fraction: float, rows: float = np.inf) -> Listed:
    """Follow the list through a slot. ``classes``: updates in a slot; ``rows`` of the tracker, where they are few.

    >>> alike = Classes(np.array([0.1]), np.array([1000.0]))
    >>> found = listed(alike, 0.5)  # the list is never full: every second update puts its row there
    >>> bool(abs(found.saved[0] + np.expm1(-0.05)) < 1e-9)
    True
    """
    share = classes.count / classes.rows
    mean = float(classes.updates @ share)
    piece = max(fraction / 8, 1 / rows)
    window = min(1.0, _PIECES * _EVERY * piece / mean) if mean > 0 else 1.0
    pieces = max(1, round(window * mean / _EVERY / piece))
    u = classes.updates * (window / _EVERY / pieces)  # sampled in a piece
    unsampled = (_EVERY - 1) * u
    s = -np.expm1(-u)
    on = np.zeros(u.shape)
    with_on, with_off = np.zeros(u.shape), np.zeros(u.shape)  # updates of rows on the list, and of those off it
    for _ in range(pieces):
        off = 1 - on
        joins, size = float(share @ (off * s)), float(share @ on)
        admitted = min(1.0, fraction / joins) if joins > 0 else 1.0
        over = max(0.0, joins * admitted - (fraction - size))
        pushed = min(1.0, over / size) if size > 0 else 0.0
        drawn = with_off * s + off * (u + s * unsampled)  # of rows off the list that are sampled
        rest = with_off * (1 - s) + off * (1 - s) * unsampled
        there = with_on + on * (u + unsampled)
        with_on = (1 - pushed) * there + admitted * drawn
        with_off = rest + (1 - admitted) * drawn + pushed * there
        on = on * (1 - pushed) + admitted * off * s
    on = np.clip(on, 0.0, 1.0)
    return Listed(on, with_off + (1 - window) * classes.updates * (1 - on))
