"""Two rates instead of bursts: a mixture of two exponential laws, by expectation and maximisation.

Units (or months) of which some fail more often than others give times whose hazard falls, as bursts do. The times
alone cannot tell the two apart where the mixture fits as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Mixture", "fit_mixture"]

#: Points that stand for the times where those are many.
_POINTS = 4000
_ROUNDS = 500


@dataclass(frozen=True)
class Mixture:
    """A share of the times has one mean, the rest another."""

    share: float
    mean_s: float
    other_mean_s: float
    log_likelihood: float

    @property
    def aic(self) -> float:
        """Akaike's information criterion: three parameters."""
        return 6 - 2 * self.log_likelihood

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "share": self.share,
            "mean_s": self.mean_s,
            "other_mean_s": self.other_mean_s,
            "log_likelihood": self.log_likelihood,
            "aic": self.aic,
        }


def fit_mixture(durations_s: Any, observed: Any) -> Mixture | None:
    """The likeliest mixture; None with fewer than ten events, or where both means become one."""
    events = int(np.count_nonzero(observed))
    if events < 10:
        return None
    unit = float(np.sum(durations_s)) / events
    x, happened, weights = _few(np.asarray(durations_s, dtype=float) / unit, np.asarray(observed, dtype=bool))
    middle = float(np.median(x))
    short, long = max(middle / 3, 1e-6), max(3.0, 2 * middle)
    share = 0.5
    before = -math.inf
    for _ in range(_ROUNDS):
        log_one = math.log(share) - x / short - happened * math.log(short)
        log_two = math.log1p(-share) - x / long - happened * math.log(long)
        top = np.logaddexp(log_one, log_two)
        value = float(weights @ top)
        mine = weights * np.exp(log_one - top)
        other = weights - mine
        share = min(max(float(mine.sum() / weights.sum()), 1e-9), 1 - 1e-9)
        short = max(float(mine @ x) / max(float(mine @ happened), 1e-9), 1e-12)
        long = max(float(other @ x) / max(float(other @ happened), 1e-9), 1e-12)
        if value - before < 1e-8 * max(1.0, abs(value)):
            break
        before = value
    if share in (1e-9, 1 - 1e-9) or not 1e-9 < short / long < 0.999:
        return None
    full = np.asarray(durations_s, dtype=float) / unit
    ended = np.asarray(observed, dtype=bool)
    terms = np.logaddexp(
        math.log(share) - full / short - ended * math.log(short),
        math.log1p(-share) - full / long - ended * math.log(long),
    )
    likelihood = float(terms.sum()) - events * math.log(unit)
    return Mixture(share, short * unit, long * unit, likelihood)


def _few(x: Any, happened: Any) -> tuple[Any, Any, Any]:
    """Times, whether each ended with an event, and weights: many times in groups of nearly the same length."""
    if len(x) <= _POINTS:
        return x, happened.astype(float), np.ones(len(x))
    parts = []
    for flag in (True, False):
        some = np.sort(x[happened == flag])
        if len(some) == 0:
            continue
        cuts = np.unique(np.linspace(0, len(some), min(_POINTS, len(some)) + 1).astype(int))
        counts = np.diff(cuts)
        parts.append(
            (np.add.reduceat(some, cuts[:-1]) / counts, np.full(len(counts), float(flag)), counts.astype(float))
        )
    values, flags, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    return values, flags, weights
