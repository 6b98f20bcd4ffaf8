"""Sums over blocks that come one after the other, by doubling: all terms are positive, and nothing cancels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Folded", "folded"]


class Folded(NamedTuple):
    """Of n blocks: aⁿ, bⁿ, (aⁿ − bⁿ)/(a − b), and the sums of the three up to n − 1."""

    power_a: Any
    power_b: Any
    difference: Any
    sum_a: Any
    sum_b: Any
    both: Any


def folded(a: Any, b: Any, count: Any) -> Folded:
    """All of them by doubling, for numbers of blocks that are arrays; those below 0 count as 0.

    >>> [float(value) for value in folded(0.5, 0.25, np.array(3))]  # 1/4 + 1/8 + 1/16, and so on
    [0.125, 0.015625, 0.4375, 1.75, 1.3125, 1.75]
    """
    left = np.maximum(count, 0).astype(np.int64)
    one, found = Folded(a, b, 1.0, 1.0, 1.0, 0.0), Folded(1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    while left.any():
        odd = left % 2 == 1
        found = Folded(*(np.where(odd, new, old) for new, old in zip(_after(found, one), found, strict=True)))
        one, left = _after(one, one), left // 2
    return found


def _after(one: Folded, other: Folded) -> Folded:
    """Blocks, and others after them."""
    return Folded(
        one.power_a * other.power_a,
        one.power_b * other.power_b,
        one.difference * other.power_a + one.power_b * other.difference,
        one.sum_a + one.power_a * other.sum_a,
        one.sum_b + one.power_b * other.sum_b,
        one.both + one.difference * other.sum_a + one.power_b * other.both,
    )
