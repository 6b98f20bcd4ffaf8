"""A Monte-Carlo of checkpointed training: distributions, not only means."""

from cprmodel.simulation.engine import simulate
from cprmodel.simulation.laws import Exponential, FailureLaw, FailuresStrike, Gamma, LogNormal, Replay, Weibull
from cprmodel.simulation.result import Estimate, Prediction, Simulated

__all__ = [
    "Estimate",
    "Exponential",
    "FailureLaw",
    "FailuresStrike",
    "Gamma",
    "LogNormal",
    "Prediction",
    "Replay",
    "Simulated",
    "Weibull",
    "simulate",
]
