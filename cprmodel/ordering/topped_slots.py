"""A block of slots between two saves of everything: what those of the first rows left out, and what of it is lost.

The equations are those of :mod:`cprmodel.ordering.topped` and :mod:`cprmodel.ordering.topped_warned`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Chances", "Slots"]


class Chances(NamedTuple):
    """Of a slot that is done: nothing took what was left out, or what the level holds."""

    untaken: Any  # q
    unhit: Any  # u
    saved: Any = 0.0  #: a save on a warning took it all before, and nothing what the level holds: v

    @property
    def taken(self) -> Any:
        """What was left out is lost, and would not have been all the same."""
        return self.unhit - self.untaken - self.saved


class Slots(NamedTuple):
    """A block of slots, the last of which ends with a save of everything; arrays beside that of the intervals."""

    each: Chances
    last: Chances
    left: Any  #: z: what was left out when a slot begins, by saves since everything was saved (a last axis) [slots]
    count: Any  #: slots of a block, n

    @classmethod
    def of(cls, x: Any, each: Chances, first: Chances, last: Chances, made: Any, count: Any) -> Slots:
        """From what saves leave out where nothing takes it (a last axis, as :func:`left_of`).

        ``made``: of a slot's updates, where something takes what was left out, the share that is made after it.
        """
        many = min(x.shape[-1] - 1, int(np.max(count)) - 1)
        x = x[..., : many + 1]
        if many < 1:
            return cls(each, last, x, count)
        q, after, spared = each.untaken[..., None], np.asarray(made)[..., None], first.untaken[..., None]
        begun = after * x[..., 1:] + (1 - after) * x[..., :-1]
        powers = q ** np.arange(many)
        since = np.cumsum(powers * begun, axis=-1)
        since = np.concatenate([np.zeros_like(since[..., :1]), since[..., :-1]], axis=-1)
        left = (1 - q) * since + powers * (spared * x[..., 1:] + (1 - spared) * begun)
        return cls(each, last, np.concatenate([np.zeros_like(left[..., :1]), left], axis=-1), count)

    def lost(self, last: Chances | None = None, count: Any = None) -> Any:
        """Updates of a block that are lost because they were left out [slots]; or of fewer slots, that end so."""
        ends, n = last or self.last, self.count if count is None else count
        z, many = self.left[..., 1:], self.left.shape[-1] - 1
        if not many:
            return np.zeros(np.broadcast_shapes(np.shape(n), self.left.shape[:-1]))
        at = np.arange(1, many + 1)
        power = np.log(np.maximum(self.each.unhit, 1e-300))
        left = np.asarray(n)[..., None] - 2 - at
        within = np.exp(np.where(left >= 0, left, 0.0) * power[..., None])
        weight = np.where(left >= 0, (self.each.taken * ends.unhit)[..., None] * within, 0.0)
        weight = np.where(left == -1, ends.taken[..., None], weight)
        beyond = np.maximum(n - 2 - many, 0)  # slots in which nothing changes any more
        spared = -np.expm1(power)
        powers = np.where(spared > 0, -np.expm1(beyond * power) / np.where(spared > 0, spared, 1.0), beyond)
        steady = self.each.taken * ends.unhit * powers + np.where(n - 1 > many, ends.taken, 0.0)
        return (z * weight).sum(axis=-1) + z[..., -1] * steady

    def lost_then(self, head: Any, done: Any, each: Chances, last: Chances) -> Any:
        """Updates that are lost because they were left out of a block that a save on a warning ends [slots].

        ``head`` and ``done``: probabilities that the first slot, and another, is done; ``each`` and ``last``:
        chances that one, or the last, is ended so.
        """
        z, n, many = self.left[..., 1:], np.asarray(self.count, dtype=float), self.left.shape[-1] - 1
        if not many:
            return np.zeros(np.broadcast_shapes(np.shape(n), self.left.shape[:-1]))
        at, middle = np.arange(1, many + 1), n - 2  # of slots from the second to the last but one
        u, on = self.each.unhit, np.asarray(done)[..., None]
        log_both, log_done, log_u = (np.log(np.maximum(one, 1e-300)) for one in (done * u, done, u))
        there = np.where(at <= middle[..., None], on ** (at - 1), 0.0)
        goes_on = -np.expm1(np.maximum(middle[..., None] - at, 0) * log_both[..., None])
        own = (z * there).sum(axis=-1)
        before = (z * there * on * goes_on).sum(axis=-1)
        # beyond, nothing changes any more
        beyond = np.maximum(middle - many, 0)
        steady = done**many * -np.expm1(beyond * log_done) / (1 - done)
        spared = 1 - u
        powers = np.where(spared > 0, -u * np.expm1(beyond * log_u) / np.where(spared > 0, spared, 1.0), beyond)
        own = own + z[..., -1] * steady
        before = before + z[..., -1] * done * (steady - done ** (many + beyond) * powers)
        before = before * self.each.taken / (1 - done * u)
        at_last = np.where(n - 1 > many, z[..., -1], (z * (at == n[..., None] - 1)).sum(axis=-1))
        since = self.lost(Chances(np.ones(1), np.ones(1)), n) * last.unhit + at_last * last.taken
        reaches = np.where(n > 1, done ** np.maximum(middle, 0), 0.0)
        return head * (before * each.unhit + own * each.taken + reaches * since)
