"""Laws of the time between failures, each with the job's MTBF as its mean, and what failures can strike."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.simulation import kernel

__all__ = ["LAWS", "Exponential", "FailureLaw", "FailuresStrike", "Gamma", "LogNormal", "Replay", "Weibull"]


class FailuresStrike(Enum):
    """What failures can strike; outside it the clock to the next failure stands still.

    ALWAYS: everything, recoveries too, which then start again. NOT_WHILE_RESCHEDULING: nothing fails during
    detection and rescheduling (Bougeret et al. 2011). ONLY_AT_WORK: nothing fails until the job works again,
    and the clock restarts then.
    """

    ALWAYS = "always"
    NOT_WHILE_RESCHEDULING = "not while rescheduling"
    ONLY_AT_WORK = "only at work"


class FailureLaw(Protocol):
    """A law of the gaps between failures; independent of one another, but for a replay."""

    @property
    def name(self) -> str: ...

    def parameters(self, mtbf_s: float) -> tuple[int, float, float, Any]:
        """The kernel's code for it, its shape, its scale [s], and the times of a replay."""


_NO_TIMES = np.zeros(1)


def _within(name: str, value: float, least: float, most: float) -> None:
    if not (isinstance(value, (int, float)) and least <= value <= most):
        raise DomainError(f"{name} = {value!r}: expected a number from {least:g} to {most:g}")


@dataclass(frozen=True)
class Exponential:
    """Failures without memory: the law of the closed forms."""

    name: str = "exponential"

    def parameters(self, mtbf_s: float) -> tuple[int, float, float, Any]:
        """The scale is the MTBF."""
        return kernel.EXPONENTIAL, 1.0, mtbf_s, _NO_TIMES


@dataclass(frozen=True)
class Weibull:
    """Weibull of a given shape: below 1 failures come in bursts, above 1 with age.

    >>> code, shape, scale, _ = Weibull(0.5).parameters(100.0)
    >>> scale  # 100/Γ(1 + 1/0.5)
    50.0
    """

    shape: float
    name: str = "weibull"

    def __post_init__(self) -> None:
        _within("Weibull shape", self.shape, 0.01, 1e6)

    def parameters(self, mtbf_s: float) -> tuple[int, float, float, Any]:
        """Scale μ/Γ(1 + 1/shape)."""
        return kernel.WEIBULL, self.shape, mtbf_s / math.gamma(1 + 1 / self.shape), _NO_TIMES


@dataclass(frozen=True)
class Gamma:
    """Gamma of a given shape; 1 is exponential."""

    shape: float
    name: str = "gamma"

    def __post_init__(self) -> None:
        _within("gamma shape", self.shape, 1e-3, 1e6)

    def parameters(self, mtbf_s: float) -> tuple[int, float, float, Any]:
        """Scale μ/shape."""
        return kernel.GAMMA, self.shape, mtbf_s / self.shape, _NO_TIMES


@dataclass(frozen=True)
class LogNormal:
    """Lognormal; the shape is σ, the standard deviation of the logarithm."""

    shape: float
    name: str = "lognormal"

    def __post_init__(self) -> None:
        _within("lognormal shape", self.shape, 1e-6, 30.0)

    def parameters(self, mtbf_s: float) -> tuple[int, float, float, Any]:
        """Scale μ exp(−σ²/2), the median."""
        return kernel.LOGNORMAL, self.shape, mtbf_s * math.exp(-(self.shape**2) / 2), _NO_TIMES


@dataclass(frozen=True)
class Replay:
    """Real times between interruptions, in their order, round and round, from a random start in each run.

    Their mean stands for itself: the job's MTBF is not used.
    """

    times_s: tuple[float, ...] = field(repr=False)
    name: str = "replay"

    def __post_init__(self) -> None:
        times = np.asarray(self.times_s, dtype=float)
        if times.size == 0 or not np.all(np.isfinite(times)) or np.min(times) < 0 or np.max(times) <= 0:
            raise DomainError("replay: expected at least one time, none negative, not all 0, all finite")

    def parameters(self, mtbf_s: float) -> tuple[int, float, float, Any]:
        """The times themselves."""
        return kernel.REPLAY, 1.0, 1.0, np.asarray(self.times_s, dtype=float)


#: Name → law of a shape, for the command line.
LAWS: dict[str, Any] = {"weibull": Weibull, "gamma": Gamma, "lognormal": LogNormal}
