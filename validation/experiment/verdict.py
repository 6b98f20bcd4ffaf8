"""Verdicts, and the intervals that they rest on.

A verdict compares the 90% interval of a relative difference with a tolerance of the case file. PASS: the interval
lies inside the tolerance. FAIL: it lies outside. INCONCLUSIVE: neither, the measurements cannot tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

__all__ = ["Check", "Verdict", "at_most", "interval_90", "passes", "span"]


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
class Check:
    """A hypothesis that is no comparison of a quantity."""

    name: str
    said: str
    verdict: Verdict


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


def span(low: float, high: float) -> str:
    """An interval of a relative difference, for a sentence."""
    return f" ({100 * low:+.1f}% to {100 * high:+.1f}%)" if math.isfinite(low) else " (one seed, no interval)"


def passes(right: bool) -> Verdict:
    """Of what is so or is not, without an interval."""
    return Verdict.PASS if right else Verdict.FAIL


def at_most(low: float, high: float, tolerance: float) -> Verdict:
    """By where the interval lies, when being lower than asked is no fault."""
    return Verdict.PASS if high <= tolerance else Verdict.FAIL if low > tolerance else Verdict.INCONCLUSIVE
