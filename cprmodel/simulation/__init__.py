"""A Monte-Carlo of checkpointed training: distributions, not only means."""

from cprmodel.simulation.engine import simulate
from cprmodel.simulation.laws import Exponential, FailureLaw, FailuresStrike, Gamma, LogNormal, Replay, Weibull
from cprmodel.simulation.played import Activity, AtTimes, GivenFailure, Played, Strikes, play
from cprmodel.simulation.result import Estimate, Prediction, Simulated

__all__ = [
    "Activity",
    "AtTimes",
    "Estimate",
    "Exponential",
    "FailureLaw",
    "FailuresStrike",
    "Gamma",
    "GivenFailure",
    "LogNormal",
    "Played",
    "Prediction",
    "Replay",
    "Simulated",
    "Strikes",
    "Weibull",
    "play",
    "simulate",
]
